"""Take a fixed, seeded random subset of a stream of samples, and admit what is measurable.

Taking the first rows of a set that is ordered by class would measure one class. Every sample has
a random rank that depends on the seed and its index only; the subset is the `size` samples of
lowest rank. So it needs no length in advance and is the same in every epoch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.positions import MOST_POSITIONS

_BLOCK = 4096


class Lowest:
    """The `size` lowest of a stream of ranks of unknown length.

    Args:
        size: How many.
        below: None is wanted that is not below this.

    Example:
        >>> lowest = Lowest(1)
        >>> lowest.admit(np.array([0.5, 0.2])).tolist(), lowest.admit(np.array([0.1])).tolist()
        ([1], [0])
        >>> lowest.admit(np.array([0.3])).tolist()
        []
    """

    def __init__(self, size: int, below: float = np.inf) -> None:
        self.size = size
        self.ranks = np.empty(0)
        """Of all that were admitted, in order."""
        self.threshold = below
        """From here on none is wanted any more."""

    def admit(self, ranks: NDArray[np.float64]) -> NDArray[np.int64]:
        """Positions in `ranks` of those worth keeping so far; some may have to leave again."""
        positions = np.flatnonzero(ranks < self.threshold)
        if len(positions) > self.size:  # no more of one batch can be in the end
            lowest = np.argpartition(ranks[positions], self.size - 1)[: self.size]
            positions = positions[np.sort(lowest)]
        self.ranks = np.concatenate([self.ranks, ranks[positions]])
        if len(self.ranks) > self.size:
            # Ranks are distinct with probability one, so at most `size` lie at or below this.
            threshold = np.partition(self.ranks, self.size - 1)[self.size - 1]
            self.threshold = min(self.threshold, np.nextafter(threshold, np.inf))
        return positions


class Subset:
    """The `size` samples of lowest rank in a stream of unknown length.

    Args:
        size: How many to keep, at least 1; None keeps all.
        seed: Seed of the ranks.

    Example:
        >>> subset = Subset(2, seed=0)
        >>> kept = [subset.admit(np.arange(3)), subset.admit(np.arange(3, 6))]
        >>> len(subset.final())
        2
    """

    def __init__(self, size: int | None, seed: int) -> None:
        if size is not None and size < 1:
            raise ValueError(f"size: need at least 1 sample or None, got {size}")
        self.size = size
        self.seed = seed
        self._lowest = None if size is None else Lowest(size)

    def admit(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in `indices` of the samples worth keeping so far.

        Some may have to leave again for later ones: `final` says which.
        """
        if self._lowest is None:
            return np.arange(len(indices))
        return self._lowest.admit(ranks_of(indices, self.seed))

    def final(self) -> NDArray[np.int64]:
        """Which of the admitted samples, numbered in order of admission, make up the subset."""
        if self._lowest is None:
            raise ValueError("size: a subset of all samples has no final choice to make")
        return np.flatnonzero(self._lowest.ranks < self._lowest.threshold)

    def chosen(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of the subset among samples that may have been admitted in several streams.

        Args:
            indices: Which samples they are, in any order, each once.

        Returns:
            Positions in `indices`, in increasing order of the samples they point at.
        """
        order = np.argsort(indices, kind="stable")
        if self.size is None:
            return order
        again = Subset(self.size, self.seed)
        admitted = again.admit(indices[order])
        chosen: NDArray[np.int64] = order[admitted[again.final()]]
        return chosen


class Admitted(NamedTuple):
    """The samples of one batch that a pass takes in.

    Args:
        positions: Which rows of the batch, ``(n_admitted,)``.
        indices: Which samples of the set, ``(n_admitted,)``.
        is_whole: Whether that is the whole batch.
    """

    positions: NDArray[np.int64]
    indices: NDArray[np.int64]
    is_whole: bool

    def part(self, which: slice) -> Admitted:
        """Some of them."""
        return Admitted(self.positions[which], self.indices[which], is_whole=False)


class Admission:
    """Decides which samples of each batch a pass takes in.

    They have a label where the batch has labels, no other process has them, and they are in the
    random subset.

    Args:
        max_samples: Beyond this many, a seeded random subset; None takes all.
        seed: Seed of the subset.
    """

    def __init__(self, max_samples: int | None, seed: int) -> None:
        self.subset = Subset(max_samples, seed)
        self.n_unlabelled = 0
        """Samples left out because their label is masked: negative, the ignore index or NaN."""

    def admit(self, batch: Batch) -> Admitted:
        """The samples of `batch` to take in; some may have to leave again for later ones."""
        indices = batch.indices
        labelled = batch.counted
        if len(labelled) < len(indices):
            self.n_unlabelled += int((indices >= 0).sum()) - len(labelled)
        positions = labelled[self.subset.admit(indices[labelled])]
        return Admitted(positions, indices[positions], len(positions) == len(indices))


def ranks_of(indices: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """The random rank in [0, 1) of each sample, by its index and the seed only."""
    if len(indices) and indices.max() >= MOST_POSITIONS:  # pairs (row, position), of which many
        return hashed(indices, seed)
    ranks = np.empty(len(indices))
    blocks = indices // _BLOCK
    if len(blocks) and blocks[0] == blocks.min() == blocks.max():  # as for most batches
        return _ranks_of_block(seed, int(blocks[0]))[indices % _BLOCK]
    for block in np.unique(blocks):
        inside = blocks == block
        ranks[inside] = _ranks_of_block(seed, int(block))[indices[inside] % _BLOCK]
    return ranks


def hashed(indices: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Ranks of few operations each: the finaliser of splitmix64 (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        z = indices.astype(np.uint64) + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


@lru_cache(maxsize=16)
def _ranks_of_block(seed: int, block: int) -> NDArray[np.float64]:
    # Kept, since every batch of every pass asks for the same few.
    ranks = np.random.default_rng([seed, block]).random(_BLOCK)
    ranks.flags.writeable = False
    return ranks
