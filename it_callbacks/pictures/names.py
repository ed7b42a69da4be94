"""Find places for names: beside the points of a panel, or right of it, in points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks.figures.placing import Obstacle, Obstacles, Text, along, placed
from it_callbacks.figures.spreading import spread_out
from it_callbacks.pictures.colours import rgba
from it_callbacks.pictures.notes import Note, leader
from it_callbacks.pictures.panels import Panels, is_of_data
from it_callbacks.pictures.style import Sizes, literal
from it_callbacks.pictures.traces import Trace, parts, places

_LETTERS = 12
"""Pixels of letters that the places of names are made for."""
_FEW = 8
"""Lines that a name is kept off more than off many."""
_ON_LINE, _ON_MANY, _ON_END, _ON_WORDS, _ON_MARK = 5, 2, 14, 30, 3
_STILL = 14
"""Pixels between a point and its name that need no leader."""
_LEADER = 0.5
"""Points."""


def named(
    panels: Panels, notes: Sequence[Note], data: Sequence[Trace], lines: Sequence[Any], sizes: Sizes
) -> None:
    """Write the names of points where they cover little, with a leader where they stand off.

    Args:
        panels: By name; they have their size.
        notes: Annotations at the values of axes.
        data: What is drawn.
        lines: Reference lines.
        sizes: Of letters.
    """
    for name, axes in panels.items():
        own = [note for note in notes if note["xref"] == name]
        if own:
            own_lines = [line for line in lines if line.axes is axes]
            _name(axes, own, [t for t in data if _is_on(axes, t)], own_lines, sizes)


def _name(
    axes: Any, notes: Sequence[Note], data: Sequence[Trace], lines: Sequence[Any], sizes: Sizes
) -> None:
    scale = _LETTERS / sizes.small * 72 / axes.figure.dpi
    box = axes.get_window_extent()

    def pixels(x: Any, y: Any) -> NDArray[np.float64]:
        """Places ``(n, 2)`` in the panel, from above, in pixels at which letters have 12."""
        return np.asarray((_in_data(axes, x, y) - (box.x0, box.y1)) * (scale, -scale))

    obstacles = [*_drawn(data, pixels), *_written(axes, box, scale), *_across(lines, box, scale)]
    names = [_at_its_point(axes, note, sizes) for note in notes]
    extents = [_extent(name) for name in names]
    texts = [Text(each.width * scale + 4, each.height * scale + 2) for each in extents]
    ends = pixels([note["x"] for note in notes], [note["y"] for note in notes])
    room = Obstacles(box.width * scale, box.height * scale, obstacles)
    found = placed([(x, y) for x, y in ends.tolist()], texts, room)
    for name, text, (dx, dy) in zip(names, texts, found, strict=True):
        name.set_position((dx * sizes.small / _LETTERS, -dy * sizes.small / _LETTERS))
        off = math.hypot(max(abs(dx) - text.width / 2, 0), max(abs(dy) - text.height / 2, 0))
        if off > _STILL:
            name.arrow_patch.set_visible(True)


def _in_data(axes: Any, x: Any, y: Any) -> NDArray[np.float64]:
    """Where values are in the picture, ``(n, 2)`` pixels."""
    return np.asarray(axes.transData.transform(np.stack([places(x), places(y)], 1)))


def _is_on(axes: Any, trace: Trace) -> bool:
    return bool(f"x{axes.get_label()}" == trace.get("xaxis", "x"))


def _extent(words: Any) -> Any:
    """Where words are, in pixels of the picture, without their leader."""
    from matplotlib.text import Text as Words

    words.get_window_extent()  # moves them to where they were put last
    return Words.get_window_extent(words)


def _at_its_point(axes: Any, note: Note, sizes: Sizes) -> Any:
    """The name of a point, on the point, with a leader that is not seen yet."""
    name = axes.annotate(
        literal(note["text"]), (note["x"], note["y"]), xytext=(0, 0), textcoords="offset points",
        ha="center", va="center", fontsize=sizes.small, color=rgba(note["font"]["color"]),
        annotation_clip=False, arrowprops=leader(note, _LEADER, 3), zorder=5,
    )  # fmt: skip
    name.arrow_patch.set_visible(False)
    name.set_in_layout(False)
    return name


def _drawn(data: Sequence[Trace], pixels: Any) -> list[Obstacle]:
    """Samples of the lines, and the ends."""
    lines = [t for t in data if "lines" in t.get("mode", "lines") and t.get("fill") != "toself"]
    layers = {trace.get("meta", {}).get("layer") for trace in lines}
    weight = _ON_LINE if len(layers) <= _FEW else _ON_MANY
    found: list[Obstacle] = []
    for trace in lines:
        for part in parts(*pixels(trace["x"], trace["y"]).T):
            for (x0, y0), (x1, y1) in pairwise(part.tolist()):
                found += along((x0, y0), (x1, y1), weight)
    for trace in data:
        if trace.get("meta", {}).get("role") == "end":
            found += [(x, y, _ON_END) for x, y in pixels(trace["x"], trace["y"]).tolist()]
    return found


def _across(lines: Sequence[Any], box: Any, scale: float) -> list[Obstacle]:
    """Samples of reference lines."""
    found: list[Obstacle] = []
    for line in lines:
        (x0, y0), (x1, y1) = line.get_transform().transform(line.get_path().vertices)[[0, -1]]
        for share in np.linspace(0, 1, 1 + int(math.hypot(x1 - x0, y1 - y0) * scale / 7)):
            x, y = x0 + share * (x1 - x0) - box.x0, box.y1 - y0 - share * (y1 - y0)
            found.append((float(x * scale), float(y * scale), _ON_MARK))
    return found


def _written(axes: Any, box: Any, scale: float) -> list[Obstacle]:
    """What is written in the panel already."""
    found: list[Obstacle] = []
    for text in axes.texts:
        words = _extent(text)
        left, right = ((x - box.x0) * scale for x in (words.x0, words.x1))
        top, bottom = ((box.y1 - y) * scale for y in (words.y1, words.y0))
        columns, rows = np.arange(left, right, 4), np.arange(top, bottom, 4)
        found += [(float(x), float(y), _ON_WORDS) for x in columns for y in rows]
    return found


def settle(words: Sequence[tuple[Note, Any]], data: Sequence[Trace]) -> None:
    """Move the words of reference lines to where they cover least: either end, either side.

    Args:
        words: Annotations, and matplotlib's.
        data: What is drawn.
    """
    for note, written in words:
        axes = written.axes
        box, lines = axes.get_window_extent(), [t for t in data if _is_on(axes, t)]
        drawn = np.array(_drawn(lines, partial(_in_data, axes))).reshape(-1, 3)
        costs = []
        for number, (ha, va) in enumerate(_CORNERS):
            _move(note, written, ha, va)
            around = _extent(written)
            inside = (drawn[:, 0] - around.x0) * (around.x1 - drawn[:, 0]) > 0
            inside &= (drawn[:, 1] - around.y0) * (around.y1 - drawn[:, 1]) > 0
            cost = drawn[inside, 2].sum()
            cost += 0 if box.x0 <= around.x0 and around.x1 <= box.x1 else _ASIDE
            cost += 0 if box.y0 <= around.y0 and around.y1 <= box.y1 else _ABOVE
            costs.append((cost, number))
        _move(note, written, *_CORNERS[min(costs)[1]])


_ASIDE, _ABOVE = 1000, 2
"""What it costs to write beyond a panel: to its sides there may be others, and its numbers."""
_CORNERS = (("left", "bottom"), ("right", "bottom"), ("left", "top"), ("right", "top"))


def _move(note: Note, written: Any, ha: str, va: str) -> None:
    """Put words in a corner: at that end of a level line, or at that side of an upright one."""
    if is_of_data(note["yref"]):
        written.xy = (float(ha == "right"), note["y"])
    else:
        written.xy = (note["x"], float(va == "top"))
    written.set(ha=ha, va=va)
    written.set_position(({"left": 2, "right": -2}[ha], {"bottom": 1, "top": -1}[va]))


def thin(labels: Sequence[Any], space: float) -> None:
    """Leave out ticks' numbers that would touch the one after; the last one stays.

    Args:
        labels: matplotlib's, along one axis.
        space: Around each, in pixels of the picture.
    """
    last = None
    for label in reversed([each for each in labels if each.get_text()]):
        box = label.get_window_extent().padded(space)
        label.set_visible(last is None or not box.overlaps(last))
        last = box if label.get_visible() else last


def beside(written: Sequence[Any]) -> None:
    """Move what is written right of panels apart, up and down, in its order.

    Beside rows of cells, as the last value of each class, what would lie over the one before is
    left out.

    Args:
        written: matplotlib's annotations.
    """
    by_panel: dict[Any, list[Any]] = {}
    for words in written:
        by_panel.setdefault(words.axes, []).append(words)
    for axes, several in by_panel.items():
        box, dpi = axes.get_window_extent(), axes.figure.dpi
        heights = [each.xycoords.transform(each.xy)[1] for each in several]
        tall = max(_extent(each).height for each in several)
        if _is_grid(axes):
            _thinned(several, heights, tall)
            continue
        found = spread_out(heights, tall + 1, box.y0 + tall / 2, box.y1 - tall / 2)
        for words, at, place in zip(several, heights, found, strict=True):
            words.set_position((words.get_position()[0], (place - at) * 72 / dpi))


def _is_grid(axes: Any) -> bool:
    """Whether rows of cells have their places."""
    return any(hasattr(each, "get_coordinates") for each in axes.collections)


def _thinned(several: Sequence[Any], heights: Sequence[float], tall: float) -> None:
    last = math.inf
    for height, words in sorted(zip(heights, several, strict=True), key=lambda pair: -pair[0]):
        words.set_visible(last - height >= 0.9 * tall)
        last = height if words.get_visible() else last
