"""Entropies of predictions over a vocabulary, over plain torch; and the memory beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from it_callbacks.metrics import PredictionEntropy

from .memory import STATM, extra_of, in_a_process
from .ratios import Ratio, seconds

SIZES = ((512, 50_257), (128, 151_936))
"""Positions of a batch, and the classes of GPT-2 and of Qwen 2."""


def plain(logits: Tensor) -> Tensor:
    """H(p) of each row, in nats, as one writes it."""
    log_p = torch.log_softmax(logits, dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


def measured(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """All of ours, from an empty metric to its values."""
    metric = PredictionEntropy(logits.shape[1])
    metric.update(logits, labels)
    return metric.compute()


def batch(n_rows: int, n_classes: int) -> tuple[Tensor, Tensor]:
    """Logits and labels, the same in every run."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.empty(n_rows, n_classes).normal_(0, 3, generator=generator)
    return logits, torch.randint(n_classes, (n_rows,), generator=generator)


def beside_plain(sizes: Sequence[tuple[int, int]] = SIZES, rounds: int = 7) -> Iterator[Ratio]:
    """P16, processor time."""
    for n_rows, n_classes in sizes:
        logits, labels = batch(n_rows, n_classes)
        ours, theirs = seconds(rounds, partial(measured, logits, labels), partial(plain, logits))
        what = f"all of `PredictionEntropy` over plain entropy, {n_rows} × {n_classes} float32"
        yield Ratio("P16", what, ours / theirs, 1.1, 0.7)


def extra_bytes(n_rows: int, n_classes: int) -> int:
    """Highest resident memory while a batch is measured, above that just before."""
    measured(*batch(2, 2000))  # what is loaded on first use
    logits, labels = batch(n_rows, n_classes)
    return extra_of(partial(measured, logits, labels))


def allowed_bytes(n_classes: int) -> float:
    """64 MB and 24 bytes for each class."""
    return 64e6 + 24 * n_classes


def beside_logits(sizes: Sequence[tuple[int, int]] = SIZES[1:]) -> Iterator[Ratio]:
    """P16, memory. Nothing where the system does not tell."""
    if not STATM.exists():
        return
    for n_rows, n_classes in sizes:
        extra = in_a_process("-m", f"{__package__}.vocabulary", str(n_rows), str(n_classes))
        what = f"extra memory, {n_rows} × {n_classes} float32, over 64 MB + 24 B per class"
        yield Ratio("P16", what, extra / allowed_bytes(n_classes), 1, 0.5)


BENCHMARKS = (beside_plain, beside_logits)

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(extra_bytes(int(sys.argv[1]), int(sys.argv[2])))
