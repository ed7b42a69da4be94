"""Hostile models, met by rude code at every hook point: training ends bit for bit the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import StochasticWeightAveraging
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantize, MovingAveragePerChannelMinMaxObserver
from torch.utils.data import DataLoader, TensorDataset

from it_callbacks import InformationPlaneMonitor
from it_callbacks.callbacks import passing
from it_callbacks.observation import guard

from .toys import (
    ROOTS,
    Augmented,
    Classifier,
    Counting,
    Drawing,
    FrozenNorm,
    LogsInForward,
    MemoryLogger,
    Rebinding,
    RegistersLate,
    Remembering,
    callback,
    epochs,
    n_hooks,
    normed_and_dropped,
    samples,
    trainer,
    with_part,
)

X, Y = samples(16, seed=2)


# The models.


def quantized() -> Classifier:
    """An observer of quantization: it sizes its buffers by the first batch, in eval mode too."""
    observer = MovingAveragePerChannelMinMaxObserver
    return with_part(FakeQuantize(observer, quant_min=0, quant_max=15, ch_axis=1))


def spectrally_normed() -> Classifier:
    """A power iteration at every call in training mode."""
    parametrized = nn.utils.parametrizations.spectral_norm
    return with_part(nn.Sequential(parametrized(nn.Linear(4, 4)), nn.Dropout(0.3)))


def compiled(backend: str) -> Classifier:
    """BatchNorm and dropout, compiled in place."""
    torch._dynamo.reset()
    model = normed_and_dropped()
    model.net.compile(backend=backend)
    return model


def shuffled(**options: Any) -> DataLoader[Any]:
    """Draws an order from torch's global generator each epoch."""
    return DataLoader(TensorDataset(*samples(40)), 16, shuffle=True, **options)


Setup = tuple[Callable[[], Classifier], Callable[[], DataLoader[Any]], dict[str, Any]]

SETUPS: dict[str, Setup] = {
    "norm_dropout": (normed_and_dropped, shuffled, {}),
    "frozen_norm": (FrozenNorm, shuffled, {}),
    "mc_dropout": (lambda: with_part(Drawing()), shuffled, {}),
    "rebound_buffer": (lambda: with_part(Rebinding()), shuffled, {}),
    "counting_buffer": (lambda: with_part(Counting()), shuffled, {}),
    "plain_attributes": (lambda: with_part(Remembering()), shuffled, {}),
    "quantized": (quantized, shuffled, {"num_sanity_val_steps": 0}),
    "late_buffer": (lambda: with_part(RegistersLate()), shuffled, {"num_sanity_val_steps": 0}),
    "spectral_norm": (spectrally_normed, shuffled, {}),
    "numpy_noise": (
        normed_and_dropped,
        lambda: DataLoader(Augmented(np.random.randn, 40), 16, shuffle=True),
        {},
    ),
    "python_noise": (
        normed_and_dropped,
        lambda: DataLoader(Augmented(random.random, 40), 16, shuffle=True),
        {},
    ),
    "persistent_worker": (
        normed_and_dropped,
        lambda: shuffled(num_workers=1, persistent_workers=True),
        {},
    ),
    "logging": (lambda: with_part(nn.Identity(), LogsInForward), shuffled, {}),
    "compiled": (lambda: compiled("aot_eager"), shuffled, {}),
}
SLOW: dict[str, Setup] = {"inductor": (lambda: compiled("inductor"), shuffled, {})}

HOOKS = (
    "on_train_start",
    "on_train_batch_end",
    "on_before_optimizer_step",
    "on_validation_epoch_end",
    "on_train_epoch_end",
)


# What comes in between.


class RudeError(Exception):
    """Raised inside the guard, and caught outside it."""


def rude(model: nn.Module) -> None:
    """All that one should not do: draw from every generator, shuffle, switch modes, run."""
    torch.rand(3), np.random.rand(3), random.random()
    model.train()
    for x, _ in DataLoader(TensorDataset(X, Y), 8, shuffle=True):
        model(x)
    model.eval()
    model(X)


def rude_then_raises(model: nn.Module) -> None:
    """The same, with an error at the end."""
    rude(model)
    raise RudeError


def forward_only(model: nn.Module) -> None:
    """One forward pass and nothing else."""
    model(X)


@contextmanager
def naive(_trainer: Any, model: nn.Module) -> Iterator[None]:
    """What looks careful and is not: eval, no_grad, train."""
    model.eval()
    with torch.no_grad():
        yield
    model.train()


class ActsAt(pl.Callback):
    """Does something with the model at one hook point, each time inside a guard of its own."""

    def __init__(
        self,
        hook: str,
        *acts: Callable[[nn.Module], None],
        inside: Callable[..., Any] = passing.guarded,
    ) -> None:
        self.n_acts = 0

        def act_all(trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
            if trainer.sanity_checking:
                return
            for act in acts:
                self.n_acts += 1
                with suppress(RudeError), inside(trainer, pl_module):
                    act(pl_module)

        setattr(self, hook, act_all)


# The comparison.


def trace(setup: Setup, callbacks: list[Any], **options: Any) -> dict[str, Any]:
    """Everything that training leaves: weights, buffers, optimizer, logs and random states."""
    make_model, make_loader, own_options = setup
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    model, train, memory = make_model(), make_loader(), MemoryLogger()
    running = trainer(callbacks, logger=memory, **(own_options | options))
    running.fit(model, train, DataLoader(TensorDataset(*samples(20, seed=1)), 16))
    numpy_state = np.random.get_state()
    return {
        "weights": {name: tensor.detach() for name, tensor in model.named_parameters()},
        "buffers": dict(model.named_buffers()),
        "gradients": {name: tensor.grad for name, tensor in model.named_parameters()},
        "optimizer": running.optimizers[0].state_dict()["state"],
        "logged": {
            f"{step} {name}": value
            for step, metrics in memory.logged
            for name, value in metrics.items()
            if name.partition("/")[0] not in ROOTS
        },
        "random": {
            "torch": torch.get_rng_state(),
            "numpy": (numpy_state[1].tolist(), numpy_state[2:]),
            "python": random.getstate(),
        },
        "modes": [part.training for part in model.modules()],
        "hooks": n_hooks(model),
    }


@cache
def undisturbed(name: str) -> dict[str, Any]:
    """The trace of training alone."""
    return trace((SETUPS | SLOW)[name], [])


def differences(left: Any, right: Any, at: str = "") -> list[str]:
    """Where two traces are not equal bit for bit."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return [] if torch.equal(left, right) else [at]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        here = [f"{at}/{key}" for key in left.keys() ^ right.keys()]
        both = left.keys() & right.keys()
        return here + [d for key in both for d in differences(left[key], right[key], f"{at}/{key}")]
    return [] if left == right else [at]


def moved(name: str, callback: ActsAt) -> list[str]:
    """What a callback changes in the training of the model `name`."""
    found = differences(undisturbed(name), trace((SETUPS | SLOW)[name], [callback]))
    assert callback.n_acts
    return found


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", SETUPS)
def test_rude_code_inside_the_guard_changes_nothing(name: str, hook: str) -> None:
    """Weights, buffers, optimizer, logs, modes and random states are those of training alone.

    Whether it works or raises.
    """
    assert moved(name, ActsAt(hook, rude, rude_then_raises)) == []


by_inductor = pytest.mark.filterwarnings(
    "ignore:.torch.jit:DeprecationWarning"  # which inductor uses itself
)


@pytest.mark.slow
@by_inductor
@pytest.mark.parametrize("hook", HOOKS)
def test_rude_code_leaves_an_inductor_model_as_it_is(hook: str) -> None:
    assert moved("inductor", ActsAt(hook, rude, rude_then_raises)) == []


def test_training_alone_repeats_itself() -> None:
    """The comparison is of equals: the same seed gives the same trace twice."""
    for name, setup in SETUPS.items():
        assert differences(undisturbed(name), trace(setup, [])) == [], name


def _touches_training(found: list[str]) -> bool:
    return any(at.startswith(("/weights", "/logged")) for at in found)


def test_the_same_without_the_guard_is_noticed_everywhere() -> None:
    """The matrix has teeth: under eval, no_grad and train every cell differs, most in weights."""
    found = {
        (name, hook): moved(name, ActsAt(hook, rude, inside=naive))
        for name in SETUPS
        for hook in HOOKS
        if name != "compiled"  # it would compile again in each cell
    }
    assert all(found.values())
    assert sum(map(_touches_training, found.values())) >= 0.6 * len(found)


@pytest.mark.parametrize(
    "name",
    [
        "frozen_norm",
        "mc_dropout",
        "rebound_buffer",
        "counting_buffer",
        "plain_attributes",
        "quantized",
        "late_buffer",
    ],
)
def test_a_single_naive_forward_is_noticed(name: str) -> None:
    """On these models even one careful-looking forward pass moves a weight or a loss."""
    hook = "on_train_start" if name == "late_buffer" else "on_train_batch_end"
    assert _touches_training(moved(name, ActsAt(hook, forward_only, inside=naive)))


@pytest.mark.parametrize(
    ("part", "name", "where"),
    [
        ("_modes_restored", "frozen_norm", "/modes"),
        ("_buffers_restored", "counting_buffer", "/buffers"),
        ("_buffers_restored", "rebound_buffer", "/buffers"),
        ("_buffers_restored", "late_buffer", "/buffers"),
        ("_buffers_restored", "quantized", "/buffers"),
        ("attributes_restored", "plain_attributes", "/weights"),
        ("random_states_restored", "mc_dropout", "/weights"),
        ("random_states_restored", "numpy_noise", "/random/numpy"),
        ("random_states_restored", "python_noise", "/random/python"),
    ],
)
def test_each_part_of_the_guard_is_needed(
    monkeypatch: pytest.MonkeyPatch, part: str, name: str, where: str
) -> None:
    """Take one part away, and the matrix sees it."""
    expected = undisturbed(name)
    monkeypatch.setattr(guard, part, lambda *_: nullcontext())
    hook = "on_train_start" if name == "late_buffer" else "on_train_batch_end"
    found = differences(expected, trace(SETUPS[name], [ActsAt(hook, rude)]))
    assert any(at.startswith(where) for at in found)


def test_muting_the_log_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what the forward logs inside the guard lands in the user's own metric."""
    expected = undisturbed("logging")
    monkeypatch.setattr(passing, "silenced", lambda *_: nullcontext())
    monkeypatch.setattr(passing, "_validating", lambda *_: nullcontext())  # logs elsewhere
    found = differences(expected, trace(SETUPS["logging"], [ActsAt("on_train_batch_end", rude)]))
    assert any(at.startswith("/logged") for at in found)


# What the guard puts back, without a Trainer.


def test_a_rebound_buffer_is_the_same_object_again() -> None:
    """An optimizer, a hook or a user may hold on to it."""
    part = Rebinding()
    before = part.level
    with guard.undisturbed(part):
        part(torch.ones(2, 4))
    assert part.level is before
    assert part.level.tolist() == [0.0] * 4


def test_a_buffer_resized_in_place_has_its_size_again() -> None:
    """Observers of quantization start from empty buffers."""
    part = quantized().net.get_submodule("1")
    with guard.undisturbed(part):
        part(torch.randn(5, 4))
    assert [len(buffer) for name, buffer in part.named_buffers() if "_val" in name] == [0, 0]


def test_attributes_are_the_same_objects_with_the_same_content_again() -> None:
    part = Remembering()
    before = dict(vars(part))
    with suppress(RudeError), guard.undisturbed(part):
        part(torch.ones(2, 4))
        raise RudeError
    assert vars(part).keys() == before.keys()
    assert all(vars(part)[name] is value for name, value in before.items())
    assert (part.calls, part.seen, part.shares) == (0, [], {})
    assert part.state.tolist() == part.running.tolist() == [0.0] * 4


def test_a_tensor_that_training_goes_back_through_is_not_written_to() -> None:
    """A write would count as a change in place, and backward would refuse."""
    part = nn.Linear(2, 2)
    part.kept = torch.ones(2, requires_grad=True).exp()  # its backward needs its own value
    with guard.undisturbed(part):
        part(torch.ones(1, 2))
    part.kept.sum().backward()


def test_grad_mode_threads_and_dtype_come_back_after_a_fault() -> None:
    before = torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    with suppress(RudeError), guard.undisturbed(nn.Linear(2, 2)):
        assert not torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        torch.set_num_threads(before[1] + 1)
        torch.set_default_dtype(torch.float64)
        raise RudeError
    assert (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()) == before


def test_the_guard_does_not_start_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that trains on the CPU of a machine with a GPU keeps it free, and may fork."""

    def started() -> None:
        raise AssertionError("CUDA was started")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", started)
    with guard.undisturbed(nn.Linear(2, 2)):
        pass


def test_a_lazy_module_without_a_shape_is_refused() -> None:
    """Inside the guard it would get weights from other random numbers than in training."""
    lazy = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    with (
        pytest.raises(ValueError, match=r"lazy module '0' has no shape yet.*one batch"),
        guard.undisturbed(lazy),
    ):
        pass
    assert torch.nn.parameter.is_lazy(lazy[0].weight)


# The real monitor.


def swa() -> list[pl.Callback]:
    """Copies the model in `setup`, and averages from the second epoch on."""
    return [StochasticWeightAveraging(swa_lrs=1e-2, swa_epoch_start=1)]


def ema() -> list[pl.Callback]:
    """Copies the model in `setup`, and swaps its weights in for validation."""
    return [callback("EMAWeightAveraging", decay=0.9)]


REGIMES: dict[str, tuple[Callable[[], list[pl.Callback]], dict[str, Any]]] = {
    "bf16-mixed": (list, {"precision": "bf16-mixed"}),
    "64-true": (list, {"precision": "64-true"}),
    "accumulation": (list, {"accumulate_grad_batches": 3}),
    "bf16-accumulation": (list, {"precision": "bf16-mixed", "accumulate_grad_batches": 3}),
    "swa": (swa, {"max_epochs": 3}),
    "ema": (ema, {"max_epochs": 3}),
}


@cache
def regime_alone(regime: str) -> dict[str, Any]:
    """The trace of such a training without a monitor."""
    others, options = REGIMES[regime]
    return trace((normed_and_dropped, shuffled, {}), others(), **options)


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("data", [None, "train"], ids=["listening", "fixed"])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_monitor_changes_nothing_in_any_regime(regime: str, data: Any, first: bool) -> None:
    """Half precision, accumulated gradients and averaged weights, before and after the others."""
    others, options = REGIMES[regime]
    plane = InformationPlaneMonitor(data=data)
    callbacks = [plane, *others()] if first else [*others(), plane]
    found = differences(
        regime_alone(regime), trace((normed_and_dropped, shuffled, {}), callbacks, **options)
    )
    assert found == []
    assert set(epochs(plane)) >= set(range(data is None, options.get("max_epochs", 2)))


def test_a_fixed_set_is_passed_through_a_compiled_model_and_changes_nothing() -> None:
    plane = InformationPlaneMonitor(data="val")
    assert differences(undisturbed("compiled"), trace(SETUPS["compiled"], [plane])) == []
    assert epochs(plane) == [0, 1, 2]


@pytest.mark.slow
@by_inductor
def test_a_fixed_set_is_passed_through_an_inductor_model_and_changes_nothing() -> None:
    plane = InformationPlaneMonitor(data="val")
    assert differences(undisturbed("inductor"), trace(SLOW["inductor"], [plane])) == []
    assert epochs(plane) == [0, 1, 2]
