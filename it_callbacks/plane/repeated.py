"""Samples whose input was there before: they tell nothing new, and so count once.

Plug-in values are those of all samples. How well they are covered, what chance gives and how far
they may be off are those of the distinct inputs: twice the same sample is no second observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.counting import (
    Contingency,
    Symbols,
    contingency,
    contingency_of_each,
    counts,
    number,
    spectrum_of_each,
)
from it_callbacks.estimators.counts import Spectrum
from it_callbacks.estimators.estimate import (
    Estimate,
    entropy_estimates,
    information_estimates,
    status,
)
from it_callbacks.observation.observed import Observed
from it_callbacks.rulers import Exact, Ruler

MOST_ROUNDED = 0.05
"""Of the inputs that repeat, the share whose symbols may differ in a deterministic layer.

The last batch is shorter, say, so that its sums are rounded in another order, and a value at the
edge of a bin changes sides.
"""


class Distinct(NamedTuple):
    """The samples that count where inputs repeat.

    Args:
        inputs: The first sample of each distinct input, ``(n_inputs,)``, increasing.
        pairs: The first sample of each distinct pair (input, label), ``(n_pairs,)``; those of
            `inputs` where there is no Y.
    """

    inputs: NDArray[np.intp]
    pairs: NDArray[np.intp]

    @classmethod
    def of(
        cls, inputs: NDArray[np.int64] | None, labels: NDArray[np.int64] | None
    ) -> Distinct | None:
        """Those among samples; None where no input repeats, or they were not told apart.

        Args:
            inputs: Keys ``(n_samples, 2)`` of the inputs.
            labels: Class numbers ``(n_samples,)``; None where there is no Y.

        Example:
            >>> x = np.array([[5, 5], [5, 5], [7, 7], [5, 5]])
            >>> one = Distinct.of(x, np.array([0, 0, 1, 1]))
            >>> one.inputs.tolist(), one.pairs.tolist()
            ([0, 2], [0, 2, 3])
        """
        if inputs is None or not len(inputs):
            return None
        input_of, n_each, _ = number(inputs)
        if len(n_each) == len(inputs):
            return None
        first = _first(input_of)
        if labels is None:
            return cls(first, first)
        label_of, n_of_label, _ = number(labels)
        return cls(first, _first(input_of * len(n_of_label) + label_of))


def entropies_of(
    seen: Spectrum, several: Sequence[Symbols], distinct: Distinct | None
) -> list[Estimate]:
    """H(bin T) of several layers' symbols: the value of all, all else of the distinct.

    Args:
        seen: The counts of counts of all samples.
        several: The symbols of each layer.
        distinct: The samples that count; None for all.
    """
    every = entropy_estimates(seen)
    if distinct is None:
        return every
    once = entropy_estimates(spectrum_of_each(_among(several, distinct.inputs)))
    return list(map(_with_value, once, every))


def informations_of(
    table: Contingency,
    several: Sequence[Symbols],
    distinct: Distinct | None,
    coverages: Sequence[float],
    *,
    with_interval: bool,
) -> list[Estimate]:
    """I(bin T; Y): the value of all samples; chance, intervals and status of the distinct pairs.

    `adjusted` is what readers derive from the logged values: H(Y) (I - chance) / (H(Y) - chance).

    Args:
        table: Of the symbols and labels of all samples.
        several: The symbols of each layer.
        distinct: The samples that count; None for all.
        coverages: Of the symbols of distinct inputs: one input may have several labels.
        with_interval: Whether an interval and a standard error are wanted; else they are NaN.
    """
    if distinct is None:
        return information_estimates(table, with_interval=with_interval)
    (labels,) = _among([table.columns], distinct.pairs)
    of_pairs = contingency_of_each(_among(several, distinct.pairs), labels)
    of_labels = float(table.columns.spectrum.mle[0])
    found = []
    for every, pairs, covered in zip(
        information_estimates(table, with_interval=False),
        information_estimates(of_pairs, with_interval=with_interval),
        coverages,
        strict=True,
    ):
        once = replace(
            _with_value(pairs, every),
            coverage=covered,
            status=status(covered, pairs.chance_share),
        )
        room = of_labels - once.chance
        if np.isfinite(once.adjusted) and room > 0:
            once = replace(once, adjusted=of_labels * (every.bits - once.chance) / room)
        found.append(once)
    return found


def _among(several: Sequence[Symbols], which: NDArray[np.intp]) -> list[Symbols]:
    return [Symbols.of(each.values[which], "symbols") for each in several]


def stochastic_in(
    observed: Observed, rulers: Mapping[str, Ruler], known: frozenset[str] | None
) -> frozenset[str] | None:
    """The layers that are stochastic, as far as is known after a pass; None if nobody knows.

    Where inputs repeat in it, those that give one input different symbols are among them. Layers
    without bins are not judged: rounding alone makes their symbols differ.

    Args:
        observed: What the pass has left.
        rulers: The first ruler of each layer.
        known: What was known before.
    """
    if observed.inputs is None or not len(observed.inputs) or not share_repeated(observed.inputs):
        return known
    found = set[str]()
    for name, (keys, *_) in observed.keys.items():
        read = observed.read(name)
        if isinstance(rulers[name], Exact) or not read.any():
            continue
        if share_differing(keys[read], observed.inputs[read]) > MOST_ROUNDED:
            found.add(name)
    return (known or frozenset()) | found


def share_differing(keys: NDArray[np.int64], inputs: NDArray[np.int64]) -> float:
    """Of the inputs that repeat, the share with more than one symbol; 0 where none repeats.

    Args:
        keys: Of a layer's symbols, ``(n_samples, 2)``.
        inputs: Of the inputs, ``(n_samples, 2)``.

    Example:
        >>> share_differing(np.array([[1, 1], [2, 2], [3, 3]]), np.array([[5, 5], [5, 5], [6, 6]]))
        1.0
    """
    table = contingency(keys, inputs, names=("symbols", "inputs"))
    repeats = table.column_counts > 1
    if not repeats.any():
        return 0.0
    n_symbols = np.bincount(table.cell_columns, minlength=len(repeats))
    return float((n_symbols[repeats] > 1).mean())


def share_repeated(inputs: NDArray[np.int64]) -> float:
    """Share of the samples whose input, given as keys ``(n_samples, 2)``, was there before."""
    return 1 - len(counts(inputs)) / len(inputs)


def _with_value(once: Estimate, every: Estimate) -> Estimate:
    return replace(once, bits=every.bits, n_samples=every.n_samples)


def _first(numbers: NDArray[np.int64]) -> NDArray[np.intp]:
    return np.sort(np.unique(numbers, return_index=True)[1])
