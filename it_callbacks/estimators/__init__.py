"""Entropy and mutual information, in bits: samples in, `Estimate` out.

What counts symbols needs NumPy and SciPy only and is loaded at once; estimators that take
activations need torch and are loaded on first use (PEP 562), each from the room named below.
"""

from __future__ import annotations

import importlib
from typing import Any

from it_callbacks.estimators.chance import expected_mutual_information, permutation_p_value
from it_callbacks.estimators.counts import (
    Estimator,
    chao_wang_jost,
    coverage,
    grassberger,
    jackknife,
    miller_madow,
    mle,
    standard_error,
)
from it_callbacks.estimators.discrete import (
    class_entropies,
    conditional_entropy,
    entropy,
    mutual_information,
)
from it_callbacks.estimators.estimate import Estimate
from it_callbacks.records import Status

_ROOM_OF: dict[str, str] = {}
"""Public name -> room, for the rooms that import torch."""

__all__ = [
    "Estimate",
    "Estimator",
    "Status",
    "chao_wang_jost",
    "class_entropies",
    "conditional_entropy",
    "coverage",
    "entropy",
    "expected_mutual_information",
    "grassberger",
    "jackknife",
    "miller_madow",
    "mle",
    "mutual_information",
    "permutation_p_value",
    "standard_error",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room on first use (PEP 562)."""
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
