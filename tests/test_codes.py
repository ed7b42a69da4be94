"""Symbols: equal exactly where rows are equal, and the same however the rows came in."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from it_callbacks.codes import encode, encode_keys, keys, spec, symbols
from it_callbacks.rulers import Calibrated, Exact, Ruler, Uniform, Width

RULERS = [Uniform(30, -1, 1), Width(0.07), Width(1e-6), Calibrated(30), Exact()]
FLOATS = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def clustered(n_samples: int, *shape: int, seed: int = 0) -> Tensor:
    """Floats whose rows repeat: a few hundred distinct ones."""
    generator = torch.Generator().manual_seed(seed)
    distinct = torch.randn(max(1, n_samples // 4), *shape, generator=generator)
    return distinct[torch.randint(len(distinct), (n_samples,), generator=generator)]


def partition(labels: np.ndarray) -> np.ndarray:
    """Samples numbered by the first sample that they equal: a name-free form of a grouping."""
    _, first, inverse = np.unique(labels, axis=0, return_index=True, return_inverse=True)
    return first[inverse.ravel()]


def assert_equal_where_rows_are(states: Tensor) -> None:
    rows = states.reshape(len(states), -1).numpy()
    np.testing.assert_array_equal(partition(symbols(states).numpy()), partition(rows))
    np.testing.assert_array_equal(partition(keys(states)[:, 1].numpy()), partition(rows))


# symbols


@pytest.mark.parametrize("n_units", [1, 2, 3, 10, 100, 1024, 5000])
@pytest.mark.parametrize("reach", [1, 30, 254, 255, 300, 2**20, 2**31, 2**40, 2**62])
def test_symbols_are_equal_where_rows_are_and_only_there(n_units: int, reach: int) -> None:
    """Against numpy.unique on rows that repeat, and on neighbours that differ in one unit."""
    generator = torch.Generator().manual_seed(n_units)
    n_samples = 400 if n_units < 1000 else 60
    states = torch.randint(-reach, reach + 1, (n_samples, n_units), generator=generator)
    repeats = states[torch.randint(n_samples, (n_samples,), generator=generator)]
    neighbours = states.clone()
    neighbours[torch.arange(n_samples), torch.randint(n_units, (n_samples,))] += 1
    assert_equal_where_rows_are(torch.cat([states, repeats, neighbours]))


def test_symbols_of_16384_units() -> None:
    states = torch.randint(0, 30, (40, 16_384), generator=torch.Generator().manual_seed(0))
    states = torch.cat([states, states[::3]])
    states[0, 16_383] += 1
    assert_equal_where_rows_are(states)


@pytest.mark.parametrize("n_units", [2, 7, 64])
def test_every_pair_of_swapped_units_is_told_apart(n_units: int) -> None:
    """Units are not interchangeable: moving a state to another unit is another row."""
    assert_equal_where_rows_are(torch.eye(n_units, dtype=torch.int64))


def test_all_small_rows_of_three_units_have_symbols_of_their_own() -> None:
    """All 27 000 rows of 30 bins; a hash of 32 bits would collide here about once in 12 tries."""
    grid = torch.cartesian_prod(*[torch.arange(30)] * 3)
    assert symbols(grid).unique().numel() == 30**3


def test_rows_of_plus_and_minus_one_do_not_collide() -> None:
    """A binary network: floats that differ in their sign bit only, hence by multiples of 2**31."""
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (2**18, 40), generator=generator) * 2.0 - 1
    distinct = len(np.unique(np.packbits(signs.numpy() > 0, axis=1), axis=0))
    for dtype in (torch.float32, torch.float64):
        assert encode(signs.to(dtype), Exact()).unique().numel() == distinct


@pytest.mark.parametrize("shift", [8, 16, 31, 32, 47, 60])
def test_differences_that_are_large_powers_of_two_do_not_collide(shift: int) -> None:
    bits = torch.randint(0, 8, (2**16, 12), generator=torch.Generator().manual_seed(1))
    distinct = len(np.unique(bits.numpy(), axis=0))
    assert symbols(bits << shift).unique().numel() == distinct


def test_float64_bit_patterns_are_told_apart() -> None:
    values = torch.randn(2000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    bumped = values.clone()
    bumped[:, 1] = torch.nextafter(bumped[:, 1], torch.tensor(math.inf, dtype=torch.float64))
    assert_equal_where_rows_are(torch.cat([values, -values, bumped]).view(torch.int64))


def test_the_ends_of_64_bits_are_states_like_any_other() -> None:
    ends = torch.tensor([-(2**63), -(2**63) + 1, 2**63 - 1, 0, -1, 254, 255, -254, -255])
    assert_equal_where_rows_are(torch.cartesian_prod(ends, ends))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.bool])
def test_symbols_depend_on_values_not_on_the_integer_type(dtype: torch.dtype) -> None:
    states = torch.randint(0, 2, (50, 6)).to(dtype)
    assert torch.equal(symbols(states), symbols(states.long()))


def test_shape_beyond_the_first_axis_does_not_matter() -> None:
    states = torch.randint(0, 9, (20, 3, 2, 2))
    assert torch.equal(symbols(states), symbols(states.reshape(20, 12)))
    assert torch.equal(symbols(states[:, 0, 0, 0]), symbols(states[:, :1, 0, 0]))


def test_a_layer_without_units_has_one_symbol() -> None:
    assert symbols(torch.zeros(5, 0, dtype=torch.int64)).unique().numel() == 1


@pytest.mark.parametrize("shape", [(0,), (0, 3), (0, 0), (0, 3, 2)])
def test_no_samples_have_no_symbols(shape: tuple[int, ...]) -> None:
    assert symbols(torch.zeros(shape, dtype=torch.int64)).shape == (0,)
    assert encode(torch.zeros(shape), Width(0.1)).shape == (0,)


def splitmix(z: int) -> int:
    """Steele, Lea & Flood (2014), fig. 13, in integers that cannot overflow."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_a_symbol_means_the_same_on_every_machine_and_for_ever() -> None:
    """Processes gather symbols of each other: they are a definition, not whatever comes out."""

    def draw(stream: int, number: int) -> int:
        return splitmix((number + 1 + (stream << 48)) * 0x9E3779B97F4A7C15 % 2**64)

    def symbol(row: list[int]) -> int:
        total = 0
        for unit, state in enumerate(row):
            spread = state if abs(state) <= 254 else splitmix(state % 2**64)
            for column in range(8):
                weight = draw(1, unit * 8 + column) % 511 - 255
                total += spread * weight * draw(0, column * 2)
        return (total + 2**63) % 2**64 - 2**63

    rows = [[0, 0, 0], [1, -33, 3], [254, -254, 255], [1000, 2**40, -5], [-(2**63), 2**63 - 1, 7]]
    assert symbols(torch.tensor(rows)).tolist() == [symbol(row) for row in rows]


PINNED = [
    ([32, 0, 0], [1566994992266979840, -1964488708991077600]),
    ([254, -254, 255], [-1583474143389047436, -8669866563873627366]),
    ([-1, 2**40, -(2**63)], [4510573896319733814, -7931431409819293053]),
    ([31] * 11, [1194752919169088517, -8047402622965400339]),
    ([], [0, 0]),
]
"""Rows of states and their keys as version 0.1.0 made them, which packed fewer rows."""


@pytest.mark.parametrize(("row", "both"), PINNED)
def test_hashed_rows_have_the_keys_of_the_first_version(row: list[int], both: list[int]) -> None:
    assert keys(torch.tensor([row], dtype=torch.int64)).tolist() == [both]


@pytest.mark.parametrize(
    ("ruler", "both"),
    [
        (Width(0.125), [3025438995564434941, 6660892252750735570]),
        (Uniform(16, -1, 1), [-5448252305132284302, 8091176746214725634]),
        (Exact(), [-7797834711670063797, 6011286850011244760]),
    ],
    ids=repr,
)
def test_activations_have_the_keys_of_the_first_version(ruler: Ruler, both: list[int]) -> None:
    """Eighths, which every type of float holds exactly."""
    activations = torch.arange(-3.0, 9.0)[None] / 8
    assert encode_keys(activations, ruler).tolist() == [both]


@pytest.mark.parametrize("n_units", [1, 4, 10])
def test_narrow_rows_of_small_states_are_packed_six_bits_a_state(n_units: int) -> None:
    """Digits of base 64, so no two rows can share a symbol: nothing is left to chance."""
    rows = torch.tensor([[0], [31], [-32]]).expand(3, n_units)
    ones = sum(64**unit for unit in range(n_units))
    both = [[0, 0], [31 * ones] * 2, [-32 * ones] * 2]
    assert keys(rows).tolist() == both
    assert encode_keys(rows.float(), Width(1.0)).tolist() == both


def test_all_packed_rows_of_two_units_have_symbols_of_their_own() -> None:
    """All 4096 pairs of -32..31, and none is as that of one unit less or more."""
    pairs = torch.cartesian_prod(torch.arange(-32, 32), torch.arange(-32, 32))
    assert symbols(pairs).tolist() == [low + 64 * high for low, high in pairs.tolist()]
    assert symbols(pairs).unique().numel() == 64**2


@pytest.mark.parametrize("odd", [-33, 32, 300, 2**40])
@pytest.mark.parametrize("low", [0, -32])
def test_whether_a_row_is_packed_does_not_depend_on_its_batch(low: int, odd: int) -> None:
    rows = torch.randint(low, 32, (50, 6), generator=torch.Generator().manual_seed(0))
    company = torch.cat([rows, torch.full((1, 6), odd)])
    assert torch.equal(keys(company)[:-1], keys(rows))
    assert torch.equal(encode_keys(company.double(), Width(1.0))[:-1], keys(rows))
    assert keys(company)[-1, 0] not in keys(rows)[:, 0]
    assert (keys(rows)[:, 0] == keys(rows)[:, 1]).all()


@pytest.mark.parametrize("n_columns", [1, 2])
def test_columns_of_a_weak_hash_collide_no_more_often_than_the_bound_says(
    monkeypatch: pytest.MonkeyPatch, n_columns: int
) -> None:
    """The bound of the docstring, 511**-columns, with so few columns that collisions are seen."""
    strong = spec.weights

    def weak(units: spec.Units) -> np.ndarray:
        kept = strong(units).copy()
        kept[n_columns:] = 0
        return kept

    monkeypatch.setattr(spec, "weights", weak)
    monkeypatch.setattr(spec, "folded", spec._folded)  # none of it is kept
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 30, (3000, 12), generator=generator).unique(dim=0)
    n_pairs = len(rows) * (len(rows) - 1) / 2
    _, n_sharing = keys(rows)[:, 0].unique(return_counts=True)
    share = (n_sharing * (n_sharing - 1) / 2).sum().item() / n_pairs
    assert share <= 511.0**-n_columns
    assert n_columns > 1 or share > 0  # it is weak enough to be put to the test
    assert torch.equal(keys(rows), encode_keys(rows.float(), Width(1.0)))


def test_the_second_key_is_independent_of_the_first() -> None:
    """Bit by bit, over the rows of a grid, the two keys agree as often as coins do."""
    both = keys(torch.cartesian_prod(torch.arange(32, 132), torch.arange(32, 132)))  # all hashed
    agreeing = ~(both[:, 0] ^ both[:, 1])
    shares = [((agreeing >> bit) & 1).double().mean().item() for bit in range(64)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert max(abs(share - 0.5) for share in shares) < 0.1


@pytest.mark.parametrize(
    ("states", "said"),
    [(torch.zeros(3, 2), "float32"), ([[1, 2]], "list"), (torch.zeros(2, 2).cfloat(), "complex")],
)
def test_states_are_integers(states: object, said: str) -> None:
    with pytest.raises(TypeError, match=f"states: need a tensor of integers, got .*{said}"):
        symbols(states)


# encode


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_encode_groups_samples_as_numpy_does(ruler: Ruler) -> None:
    activations = clustered(1000, 12)
    expected = partition(ruler(activations).numpy())
    np.testing.assert_array_equal(partition(encode(activations, ruler).numpy()), expected)


def test_the_largest_sums_that_can_occur_are_exact() -> None:
    """Every state at its limit and aligned with its weight: 194 million, float32 ends at 17."""
    aligned = torch.from_numpy(np.sign(spec.weights(slice(0, 6000)))) * 254.0
    assert torch.equal(encode_keys(aligned, Width(1)), keys(aligned.long()))


FROZEN = [Uniform(30, -1, 1), Width(0.07), Width(1e-6), Exact()]


@pytest.mark.parametrize("ruler", FROZEN, ids=repr)
@pytest.mark.parametrize("n_units", [3, 1000])
def test_batches_of_any_size_give_the_same_symbols(ruler: Ruler, n_units: int) -> None:
    activations = clustered(500, n_units)
    activations[::50] *= 1e4  # some batches then take the other way of hashing
    whole = encode(activations, ruler)
    for size in (1, 7, 128, 499):
        parts = [encode(part, ruler) for part in activations.split(size)]
        assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("ruler", FROZEN, ids=repr)
def test_permuted_samples_have_permuted_symbols(ruler: Ruler) -> None:
    activations = clustered(500, 300)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(3))
    assert torch.equal(encode(activations[order], ruler), encode(activations, ruler)[order])


@pytest.mark.parametrize("ruler", FROZEN, ids=repr)
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_matmul_precision_does_not_reach_the_symbols(ruler: Ruler, precision: str) -> None:
    activations = clustered(300, 2000)
    expected = symbols(ruler(activations))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        assert torch.equal(encode(activations, ruler), expected)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("ruler", FROZEN, ids=repr)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_reach_the_symbols(ruler: Ruler, dtype: torch.dtype) -> None:
    activations = clustered(300, 500)
    expected = encode(activations, ruler)
    with torch.autocast("cpu", dtype):
        assert torch.equal(encode(activations, ruler), expected)
        assert torch.equal(symbols(ruler(activations)), expected)


@pytest.mark.parametrize("ruler", FROZEN, ids=repr)
def test_threads_do_not_reach_the_symbols(ruler: Ruler) -> None:
    activations = clustered(600, 2000)
    expected = encode(activations, ruler)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(encode(activations, ruler), expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_gradients_and_inference_do_not_reach_the_symbols(ruler: Ruler) -> None:
    activations = clustered(100, 5)
    expected = encode(activations, ruler)
    with torch.no_grad():
        assert torch.equal(encode(activations, ruler), expected)
    with torch.inference_mode():
        assert torch.equal(encode(activations.clone(), ruler), expected)
    tracked = (activations.clone().requires_grad_() * 1.0).requires_grad_()
    assert torch.equal(encode(tracked, ruler), expected)


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_strides_do_not_reach_the_symbols(ruler: Ruler) -> None:
    activations = clustered(200, 6, 4, 4)
    expected = encode(activations, ruler)
    assert torch.equal(encode(activations.to(memory_format=torch.channels_last), ruler), expected)
    wide = torch.stack([activations, activations + 1], dim=-1)
    assert torch.equal(encode(wide[..., 0], ruler), expected)
    assert torch.equal(encode(activations.transpose(1, 3), ruler), encode_copy(activations, ruler))


def encode_copy(activations: Tensor, ruler: Ruler) -> Tensor:
    return encode(activations.transpose(1, 3).contiguous(), ruler)


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(ruler: Ruler, bad: float) -> None:
    activations = torch.zeros(300, 1000)
    activations[299, 999] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        encode(activations, ruler)


def test_encode_does_not_touch_its_input() -> None:
    activations = clustered(100, 5)
    before = activations.clone()
    for ruler in RULERS:
        encode(activations, ruler)
    assert torch.equal(activations, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("ruler", FROZEN, ids=repr)
def test_a_gpu_gives_the_symbols_of_a_cpu(ruler: Ruler) -> None:
    activations = clustered(1000, 700)
    assert torch.equal(encode(activations.cuda(), ruler).cpu(), encode(activations, ruler))
