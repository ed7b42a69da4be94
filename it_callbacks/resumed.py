"""Drop what a training has logged that was then taken up again from an earlier step."""

from __future__ import annotations

from collections.abc import Iterable


def resumed(points: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Return values by step, in order; a step takes away all that had passed it before.

    Args:
        points: Steps and values, as they were logged.

    Example:
        >>> resumed([(0, 1.0), (10, 2.0), (20, 3.0), (10, 2.5)])
        {0: 1.0, 10: 2.5}
    """
    points = list(points)
    series = dict(points)
    if len(series) == len(points) and list(series) == sorted(series):
        return series
    series = {}
    for step, value in points:
        while series and next(reversed(series)) >= step:
            series.popitem()
        series[step] = value
    return series
