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

Collision bound for two different rows of states: the hash has 16 columns of weights drawn from
-127..127, all equal with probability at most 255**-16; they are folded to two 64-bit keys, each
equal with probability at most 2**(v - 64), where 2**v is the largest power of two that divides
all differences of the columns (v is small: each further power is half as likely per column).
Two rows thus share a symbol with probability of about 2**-60, and both keys with about 2**-119:
among 50,000 samples, a collision that goes unnoticed has a probability below 2**-88.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.reductions import Reduction, side_by_side
from it_callbacks.rulers import CALIBRATION_ROWS, Ruler, floating, whole

_COLUMNS = 16
_LARGEST_WEIGHT = 127
_LARGEST_PRODUCT_LEVEL = 254
# float32 holds every integer up to here, so sums below it are exact in any order of summation.
_EXACT_BELOW = 2**24
# Rows of so few and small states are packed: 32**10 is 2**50, which float64 still holds exactly.
_PACKED_STATES = 32
_PACKED_UNITS = 10
# Small enough that a chunk and its temporaries stay in the cache, large enough to hide overheads.
_CHUNK_ELEMENTS = 2**19
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
    fits = ((rows >= 0) & (rows < _PACKED_STATES)).all(1)
    if fits.all():
        return _packed(rows)
    return torch.where(fits[:, None], _packed(rows), _hashed(rows))


def _packed(rows: Tensor) -> Tensor:
    """Narrow rows as one number each, which is both keys: there is nothing to verify."""
    # Doubles, since integers have no fast product; every sum stays below 2**53.
    packed = (rows.double() @ _places_on(rows.device, rows.shape[1])).to(torch.int64)
    return packed.unsqueeze(1).repeat(1, 2)


@lru_cache(maxsize=64)
def _places_on(device: torch.device, n_units: int) -> Tensor:
    return float(_PACKED_STATES) ** torch.arange(n_units, dtype=torch.float64, device=device)


def _hashed(rows: Tensor) -> Tensor:
    """The two folds of the linear hash of int64 rows of any states."""
    n_samples = len(rows)
    weights = torch.from_numpy(_weights(rows.shape[1]).folded).to(rows.device)
    out = torch.zeros(n_samples, 2, dtype=torch.int64, device=rows.device)
    for chunk in _chunks(n_samples, rows.shape[1]):
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

    keys: Tensor
    """int64 ``(n_samples, 2)``."""
    reach: float
    """No state is larger in absolute value; NaN where that is not known."""


def encode_keys(activations: Tensor, ruler: Ruler) -> Tensor:
    """``keys(ruler(activations))`` without its int64 copy of the states, in cached chunks."""
    return encoded(activations, ruler).keys


def encoded(activations: Tensor, ruler: Ruler) -> Encoded:
    """As `encode_keys`, with the reach of the states, which it learns on the way."""
    rows = side_by_side(floating(activations))
    if not ruler.frozen:
        ruler = ruler.freeze(rows)
    if rows.shape[1] <= _PACKED_UNITS:
        return _encode_narrow(rows, ruler)
    if not len(rows):
        return Encoded(torch.empty(0, 2, dtype=torch.int64, device=rows.device), math.nan)
    low, high = rows.amin().item(), rows.amax().item()  # together faster than one aminmax
    reach = ruler.bound(low, high)
    with torch.autocast(rows.device.type, enabled=False):
        if rows.shape[1] <= _exact_units(reach):
            return Encoded(_folded(_product(rows, ruler, high)), reach)
        return _encode_in_blocks(rows, ruler, high, reach)


def _product(rows: Tensor, ruler: Ruler, highest: float) -> Tensor:
    """The 16 columns of the hash, float32, of rows that one product takes exactly."""
    across = _columns_on(rows.device, rows.shape[1])
    columns = torch.empty(len(rows), _COLUMNS, device=rows.device)
    size = _rows_of_chunk(rows.shape[1])
    scratch = torch.empty_like(rows[:size])
    for part, out in zip(torch.split(rows, size), torch.split(columns, size), strict=True):
        levels = ruler.levels_in(scratch[: len(part)], part, highest)
        torch.mm(levels.float(), across, out=out)
    return columns


def _encode_in_blocks(rows: Tensor, ruler: Ruler, highest: float, known: float) -> Encoded:
    """Rows too wide for one product, or whose states are only known chunk by chunk."""
    across = _columns_on(rows.device, rows.shape[1])
    columns = torch.zeros(len(rows), _COLUMNS, dtype=torch.float64, device=rows.device)
    # What no product takes (very large states, or no floats) is hashed by itself.
    apart: list[tuple[slice, Tensor]] = []
    reach = 0.0
    scratch = torch.empty_like(rows[: _rows_of_chunk(rows.shape[1])])
    for chunk in _chunks(*rows.shape):
        part = rows[chunk]
        levels = ruler.levels_in(scratch[: len(part)], part, highest)
        of_part = known if _exact_units(known) else _reach(levels)
        reach = max(reach, of_part)
        if _exact_units(of_part):
            _add_product(levels, across, _exact_units(of_part), columns[chunk])
        else:
            apart.append((chunk, keys(whole(levels))))
    out = _folded(columns)
    for chunk, of_chunk in apart:
        out[chunk] = of_chunk
    return Encoded(out, reach)


def _encode_narrow(rows: Tensor, ruler: Ruler) -> Encoded:
    levels = ruler.levels(rows)
    if levels.is_floating_point() and levels.numel():
        low, high = levels.amin().item(), levels.amax().item()
        if low >= 0 and high < _PACKED_STATES:
            return Encoded(_packed(levels), high)
        return Encoded(keys(whole(levels)), max(-low, high))
    return Encoded(keys(whole(levels)), math.nan)


def _reach(levels: Tensor) -> float:
    """The largest level in absolute value; NaN where a product could not take the levels."""
    if not levels.is_floating_point() or not levels.numel():
        return math.nan
    return max(-levels.amin().item(), levels.amax().item())  # faster than one aminmax


def _exact_units(reach: float) -> int:
    """Of how many units a product of levels up to `reach` is exact; 0 if of none.

    Every operand fits the 8 significant bits of bfloat16 and every partial sum float32, so that
    it is exact whatever matmul precision the user allows.
    """
    if not reach <= _LARGEST_PRODUCT_LEVEL:  # also where it is NaN
        return 0
    return int((_EXACT_BELOW - 1) // (_LARGEST_WEIGHT * max(reach, 1)))


def _add_product(levels: Tensor, across: Tensor, block: int, columns: Tensor) -> None:
    """Add the 16 columns of the hash of `levels`, block by block, in float64: far below 2**53."""
    for start in range(0, levels.shape[1], block):
        units = slice(start, start + block)
        columns += levels[:, units].float() @ across[units]


def _folded(columns: Tensor) -> Tensor:
    """The two keys of the 16 columns of each row."""
    # By NumPy, whose whole numbers multiply in any size and wrap around; a GPU's do not.
    fold = _weights(0).fold
    on_host = columns.cpu().numpy()
    parts = [on_host[rows].astype(np.int64) @ fold for rows in _chunks(*on_host.shape)]
    return torch.from_numpy(np.concatenate(parts)).to(columns.device)


class _Weights(NamedTuple):
    columns: NDArray[np.float32]  # (16, n_units), whole numbers
    fold: NDArray[np.int64]  # (16, 2)
    folded: NDArray[np.int64]  # (n_units, 2): columns @ fold


@lru_cache(maxsize=64)
def _weights(n_units: int) -> _Weights:
    fold = _random_bits(0, _COLUMNS * 2).astype(np.int64).reshape(_COLUMNS, 2)
    draws = _random_bits(1, n_units * _COLUMNS) % (2 * _LARGEST_WEIGHT + 1)
    columns = draws.astype(np.int64).reshape(n_units, _COLUMNS) - _LARGEST_WEIGHT
    return _Weights(np.ascontiguousarray(columns.T.astype(np.float32)), fold, columns @ fold)


@lru_cache(maxsize=64)
def _columns_on(device: torch.device, n_units: int) -> Tensor:
    """The weights ``(n_units, 16)`` of the columns, copied to a device once.

    Transposed in memory, which is how a product reads them fastest.
    """
    return torch.from_numpy(_weights(n_units).columns).to(device).T


def _random_bits(stream: int, n: int) -> NDArray[np.uint64]:
    # SplitMix64 by counter: the same weights in every version of every library, which the
    # generators of NumPy and torch do not promise.
    z = np.arange(1, n + 1, dtype=np.uint64) + np.uint64(stream << 48)
    z *= np.uint64(0x9E3779B97F4A7C15)
    for shift, multiplier in zip(_MIX_SHIFTS, (*_MIX_MULTIPLIERS, 1), strict=True):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(multiplier)
    return z


def _rows_of_chunk(n_units: int) -> int:
    return max(1, _CHUNK_ELEMENTS // max(n_units, 1))


def _chunks(n_samples: int, n_units: int) -> list[slice]:
    rows = _rows_of_chunk(n_units)
    return [slice(start, start + rows) for start in range(0, n_samples, rows)]


class KeyStream:
    """One layer's outputs in, batch by batch; its keys ``(n_samples, 2)`` out, per ruler.

    Keeps 16 bytes per sample and ruler, and no activations but two small sets of rows: at most
    the first `CALIBRATION_ROWS` while a ruler or the reduction still waits to be frozen (they
    are frozen on exactly those), and the rows that the caller asks to keep for estimators which
    need the activations themselves.

    Args:
        reduction: From the layer's output to the reading ``(n_samples, n_units)``.
        rulers: How to read it, once each.
        patience: Rows after which it freezes on its own what waits. Several processes freeze
            together, on rows of all, and so none on its own.
    """

    def __init__(
        self,
        reduction: Reduction,
        rulers: tuple[Ruler, ...],
        patience: float = CALIBRATION_ROWS,
    ) -> None:
        self._patience = patience
        self.reduction = reduction
        self.rulers = rulers
        self.n_samples = 0
        self.n_units = 0
        self.reach = 0.0
        """No state of the first ruler was larger so far, in absolute value."""
        self._waiting: list[Tensor] = []
        self._keys: list[list[NDArray[np.int64]]] = [[] for _ in rulers]
        self._kept: list[Tensor] = []
        self._all_rows: list[Tensor] = []
        self._any_moves = any(ruler.moves for ruler in rulers)

    @property
    def frozen(self) -> bool:
        """Whether nothing waits to be calibrated any more."""
        return self.reduction.frozen and all(ruler.frozen or ruler.moves for ruler in self.rulers)

    def add(self, output: Tensor, keep: Tensor | None = None) -> None:
        """Take in the outputs ``(n_rows, ...)`` of a batch.

        Args:
            output: What the layer returned; it is read at once, never held.
            keep: Positions of the rows whose reading is to be kept (`kept`).
        """
        self.n_samples += len(output)
        reading = self.reduction(output) if self.reduction.frozen else output
        if keep is not None:
            self._kept.append(reading[keep].detach().clone())
        if self.frozen:
            self._encode(reading)
            return
        self._waiting.append(reading.detach().clone())
        if sum(map(len, self._waiting)) >= self._patience:
            self.freeze()

    def waiting(self) -> Tensor | None:
        """The rows that wait for something to be frozen, in order; None if there are none."""
        return torch.cat(self._waiting) if self._waiting and not self.frozen else None

    def freeze(self, rows: Tensor | None = None) -> None:
        """Calibrate, and encode what waits.

        Args:
            rows: What to calibrate on, of the kind that waits; None takes the first rows that
                wait, and does nothing if there are none.
        """
        if self.frozen:
            return
        if rows is None:
            waiting = self.waiting()
            if waiting is None or not len(waiting):
                return
            rows = waiting[:CALIBRATION_ROWS]
        reduction = self.reduction
        if not reduction.frozen:
            reduction = reduction.freeze(rows)
            rows = reduction(rows)
        self.adopt(
            reduction,
            tuple(ruler if ruler.moves else ruler.freeze(rows) for ruler in self.rulers),
        )

    def adopt(self, reduction: Reduction, rulers: tuple[Ruler, ...]) -> None:
        """From now on read with these, frozen elsewhere, and encode what waits."""
        was_read = self.reduction.frozen
        self.reduction, self.rulers = reduction, rulers
        if not was_read:
            self._kept = [reduction(kept) for kept in self._kept]
        while self._waiting:
            rows = self._waiting.pop(0)
            self._encode(rows if was_read else reduction(rows))

    def all_keys(self) -> list[NDArray[np.int64]]:
        """All keys so far, ``(n_samples, 2)`` per ruler, in the order of the samples."""
        self.freeze()
        none = np.zeros((0, 2), dtype=np.int64)
        for ruler, parts in zip(self.rulers, self._keys, strict=True):
            if ruler.moves and self._all_rows and not parts:
                parts.append(encode_keys(torch.cat(self._all_rows), ruler).cpu().numpy())
        return [np.concatenate([none, *parts]) for parts in self._keys]

    def kept(self) -> Tensor:
        """The readings ``(n_kept, n_units)`` of the rows that were to be kept, in order."""
        self.freeze()
        return torch.cat(self._kept) if self._kept else torch.zeros(0, self.n_units)

    def _encode(self, reading: Tensor) -> None:
        if reading.numel():
            self.n_units = reading.shape[1]
        if self._any_moves:
            self._all_rows.append(reading.detach().clone())
        for number, ruler in enumerate(self.rulers):
            if not ruler.moves:
                read = encoded(reading, ruler)
                self._keys[number].append(read.keys.cpu().numpy())
                self.reach = self.reach if number else max(self.reach, read.reach)
