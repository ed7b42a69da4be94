"""What predictions tell about labels, and how far that can be believed.

You learn two things. Predictions that know nothing of 100 classes show 3.9 of 6.6 bits of
information about the labels of 300 samples: that is what chance shows, and adjusted for it nothing
is left. And H(Y) - CE with 1.96 of its standard errors to both sides is a 95 % interval, once H(Y)
is not the too low entropy of counts: how often it holds the truth is counted over models whose
truth is known.

    python examples/reproduce/label_information.py [--fast] [--out DIR]

A plain run takes about two minutes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from signatures import Signature, conclude, parser
from torch import Tensor

from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    n_sets: int
    sizes: tuple[int, ...]
    n_of_truth: int


USUAL = Settings((0, 1, 2), n_sets=100, sizes=(300, 1000, 5000), n_of_truth=200_000)
FAST = Settings((0,), n_sets=30, sizes=(300,), n_of_truth=20_000)


class Model(NamedTuple):
    """A model whose population is known.

    Args:
        n_classes: K.
        logits: Of as many samples, with a generator: what the labels are drawn from.
        predicted: From these to the logits that the model gives.
        fewest: Size of the sets from which on the interval is to hold; smaller ones are told "few".
    """

    n_classes: int
    logits: Callable[[int, torch.Generator], Tensor]
    predicted: Callable[[Tensor], Tensor] = lambda z: z
    fewest: int = 300


def spread(scale: float, n_classes: int, offset: Tensor | None = None) -> Model:
    """Calibrated: logits of normal noise around an offset, and labels drawn from them."""

    def logits(n: int, generator: torch.Generator) -> Tensor:
        z = scale * torch.randn(n, n_classes, generator=generator)
        return z if offset is None else z + offset

    return Model(n_classes, logits)


def untrained(n_classes: int, fewest: int) -> Model:
    """Logits of little noise beside labels that know nothing of it."""
    noisy = spread(0.1, n_classes)
    return noisy._replace(
        logits=lambda n, generator: torch.cat(
            [torch.zeros(n, n_classes), noisy.logits(n, generator)], 1
        ),
        predicted=lambda z: z[:, n_classes:],
        fewest=fewest,
    )


def noisy_labels(n_classes: int, share: float) -> Model:
    """Sure of the class that the input shows, where a share of the labels is dealt anew."""
    sure = math.log(1 - share + share / n_classes) - math.log(share / n_classes)

    def logits(n: int, generator: torch.Generator) -> Tensor:
        shown = torch.randint(n_classes, (n,), generator=generator)
        return sure * torch.nn.functional.one_hot(shown, n_classes).float()

    return Model(n_classes, logits)


_RARE = torch.tensor([0.0, -4.6])
_ZIPF = -torch.arange(1.0, 31.0).log()
MODELS = {
    "calibrated, 2 classes": spread(2, 2),
    "calibrated, 10": spread(2, 10),
    "calibrated, 100": spread(2, 100),
    "over-confident, 10": spread(2, 10)._replace(predicted=lambda z: 3 * z),
    "99:1, 2": spread(1, 2, _RARE)._replace(fewest=1000),
    "untrained, 10": untrained(10, 300),
    "untrained, 100": untrained(100, 1000),
    # Families that the correction was not chosen on.
    "20 % label noise, 10": noisy_labels(10, 0.2),
    "frequencies 1/k, 30": spread(1.5, 30, _ZIPF)._replace(fewest=1000),
    "90:9:1, 3": spread(1, 3, torch.tensor([0.0, -2.3, -4.5]))._replace(fewest=1000),
    "under-confident, 26": spread(3, 26)._replace(predicted=lambda z: z / 3),
    "calibrated, 200": spread(1, 200)._replace(fewest=1000),
}


def drawn(model: Model, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Predictions and labels of a set."""
    z = model.logits(n, generator)
    of_labels = z[:, : model.n_classes].softmax(1)
    labels = torch.multinomial(of_labels, 1, generator=generator)[:, 0]
    return model.predicted(z), labels


def truth(model: Model, n: int) -> float:
    """H(Y) - CE of the population, each sample weighed by all the labels that it might have."""
    generator = torch.Generator().manual_seed(12345)
    z = model.logits(n, generator)
    p = z[:, : model.n_classes].double().softmax(1)
    surprise = -model.predicted(z).double().log_softmax(1)
    nats = torch.special.entr(p.mean(0)).sum() - (p * surprise).sum(1).mean()
    return float(nats) / math.log(2)


def held(model: Model, expected: float, n: int, seed: int, n_sets: int) -> tuple[float, float]:
    """How often the interval holds what is expected, and how often with H(Y) of counts."""
    generator = torch.Generator().manual_seed(seed)
    hits, plain_hits = 0, 0
    for _ in range(n_sets):
        metric = PredictionEntropy(model.n_classes, kind="logits")
        predictions, labels = drawn(model, n, generator)
        metric.update(predictions, labels)
        found = {name: value.item() for name, value in metric.compute().items()}
        share = labels.bincount().double() / n
        plain = torch.special.entr(share).sum().item() / math.log(2) - found["cross_entropy"]
        reach = 1.96 * found["label_bound_se"]
        hits += abs(found["label_bound"] - expected) <= reach
        plain_hits += abs(plain - expected) <= reach
    return hits / n_sets, plain_hits / n_sets


def knowing_nothing(n_classes: int, n: int, seed: int) -> dict[str, float]:
    """Label information of predictions that have nothing to do with the labels."""
    generator = torch.Generator().manual_seed(seed)
    units = torch.randn(n, 16, generator=generator)
    logits = units @ torch.randn(16, n_classes, generator=generator) * 0.5
    metric = ConditionalEntropy(n_classes)
    metric.update(logits, torch.randint(n_classes, (n,), generator=generator))
    return {name: value.item() for name, value in metric.compute().items()}


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    signatures, drawn_shares = [], dict[str, dict[int, float]]()
    for n_classes, n in ((10, 360), (100, 300), (100, 1000)):
        found = {seed: knowing_nothing(n_classes, n, seed) for seed in settings.seeds}
        for name, low, high in (
            ("hard", -math.inf, math.inf),
            ("hard_chance", -math.inf, math.inf),
            ("hard_adjusted", -0.1, 0.1),
            ("soft_adjusted", -0.1, 0.1),
        ):
            values = {seed: one[f"information_{name}"] for seed, one in found.items()}
            what = f"{n_classes} classes, {n} samples, nothing known: {name}, bits"
            signatures.append(Signature(what, values, low, high))
    for name, model in MODELS.items():
        expected = truth(model, settings.n_of_truth)
        for n in settings.sizes:
            both = {
                seed: held(model, expected, n, seed, settings.n_sets) for seed in settings.seeds
            }
            shares = {seed: share for seed, (share, _) in both.items()}
            plain = {seed: share for seed, (_, share) in both.items()}
            low = 0.86 if n >= model.fewest else -math.inf
            signatures.append(Signature(f"{name}, {n} samples: interval holds", shares, low))
            signatures.append(Signature(f"{name}, {n} samples: with H(Y) of counts", plain))
            drawn_shares.setdefault(name, {})[n] = sum(shares.values()) / len(shares)
    draw(drawn_shares, out)
    return signatures


def draw(shares: Mapping[str, Mapping[int, float]], out: Path | None) -> None:
    """Draw how often the interval holds over the size of the sets, a line for each model."""
    if out is None:
        return
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for name, by_size in shares.items():
        axes.plot(list(by_size), list(by_size.values()), marker="o", label=name)
    axes.axhline(0.95, color="gray", linestyle=":")
    axes.set(xscale="log", xlabel="samples", ylabel="share of sets whose interval holds")
    axes.legend(fontsize="x-small", ncols=2)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "label_information.svg")


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
