"""Code that others call in; the processor time spent in it out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from it_callbacks.observation import listening


class Clock:
    """Adds up the processor seconds of the calls of what it has timed.

    All threads of the process count, so that what TensorBoard writes meanwhile does, too.
    """

    def __init__(self) -> None:
        self.by_name = Counter[str]()
        """The seconds by what was timed."""
        self.running = False

    @property
    def seconds(self) -> float:
        """All of them."""
        return sum(self.by_name.values())

    def timed(self, function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        """`function`, with its calls added up."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.running:  # called by another that is timed already
                return function(*args, **kwargs)
            self.running = True
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.by_name[name] += time.process_time() - started
                self.running = False

        return call


@contextmanager
def hooks(clock: Clock | None = None) -> Iterator[Clock]:
    """A clock of all that listeners do in forward hooks."""
    clock = clock or Clock()
    tell = clock.timed(listening.tell, "forward hooks")
    with mock.patch.object(listening, "tell", tell):
        yield clock
