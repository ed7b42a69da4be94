"""Read the batch that runs once for all monitors of a Trainer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from it_callbacks.observation.batches import Batch


class _AtHand:
    """A batch as the loader gave it, and as it was read: once each way."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.read: dict[Hashable, Batch] = {}


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
    way = way, parts
    at_hand = _OF_TRAINERS.get(trainer)
    if at_hand is None or at_hand.raw is not raw:
        at_hand = _OF_TRAINERS[trainer] = _AtHand(raw)
    if way not in at_hand.read:
        at_hand.read[way] = read()
    return at_hand.read[way]


_PLAIN = (bool, int, float, str, type(None))


def _parts(raw: Any) -> tuple[tuple[int, int], ...] | None:
    """Its tensors, each with a number that grows whenever it is changed; None if not all are seen.

    An object of the user's own may change without a trace.
    """
    leaves = tree_leaves(raw)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not leaf.is_inference()]
    if len(tensors) + sum(isinstance(leaf, _PLAIN) for leaf in leaves) < len(leaves):
        return None
    return tuple((id(tensor), tensor._version) for tensor in tensors)


def forget_batch(trainer: Any) -> None:
    """The batch that ran has ended: nothing of it is kept. Safe to call twice."""
    _OF_TRAINERS.pop(trainer, None)
