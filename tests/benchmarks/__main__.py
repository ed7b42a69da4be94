"""Names of subjects in, none for all; one ratio per line out, and 1 if any is past its goal.

Example: ``python -m tests.benchmarks estimate chance``. Each benchmark of a subject runs in a fresh
process with one thread, several times, until its ratios are steady. What is printed is the table of
the docs' page on performance; what is going on goes to standard error.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from .kernels import by_torch
from .ratios import Ratio
from .repeated import Repeated, repeated, report

SUBJECTS = (
    "estimate",
    "chance",
    "extras",
    "history",
    "memory",
    "streaming",
    "training",
    "shares",
    "logged",
    "vocabulary",
    "wide",
    "networks",
    "threads",
    "peers",
    "reading",
)

_PATIENCE = 30.0
"""Seconds after which a noisy benchmark is not run again."""
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def run(subjects: Sequence[str]) -> int:
    """Run the benchmarks of these subjects; returns the exit code."""
    unknown = [subject for subject in subjects if subject not in SUBJECTS]
    if unknown:
        raise SystemExit(f"no benchmarks of {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    return report(_rows(subjects or SUBJECTS))


def _rows(subjects: Sequence[str]) -> Iterator[Repeated]:
    for subject in subjects:
        for number, _ in enumerate(_benchmarks(subject)):
            started = time.monotonic()
            rows = repeated(
                partial(in_a_process, subject, number),
                may_go_on=partial(_is_before, started + _PATIENCE),
            )
            took = time.monotonic() - started
            of = f"{len(rows[0].runs)} runs of {subject}" if rows else subject
            print(f"{of}: {took:.0f} s", file=sys.stderr, flush=True)
            yield from rows


def _is_before(end: float) -> bool:
    return time.monotonic() < end


def _benchmarks(subject: str) -> Sequence[Callable[[], Iterator[Ratio]]]:
    found: Sequence[Callable[[], Iterator[Ratio]]]
    found = import_module(f".{subject}", __package__).BENCHMARKS
    return found


def in_a_process(subject: str, number: int) -> list[Ratio]:
    """The ratios of one benchmark of a subject, measured in a fresh process.

    Raises:
        RuntimeError: It failed; with what it wrote.
    """
    process = subprocess.run(
        [sys.executable, "-m", __package__ or "", "--once", subject, str(number)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **_ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise RuntimeError(f"the benchmarks of {subject} failed:\n{process.stderr}")
    return [Ratio(*fields) for fields in json.loads(process.stdout.splitlines()[-1])]


def once(subject: str, number: int) -> None:
    """Run one benchmark here; prints its ratios as JSON."""
    torch.set_num_threads(1)
    with by_torch():
        print(json.dumps(list(_benchmarks(subject)[number]())))


def machine() -> str:
    """What all was measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"Measured on {cores} cores of {processor()}, with Python {platform.python_version()}, "
        f"torch {torch.__version__} and NumPy {np.__version__}."
    )


def processor() -> str:
    """The model of the processor, as far as the system tells."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in fields.items()}
    model = named.get("model name") or platform.processor() or platform.machine()
    family = {"cpu family", "model"} <= named.keys()
    return f"{model} (family {named['cpu family']}, model {named['model']})" if family else model


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(sys.argv[2], int(sys.argv[3]))
    else:
        print(f"{machine()}\n", flush=True)
        sys.exit(run(sys.argv[1:]))
