"""The numbers of one layer at one moment: a point of the plane."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.counting import (
    Symbols,
    contingency_of_each,
    number,
    one_class,
    spectrum_of_each,
)
from it_callbacks.estimators.estimate import (
    Estimate,
    conditional_entropy_estimates,
    entropy_estimate,
)
from it_callbacks.observation.observed import Observed
from it_callbacks.plane.repeated import Distinct, entropies_of, informations_of
from it_callbacks.records import Value, slug

ENOUGH_REPEATS = 0.8
"""Coverage of (input, symbol) pairs from which H(T given X) counts as measured.

A plug-in value, and so still too low: I(X;T) is then too high, by less than if nothing were taken
off, and it has no corrected value.
"""

_AT_ONCE = 1 << 16
"""Symbols of all layers that are worked out together: more would gain nothing but need memory."""


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


class Read(NamedTuple):
    """What one layer was read as by one ruler.

    Args:
        layer: Its name in tags.
        slug: The ruler's name in tags; "" for the first.
        symbols: Of the samples that were read.
        merged: The same with the bins merged in pairs; None where that is not wanted.
        stochastic: Whether two passes of the same batch gave different symbols; None if nothing
            was passed twice.
    """

    layer: str
    slug: str
    symbols: Symbols
    merged: Symbols | None = None
    stochastic: bool | None = None


def points_of(
    observed: Observed,
    labels: NDArray[np.int64] | None,
    tags: Mapping[str, str],
    slugs: Mapping[str, Sequence[str]],
    stochastic: Collection[str] | None,
    *,
    with_intervals: bool = True,
) -> dict[str, list[Point]]:
    """One point for each layer that was read, and each of its rulers.

    Args:
        observed: What the pass has left.
        labels: Class numbers ``(n_samples,)``; None where there is no Y.
        tags: What tags call each layer.
        slugs: The rulers of each layer.
        stochastic: Layers whose symbols differ between passes; None if nothing was passed twice.
        with_intervals: Whether intervals of I(bin T; Y) are wanted; of a further ruler none is.
    """
    every, inputs = Samples.of(observed.inputs, labels), observed.inputs
    # Those that were read on the same samples are worked out together; of a further ruler there is
    # less to work out.
    groups: dict[tuple[Samples, bool], list[tuple[str, Read]]] = {}
    for name, by_ruler in observed.keys.items():
        samples, which = every, cast("NDArray[np.bool_] | slice", slice(None))
        if name in observed.left_out:
            which = observed.read(name)
            samples = Samples.of(
                None if inputs is None else inputs[which], None if labels is None else labels[which]
            )
        noisy = None if stochastic is None else name in stochastic
        merged_of = observed.merged.get(name) or [None] * len(by_ruler)
        of_rulers = zip(slugs[name], by_ruler, merged_of, strict=True)
        for ruler, (of_ruler, keys, merged) in enumerate(of_rulers):
            read = Read(
                tags[name],
                slug(of_ruler) if ruler else "",
                Symbols.of(keys[which], "symbols"),
                None if merged is None else Symbols.of(merged[which], "symbols"),
                noisy,
            )
            groups.setdefault((samples, not ruler and with_intervals), []).append((name, read))
    points: dict[str, list[Point]] = {name: [] for name in observed.keys}
    for (samples, is_whole), named in groups.items():
        names, reads = zip(*named, strict=True)
        of_layers = samples.points(reads, with_intervals=is_whole)
        for name, point in zip(names, of_layers, strict=True):
            points[name].append(point)
    return points


@dataclass(frozen=True, eq=False)
class Samples:
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
    def of(cls, inputs: NDArray[np.int64] | None, labels: NDArray[np.int64] | None) -> Samples:
        """Those with these keys of inputs, if they were told apart, and labels, if there is Y."""
        distinct = Distinct.of(inputs, labels)
        return cls(
            None if labels is None else Symbols.of(labels, "labels"),
            None if inputs is None or distinct is None else Symbols.of(inputs, "inputs"),
            distinct,
        )

    def points(self, reads: Sequence[Read], *, with_intervals: bool) -> Iterator[Point]:
        """The point of each layer, with intervals of I(bin T; Y) if they are wanted.

        Where inputs repeat, the distinct ones count for all but the values themselves.
        """
        n = max(1, _AT_ONCE // max(1, len(reads[0].symbols)))
        for first in range(0, len(reads), n):
            yield from self._at_once(reads[first : first + n], with_intervals)

    def _at_once(self, reads: Sequence[Read], with_interval: bool) -> Iterator[Point]:
        symbols = [read.symbols for read in reads]
        y = one_class(len(symbols[0])) if self.labels is None else self.labels
        table = contingency_of_each(symbols, y)
        entropies = entropies_of(table.row_spectrum, symbols, self.distinct)
        informations: Sequence[Estimate | None] = [None] * len(reads)
        if self.labels is not None:
            informations = informations_of(
                table,
                symbols,
                self.distinct,
                [entropy.coverage for entropy in entropies],
                with_interval=with_interval,
            )
        noises = self._noises(symbols, [read.stochastic for read in reads])
        of_layers = zip(reads, entropies, informations, noises, _merged_bits(reads), strict=True)
        for read, entropy, information, noise, merged_bits in of_layers:
            yield Point(
                read.layer, read.slug, entropy, information, noise, read.symbols, merged_bits
            )

    def _noises(
        self, several: Sequence[Symbols], stochastic: Sequence[bool | None]
    ) -> Iterator[Noise]:
        """H(T given X) of layers, as far as repeated inputs tell."""
        if self.inputs is None:
            yield from (Noise(0.0, _unmeasured(each)) for each in stochastic)
            return
        table = contingency_of_each(several, self.inputs)
        n_inputs = len(table.column_counts)
        for is_noisy, estimate in zip(
            stochastic, conditional_entropy_estimates(table), strict=True
        ):
            if estimate.n_states == n_inputs:  # one symbol per input, and inputs repeat
                yield Noise(0.0, _unmeasured(bool(is_noisy)))
            elif estimate.coverage < ENOUGH_REPEATS:
                yield Noise(0.0, _unmeasured(True))
            else:
                yield Noise(estimate.bits, "measured")


def _merged_bits(reads: Sequence[Read]) -> list[float]:
    """H(bin T) with the bins merged in pairs; NaN where that is not wanted."""
    found = np.full(len(reads), math.nan)
    wanted = [place for place, read in enumerate(reads) if read.merged is not None]
    if wanted:
        found[wanted] = spectrum_of_each([of for read in reads if (of := read.merged)]).mle
    return found.tolist()


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
