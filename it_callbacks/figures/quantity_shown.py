"""Find what curves and heat maps are of, and how it is read: a quantity, or those of the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from it_callbacks.figures.axes import Panel
from it_callbacks.figures.kinds import Request
from it_callbacks.figures.limits import LABEL_BOUND
from it_callbacks.figures.readings import READINGS, Opening, View, check, opening
from it_callbacks.quantities import OF_WIDE, QUANTITIES, Quantity
from it_callbacks.records import is_read_by_rulers
from it_callbacks.runs import Run

TRAIN_MINUS_VAL = "train_minus_val"
DIFFERENCE = Quantity(
    TRAIN_MINUS_VAL,
    "training minus validation",
    "what is found about the label in training minus what is found in validation: above 0 where a "
    "layer knows the training samples better",
    is_logged=False,
)
"""What heat maps can be of besides what was logged, where a run has both sets."""
_OF_PLANE = ("", TRAIN_MINUS_VAL)


def opened(request: Request, panels: Sequence[Panel]) -> Opening:
    """Return the reading and the ruler; of a quantity of the binned code, the best of its rulers.

    The reading is empty where a quantity is of neither.

    Raises:
        ValueError: There is no such reading or view.
    """
    quantity = request.quantity
    if quantity in _OF_PLANE:
        check(request)
        return opening(request, panels)
    if is_of_code(quantity):
        return opening(replace(request, reading="code", view="linear"), panels)
    return Opening("wide" if quantity in OF_WIDE else "", 0)


def axes_of(request: Request, found: Opening, panels: Sequence[Panel]) -> list[str]:
    """Return the quantities of the plane that opens, x and y; of sets without labels, x alone."""
    view = _view(request, found.reading)
    return [name for name in view.axes if any(panel.has(name) for panel in panels)] or [view.y]


def _view(request: Request, reading: str) -> View:
    views = READINGS[reading].views
    return views.get(request.view) or views["linear"]


def status_of(quantity: str) -> str:
    """Return the quantity that says how far another can be trusted; empty if there is none."""
    return "wide_status" if quantity in OF_WIDE else "status" if is_of_code(quantity) else ""


def is_of_plane(quantity: str) -> bool:
    """Whether what is drawn are the quantities of the plane, or their difference."""
    return quantity in _OF_PLANE


def is_of_code(quantity: str) -> bool:
    """Whether each ruler has its own values of a quantity."""
    return quantity in QUANTITIES and is_read_by_rulers(quantity)


def needs(request: Request) -> list[tuple[str, ...]]:
    """Return the quantities that a set must have; of several such lists, those of any one."""
    if request.quantity not in _OF_PLANE:
        return [(request.quantity,)]
    readings = [request.reading] if request.reading in READINGS else list(READINGS)
    return [(name,) for reading in readings for name in _view(request, str(reading)).axes]


def reads(request: Request, run: Run) -> list[str]:
    """Return all quantities of a run that are drawn, or that tell how they are read."""
    quantity = request.quantity
    shown, readings = [quantity], list(READINGS)
    if quantity in _OF_PLANE:
        views = [view for reading in READINGS.values() for view in reading.views.values()]
        shown = [name for view in views for name in view.axes]
    elif is_of_code(quantity) and request.resolution is None:
        readings = ["code"]
    else:
        readings = []
    found = [end for name in shown for end in (name, status_of(name), *run.around(name))]
    usual = [READINGS[name].views["linear"] for name in readings]
    found += [name for view in usual for name in (*view.axes, view.status)]
    found += [LABEL_BOUND] if "V_TY" in shown else []
    return [name for name in found if name]
