"""Which way layers are encoded while something is timed: by torch, unless a row names `fast`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from it_callbacks.codes import compiled

_KERNEL = compiled.kernel


def _none() -> None:
    """No kernel; a mock would count its calls, which takes its time."""


def by_torch() -> AbstractContextManager[Any]:
    """As most users have it: without the extra ``fast``."""
    return mock.patch.object(compiled, "kernel", _none)


def by_kernel() -> AbstractContextManager[Any]:
    """With the extra ``fast``, which has to be installed."""
    return mock.patch.object(compiled, "kernel", _KERNEL)
