"""Feed a metric the predictions that are a distribution over classes, and count the others.

Where inputs repeat, the values are of all samples, and what they are worth is that of the distinct
ones: a second metric counts each pair of an input and its label once.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.log_probabilities import defined_rows
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.multi_label import MultiLabelConditionalEntropy, MultiLabelPredictionEntropy
from it_callbacks.observation.distinct import Distinct, sample_numbers

SeveralLabels = MultiLabelPredictionEntropy | MultiLabelConditionalEntropy
Metric = PredictionEntropy | ConditionalEntropy | SeveralLabels

OF_DISTINCT = frozenset(
    (
        *("label_bound_se", "information_soft_chance", "information_soft_adjusted"),
        *("information_hard_chance", "information_hard_adjusted", "information_status"),
    )
)
"""What a metric computes from distinct samples."""


class DefinedRows:
    """A metric of those rows of predictions that are a distribution.

    One row of NaN costs that row, not the point.

    Args:
        metric: An empty metric.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        """Of all samples."""
        self.n_left_out = 0
        """Rows that are no distribution: NaN, +inf among several classes, or -inf in all."""
        self.is_mixed = False
        """Whether processes have met the same inputs, so that nobody has counted each once."""
        self._n_samples = 0
        self._once: Metric | None = None
        self._met: Distinct | None = Distinct()
        """The samples met so far; None where they are not told apart."""

    @property
    def once(self) -> Metric:
        """Of distinct samples, as far as they were told apart."""
        return self.metric if self._once is None else self._once

    @property
    def share_repeated(self) -> float | None:
        """Share of the samples that were there before, with the same label; None if not known."""
        if self._met is None or not self._n_samples:
            return None
        return 1 - len(self._met) / self._n_samples

    def computed(self) -> dict[str, float]:
        """What the metric computes; NaN for what only a count of distinct samples would show."""
        values = {name: float(value) for name, value in _counting_once(self.metric, self.once)}
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
        if isinstance(self.metric, SeveralLabels):  # each number is a distribution of its own
            defined = ~predictions.isnan().any(1)
        else:
            defined = defined_rows(predictions)
        n_left_out = int((~defined).sum())
        if n_left_out:
            self.n_left_out += n_left_out
            predictions, labels = predictions[defined], labels[defined.to(labels.device)]
            inputs = None if inputs is None else inputs[defined.cpu().numpy()]
        if not len(labels):
            return
        first = self._first(inputs, labels)
        self._n_samples += len(labels)
        self.metric.update(predictions, labels)
        if first is not None and self._once is not None and first.any():
            places = torch.from_numpy(np.flatnonzero(first))
            of_first = predictions[places.to(predictions.device)]
            self._once.update(of_first, labels[places.to(labels.device)])

    def merge_state(self, incoming_state: DefinedRows) -> None:
        """Add what another one has taken in."""
        if self._met is None or incoming_state._met is None:
            self._met = self._once = None
        else:
            if self._once is not None or incoming_state._once is not None:
                self._once = copy.deepcopy(self.once)
                self._once.merge_state(incoming_state.once)
            self.is_mixed |= incoming_state.is_mixed or self._met.meets(incoming_state._met)
            self._met.merge(incoming_state._met)
        self._n_samples += incoming_state._n_samples
        self.metric.merge_state(incoming_state.metric)
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
            self._once = copy.deepcopy(self.metric)
        return first


def _counting_once(metric: Metric, once: Metric) -> list[tuple[str, Tensor]]:
    of_all: dict[str, Tensor] = metric.counting_once(once)  # type: ignore[arg-type]
    return list(of_all.items())
