"""Decide whether a layer has compressed, and how certain that is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from it_callbacks.estimators.counting import as_symbols, number

SMALLEST_DROP = 0.3
"""Bits below which a drop is not called compression, however small its standard error."""
STANDARD_ERRORS = 3.0
"""A drop must also be this many standard errors large."""


@dataclass(frozen=True)
class Drop:
    """How far H(bin T) of one layer, read with one ruler, has fallen from its peak.

    Attributes:
        peak_epoch: Epoch of the highest value.
        peak_bits: That value.
        last_bits: The latest value.
        standard_error: Of the drop, paired over samples; NaN where samples do not keep their
            identity from point to point (a shuffled loader), so that it is not available.
        saturated: Whether the peak was SATURATED: its height is then the number of samples',
            the layer may have held more, and its epoch is only the first that reached the top.
    """

    peak_epoch: int
    peak_bits: float
    last_bits: float
    standard_error: float
    saturated: bool = False

    @property
    def bits(self) -> float:
        """Peak minus last, at least 0."""
        return self.peak_bits - self.last_bits

    @property
    def is_compression(self) -> bool | None:
        """Whether the drop is beyond ``max(3 SE, 0.3 bit)``; None without a standard error.

        Example:
            >>> Drop(3, 8.0, 5.0, standard_error=0.1).is_compression
            True
            >>> Drop(3, 8.0, 7.8, standard_error=0.01).is_compression
            False
        """
        if math.isnan(self.standard_error):
            return False if self.bits <= SMALLEST_DROP else None
        return self.bits > max(STANDARD_ERRORS * self.standard_error, SMALLEST_DROP)


class Peak:
    """Follows H(bin T) of one layer, read with one ruler, and remembers its highest point."""

    def __init__(self) -> None:
        self.epoch = 0
        self.bits = -math.inf
        self.saturated = False
        self._last_bits = -math.inf
        self._of_peak = self._of_last = _Samples()

    @property
    def surprisal(self) -> NDArray[np.float32] | None:
        """Of each sample at the peak; None where samples do not keep their identity."""
        return self._of_peak.surprisal

    def update(
        self,
        epoch: int,
        bits: float,
        surprisal: Callable[[], NDArray[np.float64]] | None,
        *,
        saturated: bool,
    ) -> None:
        """Take in a point.

        Args:
            epoch: Finished epochs.
            bits: H(bin T).
            surprisal: Gives that of each sample, in an order that never changes, NaN for one that
                was left out; called where a drop or a checkpoint asks for it. None where samples
                do not keep their identity.
            saturated: Whether the point is SATURATED.
        """
        self._of_last = _Samples(surprisal)
        self._last_bits = bits
        if bits > self.bits:
            self.epoch, self.bits, self.saturated = epoch, bits, saturated
            self._of_peak = self._of_last

    def memory(self) -> tuple[Any, ...]:
        """All that is remembered, in the order of the arguments of `restore`."""
        return (
            self.epoch,
            self.bits,
            self.saturated,
            self.surprisal,
            self._last_bits,
            self._of_last.surprisal,
        )

    def restore(
        self,
        epoch: int,
        bits: float,
        saturated: bool,
        surprisal: NDArray[np.float32] | None,
        last_bits: float | None = None,
        last: NDArray[np.float32] | None = None,
    ) -> None:
        """Go on from what an earlier run has seen; without a latest point, from its peak."""
        self.epoch, self.bits, self.saturated = epoch, bits, saturated
        self._of_peak = self._of_last = _Samples(known=surprisal)
        self._last_bits = bits
        if last_bits is not None:
            self._last_bits, self._of_last = last_bits, _Samples(known=last)

    def drop(self) -> Drop:
        """From the peak to the latest point.

        Raises:
            ValueError: No point has been taken in.
        """
        if self.bits == -math.inf:
            raise ValueError("no point has been taken in: there is nothing to fall from")
        error = math.nan
        before, after = self.surprisal, self._of_last.surprisal
        if before is not None and after is not None and len(before) == len(after):
            both = ~(np.isnan(before) | np.isnan(after))
            if both.sum() > 1:
                error = drop_error(before[both].astype(np.float64), after[both].astype(np.float64))
        return Drop(self.epoch, self.bits, self._last_bits, error, self.saturated)


class _Samples:
    """The samples of one point, and how surprising they were, once somebody asks."""

    def __init__(
        self,
        ask: Callable[[], NDArray[np.float64]] | None = None,
        known: NDArray[np.float32] | None = None,
    ) -> None:
        self._ask = ask
        self._known = known

    @property
    def surprisal(self) -> NDArray[np.float32] | None:
        if self._ask is not None:
            # Half the memory, and far more digits than a standard error has.
            self._known = self._ask().astype(np.float32)
            self._ask = None
        return self._known


@dataclass(frozen=True)
class Verdict:
    """Whether one layer has compressed, according to all rulers together.

    Attributes:
        drops: One per ruler, the first ruler's first.
    """

    drops: tuple[Drop, ...]

    def __post_init__(self) -> None:
        if not self.drops:
            raise ValueError("drops: need at least one, got none")

    @property
    def compressed(self) -> bool | None:
        """True or False where all rulers agree; None where they do not, or where it is unknown.

        Example:
            >>> both = Verdict((Drop(3, 6.0, 5.0, 0.1), Drop(3, 8.0, 6.0, 0.1)))
            >>> str(both)
            'compressed: 1.00 ± 0.10 bits below the peak of epoch 3; by other bins 2.00 ± 0.10'
        """
        votes = {drop.is_compression for drop in self.drops}
        return votes.pop() if len(votes) == 1 else None

    def __str__(self) -> str:
        first, *others = self.drops
        since = f"{_size(first)} bits below the peak of epoch {first.peak_epoch}"
        if others:
            since += f"; by other bins {', '.join(map(_size, others))}"
        if any(drop.is_compression is None for drop in self.drops):
            return f"not available: samples are shuffled ({since})"
        if self.compressed is None:
            return f"undecided: the rulers disagree ({since})"
        if not self.compressed:
            return f"no compression ({since})"
        at_peak = ", from a saturated peak" if first.saturated else ""
        return f"compressed: {since}{at_peak}"


def _size(drop: Drop) -> str:
    error = "" if math.isnan(drop.standard_error) else f" ± {drop.standard_error:.2f}"
    return f"{drop.bits:.2f}{error}"


def surprisal(symbols: ArrayLike) -> NDArray[np.float64]:
    """How surprising each sample's symbol is, -log2 of its relative frequency, in bits.

    Its mean is the entropy H(bin T) by `mle`.

    Args:
        symbols: Symbols ``(n_samples,)`` or keys ``(n_samples, 2)``.

    Example:
        >>> surprisal([7, 7, 8, 9]).tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    states, counts, _ = number(as_symbols(symbols, "symbols"))
    bits: NDArray[np.float64] = np.log2(len(states)) - np.log2(counts)[states]
    return bits


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
