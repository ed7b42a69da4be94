"""Actions in; ratios of the processor time that they take out, each beside its goal."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

# Below this the clock's own steps, and what else the machine does, are part of what is read.
_SHORTEST = 5e-3


class Ratio(NamedTuple):
    """A measured ratio and what it is to be.

    Args:
        goal: The goal's number; "" for one that is shown beside ours and holds nobody to anything.
        what: What is divided by what, at which size: the same in every run.
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

    def printed(self, number: float, form: str = "") -> str:
        """A number of this kind as text, with three digits if not told otherwise."""
        number = 100 * number if self.percent else number
        form = form or ("{:#.3g}" if abs(number) < 100 else "{:.0f}")
        return form.format(number) + (" %" if self.percent else "")


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
