"""Load what numba compiles, where the extra ``fast`` has brought it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from types import FunctionType
from typing import Any

Kernel = Callable[..., Any]


def loaded(load: Callable[[], Kernel]) -> Kernel | None:
    """A compiled function; None where numba is not installed or fails, of which a warning tells.

    Args:
        load: Imports it, calls it on something small, and returns it.
    """
    if find_spec("numba") is None:
        return None
    try:
        kernel = load()
    except Exception as error:  # it does not fit the NumPy that is installed, say
        # From one line, so that it is told once, however many kernels there are.
        warnings.warn(
            f"numba cannot be used, so layers are read more slowly: {error}", stacklevel=1
        )
        return None
    # Told to compile nothing, numba leaves functions as they are: Python would go over each number.
    return None if isinstance(kernel, FunctionType) else kernel
