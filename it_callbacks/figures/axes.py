"""Say what a panel is, and what its axes are called."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from it_callbacks.derived import sources
from it_callbacks.figures.labels import plain, shortened
from it_callbacks.quantities import OF_WIDE, Quantity
from it_callbacks.records import is_read_by_rulers
from it_callbacks.runs import Key, Rulers, Run, Series

_T = TypeVar("_T")
Figure = dict[str, Any]
"""``{"data": [...], "layout": {...}, "frames": [...]}`` as Plotly reads it, safe for JSON."""

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    # Plotly's script shows a button that sends the figure to its makers unless told not to.
    "showSendToCloud": False,
    "showLink": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": ["lasso2d", "select2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "it_callbacks"},
}
"""Plotly's own settings for all figures."""

BAR_IN_SE = 1.96
"""Standard errors from a value to the end of its bar: a 95 % interval."""


@dataclass(frozen=True)
class Panel:
    """One plot of a figure: a run, measured on one set.

    Args:
        run: The run.
        set: The set.
        rulers: What `bins=` lists, each with a ruler for each layer; the run's if not given.
    """

    run: Run
    set: str
    rulers: Sequence[Rulers] = ()

    def __post_init__(self) -> None:
        if not self.rulers:
            object.__setattr__(self, "rulers", self.run.rulers(self.set))

    def once(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """What `make` gives, made once: a page has figures of several sizes of the same panel."""
        if key not in self._made:
            self._made[key] = make()
        found: _T = self._made[key]
        return found

    @cached_property
    def _made(self) -> dict[Hashable, Any]:
        return {}

    def key(self, quantity: str, layer: str, resolution: int = 0) -> Key:
        """The key of a quantity as one of `rulers` reads it."""
        return self.rulers[resolution].key(quantity, self.set, layer)

    def series(self, quantity: str, layer: str, resolution: int = 0) -> Series:
        """What was measured; empty if it was not."""
        return self.run.values(self.key(quantity, layer, resolution))

    def ends(self, quantity: str, layer: str, resolution: int = 0) -> tuple[Series, Series]:
        """The lower and the upper ends of the bars, if any.

        A standard deviation beside a mean over runs; else those of an interval, or `BAR_IN_SE`
        standard errors beside a value.
        """
        spread = self.run.spread.get(self.key(quantity, layer, resolution), {})
        around = [self.series(name, layer, resolution) for name in self.run.around(quantity)]
        if not spread and len(around) == 2:
            return around[0], around[1]
        error, n_errors = (around[0], BAR_IN_SE) if around and not spread else (spread, 1.0)
        centre = self.series(quantity, layer, resolution)
        both = [step for step in error if step in centre]
        low, high = (
            {step: centre[step] + sign * n_errors * error[step] for step in both}
            for sign in (-1, 1)
        )
        return low, high

    def about(self, quantity: str) -> Quantity:
        """The row of the table, with the share of noise that the set was read with."""
        row, noise = self.run.about(quantity), self.run.wide(self.set).noise
        if noise is None or quantity not in OF_WIDE:
            return row
        symbol, meaning = (t.replace("0.3", f"{noise:g}") for t in (row.symbol, row.meaning))
        return replace(row, symbol=symbol, meaning=meaning)

    def has(self, quantity: str) -> bool:
        """Whether the set has a quantity of the table."""
        return self.set in self.run.sets(quantity)

    def was_read(self, quantity: str) -> bool:
        """Whether there is any value of a quantity, or of each that it is derived from.

        A figure reads what it draws only; of all else the series are there, and empty.
        """
        logged: dict[str, bool] = {}
        for key, series in self.run.series.items():
            if key.set == self.set:
                logged[key.quantity] = logged.get(key.quantity, False) or bool(series)
        needs = (quantity,) if quantity in logged else sources(quantity)
        return bool(needs) and all(logged.get(name) for name in needs)

    def meta(self, role: str, number: int, layer: str | None) -> dict[str, Any]:
        """What a trace says of itself: its role, its panel by number, its layer by full name."""
        of = {"run": self.run.name, "set": self.set}
        return {"layer": layer, "role": role, "panel": number, **of}


def axis_title(panels: Sequence[Panel], quantity: str) -> str:
    """The title of an axis; it names what all panels take as Y."""
    title = panels[0].about(quantity).axis_title
    if all(panel.run.label_symbol(panel.set) == "bin Y" for panel in panels):
        title = re.sub(r"\bY\b", "bin Y", title)
    return plain(title)


class Place(NamedTuple):
    """Which axes a panel has, and where on the page."""

    axis: str
    """What Plotly adds to ``x`` and ``y``: nothing for the first."""
    across: tuple[float, float]
    up: tuple[float, float]

    @property
    def on(self) -> dict[str, str]:
        """The axes that a trace of this panel names."""
        return {"xaxis": f"x{self.axis}", "yaxis": f"y{self.axis}"}


def how_read(panel: Panel, quantity: str, resolution: int) -> str:
    """With which rulers a quantity is read, or from how many samples; empty if not known."""
    if quantity in OF_WIDE:
        n_samples = panel.run.wide(panel.set).n_samples
        return f"{n_samples} samples" if n_samples else ""
    if not is_read_by_rulers(quantity) or resolution >= len(panel.rulers):
        return ""
    return plain(shortened(panel.rulers[resolution].label, 60))


def finite(value: float | None, digits: int = 6) -> float | None:
    """A value to draw: to the millionth of a bit, or so; None where there is none."""
    return round(value, digits) if value is not None and math.isfinite(value) else None
