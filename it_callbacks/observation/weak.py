"""A reference to a Trainer or a model that does not keep it alive and is empty in copies."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Weak(Generic[T]):
    """Refers to `value` while somebody else keeps it; a copy or a pickle refers to nothing.

    Args:
        value: What to refer to; None for nothing.
    """

    def __init__(self, value: T | None = None) -> None:
        self._ref = None if value is None else weakref.ref(value)

    def __call__(self) -> T | None:
        """The value; None if there is none, or no longer."""
        return None if self._ref is None else self._ref()

    def __reduce__(self) -> tuple[type[Weak[Any]], tuple[()]]:
        return Weak, ()
