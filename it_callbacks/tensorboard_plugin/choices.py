"""Outlines of runs in, what can be chosen from them out; a request in, the keys it needs out.

Nothing here reads a log or knows of TensorBoard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from it_callbacks.derived import sources
from it_callbacks.figures import (
    DARK,
    LIGHT,
    VIEWS,
    Figure,
    Panel,
    Theme,
    class_entropies,
    information_plane,
    prediction_entropies,
)
from it_callbacks.figures.words import plain
from it_callbacks.runs import Key, Run

MOST_PANELS = 6
"""Side by side; more could not be read."""

THEMES = {"light": LIGHT, "dark": DARK}
_SHOWN = 8
"""So many names an error lists at most."""


class ChoiceError(ValueError):
    """Something was asked for that is not there; names what is."""


class Query(Protocol):
    """The part of a request's arguments that is used: werkzeug's, or a test's own."""

    def get(self, key: str) -> str | None:
        """The first value under `key`."""

    def getlist(self, key: str) -> list[str]:
        """All values under `key`."""


@dataclass(frozen=True)
class Request:
    """What a figure is asked to show, checked as far as it can be without a log."""

    name: str
    runs: Sequence[str]
    sets: Sequence[str]
    view: str
    resolution: int
    chance: bool
    intervals: bool
    hidden: Sequence[str]
    """Layers, named as figures name them."""
    theme: Theme


def parse(query: Query) -> Request:
    """The request in a query.

    Raises:
        ChoiceError: Something in it is none of the words it can be.
    """
    resolution = query.get("resolution") or "0"
    if not (resolution.isascii() and resolution.isdecimal() and len(resolution) < 4):
        raise ChoiceError(f"resolution: got {resolution!r}, expected a number from 0 on")
    theme = query.get("theme") or "light"
    if not query.getlist("run"):
        raise ChoiceError("run: none was asked for; name at least one")
    return Request(
        name=_one_of("name", query.get("name") or "plane", list(_SETS)),
        runs=list(dict.fromkeys(query.getlist("run"))),
        sets=list(dict.fromkeys(query.getlist("set"))),
        view=_one_of("view", query.get("view") or VIEWS[0], VIEWS),
        resolution=int(resolution),
        chance=query.get("chance") == "1",
        intervals=query.get("intervals") == "1",
        hidden=query.getlist("hidden"),
        theme=THEMES[_one_of("theme", theme, list(THEMES))],
    )


def unknown(what: str, got: str, known: Sequence[str]) -> ChoiceError:
    """The error that names what there is instead of `got`."""
    near = get_close_matches(got, known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    listed = ", ".join(map(repr, known[:_SHOWN])) or "none"
    return ChoiceError(f"{what}: there is no {got!r}; there is {listed}{more}{guess}")


def _one_of(what: str, got: str, known: Sequence[str]) -> str:
    if got not in known:
        raise unknown(what, got, known)
    return got


def _plane_sets(run: Run) -> list[str]:
    return sorted(set(run.sets("I_XT")) & set(run.sets("I_TY")))


_SETS: Mapping[str, Callable[[Run], list[str]]] = {
    "plane": _plane_sets,
    "predictions": lambda run: run.sets("prediction_entropy"),
    "classes": lambda run: run.sets("conditional_entropy"),
}
"""For each figure, the sets that a run has it of."""


_QUANTITIES = {
    "predictions": ("prediction_entropy", "label_information"),
    "classes": ("conditional_entropy",),
}
"""What the figures without layers are drawn from."""


def has_a_figure(keys: Iterable[Key]) -> bool:
    """Whether series of these keys give any figure."""
    run = Run("", {key: {} for key in keys})
    return any(sets(run) for sets in _SETS.values())


def described(run: Run) -> dict[str, Any] | None:
    """What can be chosen of a run; None if it has none of the figures."""
    figures = {
        name: {set_: _of_set(name, run, set_) for set_ in sets(run)} for name, sets in _SETS.items()
    }
    if not any(figures.values()):
        return None
    return {"name": run.name, "figures": figures}


def _of_set(name: str, run: Run, set_: str) -> dict[str, Any]:
    if name != "plane":
        return {}
    return {"resolutions": [rulers.label for rulers in run.rulers(set_)]}


def needed(request: Request, run: Run) -> list[Key]:
    """The series of an outline that the figure is drawn from."""
    if request.name in _QUANTITIES:
        return [key for key in run.series if key.quantity in _QUANTITIES[request.name]]
    ends = {"linear": "", "adjusted": "_adjusted", "corrected": "_corrected"}[request.view]
    wanted = {"I_XT_corrected" if ends == "_corrected" else "I_XT", f"I_TY{ends}", "status"}
    wanted |= {"I_XT", "I_TY", "I_TY_chance"}
    wanted |= {source for name in wanted for source in sources(name)}
    keys = []
    for set_ in request.sets or _plane_sets(run):
        rulers = run.rulers(set_)
        if request.resolution < len(rulers):
            at = rulers[request.resolution]
            keys += [
                key
                for key in run.series
                if key.set == set_ and key in {at.key(q, set_, key.layer) for q in wanted}
            ]
    return keys


def panels(request: Request, runs: Sequence[Run]) -> list[Panel]:
    """The first panels that were asked for, run by run; a run that lacks a set is passed over.

    Raises:
        ChoiceError: No run has any of the sets.
    """
    has = {run.name: _SETS[request.name](run) for run in runs}
    found = [
        Panel(run, set_)
        for run in runs
        for set_ in (request.sets or has[run.name])
        if set_ in has[run.name]
    ]
    if not found:
        known = sorted({set_ for sets in has.values() for set_ in sets})
        if not known:
            raise ChoiceError(f"none of the runs has what the figure {request.name!r} shows")
        raise unknown("set", ", ".join(request.sets), known)
    return found[:MOST_PANELS]


def draw(request: Request, shown: Sequence[Panel]) -> Figure:
    """The figure of the panels.

    Raises:
        ChoiceError: No panel has that resolution.
    """
    if request.name == "predictions":
        return prediction_entropies(shown, theme=request.theme)
    if request.name == "classes":
        return class_entropies(shown, theme=request.theme)
    most = max(len(panel.rulers) for panel in shown)
    if request.resolution >= most:
        raise unknown("resolution", str(request.resolution), [str(n) for n in range(most)])
    layers = {layer for panel in shown for layer in panel.run.layers("I_TY", panel.set)}
    return information_plane(
        shown,
        view=request.view,
        resolution=request.resolution,
        chance=request.chance,
        intervals=request.intervals,
        hidden={layer for layer in layers if plain(layer) in request.hidden},
        theme=request.theme,
    )
