"""Draw the lines in a plane that values are read against: what there is to know, and ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from it_callbacks.figures.axes import Panel, finite
from it_callbacks.figures.labels import plain
from it_callbacks.figures.subplots import Box, width_of
from it_callbacks.figures.theme import BACKGROUND, MARK, MUTED
from it_callbacks.runs import Key
from it_callbacks.wide_settings import WideSettings

LABEL_BOUND = "prediction_entropy/label_bound"
"""Name of the quantity that every layer of any width is compared with."""
_BOUND = "label bound"
_SIZE = 11
_LINE = 14
_LONG = 0.45
"""Share of a plot's width that is too much for a word."""
_EQUAL = 0.005
"""Bits between limits of two runs that are written alike."""

Range = Sequence[float]
Written = tuple[float, float, float]
"""Where a word of a limit lies in its plot, in pixels: left, top, width."""


class Limit(NamedTuple):
    """A line across one axis."""

    axis: str
    """Which axis it marks: ``x`` or ``y``."""
    at: float
    name: str
    text: str
    """What is written at its end."""


def limits(panels: Sequence[Panel], reading: str) -> list[Limit]:
    """Return the lines that all panels of a plot have, as far as settings and runs hold them."""
    of_each = [
        _of_any_width(panel) if reading == "wide" else _of_the_code(panel) for panel in panels
    ]
    first, *others = of_each or [[]]
    return [
        limit
        for limit in first
        if all(
            any(each.name == limit.name and abs(each.at - limit.at) < _EQUAL for each in found)
            for found in others
        )
    ]


def _of_the_code(panel: Panel) -> list[Limit]:
    n = panel.run.setting("information_plane", panel.set, "n_samples")
    log_n = math.log2(n) if n is not None and n >= 1 else None
    h_y = panel.run.label_entropy(panel.set)
    return [
        *_limit("y", h_y, "H(Y)", f"{_label_entropy(panel)} =", ": everything"),
        *_limit("x", log_n, "log2 N", "log₂ N ="),
    ]


def _of_any_width(panel: Panel) -> list[Limit]:
    wide = panel.run.wide(panel.set)
    log_k = math.log2(wide.n_classes) if wide.n_classes else None
    is_below = log_k is not None and log_k < (math.inf if wide.ceiling is None else wide.ceiling)
    bound = None if wide.among else _last_bound(panel)
    among = f" {wide.classes}" if wide.classes else ": everything"
    return [
        *_limit("x", log_k if is_below else None, "log2 K", "log₂ K ="),
        *_ceiling(wide),
        Limit("y", 0.0, "0", "0: nothing"),
        *_limit("y", wide.label_entropy, "H(Y)", f"{_label_entropy(panel)} =", among),
        # A bound below 0 says nothing.
        *_limit(
            "y", bound if bound and bound > 0 else None, _BOUND, "the predictions have at least"
        ),
    ]


def _ceiling(wide: WideSettings) -> list[Limit]:
    """The cap of little noise is far beyond what so few samples can show: log2 N is the limit."""
    if wide.cap is None or wide.log_n is None or wide.cap < wide.log_n + 1:
        return _limit("x", wide.cap, "cap", "cap")
    return _limit("x", wide.log_n, "log2 N", "log₂ N =")


def _limit(axis: str, at: float | None, name: str, text: str, remark: str = "") -> list[Limit]:
    at = finite(at)
    return [] if at is None else [Limit(axis, at, name, f"{text} {at:.2f}{remark}")]


def _label_entropy(panel: Panel) -> str:
    return f"H({panel.run.label_symbol(panel.set)})"


def _last_bound(panel: Panel) -> float | None:
    root, _, kind = LABEL_BOUND.partition("/")
    values = panel.run.values(Key(root, panel.set, kind)).values()
    return next((value for value in reversed(list(values)) if math.isfinite(value)), None)


def draw_limits(
    drawn: dict[str, Any],
    box: Box,
    found: Sequence[Limit],
    ranges: tuple[Range, Range],
    points: Sequence[tuple[float, float]] = (),
) -> list[Written]:
    """Add dotted lines, and their words at the ends, to a layout.

    One beyond the axes is a word at the edge.

    Args:
        drawn: The layout.
        box: The plot.
        found: The limits.
        ranges: Of both axes.
        points: What else is drawn, in pixels.

    Returns:
        Where words are.
    """
    written: list[Written] = []
    for limit in found:
        low, high = ranges[limit.axis == "y"]
        if limit.at <= low:
            continue
        if limit.at < high:
            drawn["shapes"].append(_line(limit, box))
            share = (limit.at - low) / (high - low)
            if limit.axis == "x":
                note, place = _below(limit, box, share)
            else:
                note, place = _beside(limit, box, share, points, written)
        else:
            spots = (_at_the_edge(limit, box, number) for number in range(2 * len(written) + 1))
            note, place = next(spot for spot in spots if not _n_below(spot[1], written))
        drawn["annotations"].append(note)
        written.append(place)
    return written


def _n_below(word: Written, written: Sequence[Written]) -> int:
    """How many words a word would be over."""
    left, top, wide = word
    return sum(
        left < other + long and other < left + wide and abs(top - above) < _LINE
        for other, above, long in written
    )


def _line(limit: Limit, box: Box) -> dict[str, Any]:
    other = "y" if limit.axis == "x" else "x"
    axes = {letter: f"{letter}{box.place.axis}" for letter in "xy"}
    return {
        "type": "line",
        "name": limit.name,
        "layer": "below",
        "line": {"color": MARK, "width": 1, "dash": "dot"},
        f"{limit.axis}ref": axes[limit.axis],
        f"{limit.axis}0": limit.at,
        f"{limit.axis}1": limit.at,
        f"{other}ref": f"{axes[other]} domain",
        f"{other}0": 0,
        f"{other}1": 1,
    }


def _note(limit: Limit, text: str, **where: Any) -> dict[str, Any]:
    font = {"size": _SIZE, "color": MUTED}
    shared = {"showarrow": False, "font": font, "bgcolor": BACKGROUND.faint(0.75), "borderpad": 1}
    return {"text": plain(text), "name": limit.name, **shared, **where}


def _below(limit: Limit, box: Box, share: float) -> tuple[dict[str, Any], Written]:
    """At the lower end of a vertical line, on the side where there is room."""
    axis, wide = box.place.axis, width_of(limit.text, _SIZE)
    is_left = share * box.width + wide + 4 > box.width
    note = _note(
        limit,
        limit.text,
        xref=f"x{axis}",
        x=limit.at,
        yref=f"y{axis} domain",
        y=0,
        xanchor="right" if is_left else "left",
        yanchor="bottom",
        xshift=-2 if is_left else 2,
    )
    left = share * box.width - (wide + 2 if is_left else -2)
    return note, (left, box.height - _LINE, wide)


def _beside(
    limit: Limit,
    box: Box,
    share: float,
    points: Sequence[tuple[float, float]],
    written: Sequence[Written],
) -> tuple[dict[str, Any], Written]:
    """At the left end of a level line and above it, or where it is over no other word.

    What the predictions have often crosses the ways: it is where it covers fewest points.
    """
    text, line = limit.text, (1 - share) * box.height
    if limit.name == _BOUND and width_of(text, _SIZE) > _LONG * box.width:
        text = f"predictions {limit.at:.2f}"
    wide = width_of(text, _SIZE)
    spots = [(0, "bottom"), (1, "bottom"), (0, "top"), (1, "top")]
    if limit.name == _BOUND:
        spots = [(1, "top"), (1, "bottom"), (0, "top"), (0, "bottom")]

    def place(side: int, anchor: str) -> Written:
        left = box.width - wide - 4 if side else 4
        return left, line - (_LINE if anchor == "bottom" else 0), wide

    def covered(spot: tuple[int, str]) -> int:
        left, top, _ = place(*spot)
        return sum(
            left - 8 < x < left + wide + 8 and top - 8 < y < top + _LINE + 8 for x, y in points
        )

    def cost(spot: tuple[int, str]) -> tuple[int, int]:
        return _n_below(place(*spot), written), covered(spot) if limit.name == _BOUND else 0

    side, anchor = min(spots, key=cost)
    axis = box.place.axis
    note = _note(
        limit,
        text,
        xref=f"x{axis} domain",
        x=side,
        yref=f"y{axis}",
        y=limit.at,
        xanchor="right" if side else "left",
        yanchor=anchor,
        xshift=-4 if side else 4,
    )
    return note, place(side, anchor)


def _at_the_edge(limit: Limit, box: Box, number: int) -> tuple[dict[str, Any], Written]:
    """At the end of its axis, so many lines from the corner."""
    axis, is_x = box.place.axis, limit.axis == "x"
    text = f"{limit.text} {'→' if is_x else '↑'}"
    wide = width_of(text, _SIZE)
    note = _note(
        limit,
        text,
        xref=f"x{axis} domain",
        x=1 if is_x else 0,
        yref=f"y{axis} domain",
        y=0 if is_x else 1,
        xanchor="right" if is_x else "left",
        yanchor="bottom" if is_x else "top",
        xshift=0 if is_x else 4,
        yshift=_LINE * number if is_x else -_LINE * number,
    )
    if is_x:
        return note, (box.width - wide, box.height - _LINE * (number + 1), wide)
    return note, (4, _LINE * number, wide)
