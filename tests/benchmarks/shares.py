"""What all three monitors take of a real training: one case per process.

``python -m tests.benchmarks.shares CASE [--wide] [--beside]`` prints the share of one case.

Each is a Lightning fit with TensorBoard, validated after each epoch, with an
`InformationPlaneMonitor`, a `PredictionEntropyMonitor` and a `ConditionalEntropyMonitor` that
listen and measure at every epoch. The share is the processor time of all hooks of the monitors,
forward hooks included, over that of the rest of the epoch; medians over the epochs after the
first, each with its validation. This is what must keep to its line; of a small network, over the
share of a plain callback in the same training. The clock is that of all
threads, and TensorBoard flushes what it is given before a hook returns, so that its writing counts
as ours.

``--beside`` trains without monitors, too, in turns, and prints by how much an epoch with them is
longer. This sees what no clock in a hook does: Lightning's calls of callbacks, and what our work
does to the speed of the rest. It was up to a quarter more than the share. It is a difference of two
long times, so it is shown and holds nobody.

Small networks are read at any width only where ``--wide`` asks for it; those of usual size are read
at defaults. The plane of any width is read at fewer and fewer epochs, nine of the first thirty.
Here it is read at every other one, and the share is that of thirty epochs, made of both kinds.

Of networks of usual size, an epoch here trains one batch, and its time counts as often as the
epoch would have batches: ours comes once an epoch whatever their number.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import nn
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.estimators.wide import WideReading
from it_callbacks.tasks import szt_network, szt_task

from .clocks import Clock, hooks
from .data import N_CLASSES, deep, labels, mlp
from .kernels import by_kernel
from .networks import EPOCHS, Mean, Network, gpt, n_readings, resnet, vit
from .plain_callback import PlainCallback, plain_callback
from .ratios import Ratio
from .training import Classifier, Epochs, Samples, fit

_EVERY = 2
"""Every so many epochs the plane of any width is read."""


class Case(NamedTuple):
    """A network and how it is trained and read.

    Args:
        net: The network.
        training: Inputs and labels.
        validation: Inputs and labels.
        batch_size: Of both.
        epochs: How many are trained.
        layers: Which layers are read; None for the default.
        times: How many batches of training each one stands for.
    """

    net: nn.Module
    training: Samples
    validation: Samples
    batch_size: int
    epochs: int
    layers: list[str] | None = None
    times: int = 1


def twelve_bits() -> Case:
    """The 12-bit task, all patterns in both sets."""
    torch.manual_seed(0)
    return Case(szt_network(), szt_task(), szt_task(), 256, epochs=21)


def digits() -> Case:
    """Ten kinds of images of 8 × 8, as many as there are digits in scikit-learn."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, N_CLASSES)
    )
    return Case(net, clusters(1437, 64), clusters(360, 64, seed=1), 64, epochs=41)


def sixty() -> Case:
    """Sixty layers of 32 ReLU units, all of them read."""
    net, read = deep(), [f"net.{2 * number + 1}" for number in range(60)]
    return Case(net, clusters(2000, 32), clusters(500, 32, seed=1), 128, epochs=9, layers=read)


def wide_mlp() -> Case:
    """784-1024-1024-10 with tanh."""
    return Case(mlp(), clusters(3000, 784), clusters(300, 784, seed=1), 128, epochs=7)


def usual(make: Callable[[int], Network], n_training: int, n_validation: int, size: int) -> Case:
    """A network of usual size, read at defaults."""
    training, validation = make(size), make(n_validation)
    return Case(
        training.model,
        (training.inputs, training.targets),
        (validation.inputs, validation.targets),
        size,
        epochs=8,
        times=n_training // size,
    )


def gpt_of_sequences(n_samples: int) -> Network:
    """A GPT that tells ten kinds of sequences apart by the mean of their positions."""
    given = gpt(n_samples)
    *body, head = given.model.children()
    model = nn.Sequential(*body, Mean(), nn.Linear(head.in_features, N_CLASSES))
    return given._replace(model=model, targets=labels(n_samples))


SMALL: dict[str, Callable[[], Case]] = {
    "12-bit": twelve_bits,
    "digits": digits,
    "60-layers": sixty,
    "mlp-1024": wide_mlp,
}
USUAL: dict[str, Callable[[], Case]] = {
    "resnet-18": lambda: usual(resnet, 256, 26, 64),
    "vit": lambda: usual(vit, 400, 40, 40),
    "gpt": lambda: usual(gpt_of_sequences, 400, 40, 40),
    "gpt-tokens": lambda: usual(gpt, 400, 40, 40),
}


CASES = {**SMALL, **USUAL}
LINES: dict[str, tuple[float | None, float | None]] = {
    "12-bit": (None, 0.24),
    "digits": (None, 0.2),
    "60-layers": (None, 0.25),
    "mlp-1024": (None, 0.015),
    "resnet-18": (0.01, 0.005),
    "vit": (0.01, 0.005),
    "gpt": (0.014, 0.01),
    "gpt-tokens": (None, None),
}
"""Must and aim of each share."""
WITH_FAST = {"gpt": (0.013, 0.01)}
"""The same with the extra ``fast``, where its kernels make a difference."""
OVER_PLAIN = {"12-bit": 1.35, "digits": 2.9, "60-layers": 1.9, "mlp-1024": 0.49}
"""What all three monitors must take at most of a small network over what a plain callback takes."""


def clusters(n_samples: int, n_inputs: int, seed: int = 0) -> Samples:
    """Ten tight clusters, one per class; the same ones for every seed."""
    centres = torch.rand(N_CLASSES, n_inputs, generator=torch.Generator().manual_seed(0))
    classes = labels(n_samples)
    noise = torch.Generator().manual_seed(1 + seed)
    return centres[classes] + 0.2 * torch.randn(n_samples, n_inputs, generator=noise), classes


class Taken(NamedTuple):
    """What is ours over the rest of an epoch, medians.

    Args:
        plain: Of epochs in which the plane of any width is not read.
        with_wide: Of those in which it is.
    """

    plain: float
    with_wide: float

    @classmethod
    def of(cls, shares: list[float]) -> Taken:
        """From the shares of the epochs from the second on."""
        due = [share for epoch, share in enumerate(shares, 2) if epoch % _EVERY == 0]
        others = [share for epoch, share in enumerate(shares, 2) if epoch % _EVERY]
        return cls(median(others), median(due))

    @property
    def share(self) -> float:
        """Of a training of `EPOCHS` epochs."""
        n = n_readings()
        return ((EPOCHS - n) * self.plain + n * self.with_wide) / EPOCHS


@contextmanager
def clocked(monitors: list[pl.Callback]) -> Iterator[Clock]:
    """A clock of all hooks of these monitors."""
    clock = Clock()
    for monitor in monitors:
        for name in vars(pl.Callback):
            hook = getattr(monitor, name)
            if (
                name.startswith("on_")
                and getattr(type(monitor), name) is not vars(pl.Callback)[name]
            ):
                setattr(monitor, name, clock.timed(hook, f"{type(monitor).__name__}.{name}"))
    with hooks(clock):
        yield clock


def all_three(case: Case, *, wide: bool) -> list[pl.Callback]:
    """At defaults but for the plane of any width."""
    reading = WideReading(schedule=_EVERY) if wide else None
    return [InformationPlaneMonitor(case.layers, wide=reading), *of_predictions()]


def of_predictions() -> list[pl.Callback]:
    """The two that read predictions."""
    return [PredictionEntropyMonitor(), ConditionalEntropyMonitor()]


class Batches(pl.Callback):
    """Adds up what batches of training take; it has to come last."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @override
    def on_train_batch_start(self, *args: Any) -> None:
        self.seconds -= time.process_time()

    @override
    def on_train_batch_end(self, *args: Any) -> None:
        self.seconds += time.process_time()


def epochs_of(case: Case, monitors: list[pl.Callback], clock: Clock) -> list[list[float]]:
    """Train from here on; what each epoch but the first took, and what of it is on the clock."""
    batches = Batches()
    spent = Epochs(batches, clock)
    fit(
        Classifier(case.net),
        case.training,
        [*monitors, batches, spent],
        epochs=case.epochs,
        batch_size=case.batch_size,
        validation=case.validation,
    )
    return [[whole + (case.times - 1) * training, ours] for whole, training, ours in spent.spent]


def taken(case: Case, monitors: list[pl.Callback]) -> tuple[Taken, Clock]:
    """Train with these monitors; a clock of all that they did, by what was called."""
    with clocked(monitors) as clock:
        epochs = epochs_of(case, monitors, clock)
    return Taken.of([ours / (whole - ours) for whole, ours in epochs]), clock


def taken_by_plain(case: Case) -> float:
    """The share of a plain callback in the same training; the median over the epochs."""
    callback, clock = plain_callback(case.net, "net"), Clock()
    for name in ("keep", *(name for name in vars(PlainCallback) if name.startswith("on_"))):
        setattr(callback, name, clock.timed(getattr(callback, name), name))
    epochs = epochs_of(case, [callback], clock)
    return median(ours / (whole - ours) for whole, ours in epochs)


def longer(case: Case, *, wide: bool, turns: int = 3) -> float:
    """By how much an epoch is longer with all three monitors, over one without."""
    found = []
    for _ in range(turns):
        rest = median(whole for whole, _ in epochs_of(case, [], Clock()))
        epochs = epochs_of(case, all_three(case, wide=wide), Clock())
        found.append(Taken.of([whole / rest - 1 for whole, _ in epochs]).share)
    return median(found)


def parts(clock: Clock) -> Iterator[str]:
    """Which calls take how much of all that is ours."""
    for name, seconds in clock.by_name.most_common():
        if seconds > 0.01 * clock.seconds:
            yield f"  {seconds / clock.seconds:6.1%} {name}"


def over_rest(name: str, make: Callable[[], Case] | None = None) -> Iterator[Ratio]:
    """P30: the share of a case; of a small one also at any width and of predictions."""
    case, (must, aim) = (make or CASES[name])(), LINES[name]

    def ratio(what: str, monitors: list[pl.Callback], *lines: float | None) -> Ratio:
        share = taken(case, monitors)[0].share
        goal = "" if lines[0] is None else "P30"
        return Ratio(goal, f"{what} over the rest of training, {name}", share, *lines, percent=True)

    if name in USUAL:
        yield ratio("all three monitors", all_three(case, wide=True), must, aim)
        if name in WITH_FAST:
            with by_kernel():
                share = taken(case, all_three(case, wide=True))[0].share
            what = f"all three monitors over the rest of training, {name}, with `fast`"
            yield Ratio("P30", what, share, *WITH_FAST[name], percent=True)
        return
    share = taken(case, all_three(case, wide=False))[0].share
    plain = taken_by_plain(case)
    what = f"all three monitors over a plain callback, {name}"
    yield Ratio("P30", what, share / plain, OVER_PLAIN[name])
    what = f"all three monitors over the rest of training, {name}"
    yield Ratio("", what, share, None, aim, percent=True)
    what = f"a plain callback over the rest of training, {name}"
    yield Ratio("", what, plain, percent=True)
    yield ratio("the same with the plane of any width", all_three(case, wide=True), None)
    yield ratio("the two of predictions alone", of_predictions(), None)


BENCHMARKS = tuple(partial(over_rest, name) for name in CASES)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument(
        "--wide", action="store_true", help="read small networks' plane of any width, too"
    )
    parser.add_argument("--beside", action="store_true", help="beside a training without monitors")
    given = parser.parse_args()
    torch.set_num_threads(1)
    wide = given.wide or given.case in USUAL
    case = CASES[given.case]()
    found, clock = taken(case, all_three(case, wide=wide))
    print(f"{found.share:.2%} of the rest; hooks of the whole fit:", *parts(clock), sep="\n")
    if given.beside:
        print(f"{longer(case, wide=wide):.2%} longer than without monitors")
