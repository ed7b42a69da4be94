"""The numbers of one layer at one moment: a point of the plane."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.counting import Symbols, contingency, counts, number
from it_callbacks.estimators.counts import coverage, mle
from it_callbacks.estimators.estimate import (
    Estimate,
    conditional_entropy_estimate,
    entropy_estimate,
    entropy_of_spectrum,
)
from it_callbacks.observation.observed import Observed
from it_callbacks.plane.repeated import Distinct, entropy_of, information_of
from it_callbacks.records import Value, slug

ENOUGH_REPEATS = 0.8
"""Coverage of (input, symbol) pairs from which H(T given X) counts as measured.

A plug-in value, and so still too low: I(X;T) is then too high, by less than if nothing were taken
off, and it has no corrected value.
"""


class Noise(NamedTuple):
    """H(T given X) of a layer, and how it is known.

    Args:
        bits: H(T given X); 0 where it is assumed.
        known: In words, for the settings.
    """

    bits: float
    known: str


class Point(NamedTuple):
    """One layer at one moment, read with one ruler.

    Args:
        layer: Its name in tags.
        slug: The ruler's name in tags; "" for the first, whose tags are plain.
        entropy: H(bin T).
        information: I(bin T; Y); None where there is no Y.
        noise: H(T given X).
        symbols: Of the samples that were read.
        merged_bits: H(bin T) with the bins merged in pairs; NaN where it was not measured.
    """

    layer: str
    slug: str
    entropy: Estimate
    information: Estimate | None
    noise: Noise
    symbols: Symbols
    merged_bits: float = math.nan

    @property
    def input_information(self) -> float:
        """I(X; bin T) in bits."""
        return self.entropy.bits - self.noise.bits

    @property
    def quality(self) -> Estimate:
        """The estimate whose coverage and status are those of the point."""
        return self.entropy if self.information is None else self.information

    def values(self, *, with_intervals: bool) -> list[Value]:
        """The numbers to log.

        A further ruler has no adjusted value and no intervals: readers derive the former.
        """
        n = self.entropy.n_samples
        about_y, quality = self.information, self.quality
        values = {"I_XT": self.input_information}
        if about_y is not None:
            values |= {"I_TY": about_y.bits, "I_TY_chance": about_y.chance}
        values |= {"coverage": quality.coverage, "status": float(quality.status)}
        if self.slug:
            return [
                Value(f"{name}_{self.slug}", self.layer, bits, n) for name, bits in values.items()
            ]
        if about_y is not None:
            values["I_TY_adjusted"] = about_y.adjusted
        if with_intervals:
            # What is taken off for noise is itself a plug-in value, too low by an unknown amount.
            known = self.noise.bits == 0
            values["I_XT_corrected"] = self.entropy.corrected if known else math.nan
            values["I_XT_low"] = self.entropy.low if known else math.nan
            values["I_XT_high"] = self.entropy.high if known else math.nan
            if about_y is not None:
                values |= {"I_TY_low": about_y.low, "I_TY_high": about_y.high}
        return [Value(name, self.layer, bits, n) for name, bits in values.items()]


def plane_point(
    layer: str,
    slug: str,
    keys: NDArray[np.int64] | Symbols,
    labels: NDArray[np.int64] | Symbols | None,
    noise: Noise,
    distinct: Distinct | None = None,
    merged_bits: float = math.nan,
) -> Point:
    """Count one layer's keys ``(n_samples, 2)`` and labels ``(n_samples,)`` once, and read them.

    Without labels there is no I(bin T; Y). Of a further ruler it has no interval, which is not
    logged. Where inputs repeat, `distinct` are the samples that count for all but the values
    themselves.
    """
    symbols = Symbols.of(keys, "symbols")
    if labels is None:
        return Point(layer, slug, entropy_of(symbols, distinct), None, noise, symbols, merged_bits)
    table = contingency(symbols, labels, names=("symbols", "labels"))
    if distinct is None:
        entropy = entropy_of_spectrum(table.row_spectrum)
    else:
        entropy = entropy_of(symbols, distinct)
    information = information_of(table, symbols, distinct, with_interval=not slug)
    return Point(layer, slug, entropy, information, noise, symbols, merged_bits)


def points_of(
    observed: Observed,
    labels: NDArray[np.int64] | None,
    tags: Mapping[str, str],
    slugs: Mapping[str, Sequence[str]],
    stochastic: Collection[str] | None,
) -> dict[str, list[Point]]:
    """One point for each layer that was read, and each of its rulers.

    Args:
        observed: What the pass has left.
        labels: Class numbers ``(n_samples,)``; None where there is no Y.
        tags: What tags call each layer.
        slugs: The rulers of each layer.
        stochastic: Layers whose symbols differ between passes; None if nothing was passed twice.
    """
    points: dict[str, list[Point]] = {}
    of_all = _Shared.of(observed.inputs, labels)
    for name, by_ruler in observed.keys.items():
        read, shared = observed.read(name), of_all
        which: NDArray[np.bool_] | slice = slice(None)
        if not read.all():
            which, inputs = read, observed.inputs
            shared = _Shared.of(
                None if inputs is None else inputs[read], None if labels is None else labels[read]
            )
        noisy = None if stochastic is None else name in stochastic
        several = points[name] = []
        merged_of = observed.merged.get(name) or [None] * len(by_ruler)
        of_rulers = zip(slugs[name], by_ruler, merged_of, strict=True)
        for ruler, (of_ruler, keys, merged) in enumerate(of_rulers):
            symbols = Symbols.of(keys[which], "symbols")
            several.append(
                plane_point(
                    tags[name],
                    slug(of_ruler) if ruler else "",
                    symbols,
                    shared.labels,
                    noise_of(symbols, shared.inputs, stochastic=noisy),
                    shared.distinct,
                    math.nan if merged is None else mle(counts(merged[which])),
                )
            )
    return points


class _Shared(NamedTuple):
    """What all layers that were read on the same samples share.

    Args:
        labels: None where there is no Y.
        inputs: None where none repeats, or they were not told apart.
        distinct: The samples that count where inputs repeat.
    """

    labels: Symbols | None
    inputs: Symbols | None
    distinct: Distinct | None

    @classmethod
    def of(cls, inputs: NDArray[np.int64] | None, labels: NDArray[np.int64] | None) -> _Shared:
        distinct = Distinct.of(inputs, labels)
        return cls(
            None if labels is None else Symbols.of(labels, "labels"),
            None if inputs is None or distinct is None else Symbols.of(inputs, "inputs"),
            distinct,
        )


def noise_of(symbols: Symbols, inputs: Symbols | None, *, stochastic: bool | None) -> Noise:
    """H(T given X) of a layer, as far as repeated inputs tell.

    Args:
        symbols: Its symbols.
        inputs: Those of the inputs; None where none repeats, or they were not told apart.
        stochastic: Whether two passes of the same batch gave different symbols; None if nothing
            was passed twice.
    """
    if inputs is None:
        return Noise(0.0, _unmeasured(stochastic))
    table = contingency(symbols, inputs)
    if len(table.cell_counts) == len(table.column_counts):  # one symbol per input
        repeats = len(table.column_counts) < table.n_samples
        return Noise(0.0, _unmeasured(False if stochastic is None and repeats else stochastic))
    if coverage(table.cell_counts) < ENOUGH_REPEATS:
        return Noise(0.0, _unmeasured(True))
    return Noise(conditional_entropy_estimate(table).bits, "measured")


def _unmeasured(stochastic: bool | None) -> str:
    if stochastic is None:
        return "assumed 0: no input was seen twice, so noise was not checked"
    if stochastic:
        return (
            "assumed 0, though the layer is stochastic: inputs do not repeat enough to measure it"
        )
    return "0, deterministic"


def label_entropy(labels: NDArray[np.int64]) -> float:
    """H(Y) in bits of class numbers ``(n_samples,)``."""
    return entropy_estimate(classes_of(labels)[1]).bits


def classes_of(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The class numbers seen among ``(n_samples,)``, increasing, and the samples in each."""
    _, n_in_class, classes = number(labels)
    return classes, n_in_class
