"""Check what a metric of predictions is given, and keep its sums as torchmetrics wants them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor
from torchmetrics import Metric

from it_callbacks.checks import whole
from it_callbacks.label_chance import MOST_NUMBERS, LabelChance, adjusted
from it_callbacks.log_probabilities import Kind, check_kind

_NONE = torch.zeros(0, dtype=torch.float32)

P = TypeVar("P")


class Reading(NamedTuple, Generic[P]):
    """A batch as a metric reads it.

    Args:
        n_samples: How many it holds.
        kind: What its predictions are.
        device: Where they are.
        parts: What there is to add up, some rows at a time.
    """

    n_samples: int
    kind: Kind
    device: torch.device
    parts: Iterable[P]


class Sums(NamedTuple):
    """What a metric has added up, with a batch that is not accepted yet.

    Args:
        totals: Its states by name; copies, to be added to in place.
        kept: The predictions of the batch, where the metric keeps them.
    """

    totals: dict[str, Tensor]
    kept: list[Tensor]


class PredictionMetric(Metric, Generic[P]):
    """What all metrics of predictions share: checked input, one kind of them, sums in float64.

    Predictions themselves are kept only where a metric asks for it, as float32 and up to
    `MOST_NUMBERS` numbers: what chance shows is the same for any order of them.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    n_from_probabilities: Tensor
    kept: list[Tensor] | Tensor

    def __init__(self, num_classes: int, *, kind: Kind | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        num_classes = whole("num_classes", num_classes, at_least=2)
        check_kind(kind)
        self.num_classes = num_classes
        self.kind = kind
        self._counted: list[str] = []
        # A process knows only its own batches; this sum shows whether processes disagree.
        self.add_state("n_from_probabilities", zeros(()), dist_reduce_fx="sum")

    @property
    @abstractmethod
    def class_sizes(self) -> list[int]:
        """Samples of each class that a label named."""

    @property
    @abstractmethod
    def n_counted(self) -> int:
        """Samples counted so far."""

    @abstractmethod
    def reading(self, predictions: Tensor, labels: Tensor) -> Reading[P]:
        """A batch, checked; the same for all metrics of its kind of labels."""

    @abstractmethod
    def add(self, sums: Sums, part: P) -> None:
        """Add a part of a batch to the sums."""

    @abstractmethod
    def values(self, once: Any) -> dict[str, float]:
        """What `compute` returns, as plain numbers, where samples repeat.

        Args:
            once: A metric of this class that has counted each distinct sample once, since samples
                that repeat know no more of the population than one of them.
        """

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count predictions and labels of a batch."""
        count([self], predictions, labels)

    def compute(self) -> dict[str, Tensor]:
        """The quantities of the class docstring, from all samples since the last reset."""
        return self.counting_once(self)

    def counting_once(self, once: Any) -> dict[str, Tensor]:
        """The same where samples repeat; see `values`."""
        device = self.n_from_probabilities.device
        bits = torch.tensor([*(values := self.values(once)).values()], dtype=torch.float64)
        return dict(zip(values, bits.to(device).unbind(), strict=True))

    def add_sum(self, name: str, *shape: int) -> None:
        """Add a state that is a sum over samples."""
        self.add_state(name, zeros(shape), dist_reduce_fx="sum")
        self._counted.append(name)

    def add_kept(self) -> None:
        """Add the predictions themselves as a state."""
        # Of one axis, since processes without samples gather an empty tensor of one.
        self.add_state("kept", [], dist_reduce_fx="cat")

    def keeps(self, n_samples: float) -> bool:
        """Whether the predictions of so many samples are kept."""
        return n_samples * self.num_classes <= MOST_NUMBERS

    def _keep_rows(self, rows: Sequence[Tensor], n_samples: int) -> None:
        """Keep the predictions of a batch, ``(n, n_classes)`` each; `n_samples` counts them in."""
        if not self.keeps(n_samples):
            self.kept = []  # for good: samples never become fewer
        else:
            device = self.n_from_probabilities.device
            self.kept = [*self.kept, *(row.to(device, torch.float32).reshape(-1) for row in rows)]

    def kept_rows(self, n_samples: float) -> NDArray[np.float32] | None:
        """All predictions, float32 ``(n_samples, n_classes)``; None where they are too many."""
        wanted = int(n_samples) * self.num_classes
        kept = self.kept if isinstance(self.kept, Tensor) else _joined(self.kept)
        if wanted > MOST_NUMBERS or kept.numel() != wanted:
            return None
        rows: NDArray[np.float32] = kept.cpu().numpy().reshape(-1, self.num_classes)
        return rows

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add the states of another metric of this class."""
        super().merge_state(incoming_state)
        if "kept" in self._defaults and not self.keeps(self.n_counted):
            self.kept = []

    def sums(self, device: torch.device) -> Sums:
        """The states to add to. They are copies, to be added to in place.

        So a refused batch leaves no trace, and no sum made in inference mode is changed outside it.
        """
        states = ((name, getattr(self, name)) for name in self._counted)
        return Sums({name: state.to(device, copy=True) for name, state in states}, [])

    def keep(self, sums: Sums, kind: Kind, n_samples: int) -> None:
        """Accept a batch: its sums become the states."""
        # The first batch decides for good, through `reset` too: one run has one kind of prediction,
        # and a later batch that by chance looks like another must not be taken for it.
        if n_samples > 0 and self.kind is None:
            self.kind = kind
        if kind == "probabilities":
            self.n_from_probabilities = self.n_from_probabilities + n_samples
        device = self.n_from_probabilities.device
        self._set({name: total.to(device) for name, total in sums.totals.items()})
        if "kept" in self._defaults:
            self._keep_rows(sums.kept, self.n_counted)

    def clear(self) -> None:
        """What `reset` does, where only `count` has fed the metric: then nothing else is to do."""
        defaults = self._defaults.items()
        self._set({name: d if isinstance(d, Tensor) else [] for name, d in defaults})

    def _set(self, states: dict[str, Any]) -> None:
        # At once: that none is a parameter, a module or a buffer is known, and takes long to ask.
        vars(self).update(states)

    def arrays(self, *names: str) -> list[NDArray[np.float64]]:
        """Some of the states."""
        return [getattr(self, name).cpu().numpy() for name in names]

    def check_counts(self, n_samples: float) -> None:
        """Raise where nothing was counted, or logits and probabilities were."""
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


def count(metrics: Sequence[PredictionMetric[P]], predictions: Tensor, labels: Tensor) -> None:
    """Count a batch in several metrics that have met the same so far; it is read once.

    Where it is refused, it leaves no trace in any of them.
    """
    n_samples, kind, device, parts = metrics[0].reading(predictions, labels)
    counting = [(metric, metric.sums(device)) for metric in metrics]
    for part in parts:
        for metric, sums in counting:
            metric.add(sums, part)
    for metric, sums in counting:
        metric.keep(sums, kind, n_samples)


def about_chance(
    soft: float, hard: float, label_entropy: float, chance: LabelChance
) -> dict[str, float]:
    """What chance has to do with the two informations, as metrics call it.

    Args:
        soft: I(Y;Ŷ).
        hard: I(Y;argmax).
        label_entropy: H(Y) of the same samples.
        chance: What chance shows, of the same samples or of those that are distinct.
    """
    return {
        "information_soft_chance": chance.soft,
        "information_soft_adjusted": adjusted(soft, chance.soft, label_entropy),
        "information_hard_chance": chance.hard,
        "information_hard_adjusted": adjusted(hard, chance.hard, label_entropy),
        "information_status": float(chance.status),
    }


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of the last axis in bits, exact where p is 0."""
    bits: NDArray[np.float64] = entr(p).sum(-1) / math.log(2)
    return bits


def zeros(shape: tuple[int, ...]) -> Tensor:
    """A sum of nothing yet, float64."""
    return torch.zeros(shape, dtype=torch.float64)


def class_numbers(labels: Tensor, n_samples: int, num_classes: int) -> Tensor:
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
    if n_samples and not all(0 <= number < num_classes for number in map(int, numbers.aminmax())):
        is_outside = (numbers < 0) | (numbers >= num_classes)
        row = int(is_outside.int().argmax())
        raise ValueError(f"labels: got {int(labels[row])} in row {row}; {expected}")
    return numbers


def _joined(kept: Sequence[Tensor]) -> Tensor:
    return kept[0] if len(kept) == 1 else torch.cat([_NONE, *(rows.cpu() for rows in kept)])
