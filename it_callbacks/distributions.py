"""Predictions and labels in; distributions, their entropies and surprises out, block by block.

A batch of a language model's predictions fills most of the memory there is, so nothing of its size
is made: rows are read in blocks. With z a row of logits, d = z - max z and sums over classes,

    S = sum e^d,   T = sum e^d d,   p = e^d / S,   H(p) = log S - T / S.

No two large numbers cancel, also where a prediction is all but certain; a float32 log-softmax is
there wrong by a part in a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from it_callbacks.log_probabilities import Kind, check_defined, split_rows

# Up to here everything is computed in float64, which costs little. Beyond, exponentials of float32
# and half-precision logits are float32, and only their sums float64: a value is right to 1e-6 of
# itself, in a third of the time.
_MOST_CLASSES_IN_FLOAT64 = 1000

# Up to here the place of the largest number is found in one pass.
_MOST_COLUMNS_IN_ONE_PASS = 1000
_CHUNK = 256

_BITS = 1 / math.log(2)


class Block(NamedTuple):
    """The predicted distributions of some rows of a batch; the weights hold until the next block.

    Args:
        labels: Class numbers, shape ``(n,)``.
        weights: Probabilities over the largest of the row, float64, shape ``(n, n_classes)``.
        scale: One over the sum of each row of weights, shape ``(n,)``.
        entropy: H(p) in bits, shape ``(n,)``.
        surprise: -log2 p(label) in bits, shape ``(n,)``.
        predicted: The most probable class, of ties the first, shape ``(n,)``.
    """

    labels: Tensor
    weights: Tensor
    scale: Tensor
    entropy: Tensor
    surprise: Tensor
    predicted: Tensor


def blocks(rows: Tensor, labels: Tensor, kind: Kind) -> Iterator[Block]:
    """The distributions of a batch, some rows at a time.

    Args:
        rows: Logits or probabilities as `rows_of` returns them, shape ``(n_samples, n_classes)``.
        labels: int64 class numbers on the same device, shape ``(n_samples,)``.
        kind: What the rows hold.

    Raises:
        ValueError: A row of logits has no softmax. Blocks before it have been given out then.

    Example:
        >>> p = torch.tensor([[0.5, 0.25, 0.25]])
        >>> (block,) = blocks(p, torch.tensor([1]), "probabilities")
        >>> round(block.entropy.item(), 6), round(block.surprise.item(), 6)
        (1.5, 2.0)
    """
    parts = split_rows(rows)
    space = _space(parts[0])
    dtype = torch.float64 if space.nats is None else torch.float32
    start = 0
    for part in parts:
        n = len(part)
        # Columns of a transposed tensor would be added up in another order.
        numbers = part.to(dtype).contiguous()
        largest, predicted = _largest(numbers)
        if kind == "logits":
            check_defined(part, largest, start)
        yield _block(numbers, labels[start : start + n], largest, predicted, kind, space.first(n))
        start += n


class _Space(NamedTuple):
    """Where a block's copies go; for many classes fresh memory costs as much as what is done in it.

    All are None where everything is in float64.
    """

    nats: Tensor | None = None
    weights: Tensor | None = None
    sums: Tensor | None = None

    def first(self, n: int) -> _Space:
        return self if self.nats is None else _Space(*(to[:n] for to in self if to is not None))


def _space(part: Tensor) -> _Space:
    if part.dtype == torch.float64 or part.shape[1] <= _MOST_CLASSES_IN_FLOAT64:
        return _Space()
    dtypes = (torch.float32, torch.float32, torch.float64)
    return _Space(*(torch.empty(part.shape, dtype=dtype, device=part.device) for dtype in dtypes))


def _block(
    rows: Tensor, labels: Tensor, largest: Tensor, predicted: Tensor, kind: Kind, space: _Space
) -> Block:
    score = rows.gather(1, labels[:, None]).squeeze(1)
    if kind == "logits":
        nats = torch.sub(rows, largest[:, None], out=space.nats)
        weights = torch.exp(nats, out=space.weights)
        below = (largest.double() - score.double()) * _BITS
    else:
        weights = torch.div(rows, largest[:, None], out=space.weights)
        nats = torch.log(weights, out=space.nats)
        below = largest.double().log2() - score.double().log2()
    # A class of probability 0 adds 0 to T: there 0 times -inf is NaN, which nansum leaves out.
    nat_sums = _float64(nats.mul_(weights), space).nansum(dim=1)
    weights = _float64(weights, space)
    totals = weights.sum(dim=1)
    scale = totals.reciprocal()
    total_bits = totals.log2()
    entropy = total_bits - nat_sums * scale * _BITS
    return Block(labels, weights, scale, entropy, total_bits + below, predicted)


def _float64(numbers: Tensor, space: _Space) -> Tensor:
    return numbers if space.sums is None else space.sums.copy_(numbers)


def _largest(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest number of each row and the first of its places; NaN where there is one.

    To find a place takes torch several times as long as to find the number. So chunks of a long row
    are compared first, and only the chunk of the largest number is read for its place.
    """
    n_columns = rows.shape[1]
    if n_columns <= _MOST_COLUMNS_IN_ONE_PASS:
        largest, places = rows.max(dim=1)
        return largest, places
    n_whole = n_columns // _CHUNK * _CHUNK
    tops = rows[:, :n_whole].view(len(rows), -1, _CHUNK).amax(dim=2)
    largest, chunk = torch.cat([tops, rows[:, n_whole:]], dim=1).max(dim=1)
    # The last columns, too few for a chunk, are read as the end of a chunk that overlaps another.
    start = (chunk * _CHUNK).clamp(max=n_columns - _CHUNK)
    columns = start[:, None] + torch.arange(_CHUNK, device=rows.device)
    return largest, start + rows.gather(1, columns).argmax(dim=1)
