"""Listening changes nothing: weights, learning rates and every logged value, byte for byte.

Beside each set-up that may notice a hook: fused kernels, half precision, compiled and scripted
parts, transforms, threads.
"""

from __future__ import annotations

import copy
import pickle
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.modules import module as of_the_process
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor, PredictionEntropyMonitor
from it_callbacks.observation.listening import MOST_COPIED, ROOT, Firing, Listener
from it_callbacks.reductions import Joint
from it_callbacks.rulers import Uniform

from .toys import (
    MLP,
    N_CLASSES,
    N_UNITS,
    Checkpointed,
    Classifier,
    CompiledForward,
    all_three,
    curve,
    fit,
    layer_names,
    loader,
    mlp,
    n_hooks,
    samples,
    trainer,
    values,
)
from .warned import warned

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning"),
    pytest.mark.filterwarnings("ignore:Found . module.s. in eval mode:UserWarning"),
]


def n_hooks_of_the_process() -> int:
    """Hooks that torch calls for every module."""
    kinds = [name for name in vars(of_the_process) if re.match("_global_.*(for|back)ward", name)]
    assert len(kinds) >= 6
    return max(len(getattr(of_the_process, kind) or ()) for kind in kinds)


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    assert n_hooks_of_the_process() == 0
    yield
    assert n_hooks_of_the_process() == 0


# What a fit leaves.


@dataclass
class Trace(pl.Callback):
    """Everything that a user would notice of a training, after each validation and at its end."""

    seen: list[dict[str, Any]] = field(default_factory=list)
    n_heard: int = 0

    def __hash__(self) -> int:
        return id(self)

    def _take(self, running: pl.Trainer, model: pl.LightningModule) -> None:
        logged = {k: v for k, v in running.callback_metrics.items() if k.startswith("user_")}
        rates = [
            group["lr"] for optimizer in running.optimizers for group in optimizer.param_groups
        ]
        state = {k: v.clone() for k, v in model.state_dict().items() if isinstance(v, Tensor)}
        self.seen.append({**state, **logged, "rates": torch.tensor(rates, dtype=torch.float64)})

    @override
    def on_validation_end(self, running: pl.Trainer, model: pl.LightningModule) -> None:
        self._take(running, model)

    @override
    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        assert n_hooks_of_the_process() == 0

    @override
    def on_train_end(self, running: pl.Trainer, model: pl.LightningModule) -> None:
        self._take(running, model)


def differences(left: Trace, right: Trace) -> list[str]:
    """What of two traces is not the same, bit for bit."""
    assert len(left.seen) == len(right.seen) > 1
    found = []
    for number, (one, other) in enumerate(zip(left.seen, right.seen, strict=True)):
        assert any(name.startswith("user_") for name in one)
        found += [f"{number} {name}" for name in one.keys() ^ other.keys()]
        for name in one.keys() & other.keys():
            same = torch.equal(one[name].view(-1).cpu(), other[name].view(-1).cpu())
            same = same and one[name].dtype == other[name].dtype
            found += [] if same else [f"{number} {name}"]
    return found


class Plateau(Classifier):
    """Halves its learning rate where the validation loss has not fallen."""

    def __init__(self, net: nn.Module | None = None, lr: float = 3e-3) -> None:
        super().__init__(net, lr)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        loss, logits = self.step(batch)
        self.log("user_loss", loss, batch_size=len(logits))
        self.log("user_mean", logits.float().mean(), batch_size=len(logits))

    @override
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "monitor": "user_loss"},
        }


class Encoder(nn.Module):
    """A linear, a transformer's encoder with its fused path, a read-out of the mean step."""

    def __init__(self, *, norm_first: bool = False, padded: bool = False, width: int = 32) -> None:
        super().__init__()
        self.project = nn.Linear(1, width)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.1, batch_first=True, norm_first=norm_first
        )
        with warnings.catch_warnings():  # that norm_first has no nested tensors
            warnings.simplefilter("ignore", UserWarning)
            self.encode = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(width, N_CLASSES)
        self.padded = padded

    @override
    def forward(self, x: Tensor) -> Tensor:
        mask = None
        if self.padded:  # one to eight true steps
            lengths = 1 + (x.abs().sum(1) * 100).long() % N_UNITS
            lengths[0] = N_UNITS
            mask = torch.arange(N_UNITS, device=x.device)[None] >= lengths[:, None]
        steps = self.encode(self.project(x[..., None]), src_key_padding_mask=mask)
        if mask is not None:
            steps = steps.masked_fill(mask[..., None], 0)
        return self.head(steps.mean(1))  # type: ignore[no-any-return] # a tensor


class Attention(nn.Module):
    """Attention of the module's own, which has a fused path, too."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.head = nn.Linear(1, 8), nn.Linear(8, N_CLASSES)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

    @override
    def forward(self, x: Tensor) -> Tensor:
        steps = self.project(x[..., None])
        mixed, _ = self.attend(steps, steps, steps, need_weights=False)
        return self.head(mixed.mean(1))  # type: ignore[no-any-return] # a tensor


def with_frozen_part(part: Callable[[nn.Module], nn.Module]) -> Plateau:
    """A body that was made into something else, before a head that trains."""
    torch.manual_seed(3)
    body = nn.Sequential(nn.Linear(N_UNITS, 4), nn.Tanh()).eval()
    return Plateau(nn.Sequential(part(body), nn.Linear(4, N_CLASSES)))


def quantised(body: nn.Module) -> nn.Module:
    """Linear layers of 8-bit weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(body, {nn.Linear}, torch.qint8)


class Replaces(Plateau):
    """A hook of the user's replaces what its first layer gives."""

    def __init__(self) -> None:
        super().__init__()
        self.net[1].register_forward_hook(lambda _module, _args, output: output.sign())


class Thrice(Plateau):
    """Runs its network in a transform and in another thread before each validation step."""

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        x, _ = batch
        torch.func.vmap(self.net)(x[:3])
        torch.func.jacrev(self.net)(x[0])
        other = threading.Thread(target=lambda: self.net(x[:5]))
        other.start()
        other.join()
        torch.jit.trace(self.net, x[:2], check_trace=False)
        super().validation_step(batch, batch_idx)


class Saliency(Checkpointed, Plateau):
    """Goes back through a checkpointed body in its validation step."""

    def __init__(self) -> None:
        Plateau.__init__(self)
        self.use_reentrant = False

    @override
    def forward(self, x: Tensor) -> Any:
        hidden = checkpoint(self.net[:4], x, use_reentrant=False)
        return self.net[4](hidden)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        with torch.enable_grad():
            self.step(batch)[0].backward()
        self.zero_grad()
        super().validation_step(batch, batch_idx)


class Ships(Plateau):
    """Exports, scripts, copies and pickles its network while it trains."""

    @override
    def on_validation_batch_end(self, *_: Any) -> None:
        pickle.loads(pickle.dumps(copy.deepcopy(self.net)))

    @override
    def on_validation_epoch_end(self) -> None:
        net = copy.deepcopy(self.net).eval()
        torch.jit.script(net)
        torch.export.export(net, (samples(3)[0],), strict=True)


class CompilesInTheSanityCheck(Plateau):
    """Is compiled after the monitors were set up."""

    @override
    def on_validation_start(self) -> None:
        if self.trainer.sanity_checking:
            self.net.compile(backend="eager")


def compiled(backend: str = "eager") -> Plateau:
    """Its network is compiled in place."""
    model = Plateau()
    model.net.compile(backend=backend)
    return model


def compiled_wrapper() -> Plateau:
    """Its network is wrapped by what compiles it."""
    model = Plateau()
    model.net = torch.compile(model.net, backend="eager")  # type: ignore[assignment] # a module
    return model


class CompiledFunction(CompiledForward, Plateau):
    """Holds a compiled function."""


SETUPS: dict[str, tuple[Callable[[], pl.LightningModule], dict[str, Any]]] = {
    "fp32": (Plateau, {}),
    "bf16-mixed": (Plateau, {"precision": "bf16-mixed"}),
    "bf16-true": (Plateau, {"precision": "bf16-true"}),
    "encoder": (lambda: Plateau(Encoder()), {}),
    "encoder, bf16-mixed": (lambda: Plateau(Encoder()), {"precision": "bf16-mixed"}),
    "encoder, bf16-mixed, no sanity check": (
        lambda: Plateau(Encoder()),
        {"precision": "bf16-mixed", "num_sanity_val_steps": 0},
    ),
    "encoder, bf16-true": (lambda: Plateau(Encoder()), {"precision": "bf16-true"}),
    "encoder, norm first": (lambda: Plateau(Encoder(norm_first=True)), {}),
    "encoder, norm first, bf16-mixed": (
        lambda: Plateau(Encoder(norm_first=True)),
        {"precision": "bf16-mixed"},
    ),
    "encoder, padded": (lambda: Plateau(Encoder(padded=True)), {}),
    "encoder, padded, no sanity check": (
        lambda: Plateau(Encoder(padded=True)),
        {"num_sanity_val_steps": 0},
    ),
    "encoder, padded, norm first": (lambda: Plateau(Encoder(padded=True, norm_first=True)), {}),
    "encoder, padded, norm first, bf16-mixed": (
        lambda: Plateau(Encoder(padded=True, norm_first=True)),
        {"precision": "bf16-mixed"},
    ),
    "attention": (lambda: Plateau(Attention()), {}),
    "attention, bf16-mixed": (lambda: Plateau(Attention()), {"precision": "bf16-mixed"}),
    "quantised": (lambda: with_frozen_part(quantised), {}),
    "scripted": (lambda: with_frozen_part(torch.jit.script), {}),
    "traced": (
        lambda: with_frozen_part(lambda body: torch.jit.trace(body, samples(2)[0])),
        {},
    ),
    "replaced by a hook": (Replaces, {}),
    "transforms, threads, a trace": (Thrice, {}),
    "checkpointed": (Saliency, {"inference_mode": False}),
    "exported, scripted, copied": (Ships, {}),
}

COMPILED: dict[str, tuple[Callable[[], pl.LightningModule], dict[str, Any]]] = {
    "in place": (compiled, {}),
    "wrapped": (compiled_wrapper, {}),
    "a function": (CompiledFunction, {}),
    "in the sanity check": (CompilesInTheSanityCheck, {}),
    "by aot_eager": (partial(compiled, "aot_eager"), {}),
}


def trained(
    make: Callable[[], pl.LightningModule], monitors: list[Any], options: dict[str, Any]
) -> Trace:
    """What a training leaves."""
    trace = Trace()
    torch._dynamo.reset()
    model, _ = fit([*monitors, trace], make, max_epochs=4, **options)
    assert n_hooks(model) == n_hooks(make())
    return trace


@cache
def alone(name: str) -> Trace:
    """What the training of a set-up leaves without monitors."""
    make, options = (SETUPS | COMPILED)[name]
    return trained(make, [], options)


@pytest.mark.parametrize("name", SETUPS)
def test_listening_changes_no_byte(name: str) -> None:
    make, options = SETUPS[name]
    monitors = all_three()
    assert differences(trained(make, monitors, options), alone(name)) == []
    assert all(monitor.history for monitor in monitors)


@pytest.mark.parametrize("name", COMPILED)
def test_listening_to_a_model_with_compiled_parts_changes_no_byte(name: str) -> None:
    """Nor does torch warn of a hook, which would end a run that takes warnings for errors."""
    make, options = COMPILED[name]
    monitors = all_three()
    with warned(), warnings.catch_warnings():
        warnings.filterwarnings("error", ".*global hooks.*")
        assert differences(trained(make, monitors, options), alone(name)) == []
    assert monitors[0].history  # of the model's own forward, which runs eagerly


@pytest.mark.parametrize("kind", [PredictionEntropyMonitor, InformationPlaneMonitor])
def test_each_monitor_alone_changes_no_byte_of_an_encoder(kind: type[Any]) -> None:
    name = "encoder, bf16-mixed, no sanity check"
    make, options = SETUPS[name]
    assert differences(trained(make, [kind()], options), alone(name)) == []


def test_torch_itself_refuses_a_padded_encoder_in_mixed_precision() -> None:
    """With monitors as without: they do not mend it either."""
    make = partial(Plateau, Encoder(padded=True))
    for monitors in ([], all_three()):
        with pytest.raises(RuntimeError, match="expected scalar type"):
            fit(monitors, make, precision="bf16-mixed")


# What is heard.


def test_the_layers_of_an_encoder_are_read_padded_to_the_length_of_its_input() -> None:
    """On the fused path they are nested tensors, of the longest sequence of a batch."""
    seen: list[Tensor] = []
    plane = InformationPlaneMonitor(
        {"net.encode.layers.*": lambda out: seen.append(out) or out.flatten(1)},
        bins=Uniform(4, -3, 3),
    )
    fit([plane], lambda: Plateau(Encoder(padded=True)), max_epochs=1)
    assert layer_names(plane) == ["net.encode.layers.0", "net.encode.layers.1"]
    assert {out.shape[1:] for out in seen} == {(N_UNITS, 32)}
    assert any((out == 0).all(-1).any() for out in seen)


def test_nested_outputs_outside_an_encoder_keep_their_own_length() -> None:
    """A shorter encoder that comes later says nothing of them, and ends nothing."""

    class Nested(Plateau):
        def __init__(self) -> None:
            super().__init__(Encoder())
            self.before = nn.Linear(1, 1)

        @override
        def forward(self, x: Tensor) -> Any:
            rows = [row[: 1 + n % N_UNITS, None] for n, row in enumerate(x)]
            steps = self.before(torch.nested.nested_tensor(rows))
            padded = torch.nested.to_padded_tensor(steps, 0.0, (len(x), N_UNITS, 1))
            return self.net.head(self.net.encode(self.net.project(padded)[:, :3]).mean(1))

        @override
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self.net(batch[0]).square().mean()  # type: ignore[no-any-return] # a tensor

    monitors = all_three()
    alone, watched = (trained(Nested, each, {}) for each in ([], monitors))
    assert differences(watched, alone) == []
    assert monitors[0].history


def test_what_a_hook_of_the_user_puts_in_is_what_is_read() -> None:
    """The next layer gets signs: two values for each of four units."""
    plane = InformationPlaneMonitor("net.1", bins=Uniform(2, -1, 1))
    fit([plane], Replaces, max_epochs=1)
    exact = InformationPlaneMonitor("net.1", bins=Uniform(30, -1, 1))
    fit([exact], Replaces, max_epochs=1)
    assert curve(plane, "information_plane/val/I_XT/net.1") == curve(
        exact, "information_plane/val/I_XT/net.1"
    )


def test_calls_that_are_none_of_the_step_are_not_counted() -> None:
    """In transforms, in another thread and in a trace; the numbers are those of a plain step."""
    odd, plain = all_three(), all_three()
    fit(odd, Thrice, max_epochs=1)
    fit(plain, Plateau, max_epochs=1)
    assert layer_names(odd[2]) == MLP
    for one, other in zip(odd, plain, strict=True):
        assert values(one) == pytest.approx(values(other), nan_ok=True)


def test_of_a_partly_compiled_model_the_rest_is_heard() -> None:
    model = Plateau(nn.Sequential(mlp(), nn.Linear(3, 3)))
    model.net[0].compile(backend="eager")
    monitors = all_three()
    with warned() as given:
        fit(monitors, model, max_epochs=1)
    assert layer_names(monitors[2]) == ["net.1"]
    assert monitors[2].settings["val"]["skipped"]["net.0.0"] == "is compiled"
    (warning,) = given.of("silent")
    assert "data='val'" in warning.text


def test_a_layer_inside_a_fused_one_is_read_from_a_fixed_set_only() -> None:
    listening = InformationPlaneMonitor(["net.encode.layers.0.linear1", "net.head"])
    fixed = InformationPlaneMonitor("net.encode.layers.0.linear1", data="val", name="fixed")
    with warned() as given:
        fit([listening, fixed], lambda: Plateau(Encoder()), max_epochs=1)
    (warning,) = given.of("silent")
    assert "data='val'" in warning.text
    assert layer_names(listening) == ["net.head"]
    assert layer_names(fixed, "fixed") == ["net.encode.layers.0.linear1"]
    assert torch.backends.mha.get_fastpath_enabled()


def test_two_trainers_in_two_threads_do_not_hear_each_other() -> None:
    """Each monitor has the numbers of its own model."""

    def run(monitors: list[Any], seed: int) -> None:
        torch_model = models[seed]
        trainer(monitors, max_epochs=1).fit(torch_model, loader(), loader(105, seed=1))

    models = {}
    for seed in (1, 2):
        torch.manual_seed(seed)
        models[seed] = Plateau()
    apart = {seed: copy.deepcopy(model) for seed, model in models.items()}
    together = {seed: all_three() for seed in models}
    threads = [threading.Thread(target=run, args=(together[seed], seed)) for seed in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    models.update(apart)
    for seed in apart:
        monitors = all_three()
        run(monitors, seed)
        for one, other in zip(together[seed], monitors, strict=True):
            assert values(one) == pytest.approx(values(other), nan_ok=True)


# The listener alone.


def fired(model: nn.Module, run: Callable[[], Any], *, eager: bool = False) -> list[str]:
    """The modules that a listener hears while something runs."""
    heard: list[Firing] = []
    modules = {ROOT: model, **{name: part for name, part in model.named_modules() if name}}
    listener = Listener(modules, heard.append)
    listener.attach(model, modules, eager=eager)
    listener.begin()
    run()
    listener.end()
    run()
    listener.detach()
    assert listener.error is None
    return [firing.name for firing in heard]


def test_a_listener_hears_calls_in_the_order_of_their_ends() -> None:
    net, (x, _) = mlp(), samples(3)
    assert fired(net, lambda: net(x)) == ["0", "1", "2", "3", "4", ROOT]


@pytest.mark.parametrize(
    "odd",
    [
        lambda net, x: torch.func.vmap(net)(x),
        lambda net, x: torch.func.jacrev(net)(x),
        lambda net, x: torch.jit.trace(net, x, check_trace=False),
        lambda net, x: torch.export.export(net, (x,), strict=False),
        lambda net, x: copy.deepcopy(net)(x),
        lambda net, x: pickle.loads(pickle.dumps(net))(x),
        lambda net, x: torch.compile(copy.deepcopy(net), backend="eager"),
    ],
)
def test_a_listener_hears_plain_calls_only(odd: Callable[[nn.Module, Tensor], Any]) -> None:
    net, (x, _) = mlp(), samples(3)
    assert fired(net, lambda: odd(net, x)) == []


def test_a_fake_tensor_is_not_read() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    net, (x, _) = mlp(), samples(3)

    def run() -> None:
        with FakeTensorMode(allow_non_fake_inputs=True):
            net(x)

    assert fired(net, run) == []


def test_the_receiver_works_in_full_precision_and_its_error_stays_with_the_listener() -> None:
    net, (x, _) = nn.Linear(N_UNITS, 4), samples(3)
    kinds: list[torch.dtype] = []

    def receive(firing: Firing) -> None:
        kinds.append((x @ x.T).dtype)
        raise ArithmeticError("ours")

    listener = Listener({ROOT: net}, receive)
    listener.attach(net, {ROOT: net}, eager=False)
    listener.begin()
    with torch.autocast("cpu", torch.bfloat16):
        net(x)
        net(x)
        listener.end()
    assert kinds == [torch.float32]
    assert isinstance(listener.error, ArithmeticError)
    listener.detach()


def heard_with_copies(net: nn.Module, *batches: Tensor) -> tuple[list[Firing], list[int]]:
    """What a listener that copies receives of `net`, and how much of it before each batch ended."""
    named = dict(net.named_modules())
    heard, n_before = list[Firing](), []
    listener = Listener(named, heard.append)
    listener.attach(net, named, eager=False)
    for batch in batches:
        listener.begin(copies=True)
        net(batch)
        n_before.append(len(heard))
        listener.end()
        assert listener.error is None
    listener.detach()
    return heard, n_before


def test_a_copy_is_of_what_the_module_returned_whatever_comes_after_it() -> None:
    net, (x, _) = nn.Sequential(nn.Linear(N_UNITS, 4), nn.ReLU(inplace=True)), samples(5)
    with torch.no_grad():
        before = x @ net[0].weight.T + net[0].bias
    heard, n_before = heard_with_copies(net, x, x)
    assert n_before == [0, 3]
    assert [firing.name for firing in heard] == ["0", "1", ROOT] * 2
    assert all(firing.is_copy and not firing.inputs for firing in heard)
    for linear, relu in (heard[0:2], heard[3:5]):
        torch.testing.assert_close(linear.output, before)
        torch.testing.assert_close(relu.output, before.clamp(min=0))
        assert not linear.output.requires_grad


def test_large_outputs_and_those_of_several_parts_are_received_in_the_hook() -> None:
    wide = nn.Linear(1, MOST_COPIED // 8 + 1)
    net = nn.Sequential(wide, nn.Linear(MOST_COPIED // 8 + 1, 2), nn.RNN(2, 3))
    heard, n_before = heard_with_copies(net, torch.zeros(8, 1))
    assert [firing.name for firing in heard] == ["0", "2", ROOT, "1"]
    assert n_before == [3]
    assert [firing.is_copy for firing in heard] == [False, False, False, True]


def test_calls_of_a_module_are_counted_through_whether_they_are_copied_or_not() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.Tanh()

        @override
        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.act(x).repeat(MOST_COPIED, 1)).sum() + self.act(x)

    heard, _ = heard_with_copies(Twice(), torch.zeros(1, 2))
    assert [(firing.name, firing.call) for firing in heard] == [
        *(("act", 2), ("act", 1)),
        *(("act", 3), (ROOT, 1)),
    ]


def test_listeners_of_one_module_share_a_copy_and_keep_none_of_a_batch_cut_off() -> None:
    net, (x, _) = nn.Linear(N_UNITS, 4), samples(3)
    heard = list[Firing]()
    listeners = [Listener({ROOT: net}, heard.append) for _ in range(2)]
    for listener in listeners:
        listener.attach(net, {ROOT: net}, eager=False)
        listener.begin(copies=True)
    net(x)
    for listener in listeners:
        listener.end()
    assert heard[0].output is heard[1].output
    heard.clear()
    for listener in listeners:
        listener.begin(copies=True)
    net(x)
    for listener in listeners:
        listener.detach()  # as after an exception
        listener.end()
    assert heard == []


def test_what_cannot_be_copied_costs_the_listener_and_not_the_forward() -> None:
    class Uncopied(Tensor):
        @override
        def clone(self, *_: Any, **__: Any) -> Any:
            raise MemoryError("no room")

    net = nn.Identity()
    listener = Listener({ROOT: net}, lambda firing: None)
    listener.attach(net, {ROOT: net}, eager=False)
    listener.begin(copies=True)
    given = torch.zeros(2, 2).as_subclass(Uncopied)
    assert net(given) is given
    listener.end()
    assert isinstance(listener.error, MemoryError)
    listener.detach()


@dataclass(frozen=True)
class Watched(Joint):
    """Notes in which precision it is called."""

    seen: set[tuple[bool, torch.dtype]] = field(default_factory=set, compare=False)

    @override
    def __call__(self, activations: Tensor) -> Tensor:
        self.seen.add((torch.is_autocast_enabled("cpu"), torch.get_default_dtype()))
        return super().__call__(activations)


@pytest.mark.parametrize("data", [None, "val"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_our_arithmetic_is_not_in_the_models_half_precision(precision: Any, data: Any) -> None:
    reduction = Watched()
    plane = InformationPlaneMonitor(reduce=reduction, data=data)
    fit([plane], Plateau, max_epochs=1, precision=precision)
    assert reduction.seen == {(False, torch.float32)}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("loop", ["fit", "validate", "test"])
def test_no_hook_of_the_process_is_left_after_an_exception(
    loop: str, error: type[BaseException]
) -> None:
    """The fixture around this test looks."""

    class Ends(Classifier):
        @override
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self(batch[0])
            assert n_hooks_of_the_process() == 1
            raise error

        test_step = validation_step

    running = trainer(all_three())
    arguments = [loader(), loader(105, seed=1)] if loop == "fit" else [loader(105, seed=1)]
    with pytest.raises((error, SystemExit)):
        getattr(running, loop)(Ends(), *arguments)
