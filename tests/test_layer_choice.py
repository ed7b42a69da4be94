"""Which modules become layers: time-major ones, second names, forwards that cannot be heard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from it_callbacks.callbacks.arguments import check_arguments
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks.observation.layers import LayerChoice, Plan, plan, resolve
from it_callbacks.observation.listening import Firing, Listener
from it_callbacks.rulers import Calibrated, Uniform

from .models import Classifier, curve, fit, layer_names, loader, n_hooks

N = 6
"""Samples in a batch, and in most tests steps in a sequence."""


def plan_of(model: nn.Module, inputs: Tensor, layers: LayerChoice = None, n: int = N) -> Plan:
    """What is taken of `model` after one batch of `n` labels."""
    firings: list[Firing] = []
    choice = resolve(model, layers)
    listener = Listener(choice.modules, firings.append)
    listener.attach()
    listener.begin()
    with torch.no_grad():
        model(inputs)
    listener.end()
    listener.detach()
    assert n_hooks(model) == 0
    return plan(choice, firings, n)


def taken(found: Plan) -> list[str]:
    """The names of the layers, in order."""
    return [layer.name for layer in found.layers]


# Time-major outputs.


class Steps(nn.Module):
    """A recurrent module, a linear and an activation on each step, a read-out of the last one."""

    def __init__(self, recurrent: nn.Module, width: int = 5) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.project, self.act = nn.Linear(width, 4), nn.Tanh()
        self.head = nn.Linear(4, 3)

    @override
    def forward(self, x: Tensor) -> Any:
        steps = self.act(self.project(self.recurrent(x)[0]))
        return self.head(steps[:, -1] if self.recurrent.batch_first else steps[-1])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_steps_are_not_taken_for_samples_where_there_are_as_many(kind: Any) -> None:
    """What a time-major module feeds, by identity, is left out with a reason that says why."""
    found = plan_of(Steps(kind(2, 5)), torch.randn(N, N, 2))
    assert taken(found) == ["head"]
    assert found.skipped["recurrent"] == (
        "returns a tuple, not a tensor; "
        "pass layers={'recurrent': lambda out: out[0].transpose(0, 1)}"
    )
    for name in ("project", "act"):
        assert found.skipped[name] == (
            "returns shape (6, 6, 4) behind a time-major module, where rows are steps, not "
            f"samples; pass layers={{{name!r}: lambda out: out.transpose(0, 1)}}"
        )


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_samples_come_first_behind_a_recurrent_module_with_batch_first(kind: Any) -> None:
    found = plan_of(Steps(kind(2, 5, batch_first=True)), torch.randn(N, N, 2))
    assert taken(found) == ["act", "head"]
    assert found.skipped["recurrent"] == "returns a tuple, not a tensor"


def test_as_many_steps_as_samples_are_taken_where_nothing_says_which_is_which() -> None:
    """No time-major module has fed it: a linear on (n_samples, n_tokens, width), say."""
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    assert taken(plan_of(model, torch.randn(N, N, 2))) == ["1", "2"]


def test_what_one_row_per_step_is_reduced_to_is_taken() -> None:
    """A module of the user's that reads the last step gives (n_samples, width)."""

    class Last(nn.Module):
        @override
        def forward(self, steps: Any) -> Tensor:
            return steps[-1]  # type: ignore[no-any-return] # of a tensor, a tensor

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.last, self.head = nn.GRU(2, 5), Last(), nn.Linear(5, 3)

        @override
        def forward(self, x: Tensor) -> Any:
            return self.head(self.last(self.recurrent(x)[0]))

    assert taken(plan_of(Whole(), torch.randn(N, N, 2))) == ["last", "head"]


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_parts_of_a_time_major_encoder_are_known_to_be(
    batch_first: bool, norm_first: bool
) -> None:
    """Functional steps between them hide what feeds what; whose parts they are does not."""
    layer = nn.TransformerEncoderLayer(
        4, 2, 6, dropout=0.1, activation=nn.ReLU(), batch_first=batch_first, norm_first=norm_first
    )
    encoder = nn.TransformerEncoder(layer, 1, nn.LayerNorm(4), enable_nested_tensor=False)
    model = nn.Sequential(nn.Linear(2, 4), encoder, nn.Linear(4, 3))
    found = plan_of(model, torch.randn(N, N, 2))
    inside = [name for name in taken(found) if name.startswith("1.")]
    assert bool(inside) is batch_first
    assert ("2" in taken(found)) is batch_first
    assert "0" in taken(found)


@pytest.mark.parametrize(
    "layers", [["act"], {"act": lambda out: out.transpose(0, 1)}, {"recurrent": lambda out: out[0]}]
)
def test_what_the_user_names_stays(layers: Any) -> None:
    """They may know better, and the reason itself says what to pass."""
    found = plan_of(Steps(nn.LSTM(2, 5)), torch.randn(N, N, 2), layers)
    assert taken(found) == list(layers)
    assert found.skipped == {}


class Recurrent(Classifier):
    """Eight steps of one number through a time-major LSTM, eight samples a batch."""

    def __init__(self) -> None:
        super().__init__(Steps(nn.LSTM(1, 5)))

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x.T[..., None])


def test_a_monitor_leaves_steps_out_and_reads_them_as_the_reason_says() -> None:
    plane = InformationPlaneMonitor()
    fit([plane], Recurrent, val=loader(64, 8, seed=1), max_epochs=1)
    assert layer_names(plane) == ["net.head"]
    assert "time-major" in plane.settings["val"]["skipped"]["net.act"]
    picked = InformationPlaneMonitor({"net.act": lambda out: out.transpose(0, 1)})
    fit([picked], Recurrent, val=loader(64, 8, seed=1), max_epochs=1)
    assert layer_names(picked) == ["net.act"]


# Second names.


class TwoNames(Classifier):
    """One linear under a second name, and one network under another."""

    def __init__(self) -> None:
        super().__init__()
        self.zz, self.twin = self.net[0], self.net


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("zz", ["zz"]),
        (["zz", "net.4"], ["zz", "net.4"]),
        (["zz", "net.0"], ["net.0", "zz"]),
        ({"zz": lambda out: out[:, :1]}, ["zz"]),
        ("twin.4", ["twin.4"]),
        ("twin", ["twin"]),
        ("twin.[14]", ["twin.1", "twin.4"]),
        ("*.[04]", ["net.0", "net.4"]),
        (nn.Linear, ["net.0", "net.2", "net.4"]),
        ("torch.nn.Linear", ["net.0", "net.2", "net.4"]),
    ],
)
def test_a_shared_module_is_known_by_each_of_its_names(layers: Any, names: list[str]) -> None:
    """Tags have the name that was asked for; patterns and types take it once."""
    found = plan_of(TwoNames(), torch.randn(N, 8), layers)
    assert sorted(taken(found)) == sorted(names)


def test_a_second_name_gives_the_numbers_of_the_first() -> None:
    planes = {name: InformationPlaneMonitor(name) for name in ("zz", "net.0")}
    for plane in planes.values():
        fit([plane], TwoNames)
    assert layer_names(planes["zz"]) == ["zz"]
    numbers = curve(planes["zz"], "information_plane/val/I_XT/zz")
    assert len(numbers) == 2
    assert numbers == curve(planes["net.0"], "information_plane/val/I_XT/net.0")


def test_a_name_that_no_module_has_is_refused_with_the_nearest() -> None:
    message = r"layers: no module named 'twin\.9'\. Did you mean 'twin\.\d'\? The model has 'net',"
    with pytest.raises(ValueError, match=message):
        resolve(TwoNames(), "twin.9")


# Forwards that cannot be heard.


class CompiledForward(Classifier):
    """The network's forward is compiled, not the network."""

    def __init__(self) -> None:
        super().__init__()
        self._f: Callable[[Tensor], Tensor] = torch.compile(self.net.forward, backend="eager")

    @override
    def forward(self, x: Tensor) -> Any:
        return self._f(x)


class Functional(Classifier):
    """Weights are used directly."""

    @override
    def forward(self, x: Tensor) -> Any:
        hidden = torch.tanh(nn.functional.linear(x, self.net[0].weight))
        return nn.functional.linear(hidden, self.net[2].weight)


def _compiled_before() -> CompiledForward:
    """Compiled before our hooks come, which it then never calls."""
    model = CompiledForward()
    model.eval()
    with torch.no_grad():
        model(torch.randn(25, 8))
    return model


@pytest.mark.parametrize("make", [_compiled_before, Functional])
def test_a_forward_that_cannot_be_heard_is_said_to_be_so(make: Callable[[], Classifier]) -> None:
    """To name its modules, as is told elsewhere, could not help."""
    message = r"no module was called .*compiled or functional forward.*data='val'"
    with pytest.raises(ValueError, match=message) as caught:
        plan_of(make(), torch.randn(25, 8), n=25)
    assert "name them" not in str(caught.value)


def test_a_probe_hears_a_compiled_forward() -> None:
    """As the message says."""
    plane = InformationPlaneMonitor(data="val")
    fit([plane], CompiledForward, max_epochs=1)
    assert layer_names(plane) == ["net.1", "net.3", "net.4"]


# NumPy's whole numbers.

SHARED: dict[str, Any] = {
    "data": None,
    "schedule": 1,
    "max_samples": None,
    "on_error": "warn",
    "name": None,
    "seed": 0,
}
"""Arguments that have a meaning."""


def test_numpys_integers_are_numbers_of_bins() -> None:
    """Rulers keep plain ones: they print, compare and are told as such."""
    for ruler in (Uniform(np.int64(30), 0, 1), Calibrated(np.int64(30))):
        assert type(ruler.bins) is int
        assert "bins=30" in repr(ruler)
    plane, plain = InformationPlaneMonitor(bins=np.int64(30)), InformationPlaneMonitor(bins=30)
    fit([plane], max_epochs=1)
    fit([plain], max_epochs=1)
    assert curve(plane, "information_plane/val/I_XT/net.0") == curve(
        plain, "information_plane/val/I_XT/net.0"
    )
    assert plane.settings == plain.settings


@pytest.mark.parametrize(
    ("argument", "value"),
    [("seed", np.int64(0)), ("seed", np.uint8(3)), ("max_samples", np.int32(2))],
)
def test_numpys_integers_are_seeds_and_numbers_of_samples(argument: str, value: Any) -> None:
    check_arguments(**{**SHARED, argument: value})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("seed", np.int64(-1)),
        ("seed", np.float64(3.0)),
        ("seed", np.bool_(True)),
        ("seed", True),
        ("max_samples", np.int64(1)),
        ("max_samples", np.float64(50.0)),
        ("max_samples", False),
    ],
)
def test_numpys_other_numbers_are_refused(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{argument}: need a whole number >= "):
        check_arguments(**{**SHARED, argument: value})


def test_numpys_integers_do_not_reach_what_is_stored() -> None:
    plane = InformationPlaneMonitor(seed=np.int64(3), max_samples=np.int64(50))
    fit([plane], max_epochs=1)
    assert plane.state_dict()
    assert json.dumps(plane.settings)
