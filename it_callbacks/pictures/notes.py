"""Write the texts of a figure: names beside points, words at lines, titles above panels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from it_callbacks.pictures.colours import rgba
from it_callbacks.pictures.panels import Layout, Panels, is_of_data, place
from it_callbacks.pictures.style import literal

Note = Mapping[str, Any]

HORIZONTAL = {"left": "left", "center": "center", "right": "right"}
VERTICAL = {"bottom": "bottom", "middle": "center", "top": "top"}


def kind_of(note: Note) -> str:
    """Say what a note is, by what it is placed by.

    Returns:
        ``"name"`` of a point; ``"beside"`` a panel, at a value; ``"mark"``: words at a line;
        ``"title"`` above a panel; ``"message"`` in the middle of one; ``"page"``: all others.

    Example:
        >>> kind_of({"xref": "x", "x": 2.0, "yref": "y", "y": 1.0})
        'name'
        >>> kind_of({"xref": "x domain", "x": 1, "yref": "y", "y": 1.0, "xanchor": "left"})
        'beside'
    """
    x, y = is_of_data(note["xref"]), is_of_data(note["yref"])
    if x and y:
        return "name"
    if x or y:
        return "beside" if y and note["x"] >= 1 and note.get("xanchor") == "left" else "mark"
    if note["xref"] == note["yref"] == "paper":
        return "page"
    if note["y"] >= 1:
        return "title"
    return "message" if 0 < note["x"] < 1 and 0 < note["y"] < 1 else "page"


def shown(layout: Layout, *, names: bool) -> list[Note]:
    """The annotations of a layout that are seen.

    Args:
        layout: Of the figure.
        names: Whether layers and runs are named.
    """
    return [
        note
        for note in layout.get("annotations", [])
        if note.get("visible", True)
        and note.get("opacity") != 0
        and (names or kind_of(note) not in ("name", "beside"))
    ]


def write(panels: Panels, note: Note, px: float, page: Any, *, size: float) -> Any:
    """Write a note where the figure has it, its shifts and leader in pixels.

    Args:
        panels: By name.
        note: An annotation of a layout.
        px: Points of a pixel.
        page: What places on the page count; where all plots begin and end.
        size: Of the letters, in points.
    """
    axes, transform = place(panels, note)
    if axes is None:
        axes, transform = next(iter(panels.values())), page
    font, has_leader = note.get("font", {}), note.get("showarrow", True)
    across = note["ax"] if has_leader else note.get("xshift", 0)
    up = -note["ay"] if has_leader else note.get("yshift", 0)
    words = {
        "fontsize": size,
        "ha": HORIZONTAL.get(note.get("xanchor", "center"), "center"),
        "va": VERTICAL.get(note.get("yanchor", "middle"), "center"),
        "fontweight": "bold" if note["text"].startswith("<b>") else "normal",
        "linespacing": 1.1,
    }
    if "color" in font:
        words["color"] = rgba(font["color"])
    if has_leader:
        width, standoff = note.get("arrowwidth", 1) * px, note.get("standoff", 0) * px
        words["arrowprops"] = leader(note, width, standoff)
    if "bgcolor" in note:
        pad = note.get("borderpad", 1) * px
        words["bbox"] = {"facecolor": rgba(note["bgcolor"]), "linewidth": 0, "pad": pad}
    return axes.annotate(
        literal(note["text"]), (note["x"], note["y"]), xycoords=transform,
        xytext=(across * px, up * px), textcoords="offset points", zorder=5, annotation_clip=False,
        **words,
    )  # fmt: skip


def leader(note: Note, width: float, standoff: float) -> dict[str, Any]:
    """The line from a name to its point, so many points wide and away from the point."""
    colour = note.get("arrowcolor") or note.get("font", {}).get("color", "black")
    return {
        "arrowstyle": "-", "linewidth": width, "color": rgba(colour), "shrinkA": 0,
        "shrinkB": standoff, "relpos": (0 if note.get("xanchor") == "left" else 0.5, 0.5),
    }  # fmt: skip
