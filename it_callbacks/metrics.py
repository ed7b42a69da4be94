"""Measure entropies and information of predictions, batch by batch, in any training loop.

There are two metrics, each a `torchmetrics.Metric`, in bits. Both keep only sums, in float64: the
result does not depend on how the samples were split into batches or processes. Nothing is ever
averaged over batches, since the entropy of a batch's mean prediction is lower than that of the
whole set's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from it_callbacks.checks import whole
from it_callbacks.distributions import blocks
from it_callbacks.log_probabilities import (
    Kind,
    as_log_probabilities,
    check_kind,
    kind_of,
    rows_of,
)

__all__ = ["ConditionalEntropy", "PredictionEntropy", "as_log_probabilities", "kind_of"]


class _PredictionMetric(Metric):
    """What both metrics share: checked input, one kind of predictions, sums in float64."""

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    n_from_probabilities: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        num_classes = whole("num_classes", num_classes, at_least=2)
        check_kind(kind)
        self.num_classes = num_classes
        self.kind = kind
        self._counted: list[str] = []
        # A process knows only its own batches; this sum shows whether processes disagree.
        self.add_state("n_from_probabilities", _zeros(()), dist_reduce_fx="sum")

    def _add_sum(self, name: str, *shape: int) -> None:
        self.add_state(name, _zeros(shape), dist_reduce_fx="sum")
        self._counted.append(name)

    def _read(self, predictions: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Kind]:
        """Rows of logits or probabilities, labels ``(n,)`` int64 on one device, and the kind."""
        kind = self.kind or kind_of(predictions)
        rows = rows_of(predictions, kind)
        if rows.shape[1] != self.num_classes:
            raise ValueError(
                f"predictions: got shape {tuple(predictions.shape)}, that is {rows.shape[1]} "
                f"classes; expected {self.num_classes} columns, as num_classes={self.num_classes} "
                "(one value per sample is a Bernoulli logit, 2 classes)"
            )
        numbers = _class_numbers(labels, len(rows), self.num_classes)
        return rows, numbers.to(rows.device), kind

    def _sums(self, device: torch.device) -> dict[str, Tensor]:
        """The states to add to. Those that are added to in place are copies.

        So a refused batch leaves no trace, and no sum made in inference mode is changed outside it.
        """
        states = ((name, getattr(self, name)) for name in self._counted)
        return {name: state.to(device, copy=state.ndim > 0) for name, state in states}

    def _keep(self, sums: dict[str, Tensor], kind: Kind, n_samples: int) -> None:
        # The first batch decides for good, through `reset` too: one run has one kind of prediction,
        # and a later batch that by chance looks like another must not be taken for it.
        if n_samples > 0:
            self.kind = kind
        if kind == "probabilities":
            self.n_from_probabilities = self.n_from_probabilities + n_samples
        device = self.n_from_probabilities.device
        for name, total in sums.items():
            setattr(self, name, total.to(device))

    def _check_counts(self, n_samples: float) -> None:
        if n_samples == 0:
            raise ValueError(
                "compute: no samples yet, and nothing has no entropy; expected update() before it"
            )
        n_from_probabilities = self.n_from_probabilities.item()
        if n_from_probabilities not in (0, n_samples):
            raise ValueError(
                f"predictions: {n_from_probabilities:.0f} of {n_samples:.0f} samples were read as "
                "probabilities, the others as logits; expected one kind throughout; set kind= in "
                "the constructor"
            )

    # torchmetrics lets `.to(dtype)` and `set_dtype` narrow the states; a sum over an epoch in half
    # precision is no sum. Only the device may change. MPS has no float64: the sums stay on the CPU.
    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Any = "") -> Any:
        def to_device_only(tensor: Tensor) -> Tensor:
            device = fn(torch.empty(0, dtype=torch.float32, device=tensor.device)).device
            return tensor if device.type == "mps" else tensor.to(device)

        return super()._apply(to_device_only, exclude_state)


class PredictionEntropy(_PredictionMetric):
    """How varied, how sure and how right the predictions are, in bits.

    X is the input, p(x) the predicted distribution over K classes, Ŷ a class drawn from it, Y the
    label. `compute` returns a dictionary of float64 scalars; N samples, p̄ their mean p:

    - ``mean``: H(Ŷ|X), the mean of H(p): how unsure the predictions are. 0 to log2 K.
    - ``marginal``: H(Ŷ) = H(p̄): how evenly the classes are used; 0 at collapse. 0 to log2 K.
    - ``hard``: entropy of the histogram of argmax p (of ties, the first class). 0 to log2 K.
    - ``input_information``: I(X;Ŷ) = marginal - mean >= 0 (Bridle, Heading & MacKay 1991); 2 to its
      power is the Inception Score. It involves no label and does not measure performance.
    - ``cross_entropy``: CE, the mean of -log2 p(y), unweighted and unsmoothed whatever the loss is;
      inf where a true class has probability 0.
    - ``label_bound``: H(Y) - CE, a lower bound on I(T;Y) (Barber & Agakov 2003). Negative is
      legal; a low value can be miscalibration alone, and on training data it is optimistic.
    - ``label_bound_se``: its standard error, the sample deviation of log2 p(y) - log2 (share of y)
      over the root of N; inf where it cannot be estimated (one sample, an infinite CE).

    Warning:
        The bound holds for every T that the prediction p(x) is a function of: layers without a path
        around them, and p(x) itself. It does not hold for a class sampled from p(x) or for its
        argmax, which may have less information about Y.

    Args:
        num_classes: K >= 2, as large as any vocabulary. Keeps four rows of K numbers.
        kind: ``"logits"`` or ``"probabilities"``; ``None`` lets the first batch decide (`kind_of`),
            for the life of the metric, through `reset` too: after logits everything counts as
            logits, after probabilities anything else raises.
        kwargs: what every `torchmetrics.Metric` takes.

    Raises:
        ValueError: from `update` where shapes, classes, labels or values do not fit; from `compute`
            before any sample.
        TypeError: from `update` where predictions are not floating or labels not integers.

    Example:
        >>> metric = PredictionEntropy(num_classes=2)
        >>> metric.update(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([0, 1]))
        >>> values = metric.compute()
        >>> [round(values[name].item(), 6) for name in ("mean", "cross_entropy", "label_bound")]
        [0.5, 0.5, 0.5]
    """

    class_count: Tensor
    predicted_count: Tensor
    probability_sum: Tensor
    entropy_sum: Tensor
    nll_sum: Tensor
    nll_square_sum: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind, **kwargs)
        self._add_sum("class_count", num_classes)
        self._add_sum("predicted_count", num_classes)
        self._add_sum("probability_sum", num_classes)
        self._add_sum("entropy_sum")
        self._add_sum("nll_sum", num_classes)
        self._add_sum("nll_square_sum")

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)``, ``(n, 1)`` or ``(n,)`` and integer labels ``(n,)``."""
        rows, labels, kind = self._read(predictions, labels)
        sums = self._sums(rows.device)
        for block in blocks(rows, labels, kind):
            ones = torch.ones_like(block.entropy)
            sums["class_count"].index_add_(0, block.labels, ones)
            sums["predicted_count"].index_add_(0, block.predicted, ones)
            sums["probability_sum"].addmv_(block.weights.T, block.scale)
            sums["entropy_sum"] = sums["entropy_sum"] + block.entropy.sum()
            sums["nll_sum"].index_add_(0, block.labels, block.surprise)
            squares = block.surprise.dot(block.surprise)
            sums["nll_square_sum"] = sums["nll_square_sum"] + squares
        self._keep(sums, kind, len(rows))

    def compute(self) -> dict[str, Tensor]:
        """The seven quantities of the class docstring, from all samples since the last reset."""
        n = self.class_count.sum()
        self._check_counts(n.item())
        marginal = _entropy(self.probability_sum / n)
        mean = self.entropy_sum / n
        cross_entropy = self.nll_sum.sum() / n
        share = self.class_count / n
        return {
            "mean": mean,
            "marginal": marginal,
            "hard": _entropy(self.predicted_count / n),
            "input_information": (marginal - mean).clamp(min=0),  # below 0 only by rounding
            "cross_entropy": cross_entropy,
            "label_bound": _entropy(share) - cross_entropy,
            "label_bound_se": self._label_bound_se(n, share),
        }

    def _label_bound_se(self, n: Tensor, share: Tensor) -> Tensor:
        # phi_i = -nll_i - log2 share(y_i) is the influence of sample i on H(Y) - CE, the error of
        # the estimated shares included. Its sums need the class sums of nll and nll**2 only.
        if n < 2 or self.nll_sum.isinf().any():
            return torch.full_like(n, math.inf)
        surprise = torch.where(share > 0, -share.log2(), 0.0)
        phi_sum = (self.class_count * surprise - self.nll_sum).sum()
        cross_sum = (surprise * (self.class_count * surprise - 2 * self.nll_sum)).sum()
        variance = (self.nll_square_sum + cross_sum - phi_sum**2 / n) / (n - 1)
        # Squares of surprises beyond 1e154 bits overflow.
        return (variance.nan_to_num(nan=math.inf).clamp(min=0) / n).sqrt()


class ConditionalEntropy(_PredictionMetric):
    """How predictions scatter inside each class, and their information about the label, in bits.

    Y is the label, p(x) the predicted distribution over K classes, Ŷ a class drawn from it
    ("soft"), argmax p(x) the "hard" prediction (of ties, the first class). `compute` returns a flat
    dictionary of float64 scalars:

    - ``class_<c>``: H(Ŷ|Y=c), entropy of the mean p of class c. 0 to log2 K.
    - ``within_class_<c>``: H(Ŷ|X,Y=c), the mean of H(p) in class c: unsure, not varied. 0 to
      ``class_<c>``; the difference is I(X;Ŷ|Y=c).
    - ``hard_class_<c>``: H(argmax|Y=c), entropy of row c of the confusion matrix. 0 to log2 K.
    - ``all``: H(Ŷ|Y), the mean of ``class_<c>`` over the samples. 0 to H(Ŷ).
    - ``information_soft``: I(Y;Ŷ) = H(Ŷ) - H(Ŷ|Y) (Shannon 1948). 0 to H(Y).
    - ``information_hard``: I(Y;argmax), the same of the confusion matrix. 0 to H(Y).
    - ``equivocation``: H(Y|argmax) = H(Y) - I(Y;argmax) (Shannon 1948, section 12). At error rate e
      at most h(e) + e log2(K - 1) (Fano 1961).

    A class that no label named so far has no keys: nothing has no entropy, not even 0. The values
    are exact for the set; as estimates for a population, both informations are too high in small
    sets. Both can lie below ``label_bound`` of `PredictionEntropy`, which bounds the information in
    p(x) itself, not in a class sampled from it or its argmax.

    Args:
        num_classes: K >= 2. Keeps two matrices of K * K numbers.
        kind: ``"logits"`` or ``"probabilities"``; ``None`` lets the first batch decide (`kind_of`),
            for the life of the metric, through `reset` too: after logits everything counts as
            logits, after probabilities anything else raises.
        kwargs: what every `torchmetrics.Metric` takes.

    Raises:
        ValueError: from `update` where shapes, classes, labels or values do not fit; from `compute`
            before any sample.
        TypeError: from `update` where predictions are not floating or labels not integers.

    Example:
        >>> metric = ConditionalEntropy(num_classes=2)
        >>> predictions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
        >>> metric.update(predictions, torch.tensor([0, 0, 1, 1]))
        >>> values = metric.compute()
        >>> [round(values[name].item(), 6) for name in ("class_0", "class_1", "all")]
        [1.0, 0.0, 0.5]
    """

    joint_sum: Tensor
    confusion: Tensor
    entropy_sum: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind, **kwargs)
        self._add_sum("joint_sum", num_classes, num_classes)
        self._add_sum("confusion", num_classes, num_classes)
        self._add_sum("entropy_sum", num_classes)

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)``, ``(n, 1)`` or ``(n,)`` and integer labels ``(n,)``."""
        rows, labels, kind = self._read(predictions, labels)
        sums = self._sums(rows.device)
        for block in blocks(rows, labels, kind):
            cells = block.labels * self.num_classes + block.predicted
            ones = torch.ones_like(block.entropy)
            sums["joint_sum"].index_add_(0, block.labels, block.weights * block.scale[:, None])
            sums["confusion"].view(-1).index_add_(0, cells, ones)
            sums["entropy_sum"].index_add_(0, block.labels, block.entropy)
        self._keep(sums, kind, len(rows))

    def compute(self) -> dict[str, Tensor]:
        """The quantities of the class docstring, from all samples since the last reset."""
        class_count = self.confusion.sum(dim=1)
        n = class_count.sum()
        self._check_counts(n.item())
        share = class_count / n
        divisor = class_count.clamp(min=1)  # an absent class has weight 0 and no key
        soft = _entropy(self.joint_sum / divisor[:, None])
        hard = _entropy(self.confusion / divisor[:, None])
        within = self.entropy_sum / divisor
        predicted_count = self.confusion.sum(dim=0)
        label_given_hard = _entropy(self.confusion.T / predicted_count.clamp(min=1)[:, None])
        soft_marginal = _entropy(self.joint_sum.sum(dim=0) / n)
        hard_marginal = _entropy(predicted_count / n)
        present = class_count.nonzero().flatten().tolist()
        return {
            **{f"class_{c}": soft[c] for c in present},
            **{f"within_class_{c}": within[c] for c in present},
            **{f"hard_class_{c}": hard[c] for c in present},
            "all": share @ soft,
            # An information is below 0 only by rounding.
            "information_soft": (soft_marginal - share @ soft).clamp(min=0),
            "information_hard": (hard_marginal - share @ hard).clamp(min=0),
            "equivocation": (predicted_count / n) @ label_given_hard,
        }


def _entropy(p: Tensor) -> Tensor:
    """Entropy of the last axis in bits, exact where p is 0."""
    nats: Tensor = torch.special.entr(p).sum(dim=-1)
    return nats / math.log(2)


def _zeros(shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64)


def _class_numbers(labels: Tensor, n_samples: int, num_classes: int) -> Tensor:
    """The labels in int64, checked."""
    expected = f"expected integer class numbers 0..{num_classes - 1}"
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels: got {type(labels).__name__}; {expected} in a tensor")
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"labels: got {str(labels.dtype).removeprefix('torch.')}; {expected}")
    if labels.shape != (n_samples,):
        raise ValueError(
            f"labels: got shape {tuple(labels.shape)}; expected ({n_samples},), one for each "
            "row of predictions"
        )
    numbers = labels.to(torch.int64)  # uint64 beyond 2**63 turns negative
    is_outside = (numbers < 0) | (numbers >= num_classes)
    if is_outside.any():
        row = int(is_outside.int().argmax())
        raise ValueError(f"labels: got {int(labels[row])} in row {row}; {expected}")
    return numbers
