"""Where the pictures of `images=` go: to each logger that takes some, in the form it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects
import pytest
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger

from it_callbacks import InformationPlaneMonitor

from .toys import MemoryLogger, fit, layer_names
from .warned import warned

TAG = "information_plane/val/plane"


class Run:
    """What W&B's logger writes to: one call for metrics and figures alike."""

    def __init__(self) -> None:
        self.logged: list[dict[str, Any]] = []

    def define_metric(self, name: str, step_metric: str) -> None:
        """What tells it from other writers."""

    def log(self, data: dict[str, Any]) -> None:
        """W&B knows a figure by the name of its type, and by no type below it."""
        for value in data.values():
            if not isinstance(value, (int, float)):
                kind = f"{type(value).__module__}.{type(value).__name__}"
                assert kind.startswith("plotly.")
                assert kind.endswith(".Figure")
        self.logged.append(data)


class Experiment:
    """What Comet's logger writes to."""

    def __init__(self) -> None:
        self.figures: list[tuple[str, Any, int]] = []

    def log_figure(
        self,
        figure_name: str | None = None,
        figure: Any = None,
        overwrite: bool = False,
        step: int | None = None,
    ) -> None:
        """As Comet declares it."""
        assert figure_name is not None
        assert step is not None
        self.figures.append((figure_name, figure, step))


class Over(MemoryLogger):
    """A logger over one of these."""

    def __init__(self, experiment: Any) -> None:
        super().__init__()
        self._experiment = experiment

    @property
    def experiment(self) -> Any:
        """What it writes to."""
        return self._experiment


def test_wandb_gets_the_plane_as_a_figure_at_its_step() -> None:
    plane, run = InformationPlaneMonitor(images=1), Run()
    fit([plane], logger=Over(run), max_epochs=2)
    figures = [data for data in run.logged if TAG in data]
    steps = sorted({record.step for record in plane.history})
    assert [data["trainer/global_step"] for data in figures] == steps
    last = figures[-1][TAG]
    assert isinstance(last, plotly.graph_objects.Figure)
    assert {trace.meta["layer"] for trace in last.data} >= set(layer_names(plane))


def test_comet_gets_the_plane_as_a_figure() -> None:
    plane, experiment = InformationPlaneMonitor(images=2), Experiment()
    fit([plane], logger=Over(experiment), max_epochs=2)
    (first, last) = experiment.figures
    assert [first[0], last[0]] == [TAG, TAG]
    assert isinstance(last[1], plotly.graph_objects.Figure)
    assert last[2] == plane.history[-1].step


def test_mlflow_gets_a_picture_for_each_step(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="MLflow is of the extra e2e")
    plane = InformationPlaneMonitor(images=1)
    logger = MLFlowLogger(tracking_uri=f"file:{tmp_path}")
    with warned() as said:
        fit([plane], logger=logger, max_epochs=2)
    assert said.of("logger") == []
    pictures = sorted(path.name for path in tmp_path.rglob("*.png"))
    steps = sorted({record.step for record in plane.history})
    assert pictures == sorted(f"plane_step_{step}.png" for step in steps)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.rglob("*.png"))


def test_loggers_without_pictures_are_told_once(tmp_path: Path) -> None:
    plane = InformationPlaneMonitor(images=1)
    with warned() as said:
        fit([plane], logger=CSVLogger(tmp_path), max_epochs=3)
    (told,) = said.of("no pictures")
    assert told.text == "images: CSVLogger takes no pictures; monitor.figure() draws the plane"


def test_one_logger_that_takes_them_is_enough(tmp_path: Path) -> None:
    plane, run = InformationPlaneMonitor(images=1), Run()
    with warned() as said:
        fit([plane], logger=[CSVLogger(tmp_path), Over(run)], max_epochs=1)
    assert said.of("no pictures") == []
    assert [data for data in run.logged if TAG in data]


def test_a_writer_that_fails_costs_a_warning() -> None:
    class Full(Run):
        def log(self, data: dict[str, Any]) -> None:
            raise OSError("disk full")

    plane = InformationPlaneMonitor(images=1)
    with warned() as said:
        fit([plane], logger=Over(Full()), max_epochs=2)
    (told,) = said.of("logger")
    assert "Over failed to record a point (OSError: disk full)" in told.text
    assert plane.history
