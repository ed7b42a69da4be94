"""The fast way to keys gives those of the spec, bit for bit, and refuses what the spec refuses."""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor
from typing_extensions import override

from it_callbacks import sketches
from it_callbacks.codes import (
    compiled,
    encode,
    encode_keys,
    encoded,
    encoded_at_once,
    encoded_twice,
    fast,
    keys,
    kind_of,
    symbols,
    tiles,
)
from it_callbacks.rulers import (
    Calibrated,
    Exact,
    PairMerged,
    Ruler,
    Uniform,
    Width,
    ibsgd,
    idnns,
    pair_merged,
    wide_type,
)


@dataclass(frozen=True)
class Ternary(Ruler):
    """A user's own ruler."""

    threshold: float

    @property
    @override
    def slug(self) -> str:
        return "ternary"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        return activations.sign() * (activations.abs() > self.threshold)


class Mirrored(Width):
    """A user's own ruler that is one of ours by descent, and reads in another way."""

    @override
    def levels(self, activations: Tensor) -> Tensor:
        return super().levels(-activations)


RULERS = [
    Uniform(30, -1, 1),
    Uniform(1, 0, 1),
    Uniform(7, 0.03, 0.97),
    Uniform(5000, -1, 1),
    Width(0.07),
    Width(1e-6),
    Calibrated(30),
    Calibrated(30, "unit"),
    Exact(),
    idnns(30),
    ibsgd(0.07),
    Ternary(0.5),
    Mirrored(0.07),
]
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def ordinary(*shape: int) -> Tensor:
    """Rows that differ in scale, so that some reach farther than a product takes."""
    scale = torch.tensor([0.2, 3.0, 0.01, 90.0])[torch.arange(shape[0]) % 4]
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return values * scale.reshape(-1, *[1] * (len(shape) - 1))


def outcome(of: Callable[[], Tensor]) -> Any:
    """What is returned, or what is refused and why."""
    try:
        return of().tolist()
    except ValueError as error:
        return type(error), str(error)


def assert_fast_is_spec(activations: Tensor, ruler: Ruler) -> None:
    def by_spec() -> Tensor:
        return keys(ruler.freeze(activations)(activations))

    expected = outcome(by_spec)
    assert outcome(lambda: encode_keys(activations, ruler)) == expected
    with without_kernel():
        assert outcome(lambda: encode_keys(activations, ruler)) == expected


@contextmanager
def without_kernel() -> Iterator[None]:
    """As where numba is not installed."""
    with mock.patch.object(compiled, "kernel", return_value=None):
        yield


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
@pytest.mark.parametrize("dtype", [*FLOATS, torch.int32, torch.uint8, torch.bool])
@pytest.mark.parametrize(
    "shape",
    [
        (40, 1),
        (40, 10),
        (40, 3, 4, 4),
        (20, 6000),
        (40,),
        (0, 3),
        (0, 30),
        (5, 0),
        (5, 2, 0),
        (1, 12),
    ],
)
def test_fast_is_spec(ruler: Ruler, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    activations = ordinary(*shape)
    if not dtype.is_floating_point and dtype != torch.bool:
        activations = (activations * 40).abs().clamp_max(250)
    assert_fast_is_spec(activations.to(dtype), ruler)


EXTREMES = {
    "edges": [-1.0, 1.0, 0.0, -0.0, 0.03, 0.97, 0.5, 7.0],
    "beside edges": [1.0000001, 0.99999994, -1.0000001, -0.99999994, 0.97000003, 1e-45, 0.25, 3.0],
    "inside": [0.1, 0.2, 0.9, 0.99999994, 0.0, 0.4, 0.6, 0.8],
    "the far end of the product": [17.78, -17.78, 17.85, -17.85, 17.71, 0.0, 1.0, 2.0],
    "far": [1e6, -1e6, 1e9, -1e9, 1.0, 2.0, 3.0, 4.0],
    "beyond 64 bits": [1e30, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    "the largest": [torch.finfo(torch.float32).max, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "NaN": [math.nan, 0.0, 1.0, 2.0, math.nan, 4.0, 5.0, 6.0],
    "minus NaN": [-math.nan, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "infinite": [math.inf, 0.0, 1.0, -math.inf, 3.0, 4.0, 5.0, 6.0],
    "constant": [0.3] * 8,
}


@pytest.mark.parametrize("ruler", [*RULERS, Width((0.07, 0.5)), Width((0.1,) * 3)], ids=repr)
@pytest.mark.parametrize("values", EXTREMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_units", [2, 12])
def test_fast_is_spec_at_the_extremes(
    ruler: Ruler, values: str, dtype: torch.dtype, n_units: int
) -> None:
    """Whatever is refused is so with the same words, and counted over all samples."""
    rows = torch.tensor(EXTREMES[values], dtype=dtype).reshape(-1, 2)
    assert_fast_is_spec(rows.repeat(3, n_units // 2), ruler)


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
@pytest.mark.parametrize("n_units", [7, 130])
def test_fast_is_spec_in_many_chunks(
    monkeypatch: pytest.MonkeyPatch, ruler: Ruler, n_units: int
) -> None:
    """Of two rows each, some of which reach far; what two of them refuse is counted together."""
    activations = ordinary(100, n_units)
    frozen = ruler.freeze(activations)
    monkeypatch.setattr(fast, "_CHUNK_ELEMENTS", 2 * n_units)
    assert_fast_is_spec(activations, frozen)
    activations[[3, 90]] = math.nan
    assert_fast_is_spec(activations, frozen)
    if ruler != Ternary(0.5):  # to whom NaN is 0
        refused = str(outcome(lambda: encode_keys(activations, frozen)))
        assert f"{2 * n_units} of {100 * n_units} values" in refused


@pytest.mark.parametrize("threads", [1, 2])
def test_fast_is_spec_in_threads_that_run_side_by_side(threads: int) -> None:
    """They do not share their scratch memory."""
    layers = [ordinary(400, 300) + seed for seed in range(8)]
    rulers = [Width(0.07), Uniform(30, -1, 1)]
    expected = [symbols(ruler(layer)) for layer in layers for ruler in rulers]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(5):
                both = [(layer, ruler) for layer in layers for ruler in rulers]
                found = list(pool.map(lambda one: encode(*one), both))
                assert all(map(torch.equal, found, expected))
    finally:
        torch.set_num_threads(before)


def test_scratch_memory_of_inference_mode_serves_outside_of_it() -> None:
    activations = ordinary(50, 20)

    def first_in_inference_mode() -> tuple[Tensor, Tensor]:
        with torch.inference_mode():  # a thread of its own has no memory yet
            inside = encode(activations, Width(0.5)).clone()
        return inside, encode(activations, Width(0.5))

    with ThreadPoolExecutor(1) as pool:
        inside, outside = pool.submit(first_in_inference_mode).result()
    assert torch.equal(inside, outside)


@pytest.mark.parametrize("ruler", [Uniform(7, 0.03, 0.97), Width(0.07), Exact(), Ternary(0.5)])
def test_keys_do_not_depend_on_the_default_device(ruler: Ruler) -> None:
    activations = torch.rand(20, 3)
    expected = keys(ruler(activations))
    with torch.device("meta"):  # where no number can be read
        inside = encode_keys(activations, ruler), keys(ruler(activations))
    assert torch.equal(inside[0], expected)
    assert torch.equal(inside[1], expected)


@pytest.mark.parametrize(
    ("ruler", "reach"),
    [
        (Width(1.0), 9.0),
        (Uniform(4, -2, 2), 10.0),
        (Exact(), math.nan),
        (Ternary(0.5), math.nan),
    ],
    ids=repr,
)
def test_the_reach_of_the_states_comes_with_their_keys(ruler: Ruler, reach: float) -> None:
    """Of -9 to 8: ten bins from -2 to 8, whose state is 10; where states are bits, of none."""
    activations = torch.arange(-9.0, 9.0).reshape(-1, 2)
    assert encoded(activations, ruler).reach == pytest.approx(reach, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("states", "farthest"),
    [
        ([0.0, 3.0, 29.0], 29.0),
        ([-2.0, 1.0], 2.0),
        ([-2.0, 5.0], 5.0),
        ([-0.0, 0.0], 0.0),
        ([1.0, math.inf], math.inf),
        ([1.0, -math.inf], math.inf),
        ([1.0, math.nan, -9.0], math.nan),
        ([math.inf, math.nan], math.nan),
    ],
)
def test_one_scan_finds_how_far_states_reach(
    states: list[float], farthest: float, dtype: torch.dtype
) -> None:
    found = tiles.scanned(torch.tensor(states, dtype=dtype))
    assert found.farthest == pytest.approx([farthest], nan_ok=True)


@pytest.mark.parametrize("bins", [200, 300, 5000])
def test_fine_bins_reach_no_farther_than_their_values_do(bins: int) -> None:
    """Else the whole layer would be hashed in the slow way."""
    values = torch.linspace(-1, -0.9, 50)[:, None]
    ruler = Uniform(bins, -1, 1)
    assert encoded(values, ruler).reach == ruler(values).max() == bins // 20


UNIFORM = {"bins": (1, 7, 30, 300), "low": (-1.0, 0.0, 0.03), "span": (2.0, 0.94)}


def drawn_ruler(draw: random.Random, n_units: int) -> Ruler:
    """A usual one, with whatever settings."""
    low = draw.choice(UNIFORM["low"])
    uniform = Uniform(draw.choice(UNIFORM["bins"]), low, low + draw.choice(UNIFORM["span"]))
    of_each = tuple(draw.choice((0.07, 0.5, 1.0, 3.0)) for _ in range(n_units))
    width = draw.choice((Width(0.07), Width(0.5, 0.2), Width(1.0), Width(of_each or 1.0)))
    return draw.choice((uniform, width, PairMerged(uniform), PairMerged(width), Exact()))


def drawn_layer(draw: random.Random, n_samples: int) -> Tensor:
    """Any shape, type and order in memory; of any scale, often saturated, now and then masked."""
    shape = draw.choice(((), (1,), (3,), (10,), (11,), (40,), (512,), (3, 4, 2), (2, 30)))
    values = torch.randn(
        n_samples, *shape, generator=torch.Generator().manual_seed(draw.randrange(2**31))
    )
    values *= draw.choice((0.3, 1.0, 20.0))
    if draw.random() < 0.4:
        values = values.clamp(-1, 1)
    dtype = draw.choice((*FLOATS, torch.int8, torch.uint8, torch.int32, torch.bool))
    if not dtype.is_floating_point:
        values = (values * 20).clamp(0 if dtype == torch.uint8 else -120, 120)
    elif draw.random() < 0.1:
        values.view(-1)[:1] = torch.finfo(torch.float32).min if dtype != torch.float16 else -6e4
    values = values.to(dtype)
    match draw.randrange(4):
        case 0 if len(shape) == 3:
            return values.contiguous(memory_format=torch.channels_last)
        case 1 if shape:
            return values.transpose(0, -1).contiguous().transpose(0, -1)
        case 2:
            return torch.stack([values, values], dim=-1)[..., 0]
    return values


@pytest.mark.parametrize("seed", range(150))
def test_any_layer_has_the_keys_of_the_spec_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Into tiles of few rows or few units, into batches, and in any order of the rows."""
    draw = random.Random(seed)
    layer = drawn_layer(draw, n_samples=draw.choice((1, 2, 33)))
    ruler = drawn_ruler(draw, layer[0].numel())
    assert_fast_is_spec(layer, ruler)
    expected = outcome(lambda: encode_keys(layer, ruler))
    monkeypatch.setattr(fast, "_CHUNK_ELEMENTS", draw.choice((1, 30, 500)))
    monkeypatch.setattr(fast, "_TILE_UNITS", draw.choice((10, 17, 100)))
    monkeypatch.setattr(fast, "_COPIED_ELEMENTS", draw.choice((1, 50)))
    if not isinstance(expected, list):
        return
    assert_fast_is_spec(layer, ruler)
    size, order = draw.choice((1, 5)), torch.tensor(draw.sample(range(len(layer)), len(layer)))
    batches = [encode_keys(part, ruler) for part in layer[order].split(size)]
    assert torch.cat(batches)[order.argsort()].tolist() == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int8])
def test_narrow_types_have_the_keys_of_their_values_in_float32_or_float64(
    dtype: torch.dtype,
) -> None:
    layer = (ordinary(300, 70) * 3).clamp(-100, 100).to(dtype)
    wide = layer.double() if dtype == torch.int8 else layer.float()
    for ruler in (Uniform(30, -1, 1), Width(0.07), Width((0.1, 0.3) * 35)):
        assert torch.equal(encode_keys(layer, ruler), encode_keys(wide, ruler))


@pytest.mark.parametrize("span", [0.9999, 1.0, 1.0001])
def test_a_saturated_layer_is_one_whose_top_edge_is_closed(span: float) -> None:
    """Exactly at the upper end, at both ends and, of some rows, beyond it."""
    layer = (ordinary(200, 30) * 3).clamp(-1, 1)
    layer[::3] *= span
    assert_fast_is_spec(layer, Uniform(30, -1, 1))
    assert_fast_is_spec(layer, Uniform(7, -1, 1))


@pytest.mark.parametrize("seed", range(60))
def test_keys_with_merged_bins_come_with_those_of_the_ruler(seed: int) -> None:
    """Of layers and rulers of any kind; both are those of the spec."""
    draw = random.Random(seed)
    layer = drawn_layer(draw, draw.randrange(1, 40))
    ruler = drawn_ruler(draw, math.prod(layer.shape[1:]))
    for number, read_by in enumerate((ruler, pair_merged(ruler))):
        expected = outcome(lambda read_by=read_by: keys(read_by(layer)))
        found = outcome(lambda number=number: both(layer, ruler)[number])
        assert found == expected


def both(layer: Tensor, ruler: Ruler) -> list[Tensor]:
    return [torch.from_numpy(each.keys) for each in encoded_twice(layer, ruler, pair_merged(ruler))]


def test_a_layer_is_read_once_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel, or else by one scan."""
    scans, scanned = [], tiles.scanned

    def counted(states: Tensor, n_layers: int) -> Any:
        scans.append(states.shape)
        return scanned(states, n_layers)

    monkeypatch.setattr(tiles, "scanned", counted)
    found = encoded_twice(ordinary(100, 32), Width(0.07), Width(0.14))
    assert not scans
    with without_kernel():
        again = encoded_twice(ordinary(100, 32), Width(0.07), Width(0.14))
    assert len(scans) == 1
    for by_kernel, by_scan in zip(found, again, strict=True):
        assert by_kernel.reach == by_scan.reach
        np.testing.assert_array_equal(by_kernel.keys, by_scan.keys)


OF_ONE_KIND: dict[str, Callable[[random.Random, int], Ruler]] = {
    "widths": lambda draw, n_units: draw.choice(
        [
            Width(0.07),
            Width(0.5, 0.2),
            Width(1e-5),
            Width(tuple(draw.choice((0.07, 1e-4, 3.0)) for _ in range(n_units))),
            Width((0.5,) * n_units, tuple(draw.random() for _ in range(n_units))),
        ]
    ),
    "bins": lambda draw, n_units: Uniform(30, -1, 1),
}


@pytest.mark.parametrize("kind", OF_ONE_KIND)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n_units", [1, 7, 32, 512])
@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_small_layers_read_at_once_have_the_keys_of_each(
    monkeypatch: pytest.MonkeyPatch, kind: str, dtype: torch.dtype, n_units: int, at_once: int
) -> None:
    """Each with its own ruler, some of them far from 0; with merged bins and without."""
    draw = random.Random(n_units)
    scales = [0.2, 1.0, 90.0, 1e4, 0.7, 0.01, 300.0]
    layers = [(ordinary(20, n_units) * scale).to(dtype) for scale in scales]
    rulers = [OF_ONE_KIND[kind](draw, n_units) for _ in layers]
    merged = [pair_merged(ruler) for ruler in rulers]
    monkeypatch.setattr(fast, "_CHUNK_ELEMENTS", at_once * 20 * n_units + 1)
    both = encoded_at_once(layers, rulers, merged)
    (alone,) = encoded_at_once(layers, rulers)
    for found, read_by in ((both[0], rulers), (both[1], merged), (alone, rulers)):
        for layer, ruler, of_layer in zip(layers, read_by, found, strict=True):
            states = ruler(layer)
            assert of_layer.keys.tolist() == keys(states).tolist()
            assert of_layer.reach == states.abs().max().item()


@pytest.mark.parametrize("kind", OF_ONE_KIND)
def test_layers_of_several_tiles_are_read_at_once(kind: str) -> None:
    """A tile has 2048 units at most."""
    draw, layers = random.Random(0), [ordinary(6, 4100), 90 * ordinary(6, 4100)]
    rulers = [OF_ONE_KIND[kind](draw, 4100) for _ in layers]
    (found,) = encoded_at_once(layers, rulers)
    for layer, ruler, of_layer in zip(layers, rulers, found, strict=True):
        assert of_layer.keys.tolist() == keys(ruler(layer)).tolist()


def test_layers_of_one_kind_are_of_one_shape_type_and_way_of_reading() -> None:
    layer = torch.zeros(20, 30)
    of_width = kind_of(layer, Width(0.07))
    assert of_width is not None
    assert of_width == kind_of(layer + 1, Width((0.5,) * 30))
    others = [
        kind_of(layer[:10], Width(0.07)),
        kind_of(layer[:, :10], Width(0.07)),
        kind_of(layer.double(), Width(0.07)),
        kind_of(layer, Uniform(30, 0, 1)),
        kind_of(layer, Uniform(30, -1, 1)),
    ]
    assert len({of_width, *others}) == 6


@pytest.mark.parametrize("ruler", [Exact(), Ternary(0.5), Mirrored(0.07), PairMerged(Width(0.5))])
def test_other_rulers_read_each_layer_alone(ruler: Ruler) -> None:
    assert kind_of(torch.zeros(20, 30), ruler) is None


def test_large_layers_are_read_alone() -> None:
    assert kind_of(torch.zeros(20_000, 30), Width(0.07)) is None
    assert kind_of(torch.zeros(0, 30), Width(0.07)) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_a_layer_that_is_refused_is_so_among_others(value: float) -> None:
    layers = [torch.zeros(20, 30) for _ in range(3)]
    layers[1][4, 5] = value
    with pytest.raises(ValueError, match=r"64.bit|NaN"):
        encoded_at_once(layers, [Width(0.07)] * 3)


@pytest.mark.parametrize("n_units", [5, 40, 512, 3000])
@pytest.mark.parametrize("share", [0.001, 0.3, 1.0])
def test_states_far_from_0_have_the_keys_of_the_spec_wherever_they_are(
    n_units: int, share: float
) -> None:
    """From just beyond the product to the end of what float64 counts, of either sign."""
    generator = torch.Generator().manual_seed(0)
    far = torch.randint(0, 53, (200, n_units), generator=generator)
    states = torch.where(
        torch.rand(200, n_units, generator=generator) < share,
        2.0 ** far.double() * (1 - 2 * (far % 2)),
        torch.randint(-254, 255, (200, n_units), generator=generator).double(),
    )
    states[:4, 0] = torch.tensor([254.0, 255.0, -254.0, -255.0], dtype=torch.float64)
    assert torch.equal(encode_keys(states, Width(1.0)), keys(states.long()))


def test_numbers_that_lie_side_by_side_in_another_order_stay_where_they_are() -> None:
    """Channels that come last, and axes in any other order; beside them what has to be copied."""
    maps = ordinary(6, 2 * 3 * 4).view(6, 2, 3, 4)
    last = maps.contiguous(memory_format=torch.channels_last)
    turned = maps.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    for layer in (last, turned):
        rows, numbers = fast._as_they_lie(layer)
        assert rows.data_ptr() == layer.data_ptr()
        assert numbers is not None
        assert torch.equal(rows[:, np.argsort(numbers)], maps.reshape(6, 24))
        for ruler in (
            Width(0.1),
            Width(1e-7),
            Width(tuple(0.1 + unit / 100 for unit in range(24))),
        ):
            assert torch.equal(encode_keys(layer, ruler), encode_keys(maps, ruler))
    assert fast._as_they_lie(maps)[1] is None
    assert fast._as_they_lie(maps[:, :, ::2])[0].ndim == 4
    assert fast._as_they_lie(last[:, :, :1])[0].shape == (6, 2, 1, 4)  # packed, in the units' order


# The kernel


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-12])
@pytest.mark.parametrize("n_units", [3, 10, 11, 30, 5000])
@pytest.mark.parametrize("is_by_unit", [False, True])
def test_the_kernel_reads_all_that_fits_64_bits(
    dtype: torch.dtype, width: float, n_units: int, is_by_unit: bool
) -> None:
    """Near and far from 0, on edges of bins, and with one number in a row that reaches far."""
    ruler = Width(width)
    if is_by_unit:
        factors = range(1, n_units + 1)
        ruler = Width(tuple(width * n for n in factors), tuple(-width * n for n in factors))
    layer = (ordinary(50, n_units) * 40).to(dtype)
    layer[3] = torch.arange(n_units) - n_units // 2
    layer[7, 2] = 1e5
    reading = compiled.scale_of(ruler, n_units, wide_type(dtype), layer.device)
    assert reading is not None
    states, rows = ruler(layer), layer.to(wide_type(dtype))
    found = compiled.sums_of(
        rows, slice(0, n_units), reading, packs=n_units <= 10, also_merged=True
    )
    assert found is not None
    for of_one, expected in zip(found, (states, states // 2), strict=True):
        assert of_one.keys.tolist() == keys(expected).tolist()
        assert of_one.farthest == expected.abs().max()


def test_the_kernel_refuses_other_widths_than_units() -> None:
    for widths in ((0.1,), (0.1, 0.2)):
        assert compiled.scale_of(Width(widths), 3, torch.float32, torch.device("cpu")) is None
        with pytest.raises(ValueError, match="one per unit"):
            encode_keys(torch.zeros(4, 3), Width(widths))


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 1e30])
def test_the_kernel_refuses_what_is_no_number_of_64_bits(odd: float) -> None:
    layer = ordinary(20, 30)
    layer[11, 5] = odd
    reading = compiled.scale_of(Width(0.1), 30, layer.dtype, layer.device)
    assert reading is not None
    assert compiled.sums_of(layer, slice(0, 30), reading, packs=False) is None


def test_a_numba_that_cannot_be_used_is_told_of_and_none_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled.kernel.cache_clear()
    with monkeypatch.context() as without, warnings.catch_warnings():
        warnings.simplefilter("error")
        without.setitem(sys.modules, "numba", None)  # as if it were not there
        assert compiled.kernel() is None
    compiled.kernel.cache_clear()

    class Broken(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise SystemError("numpy.core.multiarray failed to import")

    monkeypatch.setitem(sys.modules, "it_callbacks.codes.kernel", Broken("kernel"))
    monkeypatch.setitem(sys.modules, "it_callbacks.sketch_kernel", Broken("sketch_kernel"))
    kernels = compiled.kernel, sketches.kernel
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")  # as a user has it: a line warns once
        for kernel in kernels:
            kernel.cache_clear()
            assert kernel() is None
    (once,) = told
    assert "numba cannot be used, so layers are read more slowly: numpy.core" in str(once.message)
    monkeypatch.undo()
    for kernel in kernels:
        kernel.cache_clear()
        assert kernel() is not None


def test_a_numba_that_compiles_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Python would go over each number."""
    compiled.kernel.cache_clear()
    plain = ModuleType("kernel")
    plain.encode = lambda *_: True  # type: ignore[attr-defined]  # as numba leaves it
    monkeypatch.setitem(sys.modules, "it_callbacks.codes.kernel", plain)
    assert compiled.kernel() is None
    monkeypatch.undo()
    compiled.kernel.cache_clear()
