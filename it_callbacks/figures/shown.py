"""Choose the values that a figure shows, for a table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from it_callbacks.figures.axes import Panel
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.quantity_shown import axes_of, is_of_plane, opened, status_of
from it_callbacks.figures.readings import READINGS
from it_callbacks.figures.request import KINDS
from it_callbacks.runs import Key, Run, natural


def shown_values(request: Request, panels: Sequence[Panel]) -> list[Run]:
    """Return the runs of some panels with what the figure shows of them, and no more.

    That is: the reading and the ruler that open, the sets of the panels, layers that are not
    hidden, and steps up to `request.until`. Bars, statuses, and chance and coverage, which hovering
    shows, are included. Nothing is thinned.

    Returns:
        The series of each run by set, then by layer in order of depth, then by quantity.
    """
    found: dict[str, Run] = {}
    for panel in panels:
        run = found.setdefault(panel.run.name, replace(panel.run, series={}))
        series = {
            key: {
                step: value
                for step, value in panel.run.values(key).items()
                if _is_by(request, step)
            }
            for key in _keys(request, panels, panel)
        }
        found[run.name] = replace(
            run, series={**run.series, **{k: s for k, s in series.items() if s}}
        )
    return list(found.values())


def _is_by(request: Request, step: int) -> bool:
    return request.until is None or step <= request.until


def _keys(request: Request, panels: Sequence[Panel], panel: Panel) -> list[Key]:
    run = panel.run
    names, resolution = list(KINDS[request.name].reads(request, run)), 0
    if "reading" in KINDS[request.name].options:
        found = opened(request, panels)
        names, resolution = _names(request, found.reading, panels, run), found.resolution
    if resolution >= len(panel.rulers):
        return []
    depth: dict[str, int] = {}
    for name in names:
        for layer in run.layers(name, panel.set):
            depth.setdefault(layer, len(depth))
    place = {name: number for number, name in reversed([*enumerate(names)])}
    keys = [
        key
        for key in run.keys
        if key.name in place
        and key.set == panel.set
        and key.layer not in request.hidden
        and key == panel.key(key.quantity, key.layer, resolution)
    ]
    return sorted(
        keys, key=lambda key: (depth.get(key.layer, -1), place[key.name], natural(key.quantity))
    )


def _names(request: Request, reading: str, panels: Sequence[Panel], run: Run) -> list[str]:
    """The quantities of a plane, or of what is drawn in its place, with what is said of them."""
    if not is_of_plane(request.quantity):
        quantity = request.quantity
        return [quantity, *run.around(quantity), *filter(None, [status_of(quantity)])]
    views = READINGS[reading].views
    view = views.get(request.view, views["linear"])
    axes = axes_of(request, opened(request, panels), panels)
    more = ["I_TY_chance", "coverage"] if "chance" in view.options else []
    return [*axes, *(end for name in axes for end in run.around(name)), view.status, *more]
