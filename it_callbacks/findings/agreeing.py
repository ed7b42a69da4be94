"""Say once what several runs have come to alike: one sentence, with the range of its numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from it_callbacks.findings.finding import Finding, listed

_NUMBER = re.compile(r"(?<![\w.\-])-?\d+(?:\.\d+)?(?!\w|\.\d)(?: ± \d+\.\d+)?")
"""A number that stands alone, with its error: not a part of a name."""
_MOST_NAMED = 3


def agreeing(found: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    """Return the findings of several runs, each begun with the runs of which it is true.

    Runs agree if they have the same sentence about the same names but for its numbers. Where they
    do, it is said once, with the lowest and the highest of each number and the largest of its
    errors.

    Args:
        found: By name of a run, what it has come to.

    Example:
        >>> lost = {name: [Finding("lost", f"fc lost {n} bits.", "warning")] for name, n in
        ...         [("a", "0.50"), ("b", "0.75")]}
        >>> [finding.text for finding in agreeing(lost)]
        ['2 of 2 runs: fc lost 0.50 to 0.75 bits.']
    """
    alike: dict[object, dict[str, Finding]] = {}
    for run, findings in found.items():
        for each in findings:
            words = tuple(_NUMBER.split(each.text))
            about = each.rule, each.tone, each.layer, tuple(each.names), words
            alike.setdefault(about, {})[run] = each
    return [_said_once(of, list(found)) for of in alike.values()]


def _said_once(alike: Mapping[str, Finding], runs: Sequence[str]) -> Finding:
    first = next(iter(alike.values()))
    of = [run for of in alike.values() for run in of.runs]
    return replace(
        first,
        text=f"{_which(list(alike), runs)}: {_with_ranges([each.text for each in alike.values()])}",
        values=_merged([each.values for each in alike.values()]),
        runs=of,
    )


def _which(names: Sequence[str], runs: Sequence[str]) -> str:
    """Of which runs a sentence is true: a single one or an exception among them by its name."""
    if len(names) == 1:
        return names[0]
    others = [run for run in runs if run not in names]
    few, word = (others, "not ") if len(others) < len(names) else (names, "")
    which = f" ({word}{listed(few, _MOST_NAMED)})" if others else ""
    return f"{len(names)} of {len(runs)} runs{which}"


def _with_ranges(texts: Sequence[str]) -> str:
    """Sentences that differ in their numbers only as one."""
    words = _NUMBER.split(texts[0])
    numbers = zip(*map(_NUMBER.findall, texts), strict=True)
    return "".join(map("".join, zip(words, [*map(_range, numbers), ""], strict=True)))


def _range(numbers: Sequence[str]) -> str:
    """From the lowest to the highest, with the largest error in brackets.

    Example:
        >>> _range(["2.80 ± 0.04", "2.85 ± 0.03"]), _range(["3.31", "3.31"]), _range(["12", "9"])
        ('2.80 to 2.85 (± 0.04)', '3.31', '9 to 12')
    """
    values, errors = zip(*(number.partition(" ± ")[::2] for number in numbers), strict=True)
    low, high = (pick(values, key=float) for pick in (min, max))
    error = max(errors, key=lambda error: float(error or 0))
    if low == high:
        return f"{low} ± {error}" if error else str(low)
    return f"{low} to {high} (± {error})" if error else f"{low} to {high}"


def _merged(values: Sequence[Mapping[str, float | str]]) -> dict[str, float | str]:
    """What runs have alike under its name, and of the rest the lowest and the highest number."""
    merged: dict[str, float | str] = {}
    for name, first in values[0].items():
        of = [each[name] for each in values if name in each]
        numbers = [value for value in of if isinstance(value, int | float) and math.isfinite(value)]
        if all(value == first for value in of):
            merged[name] = first
        elif numbers:
            merged |= {f"{name}_lowest": min(numbers), f"{name}_highest": max(numbers)}
    return merged
