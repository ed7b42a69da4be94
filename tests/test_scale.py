"""A layer's spread and its code with merged bins, at every point of the plane."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks import InformationPlaneMonitor
from it_callbacks.codes import encode_keys, keys
from it_callbacks.estimators import WideReading
from it_callbacks.estimators.looks import Look
from it_callbacks.estimators.verdict import Answer
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.spreads import Moments, moments_of
from it_callbacks.observation.streams import KeyStream
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Calibrated, PairMerged, Ruler, Uniform, Width, pair_merged

from .toys import Classifier, Scales, curve, fit, loader

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
    (merged,) = stream.read().merged
    assert merged is not None
    assert in_bits(merged) == expected


def test_another_ruler_with_merged_bins_is_read_once() -> None:
    """15 bins are 30 merged in pairs: two sets of keys, and one more for 7.5 bins."""
    rulers = tuple(Calibrated(bins).freeze(ROWS) for bins in (30, 15))
    stream = KeyStream(Reader(Joint(), rulers))
    stream.add(ROWS)
    first, second = stream.read().keys
    assert np.array_equal(np.asarray(stream.read().merged[0]), second)
    assert not np.array_equal(first, second)
    assert len(stream._keys) == 3


def test_of_some_rulers_no_bins_are_merged() -> None:
    stream = KeyStream(Reader(Joint(), (Width(0.1), Width(0.3))), unmerged={0})
    stream.add(ROWS)
    none, merged = stream.read().merged
    assert none is None
    assert merged is not None


@pytest.mark.parametrize("ruler", [Uniform(15, -1, 1), Width(1e-16)])
@pytest.mark.parametrize("n_units", [3, 40])
def test_merged_bins_have_one_key_by_both_ways(ruler: Ruler, n_units: int) -> None:
    """Far from 0, negative and at the closed edge alike; narrow rows and wide ones."""
    rows = torch.randn(300, n_units, generator=TORCH).clamp(-1.5, 1.0)
    rows[:9] *= 1e-12
    scale = 1 if isinstance(ruler, Uniform) else 1e-10
    merged = PairMerged(ruler)
    assert torch.equal(encode_keys(rows * scale, merged), keys(merged(rows * scale)))


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


def test_moments_of_many_layers_are_those_of_each() -> None:
    """Far from 0, in one shape or another, with rows that are not finite, and without any row."""
    rng = np.random.default_rng(0)
    layers = {f"net.{n}": rng.normal(n, [1, 2, 3], (500, 3)).astype(np.float32) for n in range(99)}
    layers["wide"], layers["none"] = rng.normal(1e3, 1, (40, 9000)), np.zeros((0, 3))
    layers["net.5"][[3, 8]] = [np.nan, 1, 1], [np.inf, -np.inf, 0]
    found = moments_of(layers)
    assert list(found) == list(layers)
    for name, rows in layers.items():
        finite = rows[np.isfinite(rows).all(axis=1)].astype(np.float64)
        assert found[name].n == len(finite)
        if len(finite):
            np.testing.assert_allclose(found[name].mean, finite.mean(axis=0), rtol=1e-12)
            assert found[name].spread ** 2 == pytest.approx(finite.var(axis=0).sum(), rel=1e-12)


def course(plane: InformationPlaneMonitor, place: tuple[str, str, str]) -> dict[str, np.ndarray]:
    """What the plane remembers of a layer under a ruler, by name of the number."""
    looks = plane._instrument._memory.looks[place].state()["looks"]
    return dict(zip(Look._fields, looks, strict=True))


def test_the_spread_is_remembered_at_every_point() -> None:
    """That of the wide reading, also where there is none, or none at that point."""
    planes = [
        InformationPlaneMonitor(["net.1", "net.4"], bins=4, wide=wide, name=name)
        for name, wide in (("often", WideReading(schedule=1)), ("first", WideReading()))
    ]
    planes.append(InformationPlaneMonitor(["net.1", "net.4"], bins=4, wide=None, name="none"))
    fit(planes, val=loader(1300), max_epochs=6)
    for layer in ("net.1", "net.4"):
        logged = curve(planes[0], f"information_plane/often/spread/{layer}")
        for plane, name in zip(planes, ("often", "first", "none"), strict=True):
            found = course(plane, (name, layer, ""))["spread"]
            assert len(found) == len(logged) == 6
            assert found == pytest.approx(logged, rel=1e-5)


def test_rows_that_are_not_finite_are_left_out_of_the_spread() -> None:
    rows = torch.randn(300, 3, generator=TORCH).double().numpy()
    with_nan = rows.copy()
    with_nan[::7, 1] = np.inf
    expected = math.sqrt(np.delete(rows, slice(None, None, 7), 0).var(axis=0).sum())
    assert Moments.of(with_nan).spread == pytest.approx(expected, rel=1e-12)


def test_bins_are_merged_of_layers_that_do_not_begin_saturated() -> None:
    """A thousand bins give nearly each of the samples a symbol; four do not."""
    plane = InformationPlaneMonitor(["net.1"], bins=[4, 1000])
    fit([plane], max_epochs=3)
    (narrow, slug) = (looks for *_, looks in plane._instrument._memory.looks)
    assert narrow == ""
    few, many = (course(plane, ("val", "net.1", ruler)) for ruler in (narrow, slug))
    assert (few["merged_bits"] < few["bits"]).all()
    assert not np.isnan(few["merged_bits"]).any()
    assert np.isnan(many["merged_bits"]).tolist() == [False, True, True]


class Dies(Classifier):
    """All its hidden units go off behind the validation of the eighth epoch."""

    def on_train_epoch_end(self) -> None:
        if self.current_epoch == 7:
            with torch.no_grad():
                self.net[2].bias.fill_(-1e3)


def test_a_layer_that_dies_is_dead() -> None:
    plane = InformationPlaneMonitor(["net.3"], bins=4, wide=None)
    fit([plane], Dies, max_epochs=12)
    verdict = plane.verdicts["val"]["net.3"]
    assert verdict.answer is Answer.DEAD
    assert "dead since epoch 9" in str(verdict)


@pytest.mark.parametrize("data", [None, "val"])
def test_a_resumed_run_remembers_what_an_uninterrupted_one_does(
    tmp_path: Path, data: str | None
) -> None:
    """All looks, and the same verdict of them."""
    whole, part, rest = (InformationPlaneMonitor(["net.1"], bins=[6, 3], data=data) for _ in "123")
    fit([whole], lambda: Scales(0, 1.5), max_epochs=12)
    _, running = fit([part], lambda: Scales(0, 1.5), max_epochs=7)
    running.save_checkpoint(tmp_path / "seven.ckpt")
    path = str(tmp_path / "seven.ckpt")
    fit([rest], lambda: Scales(0, 1.5), max_epochs=12, ckpt_path=path)
    assert rest.verdicts == whole.verdicts
    for place in whole._instrument._memory.looks:
        for name, column in course(whole, place).items():
            assert np.array_equal(course(rest, place)[name], column, equal_nan=True), name
