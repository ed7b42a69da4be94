"""Say on a terminal that something takes a while."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

AFTER_S = 1.0
"""What takes less needs no word."""


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Inside, a line of standard error counts seconds, after the first one; then it is gone.

    Where standard error is no terminal, nothing is written.

    Args:
        what: What is being done, ``"reading runs"``.
    """
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    counter = threading.Thread(target=_count, args=(what, done), daemon=True)
    counter.start()
    try:
        yield
    finally:
        done.set()
        counter.join()


def _count(what: str, done: threading.Event) -> None:
    began, line = time.monotonic(), ""
    while not done.wait(AFTER_S):
        line = f"it-callbacks: {what}, {time.monotonic() - began:.0f} s"
        sys.stderr.write(f"\r{line}")
        sys.stderr.flush()
    if line:
        sys.stderr.write(f"\r{' ' * len(line)}\r")
        sys.stderr.flush()
