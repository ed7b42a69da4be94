"""Read what the query of a figure asks for, and refuse what cannot be.

Nothing here reads a log or knows of TensorBoard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from it_callbacks.checks import nearest
from it_callbacks.figures import (
    ARRANGEMENTS,
    DARK,
    KINDS,
    LIGHT,
    READINGS,
    SCALES,
    VIEWS,
    Panel,
    Request,
    check,
)

THEMES = {"light": LIGHT, "dark": DARK}
_SIZES = {"width": range(200, 4001), "height": range(150, 4001)}
"""In pixels: what a screen has."""
_SHOWN = 8
"""So many names an error lists at most."""


class QueryError(ValueError):
    """Something was asked for that is not there; names what is."""


class Query(Protocol):
    """The part of a request's arguments that is used: werkzeug's, or a test's own."""

    def get(self, key: str) -> str | None:
        """The first value under `key`."""

    def getlist(self, key: str) -> list[str]:
        """All values under `key`."""


class Asked(NamedTuple):
    """A figure, of which runs and of which of their sets; of all if there are none."""

    request: Request
    runs: list[str]
    sets: list[str]


def parse(query: Query) -> Asked:
    """Return what a query asks for, checked as far as it can be without a log.

    Raises:
        QueryError: Something in it is none of the words it can be.
    """
    if not query.getlist("run"):
        raise QueryError("run: none was asked for; name at least one")
    usual = Request()
    sizes = {key: _number(query, key, of) for key, of in _SIZES.items()}
    reading, resolution = query.get("reading"), _number(query, "resolution", range(1000))
    request = Request(
        name=_one_of("name", query.get("name") or usual.name, list(KINDS)),
        reading=_one_of("reading", reading, list(READINGS)) if reading else None,
        view=_one_of("view", query.get("view") or usual.view, list(VIEWS)),
        resolution=usual.resolution if resolution is None else resolution,
        quantity=query.get("quantity") or usual.quantity,
        chance=query.get("chance") == "1",
        intervals=query.get("intervals") == "1",
        hidden=query.getlist("hidden"),
        theme=THEMES[_one_of("theme", query.get("theme") or "light", list(THEMES))],
        scale=_one_of("scale", query.get("scale") or usual.scale, SCALES),
        until=_number(query, "until", range(2**53)),
        highlights=True,
        arrange=_one_of("arrange", query.get("arrange") or usual.arrange, ARRANGEMENTS),
        **{key: size for key, size in sizes.items() if size is not None},
    )
    try:
        check(request)
    except ValueError as error:
        raise QueryError(str(error)) from error
    runs, sets = (list(dict.fromkeys(query.getlist(key))) for key in ("run", "set"))
    return Asked(request, runs, sets)


def unknown(what: str, got: str, known: Sequence[str]) -> QueryError:
    """Return the error that names what there is instead of `got`."""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    listed = ", ".join(map(repr, known[:_SHOWN])) or "none"
    return QueryError(f"{what}: there is no {got!r}; there is {listed}{more}{nearest(got, known)}")


def _number(query: Query, key: str, among: range) -> int | None:
    """A whole number; None where none is given."""
    text = query.get(key)
    if not text:
        return None
    # A number of more digits would take long to read.
    if text.isascii() and text.isdecimal() and len(text) < 17 and int(text) in among:
        return int(text)
    raise QueryError(
        f"{key}: got {text[:40]!r}, expected a number from {among.start} to {among.stop - 1}"
    )


def _one_of(what: str, got: str, known: Sequence[str]) -> str:
    if got not in known:
        raise unknown(what, got, known)
    return got


def check_panels(asked: Asked, shown: Sequence[Panel], every: Sequence[Panel]) -> None:
    """Raise unless there is a panel, and one with the resolution that is asked for.

    Args:
        asked: What is asked for.
        shown: The panels of the sets that are asked for.
        every: Those of all sets.

    Raises:
        QueryError: There is none.
    """
    request = asked.request
    if not every:
        raise QueryError(f"none of the runs has what the figure {request.name!r} shows")
    if not shown:
        raise unknown("set", ", ".join(asked.sets), sorted({panel.set for panel in every}))
    most = max(len(panel.rulers) for panel in shown)
    if (request.resolution or 0) >= most and "resolution" in KINDS[request.name].options:
        raise unknown("resolution", str(request.resolution), [str(n) for n in range(most)])
