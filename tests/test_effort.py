"""A calibration that takes more than an epoch is announced before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor as Plane
from it_callbacks.callbacks.journal import Journal
from it_callbacks.observation.calls import Call, Tensors
from it_callbacks.observation.effort import TRAINED_ON, UNNOTICED, Effort, forward_operations
from it_callbacks.observation.instrument import Notice
from it_callbacks.observation.listening import Firing
from it_callbacks.reductions import PCA, Joint, Reduction
from it_callbacks.rulers import Calibrated

from .toys import N_CLASSES, N_UNITS, VAL, Classifier, fit, loader
from .warned import warned


def calls_of(*modules: nn.Module, given: Tensor) -> Sequence[Call]:
    """The calls of modules that follow each other."""
    tensors, calls = Tensors(), []
    for number, module in enumerate(modules):
        output = module(given)
        calls.append(tensors.call(Firing(str(number), 1, module, (given,), output)))
        given = output
    return calls


@pytest.mark.parametrize(
    ("module", "given", "expected"),
    [
        # A multiplication and an addition for each weight and position.
        (nn.Linear(8, 6), (5, 8), 2 * 48),
        (nn.Linear(8, 6), (5, 7, 8), 2 * 48 * 7),
        (nn.Conv2d(3, 4, 3), (5, 3, 8, 8), 2 * 108 * 36),
        (nn.ReLU(), (5, 8), 0),
        (nn.BatchNorm1d(8), (5, 8), 0),
    ],
    ids=lambda value: str(value).split("(")[0],
)
def test_a_forward_pass_is_counted_by_weights_and_positions(
    module: nn.Module, given: tuple[int, ...], expected: int
) -> None:
    calls = calls_of(module, given=torch.randn(given))
    assert forward_operations(calls, n_rows=5) == expected


def test_what_is_looked_up_is_not_multiplied() -> None:
    calls = calls_of(nn.Embedding(1000, 4), nn.Linear(4, 3), given=torch.zeros(5, 7).long())
    assert forward_operations(calls, n_rows=5) == 2 * 12 * 7


def test_parts_that_are_not_called_count_with_the_layer_that_uses_them() -> None:
    """A fused layer calls none of its parts."""

    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Linear(8, 6)

        @override
        def forward(self, x: Tensor) -> Tensor:
            return x @ self.part.weight.T

    assert forward_operations(calls_of(Fused(), given=torch.randn(5, 8)), n_rows=5) == 2 * 48


def test_only_what_takes_more_than_an_epoch_and_a_moment_is_notable() -> None:
    assert Effort(UNNOTICED * 1.01, UNNOTICED).is_notable
    assert not Effort(UNNOTICED * 0.99, 0.0).is_notable
    assert not Effort(1e15, 1.01e15).is_notable


# In a training.

WIDE = 20_000


class WideNet(Classifier):
    """A wide layer, and a number of units behind it that all of it goes through."""

    def __init__(self, n_behind: int) -> None:
        behind = nn.Linear(WIDE, n_behind), nn.Linear(n_behind, N_CLASSES)
        super().__init__(nn.Sequential(nn.Linear(N_UNITS, WIDE), nn.ReLU(), *behind))


@pytest.mark.parametrize("n_behind", [3, 64])
@pytest.mark.parametrize("data", [None, VAL], ids=["listening", "data"])
def test_components_of_a_wide_layer_are_announced_where_training_takes_less(
    data: Any, n_behind: int
) -> None:
    """Two for each weight: 3 units behind take a third of what the components do, 64 twice it."""
    training = 3 * TRAINED_ON * 2 * (WIDE * (N_UNITS + n_behind) + n_behind * N_CLASSES)
    components = 2 * 1024**2 * WIDE  # the Gram matrix alone
    assert training < components / 2 or training > components * 1.5
    plane = Plane(["net.1"], reduce=PCA(2), bins=8, data=data)
    with warned() as given:
        fit([plane], lambda: WideNet(n_behind), max_epochs=1)
    assert given.causes.count("effort") == (training < components)
    for warning in given.of("effort"):
        assert "PCA(k=2)" in warning.text
        assert "RandomProjection(2)" in warning.text


@pytest.mark.parametrize("bins", [8, Calibrated(8, at=1)], ids=repr)
@pytest.mark.parametrize("n_sanity", [0, 2])
@pytest.mark.parametrize("data", [None, "val"], ids=["listening", "data"])
def test_it_is_announced_once_and_before_it_begins(
    data: Any, n_sanity: int, bins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Dear(Reduction):
        """A user's own, which says what it takes."""

        frozen = False
        estimand = "units"

        @override
        def operations(self, n_samples: int, n_units: int) -> float:
            return 1e20

        @override
        def freeze(self, activations: Tensor) -> Reduction:
            events.append("fitted")
            return Joint()

        @override
        def __call__(self, activations: Tensor) -> Tensor:
            return activations

    def noted(self: Journal, notice: Notice, set_: str = "") -> None:
        events.extend([notice.cause] if notice.cause not in events else [])
        return original(self, notice, set_)

    original = Journal.notice
    monkeypatch.setattr(Journal, "notice", noted)
    val = loader(1500, 1500)  # more than a layer is calibrated on, in one batch
    plane = Plane(["net.1"], reduce=Dear(), bins=bins, data=data)
    with warned() as given:
        fit([plane], val=val, num_sanity_val_steps=n_sanity)
    assert given.causes.count("effort") == 1
    assert events.count("fitted") == 1
    assert events.index("effort") < events.index("fitted")
