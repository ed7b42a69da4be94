"""Declare a kind of figure: what it shows, from which quantities, and how it is drawn.

Each figure's declaration stands beside its code; `it_callbacks.figures.request` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from it_callbacks.figures.axes import Figure, Panel
from it_callbacks.figures.theme import LIGHT, Theme
from it_callbacks.runs import Run


@dataclass(frozen=True)
class Request:
    """What a figure is asked to show. An option has a meaning for kinds that list it only.

    Args:
        name: Which kind of figure.
        reading: How the layers of a plane are read: ``"code"``, binned, or ``"wide"``, at any
            width; None for the reading in which more layers can be read.
        view: Which estimates the plane of the binned code shows.
        resolution: Which of the rulers in ``bins=[...]``; None for that with most readable layers.
        quantity: What curves and maps are of, by its name in the table; empty for the plane's own.
        chance: Mark the chance level of I(T;Y) of each point.
        intervals: Draw intervals, or the spread of averaged runs.
        hidden: Layers that are left out, by their full names.
        theme: Colours; None leaves their names, for `it_callbacks.figures.theme.painted`.
        width: Of the figure, in pixels: names are placed for this size.
        height: The same.
        scale: ``"fit"``, axes around the data, or ``"zero"``, axes from 0 to what there is to know.
        until: The figure as it stood at this step; None for the last.
        highlights: Keep names and marks that are seen only while a layer is highlighted, as the
            tab does it.
        arrange: How runs and sets share the figure: ``"side"`` by side, ``"overlay"``, one over
            the other, ``"mean"`` of repeats; ``"auto"``: validation and training of one run over
            each other where there are few layers, else side by side.
    """

    name: str = "plane"
    reading: str | None = None
    view: str = "linear"
    resolution: int | None = None
    quantity: str = ""
    chance: bool = False
    intervals: bool = False
    hidden: Collection[str] = ()
    theme: Theme | None = LIGHT
    width: int = 900
    height: int = 560
    scale: str = "fit"
    until: int | None = None
    highlights: bool = False
    arrange: str = "auto"


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Args:
        name: What requests call it.
        title: What readers call it.
        about: What it shows, in one line.
        monitor: The class that logs what it shows.
        what: What that is, in words.
        options: The options of a request that it takes.
        needs: Names of the quantities that a set must have to be drawn; of several such lists,
            those of any one.
        reads: Names of all quantities of a run that are drawn.
        draw: Draws it.
    """

    name: str
    title: str
    about: str
    monitor: str
    what: str
    options: tuple[str, ...]
    needs: Callable[[Request], list[tuple[str, ...]]]
    reads: Callable[[Request, Run], Collection[str]]
    draw: Callable[[Sequence[Panel], Request], Figure]
