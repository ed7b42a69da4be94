"""What memory a training with monitors needs at most, over the same training without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import peak_run

# Larger blocks are given back to the system at once: what is free is not counted as taken.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**19), "MALLOC_TRIM_THRESHOLD_": str(2**19)}

ALLOWED = 16e6 + 200 * peak_run.N_VALIDATION * peak_run.N_LAYERS


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
def test_no_batch_is_ever_kept_whole() -> None:
    """Twenty maps of 4 MB in a batch, the first one and that of the sanity check included."""
    extra = peak("defaults") - peak("none")
    assert extra <= ALLOWED


def test_what_would_be_kept_is_several_times_what_is_allowed() -> None:
    """Else the test above could not fail."""
    of_a_map = 4 * peak_run.CHANNELS * peak_run.SIZE**2 * peak_run.N_VALIDATION // 2
    assert of_a_map * peak_run.N_LAYERS > 4 * ALLOWED
