"""Runs of one benchmark in; for each ratio its median, its spread and what to make of it out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median, quantiles
from typing import NamedTuple

from .ratios import Ratio

HEADER = (
    "| goal | what over what | ratio | spread | must | aim | |\n"
    "|---|---|---:|---:|---:|---:|---|"
)  # fmt: skip

STEADY = 0.1
"""A ratio whose spread is not below is noisy."""
FEWEST, MOST = 3, 7
"""How often a benchmark is run."""


class Repeated(NamedTuple):
    """A ratio, measured in several processes.

    Args:
        runs: The ratio in each; all but the value is the same.
    """

    runs: tuple[Ratio, ...]

    @property
    def values(self) -> list[float]:
        """Of all runs; NaN alone if one could not be measured."""
        values = [run.value for run in self.runs]
        return [math.nan] if any(map(math.isnan, values)) else values

    @property
    def ratio(self) -> Ratio:
        """With the median of all values."""
        return self.runs[0]._replace(value=median(self.values))

    @property
    def quartiles(self) -> tuple[float, float]:
        """The ends of the middle half of all values, interpolated; of one value, that one."""
        values = self.values
        if len(values) == 1:
            return values[0], values[0]
        low, _, high = quantiles(values, n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float:
        """The width of the middle half over the median."""
        low, high = self.quartiles
        return 0.0 if low == high else (high - low) / abs(self.ratio.value or math.nan)

    @property
    def is_noisy(self) -> bool:
        """Whether the spread is not below a tenth."""
        return not self.spread < STEADY

    @property
    def fails(self) -> bool:
        """Whether it is past its must.

        The median decides; of a noisy ratio that is past it, three runs of four have to be, so
        that noise alone fails nothing and hides nothing that is larger than the noise.
        """
        if self.ratio.holds:
            return False
        low, high = self.quartiles
        better = high if self.ratio.at_least else low
        return not (self.is_noisy and self.ratio._replace(value=better).holds)

    @property
    def verdict(self) -> str:
        """The last column: what to make of it."""
        if self.fails:
            return "**FAILS**, noisy" if self.is_noisy else "**FAILS**"
        if self.ratio.must is None:
            return "noisy" if self.is_noisy else ""
        if self.ratio.holds:
            return "ok, noisy" if self.is_noisy else "ok"
        return "noisy: cannot tell"

    def __str__(self) -> str:
        ratio = self.ratio
        sign = "≥" if ratio.at_least else "≤"
        must, aim = (
            "" if line is None else f"{sign} {ratio.printed(line, '{:.4g}')}"
            for line in (ratio.must, ratio.aim)
        )
        value = ratio.printed(ratio.value)
        spread = f"{self.spread:.0%}" if len(self.runs) > 1 else ""
        cells = ratio.goal, ratio.what, value, spread, must, aim, self.verdict
        return f"| {' | '.join(cells)} |"


def repeated(
    run: Callable[[], Iterable[Ratio]], *, may_go_on: Callable[[], bool]
) -> list[Repeated]:
    """Run a benchmark until all its ratios are steady.

    At least three times; at most seven, or until it may not go on.

    Raises:
        ValueError: Two runs measured different things.
    """
    runs: list[list[Ratio]] = []
    while len(runs) < FEWEST or (len(runs) < MOST and may_go_on()):
        runs.append(list(run()))
        named = [[ratio._replace(value=0.0) for ratio in one] for one in (runs[0], runs[-1])]
        if named[0] != named[1]:
            raise ValueError(f"one run measured {named[0]}, another {named[1]}")
        if len(runs) >= FEWEST and not any(each.is_noisy for each in _rows(runs)):
            break
    return _rows(runs)


def _rows(runs: list[list[Ratio]]) -> list[Repeated]:
    return [Repeated(of_one) for of_one in zip(*runs, strict=True)]


def report(found: Iterable[Repeated]) -> int:
    """Print each ratio as it comes, one per line; 1 if any is past its `must`, else 0."""
    print(HEADER)
    rows = [shown(row) for row in found]
    failed = sum(row.fails for row in rows)
    unclear = sum(not row.fails and not row.ratio.holds for row in rows)
    if failed:
        print(f"\n{failed} past what they must keep to")
    if unclear:
        print(
            f"\n{unclear} too noisy to tell; run their subjects again when the machine is quieter"
        )
    return 1 if failed else 0


def shown(row: Repeated) -> Repeated:
    """The same row, printed."""
    print(row, flush=True)
    return row
