"""Names of subjects in, none for all; one ratio per line out, and 1 if any is past its goal.

Example: ``python -m tests.benchmarks estimate chance``
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

import numpy as np
import torch

from .ratios import Ratio, report

SUBJECTS = (
    "estimate",
    "chance",
    "memory",
    "streaming",
    "training",
    "vocabulary",
    "wide",
    "networks",
    "threads",
    "peers",
    "reading",
)


def run(subjects: Sequence[str]) -> int:
    """Run the benchmarks of these subjects; returns the exit code."""
    unknown = [subject for subject in subjects if subject not in SUBJECTS]
    if unknown:
        raise SystemExit(f"no benchmarks of {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    return report(_ratios(subjects or SUBJECTS))


def _ratios(subjects: Sequence[str]) -> Iterator[Ratio]:
    for subject in subjects:
        for benchmark in import_module(f".{subject}", __package__).BENCHMARKS:
            yield from benchmark()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, NumPy {np.__version__}; "
        "processor time, one thread, medians\n"
    )
    sys.exit(run(sys.argv[1:]))
