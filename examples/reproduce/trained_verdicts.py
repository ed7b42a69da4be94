"""What verdicts say of layers of trained networks, whose whole population is known.

You learn whether a verdict from a sample is true of the population. Narrow tanh and ReLU networks
learn the 12-bit task, of which all 4096 patterns are known, and the digits. Of a layer is known how
far H(bin T) of the whole set has fallen; the verdict sees a fixed half of it.

    python examples/reproduce/trained_verdicts.py [--fast] [--out DIR]

A plain run takes about ten minutes.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from signatures import Signature, conclude, parser
from torch import Tensor, nn

from it_callbacks.estimators import coverage, mle, standard_error
from it_callbacks.estimators.counting import counts
from it_callbacks.estimators.looks import Look, Looks, surprisal
from it_callbacks.estimators.verdict import Answer, Verdict
from it_callbacks.tasks import digits_task, szt_task


class Settings(NamedTuple):
    seeds: tuple[int, ...]
    n_looks: int


USUAL = Settings((11, 12, 13, 14), n_looks=40)
FAST = Settings((11,), n_looks=10)

WIDTHS = (5, 4, 3, 2)


class Phase(NamedTuple):
    """A part of a training.

    Args:
        n_steps: Between two looks.
        rate: The learning rate from the first look on.
        before: The learning rate of 600 steps before it.
    """

    n_steps: int
    rate: float
    before: float = 0.0


PHASES = {
    "learning rate 0": Phase(30, 0.0),
    "training": Phase(30, 0.01),
    "long training": Phase(250, 0.004),
    "plateau": Phase(30, 0.0005, before=0.01),
}


class Found(NamedTuple):
    """What became of a layer.

    Args:
        fall: Of the whole set's H(bin T), from its highest three looks to the last three, in bits.
        answer: What the verdict of the sample says.
    """

    fall: float
    answer: Answer


def train(net: nn.Module, x: Tensor, y: Tensor, rate: float, n_steps: int) -> None:
    """Some steps of Adam on batches of 128."""
    if not rate:
        return
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for _ in range(n_steps):
        batch = torch.randint(len(x), (128,))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
        loss.backward()  # type: ignore[no-untyped-call] # torch has no types for it
        optimizer.step()


def outputs(net: nn.Sequential, x: Tensor) -> list[NDArray[np.float32]]:
    """What each activation gives of all samples."""
    found = []
    with torch.no_grad():
        for part in net:
            x = part(x)
            if isinstance(part, (nn.Tanh, nn.ReLU)):
                found.append(x.numpy())
    return found


def packed(layer: NDArray[np.float32], width: float) -> list[NDArray[np.int64]]:
    """Codes of 30 bins, and of these merged in pairs once and twice."""
    states = np.floor(layer.astype(np.float64) / width).astype(np.int64)
    found = []
    for times in (1, 2, 4):
        codes = np.zeros(len(states), np.int64)
        for unit in (states // times).T:
            codes = codes * 100_003 + unit
        found.append(codes)
    return found


def trained(
    activation: type[nn.Module],
    x: Tensor,
    y: Tensor,
    phase: Phase,
    settings: Settings,
) -> list[Found]:
    """What became of each layer of one network."""
    sizes, parts = (x.shape[1], *WIDTHS), list[nn.Module]()
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), activation()]
    net = nn.Sequential(*parts, nn.Linear(sizes[-1], int(y.max()) + 1))
    sample = np.sort(np.random.default_rng(0).permutation(len(x))[: len(x) // 2])
    train(net, x, y, phase.before, 600)
    first = outputs(net, x)
    is_tanh = activation is nn.Tanh
    widths = [2 / 30 if is_tanh else max(float(np.ptp(t)), 1e-3) / 30 for t in first]
    looks = [[Looks(t.shape[1]) for _ in range(2)] for t in first]
    whole: list[list[float]] = [[] for _ in first]
    for step in range(settings.n_looks):
        for place, layer in enumerate(outputs(net, x)):
            codes = packed(layer, widths[place])
            whole[place].append(mle(counts(codes[0])))
            spread = math.sqrt(float(layer[sample].var(axis=0).sum()))
            of = [counts(each[sample]) for each in codes]
            for number in range(2):
                at = Look(
                    *(step, step, mle(of[number]), mle(of[number + 1])),
                    *(standard_error(of[number]), coverage(of[number]), math.nan, spread),
                )
                looks[place][number].add(at, partial(surprisal, codes[number][sample]))
        train(net, x, y, phase.rate, phase.n_steps)
    found = []
    for curve, rulers in zip(whole, looks, strict=True):
        means = np.convolve(curve, np.full(3, 1 / 3), "valid")
        verdict = Verdict(tuple(each.verdict() for each in rulers))
        found.append(Found(float(means.max() - means[-1]), verdict.answer))
    return found


def kind(fall: float) -> str:
    """How far the population has fallen, in words."""
    return "< .3" if fall < 0.3 else ".3 to 1" if fall <= 1 else "> 1"


def experiment(settings: Settings, out: Path | None = None) -> list[Signature]:
    """Count answers by phase and fall; only a fall may be called compression."""
    torch.set_num_threads(1)
    called: dict[tuple[str, str], dict[int, Counter[Answer]]] = defaultdict(dict)
    for name, phase in PHASES.items():
        for seed in settings.seeds:
            for x, y in (szt_task(), digits_task()):
                for activation in (nn.Tanh, nn.ReLU):
                    torch.manual_seed(seed)
                    for found in trained(activation, x, y, phase, settings):
                        by_seed = called[name, kind(found.fall)]
                        by_seed.setdefault(seed, Counter())[found.answer] += 1
    signatures = []
    for (name, fall), by_seed in sorted(called.items()):
        total = sum(by_seed.values(), Counter[Answer]())
        said = ", ".join(f"{answer.value} {n}" for answer, n in total.most_common())
        shares = {
            seed: counter[Answer.COMPRESSED] / counter.total() for seed, counter in by_seed.items()
        }
        high = 0.05 if fall == "< .3" else math.inf
        what = f"{name}, whole set fell {fall}: share compressed ({said})"
        signatures.append(Signature(what, shares, high=high))
    return signatures


if __name__ == "__main__":
    arguments = parser(__doc__, USUAL, fast=FAST).parse_args()
    sys.exit(conclude(__doc__, experiment(arguments.settings, arguments.out)))
