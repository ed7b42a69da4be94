"""Read a layer at any width: the two axes of its plane, and what may be wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import ThreadpoolController

from it_callbacks.checks import finite, whole
from it_callbacks.estimators.arrays import as_array
from it_callbacks.estimators.extra import checked
from it_callbacks.estimators.linear_reader import linear_reader
from it_callbacks.estimators.relative_noise import RelativeNoise, highest, relative_noise
from it_callbacks.estimators.slices import sliced
from it_callbacks.schedules import LogSpaced, Schedule, check_schedule
from it_callbacks.sketches import Sketch

MOST_CLASSES = 50
"""Classes among which the label is read; of more, a choice of so many."""

_N_DIRECTIONS, _N_BINS = 64, 30
_PER_CLASS, _LEAST_PER_CLASS, _PER_NUMBER = 20, 5, 4
"""Samples for each class, and for each number of a layer, that a reading of the label needs."""
_SAMPLES_OF_SLICES, _CLASSES_OF_SLICES = 1024, 10
"""Fewer samples, or more classes, and slices are low."""
_LEAST_PER_FOLD, _LEAST_GROUPS = 5, 50
"""Rows that differ, for each fold; and in all, so that a standard error can be trusted."""
_MOST_RISE = 0.25
_NEAR_THE_CAP = 0.81
_NEAR_THE_SAMPLES = 2.0
_MOST_OF_A_ROW, _MOST_OF_A_UNIT = 0.1, 0.5
"""Of the squared spread; more where a row or a unit is one of few."""


class Rows(NamedTuple):
    """Samples of one layer, in an order that tells nothing about them.

    Args:
        rows: Sketched, ``(n_samples, n_numbers)``, finite.
        groups: Which samples belong together, numbers 0, 1, ... without gaps ``(n_samples,)``.
        classes: Class numbers 0, 1, ... without gaps ``(n_samples,)``; None where there is no Y.
    """

    rows: NDArray[np.floating[Any]]
    groups: NDArray[np.int64]
    classes: NDArray[np.int64] | None

    @classmethod
    def of(
        cls,
        rows: NDArray[np.floating[Any]],
        labels: NDArray[np.int64] | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Rows:
        """The same with numbers of classes and groups that have no gaps.

        Args:
            rows: Sketched samples.
            labels: Any class numbers ``(n_samples,)``.
            groups: Any numbers ``(n_samples,)`` or keys ``(n_samples, 2)``; None if no two samples
                belong together.
        """
        return cls(
            rows,
            np.arange(len(rows)) if groups is None else _by_appearance(groups),
            None if labels is None else _numbered(labels),
        )


class Wide(NamedTuple):
    """What a layer of any width shows.

    Args:
        values: Bits (and the spread, in activation units) by quantity.
        n_samples: Samples that were read for the information about the input.
        n_labels: Those that the label was read off; 0 where there is no Y.
        n_numbers: Numbers of the sketch of each.
        caution: Why the values are to be read with care, in words; empty if there is no reason.
        uneven: In words, what holds most of the spread, where one row or unit does.
    """

    values: Mapping[str, float]
    n_samples: int
    n_labels: int
    n_numbers: int
    caution: str
    uneven: str


@dataclass(frozen=True)
class WideReading:
    """Reads a layer of any width, from a sketch of at most `n_samples` samples.

    Across, ``relative_I_XT``: how many inputs stay apart when noise of a fixed share of the layer's
    present spread is added. With r the sketched layer, s² the sum of the variances of its numbers,
    Z standard Gaussian and u = (r - mean r) / (c s)::

        I(X; r + c s Z) = - mean_i log2 1/n sum_j exp(-(|u_i + z_i - u_j|² - |z_i|²) / 2)

    (Goldfeld et al. 2019, arXiv 1810.05728, with noise that goes with the layer). It does not
    change with the layer's scale, shift or rotation, it is 0 for a constant layer and at most
    1 / (2 c² ln 2) bits, 8.015 at c = 0.3, at any width: it cannot saturate at log2 n. It is not
    I(X;T), which is infinite, and a layer can lose by stretching along one direction.

    Up, ``V_TY``: how many bits of the label a linear discriminant reads off the sketch,
    cross-fitted; the predictive V-information of Xu et al. (2020), arXiv 2002.10689. At most
    I(T;Y) in expectation, 0 without information, and negative where it predicts worse than the
    class frequencies. It may rise with depth.

    Beside them: ``sliced_I_TY``, the mean information about the label in random directions minus
    chance, which distinguishes labels learnt from labels memorised; and ``spread``, which is s.

    Args:
        n_samples: How many samples at most, a seeded subset; at least five for each fold.
        n_components: How many numbers of a sample a sketch keeps, a prime.
        noise: c, above 0 and at most 1.
        folds: Into how many parts samples are split for cross-fitting, at least 2.
        schedule: When a monitor reads it, of the moments at which it measures: every n epochs,
            `LogSpaced`, a list of epochs or a function of the epoch. The first and the last point
            of a training are always read.

    Example:
        Two collapsed classes are one bit apart, and a linear reader reads it off:

        >>> labels = np.arange(1000) % 2
        >>> values = WideReading()(np.outer(2.0 * labels - 1, np.ones(300)), labels)
        >>> round(values["relative_I_XT"], 2), round(values["V_TY"], 2)
        (1.0, 1.0)
    """

    n_samples: int = 1024
    n_components: int = 127
    noise: float = 0.3
    folds: int = 5
    schedule: Schedule = field(default_factory=lambda: LogSpaced(5))

    def __post_init__(self) -> None:
        object.__setattr__(self, "folds", whole("folds", self.folds, at_least=2))
        n_samples = whole("n_samples", self.n_samples, at_least=_LEAST_PER_FOLD * self.folds)
        object.__setattr__(self, "n_samples", n_samples)
        object.__setattr__(self, "n_components", Sketch(self.n_components).n_components)
        noise = finite("noise", self.noise, above=0)
        if noise > 1:
            raise ValueError(f"noise: need a share of the spread, at most 1, got {self.noise!r}")
        object.__setattr__(self, "noise", noise)
        check_schedule(self.schedule)

    @property
    def method(self) -> str:
        """All of it but when it is read: two readings with one method can be compared."""
        return (
            f"WideReading(n_samples={self.n_samples}, n_components={self.n_components}, "
            f"noise={self.noise}, folds={self.folds})"
        )

    @property
    def sketch(self) -> Sketch:
        """How it reduces a sample."""
        return Sketch(self.n_components)

    @property
    def cap(self) -> float:
        """The most that ``relative_I_XT`` can be, in bits."""
        return highest(self.noise)

    def __call__(self, activations: ArrayLike, labels: ArrayLike | None = None) -> dict[str, float]:
        """All values, in bits, and the spread.

        Of more than `n_samples` rows a seeded random subset is read; of more than 50 classes the
        50 most frequent, among the rows of these.

        Args:
            activations: ``(n_samples, n_units)``, or ``(n_samples, ...)`` with positions.
            labels: Class numbers ``(n_samples,)``; None for the values about X alone.

        Raises:
            ValueError: No samples or units, unequal lengths, NaN or infinity, labels that are not
                integers.
        """
        array = as_array(activations)
        array = array if array.dtype.kind == "f" else array.astype(np.float64)
        flat = array.reshape(len(array), -1) if array.size and array.ndim > 2 else array
        _, classes = checked(flat, np.zeros(len(flat), int) if labels is None else labels)
        rows = self.sketch(array)
        order = np.random.default_rng([*b"order"]).permutation(len(rows))
        of_x = order[: self.n_samples]
        frequent = np.argsort(-np.bincount(classes), kind="stable")[:MOST_CLASSES]
        of_y = order[np.isin(classes[order], frequent)][: self.n_samples]
        about_y = None if labels is None else Rows.of(rows[of_y], classes[of_y])
        with one_thread():
            return dict(self.read(Rows.of(rows[of_x]), about_y).values)

    def read(self, of_x: Rows, of_y: Rows | None = None) -> Wide:
        """Read samples that are sketched and chosen; `one_thread` makes it fast.

        Args:
            of_x: Those that the information about the input is read from.
            of_y: Those that the label is read from, with classes; None where there is no Y.
        """
        n, d = of_x.rows.shape
        x = relative_noise(of_x.rows, of_x.groups, self.noise)
        values = {
            "relative_I_XT": x.bits,
            "relative_I_XT_se": x.se,
            "relative_I_XT_high": x.high,
            "spread": x.spread,
        }
        cautions = []
        most = min(_NEAR_THE_CAP * self.cap, math.log2(n) - _NEAR_THE_SAMPLES)
        if x.bits - x.half > _MOST_RISE:
            cautions.append("I(X;T+σZ) may be low by up to a bit: it still rises with more samples")
        elif x.bits > most:
            limit = min(self.cap, math.log2(n))
            cautions.append(f"I(X;T+σZ) may be low: it is near the {limit:.1f} bits it can show")
        if of_y is not None and of_y.classes is not None:
            about_y, caution = self._about_label(of_y, of_y.classes)
            values |= about_y
            cautions += caution
        n_labels = 0 if of_y is None or of_y.classes is None else len(of_y.rows)
        return Wide(values, n, n_labels, d, "; ".join(cautions), _uneven(x, n, d))

    def _about_label(
        self, samples: Rows, classes: NDArray[np.int64]
    ) -> tuple[dict[str, float], list[str]]:
        """Values about the label, and why to read them with care."""
        n, k = len(classes), int(classes.max(initial=-1)) + 1
        n_groups = int(samples.groups.max(initial=-1)) + 1
        values = {"V_TY": math.nan, "V_TY_se": math.nan}
        if not n or n < _LEAST_PER_CLASS * k:
            return values, [
                f"no V(T→Y): {n} samples of {k} classes, {_LEAST_PER_CLASS} for each are needed"
            ]
        if n_groups < _LEAST_PER_FOLD * self.folds:
            least = _LEAST_PER_FOLD * self.folds
            return values, [f"no V(T→Y): {n_groups} rows that differ, {least} are needed"]
        bits, se = linear_reader(samples.rows, classes, samples.groups, self.folds)
        values |= {"V_TY": bits, "V_TY_se": se}
        # Permuted labels show what chance is only where samples do not depend on each other.
        of_each = np.unique(samples.groups, return_index=True)[1]
        if n_groups >= _N_BINS * k:
            found = sliced(
                samples.rows[of_each],
                np.unique(classes[of_each], return_inverse=True)[1],
                n_directions=_N_DIRECTIONS,
                bins=_N_BINS,
            )
            values["sliced_I_TY"] = found.information
            values["sliced_I_TY_se"] = found.information_se
        n_numbers = int((np.ptp(samples.rows, axis=0) > 0).sum())
        least = max(_PER_CLASS * k, _PER_NUMBER * n_numbers, _LEAST_GROUPS)
        if n_groups < least:
            what = f"{n_groups} rows that differ, {k} classes and {n_numbers} numbers"
            return values, [f"V(T→Y) is low: {what} need {least}"]
        return values, []


def caution_of_slices(n_samples: int, n_classes: int) -> str:
    """Why ``sliced_I_TY`` is to be read with care, or is not there; empty if it is neither.

    Args:
        n_samples: Samples that do not depend on each other.
        n_classes: Classes of them.

    Example:
        >>> caution_of_slices(1024, 10), caution_of_slices(1024, 50)
        ('', 'not read: 1024 samples of 50 classes, 30 for each are needed')
    """
    about = f"{n_samples} samples of {n_classes} classes"
    if n_samples < _N_BINS * n_classes:
        return f"not read: {about}, {_N_BINS} for each are needed"
    if n_samples < _SAMPLES_OF_SLICES or n_classes > _CLASSES_OF_SLICES:
        return f"low by 10 to 40 %: {about}"
    return ""


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, matrix products run on one thread; afterwards on as many as before.

    Readings are many small products, which several threads slow down: seven to twelve times on a
    busy machine.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # it looks for libraries, which takes milliseconds


def _uneven(x: RelativeNoise, n_rows: int, n_numbers: int) -> str:
    if x.largest_row > max(_MOST_OF_A_ROW, 25 / n_rows):
        return f"one row holds {x.largest_row:.0%} of its squared spread"
    if x.largest_unit > max(_MOST_OF_A_UNIT, 5 / n_numbers):
        return f"one unit holds {x.largest_unit:.0%} of its squared spread"
    return ""


def _numbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _by_appearance(groups: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers of groups in the order of their first samples: 0, 1, ... where no two are one."""
    axis = 0 if groups.ndim > 1 else None
    _, first, which = np.unique(groups, axis=axis, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    found: NDArray[np.int64] = number[which.reshape(-1)]
    return found
