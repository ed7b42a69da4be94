"""Draw the traces of a figure on matplotlib's axes as they are: lines, points, areas and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.pictures.colours import Scale, rgba, scale_of

Trace = Mapping[str, Any]

_SYMBOLS = {"line-ew": "_"}
"""Plotly's markers as matplotlib calls them; all others are circles."""
_DASHES = {"solid": "-", "dash": "--", "dashdot": "-."}
_DOTTED = (0, (1, 2))


class Pen(NamedTuple):
    """What all traces of a figure are drawn with.

    Args:
        px: Points of a pixel of the figure.
        colours: By the name of its colour axis, from numbers to colours.
        floors: By the name of its stack, what an area stands on; filled as areas are drawn.
    """

    px: float
    colours: Mapping[str, Scale]
    floors: dict[str, Any]


def dash(line: Mapping[str, Any]) -> Any:
    """How a line is broken; the lengths that CSS may give are those of dots."""
    return _DASHES.get(line.get("dash", "solid"), _DOTTED)


def places(values: Sequence[Any]) -> NDArray[np.float64]:
    """Numbers as they are, NaN for None; of words, which are categories, their number."""
    if any(isinstance(value, str) for value in values):
        return np.arange(len(values), dtype=float)
    return np.array(values, float)


def scatter(axes: Any, trace: Trace, pen: Pen) -> None:
    """A line, its points, their bars and the area below it."""
    x, y = places(trace["x"]), places(trace["y"])
    line, marker = trace.get("line", {}), trace.get("marker", {})
    opacity, fill = trace.get("opacity", 1.0), trace.get("fillcolor", "#00000000")
    if "stackgroup" in trace:
        floor = pen.floors.get(trace["stackgroup"], np.zeros_like(y))
        y = pen.floors[trace["stackgroup"]] = y + floor
        axes.fill_between(x, floor, y, facecolor=rgba(fill, opacity), linewidth=0)
    elif trace.get("fill") == "toself":
        for part in parts(x, y):
            axes.fill(part[:, 0], part[:, 1], facecolor=rgba(fill, opacity), linewidth=0)
    mode = trace.get("mode", "lines")
    if "lines" in mode and line.get("width", 2):
        axes.plot(
            x, y, color=rgba(line.get("color", "black"), opacity), linestyle=dash(line),
            linewidth=line.get("width", 2) * pen.px, solid_capstyle="round",
        )  # fmt: skip
    for name in ("x", "y"):
        if bars := trace.get(f"error_{name}"):
            _bars(axes, x, y, name, bars, pen)
    if "markers" in mode:
        points(axes, x, y, {"color": line.get("color", "black"), **marker}, pen, opacity)


def parts(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The points ``(n, 2)`` between gaps, of each part that has any."""
    both = np.stack([x, y], 1)
    is_there = np.isfinite(both).all(1)
    split = np.split(both, np.flatnonzero(~is_there))
    kept = (part[np.isfinite(part).all(1)] for part in split)
    return [part for part in kept if len(part)]


def _bars(axes: Any, x: Any, y: Any, name: str, bars: Mapping[str, Any], pen: Pen) -> None:
    up = np.array(bars["array"], float)
    reach = np.fmax([np.array(bars.get("arrayminus", up), float), up], 0)
    drawn = np.isfinite(reach).all(0) & (reach > 0).any(0) & np.isfinite(x + y)
    if drawn.any():
        axes.errorbar(
            x[drawn], y[drawn], **{f"{name}err": reach[:, drawn]}, fmt="none", zorder=1.9,
            ecolor=rgba(bars.get("color", "black")), elinewidth=bars.get("thickness", 1) * pen.px,
        )  # fmt: skip


def points(
    axes: Any, x: Any, y: Any, marker: Mapping[str, Any], pen: Pen, opacity: float = 1.0
) -> None:
    """The points of a trace, one collection for each symbol; those of no size are left out."""
    n, edge = len(x), marker.get("line", {})
    if not n:  # of no points matplotlib does not know the colours
        return
    symbols = np.array(_each(marker.get("symbol", "circle"), n), object)
    sizes = np.array(_each(marker.get("size", 6), n), float) * pen.px
    opacities = np.array(_each(marker.get("opacity", 1.0), n), float) * opacity
    faces = _colours(marker, n)
    edges = np.array([rgba(each) for each in _each(edge.get("color", "#00000000"), n)])
    widths = np.array(_each(edge.get("width", 0), n), float) * pen.px
    for of in (faces, edges):
        of[:, 3] *= opacities
    is_drawn = np.isfinite(x + y) & (sizes > 0) & (opacities > 0)
    for symbol in dict.fromkeys(symbols[is_drawn]):
        of = is_drawn & (symbols == symbol)
        if symbol == "arrow":
            _arrows(axes, x, y, of, sizes, faces)
            continue
        shape = _SYMBOLS.get(symbol, "o")
        drawn = axes.scatter(x[of], y[of], s=sizes[of] ** 2, marker=shape, zorder=2.5)
        drawn.set(facecolor=faces[of], edgecolor=edges[of], linewidth=widths[of])
        if symbol == "circle-dot":
            dots = axes.scatter(x[of], y[of], s=(0.35 * sizes[of]) ** 2, marker="o", zorder=2.6)
            dots.set(facecolor=edges[of], linewidth=0)


def _each(value: Any, n: int) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] * n


def _colours(marker: Mapping[str, Any], n: int) -> NDArray[np.float64]:
    """Colours ``(n, 4)``, of words or of numbers on a scale."""
    colours = marker["color"]
    if isinstance(colours, list | tuple) and colours and not isinstance(colours[0], str):
        numbers = [np.nan if number is None else number for number in colours]
        return np.array(scale_of(marker).of(numbers), float)
    return np.array([rgba(each) for each in _each(colours, n)])


def _arrows(axes: Any, x: Any, y: Any, which: Any, sizes: Any, faces: Any) -> None:
    """Heads of arrows that come from the point before."""
    for number in np.flatnonzero(which):
        if number and np.isfinite(x[number - 1] + y[number - 1]):
            long = sizes[number] / 2
            head = f"-|>,head_length={long},head_width={0.4 * long}"
            axes.annotate(
                "", (x[number], y[number]), (x[number - 1], y[number - 1]),
                arrowprops={
                    "arrowstyle": head, "mutation_scale": 1, "linewidth": 0, "shrinkA": 0,
                    "shrinkB": 0, "facecolor": faces[number],
                },
            )  # fmt: skip


def cells(axes: Any, trace: Trace, pen: Pen) -> None:
    """A heat map; each cell reaches half-way to its neighbours, and a gap shows what is behind."""
    edges = []
    for centres in (places(trace["x"]), places(trace["y"])):
        half = np.diff(centres) / 2 if len(centres) > 1 else np.array([0.5])
        inner = centres[:-1] + half if len(centres) > 1 else np.array([])
        edges.append(np.concatenate([[centres[0] - half[0]], inner, [centres[-1] + half[-1]]]))
    z = np.ma.masked_invalid(np.array(trace["z"], float))
    scale = pen.colours[trace["coloraxis"]]
    gap = max(trace.get("xgap", 0), trace.get("ygap", 0)) * pen.px
    lines = {"edgecolor": axes.get_facecolor(), "linewidth": gap}
    if not gap:  # else viewers show the page between cells that meet
        lines = {"edgecolor": "face", "linewidth": 0.2}
    axes.pcolormesh(*edges, z, norm=scale.norm, cmap=scale.map, **lines)
