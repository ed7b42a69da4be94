"""Training is bit for bit what it is without the monitors, and nothing of theirs is left behind."""

from __future__ import annotations

import copy
import pickle
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import matplotlib
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, LogSpaced

from .toys import (
    Augmented,
    Classifier,
    Counting,
    CountsCalls,
    Drawing,
    Fails,
    FrozenNorm,
    LogsInForward,
    LogsMetrics,
    MemoryLogger,
    Own,
    Rebinding,
    ShowsImages,
    all_three,
    fit,
    loader,
    mlp,
    n_hooks,
    normed_and_dropped,
    rows,
    samples,
    trainer,
    with_part,
)
from .warned import OF_TINY_SETS, warned


def noise() -> float:
    """Drawn from NumPy's and Python's global generators."""
    return np.random.randn() + random.random()


SETUPS: dict[str, tuple[Callable[[], Classifier], Callable[[], Any], dict[str, Any]]] = {
    "plain": (LogsMetrics, lambda: loader(shuffle=True), {}),
    "norm_dropout": (normed_and_dropped, lambda: loader(shuffle=True), {}),
    "frozen_norm": (FrozenNorm, lambda: loader(shuffle=True), {}),
    "mc_dropout": (lambda: with_part(Drawing()), lambda: loader(shuffle=True), {}),
    "moving_buffers": (
        lambda: with_part(nn.Sequential(Rebinding(), Counting())),
        lambda: loader(shuffle=True),
        {},
    ),
    "augmentation": (
        LogsMetrics,
        lambda: DataLoader(Augmented(noise), 25, shuffle=True),
        {},
    ),
    "accumulation": (
        normed_and_dropped,
        lambda: loader(shuffle=True),
        {"accumulate_grad_batches": 3},
    ),
    "half_epochs": (LogsMetrics, lambda: loader(shuffle=True), {"val_check_interval": 0.5}),
}

DATA: dict[str, Callable[[], Any]] = {
    "listening": lambda: None,
    "train": lambda: "train",
    "val": lambda: "val",
    "tensors": lambda: samples(60, seed=2),
    "dataset": lambda: Augmented(noise),
}


def _trace(setup: str, callbacks: list[Any], **more: Any) -> dict[str, Any]:
    """Everything that training leaves: weights, buffers, optimizer and random states."""
    make_model, make_loader, options = SETUPS[setup]
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    model, train = make_model(), make_loader()
    running = trainer(callbacks, **options, **more)
    running.fit(model, train, loader(50, seed=1))
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


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("setup", SETUPS)
def test_training_is_bit_equal_with_all_monitors(setup: str, data: str) -> None:
    """Weights, buffers, optimizer, modes and every random state end as without monitors."""
    callbacks = all_three(DATA[data]())
    with warned() as given:
        with_monitors = _trace(setup, callbacks)
    # A batch is passed twice, which shows what draws and what remembers.
    moves = setup in ("mc_dropout", "moving_buffers")
    assert set(given.causes) - OF_TINY_SETS == ({"stochastic"} if moves else set())
    assert _differences(_undisturbed(setup), with_monitors) == []
    assert all(monitor.history for monitor in callbacks)


def test_training_is_bit_equal_with_pictures() -> None:
    """Random states too; and pyplot, whose state is a user's own, stays as it is."""
    before = "matplotlib.pyplot" in sys.modules, dict(matplotlib.rcParams.copy())
    logger = ShowsImages()
    callbacks = [*all_three()[:2], InformationPlaneMonitor(images=1)]
    with_pictures = _trace("norm_dropout", callbacks, logger=logger)
    assert len(logger.shown) == 2
    assert _differences(_undisturbed("norm_dropout"), with_pictures) == []
    assert before == ("matplotlib.pyplot" in sys.modules, dict(matplotlib.rcParams.copy()))


class NaiveLoop(pl.Callback):
    """Does what one should not: iterates the user's loader and forgets the modes."""

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        for x, _ in trainer.train_dataloader:
            pl_module(x)


class NaiveForward(pl.Callback):
    """Looks careful, and is not: eval, no_grad, forward, train."""

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.eval()
        with torch.no_grad():
            pl_module(samples(60, seed=2)[0])
        pl_module.train()


@pytest.mark.parametrize("setup", SETUPS)
def test_a_naive_loop_over_the_loader_is_noticed(setup: str) -> None:
    """The comparison above has teeth: it sees who reads the user's loader."""
    found = _differences(_undisturbed(setup), _trace(setup, [NaiveLoop()]))
    assert any(difference.startswith("/weights") for difference in found)


@pytest.mark.parametrize("setup", ["frozen_norm", "mc_dropout", "moving_buffers"])
def test_a_naive_eval_forward_is_noticed(setup: str) -> None:
    """On these models even eval and no_grad are not enough."""
    found = _differences(_undisturbed(setup), _trace(setup, [NaiveForward()]))
    assert any(difference.startswith("/weights") for difference in found)


@pytest.mark.parametrize("data", [None, "train"])
def test_a_raising_estimator_costs_its_number_and_nothing_else(data: Any) -> None:
    """It may even draw random numbers before: training goes on as without it."""
    calls: list[float] = []

    def draws(*_: Any) -> float:
        calls.append(np.random.rand() + random.random() + torch.rand(1).item())
        if len(calls) > 3:
            raise ZeroDivisionError("an estimator of the user's")
        return 0.0

    plane = InformationPlaneMonitor(data=data, extra=[Own("own_V_TY", draws)])
    with warned() as given:
        trace = _trace("norm_dropout", [plane])
    assert given.of("extra")
    assert _differences(_undisturbed("norm_dropout"), trace) == []


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
    model, _ = fit(all_three(data))
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
        fit(all_three(data), model)
    assert n_hooks(model) == 0


def test_listening_adds_no_forward_pass() -> None:
    alone, _ = fit([], CountsCalls())
    observed, _ = fit(all_three(), CountsCalls())
    assert observed.calls == alone.calls > 0


@pytest.mark.parametrize(
    ("schedule", "options"),
    [(1, {}), (1, {"limit_val_batches": 0}), (LogSpaced(3, "steps"), {"limit_val_batches": 0})],
    ids=["validating", "training-only", "steps"],
)
def test_a_fixed_set_does_not_log_what_the_forward_logs(schedule: Any, options: Any) -> None:
    """A forward that calls self.log must not mix the monitor's passes into the user's metrics."""

    def logged(callbacks: list[Any]) -> list[Any]:
        memory = MemoryLogger()
        model = partial(LogsInForward, on_step=True)
        fit(callbacks, model, logger=memory, max_epochs=3, **options)
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

    alone, observed = all_three(), all_three()
    fit(alone)
    fit(observed, Copies)
    for one, other in zip(alone, observed, strict=True):
        np.testing.assert_equal(rows(other), rows(one))


def test_a_fixed_set_leaves_a_compiled_model_as_it_is() -> None:
    """It runs eagerly under the guard, so nothing is compiled again and training is the same."""

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
    """A measurement between two batches of one epoch meets half-accumulated gradients."""
    plane = InformationPlaneMonitor(data="train", schedule=LogSpaced(5, "steps"))
    assert _differences(_undisturbed("accumulation"), _trace("accumulation", [plane])) == []


def test_threads_and_default_dtype_stay() -> None:
    before = torch.get_num_threads(), torch.get_default_dtype()
    fit(all_three("train"), Classifier(mlp()))
    assert (torch.get_num_threads(), torch.get_default_dtype()) == before


def test_gradients_are_untouched_by_a_fixed_set() -> None:
    """No .grad appears, moves or goes, and no graph is kept."""
    seen: list[bool] = []

    class Checks(pl.Callback):
        @override
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            seen.append(all(p.requires_grad for p in pl_module.parameters()))

    model, _ = fit([*all_three("train"), Checks()])
    assert seen == [True, True]
    assert all(p.grad is not None or p.grad_fn is None for p in model.parameters())


def test_a_fixed_set_is_read_without_drawing_from_the_generator_of_its_loader() -> None:
    """The user's own generator stands afterwards where it stood."""
    generator = torch.Generator().manual_seed(3)
    source = DataLoader(TensorDataset(*samples(50)), 10, shuffle=True, generator=generator)
    before = generator.get_state()
    fit([InformationPlaneMonitor(data=source)])
    assert torch.equal(generator.get_state(), before)
