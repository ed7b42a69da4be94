"""Whether the monitors' numbers are the right ones: against activations collected by hand."""

from __future__ import annotations

import math
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.rulers import Uniform, Width

from .toys import (
    MONITORS,
    VAL,
    AugmentsOnDevice,
    Binary,
    Classifier,
    Replaced,
    SignNet,
    all_three,
    beyond_0,
    curve,
    fit,
    loader,
    outputs,
    rulers,
    samples,
    trainer,
    values,
    when,
)
from .warned import warned


def bits_of(counts: Any) -> float:
    """Entropy in bits of counts."""
    p = np.asarray(counts, float)
    p = p[p > 0] / p.sum()
    return float(-(p * np.log2(p)).sum())


def rows_as_classes(states: Any) -> NDArray[np.int64]:
    """One class number per distinct row."""
    rows = np.asarray(states).reshape(len(states), -1)
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def entropy_by_hand(model: nn.Module, layer: str, ruler: Any) -> float:
    """H of a layer's states on `VAL`, by NumPy."""
    (activations,) = outputs(model, [layer], [VAL[0]])
    return bits_of(np.bincount(rows_as_classes(ruler(activations))))


def plane_by_hand(activations: Tensor, ruler: Any, labels: Tensor) -> dict[str, float]:
    """The quantities of a layer, by NumPy and scikit-learn."""
    t, y = rows_as_classes(ruler(activations)), labels.numpy()
    table = contingency_matrix(y, t)
    counts = np.bincount(t)
    chance = expected_mutual_information(contingency_matrix(y, t, sparse=True), len(y))
    return {
        "I_XT": bits_of(counts),
        "I_TY": mutual_info_score(None, None, contingency=table) / math.log(2),
        "I_TY_chance": chance / math.log(2),
        "coverage": 1 - (counts == 1).sum() / len(t),
    }


# The plane.


def test_the_plane_is_that_of_activations_collected_by_hand() -> None:
    """Against NumPy's unique rows and scikit-learn's informations."""
    own = {"net.1": Uniform(30, -1, 1), "net.3": Width(0.05), "net.4": Width(0.3)}
    plane = InformationPlaneMonitor(bins=own)
    model, _ = fit([plane])
    activations = outputs(model, list(own), [VAL[0]])
    for (name, ruler), of_layer in zip(own.items(), activations, strict=True):
        for quantity, expected in plane_by_hand(of_layer, ruler, VAL[1]).items():
            got = values(plane)[f"information_plane/val/{quantity}/{name}"]
            assert got == pytest.approx(expected, abs=1e-9)


def test_the_default_ruler_is_the_exact_range_or_a_width_frozen_at_the_first_point() -> None:
    """Read back from the settings, it gives the last point's numbers again."""
    plane = InformationPlaneMonitor()
    model, _ = fit([plane], max_epochs=3)
    first = rulers(plane)
    assert first["net.1"] == ["Uniform(bins=30, low=-1.0, high=1.0)"]
    activations = outputs(model, list(first), [VAL[0]])
    for (name, (printed,)), of_layer in zip(first.items(), activations, strict=True):
        ruler = eval(printed, {"Uniform": Uniform, "Width": Width})
        for quantity, expected in plane_by_hand(of_layer, ruler, VAL[1]).items():
            got = values(plane)[f"information_plane/val/{quantity}/{name}"]
            assert got == pytest.approx(expected, abs=1e-9)


def test_a_calibrated_ruler_spans_the_first_pass_in_the_bins_asked_for() -> None:
    """Epoch 0 of a fixed set: the middle 99.8 % of the outputs, in 30 parts.

    Each unit's own, since these logits lie farther apart than each of them varies.
    """
    plane = InformationPlaneMonitor("net.4", data="val")
    fit([plane], max_epochs=1, max_steps=1)
    torch.manual_seed(1)
    untrained = Classifier()
    (of_layer,) = outputs(untrained, ["net.4"], [VAL[0]])
    low, high = np.quantile(of_layer.numpy().astype(float), [0.001, 0.999], axis=0)
    (printed,) = rulers(plane)["net.4"]
    assert eval(printed, {"Width": Width}).width == pytest.approx(
        tuple((high - low) / 30), rel=1e-6
    )


def test_a_test_after_training_keeps_the_rulers() -> None:
    """Calibrated once in the first validation, they read the test set too."""
    plane = InformationPlaneMonitor()
    model, running = fit([plane])
    running.test(model, loader(105, seed=1), verbose=False)
    assert rulers(plane, "test") == rulers(plane, "val")
    last = values(plane)
    assert last["information_plane/test/I_XT/net.3"] == last["information_plane/val/I_XT/net.3"]


def test_a_layer_that_the_next_one_overwrites_is_read_as_it_was() -> None:
    """Before the in-place ReLU there are negative values, in the first batch too."""
    plane = InformationPlaneMonitor("net.2", bins=Width(0.05))
    model, _ = fit([plane], num_sanity_val_steps=0)
    (activations,) = outputs(model, ["net.2"], [VAL[0]])
    assert (activations < 0).any()
    expected = entropy_by_hand(model, "net.2", Width(0.05))
    assert values(plane)["information_plane/val/I_XT/net.2"] == pytest.approx(expected, abs=1e-9)
    first = InformationPlaneMonitor("net.2", bins=Width(0.05))
    trainer([first]).validate(untrained := Classifier(), loader(105, seed=1), verbose=False)
    expected = entropy_by_hand(untrained, "net.2", Width(0.05))
    assert values(first)["information_plane/val/I_XT/net.2"] == pytest.approx(expected, abs=1e-9)


def test_a_layer_that_is_replaced_is_read_on() -> None:
    """With the ruler that it had: the new head takes the place of the old one."""
    plane = InformationPlaneMonitor("net.4", bins=Width(0.05))
    model, _ = fit([plane], Replaced, max_epochs=3)
    assert when(plane) == [(1, 5), (2, 10), (3, 15)]
    expected = entropy_by_hand(model, "net.4", Width(0.05))
    assert values(plane)["information_plane/val/I_XT/net.4"] == pytest.approx(expected, abs=1e-9)


def test_further_rulers_have_tags_of_their_own() -> None:
    """The first is plain, each further one carries its slug after the quantity."""
    several = InformationPlaneMonitor("net.1", bins=[30, Uniform(3, -1, 1), {"net.*": 2}])
    single = InformationPlaneMonitor("net.1", bins=Uniform(3, -1, 1))
    for plane in (several, single):
        torch.manual_seed(1)
        trainer([plane]).validate(Classifier(), loader(105, seed=1), verbose=False)
    of_three, of_one = (
        {tag.removeprefix("information_plane/val/"): bits for tag, bits in values(plane).items()}
        for plane in (several, single)
    )
    assert of_three["I_XT_uniform3/net.1"] == of_one["I_XT/net.1"]
    assert of_three["I_TY_chance_uniform3/net.1"] == of_one["I_TY_chance/net.1"]
    assert (
        of_three["I_XT/net.1"] > of_three["I_XT_uniform3/net.1"] > of_three["I_XT_uniform2/net.1"]
    )
    assert several.settings["val"]["layers"][0]["tag_of_ruler"] == ["", "uniform3", "uniform2"]


# The pass of a fixed set is that of the validation loop.


@pytest.mark.parametrize("n_batches", [0, 1.0], ids=["no validation", "validation"])
def test_a_fixed_set_is_not_augmented_as_training_is(n_batches: float) -> None:
    """At a learning rate of 0 each point is the same, before the first step too."""
    plane = InformationPlaneMonitor("net.1", data=samples(60, seed=1))
    still = partial(AugmentsOnDevice, lr=0.0)
    fit([plane], still, train=loader(25), max_epochs=3, limit_val_batches=n_batches)
    bits = curve(plane, "information_plane/data/I_TY/net.1")
    assert len(bits) == 4
    assert len(set(bits)) == 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_every_precision_is_measured_as_it_trains(precision: Any) -> None:
    """A fixed set is passed in the precision of the validation loop: both give the same numbers."""

    class Half(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self(batch[0])
            return self.loss(logits.float(), batch[1]), logits

    def run(data: Any) -> list[Any]:
        monitors = all_three(data, schedule=[1])
        still = partial(Half, lr=0.0)
        fit(monitors, still, val=loader(105, 256, seed=1), precision=precision, max_epochs=1)
        return monitors

    for listening, fixed in zip(run(None), run("val"), strict=True):
        np.testing.assert_equal(values(listening), values(fixed))


@pytest.mark.parametrize("monitor", MONITORS)
def test_listening_and_a_fixed_set_of_the_same_weights_give_the_same_numbers(
    monitor: type[Any],
) -> None:
    """With a learning rate of 0 every point of both is the same."""
    listening, fixed = monitor(name="a"), monitor(data="val", name="b")
    val = loader(105, 256, seed=1)
    fit([listening, fixed], lambda: Classifier(lr=0.0), val=val, max_epochs=1)
    left = {tag.replace("/a/", "/b/"): bits for tag, bits in values(listening).items()}
    np.testing.assert_equal(left, values(fixed))


# Predictions.


def test_prediction_tags_are_what_one_computes_by_hand() -> None:
    """From the logits, in float64."""
    predictions, conditional = PredictionEntropyMonitor(), ConditionalEntropyMonitor()
    model, _ = fit([predictions, conditional])
    (logits,) = outputs(model, ["net.4"], [x for x, _ in loader(105, seed=1)])
    z, y = logits.double().numpy(), VAL[1].numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    h = -(p * np.log2(p)).sum(1)
    hard = p.argmax(1)
    share = np.bincount(y) / len(y)
    bound = np.log2(p[np.arange(len(y)), y]) - np.log2(share[y])
    inside = [bits_of(p[y == c].sum(0)) for c in range(3)]
    table = contingency_matrix(y, hard)
    expected = {
        "prediction_entropy/val/mean": h.mean(),
        "prediction_entropy/val/marginal": bits_of(p.sum(0)),
        "prediction_entropy/val/hard": bits_of(np.bincount(hard)),
        "prediction_entropy/val/input_information": bits_of(p.sum(0)) - h.mean(),
        "prediction_entropy/val/cross_entropy": -np.log2(p[np.arange(len(y)), y]).mean(),
        "prediction_entropy/val/label_bound": bound.mean() + 2 / (2 * len(y) * math.log(2)),
        "prediction_entropy/val/label_bound_se": bound.std(ddof=1) / np.sqrt(len(y)),
        **{f"conditional_entropy/val/class_{c}": inside[c] for c in range(3)},
        **{f"conditional_entropy/val/within/class_{c}": h[y == c].mean() for c in range(3)},
        **{
            f"conditional_entropy/val/hard/class_{c}": bits_of(np.bincount(hard[y == c]))
            for c in range(3)
        },
        "conditional_entropy/val/all": (share * inside).sum(),
        "label_information/val/soft": bits_of(p.sum(0)) - (share * inside).sum(),
        "label_information/val/hard": mutual_info_score(y, hard) / math.log(2),
        "label_information/val/equivocation": bits_of(table) - bits_of(table.sum(0)),
        "label_information/val/hard_chance": (
            expected_mutual_information(table, len(y)) / math.log(2)
        ),
        "prediction_entropy/val/epoch": 2.0,
        "conditional_entropy/val/epoch": 2.0,
    }
    mistakes = {
        (a, b): int(((y == a) & (hard == b)).sum() + ((y == b) & (hard == a)).sum())
        for a, b in ((0, 1), (0, 2), (1, 2))
    }
    pair = max(mistakes, key=mistakes.__getitem__)
    for name, value in zip(
        ("first", "second", "share"), (*pair, mistakes[pair] / len(y)), strict=True
    ):
        expected[f"label_information/val/confused_{name}"] = value
    label_entropy = bits_of(np.bincount(y))
    got = values(predictions) | values(conditional)
    for way in ("soft", "hard"):
        of = f"label_information/val/{way}"
        left = (got[of] - got[f"{of}_chance"]) / (label_entropy - got[f"{of}_chance"])
        expected[f"{of}_adjusted"] = label_entropy * left
    generator = np.random.default_rng(0)
    dealt = [information(p, generator.permutation(y)) for _ in range(100)]
    assert abs(got.pop("label_information/val/soft_chance") - np.mean(dealt)) < 2 * np.std(dealt)
    expected["label_information/val/status"] = 0.0
    assert got == pytest.approx(expected, abs=1e-9)


def information(p: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """I(Y;Ŷ) of predictions beside labels."""
    inside = [np.mean(y == c) * bits_of(p[y == c].sum(0)) for c in np.unique(y)]
    return bits_of(p.sum(0)) - float(sum(inside))


@cache
def plain_predictions() -> dict[str, float]:
    """What is measured where the module's forward gives logits, as most do."""
    plain = PredictionEntropyMonitor()
    fit([plain], max_epochs=1)
    return values(plain)


@pytest.mark.parametrize("logits", ["net.4", None, lambda out: out["z"], "z"])
def test_logits_are_found_or_picked(logits: Any) -> None:
    """A module's name, the last module that is called, a function or a key of the output."""

    class Structured(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            return {"z": self.net(x), "other": x}

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            out = self(batch[0])
            return self.loss(out["z"], batch[1]), out["z"]

    picking = PredictionEntropyMonitor(logits=logits)
    fit([picking], Structured, max_epochs=1)
    assert values(picking) == plain_predictions()


def test_predictions_are_found_where_the_modules_own_forward_is_not_used() -> None:
    """A step that calls `self.net` directly: the last module that is called gives them."""

    class Direct(Classifier):
        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            logits = self.net(batch[0])
            return self.loss(logits, batch[1]), logits

    direct = PredictionEntropyMonitor()
    fit([direct], Direct, max_epochs=1)
    assert values(direct) == plain_predictions()
    assert "net.4" in direct.settings["val"]["predictions"]


def test_a_forward_that_already_gives_probabilities_is_read_as_such() -> None:
    class Probabilities(Classifier):
        @override
        def forward(self, x: Tensor) -> Any:
            return self.net(x).softmax(1)

        @override
        def step(self, batch: Any) -> tuple[Tensor, Tensor]:
            p = self(batch[0])
            return nn.functional.nll_loss(p.log(), batch[1]), p

    given = PredictionEntropyMonitor()
    fit([given], Probabilities, max_epochs=1)
    assert values(given) == pytest.approx(plain_predictions(), abs=1e-5)
    assert given.settings["val"]["predictions"].startswith("probabilities")


def test_one_value_per_sample_is_a_bernoulli_logit() -> None:
    """H of a two-class prediction whose logit is the network's one output."""
    monitor = PredictionEntropyMonitor(target=beyond_0)
    model, _ = fit([monitor], Binary, max_epochs=1)
    with torch.no_grad():
        p = model(VAL[0])[:, 0].double().sigmoid().numpy()
    expected = np.mean([bits_of([q, 1 - q]) for q in p])
    assert values(monitor)["prediction_entropy/val/mean"] == pytest.approx(expected, abs=1e-6)


# Noise in the forward.


def h_t_given_x(plane: Any, set_: str, layer: str) -> str:
    """How the settings say that H(T|X) is known."""
    known = {one["tag"]: one["H_T_given_X"][0] for one in plane.settings[set_]["layers"]}
    return str(known[layer])


def test_noise_on_repeated_inputs_is_measured_and_taken_off() -> None:
    """Four inputs 2000 times each: H(T|X) = 2 h(1/4) = 1.6226 bits is not information on X."""
    patterns = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    x = torch.cat([patterns, torch.zeros(4, 6)], 1).repeat(2000, 1)
    y = torch.arange(4).repeat(2000) % 3
    plane = InformationPlaneMonitor(["noise"], data=(x, y), bins=Uniform(2, -1, 1))
    with warned() as given:
        fit([plane], SignNet, max_epochs=1)
    few = {"few", "saturated"}  # of 4 distinct inputs
    assert set(given.causes) - {"cost"} == {"repeated", "stochastic"} | few
    assert h_t_given_x(plane, "data", "noise") == "measured"
    # I(X;T) = 2 (1 - h(1/4)) = 0.3774 bits, by Cover & Thomas (2006), section 7.1.4.
    assert values(plane)["information_plane/data/I_XT/noise"] == pytest.approx(0.3774, abs=0.03)


def test_noise_on_distinct_inputs_is_said_to_be_assumed() -> None:
    plane = InformationPlaneMonitor(["noise", "net"], data=samples(100))
    with warned() as given:
        fit([plane], SignNet, max_epochs=1)
    (noisy,) = given.of("stochastic")
    assert "layer 'noise', 'net'" in noisy.text
    assert "assumed" in h_t_given_x(plane, "data", "noise")
    assert "the layer is stochastic" in h_t_given_x(plane, "data", "noise")


def test_a_deterministic_network_is_said_to_be_one() -> None:
    plane = InformationPlaneMonitor(data=samples(100))
    fit([plane], max_epochs=1)
    assert h_t_given_x(plane, "data", "net.1") == "0, deterministic"


def test_listening_does_not_claim_what_one_pass_cannot_show() -> None:
    """Nothing is passed twice, so that a layer is only taken to be deterministic."""
    plane = InformationPlaneMonitor(["noise"])
    fit([plane], SignNet, max_epochs=1, num_sanity_val_steps=0)
    assert "assumed" in h_t_given_x(plane, "val", "noise")
    assert "was not checked" in h_t_given_x(plane, "val", "noise")
    x, y = VAL
    twice = DataLoader(TensorDataset(x.repeat(2, 1), y.repeat(2)), 30)
    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([plane], val=twice, max_epochs=1)
    assert len(given.of("repeated")) == 1
    assert h_t_given_x(plane, "val", "net.1") == "0, deterministic"


def test_a_set_that_is_all_there_is_has_nothing_to_correct() -> None:
    plane = InformationPlaneMonitor(data=samples(100), exhaustive=True)
    fit([plane], max_epochs=1)
    assert not [tag for tag in values(plane) if "corrected" in tag]
