"""One layer, read and counted: beside plain NumPy, beside a memory pass, and as sizes grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from it_callbacks.codes import encode_keys
from it_callbacks.estimators import contingency, mle
from it_callbacks.rulers import Ruler, Uniform, Width

from .data import labels, layer
from .kernels import by_kernel
from .ratios import Ratio, seconds

Bits = tuple[float, float]
"""H(bin T) and I(bin T; Y)."""

# A power of two, so that dividing by it rounds nothing and both sides have the same states.
WIDTH = 0.125


def ours(activations: Tensor, classes: NDArray[np.int64], ruler: Ruler) -> Bits:
    """By symbols: read, counted once, and both numbers from the counts."""
    table = contingency(encode_keys(activations, ruler), classes)
    of_layer = mle(table.row_counts)
    return of_layer, of_layer + mle(table.column_counts) - mle(table.cell_counts)


def plain(
    activations: NDArray[np.float32],
    classes: NDArray[np.int64],
    states: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> Bits:
    """By definition: H of all samples, less H of those of each class."""
    of_layer = entropy(states(activations).astype(np.int64))
    given = 0.0
    for one in np.unique(classes):
        inside = classes == one
        given += inside.mean() * entropy(states(activations[inside]).astype(np.int64))
    return of_layer, of_layer - given


def entropy(states: NDArray[np.int64]) -> float:
    """Of rows of states."""
    _, counts = np.unique(as_they_lie(states), return_counts=True)
    share = counts / len(states)
    return float(-(share * np.log2(share)).sum())


def as_they_lie(states: NDArray[np.int64]) -> NDArray[np.void]:
    """Each row as the bytes that it has in memory: by far the fastest way to tell rows apart."""
    return np.ascontiguousarray(states).view(np.dtype((np.void, states[0].nbytes)))[:, 0]


def tanh_states(activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """30 bins between -1 and 1."""
    return np.floor((activations + 1) * 15)


def width_states(activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bins of one width, one of which begins at 0."""
    return np.floor(activations / np.float32(WIDTH))


class Kind(NamedTuple):
    """An activation, and how both sides read it."""

    name: str
    module: nn.Module
    ruler: Ruler
    states: Callable[[NDArray[np.float32]], NDArray[np.float32]]


TANH = Kind("tanh", nn.Tanh(), Uniform(30, -1, 1), tanh_states)
RELU = Kind("relu", nn.ReLU(), Width(WIDTH), width_states)
LINEAR = Kind("linear", nn.Identity(), Width(WIDTH), width_states)


def both(n_samples: int, n_units: int, kind: Kind) -> tuple[Callable[[], Bits], Callable[[], Bits]]:
    """The plain estimate and ours, of the same layer."""
    activations, classes = layer(n_samples, n_units, kind.module), labels(n_samples).numpy()
    return (
        partial(plain, activations.numpy(), classes, kind.states),
        partial(ours, activations, classes, kind.ruler),
    )


def over_numpy(
    goal: str,
    n_samples: int,
    n_units: int,
    kind: Kind,
    must: float,
    aim: float,
    rounds: int = 5,
    note: str = "",
) -> Ratio:
    """How many times as long as ours plain NumPy takes; raises if the two differ."""
    by_definition, by_symbols = both(n_samples, n_units, kind)
    theirs, own = by_definition(), by_symbols()
    if not np.allclose(theirs, own, rtol=0, atol=1e-9):
        raise ArithmeticError(f"{goal}: plain NumPy says {theirs} bits, ours {own}")
    long, short = seconds(rounds, by_definition, by_symbols)
    what = f"plain NumPy over ours, {n_samples} × {n_units} {kind.name}{note}"
    return Ratio(goal, what, long / short, must, aim, at_least=True)


def beside_numpy(one_in: int = 1) -> Iterator[Ratio]:
    """P1 and P2; with `one_in`, of only so many of the samples."""
    yield over_numpy("P1", 10_000 // one_in, 1024, RELU, 7, 20)
    yield over_numpy("P1", 50_000 // one_in, 512, TANH, 7, 30, rounds=2)
    yield over_numpy("P2", 10_000 // one_in, 128, TANH, 3, 12)
    yield over_numpy("P2", 4096 // one_in, 10, TANH, 2.5, 6, rounds=15, note=" (packed)")
    yield over_numpy("P2", 10_000 // one_in, 128, LINEAR, 3, 12)
    yield over_numpy("P2", 4096 // one_in, 10, LINEAR, 1.5, 6, rounds=15)


def beside_memory_pass(
    n_samples: int = 10_000, n_units: int = 1024, rounds: int = 15
) -> Iterator[Ratio]:
    """P5: how many times as long as adding all activations up."""
    activations = layer(n_samples, n_units, nn.ReLU())
    classes = labels(n_samples).numpy()
    per_unit = Width(tuple(WIDTH * (1 + unit % 4) for unit in range(n_units)))
    passed, fixed, by_unit = seconds(
        rounds,
        activations.sum,
        partial(ours, activations, classes, RELU.ruler),
        partial(ours, activations, classes, per_unit),
    )
    size = f"{n_samples} × {n_units}"
    yield Ratio("P5", f"estimate over `x.sum()`, {size}, one width", fixed / passed, 11, 5)
    yield Ratio("P5", f"estimate over `x.sum()`, {size}, a width per unit", by_unit / passed, 14, 9)
    with by_kernel():
        passed, fast, hashed = seconds(
            rounds,
            activations.sum,
            partial(ours, activations, classes, RELU.ruler),
            partial(encode_keys, activations, RELU.ruler),
        )
    fast_size = f"{size}, one width, with `fast`"
    yield Ratio("P5", f"estimate over `x.sum()`, {fast_size}", fast / passed, 8, 5)
    yield Ratio("P5", f"keys alone over `x.sum()`, {fast_size}", hashed / passed, 5, 3)


def exponent(sizes: Sequence[int], actions: Sequence[Callable[[], Bits]], rounds: int) -> float:
    """The power of the size that the time grows with: a slope between logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds(rounds, *actions)), 1)[0])


def growth(
    samples: Sequence[int] = (2500, 5000, 10_000, 20_000, 40_000),
    units: Sequence[int] = (512, 1024, 2048, 4096, 8192),
    n_samples: int = 2500,
    n_units: int = 512,
    rounds: int = 3,
) -> Iterator[Ratio]:
    """P14: exponents in the number of samples and of units, and what finer bins cost."""
    by_samples = [both(n, n_units, TANH)[1] for n in samples]
    what = f"exponent in N, {samples[0]} to {samples[-1]} × {n_units}"
    yield Ratio("P14", what, exponent(samples, by_samples, rounds), 1.15)
    by_units = [both(n_samples, n, TANH)[1] for n in units]
    what = f"exponent in D, {n_samples} × {units[0]} to {units[-1]}"
    yield Ratio("P14", what, exponent(units, by_units, rounds), 1.1)
    activations, classes = layer(4 * n_samples, n_units, nn.Tanh()), labels(4 * n_samples).numpy()
    fine, coarse = seconds(
        2 * rounds,
        *(partial(ours, activations, classes, Uniform(bins, -1, 1)) for bins in (100, 10)),
    )
    what = f"100 bins over 10, {4 * n_samples} × {n_units}"
    yield Ratio("P14", what, fine / coarse, 1.2)


BENCHMARKS = (beside_numpy, beside_memory_pass, growth)
