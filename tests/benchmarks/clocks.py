"""Code that others call in; the processor time spent in it out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from it_callbacks.observation.listening import Listener


class Clock:
    """Adds up the processor seconds of the calls of what it has timed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.running = False

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with its calls added up."""

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.running:  # called by another that is timed already
                return function(*args, **kwargs)
            self.running = True
            started = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - started
                self.running = False

        return call


@contextmanager
def hooks() -> Iterator[Clock]:
    """A clock of all that listeners do in forward hooks."""
    clock = Clock()
    fired = clock.timed(Listener.fired)
    with mock.patch.object(Listener, "fired", fired):
        yield clock
