"""Average runs that repeat one training: which have a mean, and what it is.

Standard library only, as all that reads logs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from it_callbacks.quantities import QUANTITIES
from it_callbacks.runs import Key, Run, Series

_WORST = ("status", "wide_status")


_BEYOND_ALL = 1e100
"""What nothing measures: a stranger's log may hold values whose squares are beyond all floats."""


def _is_status(key: Key) -> bool:
    return key.quantity in _WORST or (key.quantity, key.layer) == ("label_information", "status")


class Mean(NamedTuple):
    """A mean over repeats; of the status the worst."""

    value: float
    sd: float
    """Standard deviation; NaN of a single value, and of a status."""


def means(key: Key, repeats: Sequence[Series]) -> dict[int, Mean]:
    """Average series over repeats, at the steps where each of them has a finite value.

    A mean over the others would jump where one of them ends or has a gap. Of numbers of classes,
    which are names, there is none.

    Args:
        key: What the series are of.
        repeats: The series.

    Example:
        >>> means(Key("I_XT", "val", "fc"), [{1: 1.0, 2: 5.0}, {1: 3.0, 2: math.nan}])
        {1: Mean(value=2.0, sd=1.4142135623730951)}
    """
    if key.name in QUANTITIES and QUANTITIES[key.name].unit == "class":
        return {}  # numbers of classes are names
    first, *others = repeats
    found = {}
    for step in first:
        values = [first[step], *(series.get(step, math.nan) for series in others)]
        if not all(abs(value) < _BEYOND_ALL for value in values):
            continue
        if _is_status(key):
            found[step] = Mean(max(values), math.nan)
        else:
            found[step] = Mean(fmean(values), stdev(values) if len(values) > 1 else math.nan)
    return found


def are_repeats(runs: Sequence[Run]) -> bool:
    """Whether the runs measured the same layers of the same sets alike, so that they have a mean.

    With the same rulers, reductions and numbers of samples, as far as their settings go; how
    they were trained is not known.
    """
    measured = [
        {
            (key, run.method(key))
            for key in run.series
            if key.quantity in ("I_XT", "relative_I_XT") and not key.ruler
        }
        for run in runs
    ]
    return len(runs) > 1 and bool(measured[0]) and all(each == measured[0] for each in measured)


def averaged(runs: Sequence[Run]) -> Run:
    """Average repeats: `means` of all that each of them has, derived values among it.

    Args:
        runs: At least two, of the same layers; see `are_repeats`.

    Raises:
        ValueError: Fewer than two runs.
    """
    if len(runs) < 2:
        raise ValueError(f"runs: a spread needs at least 2, got {len(runs)}")
    first, *others = runs
    shared = set(first.keys).intersection(*(run.keys for run in others))
    over = {
        key: found
        for key in first.keys
        if key in shared and (found := means(key, [run.values(key) for run in runs]))
    }
    return Run(
        f"mean of {len(runs)} runs{_cut_off(runs, first.epochs)}",
        {key: {step: at.value for step, at in at_steps.items()} for key, at_steps in over.items()},
        first.epochs,
        first.settings,
        warnings=list(dict.fromkeys(line for run in runs for line in run.warnings)),
        spread={
            key: {step: at.sd for step, at in at_steps.items()}
            for key, at_steps in over.items()
            if not _is_status(key)
        },
    )


def _cut_off(runs: Sequence[Run], epochs: Mapping[int, int]) -> str:
    """Where the mean ends, if one of the runs goes on."""
    measured = [
        {step for key, series in run.series.items() if key.quantity == "I_XT" for step in series}
        for run in runs
    ]
    last = max(set.intersection(*measured), default=None)
    if last is None or all(max(steps) == last for steps in measured):
        return ""
    return f", up to epoch {epochs[last]}" if last in epochs else f", up to step {last}"
