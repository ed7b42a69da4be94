"""Check and carry the quantities that estimators of a user's own declare.

They travel in the settings of the run, so that whatever reads the log knows them. Standard library
only, as `it_callbacks.records`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from it_callbacks.quantities import (
    BESIDE,
    OF_EXTRAS,
    PER_RULER,
    PLANE_CHART,
    QUANTITIES,
    Quantity,
)
from it_callbacks.records import slug

_TEXTS = ("name", "symbol", "meaning", "unit", "chart")


def check_own(quantities: Iterable[Quantity | str]) -> tuple[Quantity, ...]:
    """Return what the estimators of a monitor declare as rows of the table.

    A name alone is a quantity in bits. Each has a curve of its own, unless it is the end of
    another's interval.

    Args:
        quantities: Of all `extra=` of a monitor, those of this package among them.

    Raises:
        TypeError: Something is neither a `Quantity` nor a name.
        ValueError: A name is no safe part of a tag, is taken, or is given twice.

    Example:
        >>> [row.unit for row in check_own(["knn_I_TY", Quantity("dead", unit="share")])]
        ['bits', 'share']
    """
    rows: dict[str, Quantity] = {}
    for given in quantities:
        if not isinstance(given, Quantity | str):
            raise TypeError(f"quantities: need Quantity values or names, got {given!r}")
        row = given if isinstance(given, Quantity) else Quantity(given)
        _check(row)
        if row.name in rows:
            raise ValueError(f"quantities: two estimators give {row.name!r}; rename one of them")
        rows[row.name] = row
    return _completed(rows)


def _check(row: Quantity) -> None:
    """Raise where another quantity could be under the tags of this one."""
    name = row.name
    if row in OF_EXTRAS:
        return
    if slug(name) != name:
        raise ValueError(
            f"quantities: need letters, digits, '_', '-' and '.', as tags have, got {name!r}"
        )
    if name in QUANTITIES or name in BESIDE:
        raise ValueError(f"quantities: {name!r} is a name of this package's own; choose another")
    base = next((base for base in PER_RULER if name.startswith(f"{base}_")), None)
    if base is not None:
        raise ValueError(
            f"quantities: {name!r} could be {base!r} read by a ruler {name[len(base) + 1 :]!r}; "
            f"begin it with something other than {base!r}"
        )


def _completed(rows: Mapping[str, Quantity]) -> tuple[Quantity, ...]:
    ends = {end for row in rows.values() for end in row.interval}
    return tuple(
        row
        if row in OF_EXTRAS
        else replace(
            row,
            chart="" if name in ends else row.chart or PLANE_CHART,
            figures=() if name in ends else ("curves",),
            per_ruler=False,
            is_logged=True,
        )
        for name, row in rows.items()
    )


def to_rows(quantities: Iterable[Quantity]) -> list[dict[str, object]]:
    """Return quantities as JSON holds them, for ``settings["quantities"]``.

    Example:
        >>> to_rows([Quantity("dead", unit="share")])[0]["unit"]
        'share'
    """
    return [
        {**{key: getattr(row, key) for key in _TEXTS}, "interval": list(row.interval)}
        for row in quantities
    ]


def from_rows(rows: object) -> dict[str, Quantity]:
    """Return the quantities that ``settings["quantities"]`` holds, by name.

    A log may be anybody's: what `to_rows` would not write is passed over.

    Example:
        >>> list(from_rows([{"name": "knn_I_TY"}, {"name": "I_XT"}, 3]))
        ['knn_I_TY']
    """
    found: dict[str, Quantity] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping):
            continue
        texts = {key: row[key] for key in _TEXTS if isinstance(row.get(key), str)}
        ends = row.get("interval")
        interval = tuple(map(str, ends)) if isinstance(ends, list) and len(ends) == 2 else ()
        try:
            own = Quantity(**texts, interval=interval)
            _check(own)
        except (TypeError, ValueError):
            continue
        if own.name not in QUANTITIES:
            found[own.name] = own
    return {row.name: row for row in _completed(found)}
