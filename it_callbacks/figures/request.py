"""Make a figure of what was asked for: of which panels, from which values, drawn how.

The one way to a figure: of the tab, the report, the command line and the monitors alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from it_callbacks.checks import nearest
from it_callbacks.derived import sources
from it_callbacks.figures.axes import Figure, Panel
from it_callbacks.figures.classes import CLASSES
from it_callbacks.figures.curves import CURVES
from it_callbacks.figures.entropies import PREDICTIONS
from it_callbacks.figures.kinds import Kind, Request
from it_callbacks.figures.layer_map import MAP
from it_callbacks.figures.plane import PLANE
from it_callbacks.figures.quantity_shown import DIFFERENCE
from it_callbacks.figures.readings import READINGS
from it_callbacks.figures.through import THROUGH
from it_callbacks.quantities import QUANTITIES
from it_callbacks.runs import Key, Run
from it_callbacks.set_order import in_order

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (PLANE, THROUGH, MAP, CURVES, PREDICTIONS, CLASSES)
}
"""All kinds of figure, by name, in the order in which they are offered."""
NO_LABELS = (
    "no labels were logged, and without them a plane has no second axis: see Curves and Heat map"
)
OPENS_AT = tuple(kind.name for kind in (PLANE, CURVES, PREDICTIONS, CLASSES))
"""A page opens at the first of these that it has; where there are heat maps, there are curves."""


def panels(request: Request, runs: Sequence[Run], sets: Collection[str] = ()) -> list[Panel]:
    """Return the panels of a figure, run by run: the sets that have what it needs.

    Args:
        request: What is to be shown.
        runs: Of what; an outline without values is enough.
        sets: Of which sets; all if there are none.

    Raises:
        ValueError: There is no such kind of figure.

    Example:
        >>> run = Run("a", {Key("I_XT", set_, "fc"): {} for set_ in ("train", "val")})
        >>> [panel.set for panel in panels(Request("curves", quantity="I_XT"), [run])]
        ['val', 'train']
    """
    if request.name not in KINDS:
        raise ValueError(
            f"name: need one of {', '.join(KINDS)}, got {request.name!r}"
            f"{nearest(request.name, KINDS)}"
        )
    needs = KINDS[request.name].needs(request)
    return [
        Panel(run, set_)
        for run in runs
        for set_ in in_order(sets or (key.set for key in run.keys))
        if any(all(set_ in run.sets(name) for name in names) for names in needs)
    ]


def needed(request: Request, shown: Sequence[Panel]) -> dict[str, set[Key]]:
    """Return for each run, by name, the logged series that the figure is drawn from."""
    wanted: dict[str, set[Key]] = {}
    for panel in shown:
        series = panel.run.series
        names = KINDS[request.name].reads(request, panel.run)
        for key in panel.run.keys:
            if key.name not in names or key.set != panel.set:
                continue
            if any(key == panel.key(key.quantity, key.layer, n) for n in _read_by(request, panel)):
                found = (
                    {key}
                    if key in series
                    else {key._replace(quantity=source) for source in sources(key.quantity)}
                )
                wanted.setdefault(panel.run.name, set()).update(found)
    return wanted


def _read_by(request: Request, panel: Panel) -> Sequence[int]:
    """Which rulers of a panel are read: all of them, where the best is to be found."""
    n = len(panel.rulers)
    if request.resolution is None:
        return range(n)
    return [request.resolution] if request.resolution < n else []


def draw(request: Request, shown: Sequence[Panel]) -> Figure:
    """Draw the figure of some panels; `it_callbacks.figures.about` says what it tells of itself.

    Raises:
        ValueError: The request names a view or a resolution that there cannot be.
    """
    figure = KINDS[request.name].draw(shown, request)
    layers = {key.layer for panel in shown for key in panel.run.keys if key.set == panel.set}
    left_out = [name for name in request.hidden if name in layers]
    layout = figure["layout"]
    return {**figure, "layout": {**layout, "meta": {**layout["meta"], "left_out": left_out}}}


def offered(run: Run) -> dict[str, Any] | None:
    """Return what can be asked for of a run; None if it gives no figure.

    Returns:
        ``figures``: by kind the sets that it can show. By set, ``readings`` that a plane has,
        ``resolutions``: the labels of its rulers, ``quantities``: what there are curves and maps
        of, and ``maps``: what there are maps of besides. ``absent``: of kinds that it could have
        but for something that is missing, what that is.
    """
    names: dict[str, set[str]] = {}
    for set_ in in_order(key.set for key in run.keys):
        names[set_] = {key.name for key in run.keys if key.set == set_ and not key.ruler}
    curves = [
        row.name for row in (*QUANTITIES.values(), *run.own.values()) if "curves" in row.figures
    ]
    quantities = {
        set_: found
        for set_, has in names.items()
        if (found := [name for name in curves if name in has])
    }
    figures = {
        kind.name: [
            set_ for set_, has in names.items() if any(map(has.issuperset, kind.needs(Request())))
        ]
        for kind in KINDS.values()
    }
    figures[CURVES.name] = list(quantities)
    if not any(figures.values()):
        return None
    across = [(reading.views["linear"].x,) for reading in READINGS.values()]
    is_unlabelled = any(any(map(has.issuperset, across)) for has in names.values())
    absent = {
        kind.name: NO_LABELS
        for kind in (PLANE, THROUGH)
        if is_unlabelled and not figures[kind.name]
    }
    resolutions = {set_: [rulers.label for rulers in run.rulers(set_)] for set_ in quantities}
    readings = {
        set_: [
            name
            for name, reading in READINGS.items()
            if names[set_].issuperset(reading.views["linear"].axes)
        ]
        for set_ in figures[PLANE.name]
    }
    return {
        "figures": figures,
        "absent": absent,
        "readings": readings,
        "resolutions": resolutions,
        "quantities": quantities,
        "maps": {
            set_: [DIFFERENCE.name]
            for set_ in figures[PLANE.name]
            if {"train", "val"} <= set(figures[PLANE.name])
        },
    }
