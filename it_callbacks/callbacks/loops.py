"""The batches of a loop that runs anyway in; a pass over each of its sets out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from it_callbacks.callbacks.samples import (
    is_unshuffled,
    loader_of,
    repeats_whole_set,
    sample_indices,
)
from it_callbacks.observation.batches import Selector, inputs_of, labels_of


class Observer(Protocol):
    """What listens to a model for a monitor; see `it_callbacks.observation`."""

    seconds: float

    def attach(self) -> None:
        """Put hooks on the model."""

    def detach(self) -> None:
        """Take them off."""

    def begin(self, current: Any, labels: Tensor, inputs: Any, indices: NDArray[np.int64]) -> None:
        """A batch begins; with no pass it only checks that the model can be observed."""

    def end(self) -> None:
        """The batch has ended; raises what went wrong."""


class Loop:
    """A validation or test loop that is being listened to.

    Args:
        observer: Attached to the model already.
        new_pass: Makes the pass over a set, from the set's name.
        name: What the set is called; None takes ``val`` or ``test``. Further loaders of the loop
            get ``_1``, ``_2``, ... behind it.
        inputs: Which part of a batch the model takes.
        target: Which part holds the labels.
    """

    def __init__(
        self,
        observer: Observer,
        new_pass: Callable[[str], Any],
        *,
        name: str | None,
        inputs: Selector | None,
        target: Selector | None,
    ) -> None:
        self.passes: dict[str, Any] = {}
        """For each set that has begun, its pass."""
        self.unshuffled: set[str] = set()
        """The sets that give the same samples in the same order in every loop."""
        self.fault: Exception | None = None
        """What went wrong on this process and waits for the others' end of the loop."""
        self.first_labels: dict[str, list[int]] = {}
        """Of each set that all processes go through, the labels of its first batch."""
        self._observer = observer
        self._new_pass = new_pass
        self._name = name
        self._inputs = inputs
        self._target = target
        self._n_seen: Counter[str] = Counter()

    def begin_batch(self, trainer: Any, batch: Any, dataloader_idx: int) -> None:
        """A batch of a loader is about to be run.

        Raises:
            ValueError: It has no labels, or none that can be told.
        """
        loop = "test" if trainer.testing else "val"
        set_ = self._name or loop
        if dataloader_idx:
            set_ = f"{set_}_{dataloader_idx}"
        labels = labels_of(batch, self._target)
        try:
            inputs = inputs_of(batch, self._inputs, self._target)
        except ValueError:
            if self._inputs is not None:
                raise
            inputs = None  # they only serve to see whether inputs repeat
        loader = loader_of(trainer, loop, dataloader_idx)
        if set_ not in self.passes:
            if is_unshuffled(loader):
                self.unshuffled.add(set_)
            self.passes[set_] = self._new_pass(set_)
            if repeats_whole_set(loader):
                self.first_labels[set_] = labels.tolist()
        indices = sample_indices(loader, self._n_seen[set_], len(labels))
        self._n_seen[set_] += len(labels)
        self._observer.begin(self.passes[set_], labels, inputs, indices)

    def end_batch(self) -> None:
        """The batch has been run; raises what went wrong while it was."""
        self._observer.end()


def refuse_own_shares(first_labels: Sequence[Mapping[str, list[int]]]) -> None:
    """Raise a ValueError if processes that seem to go through one set have different samples.

    Args:
        first_labels: `Loop.first_labels` of each process.
    """
    for set_, labels in first_labels[0].items():
        if any(of_another.get(set_) != labels for of_another in first_labels):
            raise ValueError(
                f"data: each process has samples of its own in set {set_!r}, and nothing tells "
                "which; leave it to Lightning to share them out, or pass data='val'"
            )


def refuse_compiled(model: nn.Module) -> None:
    """Raise a RuntimeError if a part of `model` is compiled."""
    compiled = [
        name or type(model).__name__
        for name, module in model.named_modules()
        if getattr(module, "_compiled_call_impl", None) is not None
        or hasattr(module, "_orig_mod")
        or getattr(module, "_compiler_ctx", None) is not None
    ]
    if compiled:
        raise RuntimeError(
            f"data: {compiled[0]!r} is compiled, and a compiled model cannot be listened to "
            "without compiling it anew; pass data='val' (or 'train', or a set of your own)"
        )
