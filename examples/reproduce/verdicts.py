"""How often a verdict says "compressed", of layers whose compression is known.

You learn what a verdict is worth. Simulated layers tighten by a known number of bits, or not at
all, while their weights stand still or walk by lot, or their scale changes. Where nothing has
compressed, "compressed" is to be said hardly ever; where something has, as often as the walk
allows.

    python examples/reproduce/verdicts.py [--fast] [--out DIR]

A plain run takes about half an hour on one core.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from signatures import Signature, conclude, parser

from it_callbacks.estimators import coverage as coverage_of
from it_callbacks.estimators import mle, standard_error
from it_callbacks.estimators.counting import counts
from it_callbacks.estimators.looks import Look, Looks, surprisal
from it_callbacks.estimators.verdict import Answer, Verdict

Floats = NDArray[np.float64]


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    n_histories: int
    cells: tuple[tuple[int, str, tuple[float, ...]], ...]
    """Samples, how the looks are spaced, and the walks."""


WALKS = (0.0, 0.01, 0.03, 0.06)
USUAL = Settings(
    (0,),
    n_histories=200,
    cells=((2000, "40 looks", WALKS), (300, "40 looks", WALKS), (2000, "12 log-spaced", WALKS)),
)
FAST = Settings((0,), n_histories=6, cells=((300, "40 looks", (0.0, 0.03)),))

TIMES = {
    "40 looks": np.arange(40.0),
    "12 log-spaced": np.array([0, 1, 2, 3, 4, 6, 8, 11, 16, 22, 30, 39.0]),
}


class Truth(NamedTuple):
    """What becomes of a layer.

    Args:
        fall: From the share of the training that is over to bits that H(T) has fallen.
        scale: From the same to the layer's scale.
        is_linear: Whether its scale can change without changing the function: a ReLU.
    """

    fall: Callable[[float], float] = lambda share: 0.0
    scale: Callable[[float], float] = lambda share: 1.0
    is_linear: bool = False


def steadily(bits: float) -> Callable[[float], float]:
    return lambda share: bits * share


def by_factor(factor: float) -> Callable[[float], float]:
    return lambda share: math.pow(factor, share)


TRUTHS = {
    "none": Truth(),
    **{f"fall of {bits:g}": Truth(steadily(bits)) for bits in (0.2, 0.5, 1, 2)},
    "late collapse of 2": Truth(lambda share: 2.0 * (share > 0.75)),
    "rise of 1": Truth(lambda share: -share),
    **{
        f"shrunk {times}-fold": Truth(scale=by_factor(1 / times), is_linear=True)
        for times in (2, 5, 30)
    },
    "grown 5-fold": Truth(scale=by_factor(5), is_linear=True),
    # Not as the rule was made: clusters that merge one after the other; units that die.
    "classes merge": Truth(lambda share: math.nan),
    "it goes up and down": Truth(lambda share: 0.3 * math.sin(40 * share)),
}
NOTHING = {"none", "rise of 1", "it goes up and down"}
OF_SCALE = {name for name, truth in TRUTHS.items() if truth.is_linear}


class Layer:
    """A layer of 2 to 5 units behind ten clusters of inputs.

    Args:
        truth: What becomes of it.
        n: Samples.
        seed: Of everything.
    """

    def __init__(self, truth: Truth, n: int, seed: int) -> None:
        self.truth, self.rng = truth, np.random.default_rng(seed)
        n_units = int(self.rng.integers(2, 6))
        self.is_relu = truth.is_linear or bool(self.rng.integers(2))
        self.centers = 0.5 * self.rng.normal(size=(10, 6))
        self.cluster = self.rng.integers(10, size=n)
        self.noise = 0.12 / (n_units - 1) * self.rng.normal(size=(n, 6))
        weights = self.rng.normal(size=(6, n_units))
        self.weights = weights / np.linalg.norm(weights, axis=0)
        self.width = float(np.ptp(self.output(self.centers, 1.0))) / 30

    def output(self, centers: Floats, tightness: float) -> Floats:
        """``(n_samples, n_units)``; `tightness` is how far samples lie from their cluster."""
        inputs = centers[self.cluster] + tightness * self.noise
        units = inputs @ (self.weights / np.linalg.norm(self.weights, axis=0))
        found: Floats = np.maximum(units, 0.0) if self.is_relu else np.tanh(units)
        return found

    def states(self, layer: Floats) -> NDArray[np.int64]:
        return np.floor(layer / self.width).astype(np.int64)

    def tightness(self, fall: float) -> float:
        """At which H(T) lies so many bits lower, with the weights as they are: by bisection."""
        if not fall:
            return 1.0
        first = mle(counts(_packed(self.states(self.output(self.centers, 1.0)))))
        low, high = -6.0, 6.0
        for _ in range(12):
            middle = (low + high) / 2
            bits = mle(counts(_packed(self.states(self.output(self.centers, 2.0**middle)))))
            low, high = (middle, high) if bits < first - fall else (low, middle)
        return math.pow(2.0, middle)

    def outputs(self, times: Floats, walk: float) -> Iterator[Floats]:
        """At each look, of the same samples, while the weights walk."""
        whole = self.truth.fall(1.0)
        # A rise is a fall backwards: no looser clusters need be found, of which there may be none.
        tightest = self.tightness(0.0 if math.isnan(whole) else abs(whole))
        steps = np.diff(times, prepend=times[0])
        for share, step in zip(times / times[-1], steps, strict=True):
            self.weights += walk * math.sqrt(step) * self.rng.normal(size=self.weights.shape)
            fall, centers = self.truth.fall(share), self.centers
            if math.isnan(fall):  # of ten clusters five pairs meet, one pair after the other
                fall, n_met = 0.0, min(5, int(6 * share))
                centers = centers.copy()
                centers[5 : 5 + n_met] = centers[:n_met]
            part = fall / whole if whole > 0 else 1 - fall / whole if whole < 0 else 0.0
            yield self.truth.scale(share) * self.output(centers, math.pow(tightest, part))


def history(truth: Truth, n: int, times: Floats, walk: float, seed: int) -> Verdict:
    """The verdict of 30 and 15 bins, which the first look calibrates."""
    rulers = [Looks(2), Looks(2)]
    observed = Layer(truth, n, seed)
    for time, layer in zip(times, observed.outputs(times, walk), strict=True):
        states = observed.states(layer)
        codes = [_packed(states // times_wider) for times_wider in (1, 2, 4)]
        of = [counts(each) for each in codes]
        spread = math.sqrt(float(layer.var(axis=0).sum()))
        for number, looks in enumerate(rulers):
            looks.n_units = layer.shape[1]
            look = Look(
                *(int(time), int(time), mle(of[number]), mle(of[number + 1])),
                *(standard_error(of[number]), coverage_of(of[number]), math.nan, spread),
            )
            looks.add(look, partial(surprisal, codes[number]))
    return Verdict(tuple(looks.verdict() for looks in rulers))


def _packed(states: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each row of states."""
    found = np.zeros(len(states), np.int64)
    for unit in states.T:
        found = found * 100_003 + unit
    return found


def limits(name: str, n: int, looks: str, walk: float) -> tuple[float, float]:
    """Least and greatest share of histories that may be called compressed."""
    if name in NOTHING:
        return -math.inf, 0.05
    if name in OF_SCALE:
        return (
            -math.inf,
            0.08 if walk > 0.03 and "shrunk" in name else 0.05 if walk > 0.03 else 0.04,
        )
    if (n, looks) == (2000, "40 looks"):
        least = {
            ("fall of 0.5", 0.0): 0.85,
            ("fall of 0.5", 0.01): 0.45,
            ("fall of 2", 0.0): 0.95,
            ("fall of 2", 0.01): 0.95,
        }
        return least.get((name, walk), -math.inf), math.inf
    return -math.inf, math.inf


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    signatures = []
    for n, looks, walks in settings.cells:
        for name, truth in TRUTHS.items():
            for walk in walks:
                shares = {
                    seed: sum(
                        history(truth, n, TIMES[looks], walk, 1000 * seed + k).answer
                        is Answer.COMPRESSED
                        for k in range(settings.n_histories)
                    )
                    / settings.n_histories
                    for seed in settings.seeds
                }
                low, high = limits(name, n, looks, walk)
                if settings is FAST:  # so few histories show a fall, not how often
                    low, high = -math.inf, high + 0.2
                what = f"N = {n}, {looks}, walk {walk:g}, {name}: called compressed"
                signatures.append(Signature(what, shares, low, high))
    draw(signatures, out)
    return signatures


def draw(signatures: list[Signature], out: Path | None) -> None:
    """Draw the share of each cell as a bar."""
    if out is None:
        return
    figure = Figure(figsize=(8, 0.16 * len(signatures) + 1))
    axes = figure.subplots()
    shares = [sum(each.values.values()) / len(each.values) for each in signatures]
    axes.barh([each.what for each in signatures], shares)
    axes.set(xlabel="share called compressed", xlim=(0, 1))
    axes.tick_params(labelsize=4)
    axes.invert_yaxis()
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "verdicts.svg", bbox_inches="tight")


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
