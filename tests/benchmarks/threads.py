"""What we take in a process whose user has pinned no threads, over one whose user has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median

import numpy as np
import torch

from it_callbacks.estimators.wide import Rows, WideReading, one_thread

from . import shares
from .ratios import Ratio, seconds

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_TRAINING = "a training"
WAYS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "as monitors read": one_thread,
    "as it comes": nullcontext,
}


def reading(way: str, n_samples: int, rounds: int) -> float:
    """Processor seconds of a measurement of four layers."""
    classes = np.arange(n_samples) % 10
    rows = np.random.default_rng(0).standard_normal((n_samples, 127), dtype=np.float32)
    rows[:, 0] += classes
    both, layer = WideReading(), Rows.of(rows, classes)

    def action() -> None:
        with WAYS[way]():  # once for all layers
            for _ in range(4):
                both.read(layer, layer)

    return seconds(rounds, action)[0]


def training(n_epochs: int) -> float:
    """The share of all three monitors in the training of a small network."""
    torch.set_num_threads(1)  # the rest of the training is to be the same
    case = shares.twelve_bits()._replace(epochs=n_epochs)
    return shares.taken(case, shares.all_three(case, wide=False))[0].share


def measured(what: str, *sizes: int) -> float:
    """Of a training, or of readings in one of the `WAYS`."""
    return training(*sizes) if what == _TRAINING else reading(what, *sizes)


def in_a_process(what: str, *sizes: int, is_pinned: bool) -> float:
    """`measured` in a process with or without variables that pin its threads."""
    others = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    pins = dict.fromkeys(_VARIABLES, "1") if is_pinned else {}
    process = subprocess.run(
        [sys.executable, "-m", f"{__package__}.threads", what, *map(str, sizes)],
        cwd=Path(__file__).parents[2],
        env={**others, **pins},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(process.stdout.splitlines()[-1])


def unpinned_over_pinned(
    n_samples: int = 1024, rounds: int = 5, epochs: int = 11, processes: int = 2
) -> Iterator[Ratio]:
    """P20: what we do runs on one thread whatever the user's settings; and if it did not."""

    def over(what: str, *sizes: int) -> tuple[float, float]:
        turns = [
            [in_a_process(what, *sizes, is_pinned=is_pinned) for is_pinned in (True, False)]
            for _ in range(processes)
        ]
        pinned, unpinned = (median(of_kind) for of_kind in zip(*turns, strict=True))
        return unpinned / pinned, pinned

    ratio, pinned = over("as monitors read", n_samples, rounds)
    what = "readings without thread variables over those with, processes of their own"
    yield Ratio("P20", what, ratio, 1.3, 1.1)
    loose = in_a_process("as it comes", n_samples, 1, is_pinned=False)
    yield Ratio("", "the same if monitors left threads as they are", loose / pinned)
    what = "share of all three monitors without thread variables over that with, 12-bit"
    yield Ratio("P20", what, over(_TRAINING, epochs)[0], 1.3, 1.1)


BENCHMARKS = (unpinned_over_pinned,)

if __name__ == "__main__":
    print(measured(sys.argv[1], *map(int, sys.argv[2:])))
