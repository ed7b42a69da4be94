"""The metrics give the numbers of theory and of other systems, however the data was cut up."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics as sk
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from it_callbacks.metrics import (
    ConditionalEntropy,
    PredictionEntropy,
    as_log_probabilities,
    kind_of,
)

BOTH = pytest.mark.parametrize("metric_class", [PredictionEntropy, ConditionalEntropy])
EXACT = {"rel": 0, "abs": 1e-12}


def binary_entropy(p: float) -> float:
    return float(stats.entropy([p, 1 - p], base=2))


def values(metric: Metric, predictions: Any, labels: Any) -> dict[str, float]:
    metric.update(torch.as_tensor(predictions), torch.as_tensor(labels))
    return {key: value.item() for key, value in metric.compute().items()}


def computed(metric: Metric) -> dict[str, float]:
    return {key: value.item() for key, value in metric.compute().items()}


def sums(metric: Metric) -> list[Tensor]:
    """The states that are sums over samples."""
    return [state for name, state in metric.metric_state.items() if name != "kept"]


def tensors(metric: Metric) -> list[Tensor]:
    """All states, of predictions that are kept each part."""
    return [*sums(metric), *getattr(metric, "kept", ())]


def unbiased_label_entropy(labels: Any, n_classes: int) -> float:
    """H(Y) of counts plus (classes seen - 1) / 2N nats, at most log2 of the classes there are."""
    counts = np.bincount(labels)
    too_low = (np.count_nonzero(counts) - 1) / (2 * len(labels) * np.log(2))
    return min(float(stats.entropy(counts, base=2)) + too_low, np.log2(n_classes))


def random_case(seed: int, n: int = 60, k: int = 4) -> tuple[Tensor, Tensor]:
    """Float32 logits of some skill, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(k, (n,), generator=generator)
    logits = 2 * torch.randn(n, k, generator=generator)
    logits[torch.arange(n), labels] += 1.5
    return logits, labels


def softmax64(logits: Tensor) -> np.ndarray:
    return special.softmax(logits.numpy().astype(np.float64), axis=1)


# Known values


FOUR = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])


def test_prediction_entropy_of_four_samples_by_hand() -> None:
    got = values(PredictionEntropy(2), FOUR, [0, 0, 1, 1])
    assert got["mean"] == pytest.approx(0.7607912955, abs=1e-10)
    assert got["marginal"] == pytest.approx(1, **EXACT)
    assert got["hard"] == pytest.approx(1, **EXACT)
    assert got["input_information"] == pytest.approx(0.2392087045, abs=1e-10)
    assert got["cross_entropy"] == pytest.approx(0.4313674888, abs=1e-10)
    assert got["label_bound"] == pytest.approx(0.5686325112, abs=1e-10)
    assert set(got) == {
        *("mean", "marginal", "hard", "input_information"),
        *("cross_entropy", "label_bound", "label_bound_se"),
    }


def test_conditional_entropy_of_four_samples_by_hand() -> None:
    got = values(ConditionalEntropy(2), FOUR, [0, 0, 1, 1])
    expected = {
        "class_0": 0.8112781245,
        "class_1": 0.8112781245,
        "within_class_0": 0.7199730940,
        "within_class_1": 0.8016094971,
        "hard_class_0": 0,
        "hard_class_1": 0,
        "all": 0.8112781245,
        "information_soft": 0.1887218755,
        "information_hard": 1,
        "equivocation": 0,
        "confused_share": 0,  # and no pair
        # Of the 6 ways to deal two labels of each kind, 2 match the decisions up to names.
        "information_hard_chance": 1 / 3,
        "information_hard_adjusted": 1,
        "information_status": 1,
    }
    # Dealt as they are, as .9 and .2 against .6 and .3, and as .9 and .3 against .6 and .2, they
    # show .1887, .0072 and .0290 bits.
    assert 0.0072 < got.pop("information_soft_chance") < 0.1888
    assert got.pop("information_soft_adjusted") < 0.1888
    assert got == pytest.approx(expected, abs=1e-10)


def test_conditional_entropy_of_a_known_confusion_matrix() -> None:
    """One-hot predictions: soft and hard agree, and no sample is unsure."""
    confusion = np.array([[50, 3, 2], [4, 40, 6], [1, 9, 35]])
    labels, predicted = np.indices((3, 3)).reshape(2, 9).repeat(confusion.reshape(-1), axis=1)
    got = values(ConditionalEntropy(3), np.eye(3)[predicted], labels)
    # 9 of class 2 were taken for 1, and 6 of class 1 for 2.
    pair = [got[f"confused_{name}"] for name in ("first", "second", "share")]
    assert pair == [1, 2, pytest.approx(15 / 150)]
    for c, bits in enumerate([0.5277652, 0.9161182, 0.8684257]):
        assert got[f"class_{c}"] == pytest.approx(bits, abs=1e-7)
        assert got[f"hard_class_{c}"] == pytest.approx(bits, abs=1e-7)
        assert got[f"within_class_{c}"] == 0
    assert got["all"] == pytest.approx(0.7594143778, abs=1e-10)
    assert got["equivocation"] == pytest.approx(0.7622547176, abs=1e-10)
    assert got["information_hard"] == pytest.approx(0.8178907524, abs=1e-10)
    assert got["information_soft"] == pytest.approx(0.8178907524, abs=1e-10)


def test_uniform_errors_meet_fanos_bound_with_equality() -> None:
    """K = 4 and error rate 0.3, spread evenly over the wrong classes."""
    confusion = np.full((4, 4), 1) + 6 * np.eye(4, dtype=int)
    labels, predicted = np.indices((4, 4)).reshape(2, 16).repeat(confusion.reshape(-1), axis=1)
    got = values(ConditionalEntropy(4), np.eye(4)[predicted], labels)
    assert got["equivocation"] == pytest.approx(1.3567796494, abs=1e-10)


def calibrated(confidences: Iterable[float], n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """For each confidence and side n samples, of which that share has the predicted label."""
    predictions, labels = [], []
    for confidence in confidences:
        for side in (0, 1):
            p = np.array([1 - confidence, confidence])
            predictions += [p if side else p[::-1]] * n
            n_right = round(n * confidence)
            labels += [side] * n_right + [1 - side] * (n - n_right)
    return np.array(predictions), np.array(labels)


def test_label_bound_holds_for_probabilities_but_not_for_sampled_labels() -> None:
    """Calibrated p in {.9, .1}: H(Y) - CE = 1 - h(.9), a sample from p tells only 1 - h(.18)."""
    predictions, labels = calibrated([0.9])
    bound = values(PredictionEntropy(2), predictions, labels)["label_bound"]
    sampled = values(ConditionalEntropy(2), predictions, labels)["information_soft"]
    assert bound == pytest.approx(1 - binary_entropy(0.9), **EXACT)
    assert bound == pytest.approx(0.5310, abs=5e-5)
    assert sampled == pytest.approx(1 - binary_entropy(0.18), **EXACT)
    assert sampled == pytest.approx(0.3199, abs=5e-5)


def test_label_bound_can_exceed_what_argmax_tells() -> None:
    """Half of the inputs at .99, half at .6: argmax forgets which half."""
    predictions, labels = calibrated([0.99, 0.6])
    bound = values(PredictionEntropy(2), predictions, labels)["label_bound"]
    hard = values(ConditionalEntropy(2), predictions, labels)["information_hard"]
    assert bound == pytest.approx(1 - (binary_entropy(0.99) + binary_entropy(0.6)) / 2, **EXACT)
    assert bound == pytest.approx(0.4741, abs=5e-5)
    assert hard == pytest.approx(1 - binary_entropy(0.795), **EXACT)
    assert hard == pytest.approx(0.2682, abs=5e-5)


def test_over_confidence_eats_the_label_bound() -> None:
    """Right 9 times of 10 but sure at .999: almost nothing is left of 0.53 bits."""
    _, labels = calibrated([0.9])
    predictions = np.repeat([[0.999, 0.001], [0.001, 0.999]], 100, axis=0)
    got = values(PredictionEntropy(2), predictions, labels)
    assert got["label_bound"] == pytest.approx(0.0021, abs=5e-5)


def test_label_bound_is_negative_for_confident_errors() -> None:
    got = values(PredictionEntropy(2), [[0.875, 0.125], [0.125, 0.875]], [1, 0])
    assert got["label_bound"] == pytest.approx(1 - 3, **EXACT)


# Edges


def test_a_constant_confident_prediction_is_a_collapse() -> None:
    """All in class 2: nothing varies, nothing is unsure, and the labels are not predicted."""
    predictions = torch.tensor([[0.0, 0.0, 1.0]]).repeat(6, 1)
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    got = values(PredictionEntropy(3), predictions, labels)
    assert (got["mean"], got["marginal"], got["hard"], got["input_information"]) == (0, 0, 0, 0)
    assert got["cross_entropy"] == np.inf
    conditional = values(ConditionalEntropy(3), predictions, labels)
    assert conditional["information_soft"] == conditional["information_hard"] == 0
    assert conditional["equivocation"] == pytest.approx(np.log2(3), **EXACT)


def test_right_one_hot_predictions_tell_the_whole_label() -> None:
    labels = torch.tensor([0, 1, 2, 3])
    got = values(PredictionEntropy(4), torch.eye(4), labels)
    expected = {
        **{"mean": 0, "marginal": 2, "hard": 2, "input_information": 2},
        **{"cross_entropy": 0, "label_bound": 2, "label_bound_se": 0},
    }
    assert got == pytest.approx(expected, **EXACT)


def test_uniform_predictions_say_nothing() -> None:
    got = values(PredictionEntropy(8), torch.zeros(16, 8), torch.arange(16) % 8)
    assert (got["mean"], got["marginal"], got["input_information"]) == pytest.approx((3, 3, 0))
    assert got["label_bound"] == pytest.approx(0, **EXACT)


def test_a_true_class_of_probability_zero_costs_infinitely_many_bits() -> None:
    got = values(PredictionEntropy(2), [[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]], [1, 0, 1])
    assert got["cross_entropy"] == np.inf
    assert got["label_bound"] == -np.inf
    assert got["label_bound_se"] == np.inf
    assert got["mean"] == pytest.approx(2 / 3, **EXACT)


def test_a_masked_class_is_as_if_it_were_not_there() -> None:
    """A logit of -inf in a third column changes nothing, and nothing is NaN."""
    logits, labels = random_case(0, k=2)
    masked = torch.cat([logits, torch.full((len(logits), 1), -torch.inf)], dim=1)
    for metric_class in (PredictionEntropy, ConditionalEntropy):
        expected = values(metric_class(2), logits, labels)
        assert values(metric_class(3), masked, labels) == pytest.approx(expected, **EXACT)


def test_surprises_whose_squares_overflow_have_an_infinite_standard_error() -> None:
    logits = torch.tensor([[1e200, 0.0], [0.0, 0.0], [2.0, 1.0]], dtype=torch.float64)
    assert values(PredictionEntropy(2), logits, [1, 0, 1])["label_bound_se"] == inf


def test_one_sample_has_an_unknown_standard_error() -> None:
    assert values(PredictionEntropy(2), [[0.5, 0.5]], [0])["label_bound_se"] == np.inf


def test_an_absent_class_has_no_keys() -> None:
    got = values(ConditionalEntropy(3), torch.eye(3), [0, 2, 2])
    assert not {"class_1", "within_class_1", "hard_class_1"} & set(got)
    assert {"class_0", "class_2"} <= set(got)
    assert got["class_2"] == pytest.approx(1, **EXACT)
    assert got["all"] == pytest.approx(2 / 3, **EXACT)


def test_entropy_is_that_of_the_whole_set_not_a_mean_over_batches() -> None:
    """Each batch of one is certain (0 bits), the set of both is not (1 bit)."""
    metric = PredictionEntropy(2)
    for label in (0, 1):
        metric.update(torch.eye(2)[[label]], torch.tensor([label]))
    assert metric.compute()["marginal"].item() == pytest.approx(1, **EXACT)


# Other systems and identities

cases = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 50), st.integers(2, 6))
property_test = settings(max_examples=40, deadline=None, derandomize=True)


@property_test
@given(cases)
def test_prediction_entropy_agrees_with_scipy_and_sklearn(case: tuple[int, int, int]) -> None:
    seed, n, k = case
    logits, labels = random_case(seed, n, k)
    got = values(PredictionEntropy(k), logits, labels)
    p, y = softmax64(logits), labels.numpy()
    assert got["mean"] == pytest.approx(stats.entropy(p, base=2, axis=1).mean(), **EXACT)
    assert got["marginal"] == pytest.approx(stats.entropy(p.mean(axis=0), base=2), **EXACT)
    histogram = np.bincount(p.argmax(axis=1))
    assert got["hard"] == pytest.approx(stats.entropy(histogram, base=2), **EXACT)
    log_loss = sk.log_loss(y, p, labels=range(k))
    assert got["cross_entropy"] == pytest.approx(log_loss / np.log(2), **EXACT)
    divergences = special.rel_entr(p, p.mean(axis=0)).sum(axis=1) / np.log(2)
    assert got["input_information"] == pytest.approx(divergences.mean(), **EXACT)
    label_entropy = unbiased_label_entropy(y, k)
    assert got["label_bound"] == pytest.approx(label_entropy - log_loss / np.log(2), **EXACT)


@property_test
@given(cases)
def test_hard_information_agrees_with_sklearn(case: tuple[int, int, int]) -> None:
    seed, n, k = case
    logits, labels = random_case(seed, n, k)
    got = values(ConditionalEntropy(k), logits, labels)
    y, predicted = labels.numpy(), logits.argmax(dim=1).numpy()
    information = sk.mutual_info_score(y, predicted) / np.log(2)
    assert got["information_hard"] == pytest.approx(information, **EXACT)
    label_entropy = stats.entropy(np.bincount(y), base=2)
    assert got["equivocation"] == pytest.approx(label_entropy - information, **EXACT)


@property_test
@given(cases)
def test_marginal_entropy_splits_into_label_variation_and_unsureness(
    case: tuple[int, int, int],
) -> None:
    """H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X), the middle one by brute force over the samples."""
    seed, n, k = case
    logits, labels = random_case(seed, n, k)
    of_all = values(PredictionEntropy(k), logits, labels)
    of_classes = values(ConditionalEntropy(k), logits, labels)
    p, y = softmax64(logits), labels.numpy()
    variation = 0.0
    for i in range(n):
        variation += special.rel_entr(p[i], p[y == y[i]].mean(axis=0)).sum() / np.log(2) / n
    total = of_classes["information_soft"] + variation + of_all["mean"]
    assert of_all["marginal"] == pytest.approx(total, **EXACT)
    assert of_classes["all"] - of_all["mean"] == pytest.approx(variation, **EXACT)
    for c in np.unique(y):
        inside = special.rel_entr(p[y == c], p[y == c].mean(axis=0)).sum(axis=1).mean() / np.log(2)
        difference = of_classes[f"class_{c}"] - of_classes[f"within_class_{c}"]
        assert difference == pytest.approx(inside, **EXACT)


@property_test
@given(cases)
def test_every_quantity_is_in_its_range(case: tuple[int, int, int]) -> None:
    seed, n, k = case
    logits, labels = random_case(seed, n, k)
    got = {
        **values(PredictionEntropy(k), logits, labels),
        **values(ConditionalEntropy(k), logits, labels),
    }
    bound, standard_error = got.pop("label_bound"), got.pop("label_bound_se")
    label_entropy = stats.entropy(np.bincount(labels.numpy()), base=2)
    slack = 1e-12
    assert bound <= np.log2(k) + slack
    of_chance = [got.pop(f"information_{way}_adjusted") for way in ("soft", "hard")]
    assert all(np.isnan(value) or value <= label_entropy + slack for value in of_chance)
    assert got.pop("information_status") in (0, 1, 2)
    if got.pop("confused_share") > 0:
        assert 0 <= got.pop("confused_first") < got.pop("confused_second") < k
    assert standard_error >= 0
    assert all(value >= 0 for value in got.values())
    got.pop("cross_entropy")
    assert all(value <= np.log2(k) + slack for value in got.values())
    assert got["information_soft"] <= min(label_entropy, got["input_information"]) + slack
    error = float((logits.argmax(dim=1) != labels).double().mean())
    fano = binary_entropy(error) + error * np.log2(k - 1)
    assert got["equivocation"] <= fano + slack


@property_test
@given(cases)
def test_standard_error_is_that_of_the_per_sample_terms(case: tuple[int, int, int]) -> None:
    """phi_i = log2 p(y_i) - log2 share(y_i), made sample by sample."""
    seed, n, k = case
    logits, labels = random_case(seed, n, k)
    got = values(PredictionEntropy(k), logits, labels)
    y = labels.numpy()
    phi = np.log2(softmax64(logits)[np.arange(n), y]) - np.log2(np.bincount(y)[y] / n)
    gained = unbiased_label_entropy(y, k) - stats.entropy(np.bincount(y), base=2)
    assert got["label_bound"] == pytest.approx(phi.mean() + gained, **EXACT)
    assert got["label_bound_se"] == pytest.approx(stats.sem(phi), rel=1e-9, abs=1e-12)


# However the data is cut up


@BOTH
@property_test
@given(case=cases, cuts=st.lists(st.integers(1, 49), max_size=6))
def test_batches_of_any_size_give_the_same_numbers(
    metric_class: type[Metric], case: tuple[int, int, int], cuts: list[int]
) -> None:
    seed, n, k = case
    logits, labels = random_case(seed, n, k)
    whole = values(metric_class(k), logits, labels)
    in_batches, one_by_one = metric_class(k), metric_class(k)
    edges = [0, *sorted({cut for cut in cuts if cut < n}), n]
    for start, stop in itertools.pairwise(edges):
        in_batches.update(logits[start:stop], labels[start:stop])
    for i in range(n):
        one_by_one.update(logits[i : i + 1], labels[i : i + 1])
    assert computed(in_batches) == pytest.approx(whole, **EXACT, nan_ok=True)
    assert computed(one_by_one) == pytest.approx(whole, **EXACT, nan_ok=True)


@BOTH
def test_an_empty_batch_adds_nothing(metric_class: type[Metric]) -> None:
    logits, labels = random_case(1)
    whole = values(metric_class(4), logits.softmax(dim=1), labels)
    metric = metric_class(4)
    metric.update(logits[:0], labels[:0])
    assert values(metric, logits.softmax(dim=1), labels) == whole


@BOTH
def test_merged_states_equal_one_metric_on_all_the_data(metric_class: type[Metric]) -> None:
    logits, labels = random_case(2)
    whole = values(metric_class(4), logits, labels)
    first, second = metric_class(4), metric_class(4)
    first.update(logits[:13], labels[:13])
    second.update(logits[13:], labels[13:])
    first.merge_state(second)
    assert computed(first) == pytest.approx(whole, **EXACT, nan_ok=True)


@BOTH
def test_two_processes_give_the_numbers_of_one(metric_class: type[Metric]) -> None:
    """The other process is played by a gather that returns its states beside ours."""
    logits, labels = random_case(3)
    whole = values(metric_class(4), logits, labels)
    other = metric_class(4)
    other.update(logits[20:], labels[20:])
    others = iter(tensors(other))

    def gather(state: Tensor, group: object) -> list[Tensor]:
        return [state, next(others)]

    metric = metric_class(4, dist_sync_fn=gather, distributed_available_fn=lambda: True)
    metric.update(logits[:20], labels[:20])
    # The order of the states is that of the gather's calls.
    assert list(metric.metric_state) == list(other.metric_state)
    assert computed(metric) == pytest.approx(whole, **EXACT, nan_ok=True)


@BOTH
def test_states_are_sums_in_float64(metric_class: type[Metric]) -> None:
    metric = metric_class(3)
    sums = {name: state for name, state in metric.metric_state.items() if name != "kept"}
    assert {state.dtype for state in sums.values()} == {torch.float64}
    assert {metric._reductions[name].__name__ for name in sums} == {"dim_zero_sum"}


# As a torchmetrics.Metric


@BOTH
@pytest.mark.parametrize(
    "cast",
    [
        lambda module: module.half(),
        lambda module: module.float(),
        lambda module: module.bfloat16(),
        lambda module: module.to(torch.float16),
        lambda module: module.to("cpu", torch.bfloat16),
        lambda module: module[0].set_dtype(torch.float16),
        lambda module: module[0].to(torch.float32),
    ],
)
def test_no_cast_narrows_the_sums(metric_class: type[Metric], cast: Callable[[Any], Any]) -> None:
    """Neither a cast of the metric nor of the model that holds it, before, between or after."""
    logits, labels = random_case(4)
    whole = values(metric_class(4), logits, labels)
    module = nn.Sequential(metric_class(4))
    metric: Metric = module[0]  # type: ignore[assignment]  # nn.Sequential knows no item types
    cast(module)
    metric.update(logits[:7], labels[:7])
    cast(module)
    metric.update(logits[7:], labels[7:])
    cast(module)
    assert computed(metric) == pytest.approx(whole, **EXACT, nan_ok=True)
    cast(module)
    assert {value.dtype for value in metric.compute().values()} == {torch.float64}
    metric.reset()
    assert {state.dtype for state in sums(metric)} == {torch.float64}


@BOTH
def test_reset_forgets_the_samples(metric_class: type[Metric]) -> None:
    logits, labels = random_case(5)
    metric = metric_class(4)
    first = values(metric, logits, labels)
    metric.reset()
    values(metric, logits[:9], labels[:9])
    metric.reset()
    assert values(metric, logits, labels) == first


@BOTH
def test_forward_returns_the_batch_and_keeps_the_sum(metric_class: type[Metric]) -> None:
    logits, labels = random_case(6)
    metric = metric_class(4)
    of_batches = [metric(logits[i : i + 20], labels[i : i + 20]) for i in (0, 20, 40)]
    last = {key: value.item() for key, value in of_batches[-1].items()}
    assert last == pytest.approx(values(metric_class(4), logits[40:], labels[40:]), **EXACT)
    assert computed(metric) == pytest.approx(values(metric_class(4), logits, labels), **EXACT)


@BOTH
def test_no_gradient_flows_into_a_metric(metric_class: type[Metric]) -> None:
    """`forward` turns gradients on; a sum that kept them would keep every batch's graph alive."""
    logits, labels = random_case(6)
    metric = metric_class(4)
    of_batch = metric(logits.requires_grad_(), labels)
    assert not any(value.requires_grad for value in of_batch.values())
    assert not any(state.requires_grad for state in tensors(metric))


@BOTH
def test_a_metric_survives_pickling_in_the_middle(metric_class: type[Metric]) -> None:
    logits, labels = random_case(7)
    metric = metric_class(4)
    metric.update(logits[:11], labels[:11])
    copy = pickle.loads(pickle.dumps(metric))
    assert copy.kind == "logits"
    assert values(copy, logits[11:], labels[11:]) == values(metric, logits[11:], labels[11:])


def test_a_collection_gives_the_values_of_its_members() -> None:
    logits, labels = random_case(8)
    collection = MetricCollection([PredictionEntropy(4), ConditionalEntropy(4)])
    for half in (slice(0, 25), slice(25, None)):
        collection.update(logits[half], labels[half])
    got = {key: value.item() for key, value in collection.compute().items()}
    expected = {
        **values(PredictionEntropy(4), logits, labels),
        **values(ConditionalEntropy(4), logits, labels),
    }
    assert got == pytest.approx(expected, **EXACT)


@BOTH
def test_metrics_alternate_between_inference_mode_and_training(metric_class: type[Metric]) -> None:
    """States made in inference mode may not be changed in place outside of it."""
    logits, labels = random_case(9)
    metric = metric_class(4)
    with torch.inference_mode():
        metric.reset()
        metric.update(logits[:10], labels[:10])
    metric.update(logits[10:].requires_grad_(), labels[10:])
    result = metric.compute()
    assert not any(value.requires_grad for value in result.values())
    assert computed(metric) == pytest.approx(values(metric_class(4), logits, labels), **EXACT)


@BOTH
def test_autocast_does_not_reach_the_sums(metric_class: type[Metric]) -> None:
    logits, labels = random_case(10)
    whole = values(metric_class(4), logits, labels)
    with torch.autocast("cpu", torch.bfloat16):
        assert values(metric_class(4), logits, labels) == whole


@BOTH
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_metrics_move_to_a_gpu(metric_class: type[Metric]) -> None:
    logits, labels = random_case(11)
    whole = values(metric_class(4), logits, labels)
    metric = metric_class(4)
    metric.update(logits[:10], labels[:10])
    metric.to("cuda").update(logits[10:].cuda(), labels[10:].cuda())
    assert {value.device.type for value in metric.compute().values()} == {"cuda"}
    assert computed(metric) == pytest.approx(whole, **EXACT, nan_ok=True)


def test_metrics_move_with_a_device_change() -> None:
    """The meta device stands for any other: states go there and stay float64."""
    metric = PredictionEntropy(3).to("meta")
    assert {state.device.type for state in tensors(metric)} == {"meta"}
    assert {state.dtype for state in sums(metric)} == {torch.float64}


class _Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.entropy = PredictionEntropy(4)
        self.conditional = ConditionalEntropy(4)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.entropy.update(*batch)
        self.conditional.update(*batch)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.entropy.compute())
        self.log_dict(self.conditional.compute())
        self.entropy.reset()
        self.conditional.reset()


def test_log_dict_takes_what_compute_returns() -> None:
    logits, labels = random_case(12)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(logits, labels), 16)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    (got,) = trainer.validate(_Classifier(), loader, verbose=False)
    expected = {
        **values(PredictionEntropy(4), logits, labels),
        **values(ConditionalEntropy(4), logits, labels),
    }
    assert got == pytest.approx(expected, rel=1e-6)  # Lightning keeps float32


# Logits or probabilities


@BOTH
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_softmax_output_of_any_dtype_is_read_as_probabilities(
    metric_class: type[Metric], dtype: torch.dtype
) -> None:
    """Also when it was cast up again, so that the dtype no longer tells of the rounding."""
    logits = 3 * torch.randn(1000, 100)
    labels = torch.arange(1000) % 100
    rounded = logits.softmax(dim=1).to(dtype)
    for predictions in (rounded, rounded.float()):
        assert kind_of(predictions) == "probabilities"
        p = predictions.double() / predictions.double().sum(dim=1, keepdim=True)
        expected = values(metric_class(100, kind="logits"), p.log(), labels)
        assert values(metric_class(100), predictions, labels) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    "predictions",
    [
        [[0.0, 0.0], [0.0, 0.0]],
        [[0.5, 0.6], [0.7, 0.3]],  # only one sums to 1
        [[1.5, -0.5], [0.5, 0.5]],  # a negative entry
        [[-1.0, -2.0], [-3.0, 0.0]],
        [0.2, 0.8],  # one value per sample
        [[0.2], [0.8]],
    ],
)
def test_anything_else_is_logits(predictions: list[Any]) -> None:
    assert kind_of(torch.tensor(predictions)) == "logits"


def test_log_probabilities_are_logits() -> None:
    log_p = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64).log()
    torch.testing.assert_close(as_log_probabilities(log_p), log_p, rtol=0, atol=1e-15)


def test_log_probabilities_are_exact_at_zero_and_for_huge_logits() -> None:
    assert as_log_probabilities(torch.tensor([[1.0, 0.0]])).tolist() == [[0, -np.inf]]
    assert as_log_probabilities(torch.tensor([[1e4, -1e4]])).tolist() == [[0, -2e4]]
    assert as_log_probabilities(torch.tensor([1e4])).tolist() == [[-1e4, 0]]


def test_half_precision_logits_are_normalised_in_float64() -> None:
    logits = torch.randn(20, 10).half()
    got = as_log_probabilities(logits)
    assert got.dtype == torch.float64
    np.testing.assert_allclose(got.exp().numpy(), softmax64(logits), rtol=1e-13)


@BOTH
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_value_per_sample_is_a_bernoulli_logit(
    metric_class: type[Metric], shape: tuple[int, ...]
) -> None:
    """It means the logits (0, z), even where all values lie between 0 and 1."""
    z, labels = torch.rand(30), torch.arange(30) % 2
    expected = values(metric_class(2), torch.stack([torch.zeros(30), z], dim=1), labels)
    got = values(metric_class(2), z.reshape(shape), labels)
    assert got == pytest.approx(expected, **EXACT)


@BOTH
def test_kind_probabilities_makes_one_value_the_probability_of_class_1(
    metric_class: type[Metric],
) -> None:
    p, labels = torch.rand(30, dtype=torch.float64), torch.arange(30) % 2
    expected = values(metric_class(2), torch.stack([1 - p, p], dim=1), labels)
    got = values(metric_class(2, kind="probabilities"), p, labels)
    assert got == pytest.approx(expected, **EXACT)


@BOTH
@pytest.mark.parametrize("way", ["update", "forward", "after reset"])
def test_logits_stay_logits_when_a_batch_looks_like_probabilities(
    metric_class: type[Metric], way: str
) -> None:
    logits = torch.tensor([[3.0, 1.0], [0.0, -2.0], [0.25, 0.75]])
    labels = torch.tensor([0, 1, 1])
    metric = metric_class(2)
    count = metric if way == "forward" else metric.update
    count(logits[:2], labels[:2])
    if way == "after reset":
        metric.reset()
        count(logits[2:], labels[2:])
        count(logits[:2], labels[:2])
    else:
        count(logits[2:], labels[2:])
    expected = values(metric_class(2, kind="logits"), logits, labels)
    assert computed(metric) == pytest.approx(expected, **EXACT)


@BOTH
@pytest.mark.parametrize("way", ["update", "forward"])
def test_logits_after_probabilities_are_an_error(metric_class: type[Metric], way: str) -> None:
    metric = metric_class(2)
    count = metric if way == "forward" else metric.update
    count(torch.tensor([[0.25, 0.75]]), torch.tensor([1]))
    with pytest.raises(ValueError, match=r"expected probabilities .*row 1 is \[3, 1\].*'logits'"):
        count(torch.tensor([[0.5, 0.5], [3.0, 1.0]]), torch.tensor([0, 0]))


@BOTH
def test_processes_that_read_differently_are_an_error(metric_class: type[Metric]) -> None:
    first, second = metric_class(2), metric_class(2)
    first.update(torch.tensor([[0.25, 0.75]]), torch.tensor([1]))
    second.update(torch.tensor([[3.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 0]))
    first.merge_state(second)
    with pytest.raises(ValueError, match="1 of 3 samples were read as probabilities"):
        first.compute()


def test_a_broken_row_among_probabilities_is_an_error() -> None:
    predictions = torch.tensor([[0.25, 0.75], [0.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match=r"most rows .* row 1 is \[0, 0\]"):
        PredictionEntropy(2).update(predictions, torch.tensor([0, 1, 0]))
    assert kind_of(predictions[:2]) == "logits"


@BOTH
def test_a_refused_batch_leaves_no_trace(metric_class: type[Metric]) -> None:
    """Neither in the sums nor in what later batches are taken for."""
    logits, labels = random_case(13)
    metric = metric_class(4)
    with pytest.raises(ValueError, match="labels: got 9"):
        metric.update(logits.softmax(dim=1), torch.full_like(labels, 9))
    assert metric.kind is None
    assert values(metric, logits, labels) == values(metric_class(4), logits, labels)


# Errors


THREE = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 0.0]])
nan, inf = float("nan"), float("inf")


@BOTH
@pytest.mark.parametrize(
    ("predictions", "labels", "error", "message"),
    [
        (
            THREE,
            torch.zeros(2),
            TypeError,
            "labels: got float32; expected integer class numbers 0..2",
        ),
        (THREE, [0, 1], TypeError, "labels: got list; expected integer class numbers 0..2"),
        (THREE, torch.tensor([0, 7]), ValueError, r"labels: got 7 in row 1; expected .* 0\.\.2"),
        (THREE, torch.tensor([-1, 0]), ValueError, r"labels: got -1 in row 0; expected .* 0\.\.2"),
        (THREE, torch.zeros(3).long(), ValueError, r"labels: got shape \(3,\); expected \(2,\)"),
        (
            THREE,
            torch.zeros(2, 1).long(),
            ValueError,
            r"labels: got shape \(2, 1\); expected \(2,\)",
        ),
        (
            THREE.long(),
            torch.zeros(2).long(),
            TypeError,
            "predictions: got int64; expected a float",
        ),
        ([[1.0]], torch.zeros(1).long(), TypeError, "predictions: got list; expected a floating"),
        (
            THREE[:, :2],
            torch.zeros(2).long(),
            ValueError,
            r"got shape \(2, 2\).*expected 3 columns",
        ),
        (THREE[:, 0], torch.zeros(2).long(), ValueError, r"got shape \(2,\).*Bernoulli logit"),
        (THREE[:, :0], torch.zeros(2).long(), ValueError, r"predictions: got shape \(2, 0\)"),
        (THREE[None], torch.zeros(1).long(), ValueError, r"predictions: got shape \(1, 2, 3\)"),
        (
            torch.tensor([[0.0, 1.0, 4.0], [nan, 1.0, 0.0]]),
            torch.zeros(2).long(),
            ValueError,
            r"row 1 is \[nan, 1, 0\]; expected no NaN",
        ),
        (torch.tensor([[0.0, inf, 0.0]]), torch.tensor([0]), ValueError, r"row 0 is \[0, inf, 0\]"),
        (torch.full((1, 3), -inf), torch.tensor([0]), ValueError, r"row 0 is \[-inf, -inf, -inf\]"),
    ],
)
def test_bad_input_is_named(
    metric_class: type[Metric],
    predictions: Any,
    labels: Any,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        metric_class(3).update(predictions, labels)


@BOTH
def test_nothing_has_no_entropy(metric_class: type[Metric]) -> None:
    metric = metric_class(3)
    metric.update(THREE[:0], torch.zeros(0).long())
    with pytest.raises(ValueError, match="no samples yet"):
        metric.compute()


@BOTH
@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.0, "10"])
def test_a_classifier_has_at_least_two_classes(
    metric_class: type[Metric], num_classes: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match="num_classes: need a whole number >= 2"):
        metric_class(num_classes)


@BOTH
def test_an_unknown_kind_is_named(metric_class: type[Metric]) -> None:
    with pytest.raises(ValueError, match="kind: got 'logit'; expected 'logits'"):
        metric_class(3, kind="logit")
    with pytest.raises(ValueError, match="kind: got 'logit'; expected 'logits'"):
        as_log_probabilities(THREE, "logit")  # type: ignore[arg-type]  # what the test is about


def test_integer_and_boolean_labels_of_any_width_are_taken() -> None:
    z = torch.tensor([2.0, -1.0, 0.5])
    expected = values(PredictionEntropy(2), z, torch.tensor([1, 0, 1]))
    for dtype in (torch.uint8, torch.int32, torch.uint16, torch.uint32, torch.uint64, torch.bool):
        assert values(PredictionEntropy(2), z, torch.tensor([1, 0, 1], dtype=dtype)) == expected


@pytest.mark.parametrize("metric", [PredictionEntropy, ConditionalEntropy])
@pytest.mark.parametrize("n_classes", [5, 1500])
def test_a_transposed_tensor_of_predictions_gives_the_same_numbers_to_the_bit(
    metric: Any, n_classes: int
) -> None:
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(n_classes, 200, generator=generator).t()
        labels = torch.arange(200) % n_classes
        transposed, contiguous = metric(n_classes), metric(n_classes)
        transposed.update(logits, labels)
        contiguous.update(logits.contiguous(), labels)
        found, expected = transposed.compute(), contiguous.compute()
        for name in expected:
            assert torch.equal(found[name].nan_to_num(-1), expected[name].nan_to_num(-1))
