"""What memory a training with monitors needs at most, over the same training without."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import it_callbacks as it
from it_callbacks.reductions import Joint

from . import peak_run, toys
from .warned import warned

# Larger blocks are given back to the system at once: what is free is not counted as taken.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**19), "MALLOC_TRIM_THRESHOLD_": str(2**19)}

ALLOWED = 16e6 + 200 * peak_run.N_VALIDATION * peak_run.N_LAYERS


@cache
def peak(way: str) -> int:
    """Bytes, as the system reports them of a process that has ended."""
    process = subprocess.run(
        [sys.executable, "-m", f"{peak_run.__package__}.peak_run", way],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **ALLOCATOR},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(process.stdout.split()[-1])


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the unit is another")


@pytest.mark.parametrize(
    ("way", "of_a_unit"),
    [
        ("defaults", 0),
        ("whole maps, from the first epoch on", 0),
        pytest.param("whole maps", 0, marks=pytest.mark.slow),
        pytest.param("whole maps, units apart", 8, marks=pytest.mark.slow),  # the width of each
    ],
)
def test_no_batch_is_ever_kept_whole(way: str, of_a_unit: int) -> None:
    """Twenty maps of 4 MB in a batch, the first one and that of the sanity check included."""
    n_units = peak_run.N_LAYERS * peak_run.CHANNELS * peak_run.SIZE**2
    assert peak(way) - peak("none") <= ALLOWED + of_a_unit * n_units


def test_what_would_be_kept_is_several_times_what_is_allowed() -> None:
    """Else the test above could not fail."""
    of_a_map = 4 * peak_run.CHANNELS * peak_run.SIZE**2 * peak_run.N_VALIDATION // 2
    assert of_a_map * peak_run.N_LAYERS > 4 * ALLOWED


def test_what_is_encoded_before_it_is_known_to_be_a_layer_is_read_as_later() -> None:
    """Maps of more than 2^18 numbers, which a layer in place changes, in the only batch."""
    torch.manual_seed(0)
    model = peak_run.Maps(peak_run.SIZE, 3)
    model.net.insert(1, nn.ReLU(inplace=True))
    images, _ = next(iter(model.loader(10, 10)))
    images = images[torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 0, 1])]  # 3, 2 and 1
    loader = DataLoader(TensorDataset(images, torch.arange(16) % 4), 16)
    monitor = it.InformationPlaneMonitor(reduce=Joint(), wide=None)
    with warned() as given:
        toys.trainer([monitor]).validate(model, loader, verbose=False)
    assert given.of("repeated")
    counts = np.array([3, 3, 2, 2, 1, 1, 1, 1, 1, 1]) / 16
    entropy = -(counts * np.log2(counts)).sum()
    values = [r.bits for r in monitor.history if r.quantity == "I_XT"]
    assert values == pytest.approx([entropy] * 4, rel=1e-12)  # three maps and the head
