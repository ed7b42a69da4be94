"""Which layers a monitor of the plane takes of a network, and what it says of all others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from it_callbacks import InformationPlaneMonitor
from it_callbacks.rulers import Uniform, Width

from .toys import (
    MLP,
    CalledTwice,
    Classifier,
    LogsMetrics,
    convolutional,
    fit,
    layer_names,
    loader,
    recurrent,
    trainer,
)
from .warned import warned


def plane_of(model: Any, layers: Any = None, **options: Any) -> InformationPlaneMonitor:
    """A monitor that has seen one validation of a model, or of what makes one."""
    plane = InformationPlaneMonitor(layers, **options)
    trainer([plane]).validate(model(), loader(50, seed=1), verbose=False)
    return plane


def of_layer(plane: InformationPlaneMonitor, layer: str) -> dict[str, float]:
    """What was measured of a layer, by quantity."""
    return {r.quantity: r.bits for r in plane.history if r.layer == layer and r.bits == r.bits}


def test_the_default_reads_an_mlp_after_its_activations() -> None:
    """In the order of the calls; `self.loss` and `self.acc` are no layers."""
    plane = plane_of(LogsMetrics)
    assert layer_names(plane) == MLP
    assert plane.settings["val"]["skipped"] == {
        "net.0": "read after its activation net.1",
        "net.2": "read after its activation net.3",
    }


def test_the_default_skips_what_only_normalises_pools_drops_or_reshapes() -> None:
    """The settings list each skipped module with its reason."""
    model = convolutional()
    model(next(iter(loader(50)))[0])  # its BatchNorm has tracked a batch, as after a training
    plane = plane_of(lambda: model)
    assert layer_names(plane) == ["net.3", "net.6", "net.10"]
    assert plane.settings["val"]["skipped"] == {
        "net.0": "reshapes only",
        "net.1": "read after its activation net.3",
        "net.2": "normalisation",
        "net.4": "pooling",
        "net.5": "read after its activation net.6",
        "net.7": "dropout",
        "net.8": "reshapes only",
        "net.9": "reshapes only",
    }
    assert "MeanPool" in plane.settings["val"]["layers"][0]["reduction"]


def test_a_module_called_again_is_a_layer_of_its_own() -> None:
    """Its second call is `_call2`; a module that is never called is listed as such."""
    plane = plane_of(CalledTwice)
    assert layer_names(plane) == ["act", "act_call2", "head"]
    assert plane.settings["val"]["skipped"] == {
        "net": "read after its activation act",
        "net_call2": "read after its activation act_call2",
        "spare": "was never called",
    }


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("net.0", ["net.0"]),
        (["net.4", "net.1"], ["net.1", "net.4"]),
        ("net.[01]", ["net.0", "net.1"]),
        (["net.*"], ["net.0", "net.1", "net.2", "net.3", "net.4"]),
        ("torch.nn.Linear", ["net.0", "net.2", "net.4"]),
        (nn.Linear, ["net.0", "net.2", "net.4"]),
        ([nn.Tanh, "net.4"], ["net.1", "net.4"]),
        ("net", ["net"]),
    ],
)
def test_layers_are_chosen_by_name_glob_class_and_type(layers: Any, names: list[str]) -> None:
    """Always listed in the order in which they are called."""
    assert layer_names(plane_of(Classifier, layers)) == names


def test_a_mapping_picks_the_rows_out_of_a_tuple() -> None:
    """The last step of an LSTM, whose output is (steps, (h, c))."""
    plane = plane_of(recurrent, {"net": lambda output: output[0][:, -1]}, bins=Uniform(8, -1, 1))
    assert layer_names(plane) == ["net"]


@pytest.mark.parametrize("layers", [None, ["net", "head"]])
def test_the_first_tensor_of_a_tuple_is_read(layers: Any) -> None:
    """Of an LSTM the outputs, as the function says that picks them."""
    torch.manual_seed(1)
    plane = plane_of(recurrent, layers, bins=Width(0.1))
    assert layer_names(plane) == ["net", "head"]
    torch.manual_seed(1)
    picked = plane_of(recurrent, {"net": lambda output: output[0]}, bins=Width(0.1))
    assert of_layer(plane, "net") == of_layer(picked, "net")


def test_a_mapping_that_picks_the_wrong_rows_is_said_to_and_training_goes_on() -> None:
    model = recurrent()
    with warned() as given:
        fit([InformationPlaneMonitor({"net": lambda out: out[0].transpose(0, 1)})], model)
    (warning,) = given.of("skipped")
    assert "layers: 'net' returns shape (4, 25, 5) where the batch has 25 labels" in warning.text
    assert model.trainer.global_step > 0
