"""Numbers, settings and layouts in; every logger told, each in what it understands.

Loggers are known by what they can do, never by their class: each of Lightning's two names has
classes of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from it_callbacks.records import QUANTITIES, Record

Layout = dict[str, dict[str, list[Any]]]
"""TensorBoard's custom scalars: category -> chart -> kind and tags."""

_INTERVALS = ("I_XT_corrected", "I_TY_corrected", "noise_I_XT", "noise_I_TY")


def log_point(loggers: Iterable[Any], values: Mapping[str, float], step: int) -> None:
    """Give all values of a point to every logger, at one step, and have them written at once.

    A process that is killed must lose nothing that was measured.
    """
    for logger in loggers:
        logger.log_metrics(dict(values), step=step)
        flush = getattr(_experiment(logger), "flush", None)
        if callable(flush):
            flush()
        else:
            logger.save()


def log_settings(loggers: Iterable[Any], tag: str, settings: Mapping[str, Any], step: int) -> None:
    """Give the settings, as JSON, to every logger that takes text."""
    # Four spaces in front make it a code block in TensorBoard's Markdown and leave it JSON.
    lines = json.dumps(settings, indent=1, ensure_ascii=False, allow_nan=False).splitlines()
    text = "\n".join(f"    {line}" for line in lines)
    for logger in loggers:
        add_text = getattr(_experiment(logger), "add_text", None)
        if callable(add_text):
            add_text(_prefixed(logger, tag), text, step)


def log_layout(loggers: Iterable[Any], records: Iterable[Record]) -> None:
    """Lay out TensorBoard's custom scalars: all layers of a quantity in one chart, and bands."""
    tags = sorted({(record.quantity, record.set, record.layer) for record in records})
    for logger in loggers:
        add_custom_scalars = getattr(_experiment(logger), "add_custom_scalars", None)
        if callable(add_custom_scalars):
            add_custom_scalars(layout(tags, _prefixed(logger, "")))


def layout(tags: Iterable[tuple[str, str, str]], prefix: str = "") -> Layout:
    """The charts for these (quantity, set, layer).

    Example:
        >>> layout([("I_XT", "val", "fc1"), ("I_XT", "val", "fc2")])
        {'information plane, val': {'I_XT': ['Multiline', ['I_XT/val/.+']]}}
    """
    charts: Layout = {}
    tags = list(tags)
    known = set(tags)
    for quantity, set_, layer in tags:
        family = quantity.split("_corrected")[0].removesuffix("_low").removesuffix("_high")
        category = charts.setdefault(f"{_CATEGORY.get(quantity, 'information plane')}, {set_}", {})
        low, high = (_end(quantity, end) for end in ("low", "high"))
        if {(low, set_, layer), (high, set_, layer)} <= known:
            triple = [f"{prefix}{part}/{set_}/{layer}" for part in (quantity, low, high)]
            category[f"{quantity} {layer}, 95 %"] = ["Margin", triple]
        elif not re.search(r"_(low|high|se)(_|$)", quantity) and family:
            pattern = f"{re.escape(prefix)}{re.escape(quantity)}/{re.escape(set_)}/.+"
            category.setdefault(quantity, ["Multiline", [pattern]])
    return charts


_CATEGORY = {
    quantity: quantity.split("_within")[0].split("_hard")[0].replace("_", " ")
    for quantity in QUANTITIES
    if quantity.startswith(("prediction_entropy", "conditional_entropy", "label_information"))
}


def _end(quantity: str, end: str) -> str:
    """The tag part of one end of a quantity's interval; a ruler's slug stays last."""
    for base in _INTERVALS:
        if quantity == base or quantity.startswith(f"{base}_"):
            return f"{base}_{end}{quantity.removeprefix(base)}"
    return ""


def _experiment(logger: Any) -> Any:
    return getattr(logger, "experiment", None)


def _prefixed(logger: Any, tag: str) -> str:
    prefix = getattr(logger, "_prefix", "")
    return f"{prefix}{getattr(logger, 'LOGGER_JOIN_CHAR', '-')}{tag}" if prefix else tag
