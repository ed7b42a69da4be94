"""Predictions over any vocabulary: right to a millionth, in little memory, with every refusal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor, nn

from it_callbacks import PredictionEntropyMonitor
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy

from .benchmarks import memory, vocabulary
from .toys import N_UNITS, Lenient, fit

V = 50_257

needs_proc = pytest.mark.skipif(
    not memory.STATM.exists(), reason="only Linux tells its highest memory"
)


def values(metric: Any, predictions: Tensor, labels: Tensor) -> dict[str, float]:
    metric.update(predictions, labels)
    return {name: value.item() for name, value in metric.compute().items()}


def right(expected: dict[str, float]) -> Any:
    """To a millionth, or a billionth of a bit."""
    return pytest.approx(expected, rel=1e-6, abs=1e-9)


def oracle(log_p: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The seven quantities from float64 log-probabilities, by SciPy."""
    p = np.exp(log_p)
    n, k = p.shape
    surprise = -log_p[np.arange(n), labels] / math.log(2)
    share = np.bincount(labels, minlength=k) / n
    surplus = -np.log2(share[labels]) - surprise
    too_low = (np.count_nonzero(share) - 1) / (2 * n * math.log(2))  # H(Y) of counts, by Miller
    label_entropy = float(stats.entropy(share, base=2)) + too_low
    mean = float(np.mean(stats.entropy(p, base=2, axis=1)))
    marginal = float(stats.entropy(p.mean(axis=0), base=2))
    return {
        "mean": mean,
        "marginal": marginal,
        "hard": float(stats.entropy(np.bincount(p.argmax(axis=1)), base=2)),
        "input_information": marginal - mean,
        "cross_entropy": float(surprise.mean()),
        "label_bound": min(math.log2(k), label_entropy) - float(surprise.mean()),
        "label_bound_se": float(surplus.std(ddof=1) / math.sqrt(n)),
    }


def batch(scale: float, n_classes: int = V, n: int = 23) -> tuple[Tensor, Tensor]:
    """Float32 logits, of which a third rule out some classes, and labels that none rules out."""
    generator = torch.Generator().manual_seed(n_classes)
    logits = scale * torch.randn(n, n_classes, generator=generator)
    labels = torch.randint(n_classes // 2, (n,), generator=generator)
    logits[::3, n_classes // 2 :] = -math.inf
    return logits, labels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("scale", [0.01, 3.0, 40.0])
def test_every_quantity_is_right_at_fifty_thousand_classes(
    dtype: torch.dtype, scale: float
) -> None:
    logits, labels = batch(scale)
    logits = logits.to(dtype)
    log_p = special.log_softmax(logits.double().numpy(), axis=1)
    assert values(PredictionEntropy(V), logits, labels) == right(oracle(log_p, labels.numpy()))


def test_float64_logits_stay_exact() -> None:
    logits, labels = batch(3.0)
    logits = logits.double()
    expected = oracle(special.log_softmax(logits.numpy(), axis=1), labels.numpy())
    got = values(PredictionEntropy(V), logits, labels)
    assert got == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_are_right_at_fifty_thousand_classes(dtype: torch.dtype) -> None:
    logits, labels = batch(3.0)
    p = logits.softmax(dim=1).to(dtype)
    rows = p.double().numpy()
    expected = oracle(np.log(rows / rows.sum(axis=1, keepdims=True) + 1e-300), labels.numpy())
    metric = PredictionEntropy(V)
    assert values(metric, p, labels) == right(expected)
    assert metric.kind == "probabilities"


@pytest.mark.parametrize("gap", [0.3, 4.7, 11.1, 17.9, 24.3, 60.0])
def test_one_class_above_all_others_has_the_entropy_of_two_parts(gap: float) -> None:
    """With q the share of the V - 1 others, H = h(q) + q log2(V - 1): confident and vague alike."""
    n_classes = 151_936
    logits = torch.full((2, n_classes), 7.3 - gap)
    logits[:, 5] = 7.3
    exact = logits[0, 5].double().item() - logits[0, 0].double().item()
    weight = (n_classes - 1) * math.exp(-exact)
    q = weight / (1 + weight)
    entropy = (math.log1p(weight) + q * exact) / math.log(2)

    got = values(PredictionEntropy(n_classes), logits, torch.tensor([5, 6]))

    assert got["mean"] == pytest.approx(entropy, rel=1e-6, abs=1e-9)
    assert got["marginal"] == pytest.approx(entropy, rel=1e-6, abs=1e-9)
    surprise = (math.log1p(weight) + exact / 2) / math.log(2)
    assert got["cross_entropy"] == pytest.approx(surprise, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("n_classes", [2, 1000, 1001, 1024, 1100, 1279, 1280, 5000])
def test_of_equal_predictions_the_first_class_counts(n_classes: int) -> None:
    generator = torch.Generator().manual_seed(n_classes)
    logits = torch.randint(-3, 1, (300, n_classes), generator=generator).float()
    logits[torch.arange(150), torch.randint(n_classes, (150,), generator=generator)] = 0.5
    logits[0, -1] = logits[1, 0] = 9.0
    metric = PredictionEntropy(n_classes)
    metric.update(logits, torch.zeros(300, dtype=torch.long))
    expected = np.bincount(logits.numpy().argmax(axis=1), minlength=n_classes)
    assert metric.predicted_count.tolist() == expected.tolist()


def test_blocks_of_rows_give_the_numbers_of_one_row_at_a_time() -> None:
    logits, labels = batch(3.0)
    one_by_one = PredictionEntropy(V)
    for row, label in zip(logits, labels, strict=True):
        one_by_one.update(row[None], label[None])
    expected = {name: value.item() for name, value in one_by_one.compute().items()}
    assert values(PredictionEntropy(V), logits, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_row_that_is_no_distribution_is_named_in_whatever_block_it_is(odd: float) -> None:
    logits, labels = batch(3.0)
    metric = PredictionEntropy(V)
    logits[21, 2] = odd
    with pytest.raises(ValueError, match=rf"row 21 is \[.*{odd}, .*; expected no NaN"):
        metric.update(logits, labels)
    logits[21] = -math.inf
    with pytest.raises(ValueError, match=r"row 21 is \[-inf, .*only as the logit of a masked"):
        metric.update(logits, labels)
    assert metric.class_count.sum() == 0
    assert metric.probability_sum.sum() == 0


def test_the_state_grows_with_the_classes_and_not_with_their_square() -> None:
    state = PredictionEntropy(V).metric_state.values()
    assert sum(part.numel() for part in state if isinstance(part, Tensor)) < 5 * V


def test_a_table_of_classes_is_summed_in_blocks_too() -> None:
    logits, labels = batch(3.0, n_classes=1200, n=900)
    got = values(ConditionalEntropy(1200), logits, labels)
    p = special.softmax(logits.double().numpy(), axis=1)
    for label in np.unique(labels.numpy())[:5]:
        of_class = p[labels.numpy() == label]
        assert got[f"class_{label}"] == pytest.approx(
            stats.entropy(of_class.mean(axis=0), base=2), rel=1e-6
        )
        assert got[f"within_class_{label}"] == pytest.approx(
            stats.entropy(of_class, base=2, axis=1).mean(), rel=1e-6
        )


@needs_proc
def test_little_memory_is_taken_beside_the_logits() -> None:
    """One more float32 copy would be past it."""
    n_rows, n_classes = 128, 151_936
    extra = memory.in_a_process("-m", vocabulary.__name__, str(n_rows), str(n_classes))
    assert 0 < extra < vocabulary.allowed_bytes(n_classes)


def test_the_monitor_takes_any_number_of_classes() -> None:
    data = torch.randn(60, N_UNITS), 50 * torch.arange(60)
    monitor = PredictionEntropyMonitor(data=data)
    model = Lenient(nn.Linear(N_UNITS, 3000))
    fit([monitor], model, max_epochs=1)
    *_, mean = (record.bits for record in monitor.history if record.layer == "mean")
    with torch.no_grad():
        p = special.softmax(model(data[0]).double().numpy(), axis=1)
    assert mean == pytest.approx(stats.entropy(p, base=2, axis=1).mean(), rel=1e-6)
