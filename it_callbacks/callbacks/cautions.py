"""What a point of the plane shows in, what its reader must be told out, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from it_callbacks.estimators.estimate import CHANCE_SATURATED, COVERAGE_SATURATED, Estimate
from it_callbacks.rulers import CALIBRATION_ROWS

FEWEST_SAMPLES = 1024
FEWEST_PER_CLASS = 50
MOST_REPEATED = 0.01
MOST_GROWTH = 8.0
"""A layer that outgrew the range of its calibration by more is read ever more finely."""
DPI_TOLERANCE = 0.5
"""Bits by which a layer may seem to know more than the one before it."""
MOST_OVERHEAD = 0.1
LEAST_SECONDS = 1.0
"""Of a run that is over in a moment nobody minds what share went where."""
MOST_LISTED = 5
WIDE = 6
"""Units from which fewer bins alone no longer help a joint code."""


class Caution(NamedTuple):
    """One thing to tell, once.

    Args:
        cause: In a word; each cause is told once per layer.
        layer: Whose; "" for the whole set.
        text: What to tell.
    """

    cause: str
    layer: str
    text: str


class LayerFacts(NamedTuple):
    """What there is to know of one layer at one point, under the first ruler.

    Args:
        name: The layer.
        n_units: Units of its reading.
        of_layer: H(bin T).
        with_labels: I(bin T; Y).
        growth: Largest state over the largest, or the number of bins, at its calibration, whichever
            is more; 0 if it was not calibrated.
        stochastic: Whether two passes of one batch differed.
    """

    name: str
    n_units: int
    of_layer: Estimate
    with_labels: Estimate
    growth: float
    stochastic: bool


def of_layer(facts: LayerFacts) -> list[Caution]:
    """What to tell of one layer."""
    name, with_labels = facts.name, facts.with_labels
    cautions: list[Caution] = []

    def tell(cause: str, text: str) -> None:
        cautions.append(Caution(cause, name, f"layer {name!r} {text}"))

    if with_labels.n_states == 1 < with_labels.n_samples:
        tell("constant", "is constant: all samples share one state (dead units?), so H(T) = 0")
    elif with_labels.coverage < COVERAGE_SATURATED:
        tell(
            "saturated",
            f"is SATURATED: {1 - with_labels.coverage:.0%} of the samples have a code of their "
            f"own, so I(T;Y) would be close to H(Y) for any labels. {_remedy(facts.n_units)}",
        )
    elif with_labels.chance_share > CHANCE_SATURATED:
        tell(
            "chance",
            f"is SATURATED: {with_labels.chance_share:.0%} of H(Y) would come by chance, for "
            f"labels drawn by lot. {_remedy(facts.n_units)}",
        )
    if facts.growth > MOST_GROWTH:
        tell(
            "growth",
            f"has grown to {facts.growth:.0f} times the range that its ruler was calibrated on, so "
            "it is read ever more finely. Pass a Width of your own in bins=",
        )
    if facts.stochastic:
        tell(
            "stochastic",
            "gives other states when the same batch is passed twice: noise in its forward counts "
            "as information unless inputs repeat",
        )
    return cautions


def of_successor(before: LayerFacts, after: LayerFacts) -> list[Caution]:
    """What to tell of a layer that was computed from another one alone."""
    rises = {
        "I(X;T)": after.of_layer.bits - before.of_layer.bits,
        "I(T;Y)": after.with_labels.bits - before.with_labels.bits,
    }
    return [
        Caution(
            "inequality",
            after.name,
            f"layer {after.name!r} shows {rise:.1f} bits more {quantity} than {before.name!r}, "
            "which it is computed from, and so cannot have (data-processing inequality): its bins "
            "are finer. Compare layers with bins= of one kind",
        )
        for quantity, rise in rises.items()
        if rise > DPI_TOLERANCE
    ]


def of_set(
    set_: str, per_class: Sequence[int], missing: Sequence[int], repeated: float | None
) -> list[Caution]:
    """What to tell of the samples themselves.

    Args:
        set_: What they are called.
        per_class: Samples in each class seen.
        missing: Classes below the largest seen that have no sample.
        repeated: Share of samples whose input was there before; None if not known.
    """
    cautions: list[Caution] = []

    def tell(cause: str, text: str) -> None:
        cautions.append(Caution(cause, "", f"set {set_!r}: {text}"))

    n_samples = sum(per_class)
    if n_samples < FEWEST_SAMPLES or min(per_class) < FEWEST_PER_CLASS:
        tell(
            "few",
            f"{n_samples} samples, {min(per_class)} in the smallest class, are few: below "
            f"{FEWEST_SAMPLES}, or {FEWEST_PER_CLASS} per class, much of what a joint code shows "
            "is chance. Pass a larger probe=, fewer bins=, or a reduce=",
        )
    if missing:
        tell("missing", f"no sample of class {', '.join(map(str, missing))}")
    if repeated is not None and repeated > MOST_REPEATED:
        tell(
            "repeated",
            f"{repeated:.0%} of the inputs are repeated, which makes symbols look better covered "
            "than they are. Pass a probe= of distinct inputs",
        )
    return cautions


def calibrated_on_few_classes(set_: str, n_seen: int, n_classes: int) -> Caution:
    """What to tell where the first rows, on which rulers were calibrated, lack classes."""
    return Caution(
        "calibration",
        "",
        f"set {set_!r}: the first {CALIBRATION_ROWS} samples, on which layers were calibrated, "
        f"hold {n_seen} of {n_classes} classes. Pass a shuffled probe=, or own rulers in bins=",
    )


def silent(set_: str, names: Sequence[str]) -> Caution:
    """What to tell of modules that were never called: they are not in the plane."""
    listed = ", ".join(map(repr, names[:MOST_LISTED]))
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return Caution(
        "silent",
        "",
        f"set {set_!r}: never called, so not in the plane: {listed}{more} (functional calls and "
        "the out_proj of attention cannot be heard)",
    )


def of_cost(share: float, seconds: float) -> list[Caution]:
    """What to tell of the time that observing takes.

    Args:
        share: Of the time since training began.
        seconds: That it took so far.
    """
    if share <= MOST_OVERHEAD or seconds < LEAST_SECONDS:
        return []
    text = (
        f"observing takes {share:.0%} of the time. Pass schedule=LogSpaced() or a larger number to "
        "look more rarely, max_samples= to look at fewer samples, layers= at fewer layers"
    )
    return [Caution("cost", "", text)]


def _remedy(n_units: int) -> str:
    if n_units > WIDE:
        return (
            "Fewer bins alone do not help a layer this wide: pass reduce=PCA(2) or another "
            "reduction, or extra=[LinearVInformation()]"
        )
    return "Pass fewer bins=, or extra=[LinearVInformation()]"
