"""Sketches keep distances, whatever the shape of a layer, and do not depend on the batch."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from it_callbacks import sketches
from it_callbacks.observation.sketched import _on_device, pooled, sketched
from it_callbacks.sketches import Sketch

SKETCH = Sketch()


def squared_distances(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    flat = rows.reshape(len(rows), -1).astype(np.float64)
    return np.asarray(((flat[:, None] - flat[None]) ** 2).sum(-1)[np.triu_indices(len(flat), 1)])


def relative_error(rows: NDArray[np.floating], n_seeds: int = 40) -> float:
    """Root mean square error of squared distances, over seeds of the signs."""
    true = squared_distances(rows)
    errors = [squared_distances(Sketch(seed=seed)(rows)) / true - 1 for seed in range(n_seeds)]
    return float(np.sqrt(np.mean(np.square(errors))))


def one_channel(n_channels: int, n_tokens: int) -> NDArray[np.float32]:
    """Samples that differ in one channel of all tokens."""
    rows = np.zeros((6, n_tokens, n_channels), np.float32)
    rows[:, :, 5] = np.random.default_rng(1).standard_normal((6, n_tokens))
    return rows


def one_token(n_channels: int, n_tokens: int) -> NDArray[np.float32]:
    rows = np.zeros((6, n_tokens, n_channels), np.float32)
    rows[:, 3] = np.random.default_rng(2).standard_normal((6, n_channels))
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        np.random.default_rng(0).standard_normal((6, 1000)).astype(np.float32),
        one_channel(128, 128),
        one_channel(64, 256),
        one_channel(127, 128),
        one_token(128, 128),
        one_token(254, 64),
        np.random.default_rng(3).standard_normal((6, 8, 20, 254)).astype(np.float32),
    ],
    ids=[
        "dense",
        "channel of 128",
        "channel of 64",
        "channel of 127",
        "token",
        "wide token",
        "map",
    ],
)
def test_distances_stay_what_they_were(rows: NDArray[np.float32]) -> None:
    """The relative error of pairs that differ in many numbers is about sqrt(2 / 127) = .125."""
    assert relative_error(rows) < 0.16


def test_a_number_of_components_that_is_no_prime_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"need a prime, got 128; the next below is 127.*channel"):
        Sketch(128)
    with pytest.raises(TypeError, match="n_components"):
        Sketch(12.5)  # type: ignore[arg-type] # what is tested


def test_a_stride_that_is_a_multiple_of_the_prime_takes_the_next_lower_one() -> None:
    assert SKETCH.n_sums((3, 1000)) == 127
    assert SKETCH.n_sums((10, 127)) == 113
    assert SKETCH.n_sums((10, 127 * 113)) == 109
    assert SKETCH.n_sums((10, 127 * 113 * 109)) == 107
    assert SKETCH(np.ones((2, 10, 127), np.float32)).shape == (2, 113)


def test_up_to_128_units_are_kept_as_they_are() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 128)).astype(np.float32)
    assert np.array_equal(SKETCH(rows), rows)
    assert SKETCH(np.ones((5, 129), np.float32)).shape == (5, 127)


@pytest.mark.parametrize("shape", [(300,), (5, 50), (3, 16, 16), (64, 28), (2, 3, 8, 8), (1, 127)])
def test_a_sketch_is_the_same_to_the_bit_in_any_batch_and_order(shape: tuple[int, ...]) -> None:
    rows = np.random.default_rng(4).standard_normal((37, *shape)).astype(np.float32)
    whole = SKETCH(rows)
    for size in (1, 2, 3, 5, 8, 13, 32):
        parts = [SKETCH(rows[start : start + size]) for start in range(0, 37, size)]
        assert np.array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(5).permutation(37)
    assert np.array_equal(SKETCH(rows[order]), whole[order])


def test_a_longer_sequence_of_zeros_changes_nothing() -> None:
    short = np.random.default_rng(6).standard_normal((4, 9, 40)).astype(np.float32)
    long = np.concatenate([short, np.zeros((4, 300, 40), np.float32)], axis=1)
    assert np.array_equal(SKETCH(long), SKETCH(short))


def test_sums_are_those_of_the_definition() -> None:
    rows = np.random.default_rng(7).standard_normal((3, 2, 150)).astype(np.float32)
    signs = SKETCH.signs(300, 127).reshape(-1)
    assert set(signs[:300].tolist()) == {-1.0, 1.0}
    by_hand = np.zeros((3, 127))
    for unit in range(300):
        by_hand[:, unit % 127] += signs[unit] * rows.reshape(3, -1)[:, unit]
    assert SKETCH(rows) == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("n_samples", [1, 3, 4, 9])
@pytest.mark.parametrize("shape", [(129,), (254,), (1000,), (5, 50), (16, 127), (64, 8, 8)])
def test_the_kernel_gives_the_same_sums_to_the_bit(n_samples: int, shape: tuple[int, ...]) -> None:
    pytest.importorskip("numba", reason="numba is of the extra fast")
    assert sketches.kernel() is not None
    rows = np.random.default_rng(8).standard_normal((n_samples, *shape)).astype(np.float32)
    rows *= 10 ** np.random.default_rng(9).uniform(-30, 30, rows.shape).astype(np.float32)
    odd = rows.copy()
    odd.reshape(-1)[[5, 77, -1]] = np.nan, np.inf, -np.inf
    for given in (rows, odd, rows.astype(np.float64), np.asfortranarray(rows)):
        by_kernel = SKETCH(given)
        with mock.patch.object(sketches, "kernel", return_value=None):
            by_numpy = SKETCH(given)
        assert by_kernel.dtype == by_numpy.dtype
        assert np.array_equal(by_kernel, by_numpy, equal_nan=True)


def test_the_kernel_is_asked_for_single_precision_only() -> None:
    """It is compiled for that when it is loaded."""
    add_up = mock.Mock()
    with mock.patch.object(sketches, "kernel", return_value=add_up):
        SKETCH(np.ones((2, 200)))
        assert not add_up.called
        SKETCH(np.ones((2, 200), np.float32))
    assert add_up.called


def test_padding_is_replaced_even_where_it_holds_nan() -> None:
    tokens = torch.randn(3, 6, 40)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]] * 3, dtype=torch.bool)
    padded = torch.where(mask[..., None], tokens, torch.nan)
    of_padded = sketched(padded, SKETCH, mask=mask)
    assert np.array_equal(of_padded, sketched(tokens[:, :4], SKETCH))


def test_padding_on_the_left_is_as_padding_on_the_right() -> None:
    tokens = torch.randn(5, 6, 40)
    lengths = torch.tensor([6, 3, 1, 5, 4])
    right = torch.arange(9) < lengths[:, None]
    left, found = right.flip(1), []
    for mask in (right, left):
        padded = torch.full((5, 9, 40), torch.nan)
        padded[mask] = torch.cat([row[:n] for row, n in zip(tokens, lengths, strict=True)])
        found.append(sketched(padded, SKETCH, mask=mask))
    assert np.array_equal(found[0], found[1])


def test_channels_of_a_sequence_come_last_so_that_its_length_may_vary() -> None:
    channels_first = torch.randn(3, 40, 6)
    longer = torch.nn.functional.pad(channels_first, (0, 5))
    first, second = (sketched(rows, SKETCH, units_axis=1) for rows in (channels_first, longer))
    assert np.array_equal(first, second)
    assert np.array_equal(first, sketched(channels_first.movedim(1, -1), SKETCH))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_kind_of_number_is_added_up_in_float32_or_better(dtype: torch.dtype) -> None:
    rows = torch.randn(4, 3, 70).to(dtype)
    found = sketched(rows, SKETCH)
    assert found.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    assert found == pytest.approx(SKETCH(rows.double().numpy()), abs=1e-4)


def test_what_is_kept_does_not_change_with_the_output() -> None:
    output = torch.ones(4, 10)
    found = sketched(output, SKETCH)
    output.zero_()
    assert found.min() == 1


@pytest.mark.parametrize("shape", [(90,), (300,), (5, 50), (3, 16, 16), (10, 127)])
def test_what_a_device_adds_up_is_the_same(shape: tuple[int, ...]) -> None:
    rows = torch.randn(9, *shape)
    assert _on_device(rows, SKETCH) == pytest.approx(SKETCH(rows.numpy()), abs=1e-4)


def test_sketches_of_processes_are_pooled_where_all_of_them_have_a_layer_in_one_width() -> None:
    first = {"both": np.zeros((2, 3)), "one": np.zeros((2, 3)), "other width": np.zeros((2, 3))}
    second = {"both": np.ones((1, 3)), "other width": np.zeros((1, 4))}
    found = pooled([first, second])
    assert found.keys() == {"both"}
    assert found["both"].tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]
    assert pooled([]) == {}
