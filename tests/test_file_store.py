"""Loggers that store metric ``a/b`` as file ``b`` in folder ``a``, as MLflow does by default."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.callbacks.console import MonitorWarning

from .file_store import FileStoreLogger, Stored, folders_among
from .toys import N_UNITS, Classifier, MemoryLogger, fit, loader, samples

pytestmark = pytest.mark.filterwarnings(
    "ignore::it_callbacks.callbacks.console.MonitorWarning",
    # Lightning's, of metrics that are logged of every loader of several.
    "ignore:.*same name.*:UserWarning",
)

MONITORS: tuple[type[Any], ...] = (
    PredictionEntropyMonitor,
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
)
ROOTS = ("prediction_entropy", "conditional_entropy", "label_information", "information_plane")

HOSTILE_LOADERS = ("a/b", "T-shirt/top", "a b", "..")
HOSTILE_MODULES = ("img src=x", "a-b", "a b", "a/b")


class InTurn(nn.Module):
    """Modules under names that a user gave them, one after the other."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: nn.Linear(N_UNITS, N_UNITS) for name in names})
        self.last = nn.Linear(N_UNITS, 3)

    @override
    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts.values():
            x = part(x)
        return self.last(x)  # type: ignore[no-any-return] # a tensor


class LogsItsOwn(Classifier):
    """Logs metrics of its own in each training step and each epoch's validation."""

    def __init__(
        self, *, training: Iterable[str] = (), validation: Iterable[str] = (), net: Any = None
    ) -> None:
        super().__init__(net)
        self.in_training, self.in_validation = tuple(training), tuple(validation)

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        for name in self.in_training:
            self.log(name, float(self.global_step))
        return self.step(batch)[0]

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.step(batch)
        for name in self.in_validation:
            self.log(name, float(self.current_epoch), batch_size=len(batch[0]))


class MLflow:
    """MLflow's default store in a folder, and Lightning's logger for it."""

    def __init__(self, folder: Path) -> None:
        from pytorch_lightning.loggers import MLFlowLogger

        self.folder = folder / "mlruns"
        self.logger = MLFlowLogger(save_dir=str(self.folder))

    def stored(self) -> Stored:
        """Everything that was logged, from its files; the last of it by its own reader, too."""
        run = self.logger.run_id
        metrics = self.folder / str(self.logger.experiment_id) / str(run) / "metrics"
        stored = {
            path.relative_to(metrics).as_posix(): [
                (int(step), float(value))
                for _, value, step in map(str.split, path.read_text().splitlines())
            ]
            for path in metrics.rglob("*")
            if path.is_file()
        }
        last = self.logger.experiment.get_run(run).data.metrics
        assert last == {name: values[-1][1] for name, values in stored.items()}
        return stored


class Files:
    """The logger that does as MLflow does."""

    def __init__(self, folder: Path) -> None:
        self.logger = FileStoreLogger(folder)
        self.stored = self.logger.experiment.stored


def _without_mlflow(what: str) -> NoReturn:
    if os.environ.get("IT_CALLBACKS_MLFLOW") == "required":
        pytest.fail(f"{what}, but IT_CALLBACKS_MLFLOW=required")
    pytest.skip(f"{what}: MLflow's own store is not tested")


@pytest.fixture(params=["files", "MLflow"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Files | MLflow:
    if request.param == "files":
        return Files(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # MLflow sets it; afterwards it is as it was
    try:
        import mlflow  # noqa: F401
    except ImportError:
        _without_mlflow("mlflow-skinny is not installed (extra e2e)")
    return MLflow(tmp_path)


def _finite(monitors: Iterable[Any]) -> Stored:
    """What a store should have of the monitors: each finite value at its step."""
    values: Stored = defaultdict(list)
    for monitor in monitors:
        for record in monitor.history:
            if math.isfinite(record.bits):
                values[record.tag].append((record.step, record.bits))
    return dict(values)


def _ours(stored: Stored) -> Stored:
    return {tag: values for tag, values in stored.items() if tag.partition("/")[0] in ROOTS}


def test_every_value_arrives_under_hostile_names_beside_metrics_of_the_users_own(
    store: Files | MLflow,
) -> None:
    """Of all monitors, listening, on a fixed set and named, in training, and in a test after it."""
    own = ("coverage", "status", "epoch", "I_XT")
    monitors = [
        monitor(data=data, name=name)
        for monitor in MONITORS
        for data, name in ((None, None), (samples(30), None), (None, "val2"))
    ]
    model = LogsItsOwn(training=own, validation=["val_loss"], net=InTurn(HOSTILE_MODULES))
    val = {key: loader(40, seed=1) for key in HOSTILE_LOADERS}
    _, running = fit(monitors, model, train=loader(50), val=val, logger=store.logger)
    running.test(model, {"x/y": loader(40, seed=2), "x y": loader(40, seed=3)}, verbose=False)
    stored = store.stored()
    assert running.current_epoch == 2
    assert _ours(stored) == _finite(monitors)
    assert [stored[name] for name in own if name != "epoch"] == [
        [(step, float(step)) for step in range(4)]
    ] * 3
    assert {"epoch", "val_loss/dataloader_idx_0"} < stored.keys()
    sets = {record.set for record in monitors[0].history}
    assert len(sets) == len(HOSTILE_LOADERS) + 2
    assert {"val_T-shirt_top", "test_x_y"} < sets
    assert {record.set for record in monitors[1].history} == {"data"}
    assert all(re.match(r"val2_(test_)?[\w.-]+$", r.set) for r in monitors[2].history)
    layers = {r.layer for r in monitors[-1].history if r.quantity == "I_XT"}
    assert len(layers) == len(HOSTILE_MODULES) + 1


def test_one_loader_has_the_plain_names_in_validation_and_test(store: Files | MLflow) -> None:
    monitors = [monitor(name=name) for monitor in MONITORS for name in (None, "val2")]
    model, running = fit(monitors, LogsItsOwn, logger=store.logger, max_epochs=1)
    running.test(model, loader(40, seed=2), verbose=False)
    assert {record.set for monitor in monitors for record in monitor.history} == {
        *("val", "test", "val2", "val2_test")
    }
    assert _ours(store.stored()) == _finite(monitors)


def test_a_metric_called_like_a_root_costs_that_root_and_not_the_training(
    store: Files | MLflow,
) -> None:
    _check_clash(store, "prediction_entropy", "validation")


@pytest.mark.parametrize(
    ("root", "where"),
    [
        ("prediction_entropy", "training"),
        ("label_information", "validation"),
        ("information_plane", "training"),
    ],
)
def test_each_root_yields_to_a_metric_of_its_name(tmp_path: Path, root: str, where: str) -> None:
    _check_clash(Files(tmp_path), root, where)


def _check_clash(store: Files | MLflow, root: str, where: str) -> None:
    """The store has no room for both; what the user logs goes first."""
    monitors = [monitor() for monitor in MONITORS]
    model = LogsItsOwn(**{where: [root]})
    with pytest.warns(MonitorWarning) as warned:
        _, running = fit(monitors, model, train=loader(50), logger=store.logger)
    assert running.current_epoch == 2
    stored = store.stored()
    assert len(stored.pop(root)) == (4 if where == "training" else 2)
    expected = _finite(monitors)
    assert _ours(stored) == {
        tag: values for tag, values in expected.items() if not tag.startswith(f"{root}/")
    }
    ours = [w.message for w in warned if isinstance(w.message, MonitorWarning)]
    texts = [str(one) for one in ours if one.cause == "logger"]
    assert len([text for text in texts if f": {type(store.logger).__name__} failed" in text]) == 1


def test_other_loggers_take_metrics_called_like_the_roots_beside_ours() -> None:
    monitors, memory = [monitor() for monitor in MONITORS], MemoryLogger()
    fit(monitors, LogsItsOwn(validation=ROOTS), train=loader(50), logger=memory)
    logged = {tag for _, metrics in memory.logged for tag in metrics}
    assert logged >= {*ROOTS, *_finite(monitors)}


def _is_free(name: str) -> bool:
    """Whether a module can be called so in a `ModuleDict`."""
    return "." not in name and not hasattr(nn.ModuleDict(), name)


NAMES = st.text("ab /._-1", min_size=1, max_size=4) | st.text(min_size=1, max_size=300)


@settings(deadline=None, derandomize=True, max_examples=6)
@given(
    st.lists(NAMES, min_size=1, max_size=3, unique=True),
    st.lists(NAMES.filter(_is_free), min_size=1, max_size=4, unique=True),
)
def test_no_tag_is_a_folder_of_another(loaders: list[str], modules: list[str]) -> None:
    """Whatever loaders and modules are called: every tag is a file that a store can have."""
    monitors = [monitor() for monitor in MONITORS]
    val = {key: loader(20, seed=1) for key in loaders}
    fit(monitors, LogsItsOwn(net=InTurn(modules)), train=loader(25), val=val, max_epochs=1)
    tags = {record.tag for monitor in monitors for record in monitor.history}
    assert folders_among(tags | {"epoch", "coverage", "status", "I_XT"}) == set()
    assert all(
        re.fullmatch(r"[\w.\-]{1,230}", part, re.ASCII) for t in tags for part in t.split("/")
    )
    assert not {".", ".."} & {part for tag in tags for part in tag.split("/")}
    assert len({tag.split("/")[1] for tag in tags}) == len(loaders)
    assert len({tag.split("/")[3] for tag in tags if "/I_XT/" in tag}) == len(modules) + 1


def test_folders_among_names_are_found() -> None:
    assert folders_among(["a", "a/b", "ab/c", "d"]) == {"a"}
    assert folders_among(["a/b/c", "a/b"]) == {"a/b"}


def test_the_logger_of_the_tests_refuses_a_name_that_is_both(tmp_path: Path) -> None:
    """In either order, as MLflow does."""
    logger = FileStoreLogger(tmp_path)
    logger.log_metrics({"a/b": 1.0, "c": 2.0})
    for name in ("a", "c/d"):
        with pytest.raises(OSError, match=r"directory|exists"):
            logger.log_metrics({name: 1.0})
