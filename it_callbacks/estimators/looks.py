"""Keep how H(bin T) of a layer went from point to point, and what its verdict needs of samples."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from it_callbacks.estimators.counting import Symbols
from it_callbacks.estimators.verdict import Curve, RulerVerdict, verdict


class Look(NamedTuple):
    """One point of a layer's curve, read with one ruler; NaN where a number is not known.

    Args:
        epoch: Finished epochs.
        step: Optimizer steps done.
        bits: H(bin T) by `mle`.
        merged_bits: The same with bins merged in pairs.
        standard_error: Of H(bin T).
        coverage: Of the symbols, in [0, 1].
        corrected: The corrected value, where an interval is drawn around it.
        spread: Root of the summed variances of the layer's units.
    """

    epoch: int
    step: int
    bits: float
    merged_bits: float
    standard_error: float
    coverage: float
    corrected: float
    spread: float


Ask = Callable[[], NDArray[np.float64]]
"""Gives the surprisal of each sample, in an order that never changes; NaN where left out."""

_FIELDS = Look._fields
_WIDTH, _BITS, _STEP = len(_FIELDS), _FIELDS.index("bits"), _FIELDS.index("step")


class Looks:
    """All looks at one layer with one ruler: numbers of 8 bytes, and the samples of three looks.

    Args:
        n_units: Units of the layer, as it is read.

    Example:
        >>> looks = Looks(n_units=2)
        >>> for step in range(12):
        ...     bits = 6 - step / 11
        ...     looks.add(Look(step, step, bits, bits - 1, 0.02, 0.95, math.nan, 1.0), None)
        >>> print(looks.verdict())
        compressed by at least 0.79 bits since epoch 1, step 1
    """

    def __init__(self, n_units: int) -> None:
        self.n_units = n_units
        self._numbers = array("d")
        """Of one look after the other."""
        self._peak_bits = -math.inf
        """Mean of the highest three looks in a row."""
        self._peak = self._previous = self._latest = _Samples()
        """Of the middle one of those three, and of the last two looks."""

    def __len__(self) -> int:
        return len(self._numbers) // _WIDTH

    def add(self, look: Look, surprisal: Ask | None) -> None:
        """Take in a look; of several at one step the first stays.

        Args:
            look: Its numbers.
            surprisal: Gives that of each sample; called where a verdict or a checkpoint asks for
                it. None where every look has samples of its own.
        """
        numbers = self._numbers
        if numbers and look.step <= numbers[_STEP - _WIDTH]:
            return
        numbers.extend(look)
        self._previous, self._latest = self._latest, _Samples(surprisal)
        if len(numbers) < 3 * _WIDTH:
            return
        bits = sum(numbers[_BITS - 3 * _WIDTH :: _WIDTH]) / 3
        if bits > self._peak_bits:
            self._peak_bits, self._peak = bits, self._previous

    @property
    def is_paired(self) -> bool:
        """Whether the latest look is of samples that keep their identity."""
        return self._latest.surprisal is not None

    def verdict(self) -> RulerVerdict:
        """What has become of the layer, as far as this ruler tells."""
        columns = dict(zip(_FIELDS, self._columns, strict=True))
        return verdict(Curve(**columns, n_units=self.n_units), self._paired_error())

    @property
    def _columns(self) -> NDArray[np.float64]:
        """Each field of all looks."""
        return np.array(self._numbers).reshape(-1, _WIDTH).T.copy()

    def _paired_error(self) -> float | None:
        """Standard error of the drop from the peak to the latest look, over the same samples."""
        before, after = self._peak.surprisal, self._latest.surprisal
        if before is None or after is None or len(before) != len(after):
            return None
        both = ~(np.isnan(before) | np.isnan(after))
        if both.sum() < 2:
            return None
        return drop_error(before[both].astype(np.float64), after[both].astype(np.float64))

    def state(self) -> dict[str, Any]:
        """All of it as plain Python and arrays."""
        return {
            "n_units": self.n_units,
            "looks": self._columns,
            "peak_bits": self._peak_bits,
            "surprisal": [each.surprisal for each in (self._peak, self._previous, self._latest)],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Looks:
        """The looks of a state.

        Raises:
            ValueError: It has not the form of `state`.
        """
        columns, samples = state.get("looks"), state.get("surprisal")
        if not isinstance(columns, np.ndarray) or columns.dtype != np.float64:
            raise ValueError("looks: need an array of float64")
        if columns.ndim != 2 or len(columns) != len(_FIELDS):
            raise ValueError(f"looks: need {len(_FIELDS)} rows, got shape {columns.shape}")
        if not isinstance(samples, list) or len(samples) != 3:
            raise ValueError("surprisal: need that of three looks")
        looks = cls(int(state["n_units"]))
        looks._numbers = array("d", columns.T.ravel().tolist())
        looks._peak_bits = float(state["peak_bits"])
        looks._peak, looks._previous, looks._latest = (
            _Samples(known=_checked(each)) for each in samples
        )
        return looks


class _Samples:
    """The samples of one look, and how surprising they were, once somebody asks."""

    def __init__(self, ask: Ask | None = None, known: NDArray[np.float32] | None = None) -> None:
        self._ask = ask
        self._known = known

    @property
    def surprisal(self) -> NDArray[np.float32] | None:
        if self._ask is not None:
            # Half the memory, and far more digits than a standard error has.
            self._known = self._ask().astype(np.float32)
            self._ask = None
        return self._known


def _checked(surprisal: object) -> NDArray[np.float32] | None:
    if surprisal is None:
        return None
    if not isinstance(surprisal, np.ndarray) or surprisal.ndim != 1:
        raise ValueError("surprisal: need an array (n_samples,) or None")
    return surprisal.astype(np.float32)


def drop_error(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Standard error in bits of the difference of two entropies over the same samples.

    The standard deviation over samples of the difference of surprisals, by the root of their
    number: the delta method on both entropies at once, so what the two have in common cancels.

    Args:
        before: Surprisals ``(n_samples,)`` at one point.
        after: Surprisals of the same samples, in the same order, at another.

    Raises:
        ValueError: Unequal lengths or fewer than two samples.

    Example:
        >>> drop_error(np.array([2.0, 2.0]), np.array([1.0, 1.0]))  # each sample fell by 1 bit
        0.0
    """
    if before.shape != after.shape or before.ndim != 1 or len(before) < 2:
        raise ValueError(
            f"before, after: need the same two or more samples, got {before.shape}, {after.shape}"
        )
    return float(np.std(after - before, ddof=1) / math.sqrt(len(before)))


def surprisal(symbols: ArrayLike | Symbols) -> NDArray[np.float64]:
    """How surprising each sample's symbol is, -log2 of its relative frequency, in bits.

    Its mean is the entropy H(bin T) by `mle`.

    Args:
        symbols: Symbols ``(n_samples,)`` or keys ``(n_samples, 2)``; or `Symbols`, which may know
            their states from the table that was made of them.

    Example:
        >>> surprisal(np.array([7, 7, 8, 9])).tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    states, counts, _ = Symbols.of(symbols, "symbols").numbered
    bits: NDArray[np.float64] = np.log2(len(states)) - np.log2(counts)[states]
    return bits
