"""Write what hovering shows of a point: its values, how far to trust them, and why."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from it_callbacks.figures.axes import Panel, how_read
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.figures.readings import View
from it_callbacks.figures.trajectories import Trajectory
from it_callbacks.records import Status
from it_callbacks.runs import Series

_LINE = 50
"""Characters of a line; longer ones cover half the plot."""
MANY = 60
"""Ways in a plot beyond which each is drawn, and told of, with less."""
_SATURATED = "○ SATURATED: nearly every sample has its own code"
_CAUTION = "◉ CAUTION: "
_WHY = {"wide": "may be low by up to a bit", "code": "read it as a trend only"}


def hover(
    panel: Panel, each: Trajectory, view: View, resolution: int, n_ways: int = 1
) -> dict[str, Any]:
    """Return what a trace shows of its points; names come in as `meta`, not in the template.

    Where very many ways are drawn, values and reasons stand without intervals and chance.
    """
    if n_ways > MANY:
        none: tuple[Series, Series] = ({}, {})
        each = each._replace(x_ends=none, y_ends=none, chance={}, coverage={}, upper={})
    reading = "wide" if view.y == "V_TY" else "code"
    caution = each.caution or _WHY[reading]
    key = hover, view, resolution, n_ways > MANY, each.layer, tuple(each.steps)
    rows = panel.once(key, lambda: _rows(each, bool(panel.run.spread), caution))
    names = " · ".join((panel.run.name, panel.set))
    n = "" if each.samples is None else f"n {each.samples}"
    ruler = "" if reading == "wide" else how_read(panel, view.x, resolution)
    about = [plain(shortened(names, _LINE)), " · ".join(filter(None, (ruler, n)))]
    about += [panel.run.wide(panel.set).classes] if reading == "wide" else []
    return {
        "meta": {
            "title": plain(shortened(each.layer, _LINE - 18)),
            "about": "<br>".join(filter(None, about)),
        },
        "customdata": rows,
        "hovertemplate": "<br>".join(_lines(panel, each, view)) + "<extra></extra>",
    }


def _lines(panel: Panel, each: Trajectory, view: View) -> list[str]:
    epoch = "epoch %{customdata[0]}  ·  " if set(each.steps) <= each.epochs.keys() else ""
    x, y = (word_of(panel, name) for name in view.axes)
    n_columns = 2
    found = [
        f"<b>%{{meta.title}}</b>  layer {each.depth + 1} of {each.n_layers}",
        f"{epoch}step %{{customdata[1]}}",
    ]
    for is_there, before, after in (
        (any(each.x_ends), f"{x}  <b>%{{x:.2f}}</b>", " bits"),
        (any(each.y_ends), f"{y}  <b>%{{y:.2f}}</b>", " bits"),
        (bool(each.chance), "labels dealt at random would give ", ""),
        (bool(each.coverage), "coverage ", " %"),
    ):
        column = f"%{{customdata[{n_columns}]}}" if is_there else ""
        n_columns += is_there
        found += [before + column + after] if is_there or "<b>" in before else []
    found[-1] += f"%{{customdata[{n_columns}]}}"
    return [*found, "%{meta.about}"]


def word_of(panel: Panel, quantity: str) -> str:
    """What a quantity of a plane is called where there is little room."""
    if quantity in WORDS:
        return WORDS[quantity]
    label, symbol = panel.run.about(quantity).label, panel.run.label_symbol(panel.set)
    return plain(label.replace("T;Y", f"T;{symbol}"))


WORDS = {"relative_I_XT": "inputs kept apart", "V_TY": "found about the label"}


def _rows(each: Trajectory, is_mean: bool, caution: str) -> list[list[Any]]:
    """Epoch and step, what `_lines` names in its order, and at the end the reasons."""
    steps = each.steps
    columns: list[list[Any]] = [[each.epochs.get(step, "") for step in steps], steps]
    for values, (low, high) in ((each.x, each.x_ends), (each.y, each.y_ends)):
        if low or high:
            ends = ((low.get(step, math.nan), high.get(step, math.nan)) for step in steps)
            texts = zip((values[step] for step in steps), ends, strict=True)
            columns.append([_around(value, *both, is_mean) for value, both in texts])
    for series, factor, digits in ((each.chance, 1, 2), (each.coverage, 100, 0)):
        if series:
            found = (series.get(step, math.nan) for step in steps)
            columns.append([f"{factor * v:.{digits}f}" if math.isfinite(v) else "–" for v in found])
    why = _why_of_statuses(caution)
    columns.append([_bounds(each, step) + why.get(each.status_at(step), "") for step in steps])
    return [list(row) for row in zip(*columns, strict=True)]


def _around(value: float, low: float, high: float, is_mean: bool) -> str:
    """The interval of a value; one number where it reaches as far up as down."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    below, above = value - low, high - value
    if abs(above - below) < 0.005:
        return f" {'sd' if is_mean else '±'} {above:.2f}"
    return f" ({low:.2f} to {high:.2f})"


def _bounds(each: Trajectory, step: int) -> str:
    """What the values of a point cannot exceed or fall below, each on a line of its own."""
    x, y = each.lowers
    return "".join(
        f"<br>{words} {bound:.2f}"
        for words, series in (
            ("I(X;T) at most", each.upper),
            ("I(X;T) at least", x),
            ("I(T;Y) at least", y),
        )
        if math.isfinite(bound := series.get(step, math.nan))
    )


def _why_of_statuses(caution: str) -> dict[Status | None, str]:
    """What is said of points that are not to be trusted, on lines of their own."""
    of_caution = textwrap.wrap(_CAUTION + caution, _LINE)
    lines = {Status.SATURATED: [_SATURATED], Status.CAUTION: of_caution}
    return {
        status: "".join(f"<br>{plain(line)}" for line in found) for status, found in lines.items()
    }
