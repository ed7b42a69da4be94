"""Runs with a few values by hand, and what is looked for in their figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from it_callbacks.figures import Figure, Panel
from it_callbacks.runs import Key, Run, outlines

HOSTILE = ("<img src=x onerror=alert(1)>", "</script>", "%{x} & <b>")
READING = "WideReading(n_samples=512, n_components=127, noise=0.3, folds=5)"

Values = Mapping[str, Mapping[str, Sequence[float]]]
"""By quantity and layer, a value for each look."""


def from_log(
    name: str, scalars: Mapping[str, Iterable[tuple[int, float]]], texts: Mapping[str, str]
) -> list[Run]:
    """The runs in one log: one, or one for each prefix of a logger."""
    return [outline.filled(scalars) for outline in outlines(name, scalars, texts)]


def run(
    values: Values,
    *,
    name: str = "a",
    set_: str = "val",
    every: int = 10,
    epochs: bool = True,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Run:
    """A run of one set with a look after each epoch of `every` steps."""
    series = {
        Key(quantity, set_, layer): {number * every: value for number, value in enumerate(of)}
        for quantity, by_layer in values.items()
        for layer, of in by_layer.items()
    }
    n = max(len(of) for by_layer in values.values() for of in by_layer.values())
    return Run(
        name,
        series,
        {number * every: number for number in range(n)} if epochs else {},
        settings or {},
    )


def wide(**more: Any) -> dict[str, Any]:
    """Settings of a set that was read at any width."""
    about = {"reading": READING, "n_samples": 512, "cap": 8.0, "H_Y": 3.0, "n_classes": 8}
    return {"wide": about | more}


def both(one: Run, other: Run) -> Run:
    """The sets of two runs in one."""
    return Run(
        one.name,
        {**one.series, **other.series},
        {**one.epochs, **other.epochs},
        {**one.settings, **other.settings},
    )


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


def traces(figure: Figure, role: str, layer: str | None = None, **of: Any) -> list[dict[str, Any]]:
    """The traces of a role, of one layer or of all, that have such other `meta`."""
    wanted = {"role": role, **({"layer": layer} if layer else {}), **of}
    return [t for t in figure["data"] if wanted.items() <= t["meta"].items()]


def way(figure: Figure, layer: str, number: int = 0) -> dict[str, Any]:
    """All drawn points of a layer in one of the plots."""
    (found,) = traces(figure, "points", layer, panel=number)
    return found


def texts(figure: Figure) -> list[str]:
    """All words in and around the plots."""
    return [note["text"] for note in figure["layout"]["annotations"]]


def text_of(figure: Figure) -> str:
    """The same, line by line."""
    return "\n".join(texts(figure))


def is_text(shown: Iterable[str]) -> bool:
    """Whether none of the `HOSTILE` names is markup or a template in what is shown."""
    return not [text for text in shown for part in ("<img", "</script", "%{x} &") if part in text]
