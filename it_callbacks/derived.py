"""Derive, where they are shown, the quantities that follow from what was logged.

Standard library only, as all that TensorBoard's tab is made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

Series = Mapping[int, float]
"""From a step to the value there, in increasing order of steps."""

ADJUSTABLE_CHANCE = 0.9
"""Share of H(Y) above which an adjusted value divides noise by next to nothing."""


def _chance_share(label_entropy: float, chance: float) -> float:
    return min(1.0, chance / label_entropy) if label_entropy > 0 else 0.0


def _adjusted(label_entropy: float, information: float, chance: float) -> float:
    if label_entropy <= 0:
        return 0.0
    if chance > ADJUSTABLE_CHANCE * label_entropy:
        return math.nan
    return label_entropy * (information - chance) / (label_entropy - chance)


class _Rule(NamedTuple):
    sources: tuple[str, ...]
    value: Callable[..., float]
    """Of H(Y), and of a value of each source."""


_RULES = {
    "I_TY_adjusted": _Rule(("I_TY", "I_TY_chance"), _adjusted),
    "chance_share": _Rule(("I_TY_chance",), _chance_share),
}
DERIVABLE = tuple(_RULES)
"""Names of the quantities that can be derived."""


def sources(name: str) -> tuple[str, ...]:
    """Return the quantities that `name` is derived from; none where it is only logged.

    Example:
        >>> sources("I_TY_adjusted"), sources("coverage")
        (('I_TY', 'I_TY_chance'), ())
    """
    return _RULES[name].sources if name in _RULES else ()


def is_derivable(name: str, known: Callable[[str], bool], label_entropy: float | None) -> bool:
    """Whether what `name` is derived from is known, H(Y) too."""
    return label_entropy is not None and all(map(known, _RULES[name].sources))


def derived(name: str, values: Sequence[Series], label_entropy: float) -> Series:
    """Return a derived quantity at the steps that all its sources have.

    Args:
        name: One of `DERIVABLE`.
        values: Those of each of its `sources`, in order.
        label_entropy: H(Y) in bits.

    Example:
        >>> derived("I_TY_adjusted", [{10: 1.5, 20: 1.75}, {10: 1.0}], 2.0)
        {10: 1.0}
    """
    first, *others = values
    steps = [step for step in first if all(step in series for series in others)]
    columns = ([series[step] for step in steps] for series in values)
    found = map(_RULES[name].value, repeat(label_entropy), *columns)
    return dict(zip(steps, found, strict=True))
