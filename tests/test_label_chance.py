"""What chance alone shows of label information: exact where it can be, whatever the order."""

from __future__ import annotations

import copy
import io
import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import expected_mutual_information
from torch import Tensor

from it_callbacks import label_chance, prediction_metric
from it_callbacks.label_chance import (
    adjusted,
    chance_by_moments,
    hard_chance,
    soft_chance,
    soft_chance_of_columns,
)
from it_callbacks.metrics import ConditionalEntropy
from it_callbacks.multi_label import MultiLabelConditionalEntropy

Floats = NDArray[np.float64]


def computed(metric: Any) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def knowing_nothing(n_classes: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Logits of a layer of 16 units, and labels that have nothing to do with them."""
    generator = torch.Generator().manual_seed(seed)
    units = torch.randn(n, 16, generator=generator)
    logits = units @ torch.randn(16, n_classes, generator=generator) * 0.5
    return logits, torch.randint(n_classes, (n,), generator=generator)


def information(p: Floats, y: NDArray[np.int64]) -> float:
    """I(Y;Ŷ) in bits, sample by sample."""

    def entropy(q: Floats) -> float:
        return -sum(x * math.log2(x) for x in q.tolist() if x > 0)

    inside = sum(np.mean(y == c) * entropy(p[y == c].mean(0)) for c in np.unique(y))
    return entropy(p.mean(0)) - float(inside)


def drawn(kind: str, n_classes: int, n: int, seed: int) -> NDArray[np.float32]:
    """Predictions that know nothing: unsure, spread, sure, or all but certain of one class."""
    generator = np.random.default_rng(seed)
    if kind == "one-hot":
        return np.eye(n_classes, dtype=np.float32)[generator.integers(n_classes, size=n)]
    scale = {"unsure": 0.1, "spread": 1.0, "sure": 3.0}[kind]
    e = np.exp(scale * generator.normal(size=(n, n_classes)))
    return (e / e.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("n_classes", "n", "hard", "soft"),
    [(10, 360, 0.17, 0.045), (100, 300, 3.85, 1.02), (100, 1000, 2.75, 0.46)],
)
def test_predictions_that_know_nothing_show_what_chance_shows(
    n_classes: int, n: int, hard: float, soft: float
) -> None:
    """As much as a study of ten draws each found with other seeds; nothing is left of it."""
    found = []
    for seed in range(10):
        metric = ConditionalEntropy(n_classes)
        metric.update(*knowing_nothing(n_classes, n, seed))
        found.append(computed(metric))
    mean = {name: np.mean([one[name] for one in found]) for name in found[0] if "inf" in name}
    assert mean["information_hard"] == pytest.approx(hard, rel=0.1)
    assert mean["information_hard_chance"] == pytest.approx(mean["information_hard"], abs=0.02)
    assert mean["information_soft"] == pytest.approx(soft, rel=0.15)
    assert mean["information_soft_chance"] == pytest.approx(mean["information_soft"], abs=0.02)
    assert abs(mean["information_hard_adjusted"]) < 0.02
    assert abs(mean["information_soft_adjusted"]) < 0.02


def test_the_chance_of_decisions_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for n_classes, n in ((2, 9), (5, 60), (30, 200)):
        y = generator.integers(n_classes, size=n)
        predicted = generator.integers(n_classes, size=n) // 2
        table = np.zeros((n_classes, n_classes), np.int64)
        np.add.at(table, (y, predicted), 1)
        rows, columns = table.sum(1), table.sum(0)
        expected = expected_mutual_information(table[rows > 0][:, columns > 0], n) / math.log(2)
        assert hard_chance(rows, columns) == pytest.approx(expected, rel=1e-9)


def test_a_table_too_large_for_the_exact_sum_is_read_by_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of large cells, these are as good."""
    exact = hard_chance([4000, 6000], [5000, 3000, 2000])
    monkeypatch.setattr(label_chance, "_MOST_TERMS", 0)
    assert hard_chance([4000, 6000], [5000, 3000, 2000]) == pytest.approx(exact, rel=0.01)


def test_the_chance_of_drawn_classes_is_the_mean_over_all_ways_to_deal_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of seven samples there are 210; four permutations come near, many come to it."""
    p = drawn("spread", 3, 7, seed=0)
    ways = {tuple(way) for way in itertools.permutations([0, 0, 0, 1, 1, 2, 2])}
    expected = np.mean([information(p.astype(float), np.array(way)) for way in ways])
    monkeypatch.setattr(label_chance, "PERMUTATIONS", 20_000)
    assert len(ways) == 210
    assert soft_chance(p, [3, 2, 2]) == pytest.approx(expected, rel=0.01)


def test_four_permutations_are_enough() -> None:
    """A tenth of the chance level, and less where that is large."""
    for n_classes, n, within in ((10, 360, 0.2), (100, 300, 0.02)):
        p = drawn("sure", n_classes, n, seed=1)
        y = np.arange(n) % n_classes
        generator = np.random.default_rng(5)
        dealt = [information(p.astype(float), generator.permutation(y)) for _ in range(30)]
        assert soft_chance(p, np.bincount(y)) == pytest.approx(np.mean(dealt), rel=within)


@pytest.mark.parametrize(
    ("kind", "n_classes", "n", "within"),
    [
        *(("unsure", 10, 2000, 0.15), ("spread", 10, 2000, 0.15), ("sure", 10, 2000, 0.15)),
        *(("one-hot", 10, 2000, 0.15), ("spread", 100, 3000, 0.1), ("sure", 100, 3000, 0.25)),
        ("one-hot", 100, 3000, 0.3),
    ],
)
@pytest.mark.parametrize("imbalanced", [False, True])
def test_moments_come_near_to_permutations(
    kind: str, n_classes: int, n: int, within: float, imbalanced: bool
) -> None:
    p = drawn(kind, n_classes, n, seed=2)
    share = np.linspace(1, 20, n_classes) if imbalanced else np.ones(n_classes)
    y = np.random.default_rng(3).choice(n_classes, size=n, p=share / share.sum())
    counts = np.bincount(y, minlength=n_classes)
    dealt = soft_chance(p, counts)
    wide = p.astype(float)
    assert chance_by_moments(counts, wide.mean(0), wide.var(0)) == pytest.approx(dealt, rel=within)


def test_chance_is_the_same_in_parts_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions are widened a part of the classes at a time."""
    p, counts = drawn("unsure", 10, 200, seed=4), [50, 0, 150]
    whole = soft_chance(p, counts)
    monkeypatch.setattr(label_chance, "_COPIED_NUMBERS", 3 * 200)
    assert soft_chance(p, counts) == whole > 0


def test_columns_are_two_classes_each() -> None:
    generator = np.random.default_rng(0)
    p = generator.random((300, 3), dtype=np.float32)
    present = np.array([150, 30, 0])
    for k, bits in enumerate(soft_chance_of_columns(p, present)):
        both = np.stack([p[:, k], 1 - p[:, k]], 1)
        assert bits == pytest.approx(soft_chance(both, [present[k], 300 - present[k]]), abs=0.003)
    assert soft_chance_of_columns(p, present)[2] == 0.0


def test_adjusted_is_0_at_chance_and_the_label_entropy_at_most() -> None:
    assert adjusted(0.5, 0.5, 2.0) == 0.0
    assert adjusted(2.0, 0.5, 2.0) == 2.0
    assert math.isnan(adjusted(1.9, 1.81, 2.0))
    assert adjusted(0.0, 0.0, 0.0) == 0.0


@pytest.mark.parametrize(("n_classes", "n", "status"), [(2, 2000, 0), (10, 360, 1), (100, 300, 2)])
def test_the_status_tells_what_chance_has_to_do_with_it(
    n_classes: int, n: int, status: int
) -> None:
    metric = ConditionalEntropy(n_classes)
    metric.update(*knowing_nothing(n_classes, n, seed=0))
    assert computed(metric)["information_status"] == status


# What is kept


def parts(seed: int = 0, n: int = 60) -> list[tuple[Tensor, Tensor]]:
    logits, labels = knowing_nothing(5, n, seed)
    edges = (0, 7, 8, n)
    return [(logits[a:b], labels[a:b]) for a, b in itertools.pairwise(edges)]


def of(*batches: tuple[Tensor, Tensor]) -> ConditionalEntropy:
    metric = ConditionalEntropy(5)
    for batch in batches:
        metric.update(*batch)
    return metric


def whole() -> dict[str, float]:
    return computed(of(*parts()))


def exactly(expected: dict[str, float]) -> Any:
    return pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_chance_does_not_depend_on_batches_nor_on_their_order() -> None:
    logits, labels = (torch.cat(several) for several in zip(*parts(), strict=True))
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert computed(of((logits, labels))) == exactly(whole())
    assert computed(of((logits[order], labels[order]))) == exactly(whole())
    assert computed(of(*reversed(parts()))) == exactly(whole())


def test_chance_hardly_depends_on_the_last_digit_of_a_prediction() -> None:
    """Which differs with the size of a batch; permutations of their own are a tenth of it apart."""
    draws = np.random.default_rng(7)
    predictions = draws.dirichlet(np.ones(3), 100).astype(np.float32)
    apart = np.where(draws.random(predictions.shape) < 0.5, 0, 1).astype(np.float32)
    others = np.nextafter(predictions, apart)
    assert (others != predictions).all()
    counts = [40, 35, 25]
    assert soft_chance(others, counts) == pytest.approx(soft_chance(predictions, counts), rel=1e-4)


def test_chance_does_not_depend_on_how_metrics_are_merged() -> None:
    first, *others = (of(part) for part in parts())
    for other in others:
        first.merge_state(other)
    assert computed(first) == exactly(whole())
    empty = of(tuple(some[:0] for some in parts()[0]))
    empty.merge_state(of(*parts()))
    assert computed(empty) == exactly(whole())


def test_what_is_kept_survives_copies_files_and_resets() -> None:
    metric = of(*parts()[:2])
    stored = io.BytesIO()
    torch.save(metric, stored)
    stored.seek(0)
    loaded = torch.load(stored, weights_only=False)
    restored = of()
    restored.persistent(True)
    metric.persistent(True)
    restored.load_state_dict(metric.state_dict())
    for copied in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), loaded, restored):
        copied.update(*parts()[2])
        assert computed(copied) == exactly(whole())
    metric.half()
    metric.update(*parts()[2])
    assert computed(metric) == exactly(whole())
    metric.reset()
    assert metric.kept == []
    for part in parts():
        metric(*part)  # forward counts a batch apart, and adds it
    assert computed(metric) == exactly(whole())


def test_beyond_the_limit_nothing_is_kept_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chance level comes from moments, in any way to get there, and is marked CAUTION."""
    monkeypatch.setattr(prediction_metric, "MOST_NUMBERS", 250)
    one = of(*parts())
    merged = of(*parts()[:2])
    merged.merge_state(of(parts()[2]))
    late = of(*parts()[:2])
    late(*parts()[2])
    for metric in (one, merged):
        assert metric.kept == []
    for metric in (one, merged, late):
        assert metric.chance().is_permuted is False
        assert computed(metric) == exactly(computed(one))
        assert computed(metric)["information_status"] >= 1
    expected = whole()["information_soft_chance"]
    assert expected != computed(of(*parts()[:1]))["information_soft_chance"]


def test_a_refused_batch_keeps_nothing() -> None:
    metric = of(*parts())
    logits, labels = parts()[0]
    with pytest.raises(ValueError, match="NaN"):
        metric.update(logits * torch.nan, labels)
    assert computed(metric) == exactly(whole())


def test_several_labels_are_read_column_by_column() -> None:
    """Decisions by exact margins; predictions that know nothing have nothing left."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 4, generator=generator) * 2
    labels = (torch.rand(400, 4, generator=generator) < torch.tensor([0.5, 0.5, 0.2, 0.02])).long()
    metric = MultiLabelConditionalEntropy(4)
    for start in range(0, 400, 150):
        metric.update(logits[start : start + 150], labels[start : start + 150])
    got = computed(metric)
    hard = (logits > 0).long()
    expected = 0.0
    for k in range(4):
        table = np.zeros((2, 2), np.int64)
        np.add.at(table, (labels[:, k].numpy(), hard[:, k].numpy()), 1)
        expected += expected_mutual_information(table, 400) / math.log(2)
    assert got["information_hard_chance"] == pytest.approx(expected, rel=1e-9)
    assert got["information_hard"] == pytest.approx(
        sum(mutual_info_score(labels[:, k], hard[:, k]) for k in range(4)) / math.log(2)
    )
    assert got["information_soft_chance"] < got["information_hard_chance"]
    label_entropy = got["information_hard"] + got["equivocation"]
    for way in ("soft", "hard"):
        chance = got[f"information_{way}_chance"]
        left = label_entropy * (got[f"information_{way}"] - chance) / (label_entropy - chance)
        assert got[f"information_{way}_adjusted"] == pytest.approx(left, abs=1e-12)
    other = MultiLabelConditionalEntropy(4)
    order = torch.randperm(400, generator=generator)
    other.update(logits[order], labels[order])
    assert computed(other) == exactly(got)


def test_several_labels_beyond_the_limit_are_read_by_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2000, 3, generator=generator)
    labels = torch.randint(2, (2000, 3), generator=generator)
    metric = MultiLabelConditionalEntropy(3)
    dealt = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(2000)
        p = logits.double().sigmoid().numpy()
        both = [(np.stack([p[:, k], 1 - p[:, k]], 1), labels[order, k].numpy()) for k in range(3)]
        dealt.append(sum(information(*one) for one in both))
    monkeypatch.setattr(prediction_metric, "MOST_NUMBERS", 100)
    metric.update(logits, labels)
    got = computed(metric)
    assert got["information_status"] == 1
    assert got["information_soft_chance"] == pytest.approx(np.mean(dealt), rel=0.4)
