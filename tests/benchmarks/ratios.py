"""Actions in; ratios of the processor time that they take out, each beside its goal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import NamedTuple

HEADER = (
    "| goal | what over what | ratio | must | aim | |\n"
    "|---|---|---:|---:|---:|---|"
)  # fmt: skip

# Below this the clock's own steps, and what else the machine does, are part of what is read.
_SHORTEST = 5e-3


class Ratio(NamedTuple):
    """A measured ratio and what it is to be.

    Args:
        goal: The goal's number; "" for one that is shown beside ours and holds nobody to anything.
        what: What is divided by what, at which size.
        value: The ratio.
        must: The line that it must keep to, on any processor; None without a goal.
        aim: What would be better still.
        at_least: Whether large ratios are good.
        percent: Whether to print it as one.
    """

    goal: str
    what: str
    value: float
    must: float | None = None
    aim: float | None = None
    at_least: bool = False
    percent: bool = False

    @property
    def holds(self) -> bool:
        """Whether it keeps to `must`; NaN never does."""
        if self.must is None:
            return True
        return self.value >= self.must if self.at_least else self.value <= self.must

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        must, aim = (
            "" if line is None else f"{sign} {self._printed(line, '{:.4g}')}"
            for line in (self.must, self.aim)
        )
        printed = self._printed(self.value, "{:#.3g}" if self.value < 100 else "{:.0f}")
        end = "" if self.must is None else "ok" if self.holds else "**FAILS**"
        return f"| {self.goal} | {self.what} | {printed} | {must} | {aim} | {end} |"

    def _printed(self, value: float, form: str) -> str:
        return form.format(100 * value) + " %" if self.percent else form.format(value)


def report(ratios: Iterable[Ratio]) -> int:
    """Print each ratio as it comes, one per line; 1 if any is past its `must`, else 0."""
    print(HEADER)
    failed = 0
    for ratio in ratios:
        print(ratio, flush=True)
        failed += not ratio.holds
    if failed:
        print(f"\n{failed} past what they must keep to")
    return 1 if failed else 0


def seconds(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """Median processor seconds of a call of each action.

    The actions take turns, so that whatever else the machine does slows all of them alike; a short
    one is called several times a turn. The first turn is not counted.
    """
    repeats = [1] * len(actions)
    for number, action in enumerate(actions):
        _per_call(action, 1)
        repeats[number] = max(1, round(_SHORTEST / max(_per_call(action, 1), 1e-6)))
    turns = [
        [_per_call(action, n) for action, n in zip(actions, repeats, strict=True)]
        for _ in range(rounds)
    ]
    return [median(of_action) for of_action in zip(*turns, strict=True)]


def _per_call(action: Callable[[], object], repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        action()
    return (time.process_time() - started) / repeats
