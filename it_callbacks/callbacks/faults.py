"""Warn once of each cause, or raise, as the user asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from traceback import walk_stack
from typing import Literal

from lightning_utilities.core.rank_zero import rank_zero_info, rank_zero_warn

from it_callbacks.callbacks.console import Console, MonitorWarning

OnError = Literal["warn", "raise"]


class Faults:
    """Warns of each cause once, and keeps all that there was to warn of.

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
        self.console = Console()
        """Where warnings are printed: shared with the other monitors of a Trainer."""

    def warn(self, message: str, *, cause: str, set_: str = "", layer: str = "") -> None:
        """Warn, unless the same was warned of before, whatever its numbers and set.

        Args:
            message: What went wrong, and what to do.
            cause: What kind of thing it is.
            set_: Whose numbers it is about; "" for all.
            layer: Which layer it is about.
        """
        warning = self._new(message, cause, set_, layer)
        if warning is not None and self.console.admits(warning):
            _warn(warning)

    def inform(self, message: str) -> None:
        """Print a line on the console, once."""
        if self.console.is_news(message):
            rank_zero_info(f"{self._who}: {message}")

    def end(self) -> None:
        """A run is over: print what was held back, or how much that is. Safe to call twice."""
        for warning in self.console.last_lines():
            _warn(warning)

    def handle(
        self,
        error: Exception,
        message: str | None = None,
        *,
        cause: str,
        set_: str = "",
        layer: str = "",
    ) -> None:
        """Raise `error` where that was asked for; else warn, with its own words or `message`.

        An error has a line on the console, whatever else was printed.
        """
        if self._on_error == "raise":
            raise error
        text = str(error) if message is None else message
        warning = self._new(text, cause, set_, layer)
        if warning is not None:
            _warn(warning)

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

    def _new(self, message: str, cause: str, set_: str, layer: str) -> MonitorWarning | None:
        """Keep what there is to warn of; None where that was said before."""
        about = self._about.setdefault((cause, layer, _without_numbers(message)), set())
        is_new = not about
        if about.isdisjoint({"", set_}):
            about.add(set_)
            self._texts.append((set_, message))
        return MonitorWarning(f"{self._who}: {message}", cause, set_, layer) if is_new else None


_CHANGING = re.compile(r"(?<![\w.])0x[0-9a-fA-F]+|(?<![\w.'])\d+(\.\d*)?([eE][+-]?\d+)?(?![\w'])")
"""An address, or a number that is no part of a name."""


@lru_cache(maxsize=256)  # most of what is warned of was so at the point before
def _without_numbers(message: str) -> str:
    return _CHANGING.sub("", message)


_PACKAGES = frozenset(
    (
        *("it_callbacks", "pytorch_lightning", "lightning", "lightning_fabric"),
        *("lightning_utilities", "torch", "contextlib"),
    )
)
"""Between a line of the user's and a monitor."""
_OF_CALLER = 4
"""What Lightning's function takes for the level of who calls it."""


def _warn(warning: MonitorWarning) -> None:
    """Warn from the user's line that runs the training: a line of ours would tell nothing."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in walk_stack(sys._getframe())]
    is_users = [name.partition(".")[0] not in _PACKAGES for name in names]
    up = is_users.index(True) if True in is_users else len(is_users)
    rank_zero_warn(warning, stacklevel=_OF_CALLER + up)
