"""Random lives of a monitor: trained, trained on, validated, tested and resumed in any order.

Whatever its life, the points of the set that it watches are those of a training without a break,
each of them once; a test has its own; and there is nothing to warn of.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
    Record,
)
from it_callbacks.estimators import LinearVInformation
from it_callbacks.quantities import OF_WIDE
from it_callbacks.rulers import Calibrated, Width

from .toys import Classifier, loader, samples, trainer
from .warned import OF_TINY_SETS, warned

STEPS_IN_EPOCH = 2
TRAIN, VAL, TEST = loader(24, 12), loader(36, 12, seed=1), loader(24, 12, seed=2)
LATEST = 2 + 4 * 3
"""The last epoch that a life can reach."""


@dataclass(frozen=True)
class Kind:
    """A kind of monitor, and when it measures.

    Args:
        make: Makes the monitor.
        due: The epochs (or steps, where they are counted) at which a point is due.
        set: What it watches.
        in_steps: Whether optimizer steps are counted, not epochs.
        at_the_end: Whether a training also ends with a point.
    """

    make: Callable[[], Any]
    due: Collection[int] = range(1, LATEST + 1)
    set: str = "val"
    in_steps: bool = False
    at_the_end: bool = False


Plane, Predictions, Classes = (
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
    ConditionalEntropyMonitor,
)
FIXED = range(LATEST + 1)  # before the first step, too
EXTRA = LinearVInformation(every=2, penalties=(10.0,))

# The numbers in `due` of log-spaced schedules are the powers of 10 ** (1 / per_decade), rounded up.
KINDS = {
    "listening": Kind(lambda: Plane()),
    "every-second": Kind(lambda: Plane(schedule=2), {1, 2, 4, 6, 8, 10, 12, 14}),
    "listed": Kind(lambda: Plane(schedule=[1, 3, 4]), {1, 3, 4}),
    "function": Kind(lambda: Plane(schedule=lambda epoch: epoch % 3 == 0), {1, 3, 6, 9, 12}),
    "log-spaced": Kind(lambda: Plane(schedule=LogSpaced(2)), {1, 4, 10}, at_the_end=True),
    "two-rulers": Kind(lambda: Plane(bins=[8, Width(0.2)])),
    "per-unit": Kind(lambda: Plane(bins=Calibrated(5, scope="unit"))),
    "extra": Kind(lambda: Plane(extra=[EXTRA])),
    "subset": Kind(lambda: Plane(max_samples=20, seed=3)),
    "named": Kind(lambda: Plane(name="mine"), set="mine"),
    "fixed": Kind(lambda: Plane(data="val"), FIXED),
    "fixed-training": Kind(lambda: Plane(data="train", schedule=3), {0, 3, 6, 9, 12}, "train"),
    "fixed-tensors": Kind(lambda: Plane(data=samples(30, seed=4)), FIXED, "data"),
    "fixed-log-spaced": Kind(
        lambda: Plane(data="val", schedule=LogSpaced(3)), {0, 1, 3, 5, 10}, at_the_end=True
    ),
    "fixed-steps": Kind(
        lambda: Plane(data="val", schedule=LogSpaced(3, unit="steps")),
        {0, 1, 3, 5, 10, 22},
        in_steps=True,
        at_the_end=True,
    ),
    "fixed-extra": Kind(lambda: Plane(data="val", extra=[EXTRA]), FIXED),
    "fixed-subset": Kind(lambda: Plane(data="train", max_samples=10), FIXED, "train"),
    "predictions": Kind(lambda: Predictions()),
    "predictions-named": Kind(lambda: Predictions(name="mine"), set="mine"),
    "predictions-fixed": Kind(lambda: Predictions(data="train"), FIXED, "train"),
    "predictions-subset": Kind(lambda: Predictions(max_samples=20)),
    "classes": Kind(lambda: Classes()),
    "classes-fixed": Kind(lambda: Classes(data="val", schedule=2), {0, 2, 4, 6, 8, 10, 12, 14}),
}


class Tiny(Classifier):
    """One hidden layer; without a memory in its optimizer, so that all of it is in its weights."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        super().__init__(nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 3)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Life:
    """A monitor, a model and a Trainer, and what has been done with them.

    Args:
        kind: The kind of monitor.
        folder: Where its checkpoints go.
    """

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.events: list[str] = []
        self.ends: list[int] = []
        """The epochs at which a training has ended."""
        self.validated: set[int] = set()
        """The epochs after which there was a validation of its own."""
        self.tested: set[tuple[int, int]] = set()
        """(epoch, step) of each test."""
        self._begin(0)

    def _begin(self, n_epochs: int) -> None:
        self.monitor, self.model = self.kind.make(), Tiny()
        self.trainer: pl.Trainer = trainer([self.monitor], max_epochs=n_epochs)

    def _train_until(self, n_epochs: int, ckpt_path: str | None = None) -> None:
        self.trainer.fit_loop.max_epochs = n_epochs
        self.trainer.fit(self.model, TRAIN, VAL, ckpt_path=ckpt_path)
        self.ends.append(n_epochs)

    def train(self, n_epochs: int) -> None:
        """Train, or train on with the same Trainer."""
        self.events.append(f"train {n_epochs}")
        self._train_until(sum(self.ends[-1:]) + n_epochs)

    def validate(self) -> None:
        """Validate what training has left."""
        self.events.append("validate")
        self.trainer.validate(self.model, VAL, verbose=False)
        self.validated.add(self.ends[-1])

    def test(self) -> None:
        """Test what training has left."""
        self.events.append("test")
        self.trainer.test(self.model, TEST, verbose=False)
        self.tested.add((self.ends[-1], self.trainer.global_step))

    def resume(self, n_epochs: int) -> None:
        """Save a checkpoint and train on from it, as another process would."""
        self.events.append(f"resume {n_epochs}")
        before, path = self.monitor, str(self.folder / f"{len(self.events)}.ckpt")
        self.trainer.save_checkpoint(path)
        self._begin(self.ends[-1] + n_epochs)
        self._train_until(self.ends[-1] + n_epochs, path)
        restored = self.monitor.history[: len(before.history)]
        np.testing.assert_equal(_rows(restored), _rows(before.history))
        for set_, settings in before.settings.items():
            assert _lasting(self.monitor.settings[set_]) == _lasting(settings)

    def live(self, seed: int) -> None:
        """A random life: two epochs, and up to four things more."""
        chance = random.Random(seed)
        self.train(2)
        for _ in range(chance.randint(1, 4)):
            event = chance.choice(["train", "validate", "test", "resume"])
            if event == "train":
                self.train(chance.randint(1, 3))
            elif event == "resume":
                self.resume(chance.randint(1, 2))
            else:
                getattr(self, event)()


def _rows(records: list[Record]) -> list[tuple[Any, ...]]:
    """The numbers, but for the share of time."""
    return [(r.tag, r.epoch, r.step, r.bits, r.n_samples) for r in records if r.layer != "overhead"]


def _lasting(settings: dict[str, Any]) -> dict[str, Any]:
    """What settings say but of the latest reading at any width."""
    return {key: value for key, value in settings.items() if key != "wide"}


@cache
def without_a_break(kind: str, n_epochs: int) -> Any:
    """The monitor of one training."""
    life = Life(KINDS[kind], Path())
    with warned():
        life.train(n_epochs)
    return life.monitor


def check(name: str, life: Life, causes: list[str]) -> None:
    """What has to hold of any life."""
    kind, monitor, n_epochs = life.kind, life.monitor, life.ends[-1]
    assert set(causes) <= OF_TINY_SETS

    # No number twice at one moment, and moments in order.
    moments = Counter((r.tag, r.epoch, r.step) for r in monitor.history)
    assert [moment for moment, times in moments.items() if times > 1] == []
    watched = [r for r in monitor.history if r.set == kind.set]
    at = list(dict.fromkeys((r.epoch, r.step) for r in watched))
    assert at == sorted(at)

    # Every point that is due, and no other; who validates asks for one.
    listens, in_epoch = monitor.data is None, STEPS_IN_EPOCH if kind.in_steps else 1
    due = {number for number in kind.due if number <= n_epochs * in_epoch}
    due |= {end * in_epoch for end in life.ends if kind.at_the_end}
    due |= {end * in_epoch for end in life.validated if listens}
    assert [step if kind.in_steps else epoch for epoch, step in at] == sorted(due)

    # The numbers are those of a training without a break, wherever that has a point.
    whole = without_a_break(name, n_epochs)
    both = set(at) & {(r.epoch, r.step) for r in whole.history}
    lived, unbroken = (
        [r for r in records if (r.epoch, r.step) in both] for records in (watched, whole.history)
    )
    # A training that ends is read at any width where it ends.
    wide = {(r.tag, r.epoch) for records in (lived, unbroken) for r in records if r.name in OF_WIDE}
    wide -= {(r.tag, r.epoch) for r in lived} & {(r.tag, r.epoch) for r in unbroken}
    lived, unbroken = (
        [r for r in records if (r.tag, r.epoch) not in wide] for records in (lived, unbroken)
    )
    np.testing.assert_equal(_rows(lived), _rows(unbroken))
    if isinstance(monitor, InformationPlaneMonitor) and not kind.at_the_end:
        assert str(monitor.verdicts[kind.set]) == str(whole.verdicts[kind.set])

    # A test is listened to where loops are, and stands apart.
    others = {(r.set, r.epoch, r.step) for r in monitor.history if r.set != kind.set}
    of_test = "mine_test" if kind.set == "mine" else "test"
    assert others == ({(of_test, *moment) for moment in life.tested} if listens else set())


def live_and_check(name: str, seed: int, folder: Path) -> None:
    """A life, with its events in the message of what does not hold."""
    life = Life(KINDS[name], folder)
    with warned() as given:
        life.live(seed)
    try:
        check(name, life, given.causes)
    except AssertionError as error:
        raise AssertionError(f"{', '.join(life.events)}: {error}") from error


@pytest.mark.parametrize("seed", [0])
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_its_life_a_monitor_has_every_point_once(
    tmp_path: Path, kind: str, seed: int
) -> None:
    live_and_check(kind, 100 * list(KINDS).index(kind) + seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 40))
@pytest.mark.parametrize("kind", KINDS)
def test_a_monitor_of_many_lives_has_every_point_once(tmp_path: Path, kind: str, seed: int) -> None:
    live_and_check(kind, 100 * list(KINDS).index(kind) + seed, tmp_path)
