"""Pass a fixed set through a model as in validation, without a trace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.batches import (
    Batch,
    inputs_of,
    labels_of,
    mask_of,
    n_rows_of,
)
from it_callbacks.observation.fixed_set import FixedSet, fetch, fetch_behind
from it_callbacks.observation.guard import silenced, traceless, undisturbed, unfused
from it_callbacks.observation.instrument import Observer
from it_callbacks.observation.labels import Labels
from it_callbacks.observation.modules import padding_of
from it_callbacks.observation.positions import Samples
from it_callbacks.observation.processes import n_processes, rank
from it_callbacks.observation.selecting import Selector


def fetch_fixed_set(
    trainer: Any, data: Literal["train", "val"] | FixedSet, max_samples: int | None, seed: int
) -> list[Any]:
    """The batches of the set behind one of the Trainer's loaders, or of a set of the user's.

    Raises:
        ValueError: It holds no samples.
        TypeError: It is no fixed set.
    """
    if not isinstance(data, str):
        return fetch(data, max_samples, seed)
    loader = trainer.train_dataloader if data == "train" else trainer.val_dataloaders
    if loader is None:
        raise ValueError(
            f"data={data!r}: the Trainer has no such loader; pass a data set, a loader or tensors"
        )
    if isinstance(loader, (list, tuple)):
        if len(loader) > 1:
            raise ValueError(
                f"data={data!r}: there are {len(loader)} such loaders; pass the data set or the "
                "loader that you mean"
            )
        loader = loader[0]
    return fetch_behind(loader, max_samples, seed)


class FixedSetPasses:
    """Passes a fixed set through a model as in validation, without a trace.

    Args:
        batches: From `fetch_fixed_set`.
        inputs: Which part of a batch the model takes.
        target: Which part holds the labels.
        ignore_index: Which number marks samples without a label.
        samples: Whether positions are samples.
    """

    def __init__(
        self,
        batches: Sequence[Any],
        inputs: Selector | None,
        target: Selector | None,
        ignore_index: int | None,
        samples: Samples,
    ) -> None:
        self._batches = batches
        self._inputs = inputs
        self._target = target
        self._ignore_index = ignore_index
        self._samples = samples
        self._sizes: list[int] = []

    def run_all(self, trainer: Any, model: Any, observer: Observer[Any], current: Any) -> None:
        """Run this process's share of the batches, while `observer` feeds the pass `current`.

        Whole batches are shared out, since a value depends on the size of the batch that it was
        computed in: so the codes are those of one process, bit for bit. Where parameters are
        spread over processes, all take part in each forward, and the first counts for all.
        """
        start, together = 0, _spreads_parameters(trainer.strategy)
        with _observed(trainer, model, observer):
            self._sizes = self._sizes or [self._size(raw) for raw in self._batches]
            for number, (raw, size) in enumerate(zip(self._batches, self._sizes, strict=True)):
                indices = np.arange(start, start + size)
                start += size
                if together:
                    indices = indices if rank() == 0 else np.full(len(indices), -1)
                elif number % n_processes() != rank():
                    continue
                self._run(trainer, model, observer, current, raw, indices)

    def run_first(
        self, trainer: Any, model: Any, observer: Observer[Any], passes: Sequence[Any]
    ) -> None:
        """Run the first batch once for each of `passes`, on every process.

        One guard is around all of them, so that what is drawn at random differs from run to run.
        """
        raw = self._batches[0]
        indices = np.arange(self._size(raw))
        with _observed(trainer, model, observer):
            for current in passes:
                self._run(trainer, model, observer, current, raw, indices)

    def _labels(self, raw: Any) -> Labels | None:
        return labels_of(raw, self._target, self._ignore_index, self._samples)

    def _size(self, raw: Any) -> int:
        return n_rows_of(raw, self._labels(raw))

    def _run(
        self,
        trainer: Any,
        model: Any,
        observer: Observer[Any],
        current: Any,
        raw: Any,
        indices: NDArray[np.int64],
    ) -> None:
        # A copy, since a model may write into its input, and this one is for every pass.
        raw = apply_to_collection(raw, Tensor, torch.clone)
        raw = trainer.precision_plugin.convert_input(trainer.strategy.batch_to_device(raw))
        given = inputs_of(raw, self._inputs, self._target)
        mask = mask_of(raw, given, padding_of(model))
        observer.begin(Batch.of(given, self._labels(raw), indices, mask=mask), current)
        with trainer.precision_plugin.forward_context():  # the model's precision, not ours
            _call(model, given)
        observer.end()


def _call(model: Any, given: Any) -> None:
    """Call the model with the part of a batch that it takes.

    Raises:
        RuntimeError: It failed; says what it was called with.
    """
    kwargs = _by_name(model, given) if isinstance(given, Mapping) else {}
    args = () if kwargs else tuple(given) if isinstance(given, (tuple, list)) else (given,)
    try:
        model(*args, **kwargs)
    except Exception as error:
        shapes = [_in_words(arg) for arg in args]
        shapes += [f"{name}={_in_words(value)}" for name, value in kwargs.items()]
        remedy = (
            "define forward"
            if isinstance(error, NotImplementedError)
            else "pass inputs=<function of the batch that gives what forward takes>"
        )
        raise RuntimeError(
            f"data: the model failed on the fixed set, called as model({', '.join(shapes)}): "
            f"{type(error).__name__}: {error}; {remedy}, or leave data= out to listen to the "
            "validation loop"
        ) from error


def _by_name(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that the model's forward takes by name; none if it takes the mapping as one."""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return dict(given)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    takes_all = inspect.Parameter.VAR_KEYWORD in kinds
    fitting = {k: part for k, part in given.items() if takes_all or k in signature.parameters}
    try:
        signature.bind(**fitting)
    except TypeError:
        return {}
    return fitting


def _in_words(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} {tuple(value.shape)}" if isinstance(value, Tensor) else kind


def run_again(
    trainer: Any, model: Any, observer: Observer[Any], batch: Batch, passes: Sequence[Any]
) -> None:
    """Run a batch of the loop that runs anyway once more for each of `passes`, without a trace.

    The model is in the mode that it has in the loop. One guard is around all passes, so that what
    is drawn at random differs from one to the next.

    Raises:
        ValueError: The model cannot be run by one process alone.
        Exception: What its forward raises.
    """
    is_training = any(part.training for part in model.modules())
    if _spreads_parameters(trainer.strategy) or (n_processes() > 1 and is_training):
        raise ValueError("model: its processes have to run together")
    with _observed(trainer, model, observer, traceless):
        for current in passes:
            given = apply_to_collection(batch.inputs, Tensor, torch.clone)
            observer.begin(replace(batch, inputs=given), current)
            with trainer.precision_plugin.forward_context():
                _call(model, given)
            observer.end()


Guard = Callable[[Any], AbstractContextManager[None]]
"""From a model to a block in which it may be run."""


@contextmanager
def guarded(trainer: Any, model: Any, guard: Guard = undisturbed) -> Iterator[None]:
    """Inside, `model` may be run as in validation."""
    with (
        _validating(trainer),
        guard(model),
        silenced(model, ("log", "log_dict")),
    ):
        yield


@contextmanager
def _validating(trainer: Any) -> Iterator[None]:
    """Inside, the Trainer is in its validation state: users' hooks augment batches of training."""
    stage = trainer.state.stage
    trainer.validating = True
    try:
        yield
    finally:
        trainer.state.stage = stage


@contextmanager
def _observed(
    trainer: Any, model: Any, observer: Observer[Any], guard: Guard = undisturbed
) -> Iterator[None]:
    """As `guarded`, while `observer` listens."""
    with guarded(trainer, model, guard), unfused() if observer.is_inside_fused else nullcontext():
        observer.attach(eager=True)
        try:
            yield
        finally:
            observer.detach()


def _spreads_parameters(strategy: Any) -> bool:
    kinds = {"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"}
    return any(cls.__name__ in kinds for cls in type(strategy).__mro__)
