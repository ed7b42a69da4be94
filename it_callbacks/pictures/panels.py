"""Make the panels of a figure: axes with ranges, ticks and titles, lines across, colour bars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from it_callbacks.pictures.colours import Scale, rgba, scale_of
from it_callbacks.pictures.style import literal
from it_callbacks.pictures.traces import Pen, Trace, cells, dash, own_scale, scatter

Panels = Mapping[str, Any]
"""matplotlib's Axes by the name of the horizontal axis: ``"x"``, ``"x2"``, ..."""
Layout = Mapping[str, Any]


def numbered(layout: Layout) -> list[str]:
    """What the names of the axes of each panel end with: ``""``, ``"2"``, ..."""
    found = [key.removeprefix("xaxis") for key in layout if re.fullmatch(r"xaxis\d*", key)]
    return sorted(found, key=lambda name: int(name or 1))


def drawn_traces(data: Iterable[Trace]) -> list[Trace]:
    """The traces that are seen at first."""
    return [t for t in data if t.get("visible", True) is True and t.get("opacity") != 0]


def pen_of(layout: Layout, data: Sequence[Trace], px: float) -> Pen:
    """What the traces are drawn with."""
    names = [key for key in layout if re.fullmatch(r"coloraxis\d*", key)]
    colours = {name: scale_of(layout[name], _coloured(name, data)) for name in names}
    return Pen(px, colours, {})


def _coloured(name: str, data: Sequence[Trace]) -> list[float]:
    """All numbers that have their colour from an axis."""
    found = [v for t in data if t.get("coloraxis") == name for row in t["z"] for v in row]
    for marker in (trace.get("marker", {}) for trace in data):
        if marker.get("coloraxis") == name:
            found += marker["color"]
    return [value for value in found if value is not None]


def draw_trace(panels: Panels, trace: Trace, pen: Pen) -> None:
    """A trace as it is, on its panel."""
    axes = panels[trace.get("xaxis", "x")]
    (cells if trace["type"] == "heatmap" else scatter)(axes, trace, pen)


def finish(
    panels: Panels, layout: Layout, data: Sequence[Trace], px: float, *, has_grid: bool
) -> None:
    """Ranges and ticks of all panels; axes that match have one range."""
    categories = {
        (letter, trace.get("xaxis", "x")): list(map(str, trace[letter]))
        for trace in data
        for letter in "xy"
        if any(isinstance(value, str) for value in trace[letter])
    }
    for letter in "xy":
        ranges = _ranges(panels, layout, letter)
        for name, axes in panels.items():
            about = layout[f"{letter}axis{name[1:]}"]
            (axes.set_xlim if letter == "x" else axes.set_ylim)(*ranges[name])
            axis = axes.xaxis if letter == "x" else axes.yaxis
            if about.get("type") == "log":
                axis.set_major_formatter(lambda power, _: f"{10**power:g}")
            _ticks(axis, about, categories.get((letter, name), []))
            shown = {"labelbottom" if letter == "x" else "labelleft": _has_numbers(about)}
            axes.tick_params(letter, **shown, **({} if _has_marks(about) else {"length": 0}))
            axes.set_axisbelow(True)
            if has_grid and about.get("showgrid", True):
                axes.grid(axis=letter, color=rgba(about.get("gridcolor", "#eeeeee")), linewidth=px)
            if not about.get("visible", True):
                axes.set_axis_off()


def _has_numbers(about: Layout) -> bool:
    return bool(about.get("showticklabels", True))


def _has_marks(about: Layout) -> bool:
    return bool(about.get("ticks", "outside"))


def _ranges(panels: Panels, layout: Layout, letter: str) -> dict[str, tuple[float, float]]:
    """By the name of the panel, its range along one of its axes."""
    reach: dict[str, list[float]] = {}
    leader = {}
    for name, axes in panels.items():
        about = layout[f"{letter}axis{name[1:]}"]
        leader[name] = about.get("matches", f"{letter}{name[1:]}")
        low, high = getattr(axes.dataLim, f"interval{letter}")
        if np.isfinite([low, high]).all():
            reach.setdefault(leader[name], []).extend((low, high))
    found = {}
    for name in panels:
        about = layout[f"{letter}axis{name[1:]}"]
        among = reach.get(leader[name], [0.0, 1.0])
        low, high = min(among), max(among)
        room = 0.05 * ((high - low) or 1.0)
        low = 0.0 if about.get("rangemode") == "tozero" and low >= 0 else low - room
        ends = about.get("range", (low, high + room))
        found[name] = (ends[1], ends[0]) if _is_turned(about) else (ends[0], ends[1])
    return found


def _is_turned(about: Layout) -> bool:
    return about.get("autorange") == "reversed"


def _ticks(axis: Any, about: Layout, categories: Sequence[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    if "tickvals" in about:
        texts = about.get("ticktext", about["tickvals"])
        at = [categories.index(v) if v in categories else v for v in about["tickvals"]]
        axis.set_ticks(at, [literal(str(text)) for text in texts])
    else:
        steps = [1, 2, 5, 10]
        axis.set_major_locator(MaxNLocator(about.get("nticks", 7), steps=steps, min_n_ticks=2))


def title_of(layout: Layout, letter: str, name: str) -> str:
    """The title of an axis of a panel."""
    title = layout[f"{letter}axis{name[1:]}"].get("title") or ""
    return literal(title if isinstance(title, str) else title.get("text", ""))


def across(panels: Panels, shapes: Iterable[Layout], px: float) -> list[Any]:
    """Draw lines and frames that a layout has; those that refer to the whole page are left out."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    found = []
    for shape in shapes:
        axes, transform = place(panels, shape)
        if axes is None:
            continue
        line = shape.get("line", {})
        width, colour = line.get("width", 2) * px, rgba(line.get("color", "black"))
        order = 1.0 if shape.get("layer") == "below" else 2.2
        ends = [shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]]
        if shape["type"] == "line":
            drawn: Any = Line2D(*ends, color=colour, linestyle=dash(line), linewidth=width)
        else:
            (x0, x1), (y0, y1) = ends
            drawn = Rectangle(
                (x0, y0), x1 - x0, y1 - y0, edgecolor=colour, linewidth=width,
                facecolor=rgba(shape.get("fillcolor", "#00000000")),
            )  # fmt: skip
        drawn.set(transform=transform, zorder=order)
        found.append(axes.add_artist(drawn))
    return found


def place(panels: Panels, drawn: Layout) -> tuple[Any, Any]:
    """The panel of a shape or a note, and what its x and y count there; (None, None) for none.

    A reference to the page counts as one to the panel if the other is to an axis of it.
    """
    from matplotlib.transforms import blended_transform_factory

    refs = drawn["xref"], drawn["yref"]
    of_axes = [ref.removesuffix(" domain") for ref in refs if ref != "paper"]
    if not of_axes or f"x{of_axes[0][1:]}" not in panels:
        return None, None
    axes = panels[f"x{of_axes[0][1:]}"]
    by_axis = [axes.transData if is_of_data(ref) else axes.transAxes for ref in refs]
    return axes, blended_transform_factory(*by_axis)


def is_of_data(ref: str) -> bool:
    """Whether a reference counts the values of an axis, not shares of a panel or of the page."""
    return ref != "paper" and not ref.endswith(" domain")


def bars_of(layout: Layout, data: Sequence[Trace], pen: Pen) -> list[tuple[Layout, Scale]]:
    """The colour bars of a figure: what is said of each, and its colours."""
    used = {trace.get("coloraxis") or trace.get("marker", {}).get("coloraxis") for trace in data}
    found = [
        (layout[name].get("colorbar", {}), scale)
        for name, scale in pen.colours.items()
        if name in used and layout[name].get("showscale", True)
    ]
    for trace in data:
        marker = trace.get("marker", {})
        if trace["type"] == "heatmap" and "coloraxis" not in trace and trace.get("showscale", True):
            found.append((trace.get("colorbar", {}), own_scale(trace)))
        elif marker.get("showscale"):
            numbers = [number for number in marker["color"] if number is not None]
            found.append((marker.get("colorbar", {}), scale_of(marker, numbers)))
    return found


def finish_bar(bar: Any, about: Layout, size: float) -> None:
    """Title and ticks of a colour bar."""
    bar.outline.set_visible(False)
    title = about.get("title") or ""
    text = literal(title if isinstance(title, str) else title.get("text", "")).strip()
    bar.ax.set_title(text, loc="left", fontsize=size)
    if "tickvals" in about:
        texts = about.get("ticktext", about["tickvals"])
        bar.set_ticks(about["tickvals"], labels=[literal(str(text)) for text in texts])
    bar.ax.tick_params(length=0)
