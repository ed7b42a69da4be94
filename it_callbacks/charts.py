"""Lay out TensorBoard's custom scalars: all layers in one chart, and bands for intervals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from it_callbacks.records import QUANTITIES, Quantity, tag_of
from it_callbacks.tags import Key, parse_tag

Layout = dict[str, dict[str, list[Any]]]
"""TensorBoard's custom scalars: category -> chart -> kind and tags."""


def layout(tags: Iterable[str], prefix: str = "", own: Iterable[Quantity] = ()) -> Layout:
    """Return the charts for these tags: all layers in one chart, and bands for intervals.

    Args:
        tags: Of all that was logged; those of others have no chart.
        prefix: What the logger puts before each.
        own: The quantities of the user's own estimators.

    Example:
        >>> layout(["information_plane/val/I_XT/fc1", "information_plane/val/I_XT/fc2"])
        {'information plane, val': {'I_XT': ['Multiline', ['information_plane/val/I_XT/.+']]}}
    """
    rows = {**QUANTITIES, **{row.name: row for row in own}}
    keys = [tag.key for tag in (parse_tag(tag, rows) for tag in sorted(tags)) if tag is not None]
    known, by_name = set(keys), dict[str, list[Key]]()
    for key in keys:
        by_name.setdefault(key.name, []).append(key)
    hidden = _without_chart(rows.values())
    charts: Layout = {}
    for row in rows.values():
        for key in by_name.get(row.name, ()) if row.chart else ():
            heading = f"{row.chart}{', other rulers' * bool(key.ruler)}, {key.set}"
            ends = [key._replace(quantity=end) for end in row.interval]
            if ends and known.issuperset(ends):
                band = [prefix + each.tag for each in (key, *ends)]
                title = f"{row.name} {key.layer}, 95 %"
                charts.setdefault(heading, {})[title] = ["Margin", band]
            else:
                # All layers in one chart, and all further rulers in one.
                chart = charts.setdefault(heading, {}).setdefault(key.quantity, ["Multiline", []])
                pattern = re.escape(prefix + tag_of(key.recorded, key.set, ""))
                pattern += f"{_all_but(hidden.get(key.quantity, ()))}.+"
                if pattern not in chart[1]:
                    chart[1].append(pattern)
    return charts


def _without_chart(rows: Iterable[Quantity]) -> dict[str, list[str]]:
    """What lies under each root and has no chart: epochs, whose line would stretch the axis."""
    under: dict[str, list[str]] = {}
    for root, _, name in (row.name.partition("/") for row in rows if not row.chart):
        under.setdefault(root, []).extend([name] if name else [])
    return under


def _all_but(names: Sequence[str]) -> str:
    """The start of a pattern that finds none of these names."""
    return f"(?!(?:{'|'.join(map(re.escape, names))})$)" if names else ""
