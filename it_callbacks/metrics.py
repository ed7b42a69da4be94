"""Measure entropies and information of predictions, batch by batch, in any training loop.

There are two metrics, each a `torchmetrics.Metric`, in bits. Both keep sums in float64, and the
second keeps the predictions of small sets, to permute them: the result does not depend on how the
samples were split into batches or processes. Nothing is ever averaged over batches, since the
entropy of a batch's mean prediction is lower than that of the whole set's.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from it_callbacks.distributions import blocks
from it_callbacks.label_chance import (
    MOST_NUMBERS,
    LabelChance,
    chance_by_moments,
    hard_chance,
    soft_chance,
)
from it_callbacks.log_probabilities import Kind, as_log_probabilities, kind_of
from it_callbacks.prediction_metric import PredictionMetric, about_chance

__all__ = ["ConditionalEntropy", "PredictionEntropy", "as_log_probabilities", "kind_of"]


class PredictionEntropy(PredictionMetric):
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
    - ``label_bound``: H(Y) - CE, a lower bound on I(T;Y) (Barber & Agakov 2003), with H(Y) of the
      counts plus (classes seen - 1) / (2 N ln 2) (Miller 1955), at most log2 K: counts alone give
      too low an H(Y), by .24 bit for 100 classes and 300 samples. Negative is legal; a low value
      can be miscalibration alone, and on training data it is optimistic.
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
        self.add_sum("class_count", num_classes)
        self.add_sum("predicted_count", num_classes)
        self.add_sum("probability_sum", num_classes)
        self.add_sum("entropy_sum")
        self.add_sum("nll_sum", num_classes)
        self.add_sum("nll_square_sum")

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)``, ``(n, 1)`` or ``(n,)`` and integer labels ``(n,)``."""
        rows, labels, kind = self.read(predictions, labels)
        sums = self.sums(rows.device)
        for block in blocks(rows, labels, kind):
            ones = torch.ones_like(block.entropy)
            sums["class_count"].index_add_(0, block.labels, ones)
            sums["predicted_count"].index_add_(0, block.predicted, ones)
            sums["probability_sum"].addmv_(block.weights.T, block.scale)
            sums["entropy_sum"] = sums["entropy_sum"] + block.entropy.sum()
            sums["nll_sum"].index_add_(0, block.labels, block.surprise)
            squares = block.surprise.dot(block.surprise)
            sums["nll_square_sum"] = sums["nll_square_sum"] + squares
        self.keep(sums, kind, len(rows))

    def compute(self) -> dict[str, Tensor]:
        """The seven quantities of the class docstring, from all samples since the last reset."""
        return self.counting_once(self)

    def counting_once(self, once: PredictionEntropy) -> dict[str, Tensor]:
        """The same where samples repeat, which know no more of the population than one of them.

        Args:
            once: Has counted each distinct sample once; the standard error is its own, and so is
                what H(Y) of counts is too low by.
        """
        n = self.class_count.sum()
        self.check_counts(n.item())
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
            "label_bound": self._label_entropy(share, once) - cross_entropy,
            "label_bound_se": once._label_bound_se(),
        }

    @property
    @override
    def n_counted(self) -> int:
        """Samples counted so far."""
        return int(self.class_count.sum().item())

    @property
    @override
    def class_sizes(self) -> list[int]:
        """Samples of each class that a label named."""
        return [int(count) for count in self.class_count.tolist() if count]

    def _label_entropy(self, share: Tensor, once: PredictionEntropy) -> Tensor:
        """H(Y) without the bias of counts (Miller 1955); K classes have no more than log2 K."""
        sizes = once.class_sizes
        too_low = (len(sizes) - 1) / (2 * sum(sizes) * math.log(2))
        return (_entropy(share) + too_low).clamp(max=math.log2(self.num_classes))

    def _label_bound_se(self) -> Tensor:
        # phi_i = -nll_i - log2 share(y_i) is the influence of sample i on H(Y) - CE, the error of
        # the estimated shares included. Its sums need the class sums of nll and nll**2 only.
        n = self.class_count.sum()
        if n < 2 or self.nll_sum.isinf().any():
            return torch.full_like(n, math.inf)
        share = self.class_count / n
        surprise = torch.where(share > 0, -share.log2(), 0.0)
        phi_sum = (self.class_count * surprise - self.nll_sum).sum()
        cross_sum = (surprise * (self.class_count * surprise - 2 * self.nll_sum)).sum()
        variance = (self.nll_square_sum + cross_sum - phi_sum**2 / n) / (n - 1)
        # Squares of surprises beyond 1e154 bits overflow.
        return (variance.nan_to_num(nan=math.inf).clamp(min=0) / n).sqrt()


class ConditionalEntropy(PredictionMetric):
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
    - ``information_hard_chance``: what chance alone shows of ``information_hard``: its exact mean
      over all permutations of the labels (Vinh, Epps & Bailey 2010). 0 to H(Y).
    - ``information_soft_chance``: the same of ``information_soft``: the mean over 4 seeded
      permutations while N * K <= 4 million; beyond, by the mean and variance of the predictions
      (`it_callbacks.label_chance.chance_by_moments`), and the status is at least CAUTION.
    - ``information_hard_adjusted``, ``information_soft_adjusted``: on a scale where chance is 0 and
      H(Y) stays H(Y): H(Y) (I - chance) / (H(Y) - chance). May be negative; NaN where chance is
      above .9 H(Y), 0 where H(Y) is 0.
    - ``information_status``: 0 OK, 1 CAUTION where the larger chance is above .05 H(Y), 2 SATURATED
      where it is above .5 H(Y): any labels would give nearly this information.

    A class that no label named so far has no keys: nothing has no entropy, not even 0. The values
    are exact for the set; as estimates for a population, both informations are too high in small
    sets, by about what chance shows. Both can lie below ``label_bound`` of `PredictionEntropy`,
    which bounds the information in p(x) itself, not in a class sampled from it or its argmax.

    Args:
        num_classes: K >= 2. Keeps two matrices of K * K numbers, and up to 4 million predicted
            probabilities.
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
    square_sum: Tensor
    n_samples: Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, kind=kind, **kwargs)
        self.add_sum("joint_sum", num_classes, num_classes)
        self.add_sum("confusion", num_classes, num_classes)
        self.add_sum("entropy_sum", num_classes)
        self.add_sum("square_sum", num_classes)
        self.add_sum("n_samples")
        self.add_kept()

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)``, ``(n, 1)`` or ``(n,)`` and integer labels ``(n,)``."""
        rows, labels, kind = self.read(predictions, labels)
        sums = self.sums(rows.device)
        sums["n_samples"] = sums["n_samples"] + len(rows)
        n_samples = sums["n_samples"].item()
        to_keep = []
        for block in blocks(rows, labels, kind):
            p = block.weights * block.scale[:, None]
            if n_samples * self.num_classes <= MOST_NUMBERS:
                to_keep.append(p.float())
            cells = block.labels * self.num_classes + block.predicted
            ones = torch.ones_like(block.entropy)
            sums["joint_sum"].index_add_(0, block.labels, p)
            sums["square_sum"].addmv_(p.square_().T, ones)
            sums["confusion"].view(-1).index_add_(0, cells, ones)
            sums["entropy_sum"].index_add_(0, block.labels, block.entropy)
        self.keep(sums, kind, len(rows))
        self.keep_rows(to_keep, n_samples)

    def compute(self) -> dict[str, Tensor]:
        """The quantities of the class docstring, from all samples since the last reset."""
        return self.counting_once(self)

    def counting_once(self, once: ConditionalEntropy) -> dict[str, Tensor]:
        """The same where samples repeat, which know no more of the population than one of them.

        Args:
            once: Has counted each distinct sample once; chance and status are its own.
        """
        class_count = self.confusion.sum(dim=1)
        n = class_count.sum()
        self.check_counts(n.item())
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
        # An information is below 0 only by rounding.
        information_soft = (soft_marginal - share @ soft).clamp(min=0)
        information_hard = (hard_marginal - share @ hard).clamp(min=0)
        return {
            **{f"class_{c}": soft[c] for c in present},
            **{f"within_class_{c}": within[c] for c in present},
            **{f"hard_class_{c}": hard[c] for c in present},
            "all": share @ soft,
            "information_soft": information_soft,
            "information_hard": information_hard,
            "equivocation": (predicted_count / n) @ label_given_hard,
            **about_chance(information_soft, information_hard, _entropy(share), once.chance()),
        }

    def chance(self) -> LabelChance:
        """What chance shows of both informations."""
        n = self.n_samples.item()
        counts, predicted = (self.confusion.sum(axis).cpu().numpy() for axis in (1, 0))
        kept = self.kept_rows(n)
        if kept is not None:
            soft = soft_chance(kept, counts)
        else:
            mean = self.joint_sum.sum(0) / n
            variance = (self.square_sum / n - mean**2).clamp(min=0)
            soft = float(chance_by_moments(counts, mean.cpu().numpy(), variance.cpu().numpy()))
        label_entropy = _entropy(self.confusion.sum(1) / n).item()
        hard = hard_chance(counts, predicted)
        return LabelChance(hard, min(soft, label_entropy), label_entropy, kept is not None)

    @property
    @override
    def n_counted(self) -> int:
        """Samples counted so far."""
        return int(self.n_samples.item())

    @property
    @override
    def class_sizes(self) -> list[int]:
        """Samples of each class that a label named."""
        return [int(count) for count in self.confusion.sum(1).tolist() if count]


def _entropy(p: Tensor) -> Tensor:
    """Entropy of the last axis in bits, exact where p is 0."""
    nats: Tensor = torch.special.entr(p).sum(dim=-1)
    return nats / math.log(2)
