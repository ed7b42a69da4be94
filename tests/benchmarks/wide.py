"""What reading a layer of any width takes: its sketch in the hook, and both axes of its plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from it_callbacks.estimators.linear_reader import linear_reader
from it_callbacks.estimators.relative_noise import relative_noise
from it_callbacks.estimators.slices import sliced
from it_callbacks.estimators.wide import WideReading
from it_callbacks.observation.batches import Batch
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.sketched import WidePass
from it_callbacks.observation.wide_sampling import WideSampling
from it_callbacks.plane.wide import choice_of

from .data import images
from .ratios import Ratio, seconds

_READING = WideReading()
Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]


def sketches(n_samples: int, n_numbers: int, n_classes: int) -> Labelled:
    """Sketches ``(n_samples, n_numbers)`` and class numbers, classes half a width apart."""
    generator = np.random.default_rng(n_classes)
    classes = np.arange(n_samples) % n_classes
    centres = 0.5 * generator.standard_normal((n_classes, n_numbers), dtype=np.float32)
    rows = centres[classes] + generator.standard_normal((n_samples, n_numbers), dtype=np.float32)
    return rows, classes


def product_and_exp(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over all columns of exp(left right): the least that a kernel of all pairs takes.

    In blocks that stay in the processor's cache.
    """
    sums = np.empty(len(left), np.float32)
    buffer = np.empty((128, right.shape[1]), np.float32)
    for start in range(0, len(left), 128):
        block = np.matmul(left[start : start + 128], right, out=buffer[: len(left) - start])
        sums[start : start + 128] = np.exp(block, out=block).sum(1)
    return sums


def readings(
    n_samples: int = 1024, n_numbers: int = 127, summed: int = 10_000, rounds: int = 15
) -> Iterator[Ratio]:
    """P17: both axes over `x.sum()` of the present layer, and over the least of such work."""
    settle()
    numbers = images(summed, 1024)
    rows, ten = sketches(n_samples, n_numbers, 10)
    rows_of_fifty, fifty = sketches(n_samples, n_numbers, 50)
    alone = np.arange(n_samples)
    pairs = np.pad(rows, ((0, 0), (0, 2))) * np.float32(0.1)
    plain, least, of_x, of_ten, of_fifty, slices = seconds(
        rounds,
        partial(torch.sum, numbers),
        partial(product_and_exp, pairs, np.ascontiguousarray(pairs.T)),
        partial(relative_noise, rows, alone, _READING.noise),
        partial(linear_reader, rows, ten, alone, _READING.folds),
        partial(linear_reader, rows_of_fifty, fifty, alone, _READING.folds),
        partial(sliced, rows, ten),
    )
    size = f"{n_samples} × {n_numbers}"
    yield Ratio("P17", f"`relative_I_XT` over `x.sum()`, {size}", of_x / plain, 5.5, 3)
    yield Ratio("P17", f"the same over a product and `exp`, {size}", of_x / least, 1.75, 1.3)
    yield Ratio("P17", f"`V_TY` over `x.sum()`, {size}, 10 classes", of_ten / plain, 6, 5)
    yield Ratio("P17", f"the same over a product and `exp`, {size}", of_ten / least, 3, 1.4)
    yield Ratio("P17", f"`V_TY` over `x.sum()`, {size}, 50 classes", of_fifty / plain, 10, 6)
    yield Ratio("P17", f"`sliced_I_TY` over `x.sum()`, {size}", slices / plain, 2.5, 1)


def settle() -> None:
    """Allocate and free 16 MB, as any training does.

    Until then the C library gives memory back to the system after each call, and zeroing it again
    is a fifth of what a reading takes.
    """
    np.ones(2**21)


def outputs(shape: tuple[int, ...]) -> dict[str, Tensor]:
    """A map of so many rows as layers give them."""
    plain = images(*shape)
    return {
        "float32": plain,
        "bf16": plain.bfloat16(),
        "channels last": plain.to(memory_format=torch.channels_last),
    }


def hook(n_rows: int, wanted: NDArray[np.int64]) -> Callable[[Tensor], object]:
    """What takes in a layer's output in a batch of which some rows are wanted."""
    choice = choice_of(_READING, None, seed=0)
    taken_in = WidePass(choice, WideSampling(choice), keeps_all=False)
    indices = np.full(n_rows, -1)
    indices[wanted] = wanted
    taken_in.begin(Batch.of(None, None, indices), wanted, None)
    return partial(taken_in.sketch, layer=Layer("map", "map", 1, units_axis=1, n_axes=4))


def sketching(shape: tuple[int, ...] = (128, 64, 28, 28), rounds: int = 15) -> Iterator[Ratio]:
    """P18: the sketch of a tenth of the rows and of all of them, over a sum of the output."""
    n_rows, size = shape[0], " × ".join(map(str, shape))
    of_tenth, of_all = (hook(n_rows, np.arange(step // 2, n_rows, step)) for step in (10, 1))
    for kind, output in outputs(shape).items():
        once, some, every = seconds(
            rounds,
            partial(torch.sum, output),
            partial(of_tenth, output),
            partial(of_all, output),
        )
        what = f"sketch of 10 % of the rows over `x.sum()`, {size} {kind}"
        yield Ratio("P18", what, some / once, 1.5, 1)
        what = f"sketch of all rows over `x.sum()`, {size} {kind}"
        if kind == "float32":
            yield Ratio("P18", what, every / once, 4, 2.2)
        else:  # which is another pass or more just to put the numbers in order
            yield Ratio("", what, every / once)


BENCHMARKS = (readings, sketching)
