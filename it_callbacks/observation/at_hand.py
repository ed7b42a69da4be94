"""Read the batch that runs once for all monitors of a Trainer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from it_callbacks.observation.batches import Batch


class _AtHand:
    """A batch as the loader gave it, and as it was read: once each way."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.read: dict[Hashable, Batch] = {}


_OF_TRAINERS: weakref.WeakKeyDictionary[Any, _AtHand] = weakref.WeakKeyDictionary()


def read_once(trainer: Any, raw: Any, way: Hashable, read: Callable[[], Batch]) -> Batch:
    """What `read` gives of a batch, unless it was read in the same way before.

    Args:
        trainer: Whose monitors share it.
        raw: The batch as the loader gave it, known by identity.
        way: How it is read.
        read: Reads it.
    """
    at_hand = _OF_TRAINERS.get(trainer)
    if at_hand is None or at_hand.raw is not raw:
        at_hand = _OF_TRAINERS[trainer] = _AtHand(raw)
    if way not in at_hand.read:
        at_hand.read[way] = read()
    return at_hand.read[way]


def forget_batch(trainer: Any) -> None:
    """The batch that ran has ended: nothing of it is kept. Safe to call twice."""
    _OF_TRAINERS.pop(trainer, None)
