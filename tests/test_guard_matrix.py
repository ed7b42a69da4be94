"""Hostile models, met by a rude probe at every hook point: training ends bit for bit the same."""

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
from pytorch_lightning.callbacks import EMAWeightAveraging, StochasticWeightAveraging
from torch import Tensor, nn
from torch.ao.quantization import FakeQuantize, MovingAveragePerChannelMinMaxObserver
from torch.utils.data import DataLoader, Dataset, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks.callbacks import passing
from it_callbacks.observation import guard

from .models import N_UNITS, Classifier, MemoryLogger, n_hooks, samples, trainer

PROBE = samples(16, seed=2)


# The models.


class Drawing(nn.Module):
    """Dropout that stays on in eval mode, as for Monte Carlo uncertainty."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.3, training=True)


class Rebinding(nn.Module):
    """Puts a new tensor in the place of its buffer at every call."""

    level: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(4))

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.level = 0.9 * self.level + 0.1 * x.detach().mean(0)
        return x - self.level


class Counting(nn.Module):
    """Counts its calls in a buffer that no checkpoint holds, in eval mode too."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()), persistent=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + 0.01 * self.calls


class Remembering(nn.Module):
    """Keeps what it needs in plain attributes: a state, a count, a memory, generators."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Tensor = torch.zeros(4)
        self.running: Tensor = torch.zeros(4)
        self.calls = 0
        self.seen: list[float] = []
        self.shares: dict[str, float] = {}
        self.of_torch = torch.Generator().manual_seed(1)
        self.of_numpy = np.random.default_rng(2)
        self.of_python = random.Random(3)

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.state = 0.9 * self.state + 0.1 * x.detach().mean(0)
        self.running += 0.01 * self.state
        self.seen.append(self.state.sum().item())
        self.shares["last"] = self.of_python.random()
        if not hasattr(self, "first"):
            self.first = x.detach().mean(0)
        noise = torch.randn(4, generator=self.of_torch) + self.of_numpy.standard_normal()
        at_all = self.calls + sum(self.seen) + self.shares["last"]
        return x - self.state - self.running + 0.1 * noise + 0.01 * at_all + self.first


class RegistersLate(nn.Module):
    """Makes its buffer from the first batch that it sees, drawing on the way."""

    @override
    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "centre"):
            self.register_buffer("centre", x.detach().mean(0) + 0.1 * torch.randn(4))
        return x - self.centre


class FrozenNorm(Classifier):
    """One BatchNorm is kept in eval mode while the rest trains."""

    @override
    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 0:
            self.net.get_submodule("1").eval()


class Logging(Classifier):
    """Logs from its forward."""

    @override
    def forward(self, x: Tensor) -> Any:
        if self._trainer is not None:
            self.log("size", float(len(x)), on_step=False, on_epoch=True, batch_size=len(x))
        return super().forward(x)


class Augmented(Dataset[Any]):
    """Adds noise from a global generator to each item."""

    def __init__(self, noise: Callable[[], float]) -> None:
        self.x, self.y = samples(40)
        self.noise = noise

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.1 * self.noise(), self.y[index]


def with_part(part: Callable[[], nn.Module], kind: type[Classifier] = Classifier) -> Classifier:
    """A small network with a hostile part in its middle."""
    return kind(nn.Sequential(nn.Linear(N_UNITS, 4), part(), nn.Tanh(), nn.Linear(4, 3)))


def normed_and_dropped() -> Classifier:
    """BatchNorm and dropout."""
    return with_part(lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3)))


def quantized() -> Classifier:
    """An observer of quantization: it sizes its buffers by the first batch, in eval mode too."""
    observer = MovingAveragePerChannelMinMaxObserver
    return with_part(lambda: FakeQuantize(observer, quant_min=0, quant_max=15, ch_axis=1))


def spectrally_normed() -> Classifier:
    """A power iteration at every call in training mode."""
    parametrized = nn.utils.parametrizations.spectral_norm
    return with_part(lambda: nn.Sequential(parametrized(nn.Linear(4, 4)), nn.Dropout(0.3)))


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
    "frozen_norm": (lambda: with_part(lambda: nn.BatchNorm1d(4), FrozenNorm), shuffled, {}),
    "mc_dropout": (lambda: with_part(Drawing), shuffled, {}),
    "rebound_buffer": (lambda: with_part(Rebinding), shuffled, {}),
    "counting_buffer": (lambda: with_part(Counting), shuffled, {}),
    "plain_attributes": (lambda: with_part(Remembering), shuffled, {}),
    "quantized": (quantized, shuffled, {"num_sanity_val_steps": 0}),
    "late_buffer": (lambda: with_part(RegistersLate), shuffled, {"num_sanity_val_steps": 0}),
    "spectral_norm": (spectrally_normed, shuffled, {}),
    "numpy_noise": (
        normed_and_dropped,
        lambda: DataLoader(Augmented(np.random.randn), 16, shuffle=True),
        {},
    ),
    "python_noise": (
        normed_and_dropped,
        lambda: DataLoader(Augmented(random.random), 16, shuffle=True),
        {},
    ),
    "persistent_worker": (
        normed_and_dropped,
        lambda: shuffled(num_workers=1, persistent_workers=True),
        {},
    ),
    "logging": (lambda: with_part(nn.Identity, Logging), shuffled, {}),
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


# The probes.


class ProbeError(Exception):
    """Raised inside the guard, and caught outside it."""


def rude(model: nn.Module) -> None:
    """All that one should not do: draw from every generator, shuffle, switch modes, run."""
    torch.rand(3), np.random.rand(3), random.random()
    model.train()
    for x, _ in DataLoader(TensorDataset(*PROBE), 8, shuffle=True):
        model(x)
    model.eval()
    model(PROBE[0])


@contextmanager
def naive(_trainer: Any, model: nn.Module) -> Iterator[None]:
    """What looks careful and is not: eval, no_grad, train."""
    model.eval()
    with torch.no_grad():
        yield
    model.train()


def forward_only(model: nn.Module) -> None:
    """One forward pass and nothing else."""
    model(PROBE[0])


class ProbesAt(pl.Callback):
    """Probes at one hook point, inside a guard; the probe may raise after all that it did."""

    def __init__(
        self,
        hook: str,
        inside: Callable[..., Any] = passing.guarded,
        data: Callable[[nn.Module], None] = rude,
        raises: bool = False,
    ) -> None:
        self.n_probes = 0

        def look(trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
            if trainer.sanity_checking:
                return
            self.n_probes += 1
            with suppress(ProbeError), inside(trainer, pl_module):
                data(pl_module)
                if raises:
                    raise ProbeError

        setattr(self, hook, look)


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
    ours = ("I_", "coverage", "chance", "status", "information_plane")
    return {
        "weights": {name: tensor.detach() for name, tensor in model.named_parameters()},
        "buffers": dict(model.named_buffers()),
        "gradients": {name: tensor.grad for name, tensor in model.named_parameters()},
        "optimizer": running.optimizers[0].state_dict()["state"],
        "logged": {
            f"{step} {name}": value
            for step, metrics in memory.logged
            for name, value in metrics.items()
            if not name.startswith(ours)
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


def moved(name: str, callback: ProbesAt) -> list[str]:
    """What a probe changes in the training of the model `name`."""
    found = differences(undisturbed(name), trace((SETUPS | SLOW)[name], [callback]))
    assert callback.n_probes
    return found


@pytest.mark.parametrize("raises", [False, True], ids=["works", "raises"])
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", SETUPS)
def test_a_rude_probe_inside_the_guard_changes_nothing(name: str, hook: str, raises: bool) -> None:
    """Weights, buffers, optimizer, logs, modes and random states are those of training alone."""
    assert moved(name, ProbesAt(hook, raises=raises)) == []


by_inductor = pytest.mark.filterwarnings(
    "ignore:.torch.jit:DeprecationWarning"  # which inductor uses itself
)


@pytest.mark.slow
@by_inductor
@pytest.mark.parametrize("raises", [False, True], ids=["works", "raises"])
@pytest.mark.parametrize("hook", HOOKS)
def test_a_rude_probe_leaves_an_inductor_model_as_it_is(hook: str, raises: bool) -> None:
    assert moved("inductor", ProbesAt(hook, raises=raises)) == []


def test_training_alone_repeats_itself() -> None:
    """The comparison is of equals: the same seed gives the same trace twice."""
    for name, setup in SETUPS.items():
        assert differences(undisturbed(name), trace(setup, [])) == [], name


def _touches_training(found: list[str]) -> bool:
    return any(at.startswith(("/weights", "/logged")) for at in found)


def test_the_same_probe_without_the_guard_is_noticed_everywhere() -> None:
    """The matrix has teeth: under eval, no_grad and train every cell differs, most in weights."""
    found = {
        (name, hook): moved(name, ProbesAt(hook, naive))
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
    assert _touches_training(moved(name, ProbesAt(hook, naive, forward_only)))


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
    found = differences(expected, trace(SETUPS[name], [ProbesAt(hook)]))
    assert any(at.startswith(where) for at in found)


def test_muting_the_log_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what the forward logs during the probe lands in the user's own metric."""
    expected = undisturbed("logging")
    monkeypatch.setattr(passing, "silenced", lambda *_: nullcontext())
    monkeypatch.setattr(passing, "_validating", lambda *_: nullcontext())  # logs elsewhere
    found = differences(expected, trace(SETUPS["logging"], [ProbesAt("on_train_batch_end")]))
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
    with suppress(ProbeError), guard.undisturbed(part):
        part(torch.ones(2, 4))
        raise ProbeError
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
    with suppress(ProbeError), guard.undisturbed(nn.Linear(2, 2)):
        assert not torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        torch.set_num_threads(before[1] + 1)
        torch.set_default_dtype(torch.float64)
        raise ProbeError
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


class Typed(Classifier):
    """Its loss is in the precision of its output."""

    @override
    def step(self, batch: Any) -> tuple[Tensor, Tensor]:
        logits = self(batch[0])
        return self.loss(logits, batch[1]), logits


def typed() -> Classifier:
    """BatchNorm and dropout in any precision."""
    return with_part(lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.3)), Typed)


def swa() -> list[pl.Callback]:
    """Copies the model in `setup`, and averages from the second epoch on."""
    return [StochasticWeightAveraging(swa_lrs=1e-2, swa_epoch_start=1)]


def ema() -> list[pl.Callback]:
    """Copies the model in `setup`, and swaps its weights in for validation."""
    return [EMAWeightAveraging(decay=0.9)]


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
    return trace((typed, shuffled, {}), others(), **options)


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("data", [None, "train"], ids=["listening", "probing"])
@pytest.mark.parametrize("regime", REGIMES)
def test_the_monitor_changes_nothing_in_any_regime(regime: str, data: Any, first: bool) -> None:
    """Half precision, accumulated gradients and averaged weights, before and after the others."""
    others, options = REGIMES[regime]
    plane = InformationPlaneMonitor(data=data)
    callbacks = [plane, *others()] if first else [*others(), plane]
    found = differences(regime_alone(regime), trace((typed, shuffled, {}), callbacks, **options))
    assert found == []
    assert {r.epoch for r in plane.history} >= set(
        range(data is None, options.get("max_epochs", 2))
    )


def test_the_monitor_probes_a_compiled_model_and_changes_nothing() -> None:
    plane = InformationPlaneMonitor(data="val")
    assert differences(undisturbed("compiled"), trace(SETUPS["compiled"], [plane])) == []
    assert {r.epoch for r in plane.history} == {0, 1, 2}


@pytest.mark.slow
@by_inductor
def test_the_monitor_probes_an_inductor_model_and_changes_nothing() -> None:
    plane = InformationPlaneMonitor(data="val")
    assert differences(undisturbed("inductor"), trace(SLOW["inductor"], [plane])) == []
    assert {r.epoch for r in plane.history} == {0, 1, 2}


def test_listening_to_a_compiled_model_is_refused_before_training() -> None:
    """A hook that comes and goes would compile it anew; the error says what to do."""
    model = compiled("aot_eager")
    running = trainer([InformationPlaneMonitor()])
    with pytest.raises(RuntimeError, match=r"data: .*compiled.*pass data='val'"):
        running.fit(model, shuffled(), shuffled())
    assert running.global_step == 0
