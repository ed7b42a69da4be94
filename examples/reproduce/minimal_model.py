"""The minimal model of Saxe et al. (2018): one weight grows, tanh compresses, ReLU does not.

You learn why saturation compresses. T = phi(w x) of a standard normal x, and nothing but w changes:
"training" multiplies it by 1.3 each epoch. Once 30 bins on [-1, 1] are filled, growing tanh drives
more and more inputs into the two outer ones; ReLU spreads over ever more bins. The law of each bin
is known through the normal distribution function, so the whole curve has a closed form. Read at any
width, whose noise grows with the layer, ReLU does not change at all; tanh goes from the bits of a
Gaussian under noise to the one bit of two states.

    python examples/reproduce/minimal_model.py [--fast] [--out DIR]

A plain run takes about ten seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningModule
from scipy.stats import entropy, norm
from signatures import Signature, conclude, drop, parser
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from training import curve, fit, points, run_of, save_curves, seeded

from it_callbacks import InformationPlaneMonitor, Record, Ruler
from it_callbacks.estimators import WideReading
from it_callbacks.rulers import Uniform, Width
from it_callbacks.runs import Key

FIRST, GROWTH = 0.1, 1.3  # of the weight, and per epoch


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    n_samples: int
    epochs: int


USUAL = Settings((0, 1, 2), n_samples=20_000, epochs=18)
FAST = Settings((0,), n_samples=20_000, epochs=18)


class OneWeight(LightningModule):
    """phi(w x), whose weight grows by a factor each step; it learns nothing."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.log_weight = nn.Parameter(torch.tensor(FIRST).log())

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.activation(self.log_weight.exp() * x))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return -self.log_weight

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=float(np.log(GROWTH)))


def exact_tanh(w: float) -> float:
    """H in bits of 30 bins between -1 and 1: their edges, taken back through tanh."""
    with np.errstate(divide="ignore"):
        edges = np.arctanh(np.linspace(-1, 1, 31)) / w
    return float(entropy(np.diff(norm.cdf(edges)), base=2))


def exact_relu(w: float) -> float:
    """H in bits of bins of 1/15 from 0 on, the lowest of which holds all that ReLU cuts off."""
    above = norm.sf(np.arange(1, 150 * max(1, np.ceil(w))) / 15 / w)
    return float(entropy([1 - above[0], *-np.diff(above)], base=2))


class Curves(NamedTuple):
    """Information of the layer over time, in bits."""

    binned: list[float]
    """I(X;T), after each epoch."""
    wide: dict[int, float]
    """I(X;T+noise), by epoch; rarer."""


def measured(activation: nn.Module, ruler: Ruler, seed: int, settings: Settings) -> Curves:
    """What a monitor reads of the layer."""
    seeded(seed)
    # One from each of so many equally likely slices: the law is met closely by few samples.
    n = settings.n_samples
    x = torch.special.ndtri((torch.arange(n) + torch.rand(n, dtype=torch.float64)) / n)
    x = x.float()[:, None]
    plane = InformationPlaneMonitor(
        ["activation"],
        bins=ruler,
        data=(x, (x[:, 0] > 0).long()),
        max_samples=None,
        exhaustive=True,
    )
    nothing = DataLoader(TensorDataset(x[:1], x[:1]))
    fit(OneWeight(activation), nothing, settings.epochs, [plane])
    return Curves(
        curve(plane, "information_plane/data/I_XT/activation"),
        points(run_of("", [plane]), Key("relative_I_XT", "data", "activation")),
    )


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    weights = FIRST * GROWTH ** np.arange(settings.epochs + 1)
    signatures: list[Signature] = []
    drawn: list[Record] = []
    drawn_wide: list[Record] = []
    for name, activation, ruler, exact in (
        ("tanh", nn.Tanh(), Uniform(30, -1, 1), exact_tanh),
        ("ReLU", nn.ReLU(), Width(1 / 15), exact_relu),
    ):
        truth = np.array([exact(w) for w in weights])
        of_seed = {seed: measured(activation, ruler, seed, settings) for seed in settings.seeds}
        drawn += line("I_XT", name, "closed form", dict(enumerate(truth)), 0)
        for seed, each in of_seed.items():
            binned = dict(enumerate(each.binned))
            drawn += line("I_XT", name, f"seed {seed}", binned, settings.n_samples)
            drawn_wide += line("relative_I_XT", name, f"seed {seed}", each.wide, 1024)
        errors = {seed: float(np.abs(of.binned - truth).max()) for seed, of in of_seed.items()}
        signatures.append(
            Signature(f"{name}: farthest from the closed form, bits", errors, high=0.01)
        )
        lost = {seed: drop(each.binned) for seed, each in of_seed.items()}
        of_wide = {seed: [*each.wide.values()] for seed, each in of_seed.items()}
        change = {seed: max(bits) - min(bits) for seed, bits in of_wide.items()}
        signatures += (
            [
                Signature(f"{name}: bits lost", lost, low=2.5),
                Signature(
                    f"{name}: any width, farthest from its ends, bits",
                    {seed: farthest(bits) for seed, bits in of_wide.items()},
                    high=0.2,
                ),
            ]
            if name == "tanh"
            else [
                Signature(f"{name}: bits lost", lost, high=0.0),
                Signature(f"{name}: any width, changes by, bits", change, high=0.001),
            ]
        )
    save_curves(drawn, out, "minimal_model")
    save_curves(drawn_wide, out, "minimal_model_wide")
    return signatures


def farthest(bits: Sequence[float]) -> float:
    """How far tanh at any width is off: a Gaussian at first, two states in the end."""
    noise = WideReading().noise
    gaussian = np.log2(1 + noise**-2) / 2
    return float(max(abs(bits[0] - gaussian), abs(bits[-1] - 1)))


def line(
    quantity: str, set_: str, name: str, bits: Mapping[int, float], n_samples: int
) -> list[Record]:
    """A line of a figure."""
    return [
        Record(quantity, set_, name, value, step=epoch, epoch=epoch, n_samples=n_samples)
        for epoch, value in bits.items()
    ]


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
