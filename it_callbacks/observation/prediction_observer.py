"""A model in; its predictions, batch by batch, beside the labels, out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from it_callbacks.observation.batches import Selector, select
from it_callbacks.observation.layers import is_heard, named_modules, refuse_scripted
from it_callbacks.observation.listening import ROOT, Firing, Listener
from it_callbacks.observation.processes import together
from it_callbacks.observation.sampling import Subset


class Accumulator(Protocol):
    """What takes in predictions and labels: a `torchmetrics.Metric`."""

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Take in the predictions ``(n, ...)`` and class numbers ``(n,)`` of a batch."""

    def merge_state(self, incoming_state: Any) -> None:
        """Add what another one has taken in."""


M = TypeVar("M", bound=Accumulator)


class PredictionPass(Generic[M]):
    """One pass over a set: all predictions go into a metric, or a random subset of them.

    Args:
        make_metric: From the number of classes to an empty metric.
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subset.
    """

    def __init__(
        self, make_metric: Callable[[int], M], *, max_samples: int | None, seed: int
    ) -> None:
        self._make_metric = make_metric
        self._subset = Subset(max_samples, seed)
        self._waiting: list[tuple[NDArray[np.int64], Tensor, Tensor]] = []
        self._metric: M | None = None
        self.n_samples = 0
        self.may_be_probabilities = True
        """Whether predictions were one number per sample, all in [0, 1]."""
        self.n_unlabelled = 0

    def add(self, predictions: Tensor, labels: Tensor, indices: NDArray[np.int64]) -> None:
        """Take in a batch.

        Args:
            predictions: Logits or probabilities, a row per sample.
            labels: Class numbers ``(n,)``; negative ones (an ignore index) are left out.
            indices: Which samples of the set they are, ``(n,)``; negative ones are left out, since
                another process has them.
        """
        numbers = labels.cpu().numpy()
        labelled = np.flatnonzero((numbers >= 0) & (indices >= 0))
        self.n_unlabelled += int(((numbers < 0) & (indices >= 0)).sum())
        rows = labelled[self._subset.admit(indices[labelled])]
        if len(rows) < len(labels):
            keep = torch.from_numpy(rows).to(labels.device)
            predictions, labels = predictions[keep], labels[keep]
        if self._subset.size is None:
            self._update(predictions, labels)
        elif len(rows):
            # Which of them stay is only known at the end.
            self._waiting.append((indices[rows], predictions.detach().cpu().clone(), labels.cpu()))

    def finish(self) -> M:
        """The pass is over: the metric of all its samples, of all processes.

        With several processes all of them call this.
        """
        parts = together(lambda: (self._metric, self._waiting, self.n_samples, self.n_unlabelled))
        waiting = [rows for part in parts for rows in part[1]]
        self.n_samples = sum(part[2] for part in parts)
        self.n_unlabelled = sum(part[3] for part in parts)
        self._metric = None
        for metric in (part[0] for part in parts if part[0] is not None):
            if self._metric is None:
                self._metric = copy.deepcopy(metric)
            else:
                self._metric.merge_state(metric)
        if waiting:
            chosen = self._subset.chosen(np.concatenate([indices for indices, _, _ in waiting]))
            rows = torch.from_numpy(chosen)
            self._update(
                torch.cat([predictions for _, predictions, _ in waiting])[rows],
                torch.cat([labels for _, _, labels in waiting])[rows],
            )
        self._waiting = []
        if self._metric is None:
            raise ValueError("target: no sample has a label >= 0")
        return self._metric

    def _update(self, predictions: Tensor, labels: Tensor) -> None:
        if not len(labels):
            return
        one_number = predictions.ndim == 1 or predictions.shape[1] == 1
        in_range = bool(((predictions >= 0) & (predictions <= 1)).all())
        self.may_be_probabilities &= one_number and in_range
        if self._metric is None:
            n_columns = predictions.shape[1] if predictions.ndim == 2 else 1
            self._metric = self._make_metric(max(2, n_columns))
        self._metric.update(predictions, labels)
        self.n_samples += len(labels)


class PredictionObserver:
    """Listens for a model's predictions.

    By default they are what the innermost call of the model's own forward returns, else what the
    last module to fire returns with a floating ``(n_samples, K >= 2)`` output.

    Args:
        model: The module to listen to.
        logits: Where the predictions are: the dotted name of a module, or a key, an index or a
            function of what the model's forward returns. None for the default.
    """

    def __init__(self, model: nn.Module, logits: Selector | None) -> None:
        self._named = named_modules(model)
        self._logits = logits
        modules: dict[str, nn.Module] = {ROOT: model}
        if isinstance(logits, str) and logits in self._named:
            refuse_scripted("logits", logits, self._named[logits])
            self._source: str | None = logits
            modules = {logits: self._named[logits]}
        elif logits is not None:
            self._source = ROOT
        else:
            self._source = None
            modules |= {
                name: part for name, part in self._named.items() if is_heard(name, self._named)
            }
        self._listener = Listener(modules, self._hear)
        self._current: PredictionPass[Any] | None = None
        self._labels = torch.empty(0, dtype=torch.int64)
        self._indices = np.arange(0)
        self._heard: dict[str, Tensor] = {}
        self._shapes: dict[str, str] = {}

    @property
    def seconds(self) -> float:
        """Time spent in hooks so far."""
        return self._listener.seconds

    @seconds.setter
    def seconds(self, value: float) -> None:
        self._listener.seconds = value

    @property
    def source(self) -> str:
        """Where the predictions were found, in words."""
        if self._source is None:
            return "not found yet"
        return "the model's forward" if self._source == ROOT else self._source

    def attach(self) -> None:
        """Put hooks on the model. Safe to call twice."""
        self._listener.attach()

    def detach(self) -> None:
        """Take them off. Safe to call twice."""
        self._listener.detach()
        self._heard.clear()

    def begin(
        self,
        current: PredictionPass[Any] | None,
        labels: Tensor,
        inputs: Any,
        indices: NDArray[np.int64],
    ) -> None:
        """A batch begins; with no pass it only checks that predictions can be found."""
        self._current, self._labels, self._indices = current, labels, indices
        self._heard.clear()
        self._shapes.clear()
        self._listener.begin()

    def end(self) -> None:
        """The batch has ended; raises what went wrong while it was heard."""
        self._listener.end()
        if self._listener.error is not None:
            raise self._listener.error
        if self._source is None:
            self._decide()
        if self._source not in self._heard:
            raise ValueError(
                f"logits: {self.source} gave no predictions for {len(self._labels)} labels in this "
                f"batch; it gave {self._shapes or 'nothing'}. {_HINT}"
            )
        predictions = self._heard[self._source]
        self._heard.clear()
        if self._current is not None:
            self._current.add(predictions, self._labels, self._indices)

    def _hear(self, firing: Firing) -> None:
        output = firing.output
        if self._logits is not None and firing.name == ROOT:
            output = self._select(output, self._logits)
        if not isinstance(output, Tensor):
            self._shapes[firing.name] = type(output).__name__
            return
        self._shapes[firing.name] = str(tuple(output.shape))
        if not output.is_floating_point() or not _fits(output, len(self._labels)):
            return
        if self._source is None and firing.name != ROOT and output.ndim != 2:
            return  # only the model's own output may be one Bernoulli logit per sample
        if self._source is None and firing.name != ROOT and output.shape[1] < 2:
            return
        # Kept in order of firing: a later one of the same name comes last.
        self._heard.pop(firing.name, None)
        self._heard[firing.name] = output.detach().clone()

    def _select(self, output: Any, logits: Selector) -> Any:
        try:
            return select(output, logits, "logits")
        except ValueError as error:
            if not isinstance(logits, str):
                raise
            near = get_close_matches(logits, self._named, 1, 0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{error}, and no module of that name{hint}") from error

    def _decide(self) -> None:
        if not self._heard:
            raise ValueError(
                f"logits: no module gave predictions (n_samples, n_classes) for "
                f"{len(self._labels)} labels; the model gave "
                f"{self._shapes.get(ROOT, 'nothing through its forward')}. {_HINT}"
            )
        self._source = ROOT if ROOT in self._heard else list(self._heard)[-1]
        time_so_far, attached = self._listener.seconds, self._listener.attached
        module = self._listener.modules[self._source]
        self._listener.detach()
        self._listener = Listener({self._source: module}, self._hear)
        self._listener.seconds = time_so_far
        if attached:
            self._listener.attach()


_HINT = (
    "Pass logits=<name of the module that gives them, or key, index or function of what the "
    "model's forward returns>"
)


def _fits(output: Tensor, n_samples: int) -> bool:
    return output.ndim in (1, 2) and len(output) == n_samples
