"""The rulers of other systems, against those systems' own output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from it_callbacks.codes import encode, keys, symbols
from it_callbacks.estimators import conditional_entropy, entropy, mutual_information
from it_callbacks.rulers import (
    ExactIB,
    ExactIBGrid,
    Moving,
    Quantile,
    Refitted,
    Ruler,
    Uniform,
    Width,
    exactib,
    ibsgd,
    idnns,
)

PRESETS: dict[str, Callable[[], Ruler | Moving]] = {
    "ibsgd_bin0.07": lambda: ibsgd(0.07),
    "ibsgd_bin0.5": lambda: ibsgd(0.5),
    "IDNNs_30bins_pm1": lambda: idnns(30),
    "ExactIB_uniform30_neuron": lambda: exactib("uniform", 30, "neuron"),
    "ExactIB_uniform30_layer": lambda: exactib("uniform", 30, "layer"),
    "ExactIB_uniform30_fixed_pm1": lambda: exactib("uniform", 30, (-1.0, 1.0)),
    "ExactIB_adaptive30_neuron": lambda: exactib("adaptive", 30, "neuron"),
    "ExactIB_quantized8_neuron": lambda: exactib("quantized", 256, "neuron"),
    "ExactIB_quantized8_layer": lambda: exactib("quantized", 256, "layer"),
}


@pytest.fixture
def oracle(shared: Path) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each case's name, inputs and the other systems' output."""
    outputs = json.loads((shared / "oracle" / "oracle_outputs.json").read_text())
    with np.load(shared / "oracle" / "oracle_inputs.npz") as inputs:
        return [
            (
                case,
                {name: inputs[f"{case}__{name}"] for name in ("X", "y", "y10", "T")},
                outputs[case]["bits"],
            )
            for case in outputs
        ]


@pytest.mark.parametrize("system", PRESETS)
def test_a_preset_gives_the_numbers_of_its_system(system: str, oracle: Any) -> None:
    """H(T), I(T;Y) and H(T|Y=c) equal what the system itself printed, on every case."""
    checked = 0
    for case, inputs, printed in oracle:
        symbols = keys(PRESETS[system]()(torch.from_numpy(inputs["T"])))
        expected = {
            "HT": lambda s=symbols: entropy(s).bits,
            "IXT": lambda s=symbols, x=inputs["X"]: (
                mutual_information(s, keys(torch.from_numpy(x.astype(np.int64)))).bits
            ),
            "n_codes": lambda s=symbols: entropy(s).n_states,
            "ITY_y": lambda s=symbols, y=inputs["y"]: mutual_information(s, y).bits,
            "ITY_y10": lambda s=symbols, y=inputs["y10"]: mutual_information(s, y).bits,
        }
        for name, value in expected.items():
            if f"{system}_{name}" in printed:
                checked += 1
                assert value() == pytest.approx(printed[f"{system}_{name}"], abs=1e-9), case
        for labels in ("y", "y10"):
            per_class = printed.get(f"{system}_HT_given_{labels}_per_class")
            if per_class is not None:
                y = inputs[labels]
                ours = [entropy(symbols[torch.from_numpy(y == c)]).bits for c in np.unique(y)]
                assert ours == pytest.approx(per_class, abs=1e-9), case
    assert checked >= 3 * len(oracle)


@pytest.mark.parametrize("system", [name for name in PRESETS if name.startswith("ExactIB")])
def test_a_preset_gives_the_mean_over_neurons_of_its_system(system: str, oracle: Any) -> None:
    """The mean of the units' own entropies equals what the system printed.

    In that mode its uniform edges of a neuron are float64: of one neuron in one case it then
    makes 30 edges, not 31.
    """
    for case, inputs, printed in oracle:
        activations = torch.from_numpy(inputs["T"])
        if system == "ExactIB_uniform30_neuron":
            activations = activations.double()
        states = PRESETS[system]()(activations)
        mean = np.mean([entropy(unit).bits for unit in states.T])
        assert mean == pytest.approx(printed[f"{system}_mean_over_neurons_HT"], abs=1e-9), case


def test_ibsgd_tells_minus_zero_from_zero() -> None:
    """Rows were compared as bytes there, so -0.0 is another state than 0.0; in ours it is not."""
    zeros = torch.tensor([0.0, -0.0])
    assert len(set(ibsgd(0.07)(zeros).tolist())) == 2
    assert len(set(Width(0.07)(zeros).tolist())) == 1


def test_idnns_wraps_what_lies_below_its_range_into_the_last_bin() -> None:
    """-3 and +5 get one state there; the frozen grid without clipping keeps them apart."""
    far = torch.tensor([-3.0, 5.0])
    assert len(set(idnns(30)(far).tolist())) == 1
    assert len(set(Uniform(30, -1, 1)(far).tolist())) == 2


def test_exactib_makes_one_bin_more_for_some_ranges() -> None:
    """``arange`` in float32 gives 31 edges for some ranges, as it does there."""
    generator = np.random.default_rng(0)
    counts = set()
    for _ in range(200):
        low, width = generator.uniform(-1, 1), generator.uniform(0.5, 3)
        values = (low + width * generator.random((4000, 1))).astype(np.float32)
        counts.add(len(np.unique(exactib("uniform", 30, "neuron")(torch.from_numpy(values)))))
    assert counts == {30, 31}


MOVING = [
    exactib("uniform", 4),
    exactib("adaptive", 4, "layer"),
    exactib("quantized", 4),
    Quantile(4),
    Quantile(4, "unit"),
    Refitted(4),
]


@pytest.mark.parametrize("moving", MOVING, ids=repr)
def test_what_moves_takes_its_edges_from_each_call(moving: Moving) -> None:
    """Stretched eightfold the activations have the states they had: the bins have grown with them.

    By a power of two, so that nothing is rounded; and a few of the samples have other edges.
    """
    values = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(moving(values), moving(8 * values))
    assert not torch.equal(moving(values)[:4], moving(values[:4]))


@pytest.mark.parametrize("moving", MOVING, ids=repr)
def test_what_moves_is_no_ruler(moving: Moving) -> None:
    """So that nothing that keeps a ruler takes it; what it does is had by `symbols`."""
    assert not isinstance(moving, Ruler)
    values = torch.rand(64, 3)
    with pytest.raises(TypeError, match=r"ruler: need a Ruler, got .*; .* symbols\("):
        encode(values, moving)  # type: ignore[arg-type]
    assert entropy(symbols(moving(values))).n_samples == 64


@pytest.mark.parametrize("moving", MOVING, ids=repr)
def test_what_moves_says_in_a_sentence_why_a_monitor_does_not_take_it(moving: Moving) -> None:
    assert moving.refusal.startswith(f"{moving!r} takes its edges from the activations of each")
    assert f"symbols({moving!r}(activations))" in moving.refusal
    assert "." not in moving.refusal.replace("it_callbacks.codes.symbols", "")


@pytest.mark.parametrize("moving", MOVING, ids=repr)
def test_what_moves_reads_arrays_lists_and_tensors_of_any_shape(moving: Moving) -> None:
    values = np.random.default_rng(0).random((16, 3, 2, 2)).astype(np.float32)
    values.setflags(write=False)
    states = moving(torch.from_numpy(values.copy()))
    assert states.shape == values.shape
    assert states.dtype == torch.int64
    assert torch.equal(moving(values), states)
    assert torch.equal(moving(values.reshape(16, 12)), states.reshape(16, 12))
    assert torch.equal(
        moving(values.astype(np.float64).tolist()), moving(values.astype(np.float64))
    )
    assert moving(values[:, 0, 0, 0]).shape == (16,)
    assert torch.equal(moving(torch.ones(4, 2).bfloat16()), moving(torch.ones(4, 2)))


@pytest.mark.parametrize("moving", MOVING, ids=repr)
def test_what_moves_leaves_its_input_and_its_gradient_alone(moving: Moving) -> None:
    values = torch.rand(16, 3, requires_grad=True)
    before = values.detach().clone()
    assert not moving(values).requires_grad
    assert torch.equal(values, before)


@pytest.mark.parametrize("moving", MOVING, ids=repr)
def test_what_moves_refuses_what_has_no_place_on_a_ruler(moving: Moving) -> None:
    with pytest.raises(ValueError, match="activations: 1 of 4 values are NaN or infinite"):
        moving([[0.0], [np.nan], [1.0], [2.0]])
    with pytest.raises(ValueError, match="activations: no values"):
        moving(torch.zeros(0, 3))
    with pytest.raises(TypeError, match="activations: complex"):
        moving(torch.zeros(2, 3, dtype=torch.complex64))


@pytest.mark.parametrize("value", [*MOVING, exactib("uniform", 4, (0, 1)), ibsgd(0.5), idnns(3)])
def test_each_is_a_value(value: Any) -> None:
    """It prints as what it is, compares by content and cannot be changed."""
    twin = eval(repr(value))
    assert twin == value
    assert hash(twin) == hash(value)
    with pytest.raises(AttributeError):
        value.bins = 3


def test_exactib_is_a_ruler_where_its_range_is_given() -> None:
    """Then its edges, -1 and on by two thirds, are the same in every call."""
    fixed = exactib("uniform", 3, scope=(-1.0, 1.0))
    assert isinstance(fixed, Ruler)
    assert fixed == ExactIBGrid(3, -1.0, 1.0)
    assert fixed.frozen
    assert fixed.slug == "exactib_uniform3_fixed"
    assert fixed(torch.tensor([-5.0, -0.9, 0.0, 0.9, 5.0])).tolist() == [0, 1, 2, 3, 3]
    assert exactib("uniform", 3, "layer") == ExactIB("uniform", 3, "layer")


def test_quantile_bins_have_equal_shares() -> None:
    """Of 1000 values in 8 bins, 125 are in each, whatever their distribution."""
    values = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0)).exp()
    assert np.bincount(Quantile(8)(values).flatten()).tolist() == [125] * 8


def test_refitted_bins_are_blind_to_scale() -> None:
    """A layer ten times as large has the same states, though it tells inputs apart no worse."""
    values = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Refitted(30)(values), Refitted(30)(16 * values))
    assert not torch.equal(Width(0.1)(values), Width(0.1)(16 * values))


def test_constant_units_have_one_state() -> None:
    """No range is no reason to divide by zero."""
    constant = torch.full((10, 2), 3.0)
    for ruler in (exactib("uniform"), exactib("quantized", 256), Quantile(4), Refitted(4)):
        assert len(torch.unique(ruler(constant))) == 1


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: ibsgd(0.0), "width"),
        (lambda: idnns(1), "bins"),
        (lambda: exactib("round"), "kind"),  # type: ignore[arg-type]
        (lambda: exactib("uniform", 30, "unit"), "scope"),  # type: ignore[call-overload]
        (lambda: exactib("uniform", 30, (1.0, 0.0)), "scope"),
        (lambda: exactib("uniform", 1), "bins"),
        (lambda: exactib("uniform", 30, (0.0, float("inf"))), "high"),
        (lambda: ExactIBGrid(30, 1.0, 0.0), "low, high"),
        (lambda: exactib("adaptive", 30, (0.0, 1.0)), "scope"),
        (lambda: Quantile(1), "bins"),
        (lambda: Refitted(4, "neuron"), "scope"),  # type: ignore[arg-type]
    ],
)
def test_a_ruler_that_means_nothing_is_refused(make: Callable[[], object], argument: str) -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=argument):
        make()


def test_h_of_t_given_x_is_measured_on_repeated_inputs(oracle: Any) -> None:
    """On the case with repeated inputs and noise, I(X;T) is below H(T) as IDNNs printed it."""
    (case,) = [case for case in oracle if case[0].startswith("dup")]
    _, inputs, printed = case
    symbols = keys(idnns(30)(torch.from_numpy(inputs["T"])))
    x = keys(torch.from_numpy(inputs["X"].astype(np.int64)))
    i = entropy(symbols).bits - conditional_entropy(symbols, x).bits
    assert i == pytest.approx(printed["IDNNs_30bins_pm1_IXT"], abs=1e-9)
