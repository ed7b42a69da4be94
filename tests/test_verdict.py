"""A verdict holds against scale, wandering and saturation, and says why where it cannot tell."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from it_callbacks.estimators import RulerVerdict, Verdict, entropy
from it_callbacks.estimators.looks import Look, Looks, drop_error, surprisal
from it_callbacks.estimators.verdict import Answer, Curve, verdict

Floats = NDArray[np.float64]
NAN = math.nan


# --- surprisal ----------------------------------------------------------------------------------


def test_surprisal_is_what_a_code_would_spend_on_each_sample() -> None:
    """Shares 1/2, 1/4, 1/8, 1/8 cost 1, 2, 3 and 3 bits, in the order of the samples."""
    assert surprisal([9, 4, 9, 9, 7, 9, 4, -2]).tolist() == [1, 2, 1, 1, 3, 1, 2, 3]


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=50))
def test_the_mean_surprisal_is_the_entropy(symbols: list[int]) -> None:
    assert surprisal(symbols).mean() == pytest.approx(entropy(symbols).bits, abs=1e-12)


def test_surprisal_takes_pairs_of_keys() -> None:
    """The second key tells apart what the first does not."""
    assert surprisal(np.array([[1, 5], [1, 6], [1, 5], [2, 0]])).tolist() == [1, 2, 1, 2]


# --- the standard error of a drop ---------------------------------------------------------------


def coarser_later(n_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The states of one probe early and late in a training: 40 skewed ones, then a fifth of them.

    The late states are the early ones merged, for all but a tenth of the samples, which have moved.
    """
    rng = np.random.default_rng(seed)
    early = np.minimum(rng.geometric(0.08, n_samples) - 1, 39)
    late = np.where(rng.random(n_samples) < 0.1, rng.integers(0, 8, n_samples), early // 5)
    return early, late


def test_the_error_of_a_drop_is_its_spread_over_probes() -> None:
    """600 probes of 1024 samples: the mean error is the spread of the drops within 10 %.

    Errors of the two entropies put together as if they were independent would be 20 % too large.
    """
    drops, errors, apart = [], [], []
    for seed in range(600):
        early, late = coarser_later(1024, seed)
        before, after = surprisal(early), surprisal(late)
        drops.append(before.mean() - after.mean())
        errors.append(drop_error(before, after))
        apart.append(math.hypot(*(np.std(values) / 32 for values in (before, after))))
    assert np.mean(errors) == pytest.approx(np.std(drops), rel=0.1)
    assert np.mean(apart) > 1.2 * np.std(drops)


def test_what_both_points_share_does_not_count() -> None:
    """Every sample's surprisal fell by one bit: the drop is one bit in any probe."""
    before = np.random.default_rng(0).random(100)
    assert drop_error(before, before - 1) == pytest.approx(0, abs=1e-15)


def test_the_error_of_a_drop_by_hand() -> None:
    """Falls of 0 and 2 bits: standard deviation √2 of the two, over √2."""
    assert drop_error(np.array([3.0, 3.0]), np.array([3.0, 1.0])) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("before", "after"),
    [(np.ones(3), np.ones(2)), (np.ones(1), np.ones(1)), (np.ones((2, 2)),) * 2],
)
def test_other_samples_have_no_paired_error(before: np.ndarray, after: np.ndarray) -> None:
    with pytest.raises(ValueError, match="need the same two or more samples, got"):
        drop_error(before, after)


# --- one ruler ----------------------------------------------------------------------------------


def still(i: Floats) -> Floats:
    """A curve that moves by .02 at most."""
    return 0.01 * ((7 * i) % 5 - 2)


STRAY = np.array([0, 0.3, -0.1, 0.2, 0.5, 0.1, -0.3, 0.1, -0.2, -0.5, -0.1, -0.4])
LOG_SPACED = np.array([0, 1, 2, 3, 4, 6, 8, 11, 16, 22, 30, 39.0])


def course(
    bits: Callable[[Floats], Floats],
    n: int = 12,
    *,
    spread: Callable[[Floats], Floats] = np.ones_like,
    coverage: Callable[[Floats], Floats] = lambda i: 0 * i + 0.95,
    times: Floats | None = None,
    error: float = 0.02,
    paired: float | None = 0.02,
    merged: float = 1.0,
    corrected: float = NAN,
) -> RulerVerdict:
    """The verdict on a layer of two units; `bits` and others are given the number of the point."""
    i = np.arange(n, dtype=float)
    values, of = bits(i), i if times is None else times
    curve = Curve(
        epoch=of,
        step=of,
        bits=values,
        merged_bits=values - merged,
        standard_error=np.full(n, error),
        coverage=coverage(i),
        corrected=values + corrected,
        spread=spread(i),
        n_units=2,
    )
    return verdict(curve, paired)


def falls(i: Floats) -> Floats:
    return 6 - i / 11 + still(i)


CASES: dict[str, tuple[dict[str, Any], Answer, tuple[float, ...]]] = {
    # by name: the course; the answer; bits, needed, step of the peak, ratio of spreads, coverage
    "still": ({"bits": lambda i: 6 + still(i)}, Answer.NO, (0.01, 0.3, 3, 1, 0.95)),
    "a steady fall": ({"bits": falls}, Answer.COMPRESSED, (0.821515, 0.3, 1, 1, 0.95)),
    "stray": (
        {"bits": lambda i: 6 + STRAY[i.astype(int)]},
        Answer.WANDERS,
        (0.6, 2.492382, 4, 1, 0.95),
    ),
    "it shrinks": (
        {"bits": falls, "spread": lambda i: 2 ** (-i / 11)},
        Answer.SCALE,
        (0.821515, 0.3, 1, 0.567156, 0.95),
    ),
    "it grows and falls": (
        {"bits": falls, "spread": lambda i: 1 + i / 40},
        Answer.COMPRESSED,
        (0.821515, 0.3, 1, 1.219512, 0.95),
    ),
    "saturated": (
        {"bits": lambda i: 8.2 + still(i), "coverage": lambda i: 0 * i + 0.2},
        Answer.SATURATED,
        (0.01, 0.3, 3, 1, 0.2),
    ),
    "from saturation": (
        {"bits": lambda i: 8 - 2 * i / 11 + still(i), "coverage": lambda i: 0.3 + 0.06 * i},
        Answer.COMPRESSED,
        (1.639697, 0.3, 1, 1, 0.36),
    ),
    "it rises": (
        {"bits": lambda i: 5 + 2 * i / 11 + still(i)},
        Answer.GAINING,
        (0.538788, 0.3, 7, 1, 0.95),
    ),
    "it grows": (
        {"bits": lambda i: 6 + still(i), "spread": lambda i: 16 ** (i / 11)},
        Answer.SCALE,
        (0.01, 0.3, 3, 2.130082, 0.95),
    ),
    "a late fall": (
        {"bits": lambda i: 6 + still(i) - 2 * (i >= 20), "n": 24},
        Answer.COMPRESSED,
        (2.003333, 0.3, 3, 1, 0.95),
    ),
    "own samples": (
        {"bits": lambda i: 6 + 10 * still(i), "n": 24, "error": 0.1, "paired": None},
        Answer.NO,
        (0.033333, 0.3, 3, 1, 0.95),
    ),
    "log-spaced": (
        {"bits": lambda i: 6 - LOG_SPACED[i.astype(int)] / 39 + still(i), "times": LOG_SPACED},
        Answer.COMPRESSED,
        (0.75547, 0.444263, 1, 1, 0.95),
    ),
    "own samples, a fall": (
        {"bits": falls, "error": 0.15, "paired": None},
        Answer.COMPRESSED,
        (0.821515, 0.367423, 1, 1, 0.95),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_courses_have_the_verdict_of_a_reference(name: str) -> None:
    """Values of a reference implementation of the rule."""
    options, answer, expected = CASES[name]
    found = course(**options)
    assert found.answer is answer
    values = (found.bits, found.needed, found.step, found.spread_ratio, found.coverage)
    assert values == pytest.approx(expected, abs=1e-6)


def test_a_dead_layer_is_dead_from_its_first_dead_point_on() -> None:
    dies = course(lambda i: np.where(i < 8, 6.0, 0.0), spread=lambda i: np.where(i < 8, 1.0, 0.0))
    assert (dies.answer, dies.step) == (Answer.DEAD, 8)
    assert str(dies).startswith("dead since epoch 8, step 8")
    assert dies.compressed is None


@pytest.mark.filterwarnings("error")
def test_a_layer_may_be_dead_from_the_start_or_come_to_life() -> None:
    constant = course(lambda i: 0 * i, spread=lambda i: 0 * i)
    assert (constant.answer, constant.step) == (Answer.DEAD, 0)
    lives = course(lambda i: np.where(i < 8, 0.0, 6.0), spread=lambda i: np.where(i < 8, 0.0, 1.0))
    assert str(lives).startswith("still gaining")


@pytest.mark.parametrize(("n", "answer"), [(7, Answer.FEW), (8, Answer.COMPRESSED)])
def test_eight_points_are_needed(n: int, answer: Answer) -> None:
    assert course(falls, n).answer is answer


def test_the_unit_of_time_makes_no_difference() -> None:
    options: dict[str, Any] = dict(CASES["log-spaced"][0])
    one, other = course(**options), course(**{**options, "times": 391 * LOG_SPACED})
    assert other.answer is one.answer
    assert other.needed == pytest.approx(one.needed, rel=1e-12)


def test_a_saturated_end_claims_nothing() -> None:
    """It lies below its peak, and may hold more than the samples can show."""
    found = course(falls, coverage=lambda i: np.where(i > 8, 0.4, 0.95))
    assert found.answer is Answer.SATURATED
    assert found.compressed is None


def test_a_saturated_peak_claims_no_compression() -> None:
    found = course(lambda i: 8 - 2 * i / 11, coverage=lambda i: 0.3 + 0.06 * i)
    assert found.compressed is None
    assert "compress" not in str(found)
    assert "saturated at its highest, at least 1.6" in str(found)


def test_a_rise_to_where_samples_are_counted_claims_nothing() -> None:
    """What an earlier peak held is not known either, if H(bin T) counted samples there."""
    rises = CASES["it rises"][0]["bits"]
    assert course(rises).compressed is False
    found = course(rises, coverage=lambda i: np.where(i > 8, 0.4, 0.95))
    assert found.answer is Answer.GAINING
    assert found.compressed is None


@pytest.mark.parametrize("coverage", [0.49, 0.6, 0.79])
def test_no_compression_is_only_said_where_a_fall_would_show(coverage: float) -> None:
    found = course(lambda i: 8 + still(i), coverage=lambda i: 0 * i + coverage)
    assert found.answer is Answer.SATURATED
    assert found.compressed is None


def test_without_a_spread_a_fall_may_be_one_of_scale() -> None:
    found = course(falls, spread=lambda i: NAN * i)
    assert str(found) == "cannot tell: how its scale changed is not known"
    assert course(lambda i: 6 + still(i), spread=lambda i: NAN * i).answer is Answer.NO


def test_without_merged_bins_each_unit_may_lose_a_bit_an_octave() -> None:
    """Half the scale: up to 2 bits of two units; .1 bit, if merging bins takes away no more."""
    halves = {"bits": falls, "spread": lambda i: 2 ** (-i / 11)}
    assert course(**halves, merged=NAN).answer is Answer.SCALE
    assert course(**halves, merged=0.1).answer is Answer.COMPRESSED


def test_a_drop_has_an_interval_where_its_ends_have_one() -> None:
    """Three paired errors around the fall of the corrected value."""
    found = course(falls, corrected=0.5)
    assert (found.low, found.high) == pytest.approx((0.821515 - 0.06, 0.821515 + 0.06), abs=1e-6)
    assert str(found) == "compressed by 0.82 bits (0.76 to 0.88) since epoch 1, step 1"
    alone = course(falls)
    assert alone.low == pytest.approx(0.821515 - 1.96 * 0.02, abs=1e-6)
    assert math.isnan(alone.high)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("still", "no compression: within 0.3 bits of its highest"),
        ("a steady fall", "compressed by at least 0.78 bits since epoch 1, step 1"),
        (
            "stray",
            "cannot tell: 0.60 bits below its highest, but it wanders; 2.49 bits would count",
        ),
        (
            "it shrinks",
            "cannot tell: its scale fell to 0.57 of what it was, which alone could explain its "
            "fall of 0.82 bits",
        ),
        (
            "saturated",
            "cannot tell: saturated; read it at any width or, if it is narrow, with more samples "
            "or fewer bins",
        ),
        ("it rises", "still gaining: 0.54 bits in the second half"),
        ("it grows", "cannot tell: its scale has grown 2.1-fold, which may hide a fall"),
    ],
)
def test_verdicts_in_words(name: str, said: str) -> None:
    assert str(course(**CASES[name][0])) == said


# --- following a layer --------------------------------------------------------------------------


def look(step: int, bits: float, **values: float) -> Look:
    return Look(step, step, bits, **{**DEFAULTS, **values})


DEFAULTS = {
    "merged_bits": NAN,
    "standard_error": 0.02,
    "coverage": 0.95,
    "corrected": NAN,
    "spread": 1.0,
}


def test_surprisals_are_counted_only_where_somebody_asks() -> None:
    """Of the middle one of the highest three points, the one before the last, and the last."""
    asked: list[int] = []
    looks = Looks(2)

    def ask(step: int) -> Callable[[], Floats]:
        return lambda: (asked.append(step), np.full(4, 4.0))[1]

    for step, bits in enumerate([1, 4, 5, 4, 3, 2, 2, 1, 1.0]):
        looks.add(look(step, bits), ask(step))
    assert asked == []
    looks.verdict()
    assert asked == [2, 8]
    looks.state()
    assert asked == [2, 8, 7]


def test_the_error_of_a_fall_is_paired_over_samples_that_both_points_have() -> None:
    """Falls of 0, 2, 2, 2 bits, of one sample nobody knows: deviation 1, over the root of 4."""
    looks = Looks(2)
    peak, end = np.array([3.0, 3, 5, 5, NAN]), np.array([3.0, 1, 3, 3, 1])
    for step in range(12):
        samples = peak if step < 6 else end
        looks.add(look(step, 6.0 if step < 6 else 4.0), lambda samples=samples: samples)
    assert looks._paired_error() == pytest.approx(0.5, abs=1e-7)


def test_of_two_looks_at_one_step_the_first_stays() -> None:
    looks = Looks(2)
    looks.add(look(3, 5.0), None)
    looks.add(look(3, 1.0), None)
    assert len(looks) == 1
    assert looks.state()["looks"][2].tolist() == [5.0]


def test_a_restored_course_goes_on_as_if_never_stopped() -> None:
    rng = np.random.default_rng(0)
    whole, first = Looks(2), Looks(2)
    for step in range(20):
        samples = rng.random(50) + 6 - step / 10
        for each in (whole, first):
            each.add(look(step, float(samples.mean())), lambda samples=samples: samples)
        if step == 11:
            first = Looks.from_state(first.state())
    assert str(first.verdict()) == str(whole.verdict())
    assert first._paired_error() == whole._paired_error()


@pytest.mark.parametrize(
    "wrong",
    [
        {"looks": [1.0]},
        {"looks": np.zeros((3, 2))},
        {"surprisal": []},
        {"surprisal": [3, None, None]},
        {"surprisal": [np.zeros((2, 2)), None, None]},
    ],
)
def test_a_state_of_another_form_is_refused(wrong: dict[str, Any]) -> None:
    looks = Looks(2)
    looks.add(look(0, 1.0), None)
    with pytest.raises(ValueError, match="need"):
        Looks.from_state({**looks.state(), **wrong})


# --- all rulers together ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rulers", "joint"),
    [
        ([(Answer.COMPRESSED, 0.5), (Answer.NO, 0.2)], Answer.COMPRESSED),
        ([(Answer.COMPRESSED, 0.5), (Answer.NO, 0.1)], Answer.DISAGREE),
        ([(Answer.SATURATED, 0.0), (Answer.NO, 0.1)], Answer.NO),
        ([(Answer.COMPRESSED, 1.0), (Answer.WANDERS, 0.4)], Answer.COMPRESSED),
        ([(Answer.COMPRESSED, 1.0), (Answer.GAINING, 0.4)], Answer.DISAGREE),
    ],
)
def test_rulers_have_one_verdict_together(
    rulers: list[tuple[Answer, float]], joint: Answer
) -> None:
    found = Verdict(tuple(RulerVerdict(answer, bits, low=0.4) for answer, bits in rulers))
    assert found.answer is joint
    assert found.compressed is {Answer.COMPRESSED: True, Answer.NO: False}.get(joint)


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_of_rulers_that_fell_one_that_is_not_saturated_decides(places: tuple[int, int]) -> None:
    """Finer bins saturate first, and stand first."""
    fine = RulerVerdict(Answer.COMPRESSED, 2.5, low=2.4, epoch=1, step=3, is_saturated=True)
    coarse = RulerVerdict(Answer.COMPRESSED, 2.0, low=1.9, high=2.1, epoch=1, step=3)
    found = Verdict(tuple((fine, coarse)[place] for place in places))
    assert found.compressed is True
    assert str(found).startswith("compressed by 2.00 bits (1.90 to 2.10) since epoch 1, step 3; ")


def test_rulers_in_words() -> None:
    fell = RulerVerdict(Answer.COMPRESSED, 2.0, low=1.9, high=2.1, epoch=3, step=9)
    steady = RulerVerdict(Answer.NO, 0.1)
    said = "compressed by 2.00 bits (1.90 to 2.10) since epoch 3, step 9"
    assert str(Verdict((fell,))) == said
    assert str(Verdict((fell, fell))) == f"{said} (all bins)"
    assert str(Verdict((steady, fell))) == (
        f"cannot tell: the rulers disagree ({said}; by other bins no compression: within 0.3 bits "
        "of its highest)"
    )


def test_a_verdict_needs_a_ruler() -> None:
    with pytest.raises(ValueError, match="by_ruler: need at least one, got none"):
        Verdict(())


# --- simulated courses --------------------------------------------------------------------------


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = Path(__file__).parents[1] / "examples" / "reproduce"
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("verdicts")


def test_simulated_layers_are_called_compressed_where_they_are(simulation: Any) -> None:
    """A few courses of each kind: N = 300, weights that stand still or walk."""
    found = simulation.experiment(simulation.FAST)
    assert [each.what for each in found if not each.holds] == []
    shares = {each.what.split(", ", 2)[2]: each.values[0] for each in found}
    assert shares["walk 0, fall of 2: called compressed"] == 1
    assert shares["walk 0, none: called compressed"] == 0


@pytest.mark.slow
def test_verdicts_are_right_as_often_as_the_page_says(simulation: Any) -> None:
    found = simulation.experiment(simulation.USUAL)
    assert [each.what for each in found if not each.holds] == []


@pytest.mark.slow
def test_trained_layers_that_have_not_fallen_are_not_called_compressed(simulation: Any) -> None:
    trainings = importlib.import_module("trained_verdicts")
    found = trainings.experiment(trainings.FAST)
    assert [each.what for each in found if not each.holds] == []
