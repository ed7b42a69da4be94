"""Integer states in, one 64-bit symbol per sample out: exact, streamed batch by batch.

A symbol is a linear hash of the sample's states with fixed weights, in 64-bit arithmetic that
wraps around. Being linear over the integers it does not depend on the order of summation, on the
batch that a sample came in, on threads, device or process; being fixed it means the same in every
epoch. States beyond -254..254 are first scrambled, one to one: differences that are multiples of
a large power of two, like the sign bit of a float, would vanish in the wrap-around. A row of at
most 10 states, all in 0..31, is not hashed but packed, five bits a state: no two such rows share
a symbol.

A second, independent key is kept beside the symbol, so that wherever symbols are counted a
collision is noticed and resolved (`it_callbacks.estimators.counting`).

Collision bound for two different rows of states: the hash has 8 columns of weights drawn from
-255..255, all equal with probability at most 511**-8; they are folded to two 64-bit keys, each
equal with probability at most 2**(v - 64), where 2**v is the largest power of two that divides
all differences of the columns (v is small: each further power is half as likely per column).
Two rows thus share a symbol with probability of about 2**-60, and both keys with at most 2**-71:
among N samples, a collision that goes unnoticed has a probability below N**2 / 2 * 2**-71, which
is 2**-40 for 50,000.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.reductions import side_by_side
from it_callbacks.rulers import Levels, Ruler, as_states, floating

_COLUMNS = 8
_LARGEST_WEIGHT = 255
_LARGEST_PRODUCT_LEVEL = 254
# float32 holds every integer up to here, so sums below it are exact in any order of summation.
_EXACT_BELOW = 2**24
# Rows of so few and small states are packed: 32**10 is 2**50, which float64 still holds exactly.
_PACKED_STATES = 32
_PACKED_UNITS = 10
_PLACES = float(_PACKED_STATES) ** np.arange(_PACKED_UNITS)
# Small enough for the memory that a stream may take, large enough to hide the overhead of a call.
_CHUNK_ELEMENTS = 2**20
_HASHED_ELEMENTS = 2**17
# The mixing of SplitMix64 (Steele, Lea & Flood 2014): each step is one to one on 64-bit integers.
_MIX_SHIFTS = (30, 27, 31)
_MIX_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def symbols(states: Tensor) -> Tensor:
    """One int64 symbol per sample, equal where rows of `states` are equal and only there.

    Args:
        states: Integers ``(n_samples, ...)``; all but the first axis make up a sample's row.

    Returns:
        ``(n_samples,)`` int64. Two different rows share a symbol with probability of about
        2**-60 (see the module's docstring); counting with `it_callbacks.estimators` of the
        monitors' own keys notices even that.

    Raises:
        TypeError: `states` is not a tensor of integers.

    Example:
        >>> a, b, c = symbols(torch.tensor([[1, 2], [2, 1], [1, 2]])).tolist()
        >>> a == c, a == b
        (True, False)
    """
    if not isinstance(states, Tensor) or states.is_floating_point() or states.is_complex():
        got = states.dtype if isinstance(states, Tensor) else type(states).__name__
        raise TypeError(
            f"states: need a tensor of integers, got {got}; a ruler makes states of activations"
        )
    return keys(states)[:, 0]


def encode(activations: Tensor, ruler: Ruler) -> Tensor:
    """The symbols of `activations` read with `ruler`: ``symbols(ruler(activations))``, faster.

    Args:
        activations: Floats ``(n_samples, ...)``.
        ruler: How to read them.

    Returns:
        ``(n_samples,)`` int64.

    Raises:
        ValueError: A value is NaN or infinite.

    Example:
        >>> from it_callbacks.rulers import Width
        >>> activations = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.2, 0.8]])
        >>> a, b, c = encode(activations, Width(0.5)).tolist()
        >>> a == c, a == b
        (True, False)
    """
    return encode_keys(activations, ruler)[:, 0]


def keys(states: Tensor) -> Tensor:
    """The symbol and its verifying second key, int64 ``(n_samples, 2)``, of integer states."""
    rows = side_by_side(states).to(torch.int64)
    if rows.shape[1] > _PACKED_UNITS:
        return _hashed(rows)
    # Row by row, so that a symbol does not depend on the company that a sample came in.
    on_host = rows.cpu().numpy()
    fits = _fit(on_host)
    if fits.all():
        return torch.from_numpy(_packed(on_host)).to(rows.device)
    out = _hashed(rows).cpu().numpy()
    out[fits] = _packed(on_host[fits])
    return torch.from_numpy(out).to(rows.device)


def _fit(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which narrow rows hold packed states only."""
    inside = (rows >= 0) & (rows < _PACKED_STATES)
    # Along rows so short a product counts several times as fast as `all` looks.
    count = inside.astype(np.float32) @ np.ones(rows.shape[1], np.float32)
    fits: NDArray[np.bool_] = count == rows.shape[1]
    return fits


def _packed(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Narrow rows as one number each, which is both keys: there is nothing to verify."""
    # Doubles, since integers have no fast product; every sum stays below 2**53.
    packed = (rows.astype(np.float64) @ _PLACES[: rows.shape[1]]).astype(np.int64)
    return packed[:, None].repeat(2, 1)


def _hashed(rows: Tensor) -> Tensor:
    """The two folds of the linear hash of int64 rows of any states."""
    n_samples = len(rows)
    weights = torch.from_numpy(_weights(rows.shape[1]).folded).to(rows.device)
    out = torch.zeros(n_samples, 2, dtype=torch.int64, device=rows.device)
    for chunk in _chunks(n_samples, rows.shape[1], rows.device):
        part = _scrambled(rows[chunk])
        for key in range(2):
            out[chunk, key] = (part * weights[:, key]).sum(1)
    return out


def _scrambled(states: Tensor) -> Tensor:
    """`states` with those that are too large for the product mixed one to one over 64 bits."""
    large = (states > _LARGEST_PRODUCT_LEVEL) | (states < -_LARGEST_PRODUCT_LEVEL)
    if not large.any():
        return states
    z = states
    for shift, multiplier in zip(_MIX_SHIFTS, (*_MIX_MULTIPLIERS, 1), strict=True):
        # A shift to the right that fills with zeros, which torch's does not.
        z = (z ^ ((z >> shift) & (2 ** (64 - shift) - 1))) * int(
            np.uint64(multiplier).astype(np.int64)
        )
    return torch.where(large, z, states)


class Encoded(NamedTuple):
    """Activations as keys, and how far they reached."""

    keys: NDArray[np.int64]
    """``(n_samples, 2)``."""
    reach: float
    """No state is larger in absolute value; NaN where that is not known."""


def encode_keys(activations: Tensor, ruler: Ruler) -> Tensor:
    """``keys(ruler(activations))`` without its int64 copy of the states, in cached chunks."""
    return torch.from_numpy(encoded(activations, ruler).keys).to(activations.device)


def encoded(activations: Tensor, ruler: Ruler) -> Encoded:
    """As `encode_keys`, with the reach of the states, which it learns on the way."""
    rows = side_by_side(floating(activations))
    if not ruler.frozen:
        ruler = ruler.freeze(rows)
    keys_of = _keys_of_narrow if rows.shape[1] <= _PACKED_UNITS else _keys_of_wide
    parts: list[NDArray[np.int64]] = []
    reach = 0.0
    for chunk in _chunks(len(rows), rows.shape[1], rows.device):
        part = rows[chunk]
        levels = ruler.levels_in(_scratch.like(part), part)
        parts.append(keys_of(levels))
        reach = float(np.maximum(reach, levels.reach))
    if len(parts) == 1:
        return Encoded(parts[0], reach)
    return Encoded(np.concatenate([np.zeros((0, 2), np.int64), *parts]), reach)


class _Scratch(threading.local):
    """One buffer per kind of tensor and thread: new memory costs as much as what is done in it."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, chunk: Tensor) -> Tensor:
        """A tensor like `chunk`, in memory that the next call hands out, too."""
        kind = (chunk.device, chunk.dtype)
        buffer = self._buffers.get(kind)
        if chunk.numel() > _chunk_elements(chunk.device):  # a single row: too much to keep for ever
            return chunk.new_empty(chunk.shape)
        if buffer is None or buffer.numel() < chunk.numel():
            # One that is made in inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                buffer = self._buffers[kind] = chunk.new_empty(chunk.numel())
        return buffer[: chunk.numel()].view(chunk.shape)


_scratch = _Scratch()


def _keys_of_narrow(levels: Levels) -> NDArray[np.int64]:
    if levels.low >= 0 and levels.high < _PACKED_STATES:
        return _packed(levels.states.cpu().numpy())
    out = _keys_of_wide(levels)
    if _exact_units(levels.reach):  # of all others `keys` has packed the rows that fit
        states = levels.states.cpu().numpy()
        fits = _fit(states)
        out[fits] = _packed(states[fits])
    return out


def _keys_of_wide(levels: Levels) -> NDArray[np.int64]:
    units = _exact_units(levels.reach)
    if units:
        return _folded(_product(levels.states, units))
    # Very large states, or no floats. In parts, since 64-bit copies are made of them.
    n_samples, n_units = levels.states.shape
    parts = [levels.states[rows] for rows in _in_parts(n_samples, n_units, _HASHED_ELEMENTS)]
    return np.concatenate([keys(as_states(part)).cpu().numpy() for part in parts])


def _exact_units(reach: float) -> int:
    """Of how many units a product of levels up to `reach` is exact; 0 if of none.

    Every operand fits the 8 significant bits of bfloat16 and every partial sum float32, so that
    it is exact whatever matmul precision the user allows.
    """
    if not reach <= _LARGEST_PRODUCT_LEVEL:  # also where it is NaN
        return 0
    return int((_EXACT_BELOW - 1) // (_LARGEST_WEIGHT * max(reach, 1)))


def _product(levels: Tensor, exact_units: int) -> Tensor:
    """The columns of the hash, one row each, of rows of so small levels."""
    across = _columns_on(levels.device, levels.shape[1])
    # What is written into a given tensor is left alone by autocast.
    columns = across.new_empty(_COLUMNS, len(levels))
    if levels.shape[1] <= exact_units:
        return torch.mm(across, levels.float().T, out=columns)
    # Block by block, added up in float64: far below 2**53.
    total = torch.zeros_like(columns, dtype=torch.float64)
    for start in range(0, levels.shape[1], exact_units):
        units = slice(start, start + exact_units)
        total += torch.mm(across[:, units], levels[:, units].float().T, out=columns)
    return total


def _folded(columns: Tensor) -> NDArray[np.int64]:
    """The two keys of the columns of each sample."""
    # By NumPy, whose whole numbers multiply in any size and wrap around; a GPU's do not.
    keys_by_sample: NDArray[np.int64] = _weights(0).fold.T @ columns.cpu().numpy().astype(np.int64)
    return keys_by_sample.T


class _Weights(NamedTuple):
    columns: NDArray[np.float32]  # (8, n_units), whole numbers
    fold: NDArray[np.int64]  # (8, 2)
    folded: NDArray[np.int64]  # (n_units, 2): columns @ fold


@lru_cache(maxsize=64)
def _weights(n_units: int) -> _Weights:
    fold = _random_bits(0, _COLUMNS * 2).astype(np.int64).reshape(_COLUMNS, 2)
    draws = _random_bits(1, n_units * _COLUMNS) % (2 * _LARGEST_WEIGHT + 1)
    columns = draws.astype(np.int64).reshape(n_units, _COLUMNS) - _LARGEST_WEIGHT
    return _Weights(np.ascontiguousarray(columns.T.astype(np.float32)), fold, columns @ fold)


@lru_cache(maxsize=64)
def _columns_on(device: torch.device, n_units: int) -> Tensor:
    """The weights ``(8, n_units)`` of the columns, copied to a device once."""
    return torch.from_numpy(_weights(n_units).columns).to(device)


def _random_bits(stream: int, n: int) -> NDArray[np.uint64]:
    # SplitMix64 by counter: the same weights in every version of every library, which the
    # generators of NumPy and torch do not promise.
    z = np.arange(1, n + 1, dtype=np.uint64) + np.uint64(stream << 48)
    z *= np.uint64(0x9E3779B97F4A7C15)
    for shift, multiplier in zip(_MIX_SHIFTS, (*_MIX_MULTIPLIERS, 1), strict=True):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(multiplier)
    return z


def _chunks(n_samples: int, n_units: int, device: torch.device) -> list[slice]:
    return _in_parts(n_samples, n_units, _chunk_elements(device))


def _in_parts(n_samples: int, n_units: int, n_elements: int) -> list[slice]:
    rows = max(1, n_elements // max(n_units, 1))
    return [slice(start, min(start + rows, n_samples)) for start in range(0, n_samples, rows)]


def _chunk_elements(device: torch.device) -> int:
    # Elsewhere than on the host each chunk is waited for.
    return _CHUNK_ELEMENTS if device.type == "cpu" else 4 * _CHUNK_ELEMENTS
