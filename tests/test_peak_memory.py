"""What memory a training with monitors needs at most, over the same training without."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

import it_callbacks as it
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Calibrated, Uniform

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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the unit is another")
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


@pytest.mark.parametrize(("bins", "n_tags"), [(30, 1), ([30, 15], 2), (Calibrated(30, "unit"), 1)])
def test_what_is_encoded_before_it_is_known_to_be_a_layer_is_read_as_later(
    bins: Any, n_tags: int
) -> None:
    """Maps of more than 2^18 numbers, which a layer in place changes, in the only batch."""
    torch.manual_seed(0)
    model = peak_run.Maps(peak_run.SIZE, 3)
    model.net.insert(1, nn.ReLU(inplace=True))
    images, _ = next(iter(model.loader(10, 10)))
    images = images[torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 0, 1])]  # 3, 2 and 1
    loader = DataLoader(TensorDataset(images, torch.arange(16) % 4), 16)
    monitor = it.InformationPlaneMonitor(bins=bins, reduce=Joint(), wide=None)
    with warned() as given:
        toys.trainer([monitor]).validate(model, loader, verbose=False)
    assert given.of("repeated")
    counts = np.array([3, 3, 2, 2, 1, 1, 1, 1, 1, 1]) / 16
    entropy = -(counts * np.log2(counts)).sum()
    maps = [r for r in monitor.history if r.layer.startswith("net")]
    values = [r.bits for r in maps if r.quantity in ("I_XT", "I_XT_calibrated15")]
    assert values == pytest.approx([entropy] * 3 * n_tags, rel=1e-12)


class Odd(Uniform):
    """Refuses what is wider than the head, when it is asked."""

    @override
    def levels(self, activations: Tensor) -> Tensor:
        if activations[0].numel() > 4:
            raise ValueError("too wide for it")
        return super().levels(activations)


def test_a_ruler_that_refuses_the_first_batch_costs_its_layers_only() -> None:
    monitor = it.InformationPlaneMonitor(bins=Odd(5, -1, 1), reduce=Joint(), wide=None)
    model = peak_run.Maps(peak_run.SIZE, 3)
    with warned() as given:
        toys.trainer([monitor]).validate(model, model.loader(16, 16), verbose=False)
    assert {r.layer for r in monitor.history if r.quantity == "I_XT"} == {"head"}
    assert any("too wide for it" in one.text for one in given)


def test_a_layer_for_later_is_not_calibrated_on_the_first_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: Any) -> None:
        pytest.fail("it was calibrated")

    monkeypatch.setattr(Calibrated, "freeze", refused)
    model = peak_run.Maps(peak_run.SIZE, 2)
    monitor = it.InformationPlaneMonitor(bins=Calibrated(8, at=2), reduce=Joint())
    sets = {"train": model.loader(4, 2), "val": model.loader(16, 16)}
    with warned():
        toys.fit([monitor], model, **sets, max_epochs=1, num_sanity_val_steps=0)
    assert {r.epoch for r in monitor.history if r.quantity == "relative_I_XT"} == {1}
