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


SCALES = ("fit", "zero")
ARRANGEMENTS = ("auto", "side", "overlay", "mean")
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
    for option, words in (("scale", SCALES), ("arrange", ARRANGEMENTS)):
        if (got := getattr(request, option)) not in words:
            raise ValueError(
                f"{option}: need one of {', '.join(words)}, got {got!r}{nearest(got, words)}"
            )
    if request.resolution is not None:
        whole("resolution", request.resolution, at_least=0)
    if not candidates(request):
        plain = Request()
        option, *_ = (
            name
            for name in ("view", "resolution", "chance")
            if getattr(request, name) not in (getattr(plain, name), 0)
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


class Opening(NamedTuple):
    """How a plane is read."""

    reading: str
    resolution: int
    """Which of the rulers; 0 for layers of any width."""


def opening(request: Request, panels: Sequence[Panel]) -> Opening:
    """Return the reading and the ruler in which more layers of the panels can be read.

    Only those that are asked for are compared. A layer can be read if its last point has a value
    and is not saturated. Any width wins a tie, and so does the first ruler.
    """
    possible = candidates(request)
    views = {name: READINGS[name].views["linear"] for name in possible}
    has_y = any(panel.has(view.y) for panel in panels for view in views.values())
    found: dict[Opening, int] = {}
    for name, view in reversed(views.items()):
        needs = view.axes if has_y else view.axes[:1]
        if any(all(map(panel.has, needs)) for panel in panels):
            for number in _resolutions(request, panels, name):
                found[Opening(name, number)] = sum(
                    readable(panel, name, number, needs)[0] for panel in panels
                )
    first = Opening(possible[0], request.resolution or 0)
    return max(found, key=found.__getitem__, default=first)  # the first of equals


def _resolutions(request: Request, panels: Sequence[Panel], reading: str) -> Sequence[int]:
    if reading == "wide":
        return [0]
    if request.resolution is not None:
        return [request.resolution]
    name = READINGS[reading].views[request.view].x
    found = range(max((len(panel.rulers) for panel in panels), default=1))
    return [n for n in found if any(_is_read(panel, name, n) for panel in panels)] or [0]


def _is_read(panel: Panel, quantity: str, resolution: int) -> bool:
    """Whether a quantity was read with a ruler; some are of the first one only."""
    layers = panel.run.layers(quantity, panel.set)
    return resolution < len(panel.rulers) and any(
        panel.key(quantity, layer, resolution) in panel.run.keys for layer in layers
    )


def readable(
    panel: Panel, reading: str, resolution: int, needs: Sequence[str] = ()
) -> tuple[int, int]:
    """Return how many layers of a panel can be read, and of how many.

    Args:
        panel: What was measured.
        reading: One of `READINGS`.
        resolution: Which of the panel's rulers.
        needs: The quantities that the last point must have; those of the plane if not given.
    """
    view = READINGS[reading].views["linear"]
    layers = panel.run.layers(view.x, panel.set)
    if resolution >= len(panel.rulers):
        return 0, len(layers)
    n_readable = 0
    for layer in layers:
        values = [panel.series(name, layer, resolution) for name in needs or view.axes]
        last = max((max(series) for series in values if series), default=-1)
        is_finite = all(math.isfinite(series.get(last, math.nan)) for series in values)
        status = panel.series(view.status, layer, resolution).get(last)
        n_readable += is_finite and status != Status.SATURATED
    return n_readable, len(layers)
