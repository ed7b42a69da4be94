"""Draw a monitor's history: its panels and figures, and when a picture is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from it_callbacks import pictures
from it_callbacks.figures import READINGS, Figure, Panel, Request, check, draw, opening, play
from it_callbacks.records import Record
from it_callbacks.report.card import run_card
from it_callbacks.report.markup import Html
from it_callbacks.runs import Run, Verdicts, from_records
from it_callbacks.stills import still


def panels_of(
    records: Iterable[Record], settings: Mapping[str, Any], group: str, *, sets: Iterable[str]
) -> list[Panel]:
    """One panel for each of `sets`.

    Args:
        records: The history, or the part of it to draw.
        settings: For each set, how it was measured.
        group: Of the settings.
        sets: Which, in the order of the panels.
    """
    run = run_of(records, settings, group)
    return [Panel(run, set_) for set_ in sets]


def run_of(
    records: Iterable[Record],
    settings: Mapping[str, Any],
    group: str,
    *,
    verdicts: Mapping[str, Verdicts] | None = None,
    warnings: Sequence[str] = (),
) -> Run:
    """Return a monitor's history as a run, for tables and figures.

    Args:
        records: The history, or a part of it.
        settings: For each set, how it was measured.
        group: Root of the tags of the settings.
        verdicts: By set, layer and ruler, in words.
        warnings: What the monitor warned of.
    """
    by_place = {f"{group}/{set_}": values for set_, values in settings.items()}
    return from_records("this run", records, by_place, verdicts=verdicts, warnings=warnings)


def as_plotly(request: Request, panels: Sequence[Panel]) -> Any:
    """Draw a figure as `plotly.graph_objects.Figure`, which notebooks show; plotly loads here.

    A plane can be played.
    """
    from it_callbacks import notebook

    figure = draw(request, panels)
    return notebook.Figure.of(play(figure) if request.name == "plane" else figure, panels[0].run)


def card(request: Request, panels: Sequence[Panel], run: Run, title: str) -> Html:
    """What a notebook shows of a monitor: a picture of its figure, what was found, last values."""
    return run_card(run, title, still(draw(with_y(request, panels), panels)))


def with_y(request: Request, panels: Sequence[Panel]) -> Request:
    """The request; for curves of what is across where no panel has what a plane needs.

    That is where there is no Y. The reading is then settled, too.

    Raises:
        ValueError: The request names what there cannot be.
    """
    if request.name != "plane":
        return request
    check(request)
    opened = opening(request, panels)
    across, up = READINGS[opened.reading].views["linear"].axes
    if any(panel.has(up) for panel in panels) or not any(panel.has(across) for panel in panels):
        return replace(request, reading=opened.reading)
    return Request("curves", quantity=across, resolution=opened.resolution)


class Pictures:
    """When to draw: the first point of a set, then one every `every` epochs, and the last.

    Args:
        every: How many epochs.

    Example:
        >>> pictures = Pictures(2)
        >>> [pictures.are_due("val", epoch, step=5 * epoch) for epoch in range(4)]
        [True, False, True, False]
        >>> pictures.missing()
        {'val': 15}
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._drawn: dict[str, tuple[int, int]] = {}
        self._latest: dict[str, tuple[int, int]] = {}

    def are_due(self, set_: str, epoch: int, step: int) -> bool:
        """Whether the point that was measured now is to be drawn; it counts as drawn then."""
        self._latest[set_] = epoch, step
        due = set_ not in self._drawn or epoch - self._drawn[set_][0] >= self.every
        if due:
            self._drawn[set_] = epoch, step
        return due

    def missing(self) -> dict[str, int]:
        """For each set whose latest point was not drawn, its step."""
        return {set_: at[1] for set_, at in self._latest.items() if self._drawn[set_] != at}

    def forget(self) -> None:
        """Another training begins."""
        self._drawn, self._latest = {}, {}


class Picture:
    """A picture of the plane, in the forms that loggers take.

    Args:
        panels: What is drawn.
    """

    def __init__(self, panels: Sequence[Panel]) -> None:
        self._panels = panels

    @cached_property
    def _drawn(self) -> Figure:
        return draw(with_y(Request(), self._panels), self._panels)

    def pixels(self) -> NDArray[np.uint8]:
        """An image ``(height, width, 3)``."""
        return pictures.pixels(self._drawn, style="screen")

    def figure(self) -> Any:
        """A `plotly.graph_objects.Figure`, which can be hovered over."""
        from plotly import graph_objects

        return graph_objects.Figure(self._drawn)
