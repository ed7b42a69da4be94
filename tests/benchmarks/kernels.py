"""Which way layers are encoded while something is timed: by torch, unless a row names `fast`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from it_callbacks import sketches
from it_callbacks.codes import compiled

_OF_CODES, _OF_SKETCHES = compiled.kernel, sketches.kernel


def _none() -> None:
    """No kernel; a mock would count its calls, which takes its time."""


def by_torch() -> AbstractContextManager[Any]:
    """As most users have it: without the extra ``fast``."""
    return _patched(_none, _none)


def by_kernel() -> AbstractContextManager[Any]:
    """With the extra ``fast``, which has to be installed."""
    return _patched(_OF_CODES, _OF_SKETCHES)


@contextmanager
def _patched(of_codes: Any, of_sketches: Any) -> Iterator[None]:
    with (
        mock.patch.object(compiled, "kernel", of_codes),
        mock.patch.object(sketches, "kernel", of_sketches),
    ):
        yield
