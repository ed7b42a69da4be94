"""Measure entropies and information of predictions, batch by batch, in any training loop.

There are two metrics, each a `torchmetrics.Metric`, in bits. Both keep sums in float64, and the
second keeps the predictions of small sets, to permute them: the result does not depend on how the
samples were split into batches or processes. Nothing is ever averaged over batches, since the
entropy of a batch's mean prediction is lower than that of the whole set's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from it_callbacks.distributions import Block, blocks
from it_callbacks.label_chance import (
    LabelChance,
    chance_by_moments,
    hard_chance,
    soft_chance,
)
from it_callbacks.log_probabilities import Kind, as_log_probabilities, kind_of, rows_of
from it_callbacks.prediction_metric import (
    PredictionMetric,
    Reading,
    Sums,
    about_chance,
    class_numbers,
    count,
    entropy,
)

__all__ = ["ConditionalEntropy", "PredictionEntropy", "as_log_probabilities", "kind_of"]


class _OfClasses(PredictionMetric[Block]):
    """What both metrics share: one label per sample, a class number."""

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions ``(n, K)``, ``(n, 1)`` or ``(n,)`` and integer labels ``(n,)``."""
        count([self], predictions, labels)

    @override
    def reading(self, predictions: Tensor, labels: Tensor) -> Reading[Block]:
        """Blocks of distributions, with the labels beside them."""
        kind = self.kind or kind_of(predictions)
        rows = rows_of(predictions, kind)
        if rows.shape[1] != self.num_classes:
            raise ValueError(
                f"predictions: got shape {tuple(predictions.shape)}, that is {rows.shape[1]} "
                f"classes; expected {self.num_classes} columns, as num_classes={self.num_classes} "
                "(one value per sample is a Bernoulli logit, 2 classes)"
            )
        numbers = class_numbers(labels, len(rows), self.num_classes).to(rows.device)
        return Reading(len(rows), kind, rows.device, blocks(rows, numbers, kind))


class PredictionEntropy(_OfClasses):
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

    @override
    def add(self, sums: Sums, part: Block) -> None:
        """Add the distributions of some rows."""
        totals, ones = sums.totals, torch.ones_like(part.entropy)
        totals["class_count"].index_add_(0, part.labels, ones)
        totals["predicted_count"].index_add_(0, part.predicted, ones)
        totals["probability_sum"].addmv_(part.weights.T, part.scale)
        totals["entropy_sum"] += part.entropy.sum()
        totals["nll_sum"].index_add_(0, part.labels, part.surprise)
        totals["nll_square_sum"] += part.surprise.dot(part.surprise)

    @override
    def values(self, once: PredictionEntropy) -> dict[str, float]:
        """What `compute` returns, as plain numbers, where samples repeat.

        Args:
            once: Has counted each distinct sample once; the standard error is its own, and so is
                what H(Y) of counts is too low by.
        """
        counts, predicted, total, nll = self.arrays(
            "class_count", "predicted_count", "probability_sum", "nll_sum"
        )
        n = counts.sum()
        self.check_counts(n)
        marginal, hard, of_labels = entropy(np.stack([total, predicted, counts]) / n).tolist()
        mean, cross_entropy = self.entropy_sum.item() / float(n), float(nll.sum() / n)
        label_entropy = min(of_labels + once._too_low(), math.log2(self.num_classes))
        return {
            "mean": mean,
            "marginal": marginal,
            "hard": hard,
            "input_information": max(marginal - mean, 0.0),  # below 0 only by rounding
            "cross_entropy": cross_entropy,
            "label_bound": label_entropy - cross_entropy,
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

    def _too_low(self) -> float:
        """By how much H(Y) of counts is too low (Miller 1955)."""
        sizes = self.class_sizes
        return (len(sizes) - 1) / (2 * sum(sizes) * math.log(2))

    def _label_bound_se(self) -> float:
        # phi_i = -nll_i - log2 share(y_i) is the influence of sample i on H(Y) - CE, the error of
        # the estimated shares included. Its sums need the class sums of nll and nll**2 only.
        counts, nll, squares = self.arrays("class_count", "nll_sum", "nll_square_sum")
        n = float(counts.sum())
        if n < 2 or np.isinf(nll).any():
            return math.inf
        surprise = -np.log2(counts / n, out=np.zeros_like(counts), where=counts > 0)
        # Squares of surprises beyond 1e154 bits overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            phi_sum = float((counts * surprise - nll).sum())
            cross_sum = surprise @ (counts * surprise - 2 * nll)
            variance = float(squares + cross_sum - np.square(phi_sum) / n) / (n - 1)
        return math.inf if math.isnan(variance) else math.sqrt(max(variance, 0.0) / n)


class ConditionalEntropy(_OfClasses):
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
    - ``confused_first``, ``confused_second``: numbers of the two classes that are most often taken
      for each other, of argmax, the lower one first (of ties, the first pair). No keys without a
      mistake. ``confused_share``: the share of all samples that this befell. 0 to 1, no bits.
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

    @override
    def add(self, sums: Sums, part: Block) -> None:
        """Add the distributions of some rows."""
        totals, ones = sums.totals, torch.ones_like(part.entropy)
        p = part.weights * part.scale[:, None]
        totals["n_samples"] += len(ones)
        if self.keeps(totals["n_samples"].item()):
            sums.kept.append(p.float())
        totals["joint_sum"].index_add_(0, part.labels, p)
        totals["square_sum"].addmv_(p.square_().T, ones)
        cells = part.labels * self.num_classes + part.predicted
        totals["confusion"].view(-1).index_add_(0, cells, ones)
        totals["entropy_sum"].index_add_(0, part.labels, part.entropy)

    @override
    def values(self, once: ConditionalEntropy) -> dict[str, float]:
        """What `compute` returns, as plain numbers, where samples repeat.

        Args:
            once: Has counted each distinct sample once; chance and status are its own.
        """
        joint, confusion, entropy_sum = self.arrays("joint_sum", "confusion", "entropy_sum")
        class_count, predicted = confusion.sum(1), confusion.sum(0)
        n = class_count.sum()
        self.check_counts(n)
        divisor = np.maximum(class_count, 1)  # an absent class has weight 0 and no key
        soft, hard = entropy(np.stack([joint, confusion]) / divisor[:, None])
        within = entropy_sum / divisor
        given_hard = entropy(confusion.T / np.maximum(predicted, 1)[:, None])
        shares = np.stack([joint.sum(0), predicted, class_count]) / n
        marginal, hard_marginal, label_entropy = entropy(shares).tolist()
        share = shares[2]
        scatter = float(share @ soft)
        # An information is below 0 only by rounding.
        information_soft = max(marginal - scatter, 0.0)
        information_hard = max(hard_marginal - float(share @ hard), 0.0)
        present = np.flatnonzero(class_count)
        of_classes = {"class": soft, "within_class": within, "hard_class": hard}
        return {
            **{
                f"{name}_{c}": bits
                for name, of_each in of_classes.items()
                for c, bits in zip(present.tolist(), of_each[present].tolist(), strict=True)
            },
            "all": scatter,
            "information_soft": information_soft,
            "information_hard": information_hard,
            "equivocation": float(shares[1] @ given_hard),
            **_most_confused(confusion),
            **about_chance(information_soft, information_hard, label_entropy, once.chance()),
        }

    def chance(self) -> LabelChance:
        """What chance shows of both informations."""
        joint, confusion, squares = self.arrays("joint_sum", "confusion", "square_sum")
        counts, predicted = confusion.sum(1), confusion.sum(0)
        n = counts.sum()
        kept = self.kept_rows(n)
        if kept is not None:
            soft = soft_chance(kept, counts)
        else:
            mean = joint.sum(0) / n
            soft = float(chance_by_moments(counts, mean, np.maximum(squares / n - mean**2, 0)))
        label_entropy = float(entropy(counts / n))
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


def _most_confused(confusion: NDArray[np.float64]) -> dict[str, float]:
    """The two classes most often taken for each other, and how large a share of samples that was.

    Example:
        >>> _most_confused(np.array([[5.0, 1.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
        {'confused_first': 0.0, 'confused_second': 1.0, 'confused_share': 0.3}
    """
    mistakes = np.triu(confusion + confusion.T, 1)
    place = int(mistakes.argmax())
    share = float(mistakes.flat[place] / confusion.sum())
    if not share:
        return {"confused_share": share}
    first, second = divmod(float(place), len(confusion))
    return {"confused_first": first, "confused_second": second, "confused_share": share}
