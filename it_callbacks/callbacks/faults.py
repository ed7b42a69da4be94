"""Warn once of each cause, or raise, as the user asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn

OnError = Literal["warn", "raise"]


class MonitorWarning(UserWarning):
    """A warning of a monitor.

    Attributes:
        cause: What kind of thing it is about, in a word or two.
        set: Which set it is about; "" for all.
        layer: Which layer it is about; "" for none in particular.
    """

    def __init__(self, message: str, cause: str = "", set: str = "", layer: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.set = set
        self.layer = layer


class Faults:
    """Warns of each cause once.

    Args:
        who: The first word of every warning.
        on_error: What `handle` does with an exception.
    """

    def __init__(self, who: str, on_error: OnError) -> None:
        self._who = who
        self._on_error = on_error
        self._about: dict[tuple[str, str, str], set[str]] = {}
        """By cause, layer and message, the sets that it was warned of for."""
        self._texts: list[tuple[str, str]] = []
        self._informed: set[str] = set()

    def warn(self, message: str, *, cause: str, set_: str = "", layer: str = "") -> None:
        """Warn, unless the same was warned of before, whatever its numbers and set.

        Args:
            message: What went wrong, and what to do.
            cause: What kind of thing it is.
            set_: Whose numbers it is about; "" for all.
            layer: Which layer it is about.
        """
        about = self._about.setdefault((cause, layer, _CHANGING.sub("", message)), set())
        if not about:
            rank_zero_warn(MonitorWarning(f"{self._who}: {message}", cause, set_, layer))
        if about.isdisjoint({"", set_}):
            about.add(set_)
            self._texts.append((set_, message))

    def inform(self, message: str) -> None:
        """Print a line on the console, once."""
        if message not in self._informed:
            self._informed.add(message)
            rank_zero_info(f"{self._who}: {message}")

    def handle(
        self,
        error: Exception,
        message: str | None = None,
        *,
        cause: str,
        set_: str = "",
        layer: str = "",
    ) -> None:
        """Raise `error` where that was asked for; else warn, with its own words or `message`."""
        if self._on_error == "raise":
            raise error
        self.warn(str(error) if message is None else message, cause=cause, set_=set_, layer=layer)

    @contextmanager
    def contained(self, *fatal: type[Exception], set_: str = "") -> Iterator[None]:
        """Inside, an exception skips one measurement instead of ending the run.

        Args:
            fatal: Kinds of exceptions that end it in any case.
            set_: Whose measurement it is; "" for all sets.
        """
        try:
            yield
        except fatal:
            raise
        except Exception as error:
            # A ValueError is one of ours, most often, and says all that there is to say.
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            text = f"skipped a measurement: {kind}{error}"
            self.handle(error, text, cause="skipped", set_=set_)

    def texts(self, set_: str | None = None) -> list[str]:
        """All that was warned of, in order; with a set, about it or about all."""
        return [text for about, text in self._texts if set_ is None or about in ("", set_)]

    def forget(self) -> None:
        """Every cause may be warned of again."""
        self._about.clear()
        self._texts.clear()
        self._informed.clear()


_CHANGING = re.compile(r"(?<![\w.])0x[0-9a-fA-F]+|(?<![\w.'])\d+(\.\d*)?([eE][+-]?\d+)?(?![\w'])")
"""An address, or a number that is no part of a name."""
