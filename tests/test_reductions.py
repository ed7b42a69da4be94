"""Reductions: what is read of a layer, against NumPy and scikit-learn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks.codes import encode
from it_callbacks.reductions import PCA, Joint, MeanPool, RandomProjection, Reduction
from it_callbacks.rulers import Calibrated, Unstorable, Width

ALL_REDUCTIONS = [Joint(), MeanPool(), MeanPool(-1), RandomProjection(3), PCA(3)]


def activations(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Joint


def test_joint_keeps_every_number_of_a_sample_in_order() -> None:
    values = activations(5, 3, 2, 2)
    assert torch.equal(Joint()(values), values.flatten(1))


# MeanPool


def test_a_map_is_averaged_over_its_pixels() -> None:
    values = activations(6, 3, 5, 4)
    expected = values.double().numpy().mean(axis=(2, 3))
    np.testing.assert_allclose(MeanPool()(values), expected, rtol=0, atol=1e-6)


def test_a_sequence_is_averaged_over_its_tokens() -> None:
    values = activations(6, 9, 3)
    expected = values.double().numpy().mean(axis=1)
    np.testing.assert_allclose(MeanPool(-1)(values), expected, rtol=0, atol=1e-6)


def test_a_volume_with_units_last_is_averaged_over_all_positions() -> None:
    values = activations(6, 4, 5, 2, 3)
    expected = values.double().numpy().mean(axis=(1, 2, 3))
    np.testing.assert_allclose(MeanPool(-1)(values), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("units_axis", [1, -1])
def test_a_matrix_has_nothing_to_pool(units_axis) -> None:
    values = activations(6, 3)
    assert torch.equal(MeanPool(units_axis)(values), values)
    assert torch.equal(MeanPool(units_axis)(values[:, 0]), values[:, :1])


def test_pooling_bfloat16_does_not_round_on_the_way() -> None:
    """A running sum in bfloat16 would stop growing at 256; the mean of these is 1."""
    assert MeanPool()(torch.ones(2, 3, 64, 64, dtype=torch.bfloat16)).tolist() == [[1.0] * 3] * 2


def test_pooling_keeps_values_inside_the_range_of_the_activation() -> None:
    saturated = torch.ones(2, 3, 111, 97)
    assert MeanPool()(saturated).max() <= 1.0


@pytest.mark.parametrize("axis", [0, 2, -2, None])
def test_units_are_on_axis_1_or_last(axis: object) -> None:
    with pytest.raises(ValueError, match="units_axis"):
        MeanPool(axis)


# RandomProjection


def test_random_directions_keep_the_scale_of_a_unit() -> None:
    """Unit-variance inputs give unit-variance projections, whatever the width."""
    for n_units in (10, 1000):
        reading = RandomProjection(64)(activations(2000, n_units))
        assert reading.std() == pytest.approx(1.0, abs=0.15 if n_units == 10 else 0.05)


def test_projections_are_linear() -> None:
    a, b = activations(4, 7).double(), activations(4, 7, seed=1).double()
    project = RandomProjection(3)
    torch.testing.assert_close(project(a + 2 * b), project(a) + 2 * project(b))


def test_a_seed_decides_the_directions_and_global_random_state_does_not() -> None:
    values = activations(4, 7)
    before = torch.get_rng_state()
    first = RandomProjection(3, seed=5)(values)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(RandomProjection(3, seed=5)(values), first)
    assert not torch.equal(RandomProjection(3, seed=6)(values), first)


def test_directions_are_the_same_in_every_version() -> None:
    """A run that is resumed elsewhere must be read along the same directions."""
    reading = RandomProjection(2, seed=0)(torch.eye(2))
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(reading, drawn / math.sqrt(2))


# PCA


@pytest.mark.parametrize("shape", [(200, 12), (50, 3, 4, 2), (10, 40)])
def test_pca_equals_scikit_learn(shape: tuple[int, ...]) -> None:
    from sklearn import decomposition as sklearn

    scale = torch.linspace(3, 1, math.prod(shape[1:])).reshape(shape[1:])
    values = activations(*shape) * scale + 5
    flat = values.flatten(1).double().numpy()
    expected = sklearn.PCA(4, svd_solver="full").fit(flat)
    reading = PCA(4).freeze(values)(values).numpy()
    signs = np.sign((reading * expected.transform(flat)).sum(0))
    np.testing.assert_allclose(reading, expected.transform(flat) * signs, atol=1e-10)


def test_components_point_where_their_largest_entry_is_positive() -> None:
    along = torch.tensor([[-4.0, 3.0]])
    line = torch.arange(5.0)[:, None] * along
    reading = PCA(1).freeze(line)(line)
    assert reading.flatten().tolist() == pytest.approx([10.0, 5.0, 0.0, -5.0, -10.0])


def test_pca_stays_fitted_to_the_first_activations() -> None:
    first, later = activations(100, 5), activations(100, 5, seed=1) * 4 + 1
    fitted = PCA(2).freeze(first)
    assert fitted.frozen
    assert fitted.freeze(later) is fitted
    mean = first.double().numpy().mean(0)
    directions = np.linalg.svd(first.double().numpy() - mean)[2][:2]
    expected = (later.double().numpy() - mean) @ directions.T
    np.testing.assert_allclose(fitted(later).abs(), np.abs(expected), atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_components_beyond_the_rank_are_silent(dtype: torch.dtype) -> None:
    """Dead units: what is left there is rounding, which a calibrated ruler would call 8 bits."""
    values = (activations(1500, 2).double() @ activations(2, 6, seed=1).double()).to(dtype)
    reading = PCA(4).freeze(values[:1024])(values)
    assert (reading[:, :2].std(0) > 0.1).all()
    assert (reading[:, 2:] == 0).all()
    assert encode(reading[:, 2:], Calibrated(30)).unique().numel() == 1


def test_a_weak_component_is_not_mistaken_for_rounding() -> None:
    strong, weak = activations(1000, 1), activations(1000, 1, seed=1)
    values = torch.cat([strong, 1e-4 * weak], 1)
    reading = PCA(2).freeze(values)(values)
    assert reading[:, 1].std() == pytest.approx(1e-4, rel=0.1)


def test_a_constant_layer_has_constant_components() -> None:
    constant = torch.tensor([[0.3, -1.7, 1e4]]).expand(1024, 3)
    assert PCA(2).freeze(constant)(constant).unique().numel() == 1


def test_more_components_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="k: 4 components"):
        PCA(4).freeze(activations(3, 10))


def test_a_layer_narrower_than_the_components_keeps_all_its_units() -> None:
    """So that one reduction can be given for wide and narrow layers alike: distances are kept."""
    values = activations(10, 3)
    reading = PCA(4).freeze(values)(values)
    assert reading.shape == (10, 3)
    assert torch.allclose(
        torch.cdist(reading, reading), torch.cdist(values, values).double(), atol=1e-5
    )


def test_pca_refuses_what_is_not_finite() -> None:
    values = activations(10, 3)
    values[4, 1] = math.nan
    with pytest.raises(ValueError, match="1 of 30 values are NaN or infinite"):
        PCA(2).freeze(values)


def test_a_fitted_projection_refuses_another_layer() -> None:
    fitted = PCA(2).freeze(activations(10, 3))
    with pytest.raises(ValueError, match="4 units where the projection was fitted to 3"):
        fitted(activations(10, 4))


def test_pca_keeps_no_graph_and_no_activations() -> None:
    """What stays is directions and an origin, not the 1024 rows it was fitted to."""
    values = activations(1024, 5).requires_grad_()
    fitted = PCA(2).freeze(values)
    held = [held for held in vars(fitted).values() if isinstance(held, Tensor)]
    assert sum(tensor.untyped_storage().nbytes() for tensor in held) <= 8 * (5 * 5 + 2)
    assert not any(tensor.requires_grad for tensor in held)


def of_strengths(n_samples: int, n_units: int, *strengths: float) -> Tensor:
    """Centred rows with these singular values, and none beside them."""
    k, generator = len(strengths), np.random.default_rng(n_units)
    left = generator.standard_normal((n_samples, k))
    left = np.linalg.qr(left - left.mean(0))[0]
    right = np.linalg.qr(generator.standard_normal((n_units, k)))[0]
    return torch.from_numpy(left * strengths @ right.T)


SIDES = pytest.mark.parametrize(
    ("n_samples", "n_units"), [(300, 20), (20, 300), (64, 64)], ids=["tall", "wide", "square"]
)


@SIDES
@pytest.mark.parametrize(
    "strengths",
    [(9.0, 3.0, 1.0), (1.0, 1e-3, 1e-6), (1.0, 1e-5, 1e-10), (3e150, 1e150, 3e149)],
    ids=["strong", "falling", "weak", "huge"],
)
def test_components_are_those_of_numpy_however_weak_they_are(
    n_samples: int, n_units: int, strengths: tuple[float, ...]
) -> None:
    """A Gram matrix alone would leave nothing of a component at 1e-10 of the strongest."""
    rows = of_strengths(n_samples, n_units, *strengths)
    expected = np.linalg.svd(rows.numpy() - rows.numpy().mean(0), full_matrices=False)[2][:3]
    directions = PCA(3).freeze(rows).directions.numpy().T
    # What 16 digits leave of a component, and half of them where a Gram matrix is good enough.
    for ours, theirs, strength in zip(directions, expected, strengths, strict=True):
        floor = 1e-13 * strengths[0] / strength
        assert abs(ours @ theirs) == pytest.approx(1, abs=max(1e-12, floor))
        assert ours[np.abs(ours).argmax()] > 0


@SIDES
def test_strong_components_agree_with_numpy_to_twelve_digits(n_samples: int, n_units: int) -> None:
    rows = of_strengths(n_samples, n_units, 27.0, 9.0, 3.0, 1.0) + 5
    expected = np.linalg.svd(rows.numpy() - rows.numpy().mean(0), full_matrices=False)[2][:3]
    ours = PCA(3).freeze(rows).directions.numpy().T
    signs = np.sign((ours * expected).sum(1, keepdims=True))
    np.testing.assert_allclose(ours, expected * signs, rtol=0, atol=1e-12)


@SIDES
def test_equal_components_span_the_plane_that_numpy_finds(n_samples: int, n_units: int) -> None:
    """Any basis of it is right; another strength beside it is not mixed in."""
    rows = of_strengths(n_samples, n_units, 2.0, 2.0, 1.0)
    expected = np.linalg.svd(rows.numpy(), full_matrices=False)[2][:2]
    ours = PCA(2).freeze(rows).directions.numpy().T
    np.testing.assert_allclose(ours @ ours.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(ours.T @ ours, expected.T @ expected, atol=1e-12)


@SIDES
def test_beyond_the_rank_there_is_nothing_however_the_rows_lie(
    n_samples: int, n_units: int
) -> None:
    directions = PCA(4).freeze(of_strengths(n_samples, n_units, 5.0, 2.0)).directions
    assert (directions[:, :2].norm(dim=0) - 1).abs().max() < 1e-12
    assert (directions[:, 2:] == 0).all()


@SIDES
def test_rows_of_zeros_have_no_component(n_samples: int, n_units: int) -> None:
    assert (PCA(2).freeze(torch.zeros(n_samples, n_units)).directions == 0).all()


def test_components_do_not_depend_on_scale() -> None:
    rows = activations(100, 300).double()
    once = PCA(2).freeze(rows).directions
    for scale in (2.0**900, 2.0**-900):
        assert torch.equal(PCA(2).freeze(rows * scale).directions, once)


def test_what_a_fit_takes_grows_with_the_square_of_the_shorter_side() -> None:
    wide, wider = (PCA(2).operations(1024, n_units) for n_units in (1 << 20, 1 << 21))
    assert wider / wide == pytest.approx(2, rel=0.01)
    assert PCA(2).operations(2048, 1 << 20) / wide == pytest.approx(4, rel=0.01)
    assert PCA(2).operations(1024, 1 << 20) > 2 * 1024**2 * 2**20  # the Gram matrix alone
    assert Joint().operations(1024, 1 << 20) == 0


# All reductions


@pytest.mark.parametrize("reduction", ALL_REDUCTIONS, ids=repr)
@pytest.mark.parametrize("shape", [(48, 6), (48, 3, 5, 5), (48, 7, 3)])
def test_a_sample_is_read_the_same_in_every_batch(
    reduction: Reduction, shape: tuple[int, ...]
) -> None:
    """One state per row, whatever rows come with it: else duplicates would look different."""
    values = activations(*shape)
    frozen = reduction.freeze(values)
    whole = encode(frozen(values), Width(0.01))
    for size in (1, 5, 16, 47):
        parts = [encode(frozen(part), Width(0.01)) for part in values.split(size)]
        assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("reduction", ALL_REDUCTIONS, ids=repr)
def test_threads_do_not_change_a_reading(reduction: Reduction) -> None:
    values = activations(256, 8, 16, 16)
    frozen = reduction.freeze(values)
    whole = frozen(values)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.testing.assert_close(frozen(values), whole, rtol=0, atol=1e-12)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("reduction", ALL_REDUCTIONS, ids=repr)
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (6, 4, 3, 2)])
def test_a_reading_is_a_matrix_also_of_no_samples(
    reduction: Reduction, shape: tuple[int, ...]
) -> None:
    values = activations(*shape)
    frozen = reduction.freeze(values)
    full, empty = frozen(values), frozen(values[:0])
    assert full.ndim == 2
    assert len(full) == 6
    assert empty.shape == (0, full.shape[1])


@pytest.mark.parametrize("reduction", [RandomProjection(3), PCA(3)], ids=repr)
def test_autocast_does_not_reach_a_projection(reduction: Reduction) -> None:
    values = activations(64, 8)
    frozen = reduction.freeze(values)
    outside = frozen(values)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(frozen(values), outside)


@pytest.mark.parametrize("reduction", ALL_REDUCTIONS, ids=repr)
def test_a_reduction_is_a_value(reduction: Reduction) -> None:
    twin = eval(repr(reduction))
    assert twin == reduction
    assert hash(twin) == hash(reduction)
    assert isinstance(reduction, Reduction)


@pytest.mark.parametrize("reduction", ALL_REDUCTIONS, ids=repr)
def test_a_reduction_says_what_it_measures(reduction: Reduction) -> None:
    assert len(reduction.estimand) > 5
    assert reduction.freeze(activations(10, 4)).estimand == reduction.estimand


@pytest.mark.parametrize("reduction", ALL_REDUCTIONS, ids=repr)
def test_only_readings_that_keep_the_range_claim_to(reduction: Reduction) -> None:
    """Of outputs in [-1, 1], averages stay inside; projections and components need not."""
    assert reduction.keeps_range == (not isinstance(reduction, (RandomProjection, PCA)))
    assert reduction.freeze(activations(10, 4)).keeps_range == reduction.keeps_range


@pytest.mark.parametrize("make", [RandomProjection, PCA])
@pytest.mark.parametrize("k", [0, -1, 1.5, True, None])
def test_a_wrong_number_of_directions_is_named(make, k: object) -> None:
    with pytest.raises((TypeError, ValueError), match="k: need a whole number >= 1"):
        make(k)


# What a checkpoint keeps


@pytest.mark.parametrize("n_units", [2, 7])
def test_a_fitted_projection_comes_back_from_a_file(n_units: int, tmp_path: Path) -> None:
    """Loaded without trust; of a layer narrower than the components, too."""
    values = activations(50, n_units)
    fitted = PCA(3).freeze(values)
    torch.save(fitted.state(), tmp_path / "state.pt")
    restored = PCA(3).restored(torch.load(tmp_path / "state.pt", weights_only=True))
    assert restored.frozen
    assert torch.equal(restored(values), fitted(values))


MATRIX, VECTOR = torch.eye(5, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"directions": MATRIX},
        {"directions": MATRIX, "origin": VECTOR.tolist()},
        {"directions": MATRIX.float(), "origin": VECTOR},
        {"directions": MATRIX[0], "origin": VECTOR},
        {"directions": MATRIX * math.nan, "origin": VECTOR},
        {"directions": MATRIX, "origin": VECTOR + math.inf},
        {"directions": MATRIX, "origin": VECTOR[:2]},
        {"directions": MATRIX[:, :2], "origin": VECTOR[:2]},
        {"directions": MATRIX.to_sparse(), "origin": VECTOR},
    ],
)
def test_a_state_that_is_none_is_a_value_error(state: object) -> None:
    with pytest.raises(ValueError, match="state: need"):
        PCA(3).restored(state)


def test_whether_a_reduction_can_be_stored_is_known_before_it_is_fitted() -> None:
    class Centred(Reduction):
        """A user's own."""

        frozen = False
        estimand = "units"

        def __call__(self, activations: Tensor) -> Tensor:
            return activations

    assert all(reduction.storable for reduction in ALL_REDUCTIONS)
    assert not Centred().storable
    with pytest.raises(Unstorable, match=r"Centred .*define state\(\) on the reduction"):
        Centred().state()
    with pytest.raises(Unstorable, match=r"Centred .*define state\(\) on the reduction"):
        Centred().restored({})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int8])
def test_means_of_narrow_types_are_those_of_their_values_in_few_rows_as_in_all(
    dtype: torch.dtype,
) -> None:
    maps = (torch.rand(40, 3, 90, 90, generator=torch.Generator().manual_seed(0)) * 9).to(dtype)
    for order in (torch.contiguous_format, torch.channels_last):  # in which numbers are added up
        given = maps.contiguous(memory_format=order)
        wide = given.double() if dtype == torch.int8 else given.float()
        assert torch.equal(MeanPool()(given), wide.flatten(2).mean(2))
