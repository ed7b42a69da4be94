"""One pass over a set: its predictions and labels, fed to a metric."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.log_probabilities import Kind
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.gathering import GATHERED
from it_callbacks.observation.input_keys import input_keys
from it_callbacks.observation.labels import (
    COUNTED_AS,
    KINDS,
    SeveralLabels,
    fits_of,
)
from it_callbacks.observation.prediction_rows import (
    Accumulator,
    Rows,
    count,
    counted,
    is_one_number,
    leave_interval,
)
from it_callbacks.observation.prediction_share import Share, has_shape_of, least_classes
from it_callbacks.observation.prediction_source import (
    HINT,
    Implausible,
    Source,
    Undecided,
    n_columns,
    refuse_implausible,
)
from it_callbacks.observation.processes import together
from it_callbacks.observation.sampling import Admission, Admitted
from it_callbacks.observation.small_batches import SmallBatches

MOST_NUMBERS = 2**22
"""Numbers of predictions that are copied at a time."""


M = TypeVar("M", bound=Accumulator)


@dataclass(frozen=True)
class Predicted(Generic[M]):
    """What one pass over a set has left of its predictions.

    Args:
        metric: Of all samples.
        kind: What the predictions are.
        labels: The kind of their labels.
        n_samples: How many.
        n_unlabelled: Samples left out because their label is masked: negative, say.
        source: Where the predictions come from.
        by_position: Whether the samples are positions of rows.
        is_shifted: Whether each position has the label of the next one.
        is_kind_a_guess: Whether the kind is known only from the range of the predictions.
    """

    metric: M
    kind: Kind | None
    labels: str
    n_samples: int
    n_unlabelled: int
    source: Source
    by_position: bool
    is_shifted: bool
    is_kind_a_guess: bool


class PredictionPass(Generic[M]):
    """Feeds the predictions of one pass over a set, or of a random subset of it, to a metric.

    Only all of the set can show whether numbers in [0, 1] are probabilities or logits, and whether
    rows of labels are one-hot: predictions wait for the end as long as that is open. The first
    number outside [0, 1] is a logit; after others were counted as probabilities it costs the point.

    Args:
        make_metric: From how labels are counted (a value of `COUNTED_AS`), the number of classes
            and the kind of predictions to an empty metric.
        decide: From the kinds that all labels of the pass may be of to the kind they are.
        labels: The kind of the labels, as far as earlier passes show.
        kind: What the predictions are, as far as earlier passes show.
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subset.
        hash_inputs: Whether to tell the inputs apart.
        enough: As of `SmallBatches`: what small batches give goes to the metric together.
    """

    def __init__(
        self,
        make_metric: Callable[[str, int, Kind | None], M],
        *,
        decide: Callable[[frozenset[str]], str],
        labels: str | None,
        kind: Kind | None,
        max_samples: int | None,
        seed: int,
        hash_inputs: bool = False,
        enough: int = GATHERED,
    ) -> None:
        self._small = SmallBatches[Source](enough)
        self._make_metric = make_metric
        self._decide = decide
        self._labels = labels
        self._kind = kind
        self._fits = frozenset(KINDS)
        self._ways = self._ways_of(self._fits)
        """How the labels may have to be counted."""
        self._admission = Admission(max_samples, seed)
        self._hash_inputs = hash_inputs
        self._row_keys: NDArray[np.int64] | None = None
        """Keys of the inputs of this batch's rows, where they are told apart."""
        self._waiting: list[Rows] = []
        self._metric: M | None = None
        self._mine = Share()
        self._undecided = ""
        self._contradicts = False
        """Whether a logit came after others had been counted as probabilities."""
        self.shows_logits = False
        """Whether single numbers of any process lie outside [0, 1]; known once it is over."""
        self.n_classes = 0
        """How many classes the labels have at least, of all processes; known once it is over."""
        self._outcome: Predicted[M] | Exception | None = None

    def begin(self, batch: Batch) -> None:
        """Tell the inputs of a batch apart before a model can write into them."""
        if self._hash_inputs:
            self._row_keys = batch.row_keys
            self._hash_inputs = self._row_keys is not None

    def takes(self, batch: Batch) -> bool:
        """Note the labels of a batch; whether predictions can be counted beside them."""
        fits = fits_of(batch.labels)
        if not self._fits <= fits:
            self._fits &= fits
            self._ways = self._ways_of(self._fits)
        return bool(self._ways)

    @property
    def is_undecided(self) -> bool:
        """Whether it is not known where its predictions come from."""
        return bool(self._undecided)

    def hold(self, batch: Batch, why: Undecided | None = None) -> None:
        """Note only the labels of a batch: where predictions come from is not known."""
        self._undecided = self._undecided or str(why or HINT)
        n_classes = max(self._mine.n_classes, least_classes(batch))
        self._mine = replace(self._mine, n_classes=n_classes)

    def _ways_of(self, fits: frozenset[str]) -> set[str]:
        fits = fits if self._labels is None else fits & {self._labels}
        return {COUNTED_AS[kind] for kind in fits if kind in COUNTED_AS}

    def add(
        self, predictions: Tensor, batch: Batch, source: Source, *, is_copy: bool = False
    ) -> None:
        """Take in a batch and its predictions: logits or probabilities, a row per sample.

        Args:
            predictions: The predictions.
            batch: The batch.
            source: Where they come from.
            is_copy: Whether they are a copy, which may be kept.
        """
        if not self.takes(batch) or batch.labels is None:
            return
        if self._small.is_full:
            self._settle()
        may_wait = self._row_keys is None and not has_shape_of(batch.inputs, predictions)
        if may_wait and self._small.begin(batch, predictions.numel()):
            self._small.hold(source, predictions, is_copy=is_copy)
        else:
            self._settle()
            self._take_in(predictions, batch, source)

    def _settle(self) -> None:
        """Take in all batches that have waited."""
        for batch, outputs in self._small.joined():
            for source, predictions in outputs.items():
                self._take_in(predictions, batch, source)

    def _take_in(self, predictions: Tensor, batch: Batch, source: Source) -> None:
        if batch.labels is None or not self._ways:  # later labels were of another kind
            return
        self._kind = "logits" if source.kind == "logits" else self._kind or source.kind
        admitted, labels = self._admission.admit(batch), batch.labels.values
        self._mine = self._mine.with_batch(predictions, batch, source, len(admitted.indices))
        for part in _parts(admitted, predictions):
            told_apart = self._row_keys
            inputs = (
                None if told_apart is None else input_keys(told_apart, batch.grid, part.positions)
            )
            if part.is_whole:
                self._add(Rows(predictions, labels, part.indices, inputs))
            else:
                at = torch.from_numpy(part.positions)
                some = predictions[at.to(predictions.device)]
                self._add(Rows(some, labels[at], part.indices, inputs))

    def _add(self, rows: Rows) -> None:
        predictions = rows.predictions
        if not len(rows.labels):
            return
        is_open = self._kind != "logits" and self._is_bernoulli(predictions)
        if is_open and leave_interval(predictions):
            self._contradicts |= self._kind == "probabilities" and self._metric is not None
            self.shows_logits, self._kind = True, "logits"
        if self._contradicts:
            return
        if self._is_known(predictions):
            (way,) = self._ways
            self._metric = self._metric or self._metric_for(way, predictions, self._kind)
            waiting, self._waiting = self._waiting, []
            for earlier in waiting:
                at_hand = earlier._replace(predictions=earlier.predictions.to(predictions.device))
                count(self._metric, way, at_hand)
            count(self._metric, way, rows)
        else:
            kept = predictions.detach().cpu().clone()
            self._waiting.append(rows._replace(predictions=kept))

    def _is_known(self, predictions: Tensor) -> bool:
        """Whether it is known how a batch counts, and that all of it does."""
        if self._admission.subset.size is not None or len(self._ways) > 1:
            return False
        return self._kind is not None or not self._is_bernoulli(predictions)

    def _is_bernoulli(self, predictions: Tensor) -> bool:
        """Whether each number is a distribution of its own."""
        return self._ways == {SeveralLabels.name} or is_one_number(predictions)

    def _of_this_process(self) -> tuple[M | None, list[Rows], Share, int, frozenset[str]]:
        """What the others need of it; what it refuses, all of them learn of."""
        self._settle()
        share = replace(
            self._mine,
            kind=self._kind,
            shows_logits=self.shows_logits,
            contradicts=self._contradicts,
            undecided=self._undecided,
        )
        return self._metric, self._waiting, share, self._admission.n_unlabelled, self._fits

    def finish(self) -> Predicted[M]:
        """The pass is over: the metric of all its samples, of all processes.

        With several processes all of them call this. It is worked out once, whoever asks.

        Raises:
            ValueError: No sample has a label, labels are no classes, or processes disagree about
                what predictions are.
            Implausible: These may well be no predictions.
        """
        if self._outcome is None:
            try:
                self._outcome = self._finish()
            except Exception as error:  # also for the next one who asks
                self._outcome = error
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def _finish(self) -> Predicted[M]:
        parts = together(self._of_this_process)
        shares = [share for _, _, share, _, _ in parts]
        self.n_classes = max(share.n_classes for share in shares)
        self.shows_logits = any(share.shows_logits for share in shares)
        undecided = next((share.undecided for share in shares if share.undecided), None)
        labels = self._decide(frozenset(KINDS).intersection(*(fits for *_, fits in parts)))
        if labels not in COUNTED_AS:
            raise ValueError(_NO_CLASSES[labels])
        if undecided is not None:
            raise Implausible(
                f"{undecided}. The next pass tries again, with all {self.n_classes} classes of "
                "this one"
            )
        whole = Share.of_all(shares)
        of_metrics = {share.kind for metric, _, share, _, _ in parts if metric is not None}
        if whole.contradicts or (self.shows_logits and "probabilities" in of_metrics):
            raise ValueError(
                "logits: predictions leave [0, 1] after others of this pass were read as "
                "probabilities; the next pass reads them as logits"
            )
        metric: M | None = None
        for other in (metric for metric, *_ in parts if metric is not None):
            if metric is None:
                metric = other if len(parts) == 1 else copy.deepcopy(other)
            else:
                metric.merge_state(other)
        n_samples, kind, is_guess = whole.n_admitted, whole.kind, False
        waiting = [rows for _, of_part, *_ in parts for rows in of_part]
        if waiting:
            known = kind
            kind, metric, n_waiting = self._count(waiting, COUNTED_AS[labels], metric, kind)
            is_guess = known is None and kind == "probabilities"
            n_samples = n_samples if self._admission.subset.size is None else n_waiting
        if metric is None or whole.source is None:
            raise ValueError("target: no sample has a label >= 0")
        refuse_implausible(
            whole.source, whole.n_columns, whole.n_classes, like_inputs=whole.like_inputs
        )
        n_unlabelled = sum(n_unlabelled for *_, n_unlabelled, _ in parts)
        return Predicted(
            metric,
            kind,
            labels,
            n_samples,
            n_unlabelled,
            whole.source,
            whole.by_position,
            bool(whole.is_shifted),
            is_guess,
        )

    def _count(
        self,
        waiting: Sequence[Rows],
        way: str,
        metric: M | None,
        kind: Kind | None,
    ) -> tuple[Kind | None, M, int]:
        """Feed what has waited to the metric; what the predictions are, and how many."""
        parts = self._chosen(waiting, way)
        first = parts[0].predictions
        is_bernoulli = way == SeveralLabels.name or is_one_number(first)
        if is_bernoulli and kind != "logits":
            leave = any(leave_interval(rows.predictions) for rows in parts)
            kind = "logits" if leave else "probabilities"
        metric = metric or self._metric_for(way, first, kind)
        for rows in parts:
            count(metric, way, rows)
        return kind, metric, sum(len(rows.labels) for rows in parts)

    def _chosen(self, waiting: Sequence[Rows], way: str) -> Sequence[Rows]:
        """What has waited: batch by batch, or the random subset of it."""
        if self._admission.subset.size is None:
            return waiting
        indices = np.concatenate([rows.indices for rows in waiting])
        chosen = self._admission.subset.chosen(indices)
        at = torch.from_numpy(chosen)
        keys = [rows.inputs for rows in waiting if rows.inputs is not None]
        return [
            Rows(
                torch.cat([rows.predictions for rows in waiting])[at],
                torch.cat([counted(way, rows.labels) for rows in waiting])[at],
                indices[chosen],
                np.concatenate(keys)[chosen] if len(keys) == len(waiting) else None,
            )
        ]

    def _metric_for(self, way: str, predictions: Tensor, kind: Kind | None) -> M:
        return self._make_metric(way, n_columns(predictions), kind)


def _parts(admitted: Admitted, predictions: Tensor) -> Iterator[Admitted]:
    """The admitted samples, as many at a time as to take them out costs little memory."""
    if admitted.is_whole:
        yield admitted
        return
    width = max(1, predictions[:1].numel())
    for start in range(0, len(admitted.indices), step := max(1, MOST_NUMBERS // width)):
        yield admitted.part(slice(start, start + step))


_COARSER = "pass target=<function of the batch that gives class numbers>"
_NO_CLASSES = {
    "regression": "target: the labels are a regression target, so there are no classes whose "
    f"predictions could be measured; {_COARSER}, such as quartiles",
    "columns": "target: the labels are several columns of numbers, so there are no classes whose "
    f"predictions could be measured; {_COARSER}",
    "none": "target: there are no labels in the batches, so predictions are not measured; "
    "pass target=<key, index or function of the batch that gives class numbers>",
}
