"""The warnings of the monitors in a block of a test, told apart by what caused them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

MONITOR = r"(InformationPlane|PredictionEntropy|ConditionalEntropy)Monitor"

# A word for each cause, and what its message has that no other has.
CAUSES = {
    # of a layer
    "constant": r"layer '.*' is constant",
    "saturated": r"layer '.*' is SATURATED: .* have a code of their own",
    "chance": r"layer '.*' is SATURATED: .* would come by chance",
    "growth": r"layer '.*' has grown to",
    "stochastic": r"layer '.*' gives other states",
    "inequality": r"layer '.*' shows .*data-processing inequality",
    "missed": r"layer '.*' is left out: heard",
    "unreadable": r"layer '.*': activations: .* left out until it can be read",
    "extra": r"layer '.*', .*; its number is left out",
    # of a set
    "few": r"set '.*': .* are few",
    "missing": r"set '.*': no sample of class",
    "repeated": r"set '.*': .* of the inputs are repeated",
    "calibration": r"set '.*': the first .* hold .* classes",
    "silent": r"set '.*': never called",
    "moving": r"set '.*': a ruler is fitted anew",
    "twice": r"set '.*': a second point at step",
    "size": r"set '.*': a point from .* samples",
    "logits": r"read as logits",
    # of a point
    "skipped": r"this point (of set '.*' )?is left out",
    "no point": r"no point at epoch",
    "schedule": r"schedule: it fails",
    "cost": r"observing takes",
    # of a run
    "no loop": r"data: there is no validation loop",
    "nothing": r"nothing was measured",
    "no logger": r"the Trainer has no logger",
    "logger": r"has not taken a point",
    "tag taken": r"something else logs under this tag",
    "picture": r"cannot be drawn",
    "spawned": r"the history stays in the spawned processes",
    # of a checkpoint
    "not stored": r"the history is not stored in checkpoints",
    "not ours": r"the stored history cannot be read",
    "other layers": r"layers: .* in the checkpoint",
    "other bins": r"bins, reduce: .* in the checkpoint",
    "other samples": r"max_samples, seed: .* in the checkpoint",
    "ruler": r"(not|cannot be) restored",
}


class Warned(NamedTuple):
    """One warning.

    Args:
        monitor: The class that gave it.
        cause: In a word, of those in `CAUSES`.
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


@contextmanager
def warned() -> Iterator[Warnings]:
    """Record the monitors' warnings; all others fare as the test's filters say.

    Example:
        ```
        with warned() as given:
            fit([InformationPlaneMonitor()], logger=False)
        assert len(given.of("no logger")) == 1
        ```
    """
    given = Warnings()
    with warnings.catch_warnings(record=True) as recorded:
        warnings.filterwarnings("always", rf"{MONITOR}: ", UserWarning)
        try:
            yield given
        finally:
            given.extend(_understood(str(one.message)) for one in recorded)


def _understood(message: str) -> Warned:
    monitor, _, text = message.partition(": ")
    causes = [cause for cause, words in CAUSES.items() if re.search(words, text, re.DOTALL)]
    assert len(causes) == 1, f"{causes or 'no cause'}: {message}"
    about = {kind: re.search(rf"\b{kind} '(.*?)'", text) for kind in ("set", "layer")}
    of_set, of_layer = (found[1] if found else "" for found in about.values())
    return Warned(monitor, causes[0], of_set, of_layer, text)
