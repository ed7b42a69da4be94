"""Encode activations with the usual rulers fast: the same keys as by the spec, bit for bit.

The spec's way, ``keys(ruler(activations))``, makes a 64-bit copy of all states and multiplies whole
numbers, which processors do slowly. For `Uniform` and `Width`, which `Calibrated` becomes, most of
that can be saved, also where bins are merged in pairs:

- Activations are read in chunks that fit the cache, into a buffer that is used again and again.
- One scan tells how far the states of a chunk reach. Where all are in -254..254, the eight columns
  of the hash are one float32 product: states and weights fit the 8 significant bits of bfloat16 and
  every partial sum the 24 of float32, so it is exact whatever matmul precision the user allows.
- Rows that the spec packs are packed by a float64 product, which holds 2**50 exactly.

Chunks that reach farther, and those of `Exact`, take the spec's way one by one. Any other ruler, a
user's own among them, takes it as a whole, and so does whatever is refused: the spec says why.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.codes.spec import (
    LARGEST_PLAIN_STATE,
    LARGEST_WEIGHT,
    N_COLUMNS,
    PACKED_STATES,
    PACKED_UNITS,
    PART_STATES,
    keys,
    weights,
)
from it_callbacks.reductions import side_by_side
from it_callbacks.rulers import Exact, PairMerged, Ruler, Uniform, Width, as_states, floating

# float32 holds every integer up to here, so sums below it are exact in any order of summation.
_EXACT_BELOW = 2**24
_PLACES = float(PACKED_STATES) ** np.arange(PACKED_UNITS)
# Small enough for the memory that a monitor may take, large enough to hide the overhead of a call.
_CHUNK_ELEMENTS = 2**20


def encode(activations: Tensor, ruler: Ruler) -> Tensor:
    """Return the symbols of `activations` read with `ruler`.

    The same as ``symbols(ruler(activations))``, faster.

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
        >>> encode(activations, Width(0.5)).tolist()  # states 0 1, 1 0 and 0 1
        [32, 1, 32]
    """
    return encode_keys(activations, ruler)[:, 0]


def encode_keys(activations: Tensor, ruler: Ruler) -> Tensor:
    """Return ``keys(ruler(activations))``, faster."""
    return torch.from_numpy(encoded(activations, ruler).keys).to(activations.device)


class Encoded(NamedTuple):
    """Activations as keys, and how far their states reach."""

    keys: NDArray[np.int64]
    """``(n_samples, 2)``."""
    reach: float
    """No state is larger in absolute value; NaN where that is not known."""


def encoded(activations: Tensor, ruler: Ruler) -> Encoded:
    """Return the keys of `activations` on the host, with the reach of their states."""
    if not isinstance(ruler, Ruler):
        raise TypeError(
            f"ruler: need a Ruler, got {ruler!r}; what else makes states of activations goes into "
            "symbols(...)"
        )
    activations = floating(activations)
    if not ruler.frozen:
        ruler = ruler.freeze(activations)
    if type(ruler) in _LEVELS:  # not of a subclass, which may read in another way
        try:
            return _in_chunks(side_by_side(activations), ruler)
        except ValueError:
            pass  # the spec refuses it too, and counts over all samples, not over those of a chunk
    return Encoded(keys(ruler(activations)).cpu().numpy(), math.nan)


def _in_chunks(rows: Tensor, ruler: Ruler) -> Encoded:
    levels_of = _LEVELS[type(ruler)]
    keys_of = _keys_of_narrow if rows.shape[1] <= PACKED_UNITS else _keys_of_wide
    parts: list[NDArray[np.int64]] = []
    reach = 0.0
    for chunk in _chunks(rows):
        levels = levels_of(ruler, _scratch.like(chunk), chunk)
        parts.append(keys_of(levels))
        reach = float(np.maximum(reach, levels.reach))
    if len(parts) == 1:
        return Encoded(parts[0], reach)
    return Encoded(np.concatenate([np.zeros((0, 2), np.int64), *parts]), reach)


def _chunks(rows: Tensor) -> Iterator[Tensor]:
    step = max(1, _chunk_elements(rows.device) // max(rows.shape[1], 1))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _chunk_elements(device: torch.device) -> int:
    # Elsewhere than on the host each chunk is waited for.
    return _CHUNK_ELEMENTS if device.type == "cpu" else 4 * _CHUNK_ELEMENTS


class _Scratch(threading.local):
    """One buffer per kind of tensor and thread: new memory costs as much as what is done in it."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, chunk: Tensor) -> Tensor:
        """A tensor like `chunk`, in memory that the next call gives out, too."""
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


# From activations to states, as the rulers' own `levels` make them.


class Levels(NamedTuple):
    """States before their conversion to int64, and how far they reach.

    Args:
        states: Whole numbers of any type.
        low: None is smaller.
        high: None is larger; NaN, as `low` may be, if one is NaN or if they are no floats.
    """

    states: Tensor
    low: float
    high: float

    @property
    def reach(self) -> float:
        """None is larger in absolute value; NaN where that is not known."""
        return float(np.maximum(-self.low, self.high))


def _uniform(ruler: Uniform, scratch: Tensor, activations: Tensor) -> Levels:
    scale = ruler.bins / (ruler.high - ruler.low)
    low, times = _as_operands(ruler.low, scale, activations.device.type)
    above = scanned(torch.sub(activations, low, out=scratch))
    states, top = above.states.mul_(times).floor_(), ruler.bins - 1
    if not _all_inside(ruler, above, activations):
        inside = activations <= ruler.high  # only there the top edge is closed
        return scanned(torch.where(inside, states.clamp_max(top), states))
    kind = _arithmetic(activations)
    highest = float(np.floor(kind(above.high) * kind(scale)))  # of the states, as they were made
    # At the top edge, and where rounding lifts a value just below it onto it.
    return Levels(states if highest <= top else states.clamp_max_(top), 0.0, min(highest, top))


def _all_inside(ruler: Uniform, above: Levels, activations: Tensor) -> bool:
    """Whether all `activations` are in the range, given how far they are above its lower end."""
    kind = _arithmetic(activations)
    with np.errstate(over="ignore"):
        span = kind(ruler.high) - kind(ruler.low)
    # What is a rounding error above the top edge may come to lie on it.
    return above.low >= 0 and bool(
        above.high < span or (above.high == span and activations.amax() <= ruler.high)
    )


def _arithmetic(activations: Tensor) -> type[np.floating[Any]]:
    """The type of number that rulers compute with."""
    return np.float64 if activations.dtype == torch.float64 else np.float32


@lru_cache(maxsize=256)
def _as_operands(low: float, scale: float, device_type: str) -> tuple[Any, Any]:
    """The same numbers as torch takes them fastest: on the host, as tensors."""
    if device_type != "cpu":
        return low, scale
    return (
        torch.tensor(low, dtype=torch.float64, device="cpu"),
        torch.tensor(scale, dtype=torch.float64, device="cpu"),
    )


def _width(ruler: Width, scratch: Tensor, activations: Tensor) -> Levels:
    widths = activations.new_tensor(ruler.width)
    if widths.ndim and len(widths) != activations.shape[1]:
        raise ValueError("width: there are not as many widths as units")
    if ruler.is_finer_than(activations.dtype):
        raise ValueError("width: the type of the activations is too coarse for it")
    if ruler.origin != 0.0:
        activations = torch.sub(activations, activations.new_tensor(ruler.origin), out=scratch)
    return scanned(torch.div(activations, widths, out=scratch).floor_())


def _exact(ruler: Exact, scratch: Tensor, activations: Tensor) -> Levels:
    return scanned(ruler.levels(activations))


def _pair_merged(ruler: PairMerged, scratch: Tensor, activations: Tensor) -> Levels:
    if type(ruler.ruler) not in (Uniform, Width):
        raise ValueError("ruler: the spec merges its bins")
    states, low, high = _LEVELS[type(ruler.ruler)](ruler.ruler, scratch, activations)
    # Halves of floats are exact, and whole numbers stay floats.
    return Levels(states.mul_(0.5).floor_(), float(np.floor(low / 2)), float(np.floor(high / 2)))


_LEVELS: dict[type[Ruler], Callable[[Any, Tensor, Tensor], Levels]] = {
    Uniform: _uniform,
    Width: _width,
    Exact: _exact,
    PairMerged: _pair_merged,
}


def scanned(states: Tensor) -> Levels:
    """Return `states` with how far they reach, which most often one scan tells."""
    if not states.is_floating_point() or not states.numel():
        return Levels(states, math.nan, math.nan)
    if states.device.type != "cpu":
        low, high = torch.stack(torch.aminmax(states)).tolist()
        return Levels(states, low, high)
    values = states.detach().numpy()
    # Read as whole numbers without a sign, floats below 0 are larger than all others, the lowest
    # the largest, and NaN larger than any of its sign.
    bits = np.uint32 if values.dtype == np.float32 else np.uint64
    extreme = float(values.view(bits).max().view(values.dtype))
    if math.copysign(1.0, extreme) > 0:
        return Levels(states, 0.0, extreme)
    return Levels(states, extreme, float(values.max()))


# From states to keys.


def _keys_of_narrow(levels: Levels) -> NDArray[np.int64]:
    if levels.low >= 0 and levels.high < PACKED_STATES:
        return _packed(levels.states.cpu().numpy())
    if not _exact_units(levels.reach):
        return _keys_by_spec(levels)
    out = _keys_by_product(levels)
    states = levels.states.cpu().numpy()
    fits = _fit(states)
    out[fits] = _packed(states[fits])
    return out


def _keys_of_wide(levels: Levels) -> NDArray[np.int64]:
    return _keys_by_product(levels) if _exact_units(levels.reach) else _keys_by_spec(levels)


def _fit(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which narrow rows hold packed states only."""
    inside = (rows >= 0) & (rows < PACKED_STATES)
    # Along rows so short a product counts several times as fast as `all` finds out.
    count = inside.astype(np.float32) @ np.ones(rows.shape[1], np.float32)
    fits: NDArray[np.bool_] = count == rows.shape[1]
    return fits


def _packed(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Narrow rows as one number each, which is both keys."""
    # Doubles, since integers have no fast product; every sum stays below 2**53.
    packed = (rows.astype(np.float64) @ _PLACES[: rows.shape[1]]).astype(np.int64)
    return packed[:, None].repeat(2, 1)


def _keys_by_spec(levels: Levels) -> NDArray[np.int64]:
    parts = torch.split(levels.states, max(1, PART_STATES // max(levels.states.shape[1], 1)))
    return torch.cat([keys(as_states(part)) for part in parts]).cpu().numpy()


def _exact_units(reach: float) -> int:
    """Of how many units a product of states up to `reach` is exact; 0 if of none."""
    if not reach <= LARGEST_PLAIN_STATE:  # also where it is NaN
        return 0
    return int((_EXACT_BELOW - 1) // (LARGEST_WEIGHT * max(reach, 1)))


def _keys_by_product(levels: Levels) -> NDArray[np.int64]:
    columns = _product(levels.states, _exact_units(levels.reach)).cpu().numpy().astype(np.int64)
    # By NumPy, whose whole numbers multiply in any size and wrap around; a GPU's do not.
    keys_by_sample: NDArray[np.int64] = weights(0).fold.T @ columns
    return keys_by_sample.T


def _product(states: Tensor, exact_units: int) -> Tensor:
    """The columns of the hash, ``(8, n_samples)``, of rows of states near 0."""
    across = _columns_on(states.device, states.shape[1])
    # What is written into a given tensor is left alone by autocast.
    columns = across.new_empty(N_COLUMNS, len(states))
    if states.shape[1] <= exact_units:
        return torch.mm(across, states.float().T, out=columns)
    # Block by block, added up in float64: far below 2**53.
    total = torch.zeros_like(columns, dtype=torch.float64)
    for start in range(0, states.shape[1], exact_units):
        units = slice(start, start + exact_units)
        total += torch.mm(across[:, units], states[:, units].float().T, out=columns)
    return total


@lru_cache(maxsize=64)
def _columns_on(device: torch.device, n_units: int) -> Tensor:
    """The weights ``(8, n_units)`` of the columns, copied to a device once."""
    return torch.from_numpy(weights(n_units).columns).to(device)
