"""The whole chain against theory: activations -> ruler -> symbols -> estimator -> known bits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from it_callbacks.codes import encode
from it_callbacks.estimators import (
    conditional_entropy,
    entropy,
    expected_mutual_information,
    mutual_information,
)
from it_callbacks.metrics import ConditionalEntropy, PredictionEntropy
from it_callbacks.rulers import Calibrated, Exact, Ruler, Uniform, Width
from it_callbacks.tasks import szt_task

RULERS = [Uniform(30, -1, 1), Width(0.25), Exact()]


def entropy_of(activations: Tensor, ruler: Ruler = Exact()) -> float:  # noqa: B008 # a frozen value
    return entropy(encode(activations, ruler)).bits


def information_of(activations: Tensor, labels: Tensor, ruler: Ruler = Exact()) -> float:  # noqa: B008 # same
    return mutual_information(encode(activations, ruler), labels).bits


def repeated(table: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Samples of (x, y) that have exactly this table of counts; x as an activation."""
    cells = [(x, y) for x, row in enumerate(table) for y, n in enumerate(row) for _ in range(n)]
    x, y = torch.tensor(cells).T
    return x[:, None] / 8, y


def h(p: float) -> float:
    return float(stats.entropy([p, 1 - p], base=2))


def clustered(n_samples: int, n_units: int) -> tuple[Tensor, Tensor]:
    """Tanh units around 40 centres, and a label that depends on the centre."""
    centre = torch.randint(40, (n_samples,))
    noise = 0.05 * torch.randn(n_samples, n_units)
    return (torch.randn(40, n_units)[centre] + noise).tanh(), centre % 3


# Invariants (theory 5.1 and 5.2)


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_entropy_and_information_keep_their_bounds(ruler: Ruler) -> None:
    activations, labels = clustered(2000, 3)
    symbols = encode(activations, ruler)
    of_layer, of_labels = entropy(symbols), entropy(labels)
    information = mutual_information(symbols, labels).bits
    assert 0 <= of_layer.bits <= math.log2(of_layer.n_states) + 1e-12
    assert 0 <= information <= min(of_layer.bits, of_labels.bits) + 1e-12


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_information_is_what_the_joint_entropy_lacks(ruler: Ruler) -> None:
    """I(T;Y) = H(T) + H(Y) - H(T,Y), where (T, Y) is a layer with the label as one unit more."""
    activations, labels = clustered(2000, 3)
    joint = torch.cat([ruler(activations).double(), labels[:, None].double()], 1)
    expected = entropy_of(activations, ruler) + entropy(labels).bits - entropy_of(joint)
    assert information_of(activations, labels, ruler) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_order_of_samples_and_units_and_names_of_labels_do_not_matter(ruler: Ruler) -> None:
    activations, labels = clustered(2000, 5)
    before = entropy_of(activations, ruler), information_of(activations, labels, ruler)
    samples, units = torch.randperm(2000), torch.randperm(5)
    moved = activations[samples][:, units]
    renamed = torch.tensor([17, -4, 2**40])[labels[samples]]
    assert (entropy_of(moved, ruler), information_of(moved, renamed, ruler)) == pytest.approx(
        before, abs=1e-12
    )


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_every_sample_twice_changes_no_value_but_the_coverage(ruler: Ruler) -> None:
    activations, labels = clustered(500, 3)
    once = entropy_of(activations, ruler), information_of(activations, labels, ruler)
    twice = activations.repeat(2, 1), labels.repeat(2)
    assert (entropy_of(twice[0], ruler), information_of(*twice, ruler)) == pytest.approx(
        once, abs=1e-12
    )
    assert entropy(encode(twice[0], ruler)).coverage == 1.0


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
@pytest.mark.parametrize("size", [1, 17, 499])
def test_batches_change_nothing(ruler: Ruler, size: int) -> None:
    activations, labels = clustered(500, 3)
    symbols = torch.cat([encode(part, ruler) for part in activations.split(size)])
    assert entropy(symbols).bits == entropy_of(activations, ruler)
    assert mutual_information(symbols, labels).bits == information_of(activations, labels, ruler)


def test_coarser_bins_never_know_more() -> None:
    activations, labels = clustered(2000, 4)
    nested = [Exact(), *(Uniform(bins, -1, 1) for bins in (60, 30, 15, 5, 1))]
    for finer, coarser in pairwise(nested):
        assert entropy_of(activations, coarser) <= entropy_of(activations, finer) + 1e-12
        assert (
            information_of(activations, labels, coarser)
            <= information_of(activations, labels, finer) + 1e-12
        )
    assert entropy_of(activations, nested[-1]) == 0


@pytest.mark.parametrize("ruler", RULERS, ids=repr)
def test_one_unit_more_never_knows_less(ruler: Ruler) -> None:
    activations, labels = clustered(2000, 6)
    entropies = [entropy_of(activations[:, :n], ruler) for n in range(1, 7)]
    informations = [information_of(activations[:, :n], labels, ruler) for n in range(1, 7)]
    assert all(np.diff(entropies) >= -1e-12)
    assert all(np.diff(informations) >= -1e-12)


def test_a_layer_computed_from_the_symbols_of_the_one_before_knows_no_more() -> None:
    """The data-processing inequality, in a network that is quantised between its layers."""
    layer, labels = clustered(3000, 6)
    known = []
    for width in (5, 4, 3, 2):
        layer = Uniform(8, -1, 1)(layer).float()
        known.append((entropy_of(layer), information_of(layer, labels)))
        layer = torch.tanh(layer @ torch.randn(layer.shape[1], width) / 4)
    assert all((np.diff(np.array(known), axis=0) <= 1e-12).all(axis=1))


# Channels (theory 5.4), as samples whose shares are exactly their probabilities


@pytest.mark.parametrize(
    ("table", "bits"),
    [
        ([[89, 11], [11, 89]], 0.5000840418),
        ([[3, 1], [1, 3]], 0.1887218755),
        ([[2, 0], [1, 1]], 0.3112781245),
        ([[3, 0, 1], [0, 3, 1]], 0.75),
        (
            [[1 if y in (x, (x + 1) % 26) else 0 for y in range(26)] for x in range(26)],
            3.7004397181,
        ),
        ([[9, 1], [1, 9]], 0.5310044064),
    ],
    ids=["BSC .11", "BSC .25", "Z 1/2", "BEC .25", "noisy typewriter", "BSC .1"],
)
@pytest.mark.parametrize("ruler", [Exact(), Width(1 / 8), Width(0.03)], ids=repr)
def test_channels_have_their_textbook_information(
    table: list[list[int]], bits: float, ruler: Ruler
) -> None:
    """Cover & Thomas (2006), chapter 7; inputs are equally likely."""
    assert information_of(*repeated(table), ruler) == pytest.approx(bits, abs=1e-10)


@pytest.mark.parametrize(
    ("K", "error", "key"), [(2, 0.1, "K=2 err=0.1"), (10, 0.2, "K=10 err=0.2")]
)
def test_symmetric_channels_have_their_listed_information(
    K: int, error: float, key: str, shared: Path
) -> None:
    truths = json.loads((shared / "oracle" / "truths.json").read_text())
    wrong = 1
    right = round(wrong * (K - 1) * (1 - error) / error)
    table = [[right if x == y else wrong for y in range(K)] for x in range(K)]
    assert information_of(*repeated(table)) == pytest.approx(
        truths[f"symmetric channel {key}: I"]["bits"], abs=1e-12
    )


# Small tables (theory 5.5)


def test_exclusive_or_is_known_by_both_bits_and_by_neither() -> None:
    bits = torch.cartesian_prod(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    label = (bits[:, 0] != bits[:, 1]).long()
    assert information_of(bits, label) == pytest.approx(1.0, abs=1e-12)
    assert information_of(bits[:, :1], label) == pytest.approx(0.0, abs=1e-12)
    assert information_of(bits[:, 1:], label) == pytest.approx(0.0, abs=1e-12)


def test_halving_a_uniform_variable_costs_a_bit() -> None:
    x = torch.arange(8.0)[:, None]
    high = (torch.arange(8) >= 4).long()
    assert entropy_of(x) == 3
    assert entropy_of(x, Width(2)) == information_of(x, torch.arange(8) // 2) == 2
    assert information_of(x, high, Width(2)) == 1
    assert information_of(x % 2, high) == 0


# Correlated Gaussians read at their medians (theory 5.6)


@pytest.mark.parametrize(
    ("rho", "printed"), [(0.5, 0.0817042), (0.9, 0.4064971), (0.99, 0.7349996)]
)
def test_median_split_of_correlated_gaussians(rho: float, printed: float) -> None:
    """Both read by their sign: 1 - h(arccos(rho)/pi), below the true -log2(1 - rho**2)/2."""
    n = 500_000
    x, noise = torch.randn(2, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = rho * x + math.sqrt(1 - rho**2) * noise
    differ = math.acos(rho) / math.pi
    truth = 1 - h(differ)
    assert truth == pytest.approx(printed, abs=1e-7)
    assert truth < -0.5 * math.log2(1 - rho**2)
    binned = information_of(x[:, None], encode(y[:, None], Width(1e3)), Width(1e3))
    # The information of a sample is 1 + log2 of its cell's share: two values, hence this spread.
    spread = math.sqrt(differ * (1 - differ)) * math.log2((1 - differ) / differ)
    assert binned == pytest.approx(truth, abs=4 * spread / math.sqrt(n))


# Predictions (theory 5.7 and 5.9)


@pytest.mark.parametrize("batch_size", [4, 1])
@pytest.mark.parametrize("as_logits", [False, True])
def test_four_predictions_of_two_classes(batch_size: int, as_logits: bool) -> None:
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]], dtype=torch.float64)
    y = torch.tensor([0, 0, 1, 1])
    kind = "logits" if as_logits else "probabilities"
    predictions, conditional = PredictionEntropy(2, kind=kind), ConditionalEntropy(2, kind=kind)
    shown = p.log() + 3 if as_logits else p
    for part, labels in zip(shown.split(batch_size), y.split(batch_size), strict=True):
        predictions.update(part, labels)
        conditional.update(part, labels)
    values = {**predictions.compute(), **conditional.compute()}
    got = {name: value.item() for name, value in values.items()}
    expected = {
        "mean": 0.7607912955,
        "marginal": 1.0,
        "input_information": 0.2392087045,
        "class_0": 0.8112781245,
        "class_1": 0.8112781245,
        "within_class_0": 0.7199730940,
        "within_class_1": 0.8016094971,
        "information_soft": 0.1887218755,
        "cross_entropy": 0.4313674888,
        "label_bound": 0.5686325112,
        "information_hard": 1.0,
        "equivocation": 0.0,
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    within_classes = got["all"] - got["mean"]
    assert within_classes == pytest.approx(0.0504868289, abs=1e-9)
    parts = got["information_soft"] + within_classes + got["mean"]
    assert parts == pytest.approx(got["marginal"], abs=1e-12)


def test_uniform_errors_meet_fanos_inequality_with_equality() -> None:
    """Four classes, 30 % errors spread evenly: H(Y|argmax) = h(.3) + .3 log2 3."""
    rows = [
        (c, (c + k) % 4) for c in range(4) for k, n in enumerate((7, 1, 1, 1)) for _ in range(n)
    ]
    labels, predicted = torch.tensor(rows).T
    metric = ConditionalEntropy(4, kind="logits")
    metric.update(5 * torch.nn.functional.one_hot(predicted, 4).double(), labels)
    equivocation = metric.compute()["equivocation"].item()
    assert equivocation == pytest.approx(1.3567796494, abs=1e-10)
    assert equivocation == pytest.approx(h(0.3) + 0.3 * math.log2(3), abs=1e-12)
    assert equivocation == pytest.approx(conditional_entropy(labels, predicted).bits, abs=1e-12)


# The 12-bit task (theory 5.13)


def test_the_12_bit_task_read_as_a_layer() -> None:
    patterns, labels = szt_task()
    assert entropy(labels).bits == pytest.approx(0.9991571209, abs=1e-10)
    assert (
        entropy_of(patterns)
        == entropy_of(patterns, Uniform(30, 0, 1))
        == entropy_of(patterns, Calibrated(2))
        == 12
    )
    every = mutual_information(encode(patterns, Width(0.5)), labels)
    assert every.bits == pytest.approx(0.9991571209, abs=1e-10)
    assert every.chance == pytest.approx(every.bits, abs=1e-12)
    assert every.status.name == "SATURATED"
    for bit in range(12):
        assert information_of(patterns[:, bit : bit + 1], labels, Width(0.5)) == pytest.approx(
            0.033906, abs=5e-7
        )


def test_the_number_of_lit_points_and_the_first_six_bits() -> None:
    patterns, labels = szt_task()
    count, half = patterns.sum(1, keepdim=True), patterns[:, :6]
    assert entropy_of(count, Width(1)) == pytest.approx(2.8385287, abs=5e-8)
    assert information_of(count, labels, Width(1)) == pytest.approx(0.6276412, abs=5e-8)
    assert expected_mutual_information(encode(count, Width(1)), labels) == pytest.approx(
        0.0022702, abs=5e-8
    )
    assert entropy_of(half) == pytest.approx(6, abs=1e-12)
    assert information_of(half, labels) == pytest.approx(0.2608961, abs=5e-8)
    assert expected_mutual_information(encode(half, Exact()), labels) == pytest.approx(
        0.0111850, abs=5e-8
    )


# The minimal model of Saxe et al. (2018), section 2 (theory 5.14): T = phi(w x), x ~ N(0, 1)

WEIGHTS = [0.1, 0.3, 0.5, 1, 1.5, 2, 3, 5, 10, 30, 100]
TANH = [2.6445, 4.0962, 4.6312, 4.8771, 4.5565, 4.1573, 3.5153, 2.7751, 2.0442, 1.4231, 1.1506]
RELU = [1.1444, 2.2521, 2.7254, 3.3253, 3.6581, 3.8880, 4.2050, 4.5954, 5.1140, 5.9211, 6.7956]
N_MINIMAL = 100_000


def exact_tanh(w: float) -> float:
    """Entropy of the 30 bins between -1 and 1, through the normal distribution function."""
    with np.errstate(divide="ignore"):
        edges = np.arctanh(np.linspace(-1, 1, 31)) / w
    return float(stats.entropy(np.diff(stats.norm.cdf(edges)), base=2))


def exact_relu(w: float) -> float:
    """Entropy of bins of 1/15 from 0 on; the lowest holds all that ReLU sets to 0."""
    edges = np.arange(1, 40 * 15 * max(1, math.ceil(w))) / 15 / w
    survival = stats.norm.sf(edges)  # small where the bins thin out, so that nothing cancels
    bins = np.concatenate([[1 - survival[0]], -np.diff(survival)])
    return float(stats.entropy(bins, base=2))


@pytest.mark.parametrize(
    ("exact", "printed"), [(exact_tanh, TANH), (exact_relu, RELU)], ids=["tanh", "ReLU"]
)
def test_the_minimal_model_has_its_printed_values(
    exact: Callable[[float], float], printed: list[float]
) -> None:
    assert [exact(w) for w in WEIGHTS] == pytest.approx(printed, abs=6e-5)


def drawn(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(N_MINIMAL, 1, generator=generator)


@pytest.mark.parametrize("w", WEIGHTS)
def test_tanh_of_the_minimal_model_compresses(w: float) -> None:
    measured = entropy_of(torch.tanh(w * drawn(1)), Uniform(30, -1, 1))
    assert measured == pytest.approx(exact_tanh(w), abs=0.02)


@pytest.mark.parametrize("w", WEIGHTS)
def test_relu_of_the_minimal_model_does_not(w: float) -> None:
    """Within .03 bit up to w = 10; beyond, the finite sample alone costs up to .08."""
    measured = entropy_of(torch.relu(w * drawn(2)), Width(1 / 15))
    assert measured == pytest.approx(exact_relu(w), abs=0.03 if w <= 10 else 0.08)


def test_tanh_rises_to_its_peak_and_falls_and_relu_only_rises() -> None:
    x = drawn(3)
    tanh = [entropy_of(torch.tanh(w * x), Uniform(30, -1, 1)) for w in WEIGHTS]
    relu = [entropy_of(torch.relu(w * x), Width(1 / 15)) for w in WEIGHTS]
    assert int(np.argmax(tanh)) == WEIGHTS.index(1)
    assert (np.diff(tanh[3:]) < -0.2).all()
    assert (np.diff(relu) > 0.2).all()
    assert entropy_of(torch.tanh(0.869 * x), Uniform(30, -1, 1)) == pytest.approx(4.8998, abs=0.02)


def test_a_ruler_refitted_to_each_layer_cannot_see_compression() -> None:
    """Bins between the minimum and maximum of ReLU see the same at every w: why rulers freeze."""
    relu = torch.relu(drawn(4))
    refitted = [
        entropy_of(w * relu, Uniform(30, 0, float((w * relu).max()))) for w in (0.5, 1, 2, 8)
    ]
    assert max(refitted) - min(refitted) < 1e-9
    frozen = Calibrated(30).freeze(relu)
    assert entropy_of(8 * relu, frozen) - entropy_of(relu, frozen) > 1.5


# Sampled truths: bins at integers are exact for these laws


@pytest.mark.parametrize("m", [2, 5, 10])
def test_discrete_uniform_mixture(m: int, shared: Path) -> None:
    """Gao et al. (2017): Y uniform on 0..m-1, T uniform on [Y, Y+2]: log2 m - (m-1)/m bits."""
    truths = json.loads((shared / "oracle" / "truths.json").read_text())
    (listed,) = [v["bits"] for key, v in truths.items() if f"discrete-uniform m={m}:" in key]
    truth = math.log2(m) - (m - 1) / m
    assert truth == pytest.approx(listed, abs=1e-12)
    n = 200_000
    y = torch.randint(m, (n,))
    t = y + 2 * torch.rand(n, dtype=torch.float64)
    # Information of a sample: log2 m in the two end bins (a share of 1/m), log2 m - 1 elsewhere.
    error = math.sqrt((1 / m) * (1 - 1 / m) / n)
    bias = m / n / math.log(2)  # at most this: (2m cells - m - (m+1) + 1) / (2 n ln 2)
    assert information_of(t[:, None], y, Width(1)) == pytest.approx(truth, abs=4 * error + bias)


@pytest.mark.parametrize("width", [0.07, 0.5])
def test_normal_read_at_a_width(width: float, shared: Path) -> None:
    truths = json.loads((shared / "oracle" / "truths.json").read_text())
    edges = np.arange(-math.ceil(40 / width), math.ceil(40 / width) + 1) * width
    law: NDArray[np.float64] = np.diff(stats.norm.cdf(edges))
    law = law[law > 0]
    truth = float(stats.entropy(law, base=2))
    assert truth == pytest.approx(truths[f"H(floor(N(0,1)/{width})) exact"]["bits"], abs=1e-9)
    n = 200_000
    estimate = entropy(encode(torch.randn(n, 1), Width(width)))
    error = math.sqrt(float(law @ np.log2(law) ** 2) - truth**2) / math.sqrt(n)
    assert estimate.standard_error == pytest.approx(error, rel=0.02)
    assert estimate.corrected == pytest.approx(truth, abs=4 * error)


def test_two_binned_normals(shared: Path) -> None:
    """Both read in 12 bins between -3 and 3 with open ends, at a correlation of .75."""
    truths = json.loads((shared / "oracle" / "truths.json").read_text())
    (truth,) = [v["bits"] for key, v in truths.items() if key.startswith("binned I, binormal")]
    n = 500_000
    x, noise = torch.randn(2, n, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    y = 0.75 * x + math.sqrt(1 - 0.75**2) * noise
    ruler = Uniform(12, -3, 3)
    inner = 3 - 1e-9  # open ends: what lies outside belongs to the outer bins
    read = [encode(v.clamp(-3, inner)[:, None], ruler) for v in (x, y)]
    estimate = mutual_information(*read)
    assert estimate.bits == pytest.approx(truth, abs=4 * estimate.standard_error + 2e-4)
    assert estimate.standard_error < 0.002
