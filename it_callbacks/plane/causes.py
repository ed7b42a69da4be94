"""Why values of a point look as they do: the noise, the inputs, the labels or the bins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from it_callbacks.estimators.estimate import Estimate
from it_callbacks.observation.instrument import Notice
from it_callbacks.plane.notices import LayerFacts, listed

MOST_IN_ONE_CLASS = 0.9
DPI_TOLERANCE = 0.5
"""Bits by which a layer may seem to know more than the one before it."""


def constant_notices(set_: str, layers: Sequence[LayerFacts], n_inputs: int | None) -> list[Notice]:
    """What to say where layers give all samples one symbol: of the inputs, or of the layers.

    Args:
        set_: What the set is called.
        layers: All that were read.
        n_inputs: How many distinct inputs there are; None where they were not told apart.
    """
    n_samples = max((facts.entropy.n_samples for facts in layers), default=0)
    if n_samples > 1 and n_inputs == 1:
        text = f"set {set_!r}: all {n_samples} inputs are equal, so H(T) = 0 in every layer"
        return [Notice("constant", text)]
    dead = [f.name for f in layers if f.entropy.n_states == 1 < f.entropy.n_samples]
    if not dead:
        return []
    # Where no layer varies and nobody knows the inputs, they may be what does not vary.
    inputs_vary = n_inputs is not None or len(dead) < len(layers)
    though = "though inputs differ" if inputs_vary else "or all inputs are equal"
    text = (
        f"set {set_!r}: constant, but for rounding: layer {listed(dead)}. All samples share one "
        f"symbol (H(T) = 0), {though}: its units are dead, or vary within one bin"
    )
    return [Notice("constant", text)]


def stochastic_notices(set_: str, layers: Sequence[LayerFacts]) -> list[Notice]:
    """What to say of layers that give one input different codes."""
    noisy = [facts.name for facts in layers if facts.stochastic]
    if not noisy:
        return []
    text = (
        f"set {set_!r}: stochastic, so that one input gives different codes: layer "
        f"{listed(noisy)}. That noise counts as information unless inputs repeat; is dropout on?"
    )
    return [Notice("stochastic", text)]


def successor_notices(before: LayerFacts, after: LayerFacts) -> list[Notice]:
    """What to say of a layer that was computed from another one alone."""
    rises = {"I(X;T)": after.entropy.bits - before.entropy.bits}
    if after.information is not None and before.information is not None:
        # Of more states more is chance, which no layer has from another.
        rises["I(T;Y)"] = _beyond_chance(after.information) - _beyond_chance(before.information)
    high = [f"{rise:.1f} bits more {name}" for name, rise in rises.items() if rise > DPI_TOLERANCE]
    if not high:
        return []
    text = (
        f"layer {after.name!r} appears to have {' and '.join(high)} than {before.name!r}, from "
        f"which it is computed; that is impossible (data-processing inequality): "
        f"{_why_more(before, after)}"
    )
    return [Notice("inequality", text, after.name)]


def _beyond_chance(information: Estimate) -> float:
    return information.bits - information.chance


def _why_more(before: LayerFacts, after: LayerFacts) -> str:
    if before.stochastic or after.stochastic:
        noisy = after.name if after.stochastic else before.name
        return (
            f"layer {noisy!r} is stochastic, and its noise counts as information. Pass a data= in "
            "which inputs repeat, so that the noise is measured, or turn it off (dropout?)"
        )
    if before.stochastic is None or after.stochastic is None:
        return (
            "its bins are finer, or noise (dropout?) counts as information, which was not checked. "
            "Compare layers with bins= of one kind, and leave the sanity check on or pass data="
        )
    return "its bins are finer. Compare layers with bins= of one kind"


def imbalance_notices(set_: str, per_class: Mapping[int, int]) -> list[Notice]:
    """What to say where nearly all samples have one label."""
    n, (largest, most) = sum(per_class.values()), _largest(per_class)
    if not n or most <= MOST_IN_ONE_CLASS * n:
        return []
    if len(per_class) == 1:
        text = f"set {set_!r}: all samples have label {largest}, so H(Y) = 0 and so is I(T;Y)"
        return [Notice("imbalance", text)]
    entropy = sum(-k / n * math.log2(k / n) for k in per_class.values())
    text = (
        f"set {set_!r}: label {largest} has {_share(most / n)} of the samples; read I(T;Y) against "
        f"H(Y) = {entropy:.2f} bits, not log2 {len(per_class)} = {math.log2(len(per_class)):.2f}. "
        f"To guess that label always is right for {_share(most / n)}"
    )
    return [Notice("imbalance", text)]


def _largest(per_class: Mapping[int, int]) -> tuple[int, int]:
    return max(per_class.items(), key=lambda item: item[1], default=(0, 0))


def _share(share: float) -> str:
    return f"{share:.1%}" if share > 0.99 else f"{share:.0%}"
