"""Take the curves that findings are about out of a run: finite values with their errors."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import NamedTuple, TypeVar

from it_callbacks.findings.finding import Z_95
from it_callbacks.runs import Key, Run, Series

MOST_POINTS = 100
"""Of a longer curve so many points are judged."""


_T = TypeVar("_T")


class Point(NamedTuple):
    """One value of a curve."""

    step: int
    bits: float
    error: float
    """Standard error, or standard deviation over repeats; NaN where unknown."""


Curve = tuple[Point, ...]
"""Points in order of time; the steps differ."""


def curve(run: Run, key: Key, without: Container[int] = (), *, is_thinned: bool = False) -> Curve:
    """Return the finite values under a key with their errors.

    Args:
        run: One training, or the mean over repeats, whose errors are the spread over these.
        key: Which values.
        without: Steps to leave out.
        is_thinned: Whether only some points of a long curve are wanted, those of `thinned`.

    Example:
        >>> at = Key("V_TY", "val", "fc")
        >>> se = at._replace(quantity="V_TY_se")
        >>> curve(Run("a", {at: {0: 1.0, 5: float("nan")}, se: {0: 0.5}}), at)
        (Point(step=0, bits=1.0, error=0.5),)
    """
    errors = _errors(run, key)
    values = tuple(
        (step, bits)
        for step, bits in sorted(run.values(key).items())
        if -_BEYOND_ALL < bits < _BEYOND_ALL and step not in without
    )
    return tuple(
        Point(step, bits, error if 0 <= error < _BEYOND_ALL else math.nan)
        for step, bits in (thinned(values) if is_thinned else values)
        for error in (errors.get(step, math.nan),)
    )


def thinned(points: tuple[_T, ...]) -> tuple[_T, ...]:
    """Return at most about `MOST_POINTS` of a curve, evenly spaced, its last three among them."""
    every = max(1, math.ceil(len(points) / MOST_POINTS))
    if every == 1:
        return points
    kept = sorted({*range(0, len(points), every), *range(len(points) - 3, len(points))})
    return tuple(points[place] for place in kept)


def is_there(run: Run, key: Key, without: Container[int] = ()) -> bool:
    """Return whether the last point under a key has a value.

    Example:
        >>> at = Key("V_TY", "val", "fc")
        >>> is_there(Run("a", {at: {0: 1.0, 5: float("nan")}}), at)
        False
    """
    values = run.values(key)
    last = max(values, default=None)
    return last is not None and last not in without and _is_known(values[last])


def last_known(run: Run, key: Key) -> int | None:
    """Return the last step at which there is a value under a key; None without any.

    Example:
        >>> at = Key("V_TY", "val", "fc")
        >>> last_known(Run("a", {at: {0: 1.0, 5: float("nan")}}), at)
        0
    """
    return max((step for step, bits in run.values(key).items() if _is_known(bits)), default=None)


def _is_known(bits: float) -> bool:
    return -_BEYOND_ALL < bits < _BEYOND_ALL


_BEYOND_ALL = 1e6
"""Bits that nothing has; a stranger's log may hold any number."""


def _errors(run: Run, key: Key) -> Series:
    """The standard errors of values, by step, as far as there are any."""
    if run.spread:
        return run.spread.get(key, {})
    if key.ruler:  # intervals are of the first ruler
        return {}
    around = [run.values(key._replace(**_named(key, name))) for name in run.around(key.name)]
    if len(around) < 2:
        return around[0] if around else {}
    low, high = around
    return {step: (high.get(step, math.nan) - bits) / 2 / Z_95 for step, bits in low.items()}


def _named(key: Key, name: str) -> dict[str, str]:
    """What of a key is replaced for another quantity: of predictions it is in the layer's place."""
    root, _, rest = name.partition("/")
    return {"quantity": root, "layer": rest} if rest else {"quantity": name}


def difference(first: Curve, second: Curve) -> Curve:
    """Return how far the first curve lies above the second, at steps that both have.

    Curves are compared before they are thinned: those of two sets may begin at different steps.

    Example:
        >>> high, low = (Point(0, 2.0, 0.3),), (Point(0, 1.5, 0.4), Point(1, 0.0, 0.0))
        >>> difference(high, low)
        (Point(step=0, bits=0.5, error=0.5),)
    """
    of = {point.step: point for point in second}
    return thinned(
        tuple(
            Point(p.step, p.bits - of[p.step].bits, math.hypot(p.error, of[p.step].error))
            for p in first
            if p.step in of
        )
    )


def negative(points: Curve) -> Curve:
    """Return the mirror image of a curve, of which a rise is a fall."""
    return tuple(point._replace(bits=-point.bits) for point in points)
