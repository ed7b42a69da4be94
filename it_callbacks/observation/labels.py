"""Read labels of every kind: find which kind a set has, and make class numbers of it.

A batch alone seldom shows its kind: rows that are one-hot so far may have two ones later. So each
batch gives the kinds that it fits; what all batches of a whole pass fit is decided on once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self, override

from it_callbacks.codes import symbols

N_BINS = 8
"""Bins of a regression target: three bits, and an eighth of the samples in each."""
MOST_ROWS = 51
"""Kinds of multi-label rows up to which a whole row counts as one class."""


@dataclass(frozen=True)
class Labels:
    """The labels of one batch, as they came.

    Args:
        values: ``(n_samples,)`` or ``(n_samples, n_columns)``, int64 or float64, on the CPU; a
            copy, since a step may edit its batch in place.
        is_labelled: Which samples have a label: not a negative class, the ignore index or NaN.
        fits: Names of the kinds that the labels may be of.
        axes: Where each position of a row is a sample: how many there are, along each axis.
        is_shifted: Whether each position has the label of the next one.
    """

    values: Tensor
    is_labelled: NDArray[np.bool_]
    fits: frozenset[str]
    axes: tuple[int, ...] = ()
    is_shifted: bool = False

    @classmethod
    def joined(cls, parts: Sequence[Labels]) -> Labels:
        """Those of several batches of plain rows, of one kind of numbers."""
        return cls(
            torch.cat([part.values for part in parts]),
            np.concatenate([part.is_labelled for part in parts]),
            frozenset(KINDS).intersection(*(part.fits for part in parts)),
        )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def are_plain(self) -> bool:
        """Whether they are class numbers, one for each row, just as they came."""
        return self.values.ndim == 1 and not self.axes and self.values.dtype == torch.int64

    def are_of(self, raw: Tensor) -> bool:
        """Whether `raw` certainly holds these plain labels: it is compared by value."""
        is_alike = raw.ndim == 1 and raw.dtype == torch.int64 and raw.device.type == "cpu"
        return is_alike and self.are_plain and torch.equal(raw, self.values)

    def within(self, mask: Tensor) -> Labels:
        """The same without labels of padding; as they are where `mask` has other axes.

        Args:
            mask: Which steps are none of padding, ``(n_rows, n_steps)``.
        """
        if self.axes != tuple(mask.shape[1:]):
            return self
        counted = mask.roll(-1, 1) if self.is_shifted else mask
        return replace(self, is_labelled=self.is_labelled & counted.reshape(-1).numpy())

    @cached_property
    def n_classes(self) -> int:
        """How many classes there are at least: a column for each, or the largest number; or 0."""
        if self.fits.isdisjoint(COUNTED_AS):
            return 0
        if self.values.ndim == 2:
            return self.values.shape[1]
        shown = self.values.numpy()[self.is_labelled]
        return int(shown.max()) + 1 if len(shown) else 0


@dataclass(frozen=True)
class Targets:
    """The labels of the samples of a pass, as far as any kind needs them.

    Args:
        numbers: ``(n_samples,)``: class numbers or floats; of columns, that of the largest entry.
        rows: ``(n_samples,)``: of columns, a symbol of the whole row.
        fits: Names of the kinds that all labels of the pass may be of.
    """

    numbers: NDArray[Any]
    rows: NDArray[np.int64]
    fits: frozenset[str]

    @classmethod
    def of(cls, labels: Labels | None, positions: NDArray[np.int64]) -> Self:
        """The labels of some samples of a batch; None where it has none."""
        none = np.zeros(len(positions), np.int64)
        if labels is None:
            return cls(none, none, fits_of(labels))
        values = labels.values[torch.from_numpy(positions)]
        if values.ndim == 1:
            return cls(values.numpy(), none, labels.fits)
        rows = symbols(values.long()).numpy() if SeveralLabels.name in labels.fits else none
        return cls(values.argmax(1).numpy(), rows, labels.fits)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Those of several batches or processes, in order."""
        none = np.zeros(0, np.int64)
        return cls(
            np.concatenate([none, *(part.numbers for part in parts if len(part.numbers))]),
            np.concatenate([none, *(part.rows for part in parts)]),
            frozenset(KINDS).intersection(*(part.fits for part in parts)),
        )

    def at(self, positions: NDArray[np.int64]) -> Targets:
        """Those of some of the samples."""
        return Targets(self.numbers[positions], self.rows[positions], self.fits)


def agreed_shift(earlier: bool | None, labels: Labels | None) -> bool | None:
    """Whether positions have the label of the next one, as in the batches before; None if open.

    Raises:
        ValueError: In some batches they have, in others not.
    """
    if labels is None or not labels.axes or not labels.is_labelled.any():
        return earlier
    if earlier is not None and earlier != labels.is_shifted:
        raise ValueError(
            "target: the labels are the inputs in some batches only, so it is not known whether "
            "positions have the label of the next one; pass target=<function of the batch>"
        )
    return labels.is_shifted


def fits_of(labels: Labels | None) -> frozenset[str]:
    """Names of the kinds that the labels of a batch may be of."""
    return frozenset({Unlabelled.name}) if labels is None else labels.fits


class LabelKind(ABC):
    """What kind of labels a set has: decided on its first whole pass, and kept."""

    name: ClassVar[str]
    """What states call it."""
    symbol: ClassVar[str] = "Y"
    """How axes write what the plane takes as Y."""

    @classmethod
    @abstractmethod
    def of(cls, targets: Targets) -> Self:
        """The kind, with what it needs to know of the first whole pass."""

    @property
    @abstractmethod
    def about(self) -> str:
        """In words, for settings and messages."""

    @abstractmethod
    def classes(self, targets: Targets) -> NDArray[np.int64] | None:
        """Class numbers ``(n_samples,)``; None if labels of this kind have none."""

    def state(self) -> dict[str, Any]:
        """What `restored` needs, as plain Python."""
        return {"name": self.name, **vars(self)}


@dataclass(frozen=True)
class Classes(LabelKind):
    """Integers, floats that are all 0 or 1, or one-hot rows."""

    name = "classes"
    about = "class numbers"

    @classmethod
    @override
    def of(cls, targets: Targets) -> Self:
        return cls()

    @override
    def classes(self, targets: Targets) -> NDArray[np.int64] | None:
        return targets.numbers.astype(np.int64)


@dataclass(frozen=True)
class SoftLabels(Classes):
    """Rows that are >= 0 and sum to 1, of which the largest entry counts."""

    name = "soft"
    about = "of soft labels the largest entry counts"


@dataclass(frozen=True)
class SeveralLabels(LabelKind):
    """Several columns of 0 and 1 that are not one-hot throughout.

    Args:
        n_rows: Kinds of rows on the first whole pass.
    """

    n_rows: int

    name = "multi-label"

    @classmethod
    @override
    def of(cls, targets: Targets) -> Self:
        return cls(len(np.unique(targets.rows)))

    @property
    @override
    def about(self) -> str:
        more = "" if self.n_rows <= MOST_ROWS else f", more than {MOST_ROWS}"
        return f"multi-label, {self.n_rows} kinds of rows{more}"

    @override
    def classes(self, targets: Targets) -> NDArray[np.int64] | None:
        if self.n_rows > MOST_ROWS:
            return None
        return np.unique(targets.rows, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Binned(LabelKind):
    """One column of numbers: a regression target, read by a ruler that is frozen.

    Args:
        edges: Upper ends of all bins but the last, which belong to them, increasing.
    """

    edges: tuple[float, ...]

    name = "regression"
    symbol = "bin Y"

    @classmethod
    @override
    def of(cls, targets: Targets) -> Self:
        """Bins of equal share; where there are no more than `N_BINS` values, one for each."""
        values = np.unique(targets.numbers)
        if len(values) > N_BINS:
            shares = np.arange(1, N_BINS) / N_BINS
            edges = np.unique(np.quantile(targets.numbers, shares, method="inverted_cdf"))
            values = np.append(edges[edges < values[-1]], values[-1])
        return cls(tuple(map(float, values[:-1])))

    @property
    @override
    def about(self) -> str:
        return f"a regression target in {len(self.edges) + 1} bins of equal share: I(T; bin Y)"

    @override
    def classes(self, targets: Targets) -> NDArray[np.int64] | None:
        return np.searchsorted(self.edges, targets.numbers, side="left").astype(np.int64)


@dataclass(frozen=True)
class Unlabelled(LabelKind):
    """No labels."""

    name = "none"
    about = "there are no labels"

    @classmethod
    @override
    def of(cls, targets: Targets) -> Self:
        return cls()

    @override
    def classes(self, targets: Targets) -> NDArray[np.int64] | None:
        return None


@dataclass(frozen=True)
class OtherColumns(Unlabelled):
    """Several columns of other numbers, in which there is no class."""

    name = "columns"
    about = "the labels are several columns of numbers"


KINDS: Mapping[str, type[LabelKind]] = {
    kind.name: kind
    for kind in (Classes, SoftLabels, SeveralLabels, Binned, OtherColumns, Unlabelled)
}
"""All kinds by name; of several that fit, the first is meant."""


COUNTED_AS: Mapping[str, str] = {
    Classes.name: Classes.name,
    SoftLabels.name: Classes.name,
    SeveralLabels.name: SeveralLabels.name,
}
"""By kind of labels, how predictions are counted beside them; beside other kinds they are not."""


def decided(fits: frozenset[str], kept: Mapping[str, str], set_: str) -> str:
    """The name of the kind of a set's labels.

    Args:
        fits: Names of the kinds that all labels of a pass may be of.
        kept: By set, the names of the kinds that were decided on earlier.
        set_: Which set it is; if it is new, it has the kind of another set where that fits.

    Raises:
        ValueError: No kind fits, or not the one that the set had.

    Example:
        >>> decided(frozenset({"multi-label", "classes"}), {}, "val")
        'classes'
        >>> decided(frozenset({"multi-label", "classes"}), {"val": "multi-label"}, "test")
        'multi-label'
    """
    own = kept.get(set_)
    candidates = [*kept.values(), *KINDS] if own is None else [own]
    for name in candidates:
        if name in fits:
            return name
    if own is None:
        found = "are of several kinds in one pass"
    else:
        now = " or ".join(repr(name) for name in KINDS if name in fits) or "several kinds at once"
        found = f"were of the kind {own!r} and are of {now} now"
    raise ValueError(
        f"target: the labels {found}; pass target=<function of the batch that gives one kind>"
    )


def restored(state: Mapping[str, Any]) -> LabelKind:
    """The kind that gave `state`.

    Raises:
        ValueError: It is no state of a kind.
    """
    arguments = dict(state)
    kind = KINDS.get(str(arguments.pop("name", None)))
    if kind is Binned:
        return Binned(tuple(map(float, arguments["edges"])))
    if kind is SeveralLabels:
        return SeveralLabels(int(arguments["n_rows"]))
    if kind is None or arguments:
        raise ValueError(f"labels: need the state of one of {', '.join(KINDS)}, got {state}")
    return kind.of(Targets.joined([]))
