"""Pick a part of a batch or an output, by its name, by its number or by a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from it_callbacks.checks import ArgumentValueError, nearest

Selector = Callable[[Any], Any] | str | int
"""Picks one part out of a batch or an output: a key, an index, or a function of the whole."""

TARGET_KEYS = ("label", "labels", "target", "targets", "y")


def select(source: Any, selector: Selector, argument: str) -> Any:
    """``source[selector]``, an attribute, or ``selector(source)``; errors name `argument`."""
    if callable(selector):
        return selector(source)
    parts = named_parts(source)
    if isinstance(selector, str):
        if parts is not None and selector in parts:
            return parts[selector]
        if parts is None and hasattr(source, selector):
            return getattr(source, selector)
        if parts is None and selector.lstrip("-").isdecimal():
            return select(source, int(selector), argument)  # a command line gives texts only
        available = list(parts) if parts is not None else []
        raise ArgumentValueError(
            f"{argument}={selector!r}: no such key in a {type(source).__name__} "
            f"with keys {available}{nearest(selector, available)}"
        )
    try:
        return source[selector]
    except (IndexError, KeyError, TypeError) as error:
        size = f" of length {len(source)}" if hasattr(source, "__len__") else ""
        raise ArgumentValueError(
            f"{argument}={selector!r}: no such index in a {type(source).__name__}{size}"
        ) from error


def named_parts(batch: Any) -> Mapping[Any, Any] | None:
    """The parts of a mapping, a dataclass or a named tuple of labels; None of anything else."""
    if type(batch) in (list, tuple):  # as most are: asked first, since every batch asks
        return None
    if isinstance(batch, Mapping):
        return batch
    if is_dataclass(batch) and not isinstance(batch, type):
        return {field.name: getattr(batch, field.name) for field in fields(batch)}
    names = getattr(batch, "_fields", None)  # a namedtuple
    if isinstance(batch, tuple) and names and set(names) & set(TARGET_KEYS):
        return dict(zip(names, batch, strict=True))
    return None


def attributes(batch: Any, names: Iterable[str]) -> dict[str, Any]:
    """Those of `names` that the batch, an object like those of graph libraries, has tensors of."""
    if isinstance(batch, (Tensor, Sequence)):
        return {}
    found = {name: getattr(batch, name, None) for name in names}
    return {name: part for name, part in found.items() if isinstance(part, Tensor)}
