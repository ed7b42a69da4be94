"""Observe a model's predictions, batch by batch, beside the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from it_callbacks.checks import nearest
from it_callbacks.observation.batches import Batch, Selector, select
from it_callbacks.observation.labels import SeveralLabels
from it_callbacks.observation.listening import ROOT, Firing, Listener
from it_callbacks.observation.modules import is_heard, named_modules, refuse_scripted
from it_callbacks.observation.processes import together
from it_callbacks.observation.sampling import Admission
from it_callbacks.observation.tallies import M, Tallies


@dataclass(frozen=True)
class Predicted(Generic[M]):
    """What one pass over a set has left of its predictions.

    Args:
        metric: Of all samples.
        labels: The kind of their labels.
        n_samples: How many.
        n_unlabelled: Samples left out because their label is masked: negative, say.
        look_like_probabilities: Whether predictions were one number per sample, or per label of
            several, and all in [0, 1].
    """

    metric: M
    labels: str
    n_samples: int
    n_unlabelled: int
    look_like_probabilities: bool


class PredictionPass(Generic[M]):
    """Feeds the predictions of one pass over a set, or of a random subset of it, to a metric.

    Args:
        make_metric: From the way to count, one of `COUNTED_AS`, and the number of columns of
            predictions to an empty metric.
        decide: From the kinds that all labels of the pass may be of to the kind they are.
        kind: The kind of the labels, if it was decided on earlier.
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subset.
    """

    def __init__(
        self,
        make_metric: Callable[[str, int], M],
        *,
        decide: Callable[[frozenset[str]], str],
        kind: str | None,
        max_samples: int | None,
        seed: int,
    ) -> None:
        self._decide = decide
        self._tallies = Tallies(make_metric, kind)
        self._admission = Admission(max_samples, seed)
        self._waiting: list[tuple[NDArray[np.int64], Tensor, Tensor]] = []
        self._n_samples = 0
        self._in_unit_interval = True
        self._one_number = True

    def add(self, predictions: Tensor, batch: Batch) -> None:
        """Take in a batch and its predictions: logits or probabilities, a row per sample."""
        admitted = self._admission.admit(batch)
        if not self.takes(batch) or batch.labels is None:
            return
        labels = batch.labels.values
        if not admitted.is_whole:
            keep = torch.from_numpy(admitted.positions)
            predictions, labels = predictions[keep.to(predictions.device)], labels[keep]
        if self._admission.subset.size is None:
            self._update(predictions, labels)
        elif len(labels):
            # Which of them stay is only known at the end.
            self._waiting.append((admitted.indices, predictions.detach().cpu().clone(), labels))

    def takes(self, batch: Batch) -> bool:
        """Note the labels of a batch; whether predictions can be counted beside them."""
        return self._tallies.note(batch.labels)

    def finish(self) -> Predicted[M]:
        """The pass is over: the metric of all its samples, of all processes.

        With several processes all of them call this.

        Raises:
            ValueError: No sample has a label, or no class.
        """
        tallies = self._tallies
        mine = (
            (tallies.fits, tallies.metrics),
            self._waiting,
            self._n_samples,
            self._admission.n_unlabelled,
        )
        parts = together(lambda: mine)
        self._n_samples = sum(n_samples for _, _, n_samples, _ in parts)
        tallies.merge([counted for counted, *_ in parts])
        waiting = [rows for _, of_part, _, _ in parts for rows in of_part]
        if waiting:
            indices, predictions, labels = (list(column) for column in zip(*waiting, strict=True))
            rows = torch.from_numpy(self._admission.subset.chosen(np.concatenate(indices)))
            self._update(torch.cat(predictions)[rows], torch.cat(labels)[rows])
        self._waiting = []
        kind = self._decide(tallies.fits)
        metric = tallies.of(kind)
        if metric is None:
            raise ValueError("target: no sample has a label >= 0")
        return Predicted(
            metric,
            kind,
            self._n_samples,
            sum(n_unlabelled for *_, n_unlabelled in parts),
            self._in_unit_interval and (self._one_number or kind == SeveralLabels.name),
        )

    def _update(self, predictions: Tensor, labels: Tensor) -> None:
        if not len(labels):
            return
        self._one_number &= predictions.ndim == 1 or predictions.shape[1] == 1
        self._in_unit_interval &= bool(((predictions >= 0) & (predictions <= 1)).all())
        self._tallies.update(predictions, labels)
        self._n_samples += len(labels)


class PredictionObserver:
    """Observes a model's predictions.

    By default they are what the innermost call of the model's own forward returns, else what the
    last module to run returns with a floating ``(n_samples, K >= 2)`` output.

    Args:
        model: The module to observe.
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
        self.listener = Listener(modules, self._take)
        self._batch: Batch | None = None
        self._pass: PredictionPass[Any] | None = None
        self._outputs: dict[str, Tensor] = {}
        self._shapes: dict[str, str] = {}

    @property
    def source(self) -> str:
        """Where the predictions were found, in words."""
        if self._source is None:
            return "not found yet"
        return "the model's forward" if self._source == ROOT else self._source

    def attach(self) -> None:
        """Put hooks on the model. Safe to call twice."""
        self.listener.attach()

    def detach(self) -> None:
        """Take them off. Safe to call twice."""
        self.listener.detach()
        self._outputs.clear()

    def begin(self, batch: Batch, current: PredictionPass[Any]) -> None:
        """A batch of a pass begins."""
        self._batch, self._pass = batch, current
        self._outputs.clear()
        self._shapes.clear()
        self.listener.begin()

    def end(self) -> None:
        """The batch has ended; raises what went wrong while it was observed."""
        self.listener.end()
        if self.listener.error is not None:
            raise self.listener.error
        if self._batch is None or self._pass is None:
            raise RuntimeError("end: no batch has begun")
        if not self._pass.takes(self._batch):
            self._outputs.clear()
            return
        source = self._found_source(len(self._batch))
        if source not in self._outputs:
            raise ValueError(
                f"logits: {self.source} gave no predictions for {len(self._batch)} labels in this "
                f"batch; it gave {self._shapes or 'nothing'}. {_HINT}"
            )
        predictions = self._outputs[source]
        self._outputs.clear()
        self._pass.add(predictions, self._batch)

    def _take(self, firing: Firing) -> None:
        output, n_samples = firing.output, 0 if self._batch is None else len(self._batch)
        if self._logits is not None and firing.name == ROOT:
            output = self._select(output, self._logits)
        if not isinstance(output, Tensor):
            self._shapes[firing.name] = type(output).__name__
            return
        self._shapes[firing.name] = str(tuple(output.shape))
        if not output.is_floating_point() or not _fits(output, n_samples):
            return
        if self._source is None and firing.name != ROOT and output.ndim != 2:
            return  # only the model's own output may be one Bernoulli logit per sample
        if self._source is None and firing.name != ROOT and output.shape[1] < 2:
            return
        # Kept in the order of calls: a later one of the same name comes last.
        self._outputs.pop(firing.name, None)
        self._outputs[firing.name] = output.detach().clone()

    def _select(self, output: Any, logits: Selector) -> Any:
        try:
            return select(output, logits, "logits")
        except ValueError as error:
            if not isinstance(logits, str):
                raise
            hint = nearest(logits, self._named)
            raise ValueError(f"{error}, and no module of that name{hint}") from error

    def _found_source(self, n_samples: int) -> str:
        """Where predictions come from; the first batch decides."""
        if self._source is None:
            if not self._outputs:
                raise ValueError(
                    f"logits: no module gave predictions (n_samples, n_classes) for {n_samples} "
                    f"labels; the model gave "
                    f"{self._shapes.get(ROOT, 'nothing through its forward')}. {_HINT}"
                )
            self._source = ROOT if ROOT in self._outputs else list(self._outputs)[-1]
            self.listener.narrow({self._source}, self._take)
        return self._source


_HINT = (
    "Pass logits=<name of the module that gives them, or key, index or function of what the "
    "model's forward returns>"
)


def _fits(output: Tensor, n_samples: int) -> bool:
    return output.ndim in (1, 2) and len(output) == n_samples
