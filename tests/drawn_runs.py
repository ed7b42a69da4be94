"""Runs with a few values by hand, for tests of figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from it_callbacks.figures import Figure
from it_callbacks.runs import Key, Run

HOSTILE = ("<img src=x onerror=alert(1)>", "</script>", "%{x} & <b>")
READING = "WideReading(n_samples=512, n_components=127, noise=0.3, folds=5)"

Values = Mapping[str, Mapping[str, Sequence[float]]]
"""By quantity and layer, a value for each look."""


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


def traces(figure: Figure, role: str, **of: Any) -> list[dict[str, Any]]:
    """The traces that say of themselves what is asked."""
    wanted = {"role": role, **of}
    return [t for t in figure["data"] if wanted.items() <= t["meta"].items()]


def texts(figure: Figure) -> list[str]:
    """All words in and around the plots."""
    return [note["text"] for note in figure["layout"]["annotations"]]


def is_text(shown: Iterable[str]) -> bool:
    """Whether none of the `HOSTILE` names is markup or a template in what is shown."""
    return not [text for text in shown for part in ("<img", "</script", "%{x} &") if part in text]
