"""One pass over a set: its predictions and labels, fed to a metric."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.log_probabilities import Kind
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.prediction_source import (
    HINT,
    Source,
    n_columns,
    refuse_implausible,
)
from it_callbacks.observation.processes import together
from it_callbacks.observation.sampling import Admission


class Accumulator(Protocol):
    """What takes in predictions and labels: a `torchmetrics.Metric`."""

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Take in the predictions ``(n, ...)`` and class numbers ``(n,)`` of a batch."""

    def merge_state(self, incoming_state: Any) -> None:
        """Add what another one has taken in."""


M = TypeVar("M", bound=Accumulator)


@dataclass(frozen=True)
class Predicted(Generic[M]):
    """What one pass over a set has left of its predictions.

    Args:
        metric: Of all samples.
        kind: What the predictions are.
        n_samples: How many.
        n_unlabelled: Samples left out because their label is negative (an ignore index).
        source: Where the predictions come from.
    """

    metric: M
    kind: Kind | None
    n_samples: int
    n_unlabelled: int
    source: Source


class PredictionPass(Generic[M]):
    """Feeds the predictions of one pass over a set, or of a random subset of it, to a metric.

    One number per sample may be a logit or a probability, which only all of the set can show: it
    is fed to the metric at the end.

    Args:
        make_metric: From the number of classes and the kind of predictions to an empty metric.
        kind: What the predictions are, as far as earlier passes show.
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subset.
    """

    def __init__(
        self,
        make_metric: Callable[[int, Kind | None], M],
        *,
        kind: Kind | None,
        max_samples: int | None,
        seed: int,
    ) -> None:
        self._make_metric = make_metric
        self._kind = kind
        self._admission = Admission(max_samples, seed)
        self._waiting: list[tuple[NDArray[np.int64], Tensor, Tensor]] = []
        self._metric: M | None = None
        self._mine = _Share()

    def add(self, predictions: Tensor, batch: Batch, source: Source) -> None:
        """Take in a batch and its predictions: logits or probabilities, a row per sample."""
        admitted, labels = self._admission.admit(batch), batch.labels
        self._mine = self._mine.with_batch(predictions, batch, source, len(admitted.indices))
        if not admitted.is_whole:
            keep = torch.from_numpy(admitted.positions).to(labels.device)
            predictions, labels = predictions[keep], labels[keep]
        if not len(labels):
            return
        if self._admission.subset.size is None and not _is_one_number(predictions):
            self._metric = self._metric or self._metric_for(predictions, self._kind)
            self._metric.update(predictions, labels)
        else:
            # Which of them stay, and what they are, is only known at the end.
            kept = predictions.detach().cpu().clone()
            self._waiting.append((admitted.indices, kept, labels.cpu()))

    def finish(self) -> Predicted[M]:
        """The pass is over: the metric of all its samples, of all processes.

        With several processes all of them call this.

        Raises:
            ValueError: No sample has a label, or processes disagree about what predictions are.
            Implausible: These may well be no predictions.
        """
        mine = (self._metric, self._waiting, self._mine, self._admission.n_unlabelled)
        parts = together(lambda: mine)
        whole = _Share.of_all([share for _, _, share, _ in parts])
        metric: M | None = None
        for other in (metric for metric, *_ in parts if metric is not None):
            if metric is None:
                metric = copy.deepcopy(other)
            else:
                metric.merge_state(other)
        n_samples, kind = whole.n_admitted, self._kind
        waiting = [rows for _, of_part, _, _ in parts for rows in of_part]
        if waiting:
            indices, predictions, labels = (list(column) for column in zip(*waiting, strict=True))
            rows = torch.from_numpy(self._admission.subset.chosen(np.concatenate(indices)))
            values, n_samples = torch.cat(predictions)[rows], len(rows)
            if _is_one_number(values) and kind != "logits":
                is_share = not bool(((values < 0) | (values > 1)).any())  # NaN is left out
                kind = "probabilities" if is_share else "logits"
            metric = self._metric_for(values, kind)
            metric.update(values, torch.cat(labels)[rows])
        if metric is None or whole.source is None:
            raise ValueError("target: no sample has a label >= 0")
        refuse_implausible(
            whole.source, whole.n_columns, whole.n_classes, like_inputs=whole.like_inputs
        )
        n_unlabelled = sum(n_unlabelled for *_, n_unlabelled in parts)
        return Predicted(metric, kind, n_samples, n_unlabelled, whole.source)

    def _metric_for(self, predictions: Tensor, kind: Kind | None) -> M:
        return self._make_metric(n_columns(predictions), kind)


@dataclass(frozen=True)
class _Share:
    """What one process has seen of the predictions of a pass.

    Args:
        source: Where they come from; None before the first batch.
        n_columns: How many classes they have.
        n_classes: How many classes the labels have at least.
        like_inputs: Whether all had the shape of their inputs.
        n_admitted: How many samples were admitted.
    """

    source: Source | None = None
    n_columns: int = 0
    n_classes: int = 0
    like_inputs: bool = True
    n_admitted: int = 0

    def with_batch(
        self, predictions: Tensor, batch: Batch, source: Source, n_admitted: int
    ) -> _Share:
        """The same after one more batch."""
        return _Share(
            source,
            max(self.n_columns, n_columns(predictions)),
            max(self.n_classes, least_classes(batch)),
            self.like_inputs and _has_shape_of(batch.inputs, predictions),
            self.n_admitted + n_admitted,
        )

    @staticmethod
    def of_all(shares: Sequence[_Share]) -> _Share:
        """What all processes have seen.

        Raises:
            ValueError: They found predictions in different places.
        """
        some = [share for share in shares if share.source is not None]
        sources = {share.source for share in some}
        if len(sources) > 1:
            places = ", ".join(sorted(map(str, sources)))
            raise ValueError(f"logits: processes found predictions in {places}. {HINT}")
        return _Share(
            some[0].source if some else None,
            max((share.n_columns for share in some), default=0),
            max((share.n_classes for share in some), default=0),
            all(share.like_inputs for share in some),
            sum(share.n_admitted for share in some),
        )


def least_classes(batch: Batch) -> int:
    """How many classes there are at least, as the labels of a batch show; 2 in any case."""
    return max(2, int(batch.labels.max()) + 1 if len(batch.labels) else 0)


def _is_one_number(predictions: Tensor) -> bool:
    return predictions.ndim == 1 or predictions.shape[1] == 1


def _has_shape_of(inputs: Any, predictions: Tensor) -> bool:
    return isinstance(inputs, Tensor) and inputs.shape == predictions.shape
