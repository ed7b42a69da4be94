"""Measure the predictions of models that give each sample several labels, in bits.

Each column of the predictions is a Bernoulli variable of its own: one of two classes, absent or
present. Sums over columns are what independent columns would have together.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from it_callbacks.log_probabilities import Kind, as_log_probabilities
from it_callbacks.metrics import _PredictionMetric

__all__ = ["MultiLabelConditionalEntropy", "MultiLabelPredictionEntropy"]


class _MultiLabelMetric(_PredictionMetric):
    """What both metrics share: predictions and labels of shape ``(n, K)``, checked."""

    n_samples: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind or "logits", **kwargs)
        self._add_sum("n_samples")

    def _add(self, name: str, amount: Tensor) -> None:
        # Not in place: a sum made in inference mode may not be changed in place outside of it.
        total = getattr(self, name)
        setattr(self, name, total + amount.to(total.device))

    def _columns(self, predictions: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``(n, K, 2)`` and labels ``(n, K)`` in float64, on one device."""
        shape = (len(labels), self.num_classes)
        for name, given in (("predictions", predictions), ("labels", labels)):
            if given.shape != shape:
                raise ValueError(
                    f"{name}: got shape {tuple(given.shape)}; expected {shape}, a column for each "
                    "label"
                )
        if not ((labels == 0) | (labels == 1)).all():
            raise ValueError("labels: expected 0 (absent) or 1 (present) in each column")
        log_p = as_log_probabilities(predictions.reshape(-1), self.kind).reshape(*shape, 2)
        self._add("n_samples", torch.tensor(float(len(labels)), dtype=torch.float64))
        return log_p, labels.to(log_p.device, torch.float64)


class MultiLabelPredictionEntropy(_MultiLabelMetric):
    """How varied, how sure and how right the predictions of several labels are, in bits.

    Column k of the predictions is the logit of "label k is present". `compute` returns a
    dictionary of float64 scalars: ``label_<k>``, the mean entropy of column k, 0 to 1; and sums
    over the K columns of what `it_callbacks.metrics.PredictionEntropy` computes of one column:
    ``mean``, ``marginal``, ``hard``, ``input_information``, ``cross_entropy``, ``label_bound``
    (the sum of H(Y_k) - CE_k) and its standard error ``label_bound_se``.

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
            self._add_sum(name, num_classes)
        self._add_sum("nll_sum")
        self._add_sum("nll_square_sum")
        self._add_sum("present_together", num_classes, num_classes)

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)`` and labels ``(n, K)`` of 0 and 1."""
        log_p, labels = self._columns(predictions, labels)
        p = log_p.exp()
        nll = -torch.where(labels == 1, log_p[..., 1], log_p[..., 0]).sum(1) / math.log(2)
        self._add("present", labels.sum(0))
        self._add("predicted", (log_p[..., 1] > log_p[..., 0]).double().sum(0))
        self._add("probability_sum", p[..., 1].sum(0))
        self._add("entropy_sum", _entropy(p).sum(0))
        self._add("nll_sum", nll.sum())
        self._add("nll_square_sum", (nll**2).sum())
        self._add("nll_of_present", torch.where(labels == 1, nll[:, None], 0.0).sum(0))
        self._add("present_together", labels.T @ labels)

    def compute(self) -> dict[str, Tensor]:
        """The quantities of the class docstring, from all samples since the last reset."""
        n = self.n_samples
        if n == 0:
            raise ValueError("compute: no samples yet; expected update() before it")
        of_labels = self.entropy_sum / n
        marginal, mean = _binary(self.probability_sum / n).sum(), of_labels.sum()
        cross_entropy = self.nll_sum / n
        return {
            "mean": mean,
            "marginal": marginal,
            "hard": _binary(self.predicted / n).sum(),
            "input_information": (marginal - mean).clamp(min=0),  # below 0 only by rounding
            "cross_entropy": cross_entropy,
            "label_bound": _binary(self.present / n).sum() - cross_entropy,
            "label_bound_se": self._label_bound_se(n),
            **{f"label_{k}": bits for k, bits in enumerate(of_labels)},
        }

    def _label_bound_se(self, n: Tensor) -> Tensor:
        # But for a constant, the influence of a sample is -nll + Σ_k y_k (s_k1 - s_k0), with the
        # surprise s of a label that is present or absent; see `PredictionEntropy`.
        if n < 2 or self.nll_sum.isinf():
            return torch.full_like(n, math.inf)
        share = self.present / n
        varies = (share > 0) & (share < 1)
        change = torch.where(varies, ((1 - share) / share).log2(), 0.0)
        total = change @ self.present - self.nll_sum
        squares = (
            self.nll_square_sum
            - 2 * change @ self.nll_of_present
            + change @ self.present_together @ change
        )
        return ((squares - total**2 / n).clamp(min=0) / (n - 1) / n).sqrt()


class MultiLabelConditionalEntropy(_MultiLabelMetric):
    """How predictions scatter where a label is present, and what they know of labels, in bits.

    Y_k is whether label k is present, Ŷ_k what is drawn from column k of the predictions, and
    "hard" whether the column exceeds one half. `compute` returns a flat dictionary:

    - ``class_<k>``: H(Ŷ_k|Y_k=1), entropy of the mean prediction where label k is present.
    - ``within_class_<k>``: the mean entropy of one prediction there. 0 to ``class_<k>``.
    - ``hard_class_<k>``: entropy of the hard predictions there.
    - ``all``, ``information_soft``, ``information_hard``, ``equivocation``: sums over the columns
      of H(Ŷ_k|Y_k), I(Y_k;Ŷ_k), I(Y_k;hard_k) and H(Y_k|hard_k).

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

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind, **kwargs)
        for name in ("label_count", "probability_sum", "predicted", "entropy_sum"):
            self._add_sum(name, 2, num_classes)  # where a label is absent, and where it is present

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)`` and labels ``(n, K)`` of 0 and 1."""
        log_p, labels = self._columns(predictions, labels)
        p = log_p.exp()
        where = torch.stack([1 - labels, labels])
        self._add("label_count", where.sum(1))
        self._add("probability_sum", (where * p[..., 1]).sum(1))
        self._add("predicted", (where * (log_p[..., 1] > log_p[..., 0])).sum(1))
        self._add("entropy_sum", (where * _entropy(p)).sum(1))

    def compute(self) -> dict[str, Tensor]:
        """The quantities of the class docstring, from all samples since the last reset."""
        n = self.n_samples
        if n == 0:
            raise ValueError("compute: no samples yet; expected update() before it")
        divisor, share = self.label_count.clamp(min=1), self.label_count / n
        soft = _binary(self.probability_sum / divisor)
        hard = _binary(self.predicted / divisor)
        within = (self.entropy_sum / divisor)[1]
        soft_marginal = _binary(self.probability_sum.sum(0) / n)
        hard_marginal = _binary(self.predicted.sum(0) / n)
        information_hard = (hard_marginal - (share * hard).sum(0)).clamp(min=0)
        present = self.label_count[1].nonzero().flatten().tolist()
        return {
            **{f"class_{k}": soft[1, k] for k in present},
            **{f"within_class_{k}": within[k] for k in present},
            **{f"hard_class_{k}": hard[1, k] for k in present},
            "all": (share * soft).sum(),
            "information_soft": (soft_marginal - (share * soft).sum(0)).clamp(min=0).sum(),
            "information_hard": information_hard.sum(),
            "equivocation": (_binary(share[1]) - information_hard).clamp(min=0).sum(),
        }


def _entropy(p: Tensor) -> Tensor:
    """Entropy of the last axis in bits, exact where p is 0."""
    nats: Tensor = torch.special.entr(p).sum(-1)
    return nats / math.log(2)


def _binary(share: Tensor) -> Tensor:
    """Entropy in bits of a Bernoulli variable, element by element."""
    return _entropy(torch.stack([1 - share, share], -1))
