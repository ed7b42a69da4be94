"""Other packages, where they are installed, beside ours on the same layer; no goal holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from .data import labels, layer
from .estimate import TANH, Kind, as_they_lie, both
from .ratios import Ratio, seconds


def states_of(n_samples: int, n_units: int, kind: Kind) -> Callable[[], NDArray[np.int64]]:
    """The layer, put into bins and made one number per sample: what both packages start from."""
    activations = layer(n_samples, n_units, kind.module).numpy()

    def numbered() -> NDArray[np.int64]:
        rows = kind.states(activations).astype(np.int64)
        return np.unique(as_they_lie(rows), return_inverse=True)[1]

    return numbered


def installed(
    numbered: Callable[[], NDArray[np.int64]], classes: NDArray[np.int64]
) -> dict[str, Callable[[], float]]:
    """I(bin T; Y) in bits by each package that is here."""
    found: dict[str, Callable[[], float]] = {}
    if find_spec("sklearn"):
        from sklearn.metrics import mutual_info_score

        found["scikit-learn"] = lambda: mutual_info_score(classes, numbered()) / np.log(2)
    if find_spec("infomeasure"):
        import infomeasure

        found["infomeasure"] = lambda: infomeasure.mutual_information(
            numbered(), classes, approach="discrete", base=2
        )
    return found


def beside_peers(
    n_samples: int = 10_000, n_units: int = 128, kind: Kind = TANH, rounds: int = 3
) -> Iterator[Ratio]:
    """Numbers of rows, told apart as in P1, and what each package makes of them, over ours."""
    own = both(n_samples, n_units, kind)[1]
    classes = labels(n_samples).numpy()
    for name, theirs in installed(states_of(n_samples, n_units, kind), classes).items():
        if abs(theirs() - own()[1]) > 1e-6:
            raise ArithmeticError(f"{name} says {theirs()} bits, ours {own()[1]}")
        long, short = seconds(rounds, theirs, own)
        what = f"{name} over ours, {n_samples} × {n_units} {kind.name}"
        yield Ratio("", what, long / short)


BENCHMARKS = (beside_peers,)
