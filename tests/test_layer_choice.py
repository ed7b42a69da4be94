"""Layers that take some thought: time-major ones, second names, forwards that cannot be heard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor
from it_callbacks.rulers import Calibrated, Uniform

from .toys import (
    MLP,
    Classifier,
    CompiledForward,
    EightSteps,
    Functional,
    Steps,
    TwoNames,
    curve,
    fit,
    layer_names,
    loader,
    n_hooks,
    samples,
    trainer,
    values,
)
from .warned import warned

N = 6
"""Samples in a batch, and in most tests steps in a sequence."""


class Fed(Classifier):
    """A network that is fed with sequences of two numbers, whatever the batch holds."""

    @override
    def forward(self, x: Tensor) -> Any:
        sequences = torch.randn(len(x), N, 2, generator=torch.Generator().manual_seed(0))
        return self.net(sequences)

    @override
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])


def plane_of(model: Classifier, layers: Any = None, **options: Any) -> InformationPlaneMonitor:
    """A monitor that has seen two validation batches of `N` samples."""
    plane = InformationPlaneMonitor(layers)
    trainer([plane], **options).validate(model, loader(2 * N, N), verbose=False)
    assert n_hooks(model) == 0
    return plane


def skipped(plane: InformationPlaneMonitor) -> dict[str, str]:
    """What is left out, and why."""
    return dict(plane.settings["val"]["skipped"])


# Time-major outputs.


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_steps_are_not_taken_for_samples_where_there_are_as_many(kind: Any) -> None:
    """What a time-major module feeds, by identity, is left out with a reason that says why."""
    with warned() as given:
        plane = plane_of(Fed(Steps(kind(2, 5))))
    (warning,) = given.of("not rows")
    assert "3 of 4 layers" in warning.text
    assert layer_names(plane) == ["net.head"]
    assert skipped(plane)["net.recurrent"] == (
        "returns shape (6, 6, 5) behind a time-major module, where rows are steps, not samples; "
        "pass layers={'net.recurrent': lambda out: out[0].transpose(0, 1)}"
    )
    for name in ("net.project", "net.act"):
        assert skipped(plane)[name] == (
            "returns shape (6, 6, 4) behind a time-major module, where rows are steps, not "
            f"samples; pass layers={{{name!r}: lambda out: out.transpose(0, 1)}}"
        )


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_samples_come_first_behind_a_recurrent_module_with_batch_first(kind: Any) -> None:
    plane = plane_of(Fed(Steps(kind(2, 5, batch_first=True))))
    assert layer_names(plane) == ["net.recurrent", "net.act", "net.head"]


def test_as_many_steps_as_samples_are_taken_where_nothing_says_which_is_which() -> None:
    """No time-major module has fed it: a linear on (n_samples, n_tokens, width), say."""
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    assert layer_names(plane_of(Fed(net))) == ["net.1", "net.2"]


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

    assert layer_names(plane_of(Fed(Whole()))) == ["net.last", "net.head"]


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_layers_of_a_time_major_encoder_are_known_to_be(
    batch_first: bool, norm_first: bool
) -> None:
    """Functional steps between them hide what feeds what; whose parts they are does not."""
    layer = nn.TransformerEncoderLayer(
        4, 2, 6, dropout=0.1, activation=nn.ReLU(), batch_first=batch_first, norm_first=norm_first
    )
    encoder = nn.TransformerEncoder(layer, 1, nn.LayerNorm(4), enable_nested_tensor=False)
    with warned() as given:
        plane = plane_of(Fed(nn.Sequential(nn.Linear(2, 4), encoder, nn.Linear(4, 3))))
    names = layer_names(plane)
    assert len(given.of("not rows")) == (not batch_first)
    assert names == ["net.0", *(["net.1.layers.0", "net.2"] if batch_first else [])]


@pytest.mark.parametrize(
    "layers",
    [
        ["net.act"],
        {"net.act": lambda out: out.transpose(0, 1)},
        {"net.recurrent": lambda out: out[0]},
    ],
)
def test_what_the_user_names_stays(layers: Any) -> None:
    """They may know better, and the reason itself says what to pass."""
    plane = plane_of(Fed(Steps(nn.LSTM(2, 5))), layers)
    assert layer_names(plane) == list(layers)
    assert skipped(plane) == {}


def test_a_monitor_leaves_steps_out_and_reads_them_as_the_reason_says() -> None:
    """Eight steps of eight samples."""
    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([plane], EightSteps, val=loader(64, 8, seed=1), max_epochs=1)
    assert len(given.of("not rows")) == 1
    assert layer_names(plane) == ["net.head"]
    assert "time-major" in skipped(plane)["net.act"]
    picked = InformationPlaneMonitor({"net.act": lambda out: out.transpose(0, 1)})
    fit([picked], EightSteps, val=loader(64, 8, seed=1), max_epochs=1)
    assert layer_names(picked) == ["net.act"]


def test_a_recurrent_layer_of_steps_that_is_named_needs_a_function() -> None:
    with warned() as given:
        plane = plane_of(Fed(Steps(nn.LSTM(2, 5))), ["net.recurrent"])
    (warning,) = given.of("skipped")
    assert "'net.recurrent' are steps" in warning.text
    assert "out[0].transpose" in warning.text
    assert plane.history == []


# Second names.


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
    assert sorted(layer_names(plane_of(TwoNames(), layers))) == sorted(names)


def test_a_second_name_gives_the_numbers_of_the_first() -> None:
    of_second, of_first = (plane_of(TwoNames(), name) for name in ("zz", "net.0"))
    tag = "information_plane/val/I_XT"
    assert curve(of_second, f"{tag}/zz") == curve(of_first, f"{tag}/net.0")
    assert len(curve(of_second, f"{tag}/zz")) == 1


def test_a_name_that_no_module_has_is_refused_with_the_nearest() -> None:
    message = r"layers: no module named 'twin\.9'\. Did you mean 'twin\.\d'\? The model has 'net',"
    with pytest.raises(ValueError, match=message):
        plane_of(TwoNames(), "twin.9")


# Forwards that cannot be heard.


def _compiled_before() -> CompiledForward:
    """Compiled before our hooks come, which it then never calls."""
    model = CompiledForward()
    model.eval()
    with torch.no_grad():
        model(samples(N)[0])
    return model


@pytest.mark.parametrize("make", [_compiled_before, Functional])
def test_a_forward_that_cannot_be_heard_is_said_to_be_so(make: Callable[[], Classifier]) -> None:
    """To name its modules, as other messages advise, could not help."""
    with warned() as given:
        plane_of(make(), inference_mode=False)
    (warning,) = given.of("skipped")
    message = r"no such module was called .*data='val'.*functional"
    assert re.search(message, warning.text)
    assert "name them" not in warning.text


def test_a_fixed_set_is_heard_through_a_compiled_forward() -> None:
    """As the message says."""
    plane = InformationPlaneMonitor(data="val")
    fit([plane], CompiledForward, max_epochs=1)
    assert layer_names(plane) == MLP


# NumPy's whole numbers.


def test_numpys_integers_are_numbers_of_bins() -> None:
    """Rulers keep plain ones: they print and compare as such."""
    for ruler in (Uniform(np.int64(30), 0, 1), Calibrated(np.int64(30))):
        assert type(ruler.bins) is int
        assert "bins=30" in repr(ruler)
    torch.manual_seed(0)
    model, planes = Classifier(), [InformationPlaneMonitor(bins=n) for n in (np.int64(30), 30)]
    for plane in planes:
        trainer([plane]).validate(model, loader(2 * N, N), verbose=False)
    np.testing.assert_equal(values(planes[0]), values(planes[1]))
    assert planes[0].settings == planes[1].settings


@pytest.mark.parametrize(
    ("argument", "value"),
    [("seed", np.int64(0)), ("seed", np.uint8(3)), ("max_samples", np.int32(2))],
)
def test_numpys_integers_are_seeds_and_numbers_of_samples(argument: str, value: Any) -> None:
    InformationPlaneMonitor(**{argument: value})


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
    with pytest.raises((TypeError, ValueError), match=f"{argument}: need a whole number >= "):
        InformationPlaneMonitor(**{argument: value})


def test_numpys_integers_do_not_reach_what_is_stored() -> None:
    plane = InformationPlaneMonitor(seed=np.int64(3), max_samples=np.int64(50))
    fit([plane], max_epochs=1)
    assert plane.state_dict()
    assert json.dumps(plane.settings)
