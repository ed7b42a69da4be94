"""Say in which order sets stand, wherever they are listed or drawn.

Standard library only, as all that reads logs.
"""

from __future__ import annotations

from collections.abc import Iterable


def is_named_training(set_: str) -> bool:
    """Whether a set is called as one of training samples is.

    Example:
        >>> is_named_training("train_1"), is_named_training("trained")
        (True, False)
    """
    return set_ == "train" or set_.startswith(("train_", "train-", "train."))


def rank(set_: str, *, is_training: bool | None = None) -> tuple[bool, bool, bool, str]:
    """Return what sets are sorted by: validation first, then others, those of training last.

    Args:
        set_: The name of a set.
        is_training: Whether it is one of training samples, where more than its name is known.
    """
    last = is_named_training(set_) if is_training is None else is_training
    return last, not set_.startswith("val"), set_ != "val", set_


def in_order(sets: Iterable[str]) -> list[str]:
    """Return sets, each once, in their order.

    Example:
        >>> in_order(["train", "test", "val_1", "val", "test"])
        ['val', 'val_1', 'test', 'train']
    """
    return sorted(set(sets), key=rank)
