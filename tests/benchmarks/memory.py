"""Memory beside the activations, read from the system in a process of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from it_callbacks.codes import encode_keys
from it_callbacks.estimators import contingency
from it_callbacks.observation.calibrating import Waiting, stream_of
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import Joint, MeanPool, Reduction
from it_callbacks.rulers import Calibrated, Uniform

from .data import labels
from .ratios import Ratio

_RULER = Uniform(30, -1, 1)
STATM = Path("/proc/self/statm")


def at_once(activations: Tensor, classes: np.ndarray) -> None:
    """Keys and counts of the whole layer in one call."""
    contingency(encode_keys(activations, _RULER), classes)


def streamed(
    activations: Tensor,
    classes: np.ndarray,
    batch_size: int = 1000,
    reduction: Reduction = Joint(),  # noqa: B008 # a frozen value
) -> None:
    """The same, batch by batch, as when listening."""
    stream = KeyStream(Reader(reduction, (_RULER,)))
    for batch in activations.split(batch_size):
        stream.add(batch)
    contingency(stream.read().keys[0], classes)


def averaged(activations: Tensor, classes: np.ndarray) -> None:
    """Means over the positions of maps, in one batch."""
    streamed(activations, classes, len(activations), MeanPool())


def calibrated(activations: Tensor, classes: np.ndarray, batch_size: int = 1000) -> None:
    """Batch by batch, by a ruler that is calibrated on the first rows."""
    stream = stream_of(Reader(Joint(), (Calibrated(30),)), alone=True)
    for batch in activations.split(batch_size):
        if isinstance(stream, Waiting):
            stream = stream.take(batch)
        else:
            stream.add(batch)
    stream = stream.freeze() if isinstance(stream, Waiting) else stream
    contingency(stream.read().keys[0], classes)


WAYS = {
    "at once": at_once,
    "in batches": streamed,
    "averaged": averaged,
    "calibrated": calibrated,
}


def matrix(n_samples: int, n_units: int) -> Tensor:
    """Rows of units."""
    return torch.empty(n_samples, n_units).uniform_(-1, 1)


def maps(n_samples: int, n_units: int) -> Tensor:
    """Eight channels, side by side in memory, then positions."""
    return matrix(n_samples, n_units).reshape(n_samples, 8, 1, n_units // 8)


KINDS: dict[str, Callable[[int, int], Tensor]] = {
    "float32": matrix,
    "bfloat16": lambda *shape: matrix(*shape).bfloat16(),
    "float16": lambda *shape: matrix(*shape).half(),
    "int8": lambda *shape: matrix(*shape).mul_(100).to(torch.int8),
    "channels last": lambda *shape: maps(*shape).contiguous(memory_format=torch.channels_last),
    "bfloat16 maps": lambda *shape: maps(*shape).bfloat16(),
}


def extra_bytes(way: str, kind: str, n_samples: int, n_units: int) -> int:
    """Highest resident memory while a layer is read and counted, above that just before."""
    WAYS[way](KINDS[kind](100, 160), labels(100).numpy())  # what is loaded on first use
    activations = KINDS[kind](n_samples, n_units)
    classes = labels(n_samples).numpy()
    return extra_of(lambda: WAYS[way](activations, classes))


def extra_of(action: Callable[[], object]) -> int:
    """The highest resident memory during an action, above that just before, in bytes.

    For a process of its own (`in_a_process`): what it holds is first made as high as it ever was,
    so that whatever comes on top is a new height. No counter is reset, which not all systems do.
    """
    filling = np.ones(max(0, highest() - resident()), np.uint8)
    before = highest()
    action()
    del filling
    return highest() - before


def highest() -> int:
    """The highest resident memory that this process has had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident() -> int:
    """What it has now."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


def in_a_process(*code: str) -> int:
    """What a process of its own prints, in which larger blocks are given back once they are free.

    Args:
        code: Arguments of Python.
    """
    process = subprocess.run(
        [sys.executable, *code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(process.stdout)


CASES = (
    ("at once", "float32", 4),
    ("in batches", "float32", 4),
    ("at once", "bfloat16", 1),
    ("at once", "float16", 1),
    ("at once", "int8", 1),
    ("at once", "channels last", 1),
    ("averaged", "bfloat16 maps", 1),
    ("calibrated", "float32", 1),
)
"""How, what, and how many times 4096 units."""


def beside_activations(n_samples: int = 10_000, n_units: int = 4096) -> Iterator[Ratio]:
    """P7: over 16 MB and 200 bytes per sample. Nothing where the system does not tell."""
    if not STATM.exists():
        return
    allowed, aimed = 16e6 + 200 * n_samples, 8e6 + 128 * n_samples
    for way, kind, times in CASES:
        size = (str(n_samples), str(times * n_units))
        extra = in_a_process("-m", f"{__package__}.memory", way, kind, *size)
        what = f"extra memory, {' × '.join(size)} {kind}, {way}, over 16 MB + 200 B per sample"
        yield Ratio("P7", what, extra / allowed, 1, aimed / allowed)


BENCHMARKS = (beside_activations,)

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(extra_bytes(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
