"""What a further estimator of a wide layer takes, over the least that it must compute."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import nn

from it_callbacks.estimators import LinearVInformation

from .data import labels, layer
from .ratios import Ratio, seconds


def linear(n_samples: int = 2048, n_units: int = 1024, rounds: int = 3) -> Iterator[Ratio]:
    """P27: `LinearVInformation` of the rows that a monitor keeps, over their Gram matrix."""
    rows = layer(n_samples, n_units, nn.ReLU()).double().numpy()
    classes = labels(n_samples).numpy()
    reading, product = seconds(
        rounds, partial(LinearVInformation(), rows, classes), lambda: rows.T @ rows
    )
    what = f"`LinearVInformation` over one product of its rows, {n_samples} × {n_units}"
    yield Ratio("P27", what, reading / product, 50, 20)


BENCHMARKS = (linear,)
