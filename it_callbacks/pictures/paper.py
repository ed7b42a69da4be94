"""Draw a figure for print: small, in vectors, without what a caption says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from it_callbacks.figures import Figure
from it_callbacks.pictures.colours import rgba
from it_callbacks.pictures.names import beside, named, settle, thin
from it_callbacks.pictures.notes import Note, kind_of, shown, write
from it_callbacks.pictures.panels import (
    Layout,
    Panels,
    across,
    bars_of,
    draw_trace,
    drawn_traces,
    finish,
    finish_bar,
    numbered,
    pen_of,
    title_of,
)
from it_callbacks.pictures.style import PAPER, Sizes, Wishes, literal
from it_callbacks.pictures.traces import Trace
from it_callbacks.pictures.trajectories import ROLES, draw_trajectory, symbols, trajectories_of

COLUMN, COLUMN_AND_A_HALF, PAGE = 3.4, 5.5, 7.2
"""Widths in inches, as most journals have them."""
_MOST_IN_A_COLUMN = 12
"""Layers of a plane that is one column wide."""
_WORDY = ("predictions",)
_ROW = 0.12
"""Inches of a named row of a heat map."""
_TALLEST = 7.0


def sizes(figure: Figure, wishes: Wishes) -> Sizes:
    """Sizes of letters, which do not depend on how large the picture is."""
    del figure, wishes
    return PAPER


def drawn(figure: Figure, wishes: Wishes) -> Any:
    """The figure as matplotlib's; to be called inside `styled`."""
    from matplotlib.figure import Figure as Picture

    layout, data = figure["layout"], drawn_traces(figure["data"])
    picture = Picture(layout="constrained", facecolor=rgba(layout.get("paper_bgcolor", "white")))
    panels = _panels(picture, layout)
    picture.set_size_inches(*_inches(panels, layout, data, wishes))
    _traces(panels, layout, data)
    shapes = [shape for shape in layout.get("shapes", []) if shape["type"] == "line"]
    lines = across(panels, shapes, PAPER.px)
    finish(panels, layout, data, PAPER.px, has_grid=False)
    _titles(picture, panels, layout, wishes)
    notes = _notes(layout, wishes)
    aside = [
        (note, write(panels, note, PAPER.px, None, size=_size(note)))
        for note in notes
        if kind_of(note) in ("mark", "beside", "message")
    ]
    for note, words in aside:
        if kind_of(note) == "mark":
            words.set_zorder(1.5)  # what is drawn lies over the words of its references
    _bars(picture, panels, layout, data)
    picture.draw_without_rendering()  # only now is it known how large the panels are
    _break_titles(picture, panels)
    for axes in panels.values():
        thin(axes.get_xticklabels(), space=2)
        thin(axes.get_yticklabels(), space=-1)  # what is around a line of text belongs to it
    settle([(note, drawn) for note, drawn in aside if kind_of(note) == "mark"], data)
    beside([drawn for note, drawn in aside if kind_of(note) == "beside"])
    named(panels, [note for note in notes if kind_of(note) == "name"], data, lines, PAPER)
    picture.draw_without_rendering()  # ticks are made late; here they are made in our style
    return picture


def _panels(picture: Any, layout: Layout) -> dict[str, Any]:
    """Each panel's Axes, in a grid as wide and high in its parts as that of the figure."""
    names = numbered(layout)
    domains = {
        (letter, name): tuple(layout[f"{letter}axis{name}"].get("domain", (0, 1)))
        for letter in "xy"
        for name in names
    }
    columns = sorted({domains["x", name] for name in names})
    rows = sorted({domains["y", name] for name in names}, reverse=True)
    grid = picture.add_gridspec(
        len(rows), len(columns),
        width_ratios=[high - low for low, high in columns],
        height_ratios=[high - low for low, high in rows],
    )  # fmt: skip
    colour = rgba(layout.get("plot_bgcolor", "white"))
    return {
        f"x{name}": picture.add_subplot(
            grid[rows.index(domains["y", name]), columns.index(domains["x", name])],
            label=name, facecolor=colour,
        )
        for name in names
    }  # fmt: skip


def _inches(
    panels: Panels, layout: Layout, data: Sequence[Trace], wishes: Wishes
) -> tuple[float, float]:
    """How large it is: as is wished, else a column, or more for several panels or many layers."""
    grid = next(iter(panels.values())).get_gridspec()
    meta = layout.get("meta", {})
    has_many = len(meta.get("layers", [])) > _MOST_IN_A_COLUMN
    # The names of areas stand beside them, and take as much room as many layers do.
    is_dense = meta.get("kind") in (("plane", "through", "predictions") if has_many else _WORDY)
    wide = (COLUMN, COLUMN_AND_A_HALF, PAGE)[min(grid.ncols - 1, 2)]
    width = wishes.width or (max(wide, COLUMN_AND_A_HALF) if is_dense else wide)
    # 2.6 in at one column, 3.2 in at one and a half
    high = max(2.6 + (width / grid.ncols - COLUMN) * 0.6 / (COLUMN_AND_A_HALF - COLUMN), 1.2)
    if any(trace["type"] == "heatmap" for trace in data):
        n_rows = max(len(layout[f"yaxis{name}"].get("tickvals", ())) for name in numbered(layout))
        high = min(max(high, 0.7 + _ROW * n_rows), _TALLEST)
    return width, wishes.height or high * grid.nrows


def _traces(panels: Panels, layout: Layout, data: Sequence[Trace]) -> None:
    """The traces: those of a plane as trajectories, others as they are."""
    pen = pen_of(layout, PAPER.px)
    meta = layout.get("meta", {})
    is_plane = meta.get("kind") == "plane"
    background = layout.get("paper_bgcolor", "white")
    n_points = max((len(trace["x"]) for trace in data), default=0)
    for trace in data:
        role = trace.get("meta", {}).get("role")
        of_ends = role == "bar" and len(trace["x"]) < min(n_points, 3)
        if not (is_plane and role in ROLES) and not of_ends:
            draw_trace(panels, trace, pen)
    if is_plane:
        is_by_run = any(each.get("run") for each in meta["layers"])
        known = symbols([each["name"] for each in meta["layers"]])
        for trajectory in trajectories_of(
            [t for t in data if t["meta"]["role"] in ROLES], background
        ):
            name = trajectory.run if is_by_run else trajectory.layer
            symbol = "o" if trajectory.is_below else known.get(name, "o")
            draw_trajectory(panels[trajectory.axis], trajectory, symbol, rgba(background))


def _titles(picture: Any, panels: Panels, layout: Layout, wishes: Wishes) -> None:
    """Titles of axes, and of panels where there are several."""
    for name, axes in panels.items():
        for letter, write_label in (("x", axes.set_xlabel), ("y", axes.set_ylabel)):
            write_label(title_of(layout, letter, name).removesuffix("→").strip())
    if wishes.title:
        picture.suptitle(wishes.title)
    for note in layout.get("annotations", []):
        if kind_of(note) != "title":
            continue
        axes, text = panels[f"x{note['xref'].removesuffix(' domain')[1:]}"], literal(note["text"])
        if note["x"] >= 1:  # the head of what stands beside the panel
            write(panels, note, PAPER.px, None, size=PAPER.tiny)
        elif "<b>" in note["text"] and len(panels) > 1:
            axes.set_title(text, loc="left", fontsize=PAPER.small)
        elif "<b>" in note["text"] and not axes.get_ylabel():
            axes.set_ylabel(text)


def _notes(layout: Layout, wishes: Wishes) -> list[Note]:
    """What is written in and beside the panels."""
    found = []
    for note in shown(layout, names=wishes.names):
        if kind_of(note) == "mark":  # "0: nothing" is for who reads a plane for the first time
            note = {**note, "text": re.sub(r": \w+$", "", note["text"]), "bgcolor": "#00000000"}
        found.append(note)
    return found


def _size(note: Note) -> float:
    """That of the words of a note: of reference marks the smallest, of names as those of ticks."""
    if kind_of(note) == "message":
        return PAPER.text
    is_name = kind_of(note) == "beside" and note.get("font", {}).get("size", 12) >= 12
    return PAPER.small if is_name else PAPER.tiny


def _bars(picture: Any, panels: Panels, layout: Layout, data: Sequence[Trace]) -> None:
    """The colour bars of heat maps; names say what the others would."""
    from matplotlib.cm import ScalarMappable

    maps = [trace for trace in data if trace["type"] == "heatmap"]
    for about, scale in bars_of(layout, maps, pen_of(layout, PAPER.px)):
        bar = picture.colorbar(
            ScalarMappable(*scale), ax=list(panels.values()), aspect=30, pad=0.02, shrink=0.9
        )
        finish_bar(bar, about, PAPER.small)


def _break_titles(picture: Any, panels: Panels) -> None:
    """Titles of axes that are longer than the picture get more lines."""
    long = picture.get_size_inches() * picture.dpi
    for axes in panels.values():
        for label, most in ((axes.xaxis.label, long[0] / len(panels)), (axes.yaxis.label, long[1])):
            text = label.get_text()
            fits = int(0.95 * len(text) * most / max(*label.get_window_extent().size, 1))
            if fits < len(text):
                lines = re.sub(": ", ":\n", text, count=1).split("\n")
                label.set_text("\n".join(textwrap.fill(line, max(fits, 8)) for line in lines))
