"""Read the batch that runs once for all monitors of a Trainer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, Final

from torch import Tensor
from torch.utils._pytree import tree_leaves

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.labels import Labels

MOST_LABELS: Final = 2**20
"""Labels that are kept of the loops of a run, so that none is read twice."""


class _AtHand:
    """A batch as the loader gave it, and as it was read: once each way."""

    def __init__(self) -> None:
        self.raw: Any = None
        self.read: dict[Hashable, Batch] = {}
        self.labels: dict[Hashable, Labels] = {}
        """By place in a loop and how they are read, the labels that were read there last."""
        self.n_labels = 0


_OF_TRAINERS: weakref.WeakKeyDictionary[Any, _AtHand] = weakref.WeakKeyDictionary()


def read_once(trainer: Any, raw: Any, way: Hashable, read: Callable[[], Batch]) -> Batch:
    """What `read` gives of a batch, unless it was read in the same way before.

    Between two monitors another callback may change the batch, and each reads what the model will
    see: what was read serves again only while all its tensors are as they were.

    Args:
        trainer: Whose monitors share it.
        raw: The batch as the loader gave it, known by identity.
        way: How it is read.
        read: Reads it.
    """
    parts = _parts(raw)
    if parts is None:
        return read()
    at_hand, key = _at_hand(trainer), (way, parts)
    if at_hand.raw is not raw:
        at_hand.raw = raw
        at_hand.read.clear()
    if key not in at_hand.read:
        at_hand.read[key] = read()
    return at_hand.read[key]


def labels_before(trainer: Any, place: Hashable) -> Labels | None:
    """The plain labels that were read at a place of a loop when it ran before; None if unknown.

    Args:
        trainer: Whose loop it is.
        place: Which batch of which loop, and how its labels are read.
    """
    return _at_hand(trainer).labels.get(place)


def keep_labels(trainer: Any, place: Hashable, labels: Labels) -> None:
    """Most sets have the same labels in every loop: keep plain ones, up to `MOST_LABELS`."""
    at_hand = _at_hand(trainer)
    before = at_hand.labels.get(place)
    n_labels = at_hand.n_labels + len(labels) - (0 if before is None else len(before))
    if labels.are_plain and n_labels <= MOST_LABELS:
        at_hand.labels[place], at_hand.n_labels = labels, n_labels


def _at_hand(trainer: Any) -> _AtHand:
    at_hand = _OF_TRAINERS.get(trainer)
    if at_hand is None:
        at_hand = _OF_TRAINERS[trainer] = _AtHand()
    return at_hand


_PLAIN = (bool, int, float, str, type(None))


def _parts(raw: Any) -> tuple[tuple[int, int], ...] | None:
    """Its tensors, each with a number that grows whenever it is changed; None if not all are seen.

    An object of the user's own may change without a trace.
    """
    parts = []
    for leaf in tree_leaves(raw):
        if isinstance(leaf, Tensor) and not leaf.is_inference():
            parts.append((id(leaf), leaf._version))
        elif not isinstance(leaf, _PLAIN):
            return None
    return tuple(parts)


def forget_batch(trainer: Any) -> None:
    """The batch that ran has ended: nothing of it is kept but labels. Safe to call twice."""
    at_hand = _OF_TRAINERS.get(trainer)
    if at_hand is not None and at_hand.raw is not None:
        at_hand.raw = None
        at_hand.read.clear()


def forget_run(trainer: Any) -> None:
    """A run is over: nothing is kept. Safe to call twice."""
    _OF_TRAINERS.pop(trainer, None)
