"""A stochastic forward is found while listening; a deterministic one is never called so."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import InformationPlaneMonitor

from .toys import Classifier, Noisy, all_three, fit, samples
from .warned import Warnings, warned


class LeftOn(nn.Dropout):
    """Dropout that somebody has forgotten: it samples in eval mode, too."""

    @override
    def train(self, mode: bool = True) -> LeftOn:
        return super().train(True)


class TrainsInValidation(Classifier):
    """Somebody has put it into train mode before validation: Monte-Carlo dropout."""

    @override
    def on_validation_start(self) -> None:
        self.train()


def net(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 4), *parts, nn.Linear(4, 3))


def listened(
    model: Any, val: Any = "default", **options: Any
) -> tuple[InformationPlaneMonitor, Warnings]:
    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([plane], model, val=val, max_epochs=1, **options)
    return plane, given


def known(plane: InformationPlaneMonitor) -> dict[str, str]:
    return {one["tag"]: one["H_T_given_X"][0] for one in plane.settings["val"]["layers"]}


SANITY = {"num_sanity_val_steps": 2}
DETERMINISTIC = "0, deterministic"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Classifier(net(Noisy())),
        lambda: Classifier(net(LeftOn(0.5))),
        lambda: TrainsInValidation(net(nn.Dropout(0.5))),
    ],
    ids=["noise", "dropout-left-on", "train-mode"],
)
def test_noise_is_found_in_the_sanity_check(make: Any) -> None:
    """The layer before it stays deterministic, and what is computed from it does not."""
    plane, given = listened(make, **SANITY)
    (noisy,) = given.of("stochastic")
    assert "'net.2'" in noisy.text
    assert "net.0" not in noisy.text
    assert known(plane)["net.0"] == DETERMINISTIC
    assert known(plane)["net.2"].startswith("assumed 0, though the layer is stochastic")


@pytest.mark.parametrize(
    "parts",
    [
        [nn.Tanh()],
        [nn.Dropout(0.5)],
        [nn.BatchNorm1d(4), nn.ReLU()],
        [nn.LayerNorm(4), nn.GELU()],
    ],
    ids=["tanh", "dropout", "batch-norm", "layer-norm"],
)
def test_a_deterministic_network_is_never_called_stochastic(parts: list[nn.Module]) -> None:
    plane, given = listened(lambda: Classifier(net(*parts)), **SANITY)
    assert given.of("stochastic") == []
    assert set(known(plane).values()) == {DETERMINISTIC}


def test_without_a_sanity_check_nobody_knows() -> None:
    plane, given = listened(lambda: Classifier(net(Noisy())), num_sanity_val_steps=0)
    assert given.of("stochastic") == []
    assert all("was not checked" in of_layer for of_layer in known(plane).values())


class WithoutForward(pl.LightningModule):
    """Its parts are called in the steps alone."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(8, 4), nn.Linear(4, 3)

    def loss(self, batch: Any) -> Tensor:
        return nn.functional.cross_entropy(self.head(self.body(batch[0]).tanh()), batch[1])

    @override
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss(batch)

    @override
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.loss(batch)

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_model_that_cannot_be_run_alone_is_measured_and_not_checked() -> None:
    plane, given = listened(WithoutForward, **SANITY)
    assert {"skipped", "stochastic"}.isdisjoint(given.causes)
    assert all("was not checked" in of_layer for of_layer in known(plane).values())
    assert set(known(plane)) == {"body", "head"}


def test_repeated_inputs_show_noise_without_a_sanity_check() -> None:
    x, y = samples(500)
    val = DataLoader(TensorDataset(x.repeat(2, 1), y.repeat(2)), 128)
    for part, is_noisy in ((Noisy(), True), (nn.Tanh(), False)):
        model = Classifier(net(part))
        plane, given = listened(model, val=val, num_sanity_val_steps=0)
        assert bool(given.of("stochastic")) == is_noisy
        assert (known(plane)["net.2"] == DETERMINISTIC) != is_noisy
    assert set(known(plane).values()) == {DETERMINISTIC}


class Logs(Classifier):
    """Draws, counts and logs in its forward."""

    def __init__(self) -> None:
        super().__init__(net(nn.BatchNorm1d(4), Noisy(), nn.Dropout(0.3)))
        self.n_calls = 0

    @override
    def forward(self, x: Tensor) -> Tensor:
        self.n_calls += 1
        self.log("in_forward", x.mean() + torch.rand(()))
        return super().forward(x)


@pytest.mark.parametrize("make", [Logs, lambda: TrainsInValidation(net(nn.BatchNorm1d(4)))])
def test_the_second_run_leaves_no_trace(make: Any) -> None:
    """Weights, buffers, random states, metrics and the number of calls are those without it."""
    left = []
    for callbacks in ([], all_three()):
        with warned():
            model, running = fit(callbacks, make, max_epochs=2, num_sanity_val_steps=2)
        metrics = {k: v for k, v in running.callback_metrics.items() if "/" not in k}
        left.append((model.state_dict(), metrics, getattr(model, "n_calls", 0), torch.rand(3)))
    (alone, metrics, n_calls, drawn), (observed, metrics_2, n_calls_2, drawn_2) = left
    assert all(torch.equal(alone[name], observed[name]) for name in alone)
    assert metrics.keys() == metrics_2.keys()
    assert all(torch.equal(metrics[name], metrics_2[name]) for name in metrics)
    assert n_calls == n_calls_2
    assert torch.equal(drawn, drawn_2)


def test_a_loop_that_counts_never_runs_a_batch_twice() -> None:
    seen: list[bool] = []

    class Counts(Classifier):
        @override
        def forward(self, x: Tensor) -> Tensor:
            seen.append(self.trainer.sanity_checking)
            return super().forward(x)

    fit([InformationPlaneMonitor()], Counts, max_epochs=1, num_sanity_val_steps=0)
    n_alone = len(seen)
    seen.clear()
    fit([], Counts, max_epochs=1, num_sanity_val_steps=0)
    assert len(seen) == n_alone
