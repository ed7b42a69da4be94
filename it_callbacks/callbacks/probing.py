"""A Trainer, its model and a fixed set in; the set passed through the model, without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from it_callbacks.observation.batches import Selector, inputs_of, labels_of
from it_callbacks.observation.guard import silenced, undisturbed
from it_callbacks.observation.probe import ProbeSet, fetch, fetch_behind


def fetch_probe(
    trainer: Any, probe: Literal["train", "val"] | ProbeSet, max_samples: int | None, seed: int
) -> list[Any]:
    """The batches of a probe: of the data set behind the Trainer's own loader, or of a set given.

    Raises:
        ValueError: It holds no samples.
        TypeError: It is no fixed set.
    """
    if not isinstance(probe, str):
        return fetch(probe, max_samples, seed)
    loader = trainer.train_dataloader if probe == "train" else trainer.val_dataloaders
    if isinstance(loader, (list, tuple)) and len(loader) == 1:
        loader = loader[0]
    return fetch_behind(loader, max_samples, seed)


@contextmanager
def guarded(trainer: Any, model: Any) -> Iterator[None]:
    """Inside, `model` may be run as in validation, in the precision that it trains in."""
    with (
        undisturbed(model),
        silenced(model, ("log", "log_dict")),
        trainer.precision_plugin.forward_context(),
    ):
        yield


def pass_through(
    trainer: Any,
    model: Any,
    observer: Any,
    current: Any,
    batch: Any,
    inputs: Selector | None,
    target: Selector | None,
) -> None:
    """Run `model` on one batch while `observer` listens for the pass `current`."""
    # A copy, since a model may write into its input, and this one is for every look.
    batch = apply_to_collection(batch, Tensor, torch.clone)
    batch = trainer.precision_plugin.convert_input(trainer.strategy.batch_to_device(batch))
    given = inputs_of(batch, inputs, target)
    observer.begin(current, labels_of(batch, target), given)
    if isinstance(given, dict):
        model(**given)
    elif isinstance(given, (tuple, list)):
        model(*given)
    else:
        model(given)
    observer.end()
