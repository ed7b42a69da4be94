"""The measures against worked values, closed forms, other systems and the theorems they obey."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from it_callbacks.measures import (
    conditional_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    mutual_information,
)

P = [0.1, 0.3, 0.5, 0.1]
Q = [0.2, 0.4, 0.3, 0.1]

KINDS = pytest.mark.parametrize("kind", [np.array, torch.tensor])
Kind = Callable[..., Any]


def channel(source: list[float], transition: list[list[float]]) -> np.ndarray:
    """The joint table of a channel's input (rows) and output."""
    return np.array(source)[:, None] * np.array(transition)


# Worked values


@KINDS
@pytest.mark.parametrize(
    ("p", "bits"),
    [
        ([0.5, 0.25, 0.25], 1.5),
        (P, 1.6854752972),
        (Q, 1.846439),
        ([1 / 26] * 26, math.log2(26)),
        ([0.0, 1.0, 0.0], 0.0),
    ],
)
def test_entropy_of_known_distributions(kind: Kind, p: list[float], bits: float) -> None:
    assert float(entropy(kind(p))) == pytest.approx(bits, abs=5e-7)


def test_entropy_to_ten_digits() -> None:
    assert entropy(P) == pytest.approx(1.6854752972, abs=5e-11)


@pytest.mark.parametrize(
    ("p", "q", "bits"),
    [
        (Q, P, 1.991365),
        ([0, 1, 0, 0], P, 1.736966),
        ([0, 0, 0, 1], P, 3.321928),
        ([0, 0.5, 0, 0.5], P, 2.529447),
    ],
)
def test_cross_entropy_of_known_distributions(p: list[float], q: list[float], bits: float) -> None:
    assert cross_entropy(p, q) == pytest.approx(bits, abs=5e-7)


def test_binary_cross_entropies_are_rows_of_two() -> None:
    """Four independent labels cost 6.210897 bits together, which is torch's mean loss in nats."""
    labels, predicted = np.array([0, 1, 0, 1]), np.array(P)
    bits = cross_entropy(
        np.stack([1 - labels, labels], axis=-1), np.stack([1 - predicted, predicted], axis=-1)
    )
    nats = torch.nn.functional.binary_cross_entropy(
        torch.tensor(predicted), torch.tensor(labels, dtype=torch.float64)
    )

    assert bits.sum() == pytest.approx(6.210897, abs=5e-7)
    assert bits.mean() * math.log(2) == pytest.approx(float(nats), abs=1e-12)


def test_kl_divergence_is_not_symmetric() -> None:
    assert kl_divergence(P, Q) == pytest.approx(0.143972, abs=5e-7)
    assert kl_divergence(Q, P) == pytest.approx(0.144925, abs=5e-7)


@pytest.mark.parametrize(
    ("joint", "bits"),
    [
        (channel([0.5, 0.5], [[0.89, 0.11], [0.11, 0.89]]), 0.5000840418),
        (channel([0.5, 0.5], [[0.75, 0.25], [0.25, 0.75]]), 0.1887218755),
        (channel([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]]), 0.3112781245),
        (channel([0.5, 0.5], [[0.75, 0.25, 0.0], [0.0, 0.25, 0.75]]), 0.75),
        ((np.eye(26) + np.roll(np.eye(26), 1, axis=1)) / 52, 3.7004397181),
    ],
    ids=["binary symmetric .11", "binary symmetric .25", "Z", "erasure", "noisy typewriter"],
)
def test_information_through_textbook_channels(joint: np.ndarray, bits: float) -> None:
    assert mutual_information(joint) == pytest.approx(bits, abs=5e-11)


def test_xor_is_told_by_both_bits_and_by_neither() -> None:
    # joint[x1, x2, y] of two fair bits and their exclusive or
    joint = np.zeros((2, 2, 2))
    for x1 in (0, 1):
        for x2 in (0, 1):
            joint[x1, x2, x1 ^ x2] = 0.25

    assert mutual_information(joint.sum(axis=1)) == 0
    assert mutual_information(joint.sum(axis=0)) == 0
    assert mutual_information(joint.reshape(4, 2)) == 1


def test_functions_of_eight_values() -> None:
    """Of a uniform X on 8 values, X//2 tells 2 bits; X//4 is told by X//2 and not by X%2."""
    x = np.arange(8)

    def joint(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        table = np.zeros((8, 8))
        np.add.at(table, (a, b), 1 / 8)
        return table

    assert mutual_information(joint(x, x // 2)) == 2
    assert mutual_information(joint(x // 2, x // 4)) == 1
    assert mutual_information(joint(x % 2, x // 4)) == 0


@pytest.mark.parametrize(("rho", "bits"), [(0.5, 0.0817042), (0.9, 0.4064971), (0.99, 0.7349996)])
def test_gaussians_split_at_their_medians(rho: float, bits: float) -> None:
    """Both signs agree with probability 1 - arccos(rho)/pi (Sheppard 1899)."""
    disagree = math.acos(rho) / math.pi
    joint = [[(1 - disagree) / 2, disagree / 2], [disagree / 2, (1 - disagree) / 2]]

    assert mutual_information(joint) == pytest.approx(bits, abs=5e-8)


CONFUSION = np.array([[50, 3, 2], [4, 40, 6], [1, 9, 35]]) / 150  # [label, predicted]


def test_every_quantity_of_a_confusion_table() -> None:
    by_label = CONFUSION / CONFUSION.sum(axis=1, keepdims=True)
    by_predicted = CONFUSION.T / CONFUSION.T.sum(axis=1, keepdims=True)

    assert entropy(by_label) == pytest.approx([0.5277652, 0.9161182, 0.8684257], abs=5e-8)
    assert entropy(by_predicted) == pytest.approx([0.5051268, 0.9665679, 0.8440629], abs=5e-8)
    assert conditional_entropy(CONFUSION.T) == pytest.approx(0.7594143778, abs=5e-11)
    assert conditional_entropy(CONFUSION) == pytest.approx(0.7622547176, abs=5e-11)
    assert mutual_information(CONFUSION) == pytest.approx(0.8178907524, abs=5e-11)


def test_uniform_errors_meet_fano_with_equality() -> None:
    """Four classes, 30 % errors spread evenly: H(label | predicted) = h(.3) + .3 log2 3."""
    joint = (np.full((4, 4), 0.1) + np.eye(4) * 0.6) / 4

    assert conditional_entropy(joint) == pytest.approx(1.3567796494, abs=5e-11)


@KINDS
def test_marginals_allow_many_conditional_entropies(kind: Kind) -> None:
    """P and Q go together so that Q leaves .2 bit of P, or so that it leaves all 1.685475."""
    tightest = np.zeros((4, 4))
    for p, q, probability in [(2, 1, 0.4), (2, 3, 0.1), (1, 2, 0.3), (0, 0, 0.1), (3, 0, 0.1)]:
        tightest[p, q] = probability
    tables = kind(np.stack([tightest, np.outer(P, Q)]))

    assert conditional_entropy(tables).tolist() == pytest.approx([0.2, 1.685475], abs=5e-7)
    assert mutual_information(tables).tolist() == pytest.approx([1.485475, 0], abs=5e-7)


def test_predictions_of_a_small_classifier() -> None:
    """Each part of H(predicted) = I(label;predicted) + I(X;predicted|label) + H(predicted|X)."""
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])

    assert entropy(p).mean() == pytest.approx(0.7607912955, abs=5e-11)
    assert entropy(p.mean(axis=0)) == pytest.approx(1, abs=1e-12)
    assert mutual_information(p / 4) == pytest.approx(0.2392087045, abs=5e-11)
    assert kl_divergence(p, p.mean(axis=0)).mean() == pytest.approx(0.2392087045, abs=5e-11)
    assert mutual_information(labels.T @ p / 4) == pytest.approx(0.1887218755, abs=5e-11)
    assert conditional_entropy((labels.T @ p / 4).T) == pytest.approx(0.8112781245, abs=5e-11)
    assert cross_entropy(labels, p).mean() == pytest.approx(0.4313674888, abs=5e-11)


# Zeros are exact


@KINDS
@pytest.mark.parametrize("k", [1, 2, 10])
def test_one_hot_rows_have_exactly_no_entropy(kind: Kind, k: int) -> None:
    bits = entropy(kind(np.eye(k, dtype=np.int64)))

    assert bits.tolist() == [0.0] * k
    assert not np.signbit(np.asarray(bits)).any()


@pytest.mark.parametrize("k", [1, 2, 8, 1024])
def test_powers_of_two_are_exact(k: int) -> None:
    assert entropy(np.full(k, 1 / k)) == math.log2(k)


@KINDS
def test_what_was_ruled_out_costs_infinitely_much(kind: Kind) -> None:
    p, q = kind([0.5, 0.5, 0.0]), kind([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])

    assert cross_entropy(p, q).tolist() == [math.inf, 1]
    assert kl_divergence(p, q).tolist() == [math.inf, 0]


def test_tiny_probabilities_neither_vanish_nor_overflow() -> None:
    """A product of marginals below the smallest float must not turn the information infinite."""
    assert mutual_information([[1e-200, 0], [0, 1]]) == pytest.approx(6.6e-198, rel=0.01)
    assert kl_divergence([1e-320, 1], [1e-300, 1]) == 0


# Kinds, shapes and dtypes


@pytest.mark.parametrize("measure", [entropy, conditional_entropy, mutual_information])
def test_the_same_kind_comes_out(measure: Callable[..., Any]) -> None:
    p = [0.25, 0.75] if measure is entropy else [[0.25, 0.25], [0.0, 0.5]]

    assert type(measure(p)) is np.float64
    assert type(measure(np.array(p, dtype=np.float32))) is np.float64
    assert measure(torch.tensor(p)).shape == ()
    assert measure(torch.tensor(p)).dtype == torch.float64


@pytest.mark.parametrize("measure", [cross_entropy, kl_divergence])
def test_a_pair_with_a_tensor_gives_a_tensor(measure: Callable[..., Any]) -> None:
    assert type(measure(P, Q)) is np.float64
    for p, q in [(torch.tensor(P), Q), (P, torch.tensor(Q)), (torch.tensor(P), np.array(Q))]:
        bits = measure(p, q)
        assert bits.dtype == torch.float64
        assert float(bits) == pytest.approx(measure(P, Q), abs=1e-7)


@KINDS
def test_leading_axes_are_batches(kind: Kind) -> None:
    """A batch of shape (2, 3) gives the six values of its members, in place."""
    tables = np.random.default_rng(0).dirichlet(np.ones(20), size=(2, 3)).reshape(2, 3, 4, 5)

    for measure in (conditional_entropy, mutual_information):
        bits = measure(kind(tables))
        assert tuple(bits.shape) == (2, 3)
        for i in range(2):
            for j in range(3):
                assert float(bits[i, j]) == pytest.approx(measure(tables[i, j]), abs=1e-13)

    rows = tables.reshape(2, 3, 20)
    assert tuple(entropy(kind(rows)).shape) == (2, 3)
    assert float(entropy(kind(rows))[1, 2]) == pytest.approx(entropy(rows[1, 2]), abs=1e-13)


@KINDS
def test_batches_of_a_pair_broadcast(kind: Kind) -> None:
    """Two labels against three predictions each, and one distribution against many."""
    p, q = np.eye(2)[:, None], np.array([[[0.5, 0.5], [0.25, 0.75], [0.75, 0.25]]])

    assert tuple(cross_entropy(kind(p), kind(q)).shape) == (2, 3)
    assert cross_entropy(kind([1.0, 0.0]), kind(q[0, :2])).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float32, 1e-6), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)]
)
@pytest.mark.parametrize("k", [2, 1000, 50_000])
def test_a_softmax_of_any_precision_is_a_distribution(
    dtype: torch.dtype, error: float, k: int
) -> None:
    """Rounding is forgiven and divided out: a uniform softmax never exceeds log2 K."""
    logits = torch.randn(8, k)
    bits = entropy(logits.to(dtype).softmax(-1))
    exact = entropy(logits.to(dtype).double().softmax(-1))

    assert torch.allclose(bits, exact, rtol=0, atol=error)
    assert float(entropy(torch.zeros(k, dtype=dtype).softmax(-1))) <= math.log2(k) + 1e-12


def test_integers_and_booleans_are_computed_in_float64() -> None:
    assert entropy(torch.eye(3, dtype=torch.bool)).dtype == torch.float64
    assert cross_entropy([0, 1], [0.1, 0.9]) == pytest.approx(-math.log2(0.9), abs=1e-15)


def test_inputs_are_left_as_they_came() -> None:
    joint = np.array([[0.5, 0.0], [0.25, 0.25]])
    before = joint.copy()

    conditional_entropy(joint)
    mutual_information(joint)
    kl_divergence(joint.ravel(), joint.ravel())

    assert np.array_equal(joint, before)


def test_importing_needs_no_torch() -> None:
    """NumPy users pay for NumPy only."""
    program = (
        "import sys; from it_callbacks.measures import entropy; entropy([0.5, 0.5]); "
        "sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# Gradients


def of_logits(measure: Callable[..., Any], *shape: int) -> Callable[..., Any]:
    """The measure as a function of logits, which may move freely, unlike probabilities."""

    def bits(*logits: torch.Tensor) -> Any:
        return measure(*(one.softmax(-1).reshape(shape) for one in logits))

    return bits


@pytest.mark.parametrize(
    ("measure", "n_arguments", "shape"),
    [
        (entropy, 1, (6,)),
        (cross_entropy, 2, (6,)),
        (kl_divergence, 2, (6,)),
        (conditional_entropy, 1, (2, 3)),
        (mutual_information, 1, (2, 3)),
    ],
)
def test_gradients_agree_with_finite_differences(
    measure: Callable[..., Any], n_arguments: int, shape: tuple[int, ...]
) -> None:
    logits = [torch.randn(6, dtype=torch.float64, requires_grad=True) for _ in range(n_arguments)]

    assert torch.autograd.gradcheck(of_logits(measure, *shape), logits)


def test_the_gradient_of_entropy_is_the_textbook_one() -> None:
    """dH/dp = -log2 p - log2 e, and 0 for an entry that is 0."""
    p = torch.tensor([0.0, 0.25, 0.75], dtype=torch.float64, requires_grad=True)
    entropy(p).backward()

    expected = [0, 2 - math.log2(math.e), 2 - math.log2(3) - math.log2(math.e)]
    assert p.grad is not None
    assert p.grad.tolist() == pytest.approx(expected, abs=1e-12)


def test_an_underflowing_softmax_gives_the_limit_of_the_gradient() -> None:
    """A logit of -1000 leaves the others the gradient that they have without it."""
    three = torch.tensor([0.0, 2.0, -1000.0], requires_grad=True)
    two = torch.tensor([0.0, 2.0], requires_grad=True)
    entropy(three.softmax(-1)).backward()
    entropy(two.softmax(-1)).backward()

    assert three.grad is not None
    assert two.grad is not None
    assert three.grad.tolist() == pytest.approx([*two.grad.tolist(), 0], abs=1e-7)


@pytest.mark.parametrize(
    "bits",
    [
        lambda p: conditional_entropy(p.reshape(2, 2)),
        lambda p: mutual_information(p.reshape(2, 2)),
        lambda p: cross_entropy(p, [0.25, 0.25, 0.5, 0.0]),
        lambda p: cross_entropy([1, 0, 0, 0], p),
        lambda p: kl_divergence(p, [0.25, 0.25, 0.5, 0.0]),
        lambda p: kl_divergence([1, 0, 0, 0], p),
    ],
)
def test_gradients_at_zero_probabilities_are_finite(bits: Callable[..., Any]) -> None:
    p = torch.tensor([0.5, 0.0, 0.5, 0.0], requires_grad=True)
    bits(p).backward()

    assert p.grad is not None
    assert p.grad.isfinite().all()


# Theorems, and agreement with other systems

tables = arrays(
    np.int64,
    array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.integers(0, 20),
)
theorem = settings(derandomize=True, deadline=None, database=None, max_examples=200)
EPS = 1e-12


def distribution(counts: np.ndarray) -> np.ndarray:
    """The counts as probabilities; a table of nothing is set aside."""
    assume(counts.sum() > 0)
    return counts / counts.sum()


@theorem
@given(tables)
def test_entropy_lies_between_0_and_log2_k(counts: np.ndarray) -> None:
    p = distribution(counts).ravel()

    assert 0 <= entropy(p) <= math.log2(p.size) + EPS


@theorem
@given(tables)
def test_entropy_is_that_of_scipy(counts: np.ndarray) -> None:
    p = distribution(counts).ravel()

    assert entropy(p) == pytest.approx(scipy_entropy(p, base=2), abs=EPS)


@theorem
@given(tables)
def test_information_is_that_of_scikit_learn(counts: np.ndarray) -> None:
    joint = distribution(counts)
    nats = mutual_info_score(None, None, contingency=counts)

    assert mutual_information(joint) == pytest.approx(nats / math.log(2), abs=EPS)


@theorem
@given(tables)
def test_information_is_what_the_parts_have_beyond_the_whole(counts: np.ndarray) -> None:
    """I(A;B) = H(A) + H(B) - H(A,B), and is neither negative nor above either entropy."""
    joint = distribution(counts)
    a, b, both = entropy(joint.sum(1)), entropy(joint.sum(0)), entropy(joint.ravel())

    assert mutual_information(joint) == pytest.approx(a + b - both, abs=EPS)
    assert 0 <= mutual_information(joint) <= min(a, b) + EPS


@theorem
@given(tables)
def test_the_chain_rule(counts: np.ndarray) -> None:
    """H(A,B) = H(B) + H(A|B) = H(A) + H(B|A)."""
    joint = distribution(counts)
    both = entropy(joint.ravel())

    assert both == pytest.approx(entropy(joint.sum(0)) + conditional_entropy(joint), abs=EPS)
    assert both == pytest.approx(entropy(joint.sum(1)) + conditional_entropy(joint.T), abs=EPS)


@theorem
@given(tables)
def test_conditioning_never_adds_entropy(counts: np.ndarray) -> None:
    joint = distribution(counts)

    assert 0 <= conditional_entropy(joint) <= entropy(joint.sum(1)) + EPS


@theorem
@given(tables)
def test_conditional_entropy_is_the_mean_over_what_is_known(counts: np.ndarray) -> None:
    """H(A|B) = Σ_b p(b) H(A|B=b), with a plus sign."""
    joint = distribution(counts)
    columns = joint.T[joint.sum(0) > 0]
    weights = columns.sum(axis=1)
    mean = (weights * entropy(columns / weights[:, None])).sum()

    assert conditional_entropy(joint) == pytest.approx(mean, abs=EPS)


@theorem
@given(tables)
def test_information_is_the_divergence_from_independence(counts: np.ndarray) -> None:
    joint = distribution(counts)
    independent = np.outer(joint.sum(1), joint.sum(0))

    divergence = kl_divergence(joint.ravel(), independent.ravel())
    assert mutual_information(joint) == pytest.approx(divergence, abs=EPS)


@theorem
@given(tables, st.integers(0, 2**32 - 1))
def test_independent_variables_share_nothing(counts: np.ndarray, seed: int) -> None:
    p = distribution(counts).ravel()
    q = np.random.default_rng(seed).dirichlet(np.ones(4))

    assert 0 <= mutual_information(np.outer(p, q)) <= EPS


@theorem
@given(arrays(np.int64, (2, 5), elements=st.integers(0, 20)))
def test_cross_entropy_is_entropy_plus_divergence(counts: np.ndarray) -> None:
    assume((counts.sum(axis=1) > 0).all())
    p, q = counts / counts.sum(axis=1, keepdims=True)

    assert kl_divergence(p, q) >= 0
    assert cross_entropy(p, q) == pytest.approx(entropy(p) + kl_divergence(p, q), abs=EPS)


@theorem
@given(arrays(np.int64, (3, 3, 3), elements=st.integers(0, 20)))
def test_the_chain_rule_of_information(counts: np.ndarray) -> None:
    """I(A;B,C) = I(A;B) + I(A;C|B), the last being the mean over b of I(A;C|B=b)."""
    joint = distribution(counts)  # [a, b, c]
    given_b = np.moveaxis(joint, 1, 0)
    given_b = given_b[given_b.sum(axis=(1, 2)) > 0]
    weights = given_b.sum(axis=(1, 2))
    conditional = (weights * mutual_information(given_b / weights[:, None, None])).sum()

    whole = mutual_information(joint.reshape(3, 9))
    assert whole == pytest.approx(mutual_information(joint.sum(2)) + conditional, abs=EPS)


@theorem
@given(tables)
def test_torch_and_numpy_agree(counts: np.ndarray) -> None:
    joint = distribution(counts)

    for measure in (conditional_entropy, mutual_information):
        assert float(measure(torch.tensor(joint))) == pytest.approx(measure(joint), abs=EPS)


# What is refused

SINGLE = [(entropy, "p"), (conditional_entropy, "joint"), (mutual_information, "joint")]


@KINDS
@pytest.mark.parametrize(("measure", "name"), SINGLE)
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([[1.5, -0.5], [0.5, 0.5]], r"negative .*\[0, 1\] is -0\.5 .*softmax"),
        ([[0.5, math.nan], [0.5, 0.5]], r"finite .*\[0, 1\] is nan"),
        ([[0.5, 0.5], [math.inf, 0.5]], r"finite .*\[1, 0\] is inf"),
        ([[50.0, 3.0], [4.0, 40.0]], r"sum to 1 .* is (53|97) .*divide them by their total"),
        (np.zeros((0, 2)), r"empty \(shape \(0, 2\)\)"),
        (np.zeros((2, 0)), r"empty \(shape \(2, 0\)\)"),
    ],
    ids=["negative", "NaN", "infinite", "counts", "no rows", "no columns"],
)
def test_what_is_no_distribution_is_refused(
    measure: Callable[..., Any], name: str, kind: Kind, table: Any, said: str
) -> None:
    """The error names the argument, the first offending entry, and the likely remedy."""
    with pytest.raises(ValueError, match=rf"^{name} .*{said}"):
        measure(kind(table))


@KINDS
@pytest.mark.parametrize("measure", [cross_entropy, kl_divergence])
def test_the_wrong_one_of_a_pair_is_named(measure: Callable[..., Any], kind: Kind) -> None:
    with pytest.raises(ValueError, match=r"^p must sum to 1 .* the sum of p is 2 "):
        measure(kind([0.0, 1.0, 0.0, 1.0]), kind(P))
    with pytest.raises(ValueError, match=r"^q must not hold negative .* q\[0\] is -1 "):
        measure(kind(P), kind([-1.0, 1.0, 0.0, 1.0]))


@KINDS
def test_the_first_wrong_row_of_a_batch_is_named(kind: Kind) -> None:
    with pytest.raises(ValueError, match=r"the sum of p\[2\] is 0\.75 "):
        entropy(kind([[0.5, 0.5], [0.0, 1.0], [0.5, 0.25]]))
    with pytest.raises(ValueError, match=r"the sum of joint\[1\] is 2 "):
        mutual_information(kind([[[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]))


@KINDS
def test_too_few_axes_are_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match=r"^p must .* p\[\.\.\., k\]; its shape is \(\)"):
        entropy(kind(1.0))
    with pytest.raises(ValueError, match=r"^joint must .* its shape is \(2,\)"):
        mutual_information(kind([0.5, 0.5]))


@KINDS
@pytest.mark.parametrize("measure", [cross_entropy, kl_divergence])
def test_shapes_that_do_not_go_together_are_refused(
    measure: Callable[..., Any], kind: Kind
) -> None:
    with pytest.raises(ValueError, match=r"p and q .*same outcomes.* \(2,\) and \(3,\)"):
        measure(kind([0.5, 0.5]), kind([0.5, 0.25, 0.25]))
    with pytest.raises(ValueError, match=r"p and q .*same outcomes.* \(1,\) and \(2,\)"):
        measure(kind([1.0]), kind([0.5, 0.5]))
    with pytest.raises(ValueError, match=r"batch axes of p and q .* \(2, 2\) and \(3, 2\)"):
        measure(kind([[0.5, 0.5]] * 2), kind([[0.5, 0.5]] * 3))


@pytest.mark.parametrize(
    "p", [["a", "b"], [1j, 0], None, {"a": 1.0}, torch.tensor([1 + 0j, 0])], ids=repr
)
def test_what_holds_no_real_numbers_is_refused(p: Any) -> None:
    with pytest.raises(ValueError, match=r"^p must hold real numbers; its dtype is "):
        entropy(p)


def test_rows_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^p must be an array of probabilities; "):
        entropy([[0.5, 0.5], [1.0]])


@pytest.mark.parametrize(
    ("p", "off"),
    [
        (np.array([0.5, 0.5]), 2e-6),
        (np.array([0.5, 0.5], dtype=np.float32), 1e-4),
        (torch.tensor([0.5, 0.5]), 1e-4),
        (torch.tensor([0.5, 0.5], dtype=torch.float16), 1e-2),
        (torch.tensor([0.5, 0.5], dtype=torch.bfloat16), 6e-2),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_a_sum_off_by_more_than_rounding_is_refused(p: Any, off: float) -> None:
    entropy(p)
    p[0] += off
    with pytest.raises(ValueError, match=r"^p must sum to 1 "):
        entropy(p)
