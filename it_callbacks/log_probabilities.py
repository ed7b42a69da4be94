"""Read predictions as log-probabilities, and decide whether they are logits or probabilities."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["logits", "probabilities"]

# How far a row of probabilities may sum from 1. Rounding each entry to bfloat16 moves the sum by at
# most 2**-8; predictions that went through half precision on their way are float32 again when they
# arrive, so the dtype cannot tell. Twice that leaves room for the softmax's own rounding.
_SUM_TOLERANCE = 2.0**-7

# Numbers in a block of rows. Its few copies, some in float64, then fit a processor's cache, which
# makes 50 000 classes about twice as fast, and take little memory beside any batch.
_BLOCK = 2**19


def kind_of(predictions: Tensor) -> Kind:
    """What a batch holds: probabilities if every row is >= 0 and sums to 1, else logits.

    A sum may differ from 1 by 2**-7, as half precision may cause. One value per sample is a
    Bernoulli logit, whatever its range.

    Args:
        predictions: floating, shape ``(n_samples, n_classes)``, ``(n_samples, 1)`` or
            ``(n_samples,)``.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: another shape; more than half of the rows are probabilities, but not all.

    Example:
        >>> kind_of(torch.tensor([[0.9, 0.1], [0.5, 0.5]]))
        'probabilities'
        >>> kind_of(torch.tensor([[2.2, 0.0], [0.5, 0.5]]))
        'logits'
    """
    rows = _matrix(predictions)
    if rows.shape[1] == 1:
        return "logits"
    is_distribution = _is_distribution(rows)
    share = is_distribution.double().mean().item()
    if share == 1.0:
        return "probabilities"
    if share > 0.5:  # no batch of logits does this by chance, and to guess would be silent
        raise ValueError(
            "predictions: most rows are >= 0 and sum to 1, "
            f"{_shown(rows, _first(~is_distribution))}; "
            "expected all rows to do so, or kind='logits' if these are logits"
        )
    return "logits"


def as_log_probabilities(predictions: Tensor, kind: Kind | None = None) -> Tensor:
    """Natural logarithms of the class probabilities, float64, shape ``(n_samples, n_classes)``.

    A class masked by a logit of -inf, or of probability 0, has -inf. Probabilities are divided by
    their sum. One value per sample is a Bernoulli logit, ``log(p(1) / p(0))``: two classes. It is a
    logit even between 0 and 1; for probabilities of class 1 pass ``kind="probabilities"``.

    Args:
        predictions: floating, shape ``(n_samples, n_classes)``, ``(n_samples, 1)`` or
            ``(n_samples,)``. Log-probabilities are logits.
        kind: what they are, if known; with ``None``, `kind_of` decides from this batch.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: another shape; NaN; +inf among several classes or -inf in all of them; rows that
            contradict ``kind``.

    Example:
        >>> log_p = as_log_probabilities(torch.tensor([[0.0, 0.0], [0.0, -torch.inf]]))
        >>> log_p.exp().round(decimals=6).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
        >>> as_log_probabilities(torch.tensor([0.0])).exp().round(decimals=6).tolist()
        [[0.5, 0.5]]
    """
    check_kind(kind)
    kind = kind or kind_of(predictions)
    rows = rows_of(predictions, kind).double().contiguous()
    if kind == "logits":
        check_defined(rows, rows.amax(dim=1))
        return torch.log_softmax(rows, dim=1)
    return torch.log(rows / rows.sum(dim=1, keepdim=True))


def rows_of(predictions: Tensor, kind: Kind) -> Tensor:
    """Predictions without gradient, one row per sample and one column per class.

    The dtype stays, except that one value per sample becomes two in float64. What logits must be is
    left to `check_defined`, since it takes no further pass over them.

    Args:
        predictions: floating, shape ``(n_samples, n_classes)``, ``(n_samples, 1)`` or
            ``(n_samples,)``.
        kind: what they are.

    Raises:
        TypeError: no floating-point tensor.
        ValueError: another shape; rows that are to be probabilities and are not.
    """
    rows = _matrix(predictions)
    is_bernoulli = rows.shape[1] == 1
    if kind == "logits":
        if is_bernoulli:
            return torch.nn.functional.logsigmoid(torch.cat([-rows, rows], dim=1).double())
        return rows
    if is_bernoulli:
        rows = torch.cat([1 - rows.double(), rows.double()], dim=1)
    is_distribution = _is_distribution(rows)
    if not is_distribution.all():
        raise ValueError(
            "predictions: expected probabilities (by kind=, or as the first batch was read), but "
            f"{_shown(rows, _first(~is_distribution))}; expected rows >= 0 that sum to 1 in "
            "every batch, or kind='logits' in the constructor if these are logits"
        )
    return rows


def check_defined(rows: Tensor, largest: Tensor, first_row: int = 0) -> None:
    """Raise where the largest logit of a row leaves its softmax undefined: NaN, +inf or -inf.

    Args:
        rows: The logits of a batch, or of a block of its rows.
        largest: Of each of these rows.
        first_row: The number in the batch of the first of these rows.
    """
    if math.isfinite(largest.sum().item()):
        return
    is_defined = largest.isfinite()
    if not is_defined.all():  # else the sum of finite numbers overflows
        row = _first(~is_defined)
        raise ValueError(
            f"predictions: {_shown(rows, row, first_row)}; expected no NaN, no +inf, "
            "and -inf only as the logit of a masked class among finite ones"
        )


def split_rows(rows: Tensor) -> list[Tensor]:
    """Blocks of rows that stay in a processor's cache, at least one row each."""
    n_rows = max(1, _BLOCK // rows.shape[1])
    if len(rows) <= n_rows:
        return [rows]
    return [rows[start : start + n_rows] for start in range(0, len(rows), n_rows)]


def _shown(rows: Tensor, row: int, first_row: int = 0) -> str:
    """A row for an error message; of a long one, its beginning."""
    entries = [f"{value:.6g}" for value in rows[row, :6].tolist()]
    more = ", ..." if rows.shape[1] > 6 else ""
    return f"row {first_row + row} is [{', '.join(entries)}{more}]"


def _first(is_odd: Tensor) -> int:
    return int(is_odd.int().argmax())


def defined_rows(predictions: Tensor) -> Tensor:
    """Which rows of predictions are a distribution over classes, ``(n_samples,)``.

    Not one with NaN; of several classes, not one with +inf, and not one with -inf in all of them.

    Example:
        >>> defined_rows(torch.tensor([[0.0, 1.0], [0.0, torch.nan], [0.0, -torch.inf]])).tolist()
        [True, False, True]
    """
    rows = predictions.detach()
    if rows.ndim == 1 or rows.shape[1] == 1:
        return ~rows.reshape(len(rows), -1).isnan().any(1)
    return torch.isfinite(rows.amax(1))  # where one is NaN, so is the largest


def _is_distribution(rows: Tensor) -> Tensor:
    """Of each row whether it is >= 0 and sums to 1."""
    found = []
    for block in split_rows(rows):
        is_distribution = block.amin(dim=1) >= 0
        sums = block[is_distribution].double().sum(dim=1)  # of logits, hardly ever a row
        is_distribution[is_distribution.clone()] = (sums - 1).abs() <= _SUM_TOLERANCE
        found.append(is_distribution)
    return torch.cat(found)


def _matrix(predictions: Tensor) -> Tensor:
    """Predictions as a matrix without gradient, one row per sample."""
    if not isinstance(predictions, Tensor) or not predictions.is_floating_point():
        got = getattr(predictions, "dtype", type(predictions).__name__)
        raise TypeError(
            f"predictions: got {str(got).removeprefix('torch.')}; "
            "expected a floating-point tensor of logits or probabilities, not class numbers"
        )
    if predictions.ndim not in (1, 2) or 0 in predictions.shape[1:]:
        raise ValueError(
            f"predictions: got shape {tuple(predictions.shape)}; expected (n_samples, n_classes), "
            "or (n_samples,) or (n_samples, 1) for a Bernoulli logit"
        )
    rows = predictions.detach()
    if rows.device.type == "mps":  # which has no float64
        rows = rows.cpu()
    return rows[:, None] if rows.ndim == 1 else rows


def check_kind(kind: Kind | None) -> None:
    """Raise unless `kind` is a kind of predictions, or None."""
    if kind not in (None, "logits", "probabilities"):
        raise ValueError(f"kind: got {kind!r}; expected 'logits', 'probabilities' or None")
