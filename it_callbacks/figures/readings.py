"""Name the readings of a plane, their views, and the reading that a figure opens at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from it_callbacks.checks import nearest, whole
from it_callbacks.figures.axes import Panel
from it_callbacks.figures.kinds import Request
from it_callbacks.records import Status


class View(NamedTuple):
    """Which estimates a plane shows."""

    title: str
    about: str
    x: str
    """Name of the quantity across."""
    y: str
    """Name of the quantity up."""
    status: str
    """Name of the quantity that says how far to trust a point."""
    options: tuple[str, ...]
    """What can be drawn besides: ``chance`` or ``intervals``."""
    upper: str = ""
    """Name of the quantity that bounds x from above, if there is one."""
    bounded: tuple[str, ...] = ()
    """Names of the quantities whose interval may have a lower end only; of the first ruler."""

    @property
    def axes(self) -> tuple[str, str]:
        """The quantities across and up."""
        return self.x, self.y


class Reading(NamedTuple):
    """A way to read layers: two readings are never joined, as their axes differ."""

    title: str
    about: str
    absent: str
    """What a panel says that has nothing of it."""
    views: Mapping[str, View]
    options: tuple[str, ...]
    """The options of a request that have a meaning for it."""


_BOUNDED = ("I_XT_corrected", "I_TY_adjusted")
VIEWS = {
    "linear": View(
        "Linear",
        "I(X;T) against I(T;Y), as counted",
        "I_XT",
        "I_TY",
        "status",
        ("chance",),
        bounded=_BOUNDED,
    ),
    "adjusted": View(
        "Adjusted",
        "I(T;Y) on a scale on which chance is 0",
        "I_XT",
        "I_TY_adjusted",
        "status",
        (),
        bounded=_BOUNDED,
    ),
    "corrected": View(
        "Corrected",
        "I(X;T) with what is unseen added, I(T;Y) adjusted for chance, with their intervals",
        "I_XT_corrected",
        "I_TY_adjusted",
        "status",
        ("intervals",),
        bounded=_BOUNDED,
    ),
}
"""Of the binned code."""
READINGS = {
    "code": Reading(
        "Binned code",
        "all units of a layer in bins, counted jointly: for narrow layers",
        "no information plane was logged of this set",
        VIEWS,
        ("view", "resolution", "chance", "intervals"),
    ),
    "wide": Reading(
        "Any width",
        "layers of any width on one scale; views, resolutions and chance levels are of the binned "
        "code only",
        "no layer of this set was read at any width",
        {
            "linear": View(
                "Any width",
                "I(X;T+σZ) against V(T→Y)",
                "relative_I_XT",
                "V_TY",
                "wide_status",
                ("intervals",),
                upper="relative_I_XT_high",
            )
        },
        ("intervals",),
    ),
}
"""All readings of a plane, by name."""


def check(request: Request) -> None:
    """Raise unless the plane that is asked for can be drawn.

    Raises:
        ValueError: There is no such reading or view, or the reading does not have what is asked.
    """
    if request.reading is not None and request.reading not in READINGS:
        raise ValueError(
            f"reading: need one of {', '.join(READINGS)}, got {request.reading!r}"
            f"{nearest(request.reading, READINGS)}"
        )
    if request.view not in VIEWS:
        raise ValueError(
            f"view: need one of {', '.join(VIEWS)}, got {request.view!r}"
            f"{nearest(request.view, VIEWS)}"
        )
    whole("resolution", request.resolution, at_least=0)
    if not candidates(request):
        plain = Request()
        option, *_ = (
            name
            for name in ("view", "resolution", "chance")
            if getattr(request, name) != getattr(plain, name)
        )
        raise ValueError(
            f"{option}: got {getattr(request, option)!r}, which only the binned code has; with "
            f"reading={request.reading!r} leave it out, or ask for reading='code'"
        )


def candidates(request: Request) -> list[str]:
    """Return the readings that have all that is asked for; only one where it is named.

    Example:
        >>> candidates(Request()), candidates(Request(view="adjusted"))
        (['code', 'wide'], ['code'])
    """
    return [
        name
        for name, reading in READINGS.items()
        if request.reading in (None, name)
        and request.view in reading.views
        and ("resolution" in reading.options or not request.resolution)
        and ("chance" in reading.options or not request.chance)
    ]


def opening(request: Request, panels: Sequence[Panel]) -> str:
    """Return the reading in which more layers of the panels can be read, of those asked for.

    A layer can be read if its last point has a value and is not saturated. Any width wins a tie.
    """
    possible = candidates(request)
    views = {name: READINGS[name].views["linear"] for name in possible}
    has_y = any(panel.has(view.y) for panel in panels for view in views.values())
    names = {name: view.axes if has_y else view.axes[:1] for name, view in views.items()}
    n_readable = {
        name: sum(_n_readable(panel, view, names[name]) for panel in panels)
        for name, view in reversed(views.items())
        if any(all(map(panel.has, names[name])) for panel in panels)
    }
    return max(n_readable, key=n_readable.__getitem__, default=possible[0])  # the first of equals


def _n_readable(panel: Panel, view: View, names: Sequence[str]) -> int:
    """Layers whose last point has a value of all `names` and is not saturated."""
    n_layers = 0
    for layer in panel.run.layers(view.x, panel.set):
        values = [panel.series(name, layer) for name in names]
        last = max((step for series in values for step in series), default=-1)
        is_finite = all(math.isfinite(series.get(last, math.nan)) for series in values)
        is_saturated = panel.series(view.status, layer).get(last) == Status.SATURATED
        n_layers += is_finite and not is_saturated
    return n_layers
