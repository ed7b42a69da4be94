"""The metrics of several labels: column by column, and as sums over the columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score
from torch import Tensor

from it_callbacks.metrics import PredictionEntropy
from it_callbacks.multi_label import MultiLabelConditionalEntropy, MultiLabelPredictionEntropy

N, K = 40, 3
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(N, K, generator=GENERATOR)
LABELS = (torch.rand(N, K, generator=GENERATOR) < torch.tensor([0.5, 0.2, 0.8])).long()


CHANCE = ("chance", "adjusted")


def h(q: Any) -> NDArray[np.float64]:
    """Entropy of yes-no questions answered yes with probability q."""
    q = np.asarray(q, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nansum([q * np.log2(q), (1 - q) * np.log2(1 - q)], axis=0)


def computed(metric: Any, *batches: tuple[Tensor, Tensor]) -> dict[str, float]:
    for predictions, labels in batches:
        metric.update(predictions, labels)
    return {name: float(value) for name, value in metric.compute().items()}


def test_whole_values_are_sums_over_the_columns() -> None:
    q, y = LOGITS.double().sigmoid().numpy(), LABELS.numpy()
    nll = -np.log2(np.where(y == 1, q, 1 - q)).sum(1)
    share = y.mean(0)
    bound = (-np.log2(np.where(y == 1, share, 1 - share))).sum(1) - nll
    expected = {
        "mean": h(q).mean(0).sum(),
        "marginal": h(q.mean(0)).sum(),
        "hard": h((q > 0.5).mean(0)).sum(),
        "input_information": h(q.mean(0)).sum() - h(q).mean(0).sum(),
        "cross_entropy": nll.mean(),
        # Each column's own entropy is too low by 1 / 2N nats.
        "label_bound": np.minimum(1, h(share) + 1 / (2 * N * math.log(2))).sum() - nll.mean(),
        "label_bound_se": bound.std(ddof=1) / np.sqrt(N),
        **{f"label_{k}": h(q).mean(0)[k] for k in range(K)},
    }
    got = computed(MultiLabelPredictionEntropy(K), (LOGITS, LABELS))
    assert got == pytest.approx(expected, abs=1e-9)


def test_a_column_is_a_binary_classifier() -> None:
    """Sums of what the metric of one logit computes of each column."""
    singles = [
        computed(PredictionEntropy(2), (LOGITS[:, k], LABELS[:, k].contiguous())) for k in range(K)
    ]
    got = computed(MultiLabelPredictionEntropy(K), (LOGITS, LABELS))
    for name in ("mean", "marginal", "hard", "input_information", "cross_entropy", "label_bound"):
        assert got[name] == pytest.approx(sum(one[name] for one in singles), abs=1e-9)


def test_inside_classes_only_samples_with_the_label_count() -> None:
    q, y = LOGITS.double().sigmoid().numpy(), LABELS.numpy()
    hard = q > 0.5
    expected = {}
    for k in range(K):
        there = y[:, k] == 1
        expected[f"class_{k}"] = h(q[there, k].mean())
        expected[f"within_class_{k}"] = h(q[there, k]).mean()
        expected[f"hard_class_{k}"] = h(hard[there, k].mean())
    by_column = [
        [(y[:, k] == value).mean() * h(q[y[:, k] == value, k].mean()) for value in (0, 1)]
        for k in range(K)
    ]
    expected["all"] = np.sum(by_column)
    expected["information_soft"] = h(q.mean(0)).sum() - np.sum(by_column)
    expected["information_hard"] = sum(
        mutual_info_score(y[:, k], hard[:, k]) / math.log(2) for k in range(K)
    )
    expected["equivocation"] = h(y.mean(0)).sum() - expected["information_hard"]
    got = computed(MultiLabelConditionalEntropy(K), (LOGITS, LABELS))
    assert {name: got[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    of_chance = {f"information_{way}_{what}" for way in ("soft", "hard") for what in CHANCE}
    assert set(got) == {*expected, *of_chance, "information_status"}


@pytest.mark.parametrize("kind", [MultiLabelPredictionEntropy, MultiLabelConditionalEntropy])
def test_values_do_not_depend_on_batches_processes_or_dtypes(kind: type[Any]) -> None:
    whole = computed(kind(K), (LOGITS, LABELS))
    parts = [(LOGITS[:7], LABELS[:7].bool()), (LOGITS[7:], LABELS[7:].double())]
    assert computed(kind(K), *parts) == pytest.approx(whole, abs=1e-12)
    first, second = kind(K), kind(K)
    first.update(*parts[0])
    second.update(*parts[1])
    first.merge_state(second)
    assert computed(first) == pytest.approx(whole, abs=1e-12)
    of_probabilities = kind(K, kind="probabilities")
    assert computed(of_probabilities, (LOGITS.double().sigmoid(), LABELS)) == pytest.approx(
        whole, abs=1e-9
    )


def test_a_label_that_is_never_present_has_no_class() -> None:
    labels = LABELS.clone()
    labels[:, 1] = 0
    got = computed(MultiLabelConditionalEntropy(K), (LOGITS, labels))
    assert "class_0" in got
    assert "class_1" not in got
    whole = computed(MultiLabelPredictionEntropy(K), (LOGITS, labels))
    assert math.isfinite(whole["label_bound_se"])


def test_a_label_that_was_ruled_out_costs_infinitely_much() -> None:
    got = computed(
        MultiLabelPredictionEntropy(2), (torch.tensor([[-torch.inf, 0.0]] * 2), torch.ones(2, 2))
    )
    assert got["cross_entropy"] == got["label_bound_se"] == math.inf
    assert (got["label_0"], got["label_1"]) == (0.0, 1.0)


@pytest.mark.parametrize("kind", [MultiLabelPredictionEntropy, MultiLabelConditionalEntropy])
@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        (LOGITS[:, :2], LABELS, r"predictions: got shape \(40, 2\); expected \(40, 3\)"),
        (LOGITS, LABELS[:, 0], r"labels: got shape \(40,\); expected \(40, 3\)"),
        (LOGITS, LABELS + 1, "labels: expected 0"),
        (LOGITS * torch.nan, LABELS, "predictions"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: type[Any], predictions: Tensor, labels: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(K).update(predictions, labels)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
@pytest.mark.parametrize("kind", [MultiLabelPredictionEntropy, MultiLabelConditionalEntropy])
def test_no_samples_have_no_entropy(kind: type[Any]) -> None:
    with pytest.raises(ValueError, match="no samples yet"):
        kind(K).compute()
