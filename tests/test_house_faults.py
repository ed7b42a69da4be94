"""Faults that a reader of 0.1.0 found: each test fails there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, LogSpaced, PredictionEntropyMonitor, Ruler
from it_callbacks.estimators import LinearVInformation, NoiseInjected
from it_callbacks.logs import read_folder
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.reductions import PCA, RandomProjection
from it_callbacks.rulers import Calibrated, Uniform

from .toys import Classifier, curve, epochs, fit, loader, rows, rulers, when
from .warned import warned

# A name for a monitor is one for two sets.


def named_monitors() -> list[Any]:
    return [InformationPlaneMonitor("net.1", name="mine"), PredictionEntropyMonitor(name="mine")]


TAGS = ("information_plane/{}/I_XT/net.1", "prediction_entropy/{}/mean")


def test_the_test_set_of_a_named_monitor_is_not_its_validation_set() -> None:
    """Fit, then test: the validation curve is what it was, and the test's values stand apart."""
    monitors, alone = named_monitors(), named_monitors()
    fit(alone)
    with warned() as given:
        model, running = fit(monitors)
        running.test(model, loader(60, seed=2), verbose=False)
    assert given.of("twice") == given.of("size") == []
    for monitor, expected, tag in zip(monitors, alone, TAGS, strict=True):
        assert {(r.set, r.n_samples) for r in monitor.history} == {("mine", 105), ("mine_test", 60)}
        assert curve(monitor, tag.format("mine")) == curve(expected, tag.format("mine"))
        assert len(curve(monitor, tag.format("mine_test"))) == 1


def test_a_log_of_a_named_monitor_keeps_the_last_validation(tmp_path: Path) -> None:
    """A reader of the log takes the last value of a step, which must not be the test's."""
    monitors = named_monitors()
    logger = TensorBoardLogger(tmp_path)
    with warned():
        model, running = fit(monitors, logger=logger)
        running.test(model, loader(60, seed=2), verbose=False)
    logger.experiment.flush()
    (run,) = read_folder(tmp_path)
    logged = {
        (key.set, step): bits
        for key, series in run.series.items()
        if (key.quantity, key.layer) == ("I_XT", "net.1")
        for step, bits in series.items()
    }
    assert logged.keys() == {("mine", 5), ("mine", 10), ("mine_test", 10)}
    last = curve(monitors[0], TAGS[0].format("mine"))[-1]
    assert logged["mine", 10] == pytest.approx(last, abs=1e-6)
    assert logged["mine_test", 10] != logged["mine", 10]


# A further estimator that is due does not make a point a new one.


@pytest.mark.parametrize(
    ("every", "n_epochs"), [(2, 1), (2, 2), (None, 5)], ids=["not-due", "due", "default"]
)
def test_validating_after_training_repeats_no_point_where_an_estimator_is_due(
    every: int | None, n_epochs: int
) -> None:
    """The next point of the set would be the third, or the sixth for the default of five."""
    options = {} if every is None else {"every": every}
    extra = [LinearVInformation(penalties=(10.0,), **options)]
    plane = InformationPlaneMonitor("net.1", extra=extra)
    model, running = fit([plane], train=loader(25), max_epochs=n_epochs)
    before = rows(plane)
    with warned() as given:
        running.validate(model, running.val_dataloaders, verbose=False)
    assert given.of("twice") == []
    np.testing.assert_equal(rows(plane), before)


def test_validating_after_training_moves_no_estimator_to_another_epoch() -> None:
    """Trained on afterwards, it is called at the points at which it would have been."""

    def run(validates: bool) -> list[int]:
        extra = [LinearVInformation(every=2, penalties=(10.0,))]
        plane = InformationPlaneMonitor("net.1", extra=extra)
        model, running = fit([plane], train=loader(25), max_epochs=2)
        if validates:
            running.validate(model, running.val_dataloaders, verbose=False)
        running.fit_loop.max_epochs = 5
        running.fit(model, loader(25), loader(105, seed=1))
        return [record.epoch for record in plane.history if record.quantity == "linear_V_TY"]

    with warned():
        assert run(validates=True) == run(validates=False) == [1, 3, 5]


# A user's own ruler across a resume.


@dataclass(frozen=True)
class Scaled(Ruler):
    """Bins of one width from 0 on."""

    width: float

    @property
    @override
    def slug(self) -> str:
        return "scaled"

    @override
    def levels(self, activations: Tensor) -> Tensor:
        return (activations / self.width).floor()


@dataclass(frozen=True)
class ToTheLargest(Ruler):
    """Ten bins up to the largest activation of the first rows; cannot be stored."""

    frozen = False
    made = Scaled

    @property
    @override
    def slug(self) -> str:
        return "largest"

    @override
    def freeze(self, activations: Tensor) -> Ruler:
        return self.made(float(activations.abs().max()) / 10)

    @override
    def levels(self, activations: Tensor) -> Tensor:
        return self.freeze(activations).levels(activations)


class StoredScaled(Scaled):
    """Says what it is."""

    @override
    def state(self) -> dict[str, Any]:
        return {"width": self.width}


class Restorable(ToTheLargest):
    """Makes its calibrated ruler again."""

    made = StoredScaled

    @override
    def restored(self, state: dict[str, Any]) -> Ruler:
        return StoredScaled(float(state["width"]))


def fast() -> Classifier:
    """Learns so fast that its activations grow far beyond those of the first validation."""
    return Classifier(lr=0.3)


def test_a_ruler_of_the_users_own_that_stores_itself_reads_on_after_a_resume(
    tmp_path: Path,
) -> None:
    """Its width, and so the curve, are those of a run that was never interrupted."""
    whole, before, after = (InformationPlaneMonitor("net.3", bins=Restorable()) for _ in range(3))
    fit([whole], fast, max_epochs=4)
    with warned() as given:
        _, running = fit([before], fast, max_epochs=2)
        running.save_checkpoint(tmp_path / "two.ckpt")
        fit([after], fast, max_epochs=4, ckpt_path=str(tmp_path / "two.ckpt"))
    assert given.of("unstorable") == []
    assert rulers(after) == rulers(before)
    np.testing.assert_equal(rows(after), rows(whole))


def test_a_ruler_of_the_users_own_that_cannot_be_stored_is_named_at_once_and_at_the_resume(
    tmp_path: Path,
) -> None:
    """One warning each: before a resume can make a step in the curve, and when it may have."""
    with warned() as given:
        plane = InformationPlaneMonitor(["net.3", "net.4"], bins=ToTheLargest())
        _, running = fit([plane], fast, max_epochs=1)
    (warning,) = given.of("unstorable")
    assert "ToTheLargest" in warning.text
    assert "state" in warning.text
    assert "restored" in warning.text
    running.save_checkpoint(tmp_path / "one.ckpt")
    resumed = InformationPlaneMonitor(["net.3", "net.4"], bins=ToTheLargest())
    with warned() as given:
        fit([resumed], fast, max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    assert given.of("unstorable")
    assert all("ToTheLargest" in one.text for one in given.of("unstorable"))
    assert epochs(resumed) == [1, 2]


def test_rulers_of_ours_are_never_said_to_be_lost() -> None:
    """Numbers of bins, ready rulers and calibrated ones of every scope."""
    for bins in (30, Uniform(4, -1, 1), Calibrated(4), Calibrated(4, scope="unit")):
        with warned() as given:
            fit([InformationPlaneMonitor(bins=bins)], train=loader(25), max_epochs=1)
        assert given.of("unstorable") == []


# NumPy's whole numbers.

TWO = np.int64(2)

TAKES: dict[str, Callable[[Any], Any]] = {
    "bins": lambda n: InformationPlaneMonitor(bins=n),
    "bins of a list": lambda n: InformationPlaneMonitor(bins=[n, 30]),
    "max_samples": lambda n: InformationPlaneMonitor(max_samples=n),
    "seed": lambda n: InformationPlaneMonitor(seed=n),
    "schedule": lambda n: InformationPlaneMonitor(schedule=n),
    "schedule of a list": lambda n: InformationPlaneMonitor(schedule=[n]),
    "images": lambda n: InformationPlaneMonitor(images=n),
    "Uniform": lambda n: Uniform(n, -1, 1),
    "Calibrated": lambda n: Calibrated(n),
    "PCA": lambda n: PCA(n),
    "RandomProjection": lambda n: RandomProjection(n),
    "LogSpaced": lambda n: LogSpaced(n),
    "LinearVInformation(folds)": lambda n: LinearVInformation(folds=n),
    "LinearVInformation(every)": lambda n: LinearVInformation(every=n),
    "NoiseInjected(every)": lambda n: NoiseInjected(0.1, every=n),
    "PredictionEntropy": lambda n: PredictionEntropy(n),
    "ConditionalEntropy": lambda n: ConditionalEntropy(n),
}


@pytest.mark.parametrize("make", TAKES.values(), ids=TAKES)
def test_numpys_whole_numbers_are_welcome_wherever_pythons_are(
    make: Callable[[Any], Any],
) -> None:
    """And no other numbers of NumPy's are."""
    make(2)
    make(TWO)
    for wrong in (np.float64(2.5), np.bool_(True)):
        with pytest.raises((TypeError, ValueError)):
            make(wrong)


def test_a_schedule_of_numpys_numbers_is_kept_like_any() -> None:
    plane = InformationPlaneMonitor("net.1", schedule=np.int64(2))
    listed = InformationPlaneMonitor("net.1", schedule=list(np.arange(2, 5)), name="listed")
    fit([plane, listed], train=loader(25), max_epochs=4)
    assert when(plane) == [(1, 1), (2, 2), (4, 4)]
    assert epochs(listed) == [1, 2, 3, 4]
