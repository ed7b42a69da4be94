"""Draw the traces of a figure on matplotlib's axes: lines, points, areas and cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from it_callbacks.pictures.style import PT_PER_PX, SYMBOLS, Colours, dash, rgb


def scatter(axes: Any, trace: Mapping[str, Any], colours: Colours, floors: dict[str, Any]) -> None:
    """A line, its points, their bars and the area below it."""
    x, y = np.array(trace["x"], float), np.array(trace["y"], float)
    line, marker = trace.get("line", {}), trace.get("marker", {})
    filled = {"facecolor": rgb(trace.get("fillcolor")), "linewidth": 0}
    if "stackgroup" in trace:
        floor = floors.get(trace["stackgroup"], np.zeros_like(y))
        y = floors[trace["stackgroup"]] = y + floor
        axes.fill_between(x, floor, y, **filled)
    elif trace.get("fill") == "toself":
        gaps = np.flatnonzero(~np.isfinite(x + y))
        for part in np.split(np.stack([x, y], 1), gaps):
            part = part[np.isfinite(part).all(1)]
            axes.fill(part[:, 0], part[:, 1], **filled)
    mode = trace.get("mode", "lines")
    if "lines" in mode and line.get("width", 1):
        drawn = np.isfinite(y) if trace.get("connectgaps") else np.full(len(y), True)
        style = {"color": rgb(line.get("color")), "linestyle": dash(line)}
        axes.plot(x[drawn], y[drawn], linewidth=line.get("width", 1) * PT_PER_PX, **style)
    for name, bars in (("xerr", trace.get("error_x")), ("yerr", trace.get("error_y"))):
        if bars is not None:
            reach = np.array([bars["arrayminus"], bars["array"]], float)
            style = {"ecolor": rgb(bars.get("color")), "elinewidth": 0.5, "zorder": 1}
            axes.errorbar(x, y, **{name: np.fmax(reach, 0)}, fmt="none", **style)
    if "markers" in mode:
        _points(axes, x, y, {"color": line.get("color", "black"), **marker}, colours)


def _points(axes: Any, x: Any, y: Any, marker: Mapping[str, Any], colours: Colours) -> None:
    """One collection for each symbol; hollow ones have an edge only."""
    symbols = marker.get("symbol", "circle")
    symbols = symbols if isinstance(symbols, list) else [symbols] * len(x)
    bases = np.array([symbol.removesuffix("-open") for symbol in symbols], object)
    is_open = np.array([symbol.endswith("-open") for symbol in symbols], bool)
    edges = colours.of(marker["color"], len(x))
    faces = np.where(is_open[:, None], 0.0, edges)
    for base in dict.fromkeys(bases):
        of = bases == base
        size = (marker.get("size", 6) * PT_PER_PX) ** 2
        shape = SYMBOLS.get(base, "o")
        drawn = axes.scatter(x[of], y[of], s=size, marker=shape, linewidths=0.6, zorder=2.5)
        drawn.set(facecolor=faces[of], edgecolor=edges[of])


def cells(axes: Any, trace: Mapping[str, Any], colours: Colours) -> None:
    """A heat map; each cell reaches half-way to its neighbours."""
    edges = []
    for centres in (np.array(trace["x"], float), np.array(trace["y"], float)):
        half = np.diff(centres) / 2 if len(centres) > 1 else np.array([0.5])
        inner = centres[:-1] + half if len(centres) > 1 else np.array([])
        edges.append(np.concatenate([[centres[0] - half[0]], inner, [centres[-1] + half[-1]]]))
    z = np.ma.masked_invalid(np.array(trace["z"], float))
    axes.pcolormesh(*edges, z, norm=colours.norm, cmap=colours.map)
