"""Say of a figure what it is, for the pages that show it: kept beside it as ``layout.meta``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from it_callbacks.figures.axes import Figure, Panel
from it_callbacks.figures.empty_plots import kept
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.theme import Colour, painted
from it_callbacks.figures.times import Measured, thinned

MOST_STOPS = 100
"""Of a slider; more are closer than can be told apart."""


def finished(
    data: Sequence[Mapping[str, Any]],
    layout: Mapping[str, Any],
    request: Request,
    found: Mapping[str, Any],
) -> Figure:
    """Return a figure in the colours of its theme, if it has one; each trace has an identifier.

    Args:
        data: The traces.
        layout: The layout.
        request: What is shown.
        found: What the figure's kind adds to `about`.
    """
    traces = [{**trace, "uid": f"t{number}"} for number, trace in enumerate(data)]
    figure = {"data": traces, "layout": {**layout, "meta": about(request, found)}, "frames": []}
    result: Figure = kept(figure)
    return result if request.theme is None else painted(result, request.theme)


def about(request: Request, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that a figure says of itself.

    Args:
        request: What is shown.
        found: What the figure's kind knows of it.

    Returns:
        ``kind``, ``reading``, ``resolution``, ``view``, ``arrange``: what is shown. ``summary``:
        the line above it. ``layers``: full ``name``, short ``label``, ``colour`` and ``ink`` of
        each, or of runs with ``run`` set; ``left_out``: those of `request.hidden` that there are.
        ``moments``: ``step`` and ``label`` of the slider's
        stops. ``names``: by number of an annotation, whose name it is; ``spare`` are those that
        only a highlight shows. ``panels``: ``run``, ``set`` and ``axis``. ``empty``: views and
        readings that cannot be drawn, with the reason. ``companion``: the kind that goes with it,
        and ``opens``, the one that opens first.
    """
    known: dict[str, Any] = {
        "kind": request.name,
        "reading": request.reading or "",
        "resolution": request.resolution or 0,
        "view": request.view,
        "arrange": request.arrange,
        "summary": "",
        "layers": [],
        "left_out": [],
        "moments": [],
        "names": {},
        "spare": [],
        "panels": [],
        "empty": {},
        "companion": "",
        "opens": "plane",
    }
    return {**known, **found}


def chip(name: str, label: str, colour: Colour, *, is_run: bool = False) -> dict[str, Any]:
    """What pages list of a layer, or of a run: its full name, short name and colours."""
    of_run = {"run": True} if is_run else {}
    return {"name": name, "label": label, "colour": colour, "ink": colour.ink(), **of_run}


def of_plot(panel: Panel, axis: str) -> dict[str, str]:
    """Which run and set the plot with an axis shows."""
    return {"run": panel.run.name, "set": panel.set, "axis": axis}


def stops(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return the moments of some panels, as a slider has them.

    Args:
        measured: For each panel, its steps and the epochs by step.

    Example:
        >>> stops([([0, 20], {0: 0, 20: 1}), ([20, 30], {})])[1:]
        [{'step': 20, 'label': 'epoch 1, step 20'}, {'step': 30, 'label': 'step 30'}]
    """
    epochs: dict[int, int] = {}
    apart = {(tuple(steps), id(known)): known for steps, known in measured}  # most share both
    for (steps, _), known in apart.items():
        epochs = {step: known[step] for step in steps if step in known} | epochs
    every = sorted({step for steps, _ in apart for step in steps})
    return [
        {
            "step": step,
            "label": f"epoch {epochs[step]}, step {step}" if step in epochs else f"step {step}",
        }
        for step in thinned(every, MOST_STOPS)
    ]
