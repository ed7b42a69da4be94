"""What went wrong in; one warning per cause, or the exception, out."""

from __future__ import annotations

import re
from typing import Literal

from lightning_utilities.core.rank_zero import rank_zero_warn

OnError = Literal["warn", "raise"]


class Faults:
    """Tells each cause once.

    Args:
        who: Whose faults they are: the first word of every warning.
        on_error: What `tell` does with an exception.
    """

    def __init__(self, who: str, on_error: OnError) -> None:
        self._who = who
        self._on_error = on_error
        self._told: set[str] = set()

    def warn(self, message: str, *, cause: str | None = None) -> None:
        """Warn, unless it was of the same cause before.

        Args:
            message: What went wrong, and what to do.
            cause: What makes two messages one; None: all of the message but its numbers.
        """
        cause = _COUNT.sub("", message) if cause is None else cause
        if cause not in self._told:
            self._told.add(cause)
            rank_zero_warn(f"{self._who}: {message}", category=UserWarning)

    def tell(
        self, error: Exception, message: str | None = None, *, cause: str | None = None
    ) -> None:
        """Raise `error` where that was asked for; else warn, with its own words or `message`."""
        if self._on_error == "raise":
            raise error
        self.warn(str(error) if message is None else message, cause=cause)

    def forget(self) -> None:
        """Every cause may be told again."""
        self._told.clear()


_COUNT = re.compile(r"(?<![\w.'])\d+(\.\d+)?(?![\w'])")
"""A number that is no part of a name."""
