"""Measure the predictions of models that give each sample several labels, in bits.

Each column of the predictions is a Bernoulli variable of its own: one of two classes, absent or
present. Sums over columns are what independent columns would have together.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from it_callbacks.label_chance import (
    LabelChance,
    chance_by_moments,
    hard_chance,
    soft_chance_of_columns,
)
from it_callbacks.log_probabilities import Kind, as_log_probabilities
from it_callbacks.prediction_metric import (
    PredictionMetric,
    Reading,
    Sums,
    about_chance,
    count,
    entropy,
)

__all__ = ["MultiLabelConditionalEntropy", "MultiLabelPredictionEntropy"]


class _Columns(NamedTuple):
    """The predicted distributions of a batch, column by column.

    Args:
        log_p: Natural logarithms of "absent" and "present", float64 ``(n, K, 2)``.
        labels: 0 or 1, float64 ``(n, K)``.
    """

    log_p: Tensor
    labels: Tensor


class _MultiLabelMetric(PredictionMetric[_Columns]):
    """What both metrics share: predictions and labels of shape ``(n, K)``, checked."""

    n_samples: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind or "logits", **kwargs)
        self.add_sum("n_samples")

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)`` and labels ``(n, K)`` of 0 and 1."""
        count([self], predictions, labels)

    @property
    @override
    def n_counted(self) -> int:
        """Samples counted so far."""
        return int(self.n_samples.item())

    @override
    def reading(self, predictions: Tensor, labels: Tensor) -> Reading[_Columns]:
        """All columns, with the labels beside them."""
        shape = (len(labels), self.num_classes)
        for name, given in (("predictions", predictions), ("labels", labels)):
            if given.shape != shape:
                raise ValueError(
                    f"{name}: got shape {tuple(given.shape)}; expected {shape}, a column for each "
                    "label"
                )
        if not ((labels == 0) | (labels == 1)).all():
            raise ValueError("labels: expected 0 (absent) or 1 (present) in each column")
        kind = self.kind or "logits"
        log_p = as_log_probabilities(predictions.reshape(-1), kind).reshape(*shape, 2)
        columns = _Columns(log_p, labels.to(log_p.device, torch.float64))
        return Reading(len(labels), kind, log_p.device, [columns])


class MultiLabelPredictionEntropy(_MultiLabelMetric):
    """How varied, how sure and how right the predictions of several labels are, in bits.

    Column k of the predictions is the logit of "label k is present". `compute` returns a
    dictionary of float64 scalars: ``label_<k>``, the mean entropy of column k, 0 to 1; and sums
    over the K columns of what `it_callbacks.metrics.PredictionEntropy` computes of one column:
    ``mean``, ``marginal``, ``hard``, ``input_information``, ``cross_entropy``, ``label_bound``
    (the sum of H(Y_k) - CE_k, H(Y_k) without the bias of counts) and its standard error
    ``label_bound_se``.

    Args:
        num_classes: K >= 2 columns. Keeps a matrix of K * K numbers.
        kind: ``"logits"``, or ``"probabilities"`` that labels are present; None for logits.
        kwargs: what every `torchmetrics.Metric` takes.

    Raises:
        ValueError: from `update` where shapes or values do not fit; from `compute` before any
            sample.
        TypeError: from `update` where predictions are not floating.

    Example:
        >>> metric = MultiLabelPredictionEntropy(num_classes=2)
        >>> metric.update(torch.tensor([[0.0, 50.0]]), torch.tensor([[1, 1]]))
        >>> values = metric.compute()
        >>> [round(values[name].item(), 6) for name in ("label_0", "label_1", "cross_entropy")]
        [1.0, 0.0, 1.0]
    """

    present: Tensor
    predicted: Tensor
    probability_sum: Tensor
    entropy_sum: Tensor
    nll_sum: Tensor
    nll_square_sum: Tensor
    nll_of_present: Tensor
    present_together: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind, **kwargs)
        for name in ("present", "predicted", "probability_sum", "entropy_sum", "nll_of_present"):
            self.add_sum(name, num_classes)
        self.add_sum("nll_sum")
        self.add_sum("nll_square_sum")
        self.add_sum("present_together", num_classes, num_classes)

    @override
    def add(self, sums: Sums, part: _Columns) -> None:
        """Add the distributions of a batch."""
        totals, (log_p, labels) = sums.totals, part
        p = log_p.exp()
        nll = -torch.where(labels == 1, log_p[..., 1], log_p[..., 0]).sum(1) / math.log(2)
        totals["n_samples"] += len(labels)
        totals["present"] += labels.sum(0)
        totals["predicted"] += (log_p[..., 1] > log_p[..., 0]).double().sum(0)
        totals["probability_sum"] += p[..., 1].sum(0)
        totals["entropy_sum"] += _entropy(p).sum(0)
        totals["nll_sum"] += nll.sum()
        totals["nll_square_sum"] += (nll**2).sum()
        totals["nll_of_present"] += torch.where(labels == 1, nll[:, None], 0.0).sum(0)
        totals["present_together"] += labels.T @ labels

    @override
    def values(self, once: MultiLabelPredictionEntropy) -> dict[str, float]:
        """As of `it_callbacks.metrics.PredictionEntropy`."""
        present, predicted, total, entropies = self.arrays(
            "present", "predicted", "probability_sum", "entropy_sum"
        )
        n = self.n_counted
        self.check_counts(n)
        of_labels = entropies / n
        marginal, hard = _binary(np.stack([total, predicted]) / n).sum(-1).tolist()
        mean, cross_entropy = float(of_labels.sum()), self.nll_sum.item() / n
        # None of H(Y_k) is above 1.
        label_entropy = np.minimum(_binary(present / n) + once._too_low(), 1).sum()
        return {
            "mean": mean,
            "marginal": marginal,
            "hard": hard,
            "input_information": max(marginal - mean, 0.0),  # below 0 only by rounding
            "cross_entropy": cross_entropy,
            "label_bound": float(label_entropy) - cross_entropy,
            "label_bound_se": once._label_bound_se(),
            **{f"label_{k}": bits for k, bits in enumerate(of_labels.tolist())},
        }

    @property
    @override
    def class_sizes(self) -> list[int]:
        """Samples of each label that was present."""
        return [int(count) for count in self.present.tolist() if count]

    def _too_low(self) -> NDArray[np.float64]:
        """By how much H(Y_k) of counts is too low (Miller 1955)."""
        (present,), n = self.arrays("present"), self.n_counted
        varies = (present > 0) & (present < n)
        return varies / (2 * n * math.log(2))

    def _label_bound_se(self) -> float:
        # But for a constant, the influence of a sample is -nll + Σ_k y_k (s_k1 - s_k0), with the
        # surprise s of a label that is present or absent; see `PredictionEntropy`.
        n = self.n_samples
        if n < 2 or self.nll_sum.isinf():
            return math.inf
        share = self.present / n
        varies = (share > 0) & (share < 1)
        change = torch.where(varies, ((1 - share) / share).log2(), 0.0)
        total = change @ self.present - self.nll_sum
        squares = (
            self.nll_square_sum
            - 2 * change @ self.nll_of_present
            + change @ self.present_together @ change
        )
        return ((squares - total**2 / n).clamp(min=0) / (n - 1) / n).sqrt().item()


class MultiLabelConditionalEntropy(_MultiLabelMetric):
    """How predictions scatter where a label is present, and what they know of labels, in bits.

    Y_k is whether label k is present, Ŷ_k what is drawn from column k of the predictions, and
    "hard" whether the column exceeds one half. `compute` returns a flat dictionary:

    - ``class_<k>``: H(Ŷ_k|Y_k=1), entropy of the mean prediction where label k is present.
    - ``within_class_<k>``: the mean entropy of one prediction there. 0 to ``class_<k>``.
    - ``hard_class_<k>``: entropy of the hard predictions there.
    - ``all``, ``information_soft``, ``information_hard``, ``equivocation``: sums over the columns
      of H(Ŷ_k|Y_k), I(Y_k;Ŷ_k), I(Y_k;hard_k) and H(Y_k|hard_k).
    - ``information_soft_chance``, ``information_hard_chance``: what chance alone shows of both, the
      sums of what it shows in each column; ``information_soft_adjusted``,
      ``information_hard_adjusted`` and ``information_status``: as in
      `it_callbacks.metrics.ConditionalEntropy`, from the sums, with the sum of H(Y_k).

    A label that was never present has no keys of its own.

    Args:
        num_classes: K >= 2 columns.
        kind: ``"logits"``, or ``"probabilities"`` that labels are present; None for logits.
        kwargs: what every `torchmetrics.Metric` takes.

    Raises:
        ValueError: from `update` where shapes or values do not fit; from `compute` before any
            sample.
        TypeError: from `update` where predictions are not floating.

    Example:
        >>> metric = MultiLabelConditionalEntropy(num_classes=2)
        >>> predictions = torch.tensor([[50.0, 50.0], [-50.0, -50.0]])
        >>> metric.update(predictions, torch.tensor([[1, 1], [1, 0]]))
        >>> values = metric.compute()
        >>> [round(values[name].item(), 6) for name in ("class_0", "class_1", "information_hard")]
        [1.0, 0.0, 1.0]
    """

    label_count: Tensor
    probability_sum: Tensor
    predicted: Tensor
    entropy_sum: Tensor
    square_sum: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind, **kwargs)
        for name in ("label_count", "probability_sum", "predicted", "entropy_sum"):
            self.add_sum(name, 2, num_classes)  # where a label is absent, and where it is present
        self.add_sum("square_sum", num_classes)
        self.add_kept()

    @override
    def add(self, sums: Sums, part: _Columns) -> None:
        """Add the distributions of a batch."""
        totals, (log_p, labels) = sums.totals, part
        p = log_p.exp()
        where = torch.stack([1 - labels, labels])
        totals["n_samples"] += len(labels)
        totals["label_count"] += where.sum(1)
        totals["probability_sum"] += (where * p[..., 1]).sum(1)
        totals["predicted"] += (where * (log_p[..., 1] > log_p[..., 0])).sum(1)
        totals["entropy_sum"] += (where * _entropy(p)).sum(1)
        totals["square_sum"] += p[..., 1].square().sum(0)
        if self.keeps(totals["n_samples"].item()):
            sums.kept.append(p[..., 1])

    @override
    def values(self, once: MultiLabelConditionalEntropy) -> dict[str, float]:
        """As of `it_callbacks.metrics.ConditionalEntropy`."""
        counts, total, predicted, entropies = self.arrays(
            "label_count", "probability_sum", "predicted", "entropy_sum"
        )
        n = self.n_counted
        self.check_counts(n)
        divisor, share = np.maximum(counts, 1), counts / n
        soft, hard = _binary(np.stack([total, predicted]) / divisor)
        within = (entropies / divisor)[1]
        marginals = _binary(np.stack([total.sum(0), predicted.sum(0), counts[1]]) / n)
        soft_marginal, hard_marginal, of_labels = marginals
        hard_of_each = np.maximum(hard_marginal - (share * hard).sum(0), 0)
        information_soft = float(np.maximum(soft_marginal - (share * soft).sum(0), 0).sum())
        information_hard = float(hard_of_each.sum())
        present = np.flatnonzero(counts[1])
        of_classes = {"class": soft[1], "within_class": within, "hard_class": hard[1]}
        return {
            **{
                f"{name}_{k}": bits
                for name, of_each in of_classes.items()
                for k, bits in zip(present.tolist(), of_each[present].tolist(), strict=True)
            },
            "all": float((share * soft).sum()),
            "information_soft": information_soft,
            "information_hard": information_hard,
            "equivocation": float(np.maximum(of_labels - hard_of_each, 0).sum()),
            **about_chance(
                information_soft, information_hard, float(of_labels.sum()), once.chance()
            ),
        }

    def chance(self) -> LabelChance:
        """What chance shows of both informations, column by column and summed."""
        counts, total, of_both, squares = self.arrays(
            "label_count", "probability_sum", "predicted", "square_sum"
        )
        n, predicted = self.n_counted, of_both.sum(0)
        kept = self.kept_rows(n)
        if kept is not None:
            soft = soft_chance_of_columns(kept, counts[1])
        else:
            mean = total.sum(0) / n
            variance = (squares / n - mean**2).clip(min=0)
            soft = chance_by_moments(counts, [mean, 1 - mean], [variance, variance])
        columns = zip(counts.T, predicted, strict=True)
        hard = sum(hard_chance(of_label, [n - drawn, drawn]) for of_label, drawn in columns)
        label_entropy = float(_binary(counts[1] / n).sum())
        return LabelChance(hard, float(soft.sum()), label_entropy, kept is not None)

    @property
    @override
    def class_sizes(self) -> list[int]:
        """Samples of each label that was present."""
        return [int(count) for count in self.label_count[1].tolist() if count]


def _entropy(p: Tensor) -> Tensor:
    """Entropy of the last axis in bits, exact where p is 0."""
    nats: Tensor = torch.special.entr(p).sum(-1)
    return nats / math.log(2)


def _binary(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of a Bernoulli variable, element by element."""
    return entropy(np.stack([1 - share, share], -1))
