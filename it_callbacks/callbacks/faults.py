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
        self._texts: list[tuple[str, str]] = []

    def warn(self, message: str, *, cause: str | None = None, set_: str = "") -> None:
        """Warn, unless it was of the same cause before.

        Args:
            message: What went wrong, and what to do.
            cause: What makes two messages one; None: all of the message but its numbers and
                addresses.
            set_: Whose numbers it is about; empty for all.
        """
        cause = _CHANGING.sub("", message) if cause is None else cause
        if cause not in self._told:
            self._told.add(cause)
            self._texts.append((set_, message))
            rank_zero_warn(f"{self._who}: {message}", category=UserWarning)

    def tell(
        self, error: Exception, message: str | None = None, *, cause: str | None = None
    ) -> None:
        """Raise `error` where that was asked for; else warn, with its own words or `message`."""
        if self._on_error == "raise":
            raise error
        self.warn(str(error) if message is None else message, cause=cause)

    def texts(self, set_: str) -> list[str]:
        """All that was warned of, of a set or of all, in order."""
        return [text for of, text in self._texts if of in ("", set_)]

    def forget(self) -> None:
        """Every cause may be told again."""
        self._told.clear()
        self._texts.clear()


_CHANGING = re.compile(r"(?<![\w.])0x[0-9a-fA-F]+|(?<![\w.'])\d+(\.\d*)?([eE][+-]?\d+)?(?![\w'])")
"""An address, or a number that is no part of a name."""
