"""Draw how repeats of one training scatter around their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from it_callbacks.figures.marks import Trace, Way, joined
from it_callbacks.figures.times import spaced
from it_callbacks.figures.trajectories import Trajectory

MOMENTS = 5
"""At which ellipses are drawn, evenly spaced in log time."""
MOST_SINGLE = 3
"""Runs whose own ways are drawn; more are a thicket."""
_CORNERS = 36


def ellipse(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the outline of one standard deviation around the mean of some points.

    Args:
        xs: Across, at least two.
        ys: Up, as many.

    Returns:
        The corners, the first one again at the end.

    Example:
        >>> across, up = ellipse([0.0, 2.0], [1.0, 1.0])
        >>> round(max(across), 4), max(up)  # 1 plus the root of 2
        (2.4142, 1.0)
    """
    x, y, n = fmean(xs), fmean(ys), len(xs) - 1
    across, up = sum((v - x) ** 2 for v in xs) / n, sum((v - y) ** 2 for v in ys) / n
    both = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / n
    middle, half = (across + up) / 2, math.hypot((across - up) / 2, both)
    long, short = math.sqrt(max(middle + half, 0)), math.sqrt(max(middle - half, 0))
    turn = math.atan2(2 * both, across - up) / 2
    found_x, found_y = [], []
    for number in range(_CORNERS + 1):
        angle = 2 * math.pi * number / _CORNERS
        a, b = long * math.cos(angle), short * math.sin(angle)
        found_x.append(round(x + a * math.cos(turn) - b * math.sin(turn), 4))
        found_y.append(round(y + a * math.sin(turn) + b * math.cos(turn), 4))
    return found_x, found_y


def ellipses(way: Way, repeats: Sequence[Trajectory]) -> list[Trace]:
    """One trace of ellipses around a mean way, at moments that all repeats have."""
    shared = [s for s in way.trajectory.steps if all(s in set(r.steps) for r in repeats)]
    if not shared:
        return []
    outlines = [
        ellipse([r.x[step] for r in repeats], [r.y[step] for r in repeats])
        for step in spaced(shared, way.trajectory.epochs, MOMENTS)
    ]
    return [
        way.trace(
            "ellipse",
            mode="lines",
            x=joined(across for across, _ in outlines),
            y=joined(up for _, up in outlines),
            fill="toself",
            fillcolor=way.colour.faint(0.14),
            line={"color": way.colour.faint(0.55), "width": 1},
        )
    ]


def single(way: Way, repeats: Sequence[Trajectory]) -> list[Trace]:
    """The thin ways of a few repeats."""
    if len(repeats) > MOST_SINGLE:
        return []
    found = []
    for each in repeats:
        at = replace(way, trajectory=each).at
        x, y = (joined([of[n] for n in piece] for piece in each.pieces) for of in at)
        line = {"color": way.colour.faint(0.25), "width": 1}
        found.append(way.trace("line", mode="lines", x=x, y=y, line=line))
    return found
