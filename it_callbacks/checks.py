"""Check arguments, and suggest the nearest name for one that is not there.

An error names the argument, what was expected and what came. A value of the wrong kind raises
TypeError, one of the right kind that is out of range ValueError. Standard library only: TensorBoard
imports this room at every start.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real


class ArgumentError(Exception):
    """An argument that is wrong whatever comes later, not a misfit of model or data.

    A monitor raises it before the first step even where it warns of all else.
    """


class ArgumentValueError(ArgumentError, ValueError):
    """An argument names what is not there, or is out of range."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument is of the wrong kind."""


_LIKE_ENOUGH = 0.4
"""How much of two names has to agree, from 0 to 1. A glob has little of the name it stands for."""


def whole(name: str, value: object, *, at_least: int) -> int:
    """Return `value` as a plain int, or raise if it is not a whole number of at least `at_least`.

    NumPy's integers are whole numbers. Floats are not, even 3.0; neither are booleans.

    Args:
        name: What the error calls the argument.
        value: What was passed.
        at_least: The smallest number that is right.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is too small.

    Example:
        >>> whole("bins", 30, at_least=2)
        30
        >>> whole("bins", 1, at_least=2)
        Traceback (most recent call last):
        ValueError: bins: need a whole number >= 2, got 1
    """
    wanted = f"{name}: need a whole number >= {at_least}, got {value!r}"
    # Ints to Python, and to NumPy before 2.0, but not numbers to whoever passes them.
    if type(value).__name__ in ("bool", "bool_"):
        raise TypeError(wanted)
    try:
        number = operator.index(value)  # type: ignore[arg-type] # that is the question
    except TypeError:
        raise TypeError(wanted) from None
    if number < at_least:
        raise ValueError(wanted)
    return number


def finite(name: str, value: object, *, above: float = -math.inf) -> float:
    """Return `value` as a plain float, or raise if it is not a finite number above `above`.

    NumPy's numbers are numbers; booleans are not.

    Args:
        name: What the error calls the argument.
        value: What was passed.
        above: What it has to be larger than.

    Raises:
        TypeError: It is not a real number.
        ValueError: It is NaN, infinite or too small.

    Example:
        >>> finite("width", 1, above=0)
        1.0
        >>> finite("width", 0.0, above=0)
        Traceback (most recent call last):
        ValueError: width: need a finite number > 0, got 0.0
    """
    bound = f" > {above:g}" if above > -math.inf else ""
    wanted = f"{name}: need a finite number{bound}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(wanted)
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        raise ValueError(wanted) from None
    if not (math.isfinite(number) and number > above):
        raise ValueError(wanted)
    return number


def nearest(name: object, candidates: Iterable[object]) -> str:
    """Return the end of an error message that suggests the candidate most like `name`.

    Args:
        name: What was asked for.
        candidates: The names that there are.

    Returns:
        For example ``"; did you mean 'val'?"``; empty if nothing is much like `name`.

    Example:
        >>> nearest("vall", ["train", "val"])
        "; did you mean 'val'?"
        >>> nearest("x", ["train", "val"])
        ''
    """
    alike = get_close_matches(str(name), list(map(str, candidates)), n=1, cutoff=_LIKE_ENOUGH)
    return f"; did you mean {alike[0]!r}?" if alike else ""
