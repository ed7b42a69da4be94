"""Decide whether a measurement is due at an epoch or a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from it_callbacks.checks import nearest, whole


@dataclass(frozen=True)
class LogSpaced:
    """Measures less and less often: `per_decade` times from 1 to 10, from 10 to 100, and so on.

    Most of what a plane shows happens early. There are fewer points where there are not as many
    whole numbers. 0, 1 and the last epoch or step of a fit are always among them.

    Args:
        per_decade: Points per factor of ten, at least 1.
        unit: ``"epochs"``, or ``"steps"`` (optimizer steps; needs `data`, since it is Lightning
            that decides when a validation loop runs).

    Example:
        >>> [n for n in range(101) if LogSpaced(3).includes(n)]
        [0, 1, 3, 5, 10, 22, 47, 100]
    """

    per_decade: int = 10
    unit: Literal["epochs", "steps"] = "epochs"

    def __post_init__(self) -> None:
        per_decade = whole("per_decade", self.per_decade, at_least=1)
        object.__setattr__(self, "per_decade", per_decade)
        if self.unit not in ("epochs", "steps"):
            raise ValueError(
                f"unit: need 'epochs' or 'steps', got {self.unit!r}"
                f"{nearest(self.unit, ['epochs', 'steps'])}"
            )

    def includes(self, n: int) -> bool:
        """Whether a measurement is due at epoch or step `n`."""
        if n <= 1:
            return n >= 0
        nearest = round(self.per_decade * math.log10(n))
        # Rounding up may send neighbouring exponents to one number, so both sides are tried.
        return any(
            math.ceil(round(10 ** (k / self.per_decade), 9)) == n
            for k in (nearest - 1, nearest, nearest + 1)
        )


Schedule: TypeAlias = int | LogSpaced | Sequence[int] | Callable[[int], bool]
"""Every n epochs, `LogSpaced`, a list of epochs, or a function from the epoch to a yes or no."""


def check_schedule(schedule: object) -> None:
    """Raise unless `schedule` is a `Schedule`."""
    if isinstance(schedule, LogSpaced) or callable(schedule):
        return
    if not isinstance(schedule, Sequence):
        try:
            whole("schedule", schedule, at_least=1)
        except TypeError:
            raise TypeError(
                "schedule: need a number of epochs, LogSpaced(...), a list of epochs or a function "
                f"of the epoch, got {schedule!r}"
            ) from None
        return
    if isinstance(schedule, str) or not schedule:
        raise ValueError(f"schedule: need a list of epochs >= 0, got {schedule!r}")
    for number, epoch in enumerate(schedule):
        whole(f"schedule[{number}]", epoch, at_least=0)


def counts_steps(schedule: Schedule) -> bool:
    """Whether it is optimizer steps, not epochs, that `schedule` counts."""
    return isinstance(schedule, LogSpaced) and schedule.unit == "steps"


def is_due(schedule: Schedule, *, epoch: int, step: int) -> bool:
    """Whether to measure after `epoch` finished epochs and `step` optimizer steps.

    Example:
        >>> [epoch for epoch in range(7) if is_due(3, epoch=epoch, step=0)]
        [0, 3, 6]
    """
    if isinstance(schedule, LogSpaced):
        return schedule.includes(step if schedule.unit == "steps" else epoch)
    if isinstance(schedule, Sequence):
        return epoch in schedule
    if callable(schedule):
        return bool(schedule(epoch))
    return bool(epoch % schedule == 0)


def was_due(schedule: Schedule, *, after: tuple[int, int], until: tuple[int, int]) -> bool:
    """Whether a measurement was due at any time between two moments, the later one included.

    So what is measured at some moments only, of those that another schedule gives, misses none.

    Args:
        schedule: When to measure.
        after: Finished epochs and optimizer steps of the earlier moment.
        until: Those of the later one.

    Example:
        >>> was_due(LogSpaced(5), after=(4, 40), until=(6, 60))
        False
        >>> was_due(LogSpaced(5), after=(4, 40), until=(8, 80))
        True
    """
    if counts_steps(schedule):
        return any(is_due(schedule, epoch=0, step=n) for n in range(until[1], after[1], -1))
    return any(is_due(schedule, epoch=n, step=0) for n in range(until[0], after[0], -1))
