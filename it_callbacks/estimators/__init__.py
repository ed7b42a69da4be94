"""Estimate entropy and mutual information, in bits, from samples, with NumPy and SciPy only."""

from __future__ import annotations

from it_callbacks.estimators.chance import expected_mutual_information, permutation_p_value
from it_callbacks.estimators.counting import Contingency, contingency
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
from it_callbacks.estimators.extra import Extra
from it_callbacks.estimators.linear import LinearVInformation
from it_callbacks.estimators.noise import NoiseInjected
from it_callbacks.estimators.slices import SlicedInformation
from it_callbacks.estimators.units import UnitInformation
from it_callbacks.estimators.verdict import RulerVerdict, Verdict
from it_callbacks.estimators.wide import WideReading
from it_callbacks.records import Status

__all__ = [
    "Contingency",
    "Estimate",
    "Estimator",
    "Extra",
    "LinearVInformation",
    "NoiseInjected",
    "RulerVerdict",
    "SlicedInformation",
    "Status",
    "UnitInformation",
    "Verdict",
    "WideReading",
    "chao_wang_jost",
    "class_entropies",
    "conditional_entropy",
    "contingency",
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
