"""Decide whether a layer has compressed, or why that cannot be told.

The course of H(bin T) over a training comes in, an answer goes out. It must hold against three
causes that have nothing to do with compression: the layer's scale, which changes how finely fixed
bins read it; a curve that wanders; and saturation, where H(bin T) only counts samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.wandering import wandering

Floats = NDArray[np.float64]

SMALLEST_DROP = 0.3
"""Bits below which a drop is not called compression, however small its error."""
WANDERINGS = 2.2
"""Times the distance that the curve would stray blindly. Of such a curve, highest minus last
exceeds 1.9 times in 5 of 100; the rest is room for what a robust estimate of the step misses."""
STANDARD_ERRORS = 3.0
WINDOW = 3
"""Points that are averaged, so that one that stands out decides nothing."""
FEWEST = 8
"""Points below which nothing is said."""
SATURATED, FULL = 0.5, 0.8
"""Coverage below which H(bin T) counts samples, and below which a drop shows only in part."""
SHARE_OF_SCALE = 0.5
"""Of a drop: what a change of scale can explain to this share is not told from it."""
GROWN = 1.5
"""Times the spread of before: growth that may hide a drop."""
DEAD = 1e-6
"""Share of its largest spread at which a layer gives one output."""
SHARE_OF_OTHER_RULER = 1 / 3
"""Of a drop: what another ruler must show of it."""
_Z_95 = 1.96


class Answer(Enum):
    """What has become of a layer; of several rulers the first that any of them gives counts."""

    DEAD = "dead"
    COMPRESSED = "compressed"
    GAINING = "still gaining"
    SCALE = "scale"
    WANDERS = "wanders"
    NO = "no compression"
    SATURATED = "saturated"
    FEW = "too few points"
    DISAGREE = "rulers disagree"


@dataclass(frozen=True, eq=False)
class Curve:
    """The course of H(bin T) of one layer, read with one ruler: arrays ``(n_points,)``.

    Attributes:
        epoch: Finished epochs.
        step: Optimizer steps done, increasing; or any other time.
        bits: H(bin T) by `mle`.
        merged_bits: The same with bins merged in pairs; NaN where not measured.
        standard_error: Of H(bin T), in bits.
        coverage: Of the symbols.
        corrected: The corrected value, where an interval is drawn around it; else NaN.
        spread: Root of the summed variances of the layer's units; NaN where not known.
        n_units: Units of the layer, as it is read.
    """

    epoch: Floats
    step: Floats
    bits: Floats
    merged_bits: Floats
    standard_error: Floats
    coverage: Floats
    corrected: Floats
    spread: Floats
    n_units: int


@dataclass(frozen=True)
class RulerVerdict:
    """What has become of one layer, read with one ruler.

    Attributes:
        answer: In a word.
        bits: How far H(bin T) fell from its highest three points to its last three; where it is
            still gaining, how far it rose in the second half.
        needed: What `bits` must exceed to count.
        epoch: Of the highest point (of the lowest, if still gaining; of the first dead one).
        step: Of the same.
        spread_ratio: How many times as far as there the layer spreads at the end.
        coverage: The lower one of there and of the end.
        low: Lower end of the drop's interval.
        high: Its upper end; NaN where only a lower one is known.
        n_points: How many there are.
        is_saturated: Whether H(bin T) counts samples, at its highest points or at its end.
    """

    answer: Answer
    bits: float = math.nan
    needed: float = math.nan
    epoch: int = 0
    step: int = 0
    spread_ratio: float = math.nan
    coverage: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n_points: int = 0
    is_saturated: bool = False

    @property
    def compressed(self) -> bool | None:
        """True or False where that can be told; else None."""
        if self.is_saturated:
            return None
        if self.answer is Answer.COMPRESSED:
            return True
        return False if self.answer in (Answer.NO, Answer.GAINING) else None

    def __str__(self) -> str:
        match self.answer:
            case Answer.DEAD:
                return f"dead since {self._place}: its output hardly varies from sample to sample"
            case Answer.COMPRESSED if self.is_saturated:
                return (
                    "cannot tell by how much: saturated at its highest, at least "
                    f"{self.low:.2f} bits below it since {self._place}"
                )
            case Answer.COMPRESSED if math.isnan(self.high):
                return f"compressed by at least {self.low:.2f} bits since {self._place}"
            case Answer.COMPRESSED:
                middle = (self.low + self.high) / 2
                between = f"({self.low:.2f} to {self.high:.2f})"
                return f"compressed by {middle:.2f} bits {between} since {self._place}"
            case Answer.GAINING:
                return f"still gaining: {self.bits:.2f} bits in the second half"
            case Answer.SCALE:
                return f"cannot tell: {self._of_scale}"
            case Answer.WANDERS:
                return (
                    f"cannot tell: {self.bits:.2f} bits below its highest, but it wanders; "
                    f"{self.needed:.2f} bits would count"
                )
            case Answer.NO:
                return f"no compression: within {SMALLEST_DROP} bits of its highest"
            case Answer.SATURATED:
                return (
                    "cannot tell: saturated; read it at any width or, if it is narrow, with more "
                    "samples or fewer bins"
                )
            case _:
                return f"cannot tell: {self.n_points} points, {FEWEST} are needed"

    @property
    def _place(self) -> str:
        return f"epoch {self.epoch}, step {self.step}"

    @property
    def _of_scale(self) -> str:
        ratio = self.spread_ratio
        if math.isnan(ratio):
            return "how its scale changed is not known"
        if math.isinf(ratio):
            return "it was dead once, and has come to life"
        times = f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"
        if ratio < 1:
            return (
                f"its scale fell to {ratio:.2g} of what it was, which alone could explain its fall "
                f"of {self.bits:.2f} bits"
            )
        if self.bits > self.needed:
            return (
                f"its scale grew {times}-fold, which alone could explain its rise of "
                f"{self.bits:.2f} bits"
            )
        return f"its scale has grown {times}-fold, which may hide a fall"


class _Change(NamedTuple):
    """From the highest three points in a row to the last three.

    Args:
        bits: How far the curve fell.
        needed: What that must exceed.
        at: The first of the highest three.
        error: Standard error of the fall.
    """

    bits: float
    needed: float
    at: int
    error: float


@np.errstate(divide="ignore", invalid="ignore")  # of a layer that was dead once
def verdict(curve: Curve, paired_error: float | None) -> RulerVerdict:
    """What has become of one layer, read with one ruler.

    Args:
        curve: The course of H(bin T).
        paired_error: Standard error of the fall from the peak to the end, where all points are of
            the same samples; None where each has samples of its own.
    """
    n = len(curve.bits)
    largest = np.fmax.reduce(curve.spread, initial=0.0)
    if n and curve.spread[-1] <= DEAD * largest:
        living = np.flatnonzero(curve.spread > DEAD * largest)
        first = int(living[-1]) + 1 if len(living) else 0
        return RulerVerdict(Answer.DEAD, epoch=int(curve.epoch[first]), step=int(curve.step[first]))
    if n < FEWEST:
        return RulerVerdict(Answer.FEW, n_points=n)
    spread, coverage = _means(curve.spread), _means(curve.coverage)
    fall = _fall(curve.bits, curve.step, curve.standard_error, paired_error)
    at_both = float(min(coverage[fall.at], coverage[-1]))

    def about(answer: Answer, change: _Change, ratio: float | None = None) -> RulerVerdict:
        low, high = _interval(curve, change, is_paired=paired_error is not None)
        at = change.at + WINDOW // 2
        return RulerVerdict(
            answer,
            change.bits,
            change.needed,
            int(curve.epoch[at]),
            int(curve.step[at]),
            float(spread[-1] / spread[change.at]) if ratio is None else ratio,
            float(min(coverage[change.at], coverage[-1])),
            low,
            high,
            n,
            at_both < SATURATED,
        )

    if fall.bits > fall.needed:
        if coverage[-1] < SATURATED:
            return about(Answer.SATURATED, fall)
        shrunk = float(spread[fall.at] / spread[-1])
        is_scale = _may_explain(curve, fall.bits, fall.at, shrunk)
        return about(Answer.SCALE if is_scale else Answer.COMPRESSED, fall)
    half = n // 2
    rise = _fall(-curve.bits[half:], curve.step[half:], curve.standard_error[half:], paired_error)
    rise = rise._replace(at=rise.at + half)
    if rise.bits > rise.needed:
        grown = float(spread[-1] / spread[rise.at])
        is_scale = _may_explain(curve, rise.bits, rise.at, grown)
        return about(Answer.SCALE if is_scale else Answer.GAINING, rise)
    grown = float(spread[-1] / np.fmin.reduce(spread[half:]))
    if grown > GROWN:
        return about(Answer.SCALE, fall, grown)
    if at_both < SATURATED:
        return about(Answer.SATURATED, fall)
    if fall.bits > SMALLEST_DROP:
        return about(Answer.WANDERS, fall)
    return about(Answer.NO if at_both >= FULL else Answer.SATURATED, fall)


def _means(values: Floats) -> Floats:
    """Running means over `WINDOW` points."""
    return np.convolve(values, np.full(WINDOW, 1 / WINDOW), "valid")


def _fall(
    bits: Floats, times: Floats, standard_error: Floats, paired_error: float | None
) -> _Change:
    """How far a curve lies below its highest window, and how far that must be to count."""
    means = _means(bits)
    at = int(means.argmax())
    squares = standard_error**2
    at_both_ends = squares[at : at + WINDOW].mean() + squares[-WINDOW:].mean()
    own = math.sqrt(at_both_ends / WINDOW)
    error = own if paired_error is None else paired_error
    noise = standard_error.tolist() if paired_error is None else ()
    strays = wandering(bits.tolist(), times.tolist(), noise)
    needed = math.hypot(WANDERINGS * strays, STANDARD_ERRORS * error)
    return _Change(float(means[at] - means[-1]), max(SMALLEST_DROP, needed), at, error)


def _may_explain(curve: Curve, change: float, at: int, ratio: float) -> bool:
    """Whether a layer that spreads `ratio` times less far alone could show `change` bits less.

    Bins twice as wide are bins merged in pairs: what that takes from H(bin T) is what half the
    scale takes at most. Where symbols are too rare for that, a bit for each unit.
    """
    if math.isnan(ratio):
        return True
    if ratio <= 1:
        return False
    octave, coverage = _means(curve.bits - curve.merged_bits), _means(curve.coverage)
    per_octave = max(octave[at], octave[-1])
    if math.isnan(per_octave) or min(coverage[at], coverage[-1]) < FULL:
        per_octave = curve.n_units
    return bool(per_octave * math.log2(ratio) >= SHARE_OF_SCALE * change)


def _interval(curve: Curve, change: _Change, *, is_paired: bool) -> tuple[float, float]:
    """The fall's interval, of corrected values if all six points have one; else a lower end.

    Paired errors of corrected values are too small: 1.96 of them held .81 to .85 of simulated
    falls, 3 of them .95 to .97.
    """
    corrected = _means(curve.corrected)
    centre = float(corrected[change.at] - corrected[-1])
    if is_paired and math.isfinite(centre):
        reach = STANDARD_ERRORS * change.error
        return centre - reach, centre + reach
    return max(0.0, change.bits - _Z_95 * change.error), math.nan


@dataclass(frozen=True)
class Verdict:
    """What has become of one layer, according to all rulers together.

    Attributes:
        by_ruler: What each ruler says, the first ruler first.
        answer: The joint one.
    """

    by_ruler: tuple[RulerVerdict, ...]
    answer: Answer = field(init=False)

    def __post_init__(self) -> None:
        if not self.by_ruler:
            raise ValueError("by_ruler: need at least one, got none")
        object.__setattr__(self, "answer", _joint(self.by_ruler))

    @property
    def deciding(self) -> RulerVerdict:
        """The ruler that gives the joint answer, or that says what another disputes."""
        answer = Answer.COMPRESSED if self.answer is Answer.DISAGREE else self.answer
        return _first(answer, self.by_ruler)

    @property
    def compressed(self) -> bool | None:
        """True or False where that can be told; None where it cannot, or where rulers disagree.

        Example:
            >>> fell = RulerVerdict(Answer.COMPRESSED, bits=2.0, low=1.9, high=2.1, step=90)
            >>> Verdict((fell, RulerVerdict(Answer.NO, bits=0.1))).compressed is None
            True
        """
        return None if self.answer is Answer.DISAGREE else self.deciding.compressed

    def __str__(self) -> str:
        said = str(self.deciding)
        if len(self.by_ruler) == 1:
            return said
        others = "; ".join(dict.fromkeys(str(each) for each in self.by_ruler if str(each) != said))
        if not others:
            return f"{said} (all bins)"
        if self.answer is Answer.DISAGREE:
            return f"cannot tell: the rulers disagree ({said}; by other bins {others})"
        return f"{said}; by other bins {others}"


def _first(answer: Answer, by_ruler: tuple[RulerVerdict, ...]) -> RulerVerdict:
    """The first that gives an answer; one that is saturated only if no other does."""
    return min((v for v in by_ruler if v.answer is answer), key=lambda v: v.is_saturated)


def _joint(by_ruler: tuple[RulerVerdict, ...]) -> Answer:
    """Those that cannot tell abstain; coarser bins may show less of a fall, but a third of it."""
    answer = next(each for each in Answer if any(v.answer is each for v in by_ruler))
    if answer is not Answer.COMPRESSED:
        return answer
    fall = _first(answer, by_ruler).bits
    disputed = any(
        v.answer is Answer.GAINING
        or (v.answer is Answer.NO and v.bits < SHARE_OF_OTHER_RULER * fall)
        for v in by_ruler
    )
    return Answer.DISAGREE if disputed else answer
