"""Listening to a forward pass that runs anyway, over that pass; and beside collecting it all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from it_callbacks.observation.batches import Batch
from it_callbacks.observation.label_reading import read_labels
from it_callbacks.observation.layer_observer import LayerObserver, Observation
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.observed import Observed
from it_callbacks.observation.stages import Stage
from it_callbacks.plane.point import points_of
from it_callbacks.reductions import Joint, Reduction
from it_callbacks.rulers import Calibrated, Ruler, Uniform, Width

from .clocks import Clock, hooks
from .data import cnn, deep, images, labels, mlp
from .estimate import Bits, entropy
from .ratios import Ratio


class Spent(NamedTuple):
    """Processor seconds of one pass."""

    hooks: float
    forward: float
    end: float


class Setting(NamedTuple):
    """A network, a set, and the observer that has already made one pass over it."""

    model: nn.Module
    inputs: Tensor
    batch_size: int
    observer: LayerObserver

    @property
    def batches(self) -> list[tuple[Tensor, Tensor, NDArray[np.int64]]]:
        """Inputs, labels and indices of each batch."""
        n, size = len(self.inputs), self.batch_size
        return list(
            zip(
                self.inputs.split(size),
                labels(n).split(size),
                np.split(np.arange(n), range(size, n, size)),
                strict=True,
            )
        )

    @property
    def layers(self) -> list[tuple[Layer, Ruler]]:
        """What is read of the network, and how."""
        found = self.observer.plan.layers if self.observer.plan else ()
        return [(layer, self.observer.readers[layer.name].rulers[0]) for layer in found]


def setting(
    model: nn.Module,
    inputs: Tensor,
    batch_size: int,
    reduce: Reduction | str = "auto",
    layers: list[str] | None = None,
) -> Setting:
    """Ready for passes like all but the first."""
    observer = LayerObserver(
        model.eval(),
        Observation(
            layers=layers,
            resolutions=[Calibrated(30, "layer")],
            reduce=reduce,
            max_samples=None,
            seed=0,
            keep_rows=False,
        ),
        restore=lambda name, spec: None,
    )
    ready = Setting(model, inputs, batch_size, observer)
    listen(ready)
    return ready


@torch.no_grad()
def listen(given: Setting) -> tuple[Spent, Observed]:
    """One pass with ours: symbols in the hooks, counts at the end."""
    observer = given.observer
    around, forward = Clock(), Clock()
    run = forward.timed(given.model)
    with hooks() as in_hooks:
        current = around.timed(observer.new_pass)(
            hash_inputs=False, stage=Stage(0, is_training=True)
        )
        around.timed(observer.attach)()
        for inputs, classes, indices in given.batches:
            around.timed(observer.begin)(Batch.of(inputs, read_labels(classes), indices), current)
            run(inputs)
            around.timed(observer.end)()
        observer.detach()
    started = time.process_time()
    observed = observer.finish(current)
    names = {name: name for name in observed.keys}
    points_of(observed, observed.targets.numbers, names, {name: [""] for name in names}, None)
    end = time.process_time() - started
    spent = in_hooks.seconds
    return Spent(spent + around.seconds, forward.seconds - spent, end), observed


@torch.no_grad()
def with_hooks(given: Setting, hook: Callable[[str, Tensor], object]) -> Spent:
    """One pass with a plain hook on each layer, which gets its name and its output."""
    in_hooks, forward = Clock(), Clock()
    run = forward.timed(given.model)

    def of_layer(name: str) -> Callable[..., None]:
        def call(module: nn.Module, args: object, output: Tensor) -> None:
            hook(name, output)

        return in_hooks.timed(call)

    handles = [
        given.model.get_submodule(layer.module_name).register_forward_hook(of_layer(layer.name))
        for layer, _ in given.layers
    ]
    for inputs, _, _ in given.batches:
        run(inputs)
    for handle in handles:
        handle.remove()
    return Spent(in_hooks.seconds, forward.seconds - in_hooks.seconds, 0.0)


def summed(given: Setting) -> float:
    """Seconds of one pass that adds up all numbers of each layer in each batch."""
    return with_hooks(given, lambda name, output: output.sum()).hooks


def collect(given: Setting) -> tuple[Spent, dict[str, Bits]]:
    """One pass that keeps all outputs, and bins and counts them by plain NumPy at its end."""
    kept: dict[str, list[NDArray[np.float32]]] = {layer.name: [] for layer, _ in given.layers}
    spent = with_hooks(given, lambda name, output: kept[name].append(output.numpy().copy()))
    started = time.process_time()
    classes = labels(len(given.inputs)).numpy()
    bits = {}
    for layer, ruler in given.layers:
        rows = np.concatenate(kept.pop(layer.name)).reshape(len(classes), -1)
        bits[layer.name] = digitized(rows, classes, edges(ruler, rows))
    return spent._replace(end=time.process_time() - started), bits


def digitized(
    rows: NDArray[np.float32], classes: NDArray[np.int64], at: NDArray[np.float64]
) -> Bits:
    """H(bin T) and I(bin T; Y) with bins between edges."""
    states = np.digitize(rows, at)
    of_layer = entropy(states)
    shares = np.bincount(classes) / len(classes)
    given = sum(share * entropy(states[classes == one]) for one, share in enumerate(shares))
    return of_layer, of_layer - float(given)


def edges(ruler: Ruler, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """All edges of `ruler` that lie among these values."""
    if isinstance(ruler, Uniform):
        return np.linspace(ruler.low, ruler.high, ruler.bins + 1)
    if not isinstance(ruler, Width) or isinstance(ruler.width, tuple):
        raise TypeError(f"no edges of {ruler!r}")
    first, last = np.floor(rows.min() / ruler.width), np.ceil(rows.max() / ruler.width)
    return ruler.width * np.arange(first, last + 1)


def over_sums(
    name: str, given: Setting, must: float, aim: float, rounds: int, plain: Setting | None = None
) -> Iterator[Ratio]:
    """P8: what the hooks add to a pass, and with its end, over a sum of what they see.

    Small batches wait for the end, so that it may take long where hooks take little.

    How long the forward pass takes hangs on how fast a processor multiplies matrices, so a share
    of it is printed and holds nobody.

    Args:
        name: What is passed.
        given: The setting.
        must: Of the hooks.
        aim: Of the hooks.
        rounds: How many passes.
        plain: Of whose outputs the sum is; None for `given`.
    """
    passes = [(listen(given)[0], summed(plain or given)) for _ in range(rounds)]
    in_hooks = median(spent.hooks / sums for spent, sums in passes)
    in_all = median((spent.hooks + spent.end) / sums for spent, sums in passes)
    of_forward = median(spent.hooks / spent.forward for spent, _ in passes)
    yield Ratio("P8", f"hooks over `x.sum()` of each output, {name}", in_hooks, must, aim)
    what = f"hooks and end of pass over the same, {name}"
    yield Ratio("P8", what, in_all, 1.25 * must, 1.25 * aim)
    yield Ratio("", f"hooks over forward, {name}", of_forward, percent=True)


def collecting_over_listening(name: str, given: Setting, rounds: int) -> Ratio:
    """P9: what each of the two adds to the forward pass."""

    def added(spent: Spent) -> float:
        return spent.hooks + spent.end

    both = [(collect(given)[0], listen(given)[0]) for _ in range(rounds)]
    naive, ours = (median(map(added, side)) for side in zip(*both, strict=True))
    what = f"collect, digitize, `np.unique` over listening, {name}"
    return Ratio("P9", what, naive / ours, 4.5, 20, at_least=True)


def of_mlp(
    n_samples: int = 4000, n_hidden: int = 1024, batch_size: int = 1000, rounds: int = 3
) -> Iterator[Ratio]:
    """P8 and P9 of a plain network."""
    given = setting(mlp(n_hidden), images(n_samples, 784), batch_size)
    name = f"MLP, N = {n_samples}, batches of {batch_size}"
    yield from over_sums(name, given, 25, 5, rounds)
    yield collecting_over_listening(name, given, rounds)


def of_small_batches(
    n_samples: int = 2000,
    n_hidden: int = 1024,
    batch_sizes: Sequence[int] = (128, 64, 32),
    rounds: int = 3,
) -> Iterator[Ratio]:
    """P8 of the same network in smaller batches."""
    for batch_size in batch_sizes:
        given = setting(mlp(n_hidden), images(n_samples, 784), batch_size)
        yield from over_sums(f"MLP, N = {n_samples}, batches of {batch_size}", given, 40, 8, rounds)


def in_half_precision(
    n_samples: int = 2000, n_hidden: int = 1024, batch_size: int = 1000, rounds: int = 3
) -> Iterator[Ratio]:
    """P8 of the same network in half precision, over sums of its outputs in float32."""
    inputs = images(n_samples, 784)
    plain = setting(mlp(n_hidden), inputs, batch_size)
    for dtype in (torch.bfloat16, torch.float16):
        given = setting(mlp(n_hidden).to(dtype), inputs.to(dtype), batch_size)
        name = (
            f"MLP in {str(dtype).removeprefix('torch.')}, N = {n_samples}, batches of {batch_size}"
        )
        yield from over_sums(name, given, 35, 5, rounds, plain)


def of_deep(
    n_samples: int = 2000, n_layers: int = 60, batch_size: int = 128, rounds: int = 3
) -> Iterator[Ratio]:
    """P8 of many narrow layers, all of them read."""
    read = [str(2 * number + 1) for number in range(n_layers)]
    given = setting(deep(n_layers), images(n_samples, 32), batch_size, layers=read)
    name = f"{n_layers} layers of 32, N = {n_samples}, batches of {batch_size}"
    yield from over_sums(name, given, 100, 15, rounds)


def of_cnn(
    n_samples: int = 1000, size: int = 28, batch_size: int = 250, rounds: int = 3
) -> Iterator[Ratio]:
    """P8 and P9 of convolutions: maps read whole, then averaged as by default."""
    model, inputs = cnn(size), images(n_samples, 1, size, size)
    name = f"CNN, N = {n_samples}, batches of {batch_size}"
    whole = setting(model, inputs, batch_size, Joint())
    yield from over_sums(f"{name}, maps whole", whole, 18, 5, rounds)
    yield collecting_over_listening(f"{name}, maps whole", whole, rounds=1)
    averaged = setting(model, inputs, batch_size)
    yield from over_sums(f"{name}, maps averaged", averaged, 5, 2, rounds)


BENCHMARKS = (of_mlp, of_small_batches, in_half_precision, of_deep, of_cnn)
