"""Find points on the curves that Plotly draws through points: arrow heads lie on the line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import hypot

SMOOTHING = 0.35

Point = tuple[float, float]


def on_spline(points: Sequence[Point], number: int, share: float) -> Point:
    """Return the point that lies so far along a piece of Plotly's open spline.

    Its tangents are those of a centripetal Catmull-Rom spline, shortened; the first and the last
    piece have one only.

    Args:
        points: Of the whole line, in pixels.
        number: Of the piece: from the point of this number to the next.
        share: How far along it, from 0 to 1.

    Example:
        >>> on_spline([(0.0, 0.0), (10.0, 20.0)], 0, 0.5)
        (5.0, 10.0)
    """
    start, end = points[number], points[number + 1]
    controls = [start]
    if number > 0:
        controls.append(_controls(*points[number - 1 : number + 2])[1])
    if number + 2 < len(points):
        controls.append(_controls(*points[number : number + 3])[0])
    controls.append(end)
    while len(controls) > 1:  # de Casteljau
        controls = [_between(a, b, share) for a, b in pairwise(controls)]
    return controls[0]


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def _controls(before: Point, at: Point, after: Point) -> tuple[Point, Point]:
    """What the curve is drawn towards right before and right after a point."""
    back = before[0] - at[0], before[1] - at[1]
    ahead = after[0] - at[0], after[1] - at[1]
    root_back, root_ahead = hypot(*back) ** 0.5, hypot(*ahead) ** 0.5
    turn = [
        (root_ahead**2 * b - root_back**2 * a) * SMOOTHING for b, a in zip(back, ahead, strict=True)
    ]
    both = root_back + root_ahead
    low, high = 3 * root_ahead * both, 3 * root_back * both
    first = (at[0] + turn[0] / low, at[1] + turn[1] / low) if low else at
    second = (at[0] - turn[0] / high, at[1] - turn[1] / high) if high else at
    return first, second
