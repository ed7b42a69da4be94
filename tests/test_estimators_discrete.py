"""Entropy, conditional entropy and mutual information of samples match closed forms and peers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

import it_callbacks.estimators as estimators
from it_callbacks.estimators import (
    Estimator,
    Status,
    chao_wang_jost,
    class_entropies,
    conditional_entropy,
    coverage,
    entropy,
    grassberger,
    jackknife,
    miller_madow,
    mle,
    mutual_information,
    standard_error,
)
from it_callbacks.estimators.counting import _order, contingency, counts
from it_callbacks.estimators.estimate import (
    entropy_estimate,
    mutual_information_estimate,
    status,
)

LN2 = math.log(2)
CONFUSION = [[50, 3, 2], [4, 40, 6], [1, 9, 35]]  # rows: true class, columns: predicted

pairs_of_symbols = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40
).map(lambda pairs: np.array(pairs).T)


def samples_of(table: list[list[int]] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two sequences of symbols that meet as often as the table says."""
    table = np.asarray(table)
    x, y = np.indices(table.shape).reshape(2, -1)
    return np.repeat(x, table.ravel()), np.repeat(y, table.ravel())


def distinct_rows(states: np.ndarray) -> np.ndarray:
    return np.unique(states, axis=0, return_inverse=True)[1].ravel()


# --- closed forms ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "bits", "tolerance"),
    [
        ([[89, 11], [11, 89]], 0.5000840418, 1e-10),
        ([[3, 1], [1, 3]], 0.1887218755, 1e-10),
        ([[2, 0], [1, 1]], 0.3112781245, 1e-10),
        ([[3, 0, 1], [0, 3, 1]], 0.75, 1e-12),
        (np.eye(26, dtype=int) + np.roll(np.eye(26, dtype=int), 1, 1), 3.7004397181, 1e-10),
    ],
    ids=["symmetric .11", "symmetric .25", "Z", "erasure", "noisy typewriter"],
)
def test_channels_carry_what_their_closed_forms_say(
    channel: list[list[int]], bits: float, tolerance: float
) -> None:
    assert mutual_information(*samples_of(channel)).bits == pytest.approx(bits, abs=tolerance)


def test_exclusive_or_hides_in_each_bit_and_shows_in_both() -> None:
    first, second = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    y = first ^ second
    assert mutual_information(first, y).bits == 0
    assert mutual_information(second, y).bits == 0
    assert mutual_information(2 * first + second, y).bits == 1


def test_halving_eight_numbers_keeps_the_bits_it_keeps() -> None:
    x = np.arange(8)
    assert mutual_information(x, x // 2).bits == 2
    assert mutual_information(x // 2, x // 4).bits == 1
    assert mutual_information(x % 2, x // 4).bits == 0


def test_a_confusion_matrix_gives_its_known_numbers() -> None:
    """Values and tolerances of the reference table, rows true class, columns predicted."""
    truth, predicted = samples_of(CONFUSION)
    near = lambda bits: pytest.approx(bits, abs=1e-7)  # noqa: E731 -- a name for one call
    assert list(class_entropies(contingency(predicted, truth)).values()) == [
        near(0.5277652),
        near(0.9161182),
        near(0.8684257),
    ]
    assert list(class_entropies(contingency(truth, predicted)).values()) == [
        near(0.5051268),
        near(0.9665679),
        near(0.8440629),
    ]
    assert conditional_entropy(predicted, truth).bits == pytest.approx(0.7594143778, abs=1e-10)
    assert conditional_entropy(truth, predicted).bits == pytest.approx(0.7622547176, abs=1e-10)
    estimate = mutual_information(predicted, truth)
    assert estimate.bits == pytest.approx(0.8178907524, abs=1e-10)
    assert estimate.chance == near(0.0195982)
    assert estimate.standard_error == pytest.approx(0.104362, abs=1e-6)
    corrected = mutual_information(predicted, truth, estimator=miller_madow).bits
    assert corrected == near(0.7986548)
    corrected = mutual_information(predicted, truth, estimator=jackknife).bits
    assert corrected == pytest.approx(0.791231, abs=1e-6)


@pytest.mark.parametrize("table", [CONFUSION, [[1, 1, 0], [0, 2, 0], [3, 0, 1]]])
def test_errors_are_those_of_leaving_each_sample_out(table: list[list[int]]) -> None:
    """One recomputation per sample, by another library."""
    x, y = samples_of(table)
    n = len(x)
    left_i, left_h = [], []
    for i in range(n):
        a, b = np.delete(x, i), np.delete(y, i)
        left_i.append(mutual_info_score(a, b) / LN2)
        left_h.append(mutual_info_score(a, a) / LN2 - left_i[-1])
    for left, estimate in ((left_i, mutual_information(x, y)), (left_h, conditional_entropy(x, y))):
        variance = (n - 1) / n * ((left - np.mean(left)) ** 2).sum()
        assert estimate.standard_error == pytest.approx(math.sqrt(variance), abs=1e-10)


def test_the_canonical_task_gives_its_known_numbers(shared: Path) -> None:
    """4096 patterns of 12 bits (Shwartz-Ziv & Tishby 2017)."""
    task = scipy.io.loadmat(shared / "data" / "var_u.mat")
    patterns, labels = task["F"].astype(int), task["y"].ravel().astype(int)
    assert entropy(labels).bits == pytest.approx(0.9991571208502711, abs=1e-12)
    for bit in patterns.T:
        assert mutual_information(bit, labels).bits == pytest.approx(0.0339062579, abs=1e-10)
    ones = patterns.sum(1)
    assert entropy(ones).bits == pytest.approx(2.8385287, abs=5e-8)
    assert mutual_information(ones, labels).bits == pytest.approx(0.6276412, abs=5e-8)
    first_six = patterns[:, :6] @ (1 << np.arange(6))
    assert entropy(first_six).bits == 6
    assert mutual_information(first_six, labels).bits == pytest.approx(0.2608961, abs=5e-8)
    everything = mutual_information(patterns @ (1 << np.arange(12)), labels)
    assert everything.bits == pytest.approx(0.9991571208502711, abs=1e-12)
    assert everything.chance == pytest.approx(everything.bits, abs=1e-12)


def test_corrected_entropies_are_those_of_infomeasure(shared: Path) -> None:
    """Its own output on the rows of floor(T / width), where its estimators are the same ones."""
    oracle = json.loads((shared / "oracle" / "oracle_bias.json").read_text())
    inputs = np.load(shared / "oracle" / "oracle_inputs.npz")
    assert len(oracle) >= 6
    for key, theirs in oracle.items():
        case, width = key.split("|bin")
        codes = distinct_rows(np.floor(inputs[f"{case}__T"] / np.float32(width)))
        for name, estimator in {
            "discrete": mle,
            "miller_madow": miller_madow,
            "chao_wang_jost": chao_wang_jost,
        }.items():
            ours = entropy(codes, estimator=estimator)
            assert ours.bits == pytest.approx(theirs[f"H_{name}"], abs=1e-9), (key, name)
            assert (ours.n_samples, ours.n_states) == (theirs["N"], theirs["K"])
        for labels in ("y", "y10"):
            for name, estimator in {"discrete": mle, "miller_madow": miller_madow}.items():
                ours = mutual_information(codes, inputs[f"{case}__{labels}"], estimator=estimator)
                assert ours.bits == pytest.approx(theirs[f"I_{labels}_{name}"], abs=1e-9)


# --- laws --------------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True, max_examples=80)
@given(pairs_of_symbols)
def test_information_lies_between_zero_and_either_entropy(pairs: np.ndarray) -> None:
    x, y = pairs
    bits = mutual_information(x, y).bits
    assert 0 <= bits <= min(entropy(x).bits, entropy(y).bits) + 1e-12
    assert bits * LN2 == pytest.approx(mutual_info_score(x, y), abs=1e-12)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(pairs_of_symbols)
def test_the_chain_rule_holds_for_every_estimator(pairs: np.ndarray) -> None:
    """I(X;Y) = H(X) - H(X|Y), and H(X|Y) is the mean over classes of H(X|Y=c)."""
    x, y = pairs
    for f in (mle, miller_madow, grassberger, jackknife, chao_wang_jost):
        left = entropy(x, estimator=f).bits - conditional_entropy(x, y, estimator=f).bits
        assert mutual_information(x, y, estimator=f).bits == pytest.approx(left, abs=1e-12)
    within = class_entropies(contingency(x, y))
    mean = sum(np.mean(y == c) * bits for c, bits in within.items())
    assert conditional_entropy(x, y).bits == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize(
    "f", [mle, miller_madow, grassberger, jackknife, chao_wang_jost, lambda counts: 3.0]
)
@pytest.mark.parametrize("n", [1, 2, 6, 7, 100])
def test_what_never_varies_holds_no_information_by_any_estimator(f: Estimator, n: int) -> None:
    """Not even by one that has an entropy for a single state, as Grassberger's (1 / 2N nats)."""
    x, constant = np.arange(n) // 2, np.full(n, 4)
    for table in ((x, constant), (constant, x), (constant, constant)):
        found = mutual_information(*table, estimator=f).bits
        assert found == 0
        assert math.copysign(1, found) > 0
    assert entropy(constant, estimator=f).bits == 0
    assert conditional_entropy(constant, x, estimator=f).bits == 0
    left = conditional_entropy(x, constant, estimator=f).bits
    assert left == entropy(x, estimator=f).bits == (f(np.bincount(x)) if n > 2 else 0)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(pairs_of_symbols, st.randoms(use_true_random=False))
def test_nothing_depends_on_names_or_order(pairs: np.ndarray, random: object) -> None:
    x, y = pairs
    order = np.array(random.sample(range(len(x)), len(x)))
    names = np.array(random.sample(range(-100, 100), 5))
    again = mutual_information(names[x][order], (3 * y - 7)[order])
    first = mutual_information(x, y)
    assert again.bits == first.bits
    assert again.standard_error == pytest.approx(first.standard_error, abs=1e-12)
    assert (again.status, again.n_states, again.coverage) == (
        first.status,
        first.n_states,
        first.coverage,
    )


@settings(deadline=None, derandomize=True, max_examples=40)
@given(pairs_of_symbols)
def test_information_is_symmetric_and_blind_to_duplicated_data(pairs: np.ndarray) -> None:
    x, y = pairs
    estimate = mutual_information(x, y)
    assert mutual_information(y, x).bits == estimate.bits
    twice = mutual_information(np.tile(x, 2), np.tile(y, 2))
    assert twice.bits == pytest.approx(estimate.bits, abs=1e-12)
    assert twice.coverage == 1


@pytest.mark.parametrize(("rows", "columns"), [(2, 7), (4, 7), (5, 8), (9, 11)])
def test_rounding_makes_no_information_out_of_none(rows: int, columns: int) -> None:
    """Exactly independent tables whose three entropies, in floats, miss 0 by a few 1e-16."""
    x, y = samples_of(np.outer(np.arange(1, rows + 1), np.arange(1, columns + 1)))
    assert mutual_information(x, y).bits == 0


@pytest.mark.parametrize("size", [10, 11, 13, 29, 47])
def test_a_class_that_always_looks_the_same_has_no_entropy_at_all(size: int) -> None:
    assert class_entropies(contingency([4] * size + [5, 6], [0] * size + [1, 1])) == {0: 0, 1: 1}


def test_coarser_states_never_tell_more() -> None:
    """60, 30, 15, 5 and 1 nested bins; and each further unit never takes anything away."""
    rng = np.random.default_rng(0)
    t = np.tanh(rng.normal(size=(800, 3)) @ rng.normal(size=(3, 3)))
    y = (t[:, 0] + t[:, 1] > 0).astype(int) + (t[:, 2] > 0.3)
    finest = np.minimum(np.floor((t + 1) * 30), 59).astype(int)

    def numbers(states: np.ndarray) -> tuple[float, float]:
        symbols = distinct_rows(states)
        return entropy(symbols).bits, mutual_information(symbols, y).bits

    chains = [
        [finest // k for k in (1, 2, 4, 12, 60)],
        [finest[:, :3], finest[:, :2], finest[:, :1]],
    ]
    for chain in chains:
        values = [numbers(states) for states in chain]
        for finer, coarser in pairwise(values):
            assert coarser[0] <= finer[0] + 1e-12
            assert coarser[1] <= finer[1] + 1e-12
    assert numbers(finest // 60) == (0, 0)


def test_a_million_samples_keep_twelve_digits() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 3000, 10**6)
    y = (x % 10 + rng.integers(0, 2, 10**6)) % 10
    table = np.zeros((3000, 10))
    np.add.at(table, (x, y), 1)
    p = table / 10**6
    product = p.sum(1, keepdims=True) * p.sum(0)
    seen = p > 0
    direct = math.fsum((p[seen] * np.log2(p[seen] / product[seen])).tolist())
    assert mutual_information(x, y).bits == pytest.approx(direct, abs=1e-12)


# --- what an Estimate says about itself --------------------------------------------------------


def test_one_class_tells_nothing_and_divides_by_nothing() -> None:
    estimate = mutual_information([0, 1, 2, 2, 1, 0], [5] * 6)
    assert (estimate.bits, estimate.chance, estimate.chance_share, estimate.adjusted) == (0,) * 4
    assert (estimate.low, estimate.high) == (
        0,
        pytest.approx(3 * math.log2(6) / 6),
    )  # one class seen
    assert mutual_information([0, 1, 2, 2, 1, 0], [5] * 6, n_classes=1).high == 0  # and no other
    assert estimate.status is Status.OK


def test_a_constant_layer_tells_nothing() -> None:
    estimate = mutual_information([3] * 8, [0, 1] * 4)
    assert (estimate.bits, estimate.chance, estimate.adjusted) == (0, 0, 0)
    assert entropy([3] * 8).bits == 0


def test_all_distinct_symbols_are_saturated() -> None:
    """They tell all of the label, as they would of any label; no adjusting can help."""
    y = np.arange(64) % 4
    estimate = mutual_information(np.arange(64), y)
    assert estimate.bits == estimate.chance == 2
    assert estimate.chance_share == 1
    assert estimate.coverage == 0
    assert math.isnan(estimate.adjusted)
    assert estimate.low == 0
    assert math.isnan(estimate.high)
    assert estimate.status is Status.SATURATED


def test_one_sample_is_legal_and_says_that_nothing_is_known() -> None:
    estimate = entropy([7])
    assert estimate.bits == 0
    assert math.isnan(estimate.standard_error)
    assert (estimate.coverage, estimate.status) == (0, Status.SATURATED)
    assert mutual_information([7], [1]).bits == 0
    assert conditional_entropy([7], [1]).bits == 0


def test_an_entropy_has_no_chance_level() -> None:
    for estimate in (entropy([0, 0, 1, 1]), conditional_entropy([0, 0, 1, 1], [0, 1, 0, 1])):
        assert math.isnan(estimate.chance)
        assert math.isnan(estimate.adjusted)
        assert math.isnan(estimate.chance_share)


@pytest.mark.parametrize(
    ("seen", "chance", "expected"),
    [
        (0.95, 0.05, Status.OK),
        (0.949, 0.0, Status.CAUTION),
        (1.0, 0.051, Status.CAUTION),
        (0.5, 0.5, Status.CAUTION),
        (0.499, 0.0, Status.SATURATED),
        (1.0, 0.501, Status.SATURATED),
    ],
)
def test_status_changes_at_the_stated_thresholds(
    seen: float, chance: float, expected: Status
) -> None:
    assert status(seen, chance) is expected


def test_the_interval_is_the_same_whatever_estimator_is_chosen() -> None:
    x, y = samples_of(np.array(CONFUSION) * 3)
    for function in (
        lambda f: entropy(x, estimator=f),
        lambda f: mutual_information(x, y, estimator=f),
    ):
        chosen, plain = function(jackknife), function(mle)
        assert chosen.bits != plain.bits
        assert (chosen.low, chosen.high) == (plain.low, plain.high)
    adjusted = mutual_information(x, y, estimator=grassberger).adjusted
    assert adjusted == mutual_information(x, y).adjusted


def test_corrected_is_what_chao_wang_jost_would_say() -> None:
    """Of an entropy; the centre of I is its adjusted value."""
    x, y = samples_of(CONFUSION)
    assert entropy(x).corrected == entropy(x, estimator=chao_wang_jost).bits
    left = conditional_entropy(x, y, estimator=chao_wang_jost)
    assert left.corrected == left.bits
    assert math.isnan(mutual_information(x, y).corrected)
    assert math.isnan(entropy(range(50)).corrected)  # no interval, no estimate


def test_coverage_is_of_the_layer_for_information_and_of_the_pairs_for_what_is_left() -> None:
    """Two states of x seen twice each, in four pairs seen once each."""
    x, y = [0, 0, 1, 1], [0, 1, 0, 1]
    information, left = mutual_information(x, y), conditional_entropy(x, y)
    assert (information.coverage, information.n_states) == (1, 2)
    assert (left.coverage, left.n_states) == (0, 4)


def test_an_estimator_is_any_function_of_counts() -> None:
    assert entropy([0, 0, 1], estimator=lambda n: float(len(n))).bits == 2
    # 2 states of x, 2 of y, 3 pairs
    assert mutual_information([0, 0, 1], [0, 1, 1], estimator=lambda n: float(len(n))).bits == 1


def test_one_table_serves_both_coordinates_of_a_point() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 40, 500), rng.integers(0, 3, 500)
    table = contingency(x, y)
    assert entropy_estimate(table.row_counts).bits == entropy(x).bits
    assert mutual_information_estimate(table) == mutual_information(x, y)
    assert table.row_counts.tolist() == counts(x).tolist()


def test_fields_are_the_functions_of_the_same_names() -> None:
    x = np.random.default_rng(3).integers(0, 40, 90)
    estimate = entropy(x)
    assert estimate.coverage == coverage(counts(x))
    assert estimate.standard_error == standard_error(counts(x))
    assert (estimate.n_samples, estimate.n_states) == (90, len(set(x.tolist())))


def test_class_entropies_are_keyed_by_the_class_itself() -> None:
    table = contingency(torch.tensor([0, 1, 2, 2]), torch.tensor([7, 7, -1, -1]))
    assert class_entropies(table) == {-1: 0, 7: 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy([0.5]), "codes has dtype float64"),
        (lambda: conditional_entropy([1], [0.5]), "given has dtype float64"),
        (lambda: mutual_information([1], [0.5]), "y has dtype float64"),
    ],
)
def test_errors_name_the_argument_that_the_caller_knows(call: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_unequal_lengths_are_named_as_the_caller_named_them() -> None:
    with pytest.raises(ValueError, match="codes has 2 samples but given has 1"):
        conditional_entropy([0, 1], [0])


# --- the room itself ---------------------------------------------------------------------------


def test_importing_the_estimators_loads_neither_torch_nor_lightning() -> None:
    code = (
        "import sys, it_callbacks.estimators as e; e.entropy([0, 1]); "
        "print([m for m in ('torch', 'lightning', 'pytorch_lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_sorted_and_exist() -> None:
    assert estimators.__all__ == sorted(estimators.__all__)
    assert all(hasattr(estimators, name) for name in estimators.__all__)
    with pytest.raises(AttributeError, match="no attribute 'entropie'"):
        _ = estimators.entropie


@pytest.mark.parametrize("shift", [0, 13, 40])
@pytest.mark.parametrize("spread", [1, 2**10, 2**30, 2**50, 2**62])
def test_the_order_is_that_of_the_symbols(spread: int, shift: int) -> None:
    """Also where symbols differ in their lowest bits only, which are not looked at first."""
    rng = np.random.default_rng(spread % 97 + shift)
    symbols = rng.integers(-spread, spread, 3000, endpoint=True)
    symbols = np.concatenate([symbols, symbols[:500], symbols[:500] ^ 1, [-(2**63), 2**63 - 1]])
    symbols = symbols[: len(symbols) - (2 if shift else 0)] >> shift
    np.testing.assert_array_equal(symbols[_order(symbols)], np.sort(symbols))


def test_labels_at_the_end_of_64_bits_are_labels_like_any_other() -> None:
    ends = [2**63 - 1, 2**63 - 2, 2**63 - 1]
    assert contingency([0, 1, 1], ends).column_symbols.tolist() == [2**63 - 2, 2**63 - 1]
