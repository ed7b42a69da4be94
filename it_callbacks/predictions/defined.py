"""Feed a metric the predictions that are a distribution over classes, and count the others."""

from __future__ import annotations

from torch import Tensor

from it_callbacks.log_probabilities import defined_rows
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.multi_label import MultiLabelConditionalEntropy, MultiLabelPredictionEntropy

SeveralLabels = MultiLabelPredictionEntropy | MultiLabelConditionalEntropy
Metric = PredictionEntropy | ConditionalEntropy | SeveralLabels


class DefinedRows:
    """A metric of those rows of predictions that are a distribution.

    One row of NaN costs that row, not the point.

    Args:
        metric: An empty metric.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.n_left_out = 0
        """Rows that are no distribution: NaN, +inf among several classes, or -inf in all."""

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Take in the predictions ``(n, ...)`` of a batch, and its class numbers or columns."""
        if isinstance(self.metric, SeveralLabels):  # each number is a distribution of its own
            defined = ~predictions.isnan().any(1)
        else:
            defined = defined_rows(predictions)
        n_left_out = int((~defined).sum())
        if n_left_out:
            self.n_left_out += n_left_out
            predictions, labels = predictions[defined], labels[defined.to(labels.device)]
        if len(labels):
            self.metric.update(predictions, labels)

    def merge_state(self, incoming_state: DefinedRows) -> None:
        """Add what another one has taken in."""
        self.metric.merge_state(incoming_state.metric)
        self.n_left_out += incoming_state.n_left_out
