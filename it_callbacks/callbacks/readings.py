"""What a pass over a set left in, the readings of a point of the plane out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.callbacks.monitor import Reading
from it_callbacks.estimators.counting import contingency
from it_callbacks.estimators.counts import coverage
from it_callbacks.estimators.estimate import (
    Estimate,
    conditional_entropy_estimate,
    entropy_estimate,
    mutual_information_estimate,
)

ENOUGH_REPEATS = 0.8
"""Coverage of (input, symbol) pairs from which H(T given X) counts as measured.

The same figure from which an interval around an entropy is honest.
"""


class Noise(NamedTuple):
    """H(T given X) of a layer, and how it is known.

    Args:
        bits: H(T given X); 0 where it is assumed.
        known: In words, for the settings.
    """

    bits: float
    known: str


def plane_point(
    layer: str,
    slug: str,
    keys: NDArray[np.int64],
    labels: NDArray[np.int64],
    noise: Noise,
    *,
    exhaustive: bool,
) -> list[Reading]:
    """The readings of one layer under one ruler.

    Args:
        layer: Its name in tags.
        slug: The ruler's name in tags; "" for the first, whose tags are plain.
        keys: Keys ``(n_samples, 2)`` of its symbols.
        labels: Class numbers ``(n_samples,)``.
        noise: H(T given X).
        exhaustive: Whether the samples are the whole population, so that plug-in values are
            exact and there is nothing to correct.
    """
    table = contingency(keys, labels, names=("symbols", "labels"))
    of_layer = entropy_estimate(table.row_counts)
    with_labels = mutual_information_estimate(table)
    readings = {
        "I_XT": of_layer.bits - noise.bits,
        "I_TY": with_labels.bits,
        "I_TY_chance": with_labels.chance,
        "I_TY_adjusted": with_labels.adjusted,
        "coverage": with_labels.coverage,
        "chance_share": with_labels.chance_share,
        "status": float(with_labels.status),
    }
    if not exhaustive:
        readings |= _corrected("I_XT", of_layer, noise.bits)
        readings |= _corrected("I_TY", with_labels, 0.0)
    end = f"_{slug}" if slug else ""
    return [Reading(f"{name}{end}", layer, float(value)) for name, value in readings.items()]


def noise_of(
    keys: NDArray[np.int64], inputs: NDArray[np.int64] | None, *, stochastic: bool | None
) -> Noise:
    """H(T given X) of a layer, as far as repeated inputs tell.

    Args:
        keys: Keys ``(n_samples, 2)`` of its symbols.
        inputs: Keys ``(n_samples, 2)`` of the inputs; None where they were not told apart.
        stochastic: Whether two passes of the same batch gave different symbols; None if nothing
            was passed twice.
    """
    if inputs is None:
        return Noise(0.0, _unmeasured(stochastic))
    table = contingency(keys, inputs, names=("symbols", "inputs"))
    if len(table.cell_counts) == len(table.column_counts):  # one symbol per input
        repeats = len(table.column_counts) < len(keys)
        return Noise(0.0, _unmeasured(False if stochastic is None and repeats else stochastic))
    if coverage(table.cell_counts) < ENOUGH_REPEATS:
        return Noise(0.0, _unmeasured(True))
    return Noise(conditional_entropy_estimate(table).bits, "measured")


def _unmeasured(stochastic: bool | None) -> str:
    if stochastic is None:
        return "assumed 0: one pass over distinct inputs cannot tell"
    if stochastic:
        return "assumed 0, though two passes differ: inputs do not repeat enough to measure it"
    return "0, deterministic"


def share_repeated(inputs: NDArray[np.int64]) -> float:
    """Share of the samples whose input was there before."""
    return 1 - len(np.unique(inputs, axis=0)) / len(inputs)


def _corrected(quantity: str, estimate: Estimate, noise: float) -> dict[str, float]:
    # Where coverage allows no interval there is no honest corrected value either.
    centre = estimate.corrected if estimate.low == estimate.low else float("nan")
    return {
        f"{quantity}_corrected": centre - noise,
        f"{quantity}_corrected_low": estimate.low - noise,
        f"{quantity}_corrected_high": estimate.high - noise,
    }


def label_entropy(labels: NDArray[np.int64]) -> float:
    """H(Y) in bits of class numbers ``(n_samples,)``."""
    return entropy_estimate(np.unique(labels, return_counts=True)[1]).bits
