"""Which samples layers of any width are read on: the same ones, however a set is dealt out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.label_reading import read_labels
from it_callbacks.observation.positions import MOST_POSITIONS
from it_callbacks.observation.sampling import ranks_of
from it_callbacks.observation.wide_sampling import (
    Chosen,
    WideChoice,
    WideSamples,
    WideSampling,
    chosen,
    joined,
    most_frequent,
)
from it_callbacks.sketches import Sketch

INF = (np.inf, np.inf)


def choice(size: int, n_classes: int = 50, seed: int = 0) -> WideChoice:
    return WideChoice(size, n_classes, Sketch(), seed)


def batches(
    labels: NDArray[np.int64], size: int, rows: NDArray[np.int64] | None = None
) -> list[Batch]:
    """A set of rows with these labels ``(n,)`` or ``(n, n_positions)``, in batches."""
    rows = np.arange(len(labels)) if rows is None else rows
    return [
        Batch.of(
            None,
            read_labels(torch.from_numpy(labels[start : start + size]), None, "auto"),
            rows[start : start + size],
        )
        for start in range(0, len(labels), size)
    ]


def taken(
    several: list[Batch],
    how: WideChoice,
    classes: tuple[int, ...] = (),
    ranks: tuple[float, float] = INF,
) -> WideSamples:
    sampling = WideSampling(how, classes, ranks)
    for batch in several:
        sampling.admit(batch, None)
    return sampling.samples()


def read(samples: WideSamples, how: WideChoice) -> tuple[list[int], list[int], Chosen]:
    """Indices of the samples that x and y are read on, in order."""
    found = chosen(joined([samples], how), how)
    return samples.indices[found.of_x].tolist(), samples.indices[found.of_y].tolist(), found


def labels_of_classes(n: int, n_classes: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, n_classes, n)


@pytest.mark.parametrize("size", [10, 64, 1000])
def test_rows_of_lowest_rank_are_read_in_the_order_of_their_ranks(size: int) -> None:
    labels, how = labels_of_classes(500, 3), choice(size)
    of_x, of_y, found = read(taken(batches(labels, 40), how), how)
    expected = np.argsort(ranks_of(np.arange(500), 0))[:size].tolist()
    assert of_x == of_y == expected
    assert found.classes == ()


def test_where_the_label_is_not_read_only_the_lowest_ranks_are_taken_in() -> None:
    """Samples in the order of their classes, of which a few each would be kept else."""
    labels = np.sort(labels_of_classes(2000, 200))
    samples = taken(batches(labels, 40), choice(20, n_classes=0))
    lowest = np.argsort(ranks_of(np.arange(2000), 0))[:20]
    assert set(lowest.tolist()) <= set(samples.indices.tolist())
    assert len(samples.indices) < len(taken(batches(labels, 40), choice(20)).indices)
    of_one_class = taken(batches(np.zeros_like(labels), 40), choice(20, n_classes=0))
    assert samples.indices.tolist() == of_one_class.indices.tolist()


@pytest.mark.parametrize("n_classes", [3, 120])
def test_neither_batches_nor_order_nor_processes_change_who_is_read(n_classes: int) -> None:
    labels, how = labels_of_classes(3000, n_classes), choice(200)
    certain = most_frequent(labels[:64], 50)
    alone = read(taken(batches(labels, 64), how, certain), how)[:2]
    order = np.random.default_rng(1).permutation(3000)
    shuffled = taken(batches(labels[order], 17, order), how, certain)
    assert read(shuffled, how)[:2] == alone
    shares = [
        taken(batches(labels[first::3], 20, np.arange(3000)[first::3]), how, certain)
        for first in range(3)
    ]
    assert read(joined(shares, how), how)[:2] == alone


def test_a_second_pass_takes_in_no_more_than_it_reads() -> None:
    labels, how = labels_of_classes(5000, 120), choice(256)
    first = taken(batches(labels, 100), how)
    of_x, of_y, found = read(first, how)
    again = taken(batches(labels, 100), how, found.classes, found.ranks)
    assert read(again, how)[:2] == (of_x, of_y)
    assert len(again.indices) == len({*of_x, *of_y}) < len(first.indices)


def test_a_set_that_has_lost_samples_is_read_whole_the_time_after() -> None:
    labels, how = labels_of_classes(5000, 3), choice(256)
    ranks = read(taken(batches(labels, 100), how), how)[2].ranks
    smaller = read(taken(batches(labels[:2000], 100), how, (), ranks), how)
    assert len(smaller[0]) < 256
    assert len(read(taken(batches(labels[:2000], 100), how, (), smaller[2].ranks), how)[0]) == 256


def test_of_many_classes_50_are_chosen_the_most_frequent_of_the_first_batch_first() -> None:
    rng = np.random.default_rng(2)
    labels = np.concatenate([np.repeat([7, 3, 90], [10, 8, 6]), rng.integers(0, 300, 5000)])
    how = choice(256)
    samples = taken(batches(labels, 24), how)
    _, of_y, found = read(samples, how)
    assert found.classes[:3] == (7, 3, 90)
    assert len(found.classes) == len(set(found.classes)) == 50
    in_classes = np.flatnonzero(np.isin(labels, found.classes))
    by_rank = in_classes[np.argsort(ranks_of(in_classes, 0))][:256]
    # None of them was lost on the way; where one class might have lost some, the rest is not read.
    assert of_y == by_rank[: len(of_y)].tolist()
    assert len(of_y) > 200


@pytest.mark.parametrize("seed", range(5))
def test_classes_that_come_late_leave_no_gap(seed: int) -> None:
    """A set in the order of its classes: each displaces another for a while."""
    labels, how = np.repeat(np.arange(200), 20), choice(300, n_classes=50, seed=seed)
    samples = taken(batches(labels, 64), how)
    _, of_y, found = read(samples, how)
    in_classes = np.flatnonzero(np.isin(labels, found.classes))
    assert of_y == in_classes[np.argsort(ranks_of(in_classes, seed))][:300].tolist()


@pytest.mark.parametrize(
    ("n_classes", "most"), [(10, 7000), (50, 11_000), (100, 13_000), (1000, 12_000)]
)
def test_a_set_in_the_order_of_its_classes_is_not_kept_whole(n_classes: int, most: int) -> None:
    """As an unshuffled folder of images gives it; the first batch shows one class only."""
    labels, how = np.repeat(np.arange(n_classes), 50_000 // n_classes), choice(1024)
    samples = taken(batches(labels, 100), how)
    assert len(samples.indices) < most
    _, of_y, found = read(samples, how)
    assert len(of_y) == 1024
    if n_classes > 50:
        of_class = np.bincount(labels[of_y], minlength=n_classes)[list(found.classes)]
        assert len(found.classes) == 50
        assert of_class.min() > 5


def test_a_class_that_the_first_batch_alone_had_keeps_nothing_else_out() -> None:
    labels, how = np.arange(20_000) % 10 + 1, choice(1024)
    samples = taken(batches(labels, 100), how, classes=(0,))
    assert len(samples.indices) < 8000


def test_a_set_is_read_among_its_own_classes() -> None:
    """Preferred are those of other sets, but only where this one has them, and has too many."""
    how, elsewhere = choice(1024), tuple(range(50))
    few = taken(batches(labels_of_classes(4000, 40) + 30, 64), how, elsewhere)
    assert read(few, how)[2].classes == ()
    none_of_them = taken(batches(labels_of_classes(4000, 20) + 100, 64), how, elsewhere)
    of_x, of_y, found = read(none_of_them, how)
    assert of_y == of_x
    assert found.classes == ()
    many = taken(batches(labels_of_classes(8000, 60) + 30, 64), how, elsewhere)
    _, of_y, found = read(many, how)
    assert set(range(30, 50)) < set(found.classes)
    assert len(found.classes) == 50
    assert len(of_y) == 1024


def test_the_first_pass_reads_classes_as_often_as_later_ones_do() -> None:
    """Of frequent classes that the first batch lacks no more samples are left out than of rare."""
    rng = np.random.default_rng(5)
    labels = np.sort(np.minimum(rng.zipf(1.4, 20_000) - 1, 199))
    how = choice(1024)
    _, first, found = read(taken(batches(labels, 100), how), how)
    assert len(first) > 200
    n_kept = []
    for _ in range(2):
        again = WideSampling(how, found.classes, found.ranks, is_settled=True)
        for batch in batches(labels, 100):
            again.admit(batch, None)
        _, later, found = read(again.samples(), how)
        assert first == later[: len(first)]
        assert len(later) == 1024
        n_kept.append(len(again.samples().indices))
    assert n_kept[1] <= 2048 < n_kept[0]


def test_up_to_50_classes_are_all_read() -> None:
    labels, how = np.arange(2000) % 50, choice(500)
    assert read(taken(batches(labels, 30), how), how)[2].classes == ()
    labels[77] = 50
    everyone = choice(2000)
    assert len(read(taken(batches(labels, 30), everyone), everyone)[2].classes) == 50


def test_few_positions_of_each_row_are_read_and_of_as_many_rows_as_there_are() -> None:
    labels, how = labels_of_classes(100 * 30, 4).reshape(100, 30), choice(250)
    of_x, of_y, _ = read(taken(batches(labels, 8), how), how)
    of_row = np.bincount(np.array(of_x) // MOST_POSITIONS, minlength=100)
    assert set(of_row.tolist()) == {2, 3}
    assert of_x == of_y
    places = np.array(of_x) % MOST_POSITIONS
    assert places.max() < 30
    assert len(set(places.tolist())) > 20  # other ones in each row
    order = np.random.default_rng(3).permutation(100)
    assert read(taken(batches(labels[order], 13, order), how), how)[0] == of_x


def test_more_rows_than_samples_give_one_position_each() -> None:
    labels, how = labels_of_classes(400 * 5, 3).reshape(400, 5), choice(100)
    of_x, _, _ = read(taken(batches(labels, 50), how), how)
    assert len({index // MOST_POSITIONS for index in of_x}) == 100


def test_positions_of_a_row_are_a_group_and_masked_ones_are_not_read() -> None:
    labels, how = labels_of_classes(20 * 6, 3).reshape(20, 6), choice(1000)
    labels[:, 4:] = -100
    samples = taken(batches(labels, 7), how)
    assert len(samples.indices) == 20 * 4
    assert (samples.indices % MOST_POSITIONS).max() == 3
    assert samples.groups is not None
    assert (samples.groups[:, 0] == samples.indices // MOST_POSITIONS).all()


def test_rows_with_equal_inputs_are_a_group() -> None:
    keys = np.array([[1, 1], [2, 2], [1, 1]])
    sampling = WideSampling(choice(10))
    (batch,) = batches(np.arange(3), 3)
    sampling.admit(batch, keys)
    groups = sampling.samples().groups
    assert groups is not None
    assert groups.tolist() == keys.tolist()


def test_rows_of_other_processes_are_none_of_ours() -> None:
    labels = np.arange(4)
    (batch,) = batches(labels, 4, np.array([5, -1, 6, -1]))
    sampling = WideSampling(choice(10))
    assert sampling.admit(batch, None).tolist() == [0, 2]
