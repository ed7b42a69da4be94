"""Read the batch that runs once for all monitors of a Trainer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, Final

from torch import Tensor
from torch.utils._pytree import tree_leaves

from it_callbacks.observation.batches import Batch

MOST_SAMPLES: Final = 2**18
"""Samples of which labels are kept from loop to loop: a few megabytes."""


class _AtHand:
    """A batch as the loader gave it, and as it was read: once each way."""

    def __init__(self) -> None:
        self.raw: Any = None
        self.read: dict[Hashable, Batch] = {}
        self.before: dict[Hashable, Batch] = {}
        """By place in a loop and how it is read, what was read there last, without inputs."""
        self.n_samples = 0


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


def batch_before(trainer: Any, place: Hashable) -> Batch | None:
    """What was kept of the batch at a place of a loop when it ran before; None if nothing was.

    Args:
        trainer: Whose loop it is.
        place: Which batch of which loop, and how it is read.
    """
    return _at_hand(trainer).before.get(place)


def keep_batch(trainer: Any, place: Hashable, batch: Batch) -> None:
    """Keep a batch without its inputs, as long as all that are kept have few samples.

    Most sets have the same labels in every loop. Whether they have is seen by their values.

    Args:
        trainer: Whose loop it is.
        place: Which batch of which loop, and how it is read.
        batch: The batch.
    """
    at_hand = _at_hand(trainer)
    before = at_hand.before.pop(place, None)
    at_hand.n_samples -= 0 if before is None else len(before)
    is_plain = batch.mask is None and batch.labels is not None and batch.labels.are_plain
    if is_plain and at_hand.n_samples + len(batch) <= MOST_SAMPLES:
        at_hand.before[place] = batch.without_inputs
        at_hand.n_samples += len(batch)


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
    is_flat = type(raw) in (list, tuple) and all(isinstance(part, Tensor) for part in raw)
    for leaf in raw if is_flat else tree_leaves(raw):
        if isinstance(leaf, Tensor) and not leaf.is_inference():
            parts.append((id(leaf), leaf._version))
        elif not isinstance(leaf, _PLAIN):
            return None
    return tuple(parts)


def forget_batch(trainer: Any) -> None:
    """The batch that ran has ended: nothing that holds inputs is kept. Safe to call twice."""
    at_hand = _OF_TRAINERS.get(trainer)
    if at_hand is not None and at_hand.raw is not None:
        at_hand.raw = None
        at_hand.read.clear()


def forget_run(trainer: Any) -> None:
    """A run is over: nothing is kept. Safe to call twice."""
    _OF_TRAINERS.pop(trainer, None)
