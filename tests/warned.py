"""The warnings of the monitors in a block of a test, by what caused them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

from it_callbacks.callbacks.console import Console, MonitorWarning

CAUSES = {
    # of a layer
    *("constant", "saturated", "scale", "stochastic", "inequality", "missed"),
    *("unreadable", "extra"),
    # of a set
    *("few", "missing", "repeated", "calibration", "not rows", "twice", "size", "logits"),
    *("labels", "shift", "later", "left out", "silent", "effort", "spread", "imbalance"),
    # of a point
    *("skipped", "no point", "schedule", "cost"),
    # of a run
    *("more", "no loop", "nothing", "no logger", "logger", "tag taken", "spawned"),
    *("picture", "no pictures", "patience"),
    # of a checkpoint
    *(
        "not stored",
        "not ours",
        "other layers",
        "other bins",
        "other wide",
        "other samples",
        "unstorable",
    ),
}
"""Every cause that a monitor warns of."""


OF_TINY_SETS = frozenset(
    (
        "few",
        "saturated",
        "constant",
        "inequality",
        "calibration",
        "missing",
        "cost",
        "spread",
        "scale",
    )
)
"""What monitors rightly warn of where a training on few samples is over in a moment."""


class Warned(NamedTuple):
    """One warning.

    Args:
        monitor: The class that gave it.
        cause: One of `CAUSES`.
        set: The set it is about; "" for all.
        layer: The layer it is about; "" for all.
        text: What it says behind the monitor's name.
    """

    monitor: str
    cause: str
    set: str
    layer: str
    text: str


class Warnings(list[Warned]):
    """The warnings of a block, in order; filled when the block ends."""

    @property
    def causes(self) -> list[str]:
        """The cause of each."""
        return [one.cause for one in self]

    def of(self, cause: str, *, layer: str | None = None, set_: str | None = None) -> list[Warned]:
        """Those of one cause, of a layer or a set if one is given."""
        assert cause in CAUSES, cause
        return [
            one
            for one in self
            if one.cause == cause and layer in (None, one.layer) and set_ in (None, one.set)
        ]


_ADMITS = Console.admits


@contextmanager
def printed() -> Iterator[Warnings]:
    """Record the monitors' warnings that are printed, where few lines are."""
    with warned() as given, patch.object(Console, "admits", _ADMITS):
        yield given


@contextmanager
def warned() -> Iterator[Warnings]:
    """Record all that the monitors warn of, as in their texts; all others fare as filters say.

    Example:
        ```
        with warned() as given:
            fit([InformationPlaneMonitor()], logger=False)
        assert len(given.of("no logger")) == 1
        ```
    """
    given = Warnings()
    all_admitted = patch.object(Console, "admits", lambda *_: True)
    with warnings.catch_warnings(record=True) as recorded, all_admitted:
        warnings.simplefilter("always", MonitorWarning)
        try:
            yield given
        finally:
            ours = (one.message for one in recorded if isinstance(one.message, MonitorWarning))
            given.extend(map(_understood, ours))


def _understood(warning: MonitorWarning) -> Warned:
    monitor, _, text = str(warning).partition(": ")
    assert warning.cause in CAUSES, f"{warning.cause!r}: {text}"
    return Warned(monitor, warning.cause, warning.set, warning.layer, text)
