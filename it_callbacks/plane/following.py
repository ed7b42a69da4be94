"""Follow each layer from point to point: what its verdict, and its next reading, need to know."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from it_callbacks.estimators.counting import Symbols
from it_callbacks.estimators.looks import Look, Looks, surprisal
from it_callbacks.observation.instrument import Occasion
from it_callbacks.observation.positions import MOST_POSITIONS
from it_callbacks.plane.description import PlanePoint
from it_callbacks.plane.memory import Memory
from it_callbacks.plane.point import Point
from it_callbacks.plane.repeated import Distinct
from it_callbacks.records import Status


def follow(memory: Memory, point: PlanePoint, on: Occasion, *, exhaustive: bool) -> None:
    """Remember what an accepted point adds to the course of each layer.

    Args:
        memory: Of what is known from earlier points.
        point: The point.
        on: When and on what it was measured.
        exhaustive: Whether the samples are all there is.
    """
    observed = point.observed
    distinct = Distinct.of(observed.inputs, None)
    row_of = None
    if observed.by_position:
        row_of = np.unique(observed.indices // MOST_POSITIONS, return_inverse=True)[1]
    for name, of_rulers in point.points.items():
        spread = observed.spreads.get(name, math.nan)
        if math.isfinite(spread):
            memory.first_spread.setdefault(name, spread)
        if name not in memory.unmerged:
            memory.unmerged[name] = frozenset(
                n for n, of in enumerate(of_rulers) if of.entropy.status == Status.SATURATED
            )
        if not on.fitting:
            continue
        for each in of_rulers:
            place = on.set, each.layer, each.slug
            looks = memory.looks.setdefault(place, Looks(observed.n_units[name]))
            look = _look(each, spread, on, is_all=exhaustive, by_position=observed.by_position)
            is_paired = on.same_samples and not exhaustive  # of all there is nothing is by chance
            ask = partial(_surprisal, each.symbols, observed.read(name), distinct, row_of)
            looks.add(look, ask if is_paired else None)


def _look(point: Point, spread: float, on: Occasion, *, is_all: bool, by_position: bool) -> Look:
    entropy = point.entropy
    # An interval is drawn where its upper end is known; of positions, which depend on each other,
    # and of all there is, never.
    has_interval = math.isfinite(entropy.high) and not (is_all or by_position)
    return Look(
        on.epoch,
        on.step or on.epoch,  # of an optimizer that Lightning does not know, no steps are counted
        entropy.bits,
        point.merged_bits,
        0.0 if is_all else entropy.standard_error,
        1.0 if is_all else entropy.coverage,
        entropy.corrected if has_interval else math.nan,
        spread,
    )


def _surprisal(
    symbols: Symbols,
    read: NDArray[np.bool_],
    distinct: Distinct | None,
    row_of: NDArray[np.int64] | None,
) -> NDArray[np.float64]:
    """How surprising the symbols of samples are that do not depend on each other, in bits.

    Those are the first of each distinct input, or the means of whole rows.

    Args:
        symbols: Of the samples that were read.
        read: Which samples of all those are; others are NaN.
        distinct: The samples that count where inputs repeat.
        row_of: The row of each sample, where samples are positions.
    """
    bits = np.full(len(read), math.nan)
    bits[read] = surprisal(symbols)
    if distinct is not None:
        counts = np.zeros(len(bits), bool)
        counts[distinct.inputs] = True
        bits[~counts] = math.nan
    if row_of is None:
        return bits
    known = ~np.isnan(bits)
    n_known = np.bincount(row_of, known)
    sums = np.bincount(row_of, np.where(known, bits, 0.0))
    return np.where(n_known > 0, sums / np.maximum(n_known, 1), math.nan)
