"""Of curves that only stray, findings judge in at most 5 of 100 runs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from it_callbacks.findings import findings
from it_callbacks.runs import Key, Run, Series

JUDGEMENTS = {
    *("gained", "lost", "fell", "learns_last", "learn_together"),
    *("gap_of_layers", "gap_of_predictions", "rises_again"),
}
RUNS = 200


def times(spacing: str, n: int) -> list[int]:
    """Steps of the points: equally spaced, or each time later by the same factor."""
    if spacing == "equal":
        return [45 * number for number in range(n)]
    return [0, *(round(450 * 1000 ** (number / (n - 2))) + number for number in range(n - 1))]


def walk(rng: random.Random, steps: Sequence[int], size: float, noise: float) -> Series:
    """A blind walk that ends `size` bits (one standard deviation) from its start, read with noise.

    Each step is as large as the root of the time that it takes.
    """
    whole, at, values = steps[-1] - steps[0], 3.0, {}
    for before, step in zip([steps[0], *steps], steps, strict=False):
        at += size * rng.gauss(0, 1) * math.sqrt((step - before) / whole)
        values[step] = at + noise * rng.gauss(0, 1)
    return values


def straying(seed: int, steps: Sequence[int], n_layers: int, noise: float, varied: bool) -> Run:
    """A run whose layers and predictions only stray, in training and validation.

    Args:
        seed: Of all random numbers.
        steps: Of the points.
        n_layers: How many layers.
        noise: Of each point, in bits; logged as its standard error.
        varied: Whether some layers stray much farther than others.
    """
    rng = random.Random(seed)
    found: dict[Key, Series] = {}
    for set_ in ("val", "train"):
        for layer in range(n_layers):
            size = math.exp(rng.gauss(0, 1)) if varied else 1.0
            for quantity in ("V_TY", "relative_I_XT"):
                key = Key(quantity, set_, f"fc{layer}")
                found[key] = walk(rng, steps, size, noise)
                if noise:
                    found[key._replace(quantity=f"{quantity}_se")] = dict.fromkeys(steps, noise)
        cost = Key("prediction_entropy", set_, "cross_entropy")
        found[cost] = walk(rng, steps, 1.0, noise)
        found[cost._replace(layer="mean")] = dict.fromkeys(steps, 1.0)
    return Run("stray", found, {step: epoch for epoch, step in enumerate(steps)})


SETTINGS = [
    (8, 5, 0.0, False),
    (8, 5, 0.0, True),
    (8, 20, 0.0, False),
    (11, 5, 0.2, False),
    (11, 1, 0.0, False),
    (20, 5, 0.0, True),
    (40, 5, 0.0, False),
    (100, 2, 0.0, True),
]
FAST = {("equal", *SETTINGS[3]), ("equal", *SETTINGS[5]), ("log", *SETTINGS[0])}


@pytest.mark.parametrize(
    ("spacing", "n_points", "n_layers", "noise", "varied"),
    [
        pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
        for setting in SETTINGS
        for case in (("equal", *setting), ("log", *setting))
    ],
)
def test_judgements_of_runs_without_drift_are_rare(
    spacing: str, n_points: int, n_layers: int, noise: float, varied: bool
) -> None:
    steps = times(spacing, n_points)
    judged = sum(
        any(
            finding.rule in JUDGEMENTS
            for finding in findings([straying(seed, steps, n_layers, noise, varied)])
        )
        for seed in range(RUNS)
    )
    assert judged <= 0.05 * RUNS


def test_repeats_without_drift_are_rarely_judged_either() -> None:
    """Means of three runs; however far they stray, their spread tells."""
    steps = times("equal", 12)
    judged = sum(
        any(
            finding.rule in JUDGEMENTS
            for finding in findings(
                [straying(1000 * seed + run, steps, 3, 0.0, False) for run in range(3)]
            )
        )
        for seed in range(RUNS)
    )
    assert judged <= 0.05 * RUNS


@pytest.mark.parametrize("spacing", ["equal", "log"])
def test_a_real_gain_is_told_among_as_many_layers(spacing: str) -> None:
    """Three bits in the last of five layers, learnt at a falling rate, beside four that stay."""
    steps = times(spacing, 12)
    rng, rate = random.Random(0), {step: math.log1p(step / 45) for step in steps}
    learnt = {step: 3 * rate[step] / rate[steps[-1]] + rng.gauss(0, 0.02) for step in steps}
    series = {Key("V_TY", "val", f"fc{n}"): walk(rng, steps, 0.05, 0.0) for n in range(4)}
    series[Key("V_TY", "val", "logits")] = learnt
    series |= {key._replace(quantity="relative_I_XT"): dict.fromkeys(steps, 4.0) for key in series}
    rules = {finding.rule: finding.layer for finding in findings([Run("a", series)])}
    assert rules["gained"] == "logits"
