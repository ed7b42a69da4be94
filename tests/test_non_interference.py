"""Training is bit for bit what it is without the monitors, and nothing of theirs is left behind."""

from __future__ import annotations

import copy
import pickle
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
)
from it_callbacks.estimators import Extra

from .models import N_UNITS, Classifier, MemoryLogger, fit, loader, mlp, n_hooks, samples, trainer


class Drawing(nn.Module):
    """Dropout that stays on in eval mode, as for Monte Carlo uncertainty."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.3, training=True)


class Counting(nn.Module):
    """Moves two buffers at every call, in eval mode too: one in place, one by a new tensor."""

    calls: Tensor
    level: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("level", torch.zeros(4))

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.level = 0.9 * self.level + 0.1 * x.detach().mean(0)
        return x - self.level + 0.01 * self.calls


class FrozenNorm(Classifier):
    """One BatchNorm is kept in eval mode while the rest trains."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(nn.Linear(N_UNITS, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3))
        )

    @override
    def on_train_start(self) -> None:
        self.net.get_submodule("1").eval()


class Augmented(Dataset[Any]):
    """Noise from NumPy's and Python's global generators, drawn per item."""

    def __init__(self) -> None:
        self.x, self.y = samples()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.1 * np.random.randn() + 0.1 * random.random(), self.y[index]


def _normed_and_dropped() -> Classifier:
    return Classifier(
        nn.Sequential(
            nn.Linear(N_UNITS, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 3)
        )
    )


def _with(part: nn.Module) -> Classifier:
    return Classifier(nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh(), part, nn.Linear(4, 3)))


SETUPS: dict[str, tuple[Callable[[], Classifier], Callable[[], Any], dict[str, Any]]] = {
    "plain": (Classifier, lambda: loader(shuffle=True), {}),
    "norm_dropout": (_normed_and_dropped, lambda: loader(shuffle=True), {}),
    "frozen_norm": (FrozenNorm, lambda: loader(shuffle=True), {}),
    "mc_dropout": (lambda: _with(Drawing()), lambda: loader(shuffle=True), {}),
    "moving_buffers": (lambda: _with(Counting()), lambda: loader(shuffle=True), {}),
    "augmentation": (Classifier, lambda: DataLoader(Augmented(), 25, shuffle=True), {}),
    "accumulation": (
        _normed_and_dropped,
        lambda: loader(shuffle=True),
        {"accumulate_grad_batches": 3},
    ),
    "half_epochs": (Classifier, lambda: loader(shuffle=True), {"val_check_interval": 0.5}),
}

LOOKS: dict[str, Callable[[], Any]] = {
    "listening": lambda: None,
    "train": lambda: "train",
    "val": lambda: "val",
    "tensors": lambda: samples(60, seed=2),
    "dataset": Augmented,
}


def _all_three(data: Any = None, **options: Any) -> list[pl.Callback]:
    return [
        PredictionEntropyMonitor(data=data),
        ConditionalEntropyMonitor(data=data),
        InformationPlaneMonitor(data=data, **options),
    ]


def _trace(setup: str, callbacks: list[Any], **more: Any) -> dict[str, Any]:
    """Everything that training leaves: weights, buffers, optimizer and random states."""
    make_model, make_loader, options = SETUPS[setup]
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    model, train = make_model(), make_loader()
    running = trainer(callbacks, **options, **more)
    running.fit(model, train, loader(105, seed=1))
    numpy_state = np.random.get_state()
    return {
        "weights": model.state_dict(),
        "optimizer": running.optimizers[0].state_dict()["state"],
        "val_loss": running.callback_metrics["val_loss"],
        "torch": torch.get_rng_state(),
        "numpy": (numpy_state[1].tolist(), numpy_state[2:]),
        "python": random.getstate(),
        "modes": [part.training for part in model.modules()],
    }


@cache
def _undisturbed(setup: str) -> dict[str, Any]:
    return _trace(setup, [])


def _differences(left: Any, right: Any, at: str = "") -> list[str]:
    if isinstance(left, Tensor):
        return [] if torch.equal(left, right) else [at]
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        return [d for key in left for d in _differences(left[key], right[key], f"{at}/{key}")]
    return [] if left == right else [at]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("setup", SETUPS)
def test_training_is_bit_equal_with_all_monitors(setup: str, look: str) -> None:
    """Weights, buffers, optimizer, modes and every random state end as without monitors."""
    callbacks = _all_three(LOOKS[look]())
    with_monitors = _trace(setup, callbacks)
    assert _differences(_undisturbed(setup), with_monitors) == []
    assert all(monitor.history for monitor in callbacks)


def test_training_is_bit_equal_with_pictures() -> None:
    """Random states too; and pyplot, whose state is a user's own, stays as it is."""
    before = "matplotlib.pyplot" in sys.modules, dict(matplotlib.rcParams.copy())
    shown: list[Any] = []

    class Shows(MemoryLogger):
        @property
        @override
        def experiment(self) -> Any:
            return SimpleNamespace(add_image=lambda *given, **_: shown.append(given))

    with_pictures = _trace("norm_dropout", _all_three(images=1), logger=Shows())
    assert len(shown) == 2
    assert _differences(_undisturbed("norm_dropout"), with_pictures) == []
    assert before == ("matplotlib.pyplot" in sys.modules, dict(matplotlib.rcParams.copy()))


class NaiveLoop(pl.Callback):
    """Does what one should not: iterates the user's loader and forgets the modes."""

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        for x, _ in trainer.train_dataloader:
            pl_module(x)


class NaiveProbe(pl.Callback):
    """Looks careful, and is not: eval, no_grad, forward, train."""

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.eval()
        with torch.no_grad():
            pl_module(samples(60, seed=2)[0])
        pl_module.train()


@pytest.mark.parametrize("setup", SETUPS)
def test_a_naive_loop_over_the_loader_is_noticed(setup: str) -> None:
    """The comparison above has teeth: it sees a probe that reads the user's loader."""
    found = _differences(_undisturbed(setup), _trace(setup, [NaiveLoop()]))
    assert any(difference.startswith("/weights") for difference in found)


@pytest.mark.parametrize("setup", ["frozen_norm", "mc_dropout", "moving_buffers"])
def test_a_naive_eval_forward_is_noticed(setup: str) -> None:
    """On these models even eval and no_grad are not enough."""
    found = _differences(_undisturbed(setup), _trace(setup, [NaiveProbe()]))
    assert any(difference.startswith("/weights") for difference in found)


class RaisesLater(Extra):
    """Draws from every global generator, then raises, from its second call on."""

    def __init__(self) -> None:
        self.calls = 0

    @property
    @override
    def quantities(self) -> tuple[str, ...]:
        return ("V_TY",)

    @override
    def __call__(self, activations: Any, labels: Any) -> dict[str, float]:
        self.calls += 1
        np.random.rand(), random.random(), torch.rand(1)
        if self.calls > 3:
            raise ZeroDivisionError("an estimator of the user's")
        return {"V_TY": 0.0}


@pytest.mark.parametrize("data", [None, "train"])
def test_a_raising_estimator_costs_the_point_and_nothing_else(data: Any) -> None:
    """It may even draw random numbers before: training goes on as without it."""
    plane = InformationPlaneMonitor(data=data, extra=[RaisesLater()])
    with pytest.warns(UserWarning, match="an estimator of the user's"):
        trace = _trace("norm_dropout", [plane])
    assert _differences(_undisturbed("norm_dropout"), trace) == []


class Fails(Classifier):
    """Raises `error` at the second batch of the second epoch's `where`, or inside its forward."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        super().__init__()
        self.where, self.error = where, error

    def _perhaps(self, where: str, batch_idx: int) -> None:
        if where == self.where and batch_idx == 1 and self.trainer.current_epoch == 1:
            raise self.error("of the user's")

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self._perhaps("train", batch_idx)
        return super().training_step(batch, batch_idx)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx)
        self._perhaps("val", batch_idx)


@contextmanager
def _interrupts_restored() -> Iterator[None]:
    # Lightning ignores Ctrl-C from the first one on.
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("data", [None, "train"])
def test_no_hook_is_left_after_fit(data: Any) -> None:
    model, _ = fit(_all_three(data))
    assert n_hooks(model) == 0


@pytest.mark.parametrize("data", [None, "train"])
@pytest.mark.parametrize("where", ["train", "val"])
@pytest.mark.parametrize(
    ("error", "seen"), [(ZeroDivisionError, ZeroDivisionError), (KeyboardInterrupt, SystemExit)]
)
def test_no_hook_is_left_after_an_exception(
    where: str, error: type[BaseException], seen: type[BaseException], data: Any
) -> None:
    """Lightning calls no teardown then, and the user's own error must come through."""
    model = Fails(where, error)
    with _interrupts_restored(), pytest.raises(seen):
        fit(_all_three(data), model)
    assert n_hooks(model) == 0


def test_hooks_are_there_while_listening() -> None:
    """The counts of zero above mean something."""
    counts: list[int] = []

    class Counts(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            super().validation_step(batch, batch_idx)
            counts.append(n_hooks(self))

        @override
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            assert n_hooks(self) == 0
            return super().training_step(batch, batch_idx)

    fit(_all_three(), Counts())
    assert min(counts) > 0


class CountsCalls(Classifier):
    """Counts its forward passes."""

    calls = 0

    @override
    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        return super().forward(x)


def test_listening_adds_no_forward_pass() -> None:
    alone, _ = fit([], CountsCalls())
    observed, _ = fit(_all_three(), CountsCalls())
    assert observed.calls == alone.calls > 0


@pytest.mark.parametrize(
    ("schedule", "options"),
    [(1, {}), (1, {"limit_val_batches": 0}), (LogSpaced(3, "steps"), {"limit_val_batches": 0})],
    ids=["validating", "training-only", "steps"],
)
def test_a_probe_does_not_log_what_the_forward_logs(schedule: Any, options: Any) -> None:
    """A forward that calls self.log must not mix the probe's values into the user's metrics."""

    class Logs(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            self.log("size", float(len(x)), on_step=True, on_epoch=True, batch_size=1)
            return super().forward(x)

    def logged(callbacks: list[Any]) -> list[Any]:
        memory = MemoryLogger()
        fit(callbacks, Logs, logger=memory, max_epochs=3, **options)
        return [
            (step, name, value)
            for step, metrics in memory.logged
            for name, value in metrics.items()
            if name.startswith("size")
        ]

    alone = logged([])
    assert alone
    assert logged([InformationPlaneMonitor(data=samples(60, seed=2), schedule=schedule)]) == alone


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_made_while_observed_neither_fails_nor_reports(copied: Callable[..., Any]) -> None:
    """Weight averaging copies the model at any moment; the copy's calls are not the model's."""

    class Copies(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            copied(self.net)(batch[0])
            super().validation_step(batch, batch_idx)

    alone, observed = _all_three(), _all_three()
    fit(alone)
    fit(observed, Copies)
    for one, other in zip(alone, observed, strict=True):
        left, right = (
            [(r.tag, r.bits, r.step) for r in m.history if r.layer != "overhead"]
            for m in (one, other)
        )
        np.testing.assert_equal(left, right)


def test_a_probe_leaves_a_compiled_model_as_it_is() -> None:
    """It runs eagerly under the guard, so nothing is compiled anew and training is the same."""

    def weights(callbacks: list[Any]) -> dict[str, Tensor]:
        torch.manual_seed(5)
        model = Classifier()
        model.net.compile(backend="eager")
        trainer(callbacks).fit(model, loader(), loader(105, seed=1))
        return model.state_dict()

    plane = InformationPlaneMonitor(data="val")
    assert _differences(weights([]), weights([plane])) == []
    assert plane.history


def test_step_schedules_do_not_disturb_either() -> None:
    """A look between two batches of one epoch meets half-accumulated gradients."""
    plane = InformationPlaneMonitor(data="train", schedule=LogSpaced(5, "steps"))
    assert _differences(_undisturbed("accumulation"), _trace("accumulation", [plane])) == []


def test_threads_and_default_dtype_stay() -> None:
    before = torch.get_num_threads(), torch.get_default_dtype()
    fit(_all_three("train"), Classifier(mlp()))
    assert (torch.get_num_threads(), torch.get_default_dtype()) == before


def test_gradients_are_untouched_by_a_probe() -> None:
    """No .grad appears, moves or goes, and no graph is kept."""
    seen: list[bool] = []

    class Checks(pl.Callback):
        @override
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            seen.append(all(p.requires_grad for p in pl_module.parameters()))

    model, _ = fit([*_all_three("train"), Checks()])
    assert seen == [True, True]
    assert all(p.grad is not None or p.grad_fn is None for p in model.parameters())


def test_a_probe_reads_a_loader_without_drawing_from_its_generator() -> None:
    """The user's own generator stands afterwards where it stood."""
    generator = torch.Generator().manual_seed(3)
    source = DataLoader(TensorDataset(*samples(50)), 10, shuffle=True, generator=generator)
    before = generator.get_state()
    fit([InformationPlaneMonitor(data=source)])
    assert torch.equal(generator.get_state(), before)
