"""Memory beside the activations, read from the system in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from it_callbacks.codes import encode_keys
from it_callbacks.estimators import contingency
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Uniform

from .data import labels
from .ratios import Ratio

_RULER = Uniform(30, -1, 1)
STATUS = Path("/proc/self/status")


def at_once(activations: Tensor, classes: np.ndarray) -> None:
    """Keys and counts of the whole layer in one call."""
    contingency(encode_keys(activations, _RULER), classes)


def streamed(activations: Tensor, classes: np.ndarray, batch_size: int = 1000) -> None:
    """The same, batch by batch, as when listening."""
    stream = KeyStream(Reader(Joint(), (_RULER,)))
    for batch in activations.split(batch_size):
        stream.add(batch)
    contingency(stream.read().keys[0], classes)


WAYS = {"at once": at_once, "in batches": streamed}


def extra_bytes(way: str, n_samples: int, n_units: int) -> int:
    """Highest resident memory while the layer is read and counted, above that just before."""
    WAYS[way](torch.zeros(100, 100), labels(100).numpy())  # what is loaded on first use
    activations = torch.empty(n_samples, n_units).uniform_(-1, 1)
    classes = labels(n_samples).numpy()
    Path("/proc/self/clear_refs").write_text("5")  # the highest is from now on
    before = resident("VmRSS")
    WAYS[way](activations, classes)
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """A field of the system's account of this process, in bytes."""
    return 1024 * int(re.findall(rf"{field}:\s+(\d+) kB", STATUS.read_text())[0])


def beside_activations(n_samples: int = 10_000, n_units: int = 16_384) -> Iterator[Ratio]:
    """P7: over 16 MB and 200 bytes per sample. Nothing where the system does not tell."""
    if not STATUS.exists():
        return
    allowed, aimed = 16e6 + 200 * n_samples, 8e6 + 128 * n_samples
    for way in WAYS:
        arguments = [way, str(n_samples), str(n_units)]
        process = subprocess.run(
            [sys.executable, "-m", f"{__package__}.memory", *arguments],
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        )
        what = f"extra memory, {n_samples} × {n_units} {way}, over 16 MB + 200 B per sample"
        yield Ratio("P7", what, int(process.stdout) / allowed, 1, aimed / allowed)


BENCHMARKS = (beside_activations,)

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(extra_bytes(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
