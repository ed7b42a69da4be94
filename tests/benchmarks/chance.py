"""What the counts tell beside the estimate, over the counting itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from torch import Tensor, nn

from it_callbacks.codes import encode_keys
from it_callbacks.estimators import Contingency, contingency, jackknife, mle, permutation_p_value
from it_callbacks.estimators.chance import expected_from_marginals
from it_callbacks.estimators.counts import leave_one_out, spread
from it_callbacks.rulers import Uniform

from .data import labels, layer
from .ratios import Ratio, seconds


def counting(keys: Tensor, classes: np.ndarray) -> float:
    """I(bin T; Y) from keys: counts and three entropies."""
    table = contingency(keys, classes)
    return mle(table.row_counts) + mle(table.column_counts) - mle(table.cell_counts)


def jackknifed(table: Contingency) -> tuple[float, float]:
    """I(bin T; Y) with its bias removed, and its standard error."""
    rows, columns, cells = table.row_counts, table.column_counts, table.cell_counts
    change = (
        leave_one_out(cells)
        - leave_one_out(rows)[table.cell_rows]
        - leave_one_out(columns)[table.cell_columns]
    )
    bits = jackknife(rows) + jackknife(columns) - jackknife(cells)
    return bits, float(spread(change, cells, table.cell_parts)[0])


def beside_counting(
    n_samples: int = 10_000, permutations: int = 100, rounds: int = 9
) -> Iterator[Ratio]:
    """P13, where states repeat and where every sample is a state of its own."""
    classes = labels(n_samples).numpy()
    for n_units in (10, 1024):
        keys = encode_keys(layer(n_samples, n_units, nn.Tanh()), Uniform(30, -1, 1))
        table = contingency(keys, classes)
        counted, error, chance, permuted = seconds(
            rounds,
            partial(counting, keys, classes),
            partial(jackknifed, table),
            partial(expected_from_marginals, table.row_counts, table.column_counts),
            partial(permutation_p_value, keys, classes, permutations=permutations),
        )
        size = f"counting, N = {n_samples}, {len(table.row_counts)} states"
        yield Ratio("P13", f"jackknife over {size}", error / counted, 0.8, 0.2)
        yield Ratio("P13", f"exact chance level over {size}", chance / counted, 2, 1)
        what = f"{permutations} permutations over {size}"
        yield Ratio("P13", what, permuted / counted, 50, 12)


BENCHMARKS = (beside_counting,)
