"""Fetching a data: whatever holds the set, its samples come out once and nothing else moves."""

from __future__ import annotations

import random
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from it_callbacks.observation.fixed_set import fetch, fetch_behind

N = 1000
X = torch.arange(N)[:, None] * torch.tensor([1.0, -1.0])
Y = torch.arange(N) * 7 % 10
SET = TensorDataset(X, Y)


class Rows(Dataset):
    """Rows with noise drawn from every generator, as an augmentation does."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random.random(), np.random.rand(), torch.rand(1)
        return X[index], Y[index]


class Batched(Dataset):
    """Takes a list of indices and gives a whole batch."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        assert isinstance(indices, list)
        return X[indices], Y[indices]


class Blocks(Dataset):
    """Each item is a batch already."""

    def __len__(self) -> int:
        return N // 50

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return X[index * 50 : index * 50 + 50], Y[index * 50 : index * 50 + 50]


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[Any]:
        return iter(SET)


def sampled_batches(**kwargs: Any) -> DataLoader:
    sampler = BatchSampler(RandomSampler(range(N), **kwargs), batch_size=64, drop_last=False)
    return DataLoader(Batched(), batch_size=None, sampler=sampler)


def indices(batches: list[Any]) -> list[int]:
    """Which samples came out; checks that inputs and labels belong together."""
    inputs = torch.cat([batch[0] for batch in batches])
    labels = torch.cat([batch[1] for batch in batches])
    chosen = inputs[:, 0].long()
    assert torch.equal(inputs, X[chosen])
    assert torch.equal(labels, Y[chosen])
    return chosen.tolist()


SOURCES = {
    "data set": lambda: SET,
    "own data set": Rows,
    "nested sets": lambda: ConcatDataset([Subset(SET, range(300)), Subset(SET, range(300, N))]),
    "loader": lambda: DataLoader(SET, batch_size=64),
    "shuffled loader": lambda: DataLoader(SET, batch_size=64, shuffle=True),
    "whole-batch loader": lambda: DataLoader(Blocks(), batch_size=None),
    "batch-sampled loader": sampled_batches,
    "streaming loader": lambda: DataLoader(Stream(), batch_size=64),
    "tuple of tensors": lambda: (X, Y),
    "list of tensors": lambda: [X, Y],
}


# fetch


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("max_samples", [None, N, 10_000])
def test_every_sample_comes_out_once(source: Any, max_samples: int | None) -> None:
    assert sorted(indices(fetch(source(), max_samples, seed=0))) == list(range(N))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_too_large_a_set_gives_a_random_subset_of_the_size_asked_for(source: Any) -> None:
    chosen = indices(fetch(source(), 200, seed=0))
    assert len(set(chosen)) == len(chosen) == 200
    in_tenths = np.bincount(np.array(chosen) // 100, minlength=10)
    assert in_tenths.min() >= 5  # 20 expected in each; the first rows only would be 100, 100, 0...


@pytest.mark.parametrize(
    "source",
    [SET, DataLoader(SET, batch_size=64), DataLoader(Blocks(), batch_size=None), (X, Y)],
    ids=["data set", "loader", "whole-batch loader", "tensors"],
)
def test_every_way_to_hold_a_set_gives_the_same_subset_in_order(source: Any) -> None:
    chosen = indices(fetch(source, 200, seed=3))
    assert chosen == indices(fetch(SET, 200, seed=3))
    assert chosen == sorted(chosen)
    assert chosen != indices(fetch(SET, 200, seed=4))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_fetching_leaves_the_global_random_states_alone(source: Any) -> None:
    held = source()
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    fetch(held, 200, seed=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


@pytest.mark.parametrize(
    "make",
    [
        lambda g: DataLoader(SET, batch_size=64, shuffle=True, generator=g),
        lambda g: DataLoader(SET, batch_size=64, sampler=RandomSampler(SET, generator=g)),
        lambda g: DataLoader(
            SET, batch_sampler=BatchSampler(RandomSampler(SET, generator=g), 64, False)
        ),
        lambda g: sampled_batches(generator=g),
    ],
    ids=["loader's", "sampler's", "batch sampler's", "inner sampler's"],
)
def test_fetching_leaves_a_generator_of_the_users_own_alone(make: Any) -> None:
    """The same loader may feed the training: its next epoch must be what it would have been."""
    generator = torch.Generator().manual_seed(7)
    loader = make(generator)
    before = generator.get_state()
    fetch(loader, 200, seed=0)
    assert torch.equal(generator.get_state(), before)


def test_a_loader_is_read_through_its_own_sampler_and_collation() -> None:
    loader = DataLoader(
        SET,
        batch_size=10,
        sampler=SubsetRandomSampler(range(500, 600)),
        collate_fn=lambda rows: {"x": torch.stack([x for x, _ in rows])},
    )
    batches = fetch(loader, None, seed=0)
    seen = torch.cat([batch["x"] for batch in batches])[:, 0]
    assert sorted(seen.tolist()) == list(range(500, 600))
    assert len(batches) == 10


def test_a_mapping_of_tensors_gives_mappings() -> None:
    batches = fetch({"x": X, "y": Y}, 300, seed=0)
    assert all(set(batch) == {"x", "y"} for batch in batches)
    chosen = indices([(batch["x"], batch["y"]) for batch in batches])
    assert chosen == indices(fetch((X, Y), 300, seed=0))


def test_tensors_are_copied() -> None:
    """A set that is edited later is still the set that was fetched."""
    x = X.clone()
    (batch,) = fetch({"x": x[:100]}, None, seed=0)
    x.zero_()
    assert torch.equal(batch["x"], X[:100])


def test_three_tensors_stay_three() -> None:
    assert len(fetch((X, X, Y), None, seed=0)[0]) == 3


Pair = namedtuple("Pair", ["x", "y"])  # made at run time, as users do


@dataclass
class Sample:
    x: Tensor
    y: Tensor
    split: str = "val"


@pytest.mark.parametrize(
    ("batch_of", "x", "y"),
    [
        (lambda x, y: [x, y], lambda b: b[0], lambda b: b[1]),
        (lambda x, y: (x, y), lambda b: b[0], lambda b: b[1]),
        (lambda x, y: {"x": x, "y": y}, lambda b: b["x"], lambda b: b["y"]),
        (lambda x, y: ({"ids": x, "mask": x}, y), lambda b: b[0]["mask"], lambda b: b[1]),
        (Pair, lambda b: b.x, lambda b: b.y),
        (Sample, lambda b: b.x, lambda b: b.y),
        (lambda x, y: (x, y, None, "name", 3), lambda b: b[0], lambda b: b[1]),
        (lambda x, y: (x, y, torch.tensor(0.5)), lambda b: b[0], lambda b: b[1]),
    ],
    ids=["list", "tuple", "dict", "nested", "namedtuple", "dataclass", "leaves", "number"],
)
def test_rows_are_taken_out_of_batches_of_every_kind(batch_of: Any, x: Any, y: Any) -> None:
    loader = DataLoader(
        SET,
        batch_size=100,
        collate_fn=lambda rows: batch_of(*(torch.stack(part) for part in zip(*rows, strict=True))),
    )
    batches = fetch(loader, 150, seed=0)
    chosen = indices([(x(batch), y(batch)) for batch in batches])
    assert chosen == indices(fetch(SET, 150, seed=0))
    assert all(type(batch) is type(batch_of(X, Y)) for batch in batches)


@pytest.mark.parametrize("kind", [list, tuple])
def test_names_of_samples_stay_with_them(kind: Any) -> None:
    loader = DataLoader(
        SET,
        batch_size=100,
        collate_fn=lambda rows: (
            torch.stack([x for x, _ in rows]),
            kind(f"sample {x[0]:.0f}" for x, _ in rows),
        ),
    )
    for inputs, names in fetch(loader, 50, seed=0):
        assert list(names) == [f"sample {value:.0f}" for value in inputs[:, 0]]


def test_rows_cannot_be_taken_of_what_is_unknown() -> None:
    loader = DataLoader(SET, batch_size=100, collate_fn=lambda rows: (X[:100], object()))
    with pytest.raises(TypeError, match=r"cannot take rows of a object.*max_samples=None"):
        fetch(loader, 50, seed=0)
    assert len(fetch(loader, None, seed=0)) == 10


@pytest.mark.parametrize(
    "empty",
    [
        TensorDataset(X[:0]),
        DataLoader(TensorDataset(X[:0])),
        (X[:0], Y[:0]),
        {"x": X[:0]},
        (),
        {},
    ],
    ids=["data set", "loader", "tensors", "mapping", "no tensors", "no mapping"],
)
@pytest.mark.parametrize("max_samples", [None, 10])
def test_an_empty_set_is_an_error(empty: Any, max_samples: int | None) -> None:
    with pytest.raises(ValueError, match="data: it holds no samples"):
        fetch(empty, max_samples, seed=0)


def test_tensors_of_unequal_length_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"unequal length, \{0: 1000, 1: 999\}"):
        fetch((X, Y[1:]), None, seed=0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Stream(), "iterable data set has no fixed samples"),
        ("test", "need 'train', 'val', a data set.* got str"),
        (7, "got int"),
        (None, "got NoneType"),
        ((X, Y.numpy()), r"data\[1\].*ndarray"),
        ({"x": X, "n": torch.tensor(3)}, r"data\['n'\].*one row per sample"),
        ([(X[0], Y[0])], r"data\[0\].*tuple"),
        (DataLoader(["a", "b"]), "holds no tensors"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_a_fixed_set_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        fetch(wrong, 10, seed=0)


# fetch_behind


LOADERS = {
    "plain": lambda: DataLoader(SET, batch_size=64),
    "shuffled, last dropped": lambda: DataLoader(SET, batch_size=64, shuffle=True, drop_last=True),
    "weighted": lambda: DataLoader(SET, sampler=WeightedRandomSampler(Y + 1.0, 5)),
    "batch sampler": lambda: DataLoader(
        SET, batch_sampler=BatchSampler(RandomSampler(SET), 64, True)
    ),
    "batches by index list": sampled_batches,
    "whole batches": lambda: DataLoader(Blocks(), batch_size=None, shuffle=True),
    "noisy": lambda: DataLoader(Rows(), shuffle=True),
    "workers": lambda: DataLoader(SET, num_workers=2, persistent_workers=True),
}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_the_whole_set_behind_a_loader_comes_out(make: Any) -> None:
    """Also what its sampler would have dropped, repeated or shuffled."""
    assert indices(fetch_behind(make(), None, seed=0)) == list(range(N))
    assert indices(fetch_behind(make(), 100, seed=0)) == indices(fetch(SET, 100, seed=0))


def test_a_sampler_that_splits_a_set_is_heeded() -> None:
    """Training and validation may share a data set; a fixed set of one must not see the other."""
    loader = DataLoader(SET, sampler=SubsetRandomSampler([9, 3, *range(500, 900)]))
    assert indices(fetch_behind(loader, None, seed=0)) == [3, 9, *range(500, 900)]
    chosen = indices(fetch_behind(loader, 50, seed=0))
    assert len(chosen) == 50
    assert set(chosen) <= {3, 9, *range(500, 900)}


@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_fetching_behind_a_loader_draws_nothing(make: Any) -> None:
    loader = make()
    loader.generator = torch.Generator().manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    own = loader.generator.get_state()
    fetch_behind(loader, 100, seed=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
    assert torch.equal(loader.generator.get_state(), own)


def test_the_loader_itself_is_not_iterated() -> None:
    class Loader(DataLoader):
        def __iter__(self) -> Any:
            raise AssertionError("iterated")

    for loader in (Loader(SET), Loader(Blocks(), batch_size=None)):
        assert indices(fetch_behind(loader, None, seed=0)) == list(range(N))


def test_the_loaders_collation_is_used() -> None:
    loader = DataLoader(SET, collate_fn=lambda rows: {"n": torch.tensor([len(rows)])})
    sizes = [batch["n"].item() for batch in fetch_behind(loader, None, seed=0)]
    assert sizes == [256, 256, 256, 232]


def test_an_empty_set_behind_a_loader_is_an_error() -> None:
    with pytest.raises(ValueError, match="data: it holds no samples"):
        fetch_behind(DataLoader(TensorDataset(X[:0])), 10, seed=0)


@pytest.mark.parametrize(
    "wrong", [DataLoader(Stream()), [(X, Y)], None], ids=lambda w: type(w).__name__
)
def test_a_loader_without_a_set_behind_it_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="there is no map-style data set"):
        fetch_behind(wrong, 10, seed=0)


class DrawsItself(Dataset[Any]):
    """Draws from generators of its own, and of its transform, and counts."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.transform = Shaken()
        self.n_read = 0

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.n_read += 1
        return self.transform(torch.full((3,), float(self.rng.standard_normal()))), index % 2


class Shaken:
    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, x: Tensor) -> Tensor:
        return x + torch.randn(3, generator=self.generator)


def _fetch_set(source: Any) -> None:
    fetch(source, None, 0)


def _fetch_loader(source: Any) -> None:
    fetch(DataLoader(source, 4), None, 0)


def _fetch_behind(source: Any) -> None:
    fetch_behind(DataLoader(source, 4), None, 0)


@pytest.mark.parametrize("fetched", [_fetch_set, _fetch_loader, _fetch_behind])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: Subset(s, range(15))], ids=["", "subset"])
def test_generators_of_a_data_set_stand_as_before(wrap: Any, fetched: Any) -> None:
    own = DrawsItself()
    numpy_before = own.rng.bit_generator.state
    torch_before = own.transform.generator.get_state()
    fetched(wrap(own))
    assert own.rng.bit_generator.state == numpy_before
    assert torch.equal(own.transform.generator.get_state(), torch_before)
    assert own.n_read == 0
