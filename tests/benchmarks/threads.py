"""Readings in a process whose user has pinned no threads, over those in one that has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from it_callbacks.estimators.wide import Rows, WideReading, one_thread

from .ratios import Ratio, seconds

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
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


def in_a_process(way: str, *, is_pinned: bool, n_samples: int, rounds: int) -> float:
    """The same in a process of its own, with or without variables that pin its threads."""
    others = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    pins = dict.fromkeys(_VARIABLES, "1") if is_pinned else {}
    process = subprocess.run(
        [sys.executable, "-m", f"{__package__}.threads", way, str(n_samples), str(rounds)],
        cwd=Path(__file__).parents[2],
        env={**others, **pins},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(process.stdout)


def unpinned_over_pinned(
    n_samples: int = 1024, rounds: int = 5, processes: int = 2
) -> Iterator[Ratio]:
    """P20: the readings run on one thread whatever the user's settings; and if they did not."""
    run = partial(in_a_process, n_samples=n_samples, rounds=rounds)
    turns = [
        [run("as monitors read", is_pinned=is_pinned) for is_pinned in (True, False)]
        for _ in range(processes)
    ]
    pinned, unpinned = (median(of_kind) for of_kind in zip(*turns, strict=True))
    what = "readings without thread variables over those with, processes of their own"
    yield Ratio("P20", what, unpinned / pinned, 1.3, 1.1)
    loose = in_a_process("as it comes", is_pinned=False, n_samples=n_samples, rounds=1)
    yield Ratio("", "the same if monitors left threads as they are", loose / pinned)


BENCHMARKS = (unpinned_over_pinned,)

if __name__ == "__main__":
    print(reading(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
