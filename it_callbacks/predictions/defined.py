"""Feed metrics the predictions that are a distribution over classes, and count the others.

Several monitors may want the same predictions: each has a metric of its own, and all are fed with
one reading. Where inputs repeat, the values are of all samples, and what they are worth is that of
the distinct ones: a second metric counts each pair of an input and its label once.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.log_probabilities import Kind, defined_rows
from it_callbacks.multi_label import MultiLabelConditionalEntropy, MultiLabelPredictionEntropy
from it_callbacks.observation.distinct import Distinct, sample_numbers
from it_callbacks.prediction_metric import PredictionMetric, count

Metric = PredictionMetric[Any]
Make = Callable[[str, int, Kind | None], Metric]
"""From how labels are counted, the number of classes and the kind of predictions to a metric."""

OF_DISTINCT = frozenset(
    (
        *("label_bound_se", "information_soft_chance", "information_soft_adjusted"),
        *("information_hard_chance", "information_hard_adjusted", "information_status"),
    )
)
"""What a metric computes from distinct samples."""


class Makers:
    """Makes the metrics of all who want the predictions of one pass.

    Args:
        who: The first of them.
        make: Makes an empty metric for it.
    """

    def __init__(self, who: str, make: Make) -> None:
        self._makers = {who: make}

    def add(self, who: str, make: Make) -> None:
        """Another one wants them, too."""
        self._makers[who] = make

    def __call__(self, way: str, n_classes: int, kind: Kind | None) -> DefinedRows:
        """All metrics; who cannot have one is told so when it asks, unless nobody can.

        Raises:
            ValueError: There is none for anybody.
        """
        made, faults = dict[str, Metric](), dict[str, ValueError]()
        for who, make in self._makers.items():
            try:
                made[who] = make(way, n_classes, kind)
            except ValueError as error:
                faults[who] = error
        if not made:
            raise next(iter(faults.values()))
        return DefinedRows(made, faults)


class DefinedRows:
    """Metrics of those rows of predictions that are a distribution.

    One row of NaN costs that row, not the point.

    Args:
        metrics: Empty ones, of one kind of labels, by who wants them.
        faults: Why others have none.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        faults: Mapping[str, ValueError] = MappingProxyType({}),
    ) -> None:
        self._metrics = dict(metrics)
        """Of all samples."""
        self._faults = dict(faults)
        self.n_left_out = 0
        """Rows that are no distribution: NaN, +inf among several classes, or -inf in all."""
        self.is_mixed = False
        """Whether processes have met the same inputs, so that nobody has counted each once."""
        self._n_samples = 0
        self._once: dict[str, Metric] | None = None
        self._met: Distinct | None = Distinct()
        """The samples met so far; None where they are not told apart."""

    @property
    def metric(self) -> Metric:
        """One of them: all have counted the same samples."""
        return next(iter(self._metrics.values()))

    def of(self, who: str) -> Metric:
        """The metric of one of those who wanted the predictions.

        Raises:
            ValueError: It could not be made.
        """
        if who in self._faults:
            raise self._faults[who]
        return self._metrics[who]

    def once(self, who: str) -> Metric:
        """The metric of one of them of distinct samples, as far as they were told apart."""
        metric = self.of(who)
        return metric if self._once is None else self._once[who]

    @property
    def share_repeated(self) -> float | None:
        """Share of the samples that were there before, with the same label; None if not known."""
        if self._met is None or not self._n_samples:
            return None
        return 1 - len(self._met) / self._n_samples

    def computed(self, who: str) -> dict[str, float]:
        """What a metric computes; NaN for what only a count of distinct samples would show."""
        values = self.of(who).values(self.once(who))
        if self.is_mixed:
            values |= dict.fromkeys(OF_DISTINCT & set(values), math.nan)
        return values

    def update(
        self, predictions: Tensor, labels: Tensor, inputs: NDArray[np.int64] | None = None
    ) -> None:
        """Take in the predictions ``(n, ...)`` of a batch, and its class numbers or columns.

        Args:
            predictions: A row for each sample.
            labels: As the metric takes them.
            inputs: Keys ``(n, 2)`` of the inputs; None where they are not told apart.
        """
        if isinstance(self.metric, _SEVERAL_LABELS):  # each number is a distribution of its own
            defined = ~predictions.isnan().any(1)
        else:
            defined = defined_rows(predictions)
        if not defined.all():
            self.n_left_out += int((~defined).sum())
            predictions, labels = predictions[defined], labels[defined.to(labels.device)]
            inputs = None if inputs is None else inputs[defined.cpu().numpy()]
        if not len(labels):
            return
        first = self._first(inputs, labels)
        self._n_samples += len(labels)
        count([*self._metrics.values()], predictions, labels)
        if first is not None and self._once is not None and first.any():
            places = torch.from_numpy(np.flatnonzero(first))
            of_first = predictions[places.to(predictions.device)]
            count([*self._once.values()], of_first, labels[places.to(labels.device)])

    def merge_state(self, incoming_state: DefinedRows) -> None:
        """Add what another one has taken in."""
        if self._met is None or incoming_state._met is None:
            self._met = self._once = None
        else:
            if self._once is not None or incoming_state._once is not None:
                self._once = copy.deepcopy(self._metrics if self._once is None else self._once)
                _merge(self._once, incoming_state._once or incoming_state._metrics)
            self.is_mixed |= incoming_state.is_mixed or self._met.meets(incoming_state._met)
            self._met.merge(incoming_state._met)
        self._n_samples += incoming_state._n_samples
        self._faults |= incoming_state._faults
        _merge(self._metrics, incoming_state._metrics)
        self.n_left_out += incoming_state.n_left_out

    def _first(self, inputs: NDArray[np.int64] | None, labels: Tensor) -> NDArray[np.bool_] | None:
        """Which samples are there for the first time; from the first repeat on two metrics count.

        None where that is not known; then all samples count.
        """
        if inputs is None or self._met is None:
            self._met = self._once = None
            return None
        first = self._met.first(sample_numbers(inputs, labels))
        if self._once is None and not first.all():
            self._once = copy.deepcopy(self._metrics)
        return first


_SEVERAL_LABELS = (MultiLabelPredictionEntropy, MultiLabelConditionalEntropy)


def _merge(metrics: Mapping[str, Metric], others: Mapping[str, Metric]) -> None:
    for who in metrics.keys() & others.keys():
        metrics[who].merge_state(others[who])
