"""What a reader should conclude in the situations that mislead most."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from it_callbacks import InformationPlaneMonitor
from it_callbacks.records import Status

from .toys import Classifier, Noisy, trainer, values
from .warned import Warnings, warned


def net(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(8, 2), *parts, nn.Linear(2, 3))


def inputs(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


def validated(
    x: Tensor, y: Tensor, model: nn.Module | None = None, **options: Any
) -> tuple[dict[str, float], InformationPlaneMonitor, Warnings]:
    """The values of one validation of an untrained network, without their root and set."""
    torch.manual_seed(1)
    plane = InformationPlaneMonitor(**options)
    with warned() as given:
        trainer([plane]).validate(
            Classifier(model or net(nn.Tanh())),
            DataLoader(TensorDataset(x, y), 256),
            verbose=False,
        )
    found = values(plane).items()
    return {tag.removeprefix("information_plane/val/"): bits for tag, bits in found}, plane, given


def test_c_few_samples_of_many_classes_show_chance_and_no_information() -> None:
    x, y = inputs(300), torch.randint(100, (300,), generator=torch.Generator().manual_seed(1))
    model = nn.Sequential(nn.Linear(8, 2), nn.Tanh(), nn.Linear(2, 100))
    found, _, given = validated(x, y, model)
    assert {"few", "saturated"} <= set(given.causes)
    assert found["status/net.1"] == Status.SATURATED
    assert found["I_TY_chance/net.1"] > 0.9 * found["I_TY/net.1"]


def test_d_noise_is_called_noise_and_not_finer_bins() -> None:
    """Four inputs many times: the noise behind a one-bit layer looks like new information."""
    x, y = inputs(4).repeat(500, 1), torch.arange(4).repeat(500) % 3
    model = nn.Sequential(nn.Linear(8, 1), nn.Linear(1, 2), Noisy(), nn.Linear(2, 3))
    _, _, given = validated(x, y, model)
    (noisy,) = given.of("stochastic")
    assert "'net.0'" not in noisy.text
    reasons = [one.text for one in given.of("inequality") if "'net.2'" in one.text]
    assert reasons
    assert all("is stochastic" in text and "finer" not in text for text in reasons)


@pytest.mark.parametrize("n_times", [2, 3, 9])
def test_e_repeated_inputs_say_no_more_than_their_first_samples(n_times: int) -> None:
    """Trust and chance are those of the distinct inputs; a hundred of them repeat unevenly, too."""
    x = inputs(1100)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    once, _, _ = validated(x, y)
    repeated, plane, given = validated(x.repeat(n_times, 1), y.repeat(n_times))
    assert "count once" in given.of("repeated")[0].text
    for name, bits in once.items():
        if name.startswith(("I_", "coverage", "status")):
            assert repeated[name] == pytest.approx(bits, rel=1e-9, abs=1e-9, nan_ok=True), name
    uneven, _, _ = validated(torch.cat([x, x[:100]]), torch.cat([y, y[:100]]))
    for name in ("coverage", "I_TY_chance", "status"):
        assert uneven[f"{name}/net.1"] == pytest.approx(once[f"{name}/net.1"])
    h_y, chance = 0.0, uneven["I_TY_chance/net.1"]
    for n in torch.bincount(torch.cat([y, y[:100]])).double() / 1200:
        h_y -= float(n * n.log2())
    adjusted = h_y * (uneven["I_TY/net.1"] - chance) / (h_y - chance)
    assert uneven["I_TY_adjusted/net.1"] == pytest.approx(adjusted)
    assert plane.settings["val"]["share_of_repeated_inputs"] == pytest.approx(1 - 1 / n_times)


class Dead(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - 100).relu()


def test_h_a_dead_layer_is_dead_though_inputs_vary() -> None:
    x = inputs(1100)
    found, _, given = validated(x, (x[:, 0] > 0).long(), net(Dead()))
    (dead,) = given.of("constant")
    assert "though inputs differ" in dead.text
    assert found["I_XT/net.1"] == 0


def test_i_imbalanced_labels_are_read_against_their_entropy() -> None:
    """H(Y) of 99 : 1 is .0808 bits; always the same guess is right for 99 %."""
    y = (torch.arange(10_000) % 100 == 0).long()
    _, _, given = validated(inputs(10_000), y)
    (imbalance,) = given.of("imbalance")
    assert "99%" in imbalance.text
    assert "H(Y) = 0.08 bits" in imbalance.text
    _, _, given = validated(inputs(1100), torch.arange(1100) % 10 // 9)
    assert given.of("imbalance") == []


@pytest.mark.parametrize("n", [2, 3])
def test_l_a_few_samples_are_saturated(n: int) -> None:
    found, _, given = validated(inputs(n), torch.arange(n))
    assert {"few", "saturated"} <= set(given.causes)
    assert found["status/net.1"] == Status.SATURATED


class Whole(nn.Module):
    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return (x.tanh() * self.size).round()


def test_m_whole_numbers_are_exact_however_wide_their_range() -> None:
    """H(T) is that of counting the numbers, and the next layer seems to know no more."""
    x = inputs(4000)
    model = nn.Sequential(nn.Linear(8, 1), Whole(40), nn.Linear(1, 3))
    found, plane, given = validated(x, (x[:, 0] > 0).long(), model)
    numbers = model[1](model[0](x))
    share = numbers.unique(return_counts=True)[1].double() / 4000
    assert len(share) > 60
    assert found["I_XT/net.1"] == pytest.approx(float(-(share * share.log2()).sum()))
    assert not any("'net.2'" in one.text for one in given.of("inequality"))
    rulers = {one["tag"]: one["rulers"][0] for one in plane.settings["val"]["layers"]}
    assert rulers["net.1"] == "Width(width=1.0, origin=-0.5)"


def test_n_units_in_another_order_give_the_same_numbers() -> None:
    x = inputs(1100)
    y = (x[:, 0] > 0).long()
    torch.manual_seed(3)
    one = nn.Sequential(nn.Linear(8, 2), nn.Tanh())
    other = nn.Sequential(nn.Linear(8, 2), nn.Tanh())
    with torch.no_grad():
        other[0].weight.copy_(one[0].weight.flip(0))
        other[0].bias.copy_(one[0].bias.flip(0))
    left, right = (validated(x, y, model, wide=None)[0] for model in (one, other))
    for name, bits in left.items():
        if name.startswith(("I_", "coverage", "status")):
            assert right[name] == pytest.approx(bits, abs=1e-12, nan_ok=True), name


def test_o_equal_inputs_are_what_is_constant() -> None:
    x = inputs(1).repeat(1100, 1)
    _, _, given = validated(x, torch.arange(1100) % 2)
    (constant,) = given.of("constant")
    assert "all 1100 inputs are equal" in constant.text
    assert "dead" not in constant.text
