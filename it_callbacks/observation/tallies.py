"""Count predictions in every way that the labels of a pass may ask for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor

from it_callbacks.observation.labels import KINDS, Labels, fits_of


class Accumulator(Protocol):
    """What takes in predictions and labels: a `torchmetrics.Metric`."""

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Take in the predictions ``(n, ...)`` and labels ``(n, ...)`` of a batch."""

    def merge_state(self, incoming_state: Any) -> None:
        """Add what another one has taken in."""


M = TypeVar("M", bound=Accumulator)

COUNTED_AS: Mapping[str, str] = {
    "classes": "classes",
    "soft": "classes",
    "multi-label": "multi-label",
}
"""In which way the predictions of each kind of labels are counted; of the others in none."""


class Tallies(Generic[M]):
    """The metrics of a pass: one for each way in which its labels may have to be counted.

    Only the whole pass shows whether rows are one-hot or of several labels. Until then both are
    counted, and what one of them refuses does not matter to the other.

    Args:
        make_metric: From the way and the number of columns of predictions to an empty metric.
        kind: The kind of the labels, if it was decided on earlier.
    """

    def __init__(self, make_metric: Callable[[str, int], M], kind: str | None) -> None:
        self._make_metric = make_metric
        self.fits = frozenset(KINDS)
        """Names of the kinds that all labels so far may be of."""
        self.metrics: dict[str, M | Exception] = {}
        """By way, what has been counted, or why it could not be."""
        self._kind = kind

    def note(self, labels: Labels | None) -> bool:
        """Note the kinds that the labels of a batch may be of; whether any can be counted."""
        self.fits &= fits_of(labels)
        return bool(self._ways())

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count the predictions ``(n, ...)`` and labels ``(n,)`` or ``(n, n_columns)`` of a batch.

        Raises:
            Exception: What the metric raises, if there is only one.
        """
        ways = self._ways()
        n_columns = predictions.shape[1] if predictions.ndim == 2 else 1
        for way in sorted(ways):
            try:
                if way not in self.metrics:
                    self.metrics[way] = self._make_metric(way, n_columns)
                metric = self.metrics[way]
                if not isinstance(metric, Exception):
                    _count(metric, way, predictions, labels, n_columns)
            except Exception as error:
                if len(ways) == 1:
                    raise
                self.metrics[way] = error

    def merge(self, parts: Iterable[tuple[frozenset[str], Mapping[str, M | Exception]]]) -> None:
        """Take the `fits` and `metrics` of all processes in place of those of this one."""
        self.metrics = {}
        for fits, metrics in parts:
            self.fits &= fits
            for way, metric in metrics.items():
                mine = self.metrics.get(way)
                if mine is None or isinstance(metric, Exception):
                    self.metrics[way] = copy.deepcopy(metric)
                elif not isinstance(mine, Exception):
                    mine.merge_state(metric)

    def of(self, kind: str) -> M | None:
        """What was counted for labels of a kind; None if there was no sample.

        Raises:
            Exception: Why they cannot be counted.
        """
        if kind not in COUNTED_AS:
            raise ValueError(_NO_CLASSES[kind])
        metric = self.metrics.get(COUNTED_AS[kind])
        if isinstance(metric, Exception):
            raise metric
        return metric

    def _ways(self) -> set[str]:
        fits = self.fits if self._kind is None else self.fits & {self._kind}
        return {COUNTED_AS[kind] for kind in fits if kind in COUNTED_AS}


def _count(metric: M, way: str, predictions: Tensor, labels: Tensor, n_columns: int) -> None:
    if way == "multi-label":
        metric.update(predictions, labels)
        return
    classes = labels.long() if labels.ndim == 1 else labels.argmax(1)
    n_classes, largest = max(2, n_columns), int(classes.max())
    if largest >= n_classes:
        raise ValueError(
            f"target: there is a label {largest}, but predictions for classes 0 to "
            f"{n_classes - 1} only; if {largest} marks samples without a label, pass "
            f"ignore_index={largest}"
        )
    metric.update(predictions, classes)


_COARSER = "pass target=<function of the batch that gives class numbers>"
_NO_CLASSES = {
    "regression": "target: the labels are a regression target, so there are no classes whose "
    f"predictions could be measured; {_COARSER}, such as quartiles",
    "columns": "target: the labels are several columns of numbers, so there are no classes whose "
    f"predictions could be measured; {_COARSER}",
    "none": "target: there are no labels in the batches, so predictions are not measured; "
    "pass target=<key, index or function of the batch that gives class numbers>",
}
