"""What the reading of layers of any width takes of the training of usual networks.

A batch of training and a batch of validation are timed, as is one measurement; epochs follow from
that. It is a plain loop: what Lightning takes beside it would only make the share smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks.estimators.wide import WideReading
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.label_reading import read_labels
from it_callbacks.observation.layer_observer import LayerObserver, Observation
from it_callbacks.observation.sketched import Sketched, WidePass
from it_callbacks.observation.stages import Stage
from it_callbacks.observation.wide_sampling import WideSampling
from it_callbacks.plane.wide import WidePoint, choice_of, gathered
from it_callbacks.rulers import Calibrated
from it_callbacks.schedules import is_due

from .clocks import Clock
from .data import N_CLASSES, images, labels
from .ratios import Ratio, seconds

EPOCHS, N_TRAINING, N_VALIDATION = 30, 20_000, 1024
_READING = WideReading()
_CHOICE = choice_of(_READING, 10_000, seed=0)


class Network(NamedTuple):
    """A network and how it is trained.

    Args:
        name: What it is called.
        model: The network, ``(n_rows, N_CLASSES)`` or one such for each position.
        inputs: Of one batch.
        targets: Of one batch, one for each row or position.
        layers: Which layers are read; None for those read by default.
    """

    name: str
    model: nn.Module
    inputs: Tensor
    targets: Tensor
    layers: list[str] | None = None


class Residual(nn.Module):
    """Two convolutions of a ResNet and the way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.around = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1, stride)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(x) + self.around(x))


class Patches(nn.Module):
    """Patches of an image as tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(torch.zeros(64, width))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return self.cut(x).flatten(2).mT + self.places


class Tokens(nn.Module):
    """Embedded tokens, each with its place."""

    def __init__(self, n_tokens: int, n_steps: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_tokens, width)
        self.places = nn.Parameter(torch.zeros(n_steps, width))

    @override
    def forward(self, x: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(x)
        return embedded + self.places


class Block(nn.Module):
    """Attention and a layer of four times the width, each added to its input."""

    def __init__(self, width: int, *, is_causal: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )
        self.is_causal = is_causal

    @override
    def forward(self, x: Tensor) -> Tensor:
        heads = self.qkv(self.norm(x)).unflatten(-1, (3, -1, 32)).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(*heads, is_causal=self.is_causal)
        x = x + self.out(found.transpose(1, 2).flatten(2))
        added: Tensor = self.wide(x)
        return x + added


class Mean(nn.Module):
    """The mean over positions."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def resnet(batch_size: int = 64, width: int = 64) -> Network:
    """ResNet-18 for images of 32 × 32."""
    torch.manual_seed(0)
    widths = [width * 2**stage for stage in (0, 0, 0, 1, 1, 2, 2, 3, 3)]
    blocks = [Residual(n_in, n_out, 1 if n_in == n_out else 2) for n_in, n_out in pairwise(widths)]
    stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], N_CLASSES)
    model = nn.Sequential(stem, *blocks, *ends)
    read = [str(number) for number in (*range(9), 11)]
    inputs = images(batch_size, 3, 32, 32)
    return Network("ResNet-18, 10 layers", model, inputs, labels(batch_size), read)


def vit(batch_size: int = 64, width: int = 192, depth: int = 12) -> Network:
    """A vision transformer for images of 32 × 32 in patches of 4 × 4."""
    torch.manual_seed(0)
    blocks = [Block(width, is_causal=False) for _ in range(depth)]
    model = nn.Sequential(Patches(width), *blocks, Mean(), nn.Linear(width, N_CLASSES))
    read = [*map(str, range(depth + 1)), str(depth + 2)]
    name = f"ViT, {depth} × {width}, {len(read)} layers"
    return Network(name, model, images(batch_size, 3, 32, 32), labels(batch_size), read)


def gpt(
    batch_size: int = 32, width: int = 128, depth: int = 4, n_steps: int = 128, n_tokens: int = 512
) -> Network:
    """A causal transformer; each sequence is a sample, its logits at all positions too."""
    torch.manual_seed(0)
    blocks = [Block(width, is_causal=True) for _ in range(depth)]
    model = nn.Sequential(Tokens(n_tokens, n_steps, width), *blocks, nn.Linear(width, n_tokens))
    tokens = torch.randint(n_tokens, (batch_size, n_steps + 1))
    read = [*map(str, range(depth + 2))]
    name = f"GPT, {depth} × {width}, {len(read)} layers"
    return Network(name, model, tokens[:, :-1], tokens[:, 1:], read)


def small_mlp(batch_size: int = 128, n_hidden: int = 1024) -> Network:
    """784-1024-20-20-20-10, whose epoch takes a second."""
    torch.manual_seed(0)
    widths = 784, n_hidden, 20, 20, 20
    hidden = [
        part for n_in, n_out in pairwise(widths) for part in (nn.Linear(n_in, n_out), nn.ReLU())
    ]
    model = nn.Sequential(*hidden, nn.Linear(20, N_CLASSES))
    return Network(
        "MLP 784-1024-20-20-20-10, 5 layers", model, images(batch_size, 784), labels(batch_size)
    )


class Cost(NamedTuple):
    """Processor seconds.

    Args:
        training: Of a batch of training.
        sketching: What validating a batch takes longer.
        reading: Of one measurement, all layers.
    """

    training: float
    sketching: float
    reading: float

    def share(self, batch_size: int, n_sets: int) -> float:
        """Of a training of `EPOCHS` epochs, after each of which so many sets are passed."""
        every = N_VALIDATION / batch_size * self.sketching * EPOCHS
        ours = n_sets * (every + n_readings() * self.reading)
        return ours / (N_TRAINING / batch_size * self.training * EPOCHS)


def n_readings() -> int:
    """At how many of the epochs layers are read: where it is due, and the last."""
    return sum(is_due(_READING.schedule, epoch=n, step=0) for n in range(1, EPOCHS)) + 1


def cost(network: Network, rounds: int = 3) -> Cost:
    """What training and reading the network take."""
    training = seconds(rounds, trainer_of(network))[0]
    kept, sketching = sketched_of(network, rounds)
    return Cost(training, sketching, seconds(rounds, lambda: read(kept))[0])


def trainer_of(network: Network) -> Callable[[], None]:
    """A step of training."""
    model = network.model.train()
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        outputs = model(network.inputs)
        n_classes = outputs.shape[-1]
        nn.functional.cross_entropy(
            outputs.reshape(-1, n_classes), network.targets.reshape(-1)
        ).backward()
        optimizer.step()

    return step


@torch.no_grad()
def sketched_of(network: Network, rounds: int) -> tuple[Sketched, float]:
    """What validation keeps, and seconds for each batch: as if all samples were to be read."""
    observer = LayerObserver(
        network.model.eval(),
        Observation(
            layers=network.layers,
            resolutions=[Calibrated(30, "layer")],
            reduce="auto",
            max_samples=None,
            seed=0,
            keep_rows=False,
            wide=_CHOICE,
        ),
        restore=lambda name, spec: None,
    )
    n, clock = len(network.inputs), Clock()
    took = []
    with (
        mock.patch.object(WidePass, "begin", clock.timed(WidePass.begin)),
        mock.patch.object(WidePass, "sketch", clock.timed(WidePass.sketch)),
        mock.patch.object(WidePass, "add", clock.timed(WidePass.add)),
    ):
        for _ in range(rounds + 1):  # the first one finds the layers
            current = observer.new_pass(
                hash_inputs=False, stage=Stage(0, is_training=True), wide=WideSampling(_CHOICE)
            )
            before = clock.seconds
            observer.attach()
            observer.begin(Batch.of(None, read_labels(labels(n)), np.arange(n)), current)
            network.model(network.inputs)
            observer.end()
            observer.detach()
            took.append(clock.seconds - before)
            observer.finish(current)
    kept = current.sketched()
    if kept is None:
        raise RuntimeError("nothing was sketched")
    return kept, median(took[1:])


def read(kept: Sketched) -> WidePoint:
    """One measurement: of as many samples as the batch's sketches, repeated, give."""
    n = len(kept.samples.indices)
    which = np.arange(N_VALIDATION) % n
    taken, groups = kept.samples, kept.samples.groups
    samples = replace(
        taken,
        indices=np.arange(N_VALIDATION),
        ranks=taken.ranks[which],
        targets=taken.targets.at(which),
        groups=None if groups is None else groups[which],
    )
    rows = {name: of_layer[which] for name, of_layer in kept.rows.items()}
    whole = gathered(Sketched(samples, rows), _CHOICE)
    point = WidePoint.read(_READING, whole, samples.targets.numbers, {name: name for name in rows})
    point.values(epoch=1)
    return point


def over_training(
    network: Network, n_sets: int, must: float, aim: float, rounds: int
) -> Iterator[Ratio]:
    """P19: all sketches and all readings over the training."""
    found = cost(network, rounds)
    sets = "one set" if n_sets == 1 else f"{n_sets} sets"
    what = (
        f"reading at any width over training, {network.name}, {sets}, {n_readings()} readings in "
        f"{EPOCHS} epochs"
    )
    share = found.share(len(network.inputs), n_sets)
    yield Ratio("P19", what, share, must, aim, percent=True)


def of_networks(
    networks: Sequence[Callable[[], Network]] = (resnet, vit, gpt), rounds: int = 1
) -> Iterator[Ratio]:
    """P19: networks of usual size, read on training and on validation data."""
    for network in networks:
        yield from over_training(network(), 2, 0.01, 0.006, rounds)


def of_small_mlp(n_hidden: int = 1024, rounds: int = 9) -> Iterator[Ratio]:
    """P19: one of the smallest networks."""
    yield from over_training(small_mlp(n_hidden=n_hidden), 1, 0.05, 0.025, rounds)


BENCHMARKS = (of_networks, of_small_mlp)
