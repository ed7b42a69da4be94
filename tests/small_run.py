"""A small run of two layers, and what is looked for in its figures."""

from __future__ import annotations

import math
from typing import Any

from it_callbacks.figures import Figure, Panel
from it_callbacks.runs import Key, Run


def series(*values: float, every: int = 10) -> dict[int, float]:
    return {number * every: value for number, value in enumerate(values)}


def small(name: str = "a", set_: str = "val", first: str = "fc1", second: str = "fc2") -> Run:
    """Two layers, three epochs, every ten steps one."""
    values = {
        ("I_XT", first): series(5.0, 5.5, 6.0),
        ("I_TY", first): series(1.0, 1.25, 1.5),
        ("I_TY_chance", first): series(0.1, 0.2, 0.3),
        ("I_TY_adjusted", first): series(0.9, 1.1, math.nan),
        ("I_XT_corrected", first): series(5.125, 5.75, math.nan),
        ("I_XT_low", first): series(5.0, 5.5, 5.625),
        ("I_XT_high", first): series(5.5, 6.25, math.nan),
        ("I_TY_low", first): series(0.5, 0.75, 0.0),
        ("I_TY_high", first): series(0.875, math.nan, math.nan),
        ("status", first): series(0.0, 1.0, 2.0),
        ("I_XT", second): series(3.0, 2.5, 2.0),
        ("I_TY", second): series(0.75, 1.0, 1.25),
        ("status", second): series(0.0, 0.0, 0.0),
    }
    return Run(
        name,
        {Key(quantity, set_, layer): points for (quantity, layer), points in values.items()},
        {0: 0, 10: 1, 20: 2},
        {f"information_plane/{set_}": {"H_Y": 2.0, "n_samples": 256}},
    )


def panel(run: Run) -> Panel:
    return Panel(run, "val")


def traces(figure: Figure, role: str, layer: str | None = None) -> list[dict[str, Any]]:
    """The traces of a role, of one layer or of all."""
    return [
        trace
        for trace in figure["data"]
        if trace["meta"]["role"] == role and layer in (None, trace["meta"]["layer"])
    ]


def way(figure: Figure, layer: str, number: int = 0) -> dict[str, Any]:
    """All drawn points of a layer in one of the plots."""
    (found,) = (t for t in traces(figure, "points", layer) if t["meta"]["panel"] == number)
    return found


def texts(figure: Figure) -> str:
    return "\n".join(note["text"] for note in figure["layout"]["annotations"])
