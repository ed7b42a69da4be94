"""Samples of a pass with their predictions, and how a metric counts them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.observation.labels import Classes, SeveralLabels
from it_callbacks.observation.prediction_source import ignored, n_columns


class Accumulator(Protocol):
    """What takes in predictions and labels, as a `torchmetrics.Metric` does, and inputs."""

    def update(self, predictions: Tensor, labels: Tensor, inputs: NDArray[np.int64] | None) -> None:
        """Take in the predictions ``(n, ...)`` of a batch, and its class numbers or columns.

        Args:
            predictions: A row for each sample.
            labels: Class numbers ``(n,)``, or columns ``(n, n_labels)``.
            inputs: Keys ``(n, 2)`` of the inputs; None where they are not told apart.
        """

    def merge_state(self, incoming_state: Any) -> None:
        """Add what another one has taken in."""


class Rows(NamedTuple):
    """Some samples of a pass.

    Args:
        predictions: A row for each.
        labels: As the batch has them.
        indices: Which samples of the set they are, ``(n,)``.
        inputs: Keys ``(n, 2)`` of their inputs; None where they are not told apart.
    """

    predictions: Tensor
    labels: Tensor
    indices: NDArray[np.int64]
    inputs: NDArray[np.int64] | None


def counted(way: str, labels: Tensor) -> Tensor:
    """The labels as the metric takes them: class numbers, or columns."""
    if way == SeveralLabels.name:
        return labels
    return labels.long() if labels.ndim == 1 else labels.argmax(1)


def count(metric: Accumulator, way: str, rows: Rows) -> None:
    """Give a metric the predictions and labels of some rows.

    Raises:
        ValueError: A label is of no class that is predicted.
    """
    labels, predictions = counted(way, rows.labels), rows.predictions
    n_classes, largest = n_columns(predictions), int(labels.max())
    if way == Classes.name and largest >= n_classes:
        raise ValueError(
            f"target: there is a label {largest}, but predictions are of classes 0 to "
            f"{n_classes - 1}; {ignored(largest)}"
        )
    metric.update(predictions, labels, rows.inputs)


def is_one_number(predictions: Tensor) -> bool:
    """Whether a sample has a single number, a Bernoulli logit or probability."""
    return predictions.ndim == 1 or predictions.shape[1] == 1


def leave_interval(numbers: Tensor) -> bool:
    """Whether one lies outside [0, 1]; NaN lies nowhere."""
    return bool(((numbers < 0) | (numbers > 1)).any())
