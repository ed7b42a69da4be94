"""Numbers of several variables in one array, one variable after the other.

The layers of a network are many small variables. Worked out together they take hardly longer than
one of them alone, and one alone is the case of one part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Parts:
    """Where the numbers of each variable are; none is without numbers.

    Attributes:
        firsts: The place of the first number of each variable, ``(n_variables,)``, from 0 on.
        n: How many numbers there are of all variables.

    Example:
        >>> parts = Parts(np.array([0, 3]), 5)
        >>> parts.sums(np.array([1, 1, 1, 10, 10])).tolist()
        [3, 20]
        >>> parts.of.tolist()
        [0, 0, 0, 1, 1]
    """

    firsts: NDArray[np.int64]
    n: int

    @classmethod
    def one(cls, n: int) -> Parts:
        """The parts of a single variable."""
        return cls(np.zeros(1, np.int64), n)

    def __len__(self) -> int:
        return len(self.firsts)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many numbers each variable has."""
        return between(self.firsts, self.n)

    @cached_property
    def of(self) -> NDArray[np.int64]:
        """The variable of each number."""
        return np.arange(len(self)).repeat(self.lengths)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum of the values of each variable; what a variable gets depends on its own alone.

        Args:
            values: ``(..., n)``.
        """
        found: NDArray[Any] = np.add.reduceat(values, self.firsts, axis=-1)
        return found


def between(firsts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """How many of `n` places there are from each of `firsts` to the next."""
    lengths = np.empty(len(firsts), np.int64)  # as np.diff, which takes longer for short ones
    np.subtract(firsts[1:], firsts[:-1], out=lengths[:-1])
    lengths[-1] = n - firsts[-1]
    return lengths
