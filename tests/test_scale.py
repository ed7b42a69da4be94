"""A layer's spread and its code with merged bins, at every point of the plane."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks.codes import encode_keys, keys
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.spreads import Moments
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Calibrated, PairMerged, Ruler, Uniform, Width, pair_merged

TORCH = torch.Generator().manual_seed(3)
ROWS = 3 * torch.randn(500, 3, generator=TORCH)


class Own(Ruler):
    """A user's: no plain value, equal to nothing."""

    slug = "own"

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def levels(self, activations: Tensor) -> Tensor:
        return (activations * 7).round()


RULERS = [
    *(Width(0.1), Width(0.3, 0.05), Width((0.1, 0.2, 0.7), (0.0, -1.0, 0.3)), Width(1e-3)),
    *(Uniform(30, -1, 1), Uniform(15, -1, 1), Uniform(15, -20, 20), Uniform(8, -0.1, 7)),
    *(Calibrated(30).freeze(ROWS), Calibrated(7, "unit").freeze(ROWS), Own()),
]


def in_bits(states: np.ndarray) -> float:
    """The entropy of rows of whole numbers."""
    counts = np.sort(np.unique(states, axis=0, return_counts=True)[1])
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


@pytest.mark.parametrize("ruler", RULERS, ids=lambda ruler: type(ruler).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_bins_are_merged_in_pairs(ruler: Ruler, dtype: torch.dtype) -> None:
    """As NumPy merges states, on the fast path and on that of the spec."""
    rows = ROWS.to(dtype)
    expected = in_bits(np.floor(ruler(rows).numpy() / 2))
    for found in (encode_keys(rows, pair_merged(ruler)), keys(pair_merged(ruler)(rows))):
        assert in_bits(found.numpy()) == expected
    stream = KeyStream(Reader(Joint(), (ruler,)))
    for batch in rows.split(64):
        stream.add(batch)
    (merged,) = stream.merged()
    assert merged is not None
    assert in_bits(merged) == expected


def test_another_ruler_with_merged_bins_is_read_once() -> None:
    """15 bins are 30 merged in pairs: two sets of keys, and one more for 7.5 bins."""
    rulers = tuple(Calibrated(bins).freeze(ROWS) for bins in (30, 15))
    stream = KeyStream(Reader(Joint(), rulers))
    stream.add(ROWS)
    first, second = stream.keys()
    assert np.array_equal(np.asarray(stream.merged()[0]), second)
    assert not np.array_equal(first, second)
    assert len(stream._keys) == 3


def test_of_some_rulers_no_bins_are_merged() -> None:
    stream = KeyStream(Reader(Joint(), (Width(0.1), Width(0.3))), unmerged={0})
    stream.add(ROWS)
    none, merged = stream.merged()
    assert none is None
    assert merged is not None


def test_odd_bins_are_merged_with_the_closed_edge() -> None:
    assert PairMerged(Uniform(3, 0, 3))(torch.tensor([0.0, 1.5, 2.5, 3.0])).tolist() == [0, 0, 1, 1]


def test_moments_of_parts_are_those_of_all() -> None:
    """Parts of unequal size, one without a finite row, far from 0."""
    rng = np.random.default_rng(0)
    rows = rng.normal(1e3, [1, 2, 3], (300, 3))
    parts = [rows[:7], np.full((2, 3), np.nan), rows[7:250], rows[250:]]
    whole = Moments.of(parts[0])
    for part in parts[1:]:
        whole += Moments.of(part)
    assert whole.n == 300
    assert whole.spread == pytest.approx(math.sqrt(rows.var(axis=0).sum()), rel=1e-12)
    assert math.isnan(Moments.of(rows[:1]).spread)
