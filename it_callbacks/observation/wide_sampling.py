"""Choose the few samples of a set that layers of any width are read on.

Of rows, those of lowest rank, as everywhere. Of positions, few of each of as many rows as there
are. Where there are more classes than the label can be read among, further samples of a choice of
classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.labels import Classes, Labels, SoftLabels, Targets
from it_callbacks.observation.positions import MOST_POSITIONS, Grid
from it_callbacks.observation.sampling import Lowest, hashed, ranks_of
from it_callbacks.sketches import Sketch


@dataclass(frozen=True)
class WideChoice:
    """How many samples are read, and how they are sketched.

    Args:
        size: How many samples at most.
        n_classes: Classes among which the label is read; of more, a choice of so many. 0 where it
            is not read: then samples are taken in whatever their classes are.
        sketch: Makes few numbers of a sample.
        seed: Seed of the choices.
    """

    size: int
    n_classes: int
    sketch: Sketch
    seed: int


@dataclass(frozen=True)
class WideSamples:
    """Samples that were taken in, of one process or of all.

    Args:
        indices: Which samples of the set, ``(n,)``.
        ranks: Their ranks; the lowest stay.
        targets: Their labels.
        groups: Keys ``(n, 2)`` of the rows that they are positions of, or of their inputs: samples
            of one group depend on each other. None if there are no two such.
        certain: The classes that are preferred where the label is read among some only.
        classes: Those of them that were seen, and others in a seeded order.
        below: Of samples with these ranks, none of these classes was left out.
    """

    indices: NDArray[np.int64]
    ranks: NDArray[np.float64]
    targets: Targets
    groups: NDArray[np.int64] | None
    certain: tuple[int, ...]
    classes: tuple[int, ...]
    below: float = np.inf


@dataclass(frozen=True)
class Chosen:
    """Which of the samples taken in by all processes are read, in the order of their ranks.

    Args:
        of_x: For the information about the input.
        of_y: For that about the label: the same, unless there are too many classes.
        classes: The choice of classes that `of_y` are of; empty if they are of all.
        ranks: The highest rank of either, from which on none had to be taken in.
    """

    of_x: NDArray[np.int64]
    of_y: NDArray[np.int64]
    classes: tuple[int, ...]
    ranks: tuple[float, float]


class WideSampling:
    """Decides which samples of each batch are sketched.

    Args:
        choice: How many are read in the end.
        classes: The classes that the label is read among, where that is known, the most important
            first.
        ranks: The highest ranks of an earlier pass over the set: it spares those that would have
            to leave again.
        is_settled: Whether these are the classes that an earlier pass over the set was read among.
    """

    def __init__(
        self,
        choice: WideChoice,
        classes: Sequence[int] = (),
        ranks: tuple[float, float] = (np.inf, np.inf),
        *,
        is_settled: bool = False,
    ) -> None:
        self._choice = choice
        self._is_settled = is_settled
        self._of_x, self._of_certain = (Lowest(choice.size, np.nextafter(r, np.inf)) for r in ranks)
        self._certain = tuple(classes)
        self._seen: set[int] = set()
        """Those of the certain classes that this set has."""
        self._of_others: dict[int, Lowest] = {}
        """By class that may leave again, a few samples, in the order of preference."""
        self._parts: list[WideSamples] = []

    def admit(self, batch: Batch, group_keys: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Positions of the batch's samples to take in; some may have to leave again.

        Args:
            batch: The batch.
            group_keys: Keys ``(n_rows, 2)`` of its rows' inputs; None if they are not told apart.
        """
        below = self._of_x.threshold
        if self._choice.n_classes:
            below = max(below, np.inf if self._of_others else self._of_certain.threshold)
        positions, ranks = self._ranked(batch, below)
        taken = np.zeros(len(positions), bool)
        taken[self._of_x.admit(ranks)] = True
        if self._choice.n_classes:
            numbers = class_numbers(batch.labels, positions)
            self._note(numbers)
            certain = np.flatnonzero(np.isin(numbers, self._certain))
            taken[certain[self._of_certain.admit(ranks[certain])]] = True
            for number, lowest in self._of_others.items():
                of_class = np.flatnonzero(numbers == number)
                taken[of_class[lowest.admit(ranks[of_class])]] = True
        positions, indices = positions[taken], batch.indices[positions[taken]]
        self._parts.append(
            WideSamples(
                indices,
                ranks[taken],
                Targets.of(batch.labels, positions),
                _groups(positions, indices, batch.grid, group_keys),
                (),
                (),
            )
        )
        return positions

    def samples(self) -> WideSamples:
        """All that were taken in so far."""
        seen = [number for number in self._certain if number in self._seen]
        below = min((lowest.threshold for lowest in self._of_others.values()), default=np.inf)
        whole = _joined(self._parts, self._certain, (*seen, *self._of_others))
        return replace(whole, below=below)

    def _ranked(self, batch: Batch, below: float) -> _Ranked:
        """Positions in a batch of samples that may be wanted, and their ranks."""
        counted = batch.indices >= 0
        if batch.labels is not None:
            counted = counted & batch.labels.is_labelled
        if batch.grid.axes:
            return _few_of_each_row(batch, counted, self._choice, below)
        positions = np.flatnonzero(counted)
        return _Ranked(positions, ranks_of(batch.indices[positions], self._choice.seed))

    def _note(self, numbers: NDArray[np.int64]) -> None:
        """See which classes there are; the first batch with labels decides what it can."""
        choice = self._choice
        if not len(numbers):
            return
        if not self._certain:
            self._certain = most_frequent(numbers, choice.n_classes)
        here = set(np.unique(numbers).tolist())
        self._seen |= here.intersection(self._certain)
        if self._is_settled:
            return
        others = np.array([*self._of_others, *here.difference(self._certain, self._of_others)])
        others = _in_order(others.astype(np.int64), choice.seed)
        # A few samples of each, so that a set in the order of its classes is not kept whole.
        few = -(-2 * choice.size // choice.n_classes)
        self._of_others = {
            number: self._of_others.get(number) or Lowest(few)
            for number in others[: choice.n_classes - len(self._seen)].tolist()
        }


def chosen(samples: WideSamples, choice: WideChoice) -> Chosen:
    """Choose among the samples that all processes have taken in.

    Args:
        samples: Of all of them, `joined`.
        choice: How many to read, and among how many classes.
    """
    order = np.argsort(samples.ranks, kind="stable")
    of_x, numbers = order[: choice.size], samples.targets.numbers
    last = _last(samples, of_x, choice)
    is_classes = not samples.targets.fits.isdisjoint((Classes.name, SoftLabels.name))
    if not is_classes or len(np.unique(numbers[of_x])) <= choice.n_classes:
        return Chosen(of_x, of_x, (), (last, last))
    is_of_them = np.isin(numbers[order], samples.classes) & (samples.ranks[order] < samples.below)
    of_y = order[is_of_them][: choice.size]
    return Chosen(of_x, of_y, samples.classes, (last, _last(samples, of_y, choice)))


def joined(parts: Sequence[WideSamples], choice: WideChoice) -> WideSamples:
    """The samples of all processes.

    Args:
        parts: Of each.
        choice: How they were chosen.
    """
    preferred = np.array([number for part in parts for number in part.certain], np.int64)
    place = np.concatenate([np.zeros(0), *(np.arange(len(part.certain)) for part in parts)])
    by_place = preferred[np.lexsort((hashed(preferred, choice.seed), place))]
    certain = tuple(dict.fromkeys(by_place.tolist()))[: choice.n_classes]
    seen = {number for part in parts for number in part.classes}
    others = _in_order(np.array(sorted(seen.difference(certain)), np.int64), choice.seed)
    classes = (*(number for number in certain if number in seen), *others.tolist())
    whole = _joined(parts, certain, classes[: choice.n_classes])
    return replace(whole, below=min(part.below for part in parts))


def _in_order(numbers: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Class numbers in a seeded order, the same whatever others there are."""
    ordered: NDArray[np.int64] = numbers[np.argsort(hashed(numbers, seed), kind="stable")]
    return ordered


def class_numbers(labels: Labels | None, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Class numbers of some samples of a batch; 0 throughout where the labels are no classes."""
    if labels is None or labels.fits.isdisjoint((Classes.name, SoftLabels.name)):
        return np.zeros(len(positions), np.int64)
    return Targets.of(labels, positions).numbers.astype(np.int64)


def most_frequent(numbers: NDArray[np.int64], most: int) -> tuple[int, ...]:
    """The most frequent of some class numbers, at most so many.

    Example:
        >>> most_frequent(np.array([3, 5, 5]), 50)
        (5, 3)
    """
    classes, counts = np.unique(numbers, return_counts=True)
    return tuple(classes[np.argsort(-counts, kind="stable")][:most].tolist())


def _joined(
    parts: Sequence[WideSamples], certain: tuple[int, ...], classes: tuple[int, ...]
) -> WideSamples:
    some = [part for part in parts if len(part.indices)]
    groups = [part.groups for part in some]
    has_groups = bool(groups) and all(of_part is not None for of_part in groups)
    return WideSamples(
        np.concatenate([np.zeros(0, np.int64), *(part.indices for part in some)]),
        np.concatenate([np.zeros(0), *(part.ranks for part in some)]),
        Targets.joined([part.targets for part in parts]),
        np.concatenate([one for one in groups if one is not None]) if has_groups else None,
        certain,
        classes,
    )


def _last(samples: WideSamples, of: NDArray[np.int64], choice: WideChoice) -> float:
    """The rank from which on no sample is read; infinity if all were."""
    return float(samples.ranks[of[-1]]) if len(of) == choice.size else np.inf


class _Ranked(NamedTuple):
    positions: NDArray[np.int64]
    ranks: NDArray[np.float64]


def _few_of_each_row(
    batch: Batch, counted: NDArray[np.bool_], choice: WideChoice, below: float
) -> _Ranked:
    """Some samples of each row in a random order of its own; all first ones rank before all second.

    Args:
        batch: A batch whose samples are positions.
        counted: Which of them count.
        choice: How many are read in the end.
        below: No rank from here on is wanted.
    """
    shape = (batch.grid.n_rows, -1)
    order = np.where(counted, hashed(batch.indices, choice.seed), np.inf).reshape(shape)
    most = int(min(order.shape[1], choice.size, np.ceil(below)))
    first = np.argpartition(order, most - 1, axis=1)[:, :most]  # a row may be a million pixels
    within = np.argsort(np.take_along_axis(order, first, 1), axis=1)
    first = np.take_along_axis(first, within, 1)
    rows = np.arange(len(order))[:, None]
    numbers = batch.indices.reshape(shape)[:, :1] // MOST_POSITIONS
    ranks = np.arange(most) + hashed(numbers, choice.seed)
    positions, ranks = (first + rows * order.shape[1]).reshape(-1), ranks.reshape(-1)
    wanted = counted[positions] & (ranks < below)
    sort = np.argsort(positions[wanted])
    return _Ranked(positions[wanted][sort], ranks[wanted][sort])


def _groups(
    positions: NDArray[np.int64],
    indices: NDArray[np.int64],
    grid: Grid,
    group_keys: NDArray[Any] | None,
) -> NDArray[np.int64] | None:
    if not grid.axes:
        return None if group_keys is None else group_keys[positions]
    if group_keys is None:
        rows = indices // MOST_POSITIONS
        return np.stack([rows, np.zeros_like(rows)], axis=1)
    n_positions = grid.n_samples // max(grid.n_rows, 1)
    return group_keys[positions // n_positions]
