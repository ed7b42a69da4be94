"""Draw the panels of a figure, with texts, reference lines, colour bar and legend."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from it_callbacks.figures import Figure
from it_callbacks.pictures.style import PT_PER_PX, SYMBOLS, Colours, colours_of, dash, literal, rgb
from it_callbacks.pictures.traces import cells, scatter

COLUMN, PAGE = 3.5, 7.2
"""Widths in inches of one column and of a whole page, as most journals have them."""
_HORIZONTAL = {"left": "left", "center": "center", "right": "right"}
_VERTICAL = {"bottom": "bottom", "middle": "center", "top": "top"}


def drawn(figure: Figure) -> Any:
    """The figure as matplotlib's; to be called inside `styled`."""
    from matplotlib.figure import Figure as Picture

    layout = figure["layout"]
    traces = [trace for trace in figure["data"] if trace.get("visible", True) is True]
    picture = Picture(layout="constrained", facecolor=layout.get("paper_bgcolor", "white"))
    axes = _panels(picture, layout)
    colours = colours_of(layout, traces)
    floors: dict[str, Any] = {}
    for trace in traces:
        ax = axes[trace.get("xaxis", "x")]
        if trace["type"] == "heatmap":
            cells(ax, trace, colours)
        else:
            scatter(ax, trace, colours, floors)
    for shape in layout.get("shapes", []):
        _line(axes, shape)
    for name, ax in axes.items():
        _finish(ax, layout, name.removeprefix("x"))
    columns = len({ax.get_subplotspec().colspan.start for ax in axes.values()})
    rows = len({ax.get_subplotspec().rowspan.start for ax in axes.values()})
    width = COLUMN if columns == 1 else PAGE
    for note in layout.get("annotations", []):
        _write(axes, note, characters=int(14 * width / columns))
    if any("coloraxis" in trace or "coloraxis" in trace.get("marker", {}) for trace in traces):
        _colour_bar(picture, list(axes.values()), layout["coloraxis"].get("colorbar", {}), colours)
    n_lines = _legend(picture, traces, width)
    picture.set_size_inches(width, 0.8 * rows * min(width / columns, COLUMN) + 0.16 * n_lines)
    picture.draw_without_rendering()  # ticks are made late; here they are made in our style
    return picture


def _panels(picture: Any, layout: Mapping[str, Any]) -> dict[str, Any]:
    """By the name of its horizontal axis, each panel's Axes, all of one scale."""
    names = [key.removeprefix("xaxis") for key in layout if re.fullmatch(r"xaxis\d*", key)]
    lefts = {name: layout[f"xaxis{name}"].get("domain", [0])[0] for name in names}
    bottoms = {name: layout[f"yaxis{name}"].get("domain", [0])[0] for name in names}
    across, up = sorted(set(lefts.values())), sorted(set(bottoms.values()), reverse=True)
    grid = picture.add_gridspec(len(up), len(across))
    axes: dict[str, Any] = {}
    for name in names:
        first = next(iter(axes.values()), None)
        column = across.index(lefts[name])
        cell = grid[up.index(bottoms[name]), column]
        axes[f"x{name}"] = picture.add_subplot(
            cell, sharex=first, sharey=first, facecolor=layout.get("plot_bgcolor", "white")
        )
        axes[f"x{name}"].tick_params(labelleft=column == 0)
    return axes


def _finish(axes: Any, layout: Mapping[str, Any], name: str) -> None:
    """Titles, ticks and range of one panel's axes."""
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        about = layout[f"{letter}axis{name}"]
        title = literal((about.get("title") or {}).get("text", ""))
        axis.set_label_text(title)
        if "tickvals" in about:
            axis.set_ticks(about["tickvals"], [literal(label) for label in about["ticktext"]])
        elif title in ("epoch", "step"):
            axis.get_major_locator().set_params(integer=True)
        low, high = axis.get_view_interval()
        low, high = about.get("range", (low, high))
        if about.get("rangemode") == "tozero":
            low = min(getattr(axes.dataLim, f"{letter}0"), 0)
        if about.get("autorange") == "reversed":
            low, high = max(low, high), min(low, high)
        (axes.set_xlim if letter == "x" else axes.set_ylim)(low, high)
        if not about.get("visible", True):
            axes.set_axis_off()


def _line(axes: Mapping[str, Any], shape: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    ax, transform = _place(axes, shape)
    style = {"color": rgb(shape["line"].get("color")), "linestyle": dash(shape["line"])}
    ends = [shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]]
    ax.add_artist(Line2D(*ends, transform=transform, linewidth=0.6, zorder=1, **style))


def _write(axes: Mapping[str, Any], note: Mapping[str, Any], characters: int) -> None:
    ax, transform = _place(axes, note)
    text = literal(note["text"])
    if note["yref"].endswith("domain") and note["y"] == 1 and note["yanchor"] == "bottom":
        # What stands above a panel, left and right, would meet in a narrow one.
        above = [ax.get_title(loc="left"), textwrap.fill(text, characters)]
        ax.set_title("\n".join(filter(None, above)), loc="left")
        return
    font = note.get("font", {})
    ax.text(
        note["x"], note["y"], text, transform=transform,
        ha=_HORIZONTAL[note.get("xanchor", "center")], va=_VERTICAL[note.get("yanchor", "middle")],
        color=rgb(font.get("color")), fontsize=font.get("size", 12) * PT_PER_PX,
    )  # fmt: skip


def _place(axes: Mapping[str, Any], drawn: Mapping[str, Any]) -> tuple[Any, Any]:
    """The panel of a shape or a note, and what its x and y count there."""
    from matplotlib.transforms import blended_transform_factory

    ax = axes[drawn["xref"].removesuffix(" domain")]
    shares, values = ax.transAxes, ax.transData
    by_axis = [shares if drawn[ref].endswith("domain") else values for ref in ("xref", "yref")]
    return ax, blended_transform_factory(*by_axis)


def _colour_bar(
    picture: Any, axes: Sequence[Any], about: Mapping[str, Any], colours: Colours
) -> None:
    from matplotlib.cm import ScalarMappable

    bar = picture.colorbar(ScalarMappable(*colours), ax=axes, aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(literal(about.get("title", {}).get("text", "")).strip())
    if "tickvals" in about:
        bar.set_ticks(about["tickvals"], labels=about["ticktext"])


def _legend(picture: Any, traces: Sequence[Mapping[str, Any]], width: float) -> int:
    """A legend below all panels; how many lines it has."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    named = [t for t in traces if t.get("name") and t.get("showlegend", True)]
    entries: list[Any] = []
    for trace in sorted(named, key=lambda trace: trace.get("legendrank", 1000)):
        line, marker, label = trace.get("line", {}), trace.get("marker", {}), literal(trace["name"])
        if "stackgroup" in trace:
            entries.append(Patch(facecolor=rgb(trace["fillcolor"]), label=label))
        elif "lines" in trace.get("mode", "lines"):
            style = {"color": rgb(line.get("color")), "linestyle": dash(line), "linewidth": 1}
            entries.append(Line2D([], [], label=label, **style))
        else:
            symbol = marker.get("symbol", "circle")
            style = {"color": rgb(marker.get("color")), "linestyle": "", "markersize": 4}
            if symbol.endswith("-open"):
                style["markerfacecolor"] = "none"
            shape = SYMBOLS.get(symbol.removesuffix("-open"), "o")
            entries.append(Line2D([], [], label=label, marker=shape, **style))
    if not entries:
        return 0
    longest = max(len(entry.get_label()) for entry in entries)
    columns = max(1, int(72 * width / (4.2 * longest + 30)))
    lines = -(-len(entries) // columns)
    picture.legend(handles=entries, loc="outside lower center", ncols=-(-len(entries) // lines))
    return lines
