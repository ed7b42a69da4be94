"""Drop what a training has logged that was then taken up again from an earlier step."""

from __future__ import annotations

from collections.abc import Iterable
from operator import lt

Points = list[tuple[int, float]]


def resumed(points: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Return values by step, in order.

    Where steps begin anew further back and then go on, a training was taken up again: what had
    passed that step before is dropped. A single step further back is an evaluation of an earlier
    state, and takes the place of no other step.

    Args:
        points: Steps and values, as they were logged.

    Example:
        >>> resumed([(0, 1.0), (10, 2.0), (20, 3.0), (30, 4.0), (10, 2.5), (20, 3.5)])
        {0: 1.0, 10: 2.5, 20: 3.5}
        >>> resumed([(10, 2.0), (20, 3.0), (0, 1.0)])
        {0: 1.0, 10: 2.0, 20: 3.0}
    """
    points = list(points)
    steps = [step for step, _ in points]
    if all(map(lt, steps, steps[1:])):  # as of nearly every run
        return dict(points)
    series: dict[int, float] = {}
    for stretch in _stretches(points):
        if len(stretch) > 1:
            first = stretch[0][0]
            series = {step: value for step, value in series.items() if step < first}
        series |= dict(stretch)
    return dict(sorted(series.items()))


def _stretches(points: Iterable[tuple[int, float]]) -> list[Points]:
    """Points in stretches of growing steps."""
    found: list[Points] = []
    for step, value in points:
        if not found or step <= found[-1][-1][0]:
            found.append([])
        found[-1].append((step, value))
    return found
