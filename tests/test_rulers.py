"""Rulers: every value lands in the bin that arithmetic on fractions says, and never moves."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from it_callbacks import rulers
from it_callbacks.codes import encode_keys, keys
from it_callbacks.rulers import (
    Calibrated,
    Exact,
    PerUnit,
    Ruler,
    Uniform,
    Unstorable,
    Width,
    of_activation,
    pair_merged,
    range_of,
)

ALL_RULERS = [Uniform(30, -1, 1), Width(0.07), Width((0.07, 0.5)), Calibrated(30), Exact()]
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def next_after(value: float, towards: float, dtype: torch.dtype) -> Tensor:
    """The nearest number of this type, on one side; torch has it for no half precision but one."""
    if dtype is torch.float16:
        return torch.from_numpy(np.nextafter(np.float16([value]), np.float16(towards)))
    return torch.nextafter(torch.tensor([value], dtype=dtype), torch.tensor([towards], dtype=dtype))


# Uniform


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ruler", [Uniform(30, -1, 1), Uniform(30, 0, 1), Uniform(7, 0, 6)])
def test_both_edges_of_the_range_are_inside(ruler: Uniform, dtype: torch.dtype) -> None:
    ends = torch.tensor([ruler.low, ruler.high], dtype=dtype)
    assert ruler(ends).tolist() == [0, ruler.bins - 1]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ruler", [Uniform(30, -1, 1), Uniform(30, 0, 1), Uniform(7, 0, 6)])
def test_the_value_next_below_the_top_is_in_the_last_bin(
    ruler: Uniform, dtype: torch.dtype
) -> None:
    """In float32, 1 - 2**-24 + 1 rounds to 2: without care it lands in a bin of its own."""
    below = next_after(ruler.high, -math.inf, dtype)
    assert below.item() < ruler.high
    assert ruler(below).tolist() == [ruler.bins - 1]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ruler", [Uniform(30, -1, 1), Uniform(30, 0, 1), Uniform(7, 0, 6)])
def test_values_next_outside_the_range_are_in_the_bins_next_to_it(
    ruler: Uniform, dtype: torch.dtype
) -> None:
    outside = torch.cat(
        [next_after(ruler.low, -math.inf, dtype), next_after(ruler.high, math.inf, dtype)]
    )
    assert ruler(outside).tolist() == [-1, ruler.bins]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("ruler", [Uniform(30, -1, 1), Uniform(15, 0, 6), Uniform(11, -0.3, 2.7)])
def test_uniform_equals_exact_fractions_away_from_edges(ruler: Uniform, dtype: torch.dtype) -> None:
    """The bin of each value, by exact rational arithmetic, inside the range and far outside it."""
    generator = torch.Generator().manual_seed(1)
    values = (torch.randn(3000, generator=generator) * 2).to(dtype)
    low, high = Fraction(ruler.low), Fraction(ruler.high)
    positions = [(Fraction(v) - low) * ruler.bins / (high - low) for v in values.tolist()]
    clear = torch.tensor([abs(p - round(p)) > Fraction(1, 10_000) for p in positions])
    expected = torch.tensor([math.floor(p) for p in positions])
    assert clear.sum() > 2000
    assert torch.equal(ruler(values)[clear], expected[clear])


def test_the_range_is_not_a_fence() -> None:
    """Clipping merges what the network keeps apart: ReLU outputs above 1 keep bins of their own."""
    assert Uniform(30, -1, 1)(torch.tensor([-1.5, 1.5, 2.5, 10.0])).tolist() == [-8, 37, 52, 165]


def test_the_top_edge_is_the_same_bin_whatever_else_is_in_the_tensor() -> None:
    """A value far outside must not change the reading of the values beside it."""
    top = torch.tensor([1.0, 0.99999994, 0.5])
    alone = Uniform(30, -1, 1)(top)
    beside = Uniform(30, -1, 1)(torch.cat([top, torch.tensor([7.0])]))[:3]
    assert alone.tolist() == beside.tolist() == [29, 29, 22]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "activation", [nn.Tanh(), nn.Sigmoid(), nn.Softmax(dim=1), nn.Softsign(), nn.Hardsigmoid()]
)
def test_bounded_activations_never_leave_their_bins(
    activation: nn.Module, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(2)
    scales = torch.logspace(-3, 3, 500)[:, None]
    inputs = (torch.randn(500, 40, generator=generator) * scales).to(dtype)
    inputs[0, 0] = torch.finfo(dtype).max
    states = of_activation(activation, 30)(activation(inputs))
    assert (states.min(), states.max()) == (0, 29)


def test_one_bin_holds_everything_inside() -> None:
    assert Uniform(1, 0, 1)(torch.tensor([0.0, 0.3, 1.0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ((0, -1, 1), ValueError, "bins"),
        ((2.0, -1, 1), TypeError, "bins"),
        ((True, -1, 1), TypeError, "bins"),
        ((30, 1, 1), ValueError, "low < high"),
        ((30, 1, -1), ValueError, "low < high"),
        ((30, -math.inf, 1), ValueError, "finite"),
        ((30, math.nan, 1), ValueError, "finite"),
    ],
)
def test_a_wrong_grid_is_named(arguments: tuple, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        Uniform(*arguments)


# Width


def test_width_is_anchored_at_zero_and_unlimited() -> None:
    states = Width(0.5)(torch.tensor([-1e4, -0.5, -0.25, -0.0, 0.0, 0.49, 0.5, 1e4]))
    assert states.tolist() == [-20_000, -1, -1, 0, 0, 0, 1, 20_000]


@pytest.mark.parametrize("dtype", FLOATS)
def test_width_equals_exact_fractions_away_from_edges(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    values = (torch.randn(3000, generator=generator) * 20).to(dtype)
    positions = [Fraction(v) / Fraction(0.07) for v in values.tolist()]
    clear = torch.tensor([abs(p - round(p)) > Fraction(1, 1000) for p in positions])
    expected = torch.tensor([math.floor(p) for p in positions])
    assert clear.sum() > 2000
    assert torch.equal(Width(0.07)(values)[clear], expected[clear])


def test_widths_per_unit_measure_each_unit_with_its_own() -> None:
    activations = torch.tensor([[0.9, 0.9], [-0.1, 2.1]])
    assert Width((0.5, 1.0))(activations).tolist() == [[1, 0], [-1, 2]]


def test_widths_per_unit_follow_the_flattened_sample() -> None:
    activations = torch.ones(3, 2, 2)
    states = Width((1.0, 0.5, 0.25, 0.125))(activations)
    assert states[0].tolist() == [[1, 2], [4, 8]]


def test_widths_that_do_not_fit_the_units_are_named() -> None:
    with pytest.raises(ValueError, match=r"2 widths.*\(5, 3\)"):
        Width((0.5, 1.0))(torch.zeros(5, 3))


@pytest.mark.parametrize(
    "width", [0, -1.0, math.inf, math.nan, (), (0.5, 0.0), "0.5", [], [0.5, "1"]]
)
def test_a_wrong_width_is_named(width: object) -> None:
    with pytest.raises((TypeError, ValueError), match="width"):
        Width(width)


def test_states_beyond_64_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="coarser ruler"):
        Width(1e-30)(torch.tensor([1.0]))


# Calibrated


def test_calibration_takes_the_middle_of_the_values() -> None:
    """Of 0, 1, ..., 10000 the middle 99.8 % are 10 to 9990; outliers do not stretch the bins.

    One of them is moved a little, since bins never merge whole numbers.
    """
    values = torch.arange(10_001.0)
    values[5000], values[-1] = 5000.25, 1e9
    ruler = Calibrated(30).freeze(values.reshape(-1, 1))
    assert ruler.width == pytest.approx(9980 / 30, rel=1e-12)


def test_calibration_by_layer_pools_all_units() -> None:
    activations = torch.stack([torch.linspace(0, 1, 2001), torch.linspace(0, 100, 2001)], 1)
    pooled = np.quantile(activations.double().numpy(), [0.001, 0.999])
    ruler = Calibrated(10).freeze(activations)
    assert ruler.width == pytest.approx((pooled[1] - pooled[0]) / 10, rel=1e-12)


def test_calibration_by_unit_gives_each_unit_its_width() -> None:
    activations = torch.stack([torch.linspace(0, 1, 2001), torch.linspace(-50, 50, 2001)], 1)
    ruler = Calibrated(10, "unit").freeze(activations)
    assert ruler.width == pytest.approx((0.0998, 9.98), rel=1e-6)
    assert ruler(activations)[:, 0].max() == ruler(activations)[:, 1].max() * 2


@pytest.mark.parametrize("scope", ["layer", "unit"])
@pytest.mark.parametrize("shape", [(64,), (64, 3), (64, 3, 2, 2)])
def test_a_calibrated_ruler_called_alone_keeps_the_shape(shape: tuple[int, ...], scope) -> None:
    states = Calibrated(8, scope)(torch.randn(shape))
    assert states.shape == shape
    assert states.dtype == torch.int64


def test_a_frozen_ruler_does_not_move_with_the_activations() -> None:
    """The whole point: activations that shrink by half use half the bins, not the same number."""
    early = torch.rand(2000, 1) * 3
    ruler = Calibrated(30).freeze(early)
    assert ruler.frozen
    assert ruler.freeze(early / 2) is ruler
    assert ruler(early / 2).unique().numel() == pytest.approx(15, abs=1)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e5])
def test_a_constant_layer_is_one_state(value: float) -> None:
    ruler = Calibrated(30).freeze(torch.full((1024, 5), value))
    assert ruler == Width(1 / 30)
    assert ruler(torch.full((7, 5), value)).unique().numel() == 1


def test_a_rarely_active_unit_is_measured_by_what_it_does_then() -> None:
    """Zero in 99.95 % of all cases: quantiles are 0, but the unit is not constant."""
    activations = torch.zeros(2000, 1)
    activations[7] = 6.0
    assert Calibrated(30).freeze(activations) == Width(6.0 / 30)


def test_one_constant_unit_does_not_spoil_the_others() -> None:
    activations = torch.stack([torch.zeros(2001), torch.linspace(0, 1, 2001)], 1)
    widths = Calibrated(4, "unit").freeze(activations).width
    assert widths == pytest.approx((0.25, 0.998 / 4), rel=1e-6)


@pytest.mark.parametrize("empty", [torch.zeros(0, 3), torch.zeros(5, 0)])
def test_nothing_cannot_be_calibrated_on(empty: Tensor) -> None:
    with pytest.raises(ValueError, match="no values"):
        Calibrated(30).freeze(empty)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_calibration_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 3 values are NaN or infinite"):
        Calibrated(30).freeze(torch.tensor([[0.0], [bad], [1.0]]))


@pytest.mark.slow
def test_calibration_takes_more_values_than_torch_quantile_can() -> None:
    activations = torch.zeros(2, 2**23 + 1)
    activations[1] = 1.0
    assert Calibrated(10).freeze(activations) == Width(0.1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((1,), ValueError), ((2.5,), TypeError), ((30, "neuron"), ValueError)],
)
def test_a_wrong_calibration_is_refused(arguments: tuple, error: type[Exception]) -> None:
    with pytest.raises(error):
        Calibrated(*arguments)


# Exact


@pytest.mark.parametrize(
    "dtype", [*FLOATS, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
)
def test_exact_tells_apart_what_numpy_tells_apart(dtype: torch.dtype) -> None:
    """Equal states where values are equal and only there, for every pair of 300 values."""
    generator = torch.Generator().manual_seed(4)
    values = torch.randint(-90, 90, (300,), generator=generator)
    values = (values / 7).to(dtype) if dtype.is_floating_point else values.to(dtype)
    states = Exact()(values)
    assert torch.equal(states[:, None] == states, values[:, None] == values)


@pytest.mark.parametrize("dtype", FLOATS)
def test_exact_sees_the_last_bit(dtype: torch.dtype) -> None:
    one, above = torch.tensor([1.0], dtype=dtype), next_after(1.0, 2.0, dtype)
    assert Exact()(one) != Exact()(above)


@pytest.mark.parametrize("dtype", FLOATS)
def test_both_zeros_are_one_value(dtype: torch.dtype) -> None:
    assert Exact()(torch.tensor([0.0, -0.0], dtype=dtype)).tolist() == [0, 0]


def test_exact_does_not_change_its_input() -> None:
    values = torch.tensor([-0.0, 1.0])
    Exact()(values)
    assert math.copysign(1, values[0].item()) == -1


def test_exact_tells_large_integers_apart() -> None:
    states = Exact()(torch.tensor([2**53 - 1, 2**53 - 2, -(2**53) + 1]))
    assert states.unique().numel() == 3


# What no ruler can read


@pytest.mark.parametrize("ruler", ALL_RULERS, ids=repr)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_are_refused_and_counted(
    ruler: Ruler, bad: float, dtype: torch.dtype
) -> None:
    activations = torch.zeros(3, 2, dtype=dtype)
    activations[1, 0] = bad
    with pytest.raises(ValueError, match="activations: 1 of 6 values are NaN or infinite"):
        ruler(activations)


@pytest.mark.parametrize("ruler", ALL_RULERS, ids=repr)
@pytest.mark.parametrize(
    ("activations", "said"),
    [
        (torch.zeros(3, 2, dtype=torch.complex64), "complex"),
        (torch.eye(2).to_sparse(), "sparse_coo"),
        (torch.nested.nested_tensor([torch.ones(2), torch.ones(1)], layout=torch.jagged), "nested"),
        (np.zeros((3, 2)), "ndarray"),
        ([[0.0, 1.0]], "list"),
    ],
)
def test_what_has_no_order_or_no_rows_is_refused(
    ruler: Ruler, activations: object, said: str
) -> None:
    with pytest.raises(TypeError, match=f"activations: .*{said}"):
        ruler(activations)


# All rulers


@pytest.mark.parametrize("ruler", ALL_RULERS, ids=repr)
@pytest.mark.parametrize("dtype", [*FLOATS, torch.int32, torch.uint8, torch.bool])
def test_states_are_int64_of_the_same_shape(ruler: Ruler, dtype: torch.dtype) -> None:
    states = ruler(torch.tensor([[0, 1], [1, 0], [1, 1]], dtype=dtype))
    assert states.dtype == torch.int64
    assert states.shape == (3, 2)


@pytest.mark.parametrize("ruler", ALL_RULERS, ids=repr)
def test_a_ruler_leaves_its_input_and_its_gradient_alone(ruler: Ruler) -> None:
    activations = torch.randn(50, 2, requires_grad=True)
    before = activations.detach().clone()
    states = ruler(activations)
    assert torch.equal(activations, before)
    assert activations.requires_grad
    assert not states.requires_grad


@pytest.mark.parametrize("ruler", ALL_RULERS, ids=repr)
def test_a_ruler_works_in_inference_mode(ruler: Ruler) -> None:
    with torch.inference_mode():
        inside = ruler(torch.ones(3, 2))
    assert torch.equal(inside, ruler(torch.ones(3, 2)))


@pytest.mark.parametrize("ruler", [r for r in ALL_RULERS if r.frozen], ids=repr)
def test_strides_do_not_matter(ruler: Ruler) -> None:
    activations = torch.randn(40, 6)
    assert torch.equal(ruler(activations[::2, ::3]), ruler(activations[::2, ::3].contiguous()))


@pytest.mark.parametrize(
    ("coarse", "fine"),
    [
        (Uniform(30, -1, 1), Uniform(60, -1, 1)),
        (Uniform(5, -1, 1), Uniform(30, -1, 1)),
        (Width(1.0), Width(0.25)),
        (Width(0.25), Exact()),
        (Uniform(8, -1, 1), Exact()),
    ],
    ids=repr,
)
def test_a_finer_ruler_splits_bins_and_never_joins_them(coarse: Ruler, fine: Ruler) -> None:
    """Each state of the finer ruler lies inside one state of the coarser one."""
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(5))
    pairs = torch.stack([fine(values), coarse(values)], 1).unique(dim=0)
    assert len(pairs) == len(fine(values).unique())


@pytest.mark.parametrize("ruler", ALL_RULERS, ids=repr)
def test_a_ruler_is_a_value(ruler: Ruler) -> None:
    """It prints as what it is, compares and hashes by content, and cannot be changed."""
    twin = eval(repr(ruler), vars(rulers))
    assert isinstance(ruler, Ruler)
    assert twin == ruler
    assert hash(twin) == hash(ruler)
    with pytest.raises(AttributeError):
        ruler.bins = 3


def test_slugs_are_fit_for_tags() -> None:
    slugs = [ruler.slug for ruler in ALL_RULERS] + [Calibrated(5, "unit").slug]
    assert slugs == [
        "uniform30",
        "width0.07",
        "width_per_unit",
        "calibrated30",
        "exact",
        "calibrated5_per_unit",
    ]


def test_a_yaml_file_can_name_a_ruler() -> None:
    import jsonargparse

    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--bins", type=int | Ruler | list[int | Ruler])
    text = (
        "bins: [30, {class_path: it_callbacks.rulers.Width, init_args: {width: 0.07}},"
        " {class_path: it_callbacks.rulers.Exact}]"
    )
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    parsed = instantiate(parser.parse_string(text)).bins
    assert parsed == [30, Width(0.07), Exact()]


# The default ruler of a layer


@pytest.mark.parametrize(
    ("module", "low", "high"),
    [
        (nn.Tanh(), -1, 1),
        (nn.Softsign(), -1, 1),
        (nn.Sigmoid(), 0, 1),
        (nn.Hardsigmoid(), 0, 1),
        (nn.Softmax(dim=1), 0, 1),
        (nn.Softmin(dim=1), 0, 1),
        (nn.Softmax2d(), 0, 1),
        (nn.ReLU6(), 0, 6),
        (nn.Hardtanh(), -1, 1),
        (nn.Hardtanh(-2, 0.5), -2, 0.5),
    ],
    ids=repr,
)
def test_a_bounded_activation_gets_its_exact_range(
    module: nn.Module, low: float, high: float
) -> None:
    assert range_of(module) == (low, high)
    assert of_activation(module, 30) == Uniform(30, low, high)


@pytest.mark.parametrize(
    "module",
    [nn.ReLU(), nn.GELU(), nn.SiLU(), nn.Linear(2, 2), nn.LogSoftmax(dim=1), nn.Tanhshrink()],
    ids=repr,
)
def test_anything_else_is_calibrated(module: nn.Module) -> None:
    assert range_of(module) is None
    assert of_activation(module, 12) == Calibrated(12)


def test_a_subclass_has_the_range_of_its_parent() -> None:
    class Mine(nn.ReLU6):
        pass

    assert of_activation(Mine(), 30) == Uniform(30, 0, 6)


@pytest.mark.parametrize("wrong", [1, 0, -3])
def test_too_few_bins_for_an_unbounded_layer_are_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="bins"):
        of_activation(nn.ReLU(), wrong)


# What a checkpoint keeps


def through_a_file(state: object, tmp_path: Path) -> object:
    """What is left of `state` in a checkpoint that is loaded without trust."""
    torch.save(state, tmp_path / "state.pt")
    return torch.load(tmp_path / "state.pt", weights_only=True)


@pytest.mark.parametrize("scope", ["layer", "unit"])
def test_a_calibrated_ruler_comes_back_from_a_file(scope: str, tmp_path: Path) -> None:
    """Bit for bit, though widths are no round numbers."""
    spec = Calibrated(30, scope)
    calibrated = spec.freeze(torch.randn(100, 3, generator=torch.Generator().manual_seed(6)))
    restored = spec.restored(through_a_file(calibrated.state(), tmp_path))
    assert restored == calibrated
    assert restored.frozen


def test_the_state_of_a_ruler_is_plain() -> None:
    assert Width(0.07).state() == {"width": 0.07}
    (stored,) = Width((0.5, 2.0)).state().values()
    assert type(stored) is Tensor
    assert stored.tolist() == [0.5, 2.0]
    for other in (stored.bfloat16(), stored.tolist()):
        for scope in ("unit", "auto"):
            assert Calibrated(30, scope).restored({"width": other}) == Width((0.5, 2.0))


@pytest.mark.parametrize(
    ("spec", "state"),
    [
        (Calibrated(30), {}),
        (Calibrated(30), None),
        (Calibrated(30), [0.07]),
        (Calibrated(30), {"width": [0.07, 1.0], "origin": [0.0]}),
        (Calibrated(30, "unit"), {"width": 0.07}),
        (Calibrated(30, "unit"), {"width": []}),
        (Calibrated(30, "unit"), {"width": [0.07, "0.07"]}),
        (Calibrated(30, "unit"), {"width": [0.07, -1.0]}),
        (Calibrated(30), {"width": math.nan}),
        (Calibrated(30), {"width": 0.0}),
        (Calibrated(30), {"width": "0.07"}),
        (Calibrated(30), {"width": True}),
        (Calibrated(30), {"width": torch.ones(3, 1)}),
        (Calibrated(30), {"width": torch.arange(3.0)}),
    ],
)
def test_a_state_that_is_none_is_a_value_error(spec: Ruler, state: Any) -> None:
    """Whatever it is: it may come from somebody else's file."""
    with pytest.raises(ValueError, match="width"):
        spec.restored(state)


# Units that lie apart, constant ones, and masks.


def states_of(activations: Tensor, ruler: Ruler | None = None) -> int:
    """How many joint states a layer has, read with the default ruler."""
    ruler = Calibrated(30).freeze(activations) if ruler is None else ruler
    return len(torch.unique(ruler(activations), dim=0))


def normal(n_units: int = 4) -> Tensor:
    return torch.randn(1024, n_units, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("offset", [0.05, 0.5, 3.0, 100.0])
def test_offsets_between_units_do_not_swallow_what_they_tell(offset: float) -> None:
    """Shifted by constants, units have nearly as many joint states as each on its own width."""
    signal = 0.003 * normal()
    shifted = (signal + torch.linspace(-offset, offset, 4)).float()
    alone = states_of(shifted, Calibrated(30, "unit").freeze(shifted))
    assert states_of(shifted) == pytest.approx(alone, rel=0.02)
    assert states_of(shifted, Calibrated(30, "layer").freeze(shifted)) < 0.9 * alone or offset < 0.1
    assert len(Calibrated(30).freeze(shifted).width) == 4


def test_of_very_many_units_none_has_a_width_of_its_own() -> None:
    """Which would be kept for the whole run; they tell as much with one for all."""
    apart = 0.003 * torch.randn(8, 8193, generator=torch.Generator().manual_seed(2))
    apart += torch.linspace(-100, 100, 8193)
    assert len(Calibrated(30).freeze(apart[:, :-1]).width) == 8192
    assert isinstance(Calibrated(30).freeze(apart).width, float)
    assert states_of(apart) == len(apart)


@pytest.mark.parametrize("kind", [tuple, list, np.array, torch.tensor, PerUnit])
def test_widths_of_units_may_be_a_sequence_or_an_array(kind: Any) -> None:
    ruler = Width(kind([0.5, 1.0]))
    assert ruler == Width((0.5, 1.0))
    assert hash(ruler) == hash(Width((0.5, 1.0)))
    assert repr(ruler) == "Width(width=(0.5, 1.0))"


def test_numbers_of_units_are_an_array_of_one_axis_and_stay_as_they_are() -> None:
    with pytest.raises(ValueError, match=r"\(n_units,\), got the shape \(2, 2\)"):
        PerUnit(np.ones((2, 2)))
    numbers = PerUnit([0.5, 1.0])
    for kind in (np.array, np.asarray):
        assert kind(numbers).tolist() == [0.5, 1.0]
        assert kind(numbers, np.float32).dtype == np.float32
    np.array(numbers)[0] = 7.0
    assert numbers == (0.5, 1.0)
    assert numbers != (0.5, 2.0)


def test_widths_of_units_take_eight_bytes_each() -> None:
    ruler = Calibrated(30, "unit").freeze(torch.randn(8, 10_000))
    assert len(pickle.dumps(ruler)) < 81_000
    assert len(pickle.dumps(pair_merged(ruler))) < 81_000
    assert ruler.width[3] == list(ruler.width)[3]


@pytest.mark.parametrize(
    "activations",
    [
        normal(),
        normal().relu(),
        normal() * torch.tensor([0.01, 1.0, 1.0, 30.0]),
        torch.cat([normal().relu(), torch.zeros(1024, 2)], 1),
        normal() + torch.tensor([0.0, 1.0, 2.0, -1.0]),
    ],
)
def test_units_that_overlap_share_one_width(activations: Tensor) -> None:
    ruler = Calibrated(30).freeze(activations)
    assert isinstance(ruler.width, float)
    assert ruler.origin == 0.0


@pytest.mark.parametrize("constant", [7.0, -65504.0, -1e9, torch.finfo(torch.float32).min])
def test_a_constant_unit_does_not_set_the_width(constant: float) -> None:
    """A masked column, say: the others are read as without it."""
    signal = normal()
    with_it = torch.cat([signal[:, :2], torch.full((1024, 1), constant), signal[:, 2:]], 1)
    ruler = Calibrated(30).freeze(with_it)
    assert ruler == Calibrated(30).freeze(signal)
    assert states_of(with_it, ruler) == states_of(signal, ruler)
    assert len(torch.unique(encode_keys(with_it, ruler), dim=0)) == states_of(signal, ruler)


@pytest.mark.parametrize("mask", [-65504.0, -1e9, torch.finfo(torch.float32).min])
def test_what_a_mask_writes_here_and_there_does_not_set_the_width(mask: float) -> None:
    signal = normal()
    masked = torch.where(normal(8)[:, 4:] > 1.0, mask, signal)
    (width, expected) = (Calibrated(30).freeze(x).width for x in (masked, signal))
    assert width == pytest.approx(expected, rel=0.1)
    assert int(Width(0.1)(torch.tensor([[mask]]))) < -600_000


def test_an_infinite_value_is_no_mask() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        Width(0.1)(torch.tensor([[-math.inf]]))
    with pytest.raises(ValueError, match="does not fit"):
        Width(1e-20)(torch.tensor([[-1e9]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: torch.softmax(x, 1).sum(1, keepdim=True),
        lambda x: nn.functional.layer_norm(x, (x.shape[1],)).mean(1, keepdim=True),
        lambda x: nn.functional.normalize(x, dim=1).norm(dim=1, keepdim=True),
        lambda x: torch.log_softmax(x, 1).exp().sum(1, keepdim=True) * 1e6,
    ],
)
@pytest.mark.parametrize("n_units", [7, 64])
def test_what_is_constant_but_for_rounding_is_one_state(
    make: Any, n_units: int, dtype: torch.dtype
) -> None:
    """Alone, and beside units that vary."""
    constant = make(normal(n_units).to(dtype))
    assert states_of(constant) == 1
    both = torch.cat([constant, normal(2).to(dtype)], 1)
    ruler = Calibrated(30).freeze(both)
    assert len(torch.unique(ruler(both)[:, 0])) == 1
    assert len(torch.unique(ruler(both)[:, 1])) > 20
    assert torch.equal(encode_keys(both, ruler), keys(ruler(both)))


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e-30, 1e-8, 1.0, 1e30, 3e38])
def test_the_scale_of_a_layer_does_not_change_what_is_read(scale: float) -> None:
    """Where float32 holds as many values; it holds eight of the smallest."""
    values = torch.rand(1000, 1, generator=torch.Generator().manual_seed(0)).double()
    scaled = (values * scale).float()
    n_states = states_of(scaled)
    assert n_states == len(torch.unique(scaled)) if scale < 1e-40 else n_states in (30, 31)


@pytest.mark.parametrize(
    "ruler",
    [
        Width((0.5, 1.0), (0.25, -3.0)),
        Width((0.5, 1.0, 2.0), (0.0, 1e4, -3.0)),
        Width(0.1, 0.05),
        Width((1e-40, 1.0)),
    ],
)
def test_an_origin_moves_the_bins(ruler: Width) -> None:
    """The fast way as the plain one, and through a checkpoint."""
    n_units = 3 if isinstance(ruler.width, float) else len(ruler.width)
    activations = 5 * normal(n_units)
    origin = torch.tensor(ruler.origin, dtype=torch.float64)
    width = torch.tensor(ruler.width, dtype=torch.float64)
    if width.min() > 1e-30:
        expected = ((activations.double() - origin) / width).floor()
        assert ((ruler(activations) - expected).abs() <= 1).all()
        assert (ruler(activations) == expected).double().mean() > 0.99
        assert torch.equal(encode_keys(activations, ruler), keys(ruler(activations)))
    assert Calibrated(30).restored(ruler.state()) == ruler
    assert eval(repr(ruler), {"Width": Width}) == ruler


def test_many_widths_print_as_few_words() -> None:
    shown = repr(Width(tuple(float(n) for n in range(1, 513))))
    assert shown == "Width(width=<512, one per unit, 1 to 512>)"


@dataclass(frozen=True)
class Halves(Ruler):
    """A user's own ruler: below and above the middle of the first activations."""

    frozen = False

    @property
    def slug(self) -> str:
        return "halves"

    def freeze(self, activations: Tensor) -> Ruler:
        return Above(activations.median().item())

    def levels(self, activations: Tensor) -> Tensor:
        return self.freeze(activations).levels(activations)


@dataclass(frozen=True)
class Above(Ruler):
    """What `Halves` becomes."""

    middle: float

    @property
    def slug(self) -> str:
        return "halves"

    def levels(self, activations: Tensor) -> Tensor:
        return activations > self.middle


class StoredHalves(Halves):
    """The same, of which a checkpoint can keep what was calibrated."""

    def freeze(self, activations: Tensor) -> Ruler:
        return StoredAbove(activations.median().item())

    def restored(self, state: dict[str, Any]) -> Ruler:
        return StoredAbove(float(state["middle"]))


class StoredAbove(Above):
    def state(self) -> dict[str, Any]:
        return {"middle": self.middle}


def test_whether_a_ruler_can_be_stored_is_known_before_it_is_calibrated() -> None:
    """What is ready as given needs no state, whoever made it."""
    assert all(ruler.storable for ruler in (*ALL_RULERS, StoredHalves(), Above(0.5)))
    assert not Halves().storable


def test_a_ruler_of_ones_own_that_stores_itself_comes_back(tmp_path: Path) -> None:
    calibrated = StoredHalves().freeze(torch.tensor([1.0, 2.0, 7.0]))
    assert StoredHalves().restored(through_a_file(calibrated.state(), tmp_path)) == calibrated


def test_a_ruler_that_cannot_be_stored_says_what_to_define() -> None:
    calibrated = Halves().freeze(torch.tensor([1.0, 2.0, 7.0]))
    with pytest.raises(Unstorable, match=r"Above .*define state\(\) on the ruler .* restored\("):
        calibrated.state()
    with pytest.raises(Unstorable, match=r"Halves .*define state\(\) on the ruler .* restored\("):
        Halves().restored({"middle": 2.0})


# Activations that are discrete already.


def n_states_of(ruler: Ruler, activations: Tensor) -> int:
    """How many states the calibrated ruler gives a column."""
    return len(ruler.freeze(activations)(activations).unique())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_whole_numbers_are_never_merged(dtype: torch.dtype) -> None:
    """A hundred whole numbers in 30 bins would be 34 states; in bfloat16 they are exact."""
    whole = torch.arange(100).repeat(5).reshape(-1, 1).to(dtype)
    ruler = Calibrated(30).freeze(whole)
    assert ruler == Width(1.0, -0.5)
    assert n_states_of(Calibrated(30), whole) == 100
    assert ruler(torch.tensor([[-3.0], [2.9999998], [250.0]])).flatten().tolist() == [-3, 3, 250]


def test_few_whole_numbers_keep_the_width_of_their_range() -> None:
    binary = torch.arange(2.0).repeat(50).reshape(-1, 1)
    assert Calibrated(30).freeze(binary) == Width(1 / 30)
    assert n_states_of(Calibrated(30), binary) == 2


@pytest.mark.parametrize(("step", "offset"), [(1 / 8, 0.0), (0.1, 0.03)])
def test_steps_of_a_quantised_layer_are_never_merged(step: float, offset: float) -> None:
    levels = (torch.arange(-60.0, 68).repeat(8) * step + offset).reshape(-1, 2)
    ruler = Calibrated(30).freeze(levels)
    assert ruler.width == pytest.approx(step, rel=1e-4)
    assert len(ruler(levels).unique()) == 128


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("is_widened", [False, True])
def test_rounded_real_numbers_are_not_taken_for_whole_ones(
    dtype: torch.dtype, scale: float, is_widened: bool
) -> None:
    """Beyond 256 every bfloat16 is whole, and between two powers of 2 all have one distance."""
    generator = torch.Generator().manual_seed(0)
    real = ((1 + torch.rand(1000, 1, generator=generator)) * scale).to(dtype)
    rounded = real.float() if is_widened else real
    spread = float(torch.quantile(real.double(), 0.999) - torch.quantile(real.double(), 0.001))
    assert Calibrated(30).freeze(rounded).width == pytest.approx(spread / 30)


def test_real_numbers_keep_their_width() -> None:
    generator = torch.Generator().manual_seed(0)
    for rows in (20, 105, 1024):
        real = torch.randn(rows, 3, generator=generator).relu()
        spread = torch.quantile(real.double(), 0.999) - torch.quantile(real.double(), 0.001)
        assert Calibrated(30).freeze(real).width == pytest.approx(float(spread) / 30)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rows_that_are_not_finite_are_found_among_large_ones(
    dtype: torch.dtype, bad: float
) -> None:
    """Whose sum is beyond float16, and of more numbers than are looked at together."""
    rows = torch.full((40, 30_000), 60.0, dtype=dtype)
    assert rulers.finite_rows(rows) is None
    rows[[3, 39], [0, 29_999]] = bad
    finite = rulers.finite_rows(rows)
    assert finite is not None
    assert torch.nonzero(~finite).flatten().tolist() == [3, 39]


def test_whole_numbers_are_finite() -> None:
    assert rulers.finite_rows(torch.ones(3, 2, dtype=torch.int8)) is None
