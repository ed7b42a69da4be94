"""Intervals hold what they promise where they are drawn, and are not drawn elsewhere."""

from __future__ import annotations

import importlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from it_callbacks.estimators import (
    Estimate,
    Status,
    conditional_entropy,
    entropy,
    mutual_information,
)
from it_callbacks.estimators.counting import contingency
from it_callbacks.estimators.estimate import entropy_estimate
from it_callbacks.estimators.intervals import leave_one_out_information

FOLDER = Path(__file__).parents[1] / "examples" / "reproduce"
DRAWN, ALONE = True, False


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script whose tables docs/accuracy.md shows."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("intervals")


@pytest.fixture
def laws(script: ModuleType) -> ModuleType:
    return importlib.import_module("laws")


# --- known values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "centre", "low", "high"),
    [
        ([40] * 2, 1.009073, 0.944568, 1.246145),
        ([500], 0.0, 0.0, 0.053795),
        ([10] * 100, 6.716471, 6.691593, 6.746368),
        ([400, 300, 200, 50, 20, 10, 5, 5, 3, 2, 2, 1, 1, 1], 2.089050, 1.997182, 2.187253),
        ([100] * 10 + [2] * 30 + [1] * 40, 4.089847, 3.963423, 4.286784),
        ([1000 // k for k in range(1, 1001)], 7.450279, 7.368304, 7.769500),
        ([n for k in range(1, 300) if (n := int(3000 / k**1.5))], 3.806527, 3.737444, 3.906887),
    ],
)
def test_an_entropy_has_the_interval_of_a_reference(
    counts: list[int], centre: float, low: float, high: float
) -> None:
    """From counts, by another program."""
    found = entropy_estimate(np.array(counts))
    assert (found.corrected, found.low, found.high) == pytest.approx((centre, low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        ([100] * 10 + [2] * 5 + [1] * 40, 0.050780),
        ([250] * 4 + [1] * 10, 0.029317),
        ([250] * 4 + [1] * 2, 0.013268),
    ],
)
def test_strangers_alone_do_not_tell_how_many_more_there_are(
    counts: list[int], error: float
) -> None:
    """States seen once and hardly one twice: the lower end stands alone, 1.96 errors below mle."""
    found = entropy_estimate(np.array(counts))
    assert found.coverage > 0.95
    assert found.status is Status.OK
    assert math.isnan(found.high)
    assert math.isnan(found.corrected)
    share = np.array(counts) / sum(counts)
    plain = -float((share * np.log2(share)).sum())
    assert found.low == pytest.approx(plain - 1.96 * error, abs=3e-6)


I = np.arange(2000)  # noqa: E741 # numbers of samples


@pytest.mark.filterwarnings("error")
def test_counts_may_be_larger_than_32_bits_hold() -> None:
    """Their squares do not fit 64 bits. Half, a quarter and a quarter are 1.5 bits."""
    found = entropy_estimate(np.array([2_000_000_000, 1_000_000_000, 1_000_000_000, 1, 1, 2]))
    assert 1.4999 < found.low < found.bits < found.high < 1.5001


@pytest.mark.parametrize(
    ("x", "y", "low", "high"),
    [
        ([0, 0, 1, 1] * 100, [0, 0, 1, 1] * 100, 0.994094, 1.0),
        ([0, 0, 1, 1] * 100, [0, 1] * 200, 0.0, 0.066632),
        (I % 20, (I % 20 < 10) ^ (I % 5 == 0), 0.993823, 1.0),
        (I % 40, I % 7, 0.0, 0.020288),
        (I[:100], I[:100] % 2, 0.0, math.nan),
    ],
)
def test_information_has_the_interval_of_a_reference(
    x: Any, y: Any, low: float, high: float
) -> None:
    """No more than log2 K: the reference itself says 1.066632 and 1.016809 of two classes."""
    found = mutual_information(x, y)
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("x", "y", "bits"),
    [
        ([0, 0, 1, 1] * 100, [0, 0, 1, 1] * 100, 0.999092),
        ([0, 0, 1, 1] * 100, [0, 1] * 200, -0.003612),
        (I % 20, (I % 20 < 10) ^ (I % 5 == 0), 0.998181),
        (I % 40, I % 7, -0.004337),
        (I[:100], I[:100] % 2, -0.014500),
    ],
)
def test_a_reader_without_the_samples_own_label_gets_what_a_reference_says(
    x: Any, y: Any, bits: float
) -> None:
    table = contingency(np.array(x), np.array(y).astype(int))
    found, error = leave_one_out_information(table, len(table.column_counts))
    assert found == pytest.approx(bits, abs=1e-6)
    assert error == pytest.approx(0, abs=1e-6)  # all samples are alike in it


def test_a_reader_is_scored_on_each_label_by_all_others() -> None:
    """Sample by sample, with states seen once, twice and more, and the best of the weights."""
    rng = np.random.default_rng(0)
    x = np.r_[rng.integers(0, 12, 60), np.arange(50, 65)]
    y = np.where(rng.random(75) < 0.7, x % 3, rng.integers(0, 3, 75))
    scores = []
    for weight in (0.25, 1, 4, 16, 64, 256, 1024, 1e6):
        each = []
        for sample in range(75):
            others = np.arange(75) != sample
            share = (np.sum(y[others] == y[sample]) + 0.5) / (74 + 1.5)
            met = np.sum((x == x[sample])[others])
            right = np.sum(((x == x[sample]) & (y == y[sample]))[others])
            q = (right + weight * share) / (met + weight)
            each.append(math.log2(q) - math.log2(np.mean(y == y[sample])))
        scores.append((np.mean(each), np.std(each) / math.sqrt(74)))
    found = leave_one_out_information(contingency(x, y), 3)
    assert found == pytest.approx(max(scores))


# --- what is possible -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_no_interval_is_a_point_or_leaves_the_possible(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 300))
    x, y = rng.integers(0, 1 + seed, n), rng.integers(0, 2, n)
    h = entropy(x, n_states=1 + seed)
    left, about = conditional_entropy(x, y), mutual_information(x, y, n_classes=2)
    for found, most in ((h, math.log2(1 + seed)), (left, math.inf), (about, 1.0)):
        assert found.low >= 0
        if not math.isnan(found.high):
            assert found.low < found.high or most == 0
            assert found.high <= most


def test_known_states_and_classes_bound_what_a_sample_cannot() -> None:
    """100 states ten times each is more even than chance: its lower end alone is above log2 100."""
    even = np.repeat(np.arange(100), 10)
    assert entropy(even).low > math.log2(100)
    known = entropy(even, n_states=100)
    assert known.high == math.log2(100)
    assert known.low == pytest.approx(known.high - math.log2(1000) / 2000)
    assert mutual_information(even % 2, even % 2, n_classes=2).high == 1.0
    assert mutual_information(even % 2, even % 2).high == 1.0
    more = mutual_information(even % 2, even % 2, n_classes=50)
    assert more.high > 1  # the other classes may come


def test_an_unseen_class_widens_the_interval() -> None:
    x = np.random.default_rng(0).integers(0, 5, 200)
    y = x % 2
    assert mutual_information(x, y, n_classes=9).low < mutual_information(x, y).low


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (lambda: entropy([0, 1, 2], n_states=2), "n_states: got 2, but 3 states were seen"),
        (
            lambda: mutual_information([0, 1, 2], [0, 1, 2], n_classes=1),
            "n_classes: got 1, but 3 classes were seen",
        ),
        (lambda: entropy([0], n_states=0), "n_states: need a whole number >= 1, got 0"),
    ],
)
def test_fewer_than_were_seen_are_refused_by_name(measure: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        measure()


def test_a_single_sample_has_no_end_at_all() -> None:
    for found in (entropy([3]), conditional_entropy([3], [1]), mutual_information([3], [1])):
        assert math.isnan(found.low)
        assert math.isnan(found.high)


# --- where they are drawn -------------------------------------------------------------------------


@pytest.mark.parametrize(("once", "drawn"), [(400, DRAWN), (401, ALONE)])
def test_an_entropy_is_drawn_from_a_coverage_of_six_tenths(once: int, drawn: bool) -> None:
    counts = [1] * once + [2] * 200 + [1000 - once - 400]
    assert math.isfinite(entropy_estimate(np.array(counts)).high) == drawn


@pytest.mark.parametrize(
    ("n", "share", "drawn", "status"),
    [
        (4000, 0.036, DRAWN, Status.OK),
        (1000, 0.17, DRAWN, Status.CAUTION),
        (400, 0.43, ALONE, Status.CAUTION),
        (100, 0.76, ALONE, Status.SATURATED),
    ],
)
def test_information_is_drawn_up_to_a_quarter_of_chance_with_caution(
    n: int, share: float, drawn: bool, status: Status
) -> None:
    """200 states that know nothing, or half of the labels; both have a lower end in any case."""
    rng = np.random.default_rng(n)
    x, y = rng.integers(0, 200, n), rng.integers(0, 2, n)
    found = mutual_information(x, y)
    assert found.chance_share == pytest.approx(share, abs=0.02)
    assert math.isfinite(found.high) == drawn
    assert found.status is status
    assert found.low == 0


def test_the_lower_end_that_stands_alone_is_worth_something() -> None:
    """Half of the samples tell all: five in each of 300 states of one class; the others nothing."""
    x = np.repeat(np.arange(300), 5)
    found = mutual_information(np.r_[x, np.arange(1000, 2500)], np.r_[x % 2, np.arange(1500) % 2])
    assert found.chance_share > 0.25
    assert math.isnan(found.high)
    assert 0.3 < found.low < 0.5


# --- simulations ----------------------------------------------------------------------------------


def held(found: Sequence[Estimate], truth: float) -> float:
    return float(np.mean([each.low <= truth <= each.high for each in found]))


@pytest.mark.parametrize(
    ("name", "n", "before"),
    [("Zipf, 1.5, 1000000 states", 4096, 0.5), ("Gaussian, 3 units, bins of 0.3", 10_240, 0.1)],
)
def test_heavy_tails_are_allowed_for(
    laws: ModuleType, script: ModuleType, name: str, n: int, before: float
) -> None:
    """± 1.96 errors around the value of Chao, Wang & Jost held them seldom or never."""
    (law,) = (law for law in laws.chosen_on() if name in (law.name, f"{law.family}, {law.name}"))
    (found,) = script.of_states([law], {n: 60})
    assert found.old_drawn == found.drawn == 1
    assert found.old_held < before
    assert found.held >= 0.95


def test_independent_labels_of_rare_states_are_held() -> None:
    """Geometric states, 100 classes: the old interval excluded 0 in all samples, status OK."""
    rng = np.random.default_rng(0)
    found = [
        mutual_information(rng.geometric(0.1, 16_384), rng.integers(0, 100, 16_384))
        for _ in range(20)
    ]
    assert all(each.chance_share <= 0.05 and each.status is Status.OK for each in found)
    assert held(found, 0.0) == 1
    assert np.mean([each.adjusted for each in found]) == pytest.approx(0, abs=0.002)


def test_intervals_of_other_families_hold(laws: ModuleType, script: ModuleType) -> None:
    """Families that no constant was chosen on, 30 samples each: a mean, and no breakdown."""
    of_states = [r for r in script.of_states(laws.held_out(), {1024: 30}) if r.is_told]
    some = list(laws.held_out_with_labels())[::3]
    columns = zip(*script.of_labels(some, {1024: 15}), strict=True)
    _, about, left = ([r for r in column if r.is_told] for column in columns)
    for regimes, least in ((of_states, 10), (about, 5), (left, 5)):
        assert len(regimes) >= least
        assert np.mean([each.held for each in regimes]) >= 0.95
        assert min(each.held for each in regimes) >= 0.8
        assert np.mean([each.least for each in regimes]) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("part", ["chosen_on", "held_out"])
def test_all_intervals_hold(laws: ModuleType, script: ModuleType, part: str) -> None:
    """At least .93 wherever an interval is drawn; what falls below is drawn again, 1000 times."""
    states, labels = getattr(laws, part), getattr(laws, f"{part}_with_labels")
    by_name = {law[:2]: law for law in [*states(), *labels()]}

    def again(first: Any, number: int) -> Any:
        law, trials = by_name[first[:2]], {first.n_samples: script.AGAIN}
        if number < 0:
            return next(script.of_states([law], trials, seed=1))
        return next(script.of_labels([law], trials, seed=1))[number]

    found = [(-1, list(script.of_states(states(), script.USUAL.trials)))]
    columns = zip(*script.of_labels(labels(), script.USUAL.trials_with_labels), strict=True)
    found += [(number, list(column)) for number, column in enumerate(columns)]
    for number, regimes in found:
        told = [each for each in regimes if each.is_told]
        assert len(told) >= 5
        low = [again(each, number) for each in told if each.held < 0.93]
        assert not [each for each in low if each.held < 0.93]
        assert np.mean([each.held for each in told]) >= 0.96
        assert min(each.least for each in regimes) >= 0.93


def test_the_page_shows_the_tables_that_the_script_prints(
    laws: ModuleType, script: ModuleType
) -> None:
    """All of its families, each with as many regimes; none below .93 that was not drawn again."""
    page = (FOLDER.parents[1] / "docs" / "accuracy.md").read_text(encoding="utf-8")
    sizes = {"H": script.USUAL.trials, "H(T|Y)": script.USUAL.trials_with_labels}
    for title, part in (
        ("families the rules were chosen on", "chosen_on"),
        ("other families", "held_out"),
    ):
        for what in sizes:
            suffix = "" if what == "H" else "_with_labels"
            expected = Counter(law.family for law in getattr(laws, part + suffix)())
            block = page.split(f"**{what}, {title}**\n\n")[1].split("**")[0].split("## ")[0]
            head, _, *rows = [
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in block.splitlines()
                if line.startswith("|")
            ]
            found = {row[0]: int(row[1]) for row in rows}
            total = found.pop("all")
            assert found == {family: n * len(sizes[what]) for family, n in expected.items()}
            assert total == sum(found.values())
            n_below = int(rows[-1][head.index("below .93")])
            again = re.findall(r"^- .*of 1000 other samples (\S+);", block, flags=re.MULTILINE)
            assert len(again) == n_below
            assert all(float(held) >= 0.93 for held in again)
