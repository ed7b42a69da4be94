"""Draw the colours of many layers as a bar that tells their depth."""

from __future__ import annotations

from typing import Any

from it_callbacks.figures.marks import Trace
from it_callbacks.figures.scene import Scene
from it_callbacks.figures.theme import MUTED, Colour


def depth_bar(scene: Scene) -> list[Trace]:
    """The colours of many layers, beside the plots or below them."""
    n = scene.n_layers
    if not (scene.subplots.right or scene.subplots.below):
        return []
    bar: dict[str, Any] = {
        # The empty line keeps the word off the last tick.
        "title": {"text": "layer<br>\u00a0", "side": "top", "font": {"size": 12}},
        "thickness": 10,
        "outlinewidth": 0,
        "tickvals": _depths(n),
        "tickfont": {"size": 11, "color": MUTED},
        **({"len": 0.9, "x": 1.01} if scene.subplots.right else _STRIP),
    }
    marker = {
        "color": [0],
        "cmin": 1,
        "cmax": n,
        "colorscale": Colour("depth"),
        "showscale": True,
        "colorbar": bar,
    }
    meta = {"layer": None, "role": "area", "panel": 0, "run": "", "set": ""}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [None],
            "y": [None],
            "hoverinfo": "skip",
            "marker": marker,
            "meta": meta,
        }
    ]


_STRIP = {
    "orientation": "h",
    "thickness": 6,
    "len": 1,
    "x": 0.5,
    "y": 0,
    "yanchor": "top",
    "ypad": 50,
    "title": {"text": ""},
}


def _depths(n: int) -> list[int]:
    """Round numbers of layers from the first to the last."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, n) if n / step <= 7)
    between = [at for at in range(step, n, step) if 0.06 * n < at < 0.94 * n and at > 1]
    return [1, *between, n]
