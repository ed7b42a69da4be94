"""What a reader should conclude in the situations that mislead most."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.estimators import WideReading, entropy
from it_callbacks.estimators.looks import Look, Looks, surprisal
from it_callbacks.estimators.verdict import Answer
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


def predicted(x: Tensor, y: Tensor, model: nn.Module) -> tuple[dict[str, float], Warnings]:
    """The values of both prediction monitors after one validation, without root and set."""
    monitors = [PredictionEntropyMonitor(), ConditionalEntropyMonitor()]
    with warned() as given:
        trainer(monitors).validate(
            Classifier(model), DataLoader(TensorDataset(x, y), 256), verbose=False
        )
    found = {tag: bits for monitor in monitors for tag, bits in values(monitor).items()}
    return {tag.replace("/val/", "/"): bits for tag, bits in found.items()}, given


def drawn(n: int, n_classes: int, seed: int = 1) -> Tensor:
    """Labels by lot."""
    return torch.randint(n_classes, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "n_classes"), [(360, 10), (300, 100), (1000, 100)])
def test_a_predictions_that_know_nothing_show_chance(n: int, n_classes: int) -> None:
    """What is left without chance is about 0, or there is no telling."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, n_classes))
    found, given = predicted(inputs(n), drawn(n, n_classes), model)
    hard, chance = found["label_information/hard"], found["label_information/hard_chance"]
    assert hard == pytest.approx(chance, rel=0.25)
    for kind in ("hard", "soft"):
        adjusted = found[f"label_information/{kind}_adjusted"]
        assert abs(adjusted) < 0.1 * math.log2(n_classes)
    if n_classes == 100:
        assert found["label_information/status"] >= Status.CAUTION
    assert "few" in given.causes
    bound, se = (found[f"prediction_entropy/label_bound{end}"] for end in ("", "_se"))
    assert bound - 1.96 * se < 0.02  # and so no sign of information


def test_b_memorised_labels_tell_nothing_of_other_samples() -> None:
    """In training they are known by heart; in validation nothing is left beyond chance."""
    x, y, others = inputs(100), drawn(100, 4), TensorDataset(inputs(2000, 5), drawn(2000, 4, 6))
    monitors = [
        PredictionEntropyMonitor(data=(x, y), name="train"),
        PredictionEntropyMonitor(),
        ConditionalEntropyMonitor(),
        InformationPlaneMonitor(wide=None),
    ]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 256), nn.Tanh(), nn.Linear(256, 4))
    with warned():
        trainer(monitors, max_epochs=30).fit(
            Classifier(model, lr=0.01),
            DataLoader(TensorDataset(x, y), 20),
            DataLoader(others, 1000),
        )
    bound = "prediction_entropy/{}/label_bound"
    assert values(monitors[0])[bound.format("train")] > 1.5  # of 2 bits
    assert values(monitors[1])[bound.format("val")] < 0
    assert abs(values(monitors[2])["label_information/val/hard_adjusted"]) < 0.02
    for verdict in monitors[3].verdicts["val"].values():
        assert not verdict.compressed


def test_f_a_network_that_does_not_learn_does_not_fit_behind_batch_norm() -> None:
    """Without tracked statistics its scale is another one: there is no point before."""
    torch.manual_seed(0)
    parts = [nn.Linear(8, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 3)]
    plane = InformationPlaneMonitor(data=(5 + 9 * inputs(1100), drawn(1100, 3)), wide=None)
    with warned():
        trainer([plane], max_epochs=3).fit(
            Classifier(nn.Sequential(*parts), lr=0.0),
            DataLoader(TensorDataset(5 + 9 * inputs(500, 3), drawn(500, 3)), 10),
            DataLoader(TensorDataset(inputs(10), drawn(10, 3)), 10),
        )
    curve = {r.epoch: r.bits for r in plane.history if r.tag.endswith("I_XT/net.2")}
    assert sorted(curve) == [1, 2, 3]
    assert max(curve.values()) - min(curve.values()) < 0.3


class Rescaled(Classifier):
    """Its ReLU layer is scaled after each epoch, the next one against it: the same function."""

    def __init__(self, factor: float) -> None:
        torch.manual_seed(0)
        super().__init__(net(nn.ReLU()), lr=0.0)
        self.factor = factor

    def on_train_epoch_end(self) -> None:
        with torch.no_grad():
            self.net[0].weight.mul_(self.factor)
            self.net[0].bias.mul_(self.factor)
            self.net[2].weight.div_(self.factor)


@pytest.mark.parametrize("wide", [WideReading(), None])
@pytest.mark.parametrize(("factor", "word"), [(0.85, "shrunk"), (1.25, "grown")])
def test_g_a_change_of_scale_is_neither_compression_nor_fitting(
    factor: float, word: str, wide: WideReading | None
) -> None:
    plane = InformationPlaneMonitor(data=(inputs(2000), drawn(2000, 3)), bins=12, wide=wide)
    with warned() as given:
        trainer([plane], max_epochs=12).fit(
            Rescaled(factor),
            DataLoader(TensorDataset(inputs(20), drawn(20, 3)), 20),
            DataLoader(TensorDataset(inputs(20), drawn(20, 3)), 20),
        )
    verdict = plane.verdicts["data"]["net.1"]
    assert verdict.answer is Answer.SCALE
    assert verdict.compressed is None
    assert f"'net.1' has {word}" in given.of("scale")[0].text


def test_j_label_noise_lies_in_the_interval() -> None:
    """Four classes, each label another one in a fifth: 2 - h(.2) - .2 log2 3 = .9611 bits."""
    x = inputs(6000)
    known = (x[:, 0] > 0).long() * 2 + (x[:, 1] > 0).long()
    wrong = torch.rand(6000, generator=torch.Generator().manual_seed(2)) < 0.2
    y = torch.where(wrong, (known + 1 + drawn(6000, 3)) % 4, known)
    signs = nn.Linear(8, 2, bias=False)
    with torch.no_grad():
        signs.weight.copy_(torch.eye(8)[:2] * 1e4)
    found, _, _ = validated(x, y, nn.Sequential(signs, nn.Tanh(), nn.Linear(2, 4)))
    assert found["status/net.1"] == Status.OK
    assert found["I_TY_low/net.1"] < 0.9611 < found["I_TY_high/net.1"]
    assert found["I_TY_high/net.1"] - found["I_TY_low/net.1"] < 0.15


def test_k_an_over_confident_classifier_is_surer_than_it_is_right() -> None:
    """Of 3 classes, right in 80 %: 4 times too large logits make the entropy small, not CE."""
    y = drawn(3000, 3)
    wrong = torch.rand(3000, generator=torch.Generator().manual_seed(2)) < 0.2
    guess = torch.where(wrong, (y + 1) % 3, y)
    logits = torch.eye(3)[guess] * 2.1
    calm, _ = predicted(logits, y, nn.Identity())
    loud, _ = predicted(4 * logits, y, nn.Identity())
    gap = {
        of: found["prediction_entropy/cross_entropy"] - found["prediction_entropy/mean"]
        for of, found in (("calm", calm), ("loud", loud))
    }
    assert gap["calm"] < 0.1
    assert gap["loud"] > 1.5
    assert loud["label_information/hard"] == calm["label_information/hard"]
    assert loud["prediction_entropy/label_bound"] < 0 < calm["prediction_entropy/label_bound"]


def test_p_one_nan_costs_one_sample() -> None:
    x, y = inputs(1100), drawn(1100, 3)
    x[7] = math.nan
    found, _, given = validated(x, y)
    assert "of 1100 samples" in given.of("left out")[0].text
    whole, _, _ = validated(torch.cat([x[:7], x[8:]]), torch.cat([y[:7], y[8:]]))
    assert found["I_XT/net.1"] == pytest.approx(whole["I_XT/net.1"], abs=0.05)
    both, given = predicted(x, y, net(nn.Tanh()))
    assert all(map(math.isfinite, both.values()))
    assert "left out" in given.causes


def test_q_the_type_of_number_makes_no_difference() -> None:
    x, y = inputs(2000), drawn(2000, 3)
    found = {}
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        torch.manual_seed(4)
        model = net(nn.Tanh()).to(dtype)
        found[dtype] = validated(x.to(dtype), y, model, bins=10, wide=None)[0]
    for name in ("I_XT/net.1", "I_TY/net.1"):
        assert found[torch.float64][name] == pytest.approx(found[torch.float32][name], abs=1e-3)
        assert found[torch.bfloat16][name] == pytest.approx(found[torch.float32][name], abs=0.1)


@pytest.mark.parametrize("walk", [0.01, 0.03, 0.06])
def test_r_weights_that_wander_compress_nothing(walk: float) -> None:
    """60 courses of 40 points of two tanh units, whose weights walk by lot: at most 3 called."""
    rng = np.random.default_rng(int(100 * walk))
    x = rng.normal(size=(1000, 5))
    n_called = 0
    for _ in range(60):
        weights, looks = rng.normal(size=(5, 2)), Looks(2)
        for step in range(40):
            weights += walk * rng.normal(size=(5, 2))
            layer = np.tanh(x @ (weights / np.linalg.norm(weights, axis=0)))
            states = np.floor((layer + 1) * 15).astype(np.int64)
            codes, merged = (each[:, 0] * 100 + each[:, 1] for each in (states, states // 2))
            of_codes, of_merged = entropy(codes), entropy(merged)
            spread = float(np.sqrt(layer.var(axis=0).sum()))
            look = Look(
                step,
                step,
                of_codes.bits,
                of_merged.bits,
                of_codes.standard_error,
                of_codes.coverage,
                math.nan,
                spread,
            )
            looks.add(look, partial(surprisal, codes))
        n_called += looks.verdict().answer is Answer.COMPRESSED
    assert n_called <= 3
