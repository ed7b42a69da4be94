"""Find the ranges of a plane's axes: around what is drawn, or from 0 to what there is to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from it_callbacks.figures.limits import Limit
from it_callbacks.figures.marks import Way

_NEAR = 0.35
"""Share of the span beyond the data within which a reference mark, or 0, is taken in."""
_ROOM = 0.07
_LEAST_SPAN = 0.15
"""Bits: less would make noise look like movement."""


def fitted(values: Sequence[float], marks: Sequence[float]) -> list[float]:
    """Return a range around values, with room, and with marks that are near.

    Example:
        >>> fitted([1.0, 2.0], marks=[2.25, 9.0])
        [0.9125, 2.3375]
        >>> fitted([0.25, 2.0], marks=[])
        [-0.14, 2.14]
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = max(high - low, _LEAST_SPAN)
    if 0 < low < _NEAR * span:
        low = 0.0
    below, above = low - _NEAR * span, high + _NEAR * span
    low = min([low, *(mark for mark in marks if below <= mark)])
    high = max([high, *(mark for mark in marks if mark <= above)])
    room = _ROOM * max(high - low, _LEAST_SPAN)
    return [round(low - room, 4), round(high + room, 4)]


def from_zero(values: Sequence[float], ceiling: float | None) -> list[float]:
    """Return a range from 0 to what there is to know; wider where values are beyond.

    Example:
        >>> from_zero([1.0, 2.0], ceiling=8.0)
        [0.0, 8.24]
    """
    high = max([ceiling or 0.0, *values]) or 1.0
    low = min([0.0, *values])
    room = 0.03 * (high - low)
    return [round(low - (room if low < 0 else 0), 4), round(high + room, 4)]


def span_of(values: Sequence[float], marks: Sequence[float], scale: str) -> list[float]:
    """Return the range of an axis: ``"fit"`` is around values, ``"zero"`` from 0 to the marks."""
    is_from_zero = scale == "zero"
    return from_zero(values, max(marks, default=None)) if is_from_zero else fitted(values, marks)


def ranges(
    ways: Sequence[Way], found: Sequence[Limit], scale: str, *, has_bars: bool, has_chance: bool
) -> tuple[list[float], list[float]]:
    """Return the ranges of both axes, shared by all plots.

    Args:
        ways: All that is drawn.
        found: The reference marks of all plots.
        scale: ``"fit"`` or ``"zero"``.
        has_bars: Whether intervals of all points are drawn.
        has_chance: Whether the chance level of the last points is.
    """
    of_axes = []
    for axis in "xy":
        values = [v for way in ways for v in _extremes(way, axis, has_bars, has_chance)]
        marks = [limit.at for limit in found if limit.axis == axis]
        of_axes.append(span_of(values, marks, scale))
    return of_axes[0], of_axes[1]


def _extremes(way: Way, axis: str, has_bars: bool, has_chance: bool) -> Iterator[float]:
    """The least and the greatest of what is drawn of a way along an axis."""
    each = way.trajectory
    values, (low, high) = (each.x, each.x_ends) if axis == "x" else (each.y, each.y_ends)
    is_whole = len(each.steps) == len(values)
    drawn = values.values() if is_whole else [values[step] for step in each.steps]
    yield from (min(drawn), max(drawn)) if drawn else ()
    ends = (*each.steps[:1], *each.steps[-1:]) if way.has_dots else ()
    barred = [step for step in (each.steps if has_bars else ends) if step in low and step in high]
    bars = [(low[s], high[s]) for s in barred if isfinite(low[s]) and isfinite(high[s])]
    if bars:
        yield from (min(below for below, _ in bars), max(above for _, above in bars))
    if has_chance and axis == "y" and each.steps:
        level = each.chance.get(each.steps[-1])
        if level is not None and level == level:  # no NaN
            yield level
