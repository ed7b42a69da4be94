"""Each sentence about a run is said where it is true, and not where it is not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from it_callbacks.estimators import WideReading
from it_callbacks.findings import RULES, Finding, findings, findings_of_each, needed
from it_callbacks.findings.agreeing import agreeing
from it_callbacks.findings.curves import Point, curve, thinned
from it_callbacks.findings.judging import (
    Blind,
    by_signs,
    early_fall,
    late_rise,
    rise,
    straying_time,
    student,
)
from it_callbacks.runs import Key, Run, Series
from it_callbacks.texts import TRAINING_SET

N = 12
STEPS = [10 * epoch for epoch in range(N)]
EPOCHS = {step: epoch for epoch, step in enumerate(STEPS)}
LAYERS = ("net.first.relu", "net.second.relu", "net.logits")
H_Y = 2.0


def line(first: float, last: float, n: int = N) -> list[float]:
    """A steady course."""
    return [first + (last - first) * i / (n - 1) for i in range(n)]


def jagged(height: float = 1.0) -> list[float]:
    """A curve that strays: up and down by half its height, ending where it began."""
    return [height + 0.5 * (-1) ** (i // 2) * (i % 5 > 1) for i in range(N - 1)] + [height]


def series(values: Sequence[float]) -> Series:
    return dict(zip(STEPS, values, strict=False))


def wide(
    y: Mapping[str, Sequence[float]],
    x: Mapping[str, Sequence[float]] | None = None,
    *,
    set_: str = "val",
    error: float = 0.01,
    name: str = "run",
    samples: int = 500,
    **settings: Any,
) -> Run:
    """A run whose layers were read at any width, with these courses of y and x."""
    found: dict[Key, Series] = {}
    for layer, values in y.items():
        across = (x or {}).get(layer, [4.0] * len(values))
        for quantity, of, se in (("V_TY", values, error), ("relative_I_XT", across, error)):
            found[Key(quantity, set_, layer)] = series(of)
            found[Key(f"{quantity}_se", set_, layer)] = series([se] * len(of))
        found[Key("wide_status", set_, layer)] = series([0.0] * len(values))
    about = {
        "layers": [{"tag": layer} for layer in y],
        "wide": {"H_Y": H_Y, "n_samples": samples, "layers": {}, "n_classes": 4} | settings,
    }
    return Run(name, found, EPOCHS, {f"information_plane/{set_}": about})


def joined(*runs: Run) -> Run:
    """One run with the series and settings of several."""
    return Run(
        runs[0].name,
        {key: of for run in runs for key, of in run.series.items()},
        EPOCHS,
        {place: of for run in runs for place, of in run.settings.items()},
    )


def predictions(set_: str = "val", *, error: float = 0.02, **values: Sequence[float]) -> Run:
    """A run with entropies of predictions of 4 classes, 2 bits of them in the labels."""
    cost = values.get("cross_entropy", [0.5] * N)
    of = {"mean": cost, "marginal": [H_Y] * N, "cross_entropy": cost} | values
    of["label_bound"] = [H_Y - bits for bits in cost]
    of["label_bound_se"] = [error] * len(cost)
    settings = {"n_samples": 400, "n_classes": 4, "labels": "classes"}
    return Run(
        "run",
        {Key("prediction_entropy", set_, name): series(bits) for name, bits in of.items()},
        EPOCHS,
        {f"prediction_entropy/{set_}": settings},
    )


def told(run: Run | Sequence[Run], rule: str) -> Finding | None:
    runs = [run] if isinstance(run, Run) else run
    found = [finding for finding in findings(runs) if finding.rule == rule]
    assert len(found) < 2
    return found[0] if found else None


def text(run: Run | Sequence[Run], rule: str) -> str:
    found = told(run, rule)
    return "" if found is None else found.text


LEARNING = wide(
    {
        LAYERS[0]: [0.5] * N,
        LAYERS[1]: [0.2, 0.9, *line(1.0, 1.1, N - 2)],
        LAYERS[2]: line(0.1, 1.9),
    }
)


# --- what the layers have learnt -----------------------------------------------------------------


def test_what_was_learnt_is_the_last_value_of_the_last_layer_with_its_error() -> None:
    """1.96 standard errors of .01 are .02."""
    assert text(LEARNING, "learnt") == (
        "After 11 epochs, a linear reader of the last layer, logits, finds 1.90 ± 0.02 of the 2.00 "
        "bits of the label."
    )
    assert not told(Run("a", {Key("relative_I_XT", "val", "fc"): {0: 1.0}}), "learnt")


def test_the_layer_that_gained_most_is_named() -> None:
    found = told(LEARNING, "gained")
    assert found is not None
    assert found.layer == LAYERS[2]
    assert found.text.startswith("logits gained most about the label: 0.10 → 1.90 bits.")
    assert found.tone == "gain"


def test_what_strays_gained_nothing_and_its_ends_stand_without_a_judgement() -> None:
    curve = jagged()
    curve[-1] += 0.3
    strays = wide({layer: curve for layer in LAYERS})
    assert not told(strays, "gained")
    assert text(strays, "ends") == (
        "logits about the label: 1.00 → 1.30 bits from first to last point."
    )
    within_error = wide({layer: line(1.0, 1.2) for layer in LAYERS}, error=0.1)
    assert not told(within_error, "gained")


def test_seven_points_are_too_few() -> None:
    few = wide({layer: line(0.0, 2.0, 7) for layer in LAYERS})
    assert not told(few, "gained")
    assert "0.00 → 2.00 bits; 7 points are too few for a judgement, 8 are" in text(few, "ends")
    assert told(wide({layer: line(0.0, 2.0, 8) for layer in LAYERS}), "gained")


def test_the_layer_that_learnt_last_is_named_if_it_is_clear() -> None:
    """Of 2 bits 90 % are 1.8: the last one has 1.78 at epoch 8 and 2 at epoch 9."""
    fast = [0.0, 1.9, *[2.0] * (N - 2)]
    slow = [*line(0.0, 2.0, N - 2), 2.0, 2.0]
    clear = wide({LAYERS[0]: fast, LAYERS[1]: fast, LAYERS[2]: slow})
    assert text(clear, "learns_last") == (
        "logits learnt last: it reached 90 % of its gain at epoch 9, the other layers by epoch 1."
    )
    together = wide(dict.fromkeys(LAYERS, slow))
    assert not told(together, "learns_last")
    one = wide({LAYERS[0]: slow, LAYERS[1]: jagged()})
    assert text(one, "learns_unsure").startswith("Which layer learns last cannot be told: 1 of 2")
    assert not told(together, "learns_unsure")
    assert "first, second and logits had 90 % of their gains by epoch 9" in text(
        together, "learn_together"
    )


def test_the_layer_that_learnt_last_is_that_of_training_where_validation_cannot_tell() -> None:
    fast, slow = [0.0, 1.9, *[2.0] * (N - 2)], [*line(0.0, 2.0, N - 2), 2.0, 2.0]
    seen = {LAYERS[0]: fast, LAYERS[1]: fast, LAYERS[2]: slow}
    learnt = joined(wide({layer: [1.9] * N for layer in LAYERS}), wide(seen, set_="train"))
    assert text(learnt, "learns_last").startswith("logits learnt last: in training it reached 90 %")
    assert not told(learnt, "learns_unsure")
    of_both = joined(wide(seen), wide({layer: fast for layer in LAYERS}, set_="train"))
    assert "in training" not in text(of_both, "learns_last")


def test_layers_that_gained_at_about_one_time_are_told_with_their_times() -> None:
    """A gain of 2 is 90 % complete at 1.8, which lines to epochs 8 and 9 pass at the end."""
    of = {LAYERS[0]: [*line(0.0, 2.0, 9), 2.0, 2.0, 2.0], LAYERS[1]: line(0.0, 2.0)}
    found = text(wide(of, error=0.1), "learn_together")
    assert found == (
        "No layer clearly learnt last: first reached 90 % of its gain at epoch 8 and second at "
        "epoch 9."
    )


def test_of_what_is_not_judged_it_is_told_when_each_layer_came_to_its_end() -> None:
    """The last value of the slow layer is 2 ± .02, which it reaches at epoch 6 only."""
    of = {LAYERS[0]: [2.0] * 7, LAYERS[1]: [0.0, *[2.0] * 6], LAYERS[2]: line(0.0, 2.0, 7)}
    assert text(wide(of), "learns_unsure") == (
        "Which layer learns last cannot be told: 7 points are too few, 8 are needed. logits was "
        "within the error of the last value from epoch 6 on; all others by epoch 1."
    )
    flat = wide({layer: [1.0] * N for layer in LAYERS})
    assert text(flat, "learns_unsure").endswith(
        "Each was within the error of its last value from its first point on."
    )
    assert not told(wide({LAYERS[0]: [2.0] * 7}), "learns_unsure")


def test_a_loss_is_told_where_it_is_beyond_the_error() -> None:
    """The highest three of a steady fall from 2 have the mean 1.9, the last three 1.1."""
    falls = wide({layer: line(2.0, 1.0) for layer in LAYERS})
    assert text(falls, "lost") == (
        "first lost about the label: 1.91 bits at epoch 1, 1.09 at the end."
    )
    assert not told(LEARNING, "lost")


def test_a_fall_of_x_is_told_and_never_called_compression() -> None:
    across = {LAYERS[0]: [4.0] * N, LAYERS[1]: line(4.0, 3.9), LAYERS[2]: line(6.0, 3.0)}
    falls = wide({layer: [1.0] * N for layer in LAYERS}, across)
    assert text(falls, "fell") == "logits keeps fewer inputs apart than at first: 6.00 → 3.27 bits."
    back = {layer: [6.0, *[3.0] * 5, *line(3.0, 4.5, 6)] for layer in LAYERS}
    returned = text(wide({layer: [1.0] * N for layer in LAYERS}, back), "fell")
    assert "kept fewer inputs apart at first: 6.00 → 3.00 bits by epoch 2, 4.50" in returned
    assert "3 of 3 layers did" in returned
    assert not told(LEARNING, "fell")
    assert "compress" not in returned


def test_layers_that_agree_in_y_within_their_errors_are_said_to() -> None:
    """The error of a difference of two errors of .02 is .028."""
    alike = {layer: [0.5 + 0.01 * n] * N for n, layer in enumerate(LAYERS)}
    assert "all 3 layers lie within one error of each other, between 0.50 and 0.52" in text(
        wide(alike, error=0.02), "agree"
    )
    assert not told(wide(alike, error=0.01), "agree")


def test_a_layer_without_a_value_at_the_last_point_cannot_be_read() -> None:
    gone = wide({LAYERS[0]: line(0.5, 1.0), LAYERS[1]: [*line(0.5, 1.5, N - 1), math.nan]})
    assert text(gone, "readable").startswith("1 of 2 layers can be read here, at any width")
    assert "the deepest layer that can be read, first," in text(gone, "learnt")


def test_of_several_runs_each_is_told_and_warnings_come_first() -> None:
    calm, opened = wide({"logits": line(0.5, 1.0)}), both(line(0.5, 1.9), line(0.5, 1.0))
    found = findings_of_each([replace(calm, name="calm"), replace(opened, name="opened")])
    assert found[0].text.startswith("opened: Over-fitting: training exceeds")
    assert [each.text.partition(":")[0] for each in found if each.rule == "learnt"] == [
        "calm",
        "opened",
    ]


def seeds(*last: float, error: float = 0.01, layer: str = "logits") -> list[Run]:
    """Runs of one layer that differ in the last value of y only."""
    return [wide({layer: line(0.5, y)}, name=f"seed_{n}", error=error) for n, y in enumerate(last)]


def of_rule(runs: Sequence[Run], rule: str) -> list[Finding]:
    return [each for each in findings_of_each(runs) if each.rule == rule]


def test_what_runs_agree_on_is_said_once_with_the_range_of_its_numbers() -> None:
    """1.96 standard errors of .01 are .02, and of .02 they are .04."""
    runs = [*seeds(1.0, 1.25, 1.5), *seeds(1.9, error=0.02)]
    runs[-1] = replace(runs[-1], name="seed_3")
    (learnt,) = of_rule(runs, "learnt")
    assert learnt.text == (
        "4 of 4 runs: After 11 epochs, a linear reader of the last layer, logits, finds 1.00 to "
        "1.90 (± 0.04) of the 2.00 bits of the label."
    )
    assert learnt.runs == [run.name for run in runs]
    told = learnt.as_dict()
    assert told["values"]["bits_lowest"] == 1.0
    assert told["values"]["bits_highest"] == 1.9
    assert told["values"]["H_Y"] == 2.0
    assert told["runs"] == learnt.runs
    shorter = wide({"logits": line(0.5, 1.0, 11)}, name="shorter")
    (learnt,) = of_rule([*runs, shorter], "learnt")
    assert learnt.text.startswith("5 of 5 runs: After 10 to 11 epochs")
    assert (learnt.values["step_lowest"], learnt.values["step_highest"]) == (100, 110)
    (gained,) = of_rule(runs, "gained")
    assert "0.50 → 1.00 to 1.90 bits" in gained.text
    assert len(findings_of_each(runs)) == len(findings(runs[:1]))


def test_runs_that_do_not_agree_are_told_by_name() -> None:
    """Two steady runs and one that strays; then as many of the one kind as of the other."""
    steady, strays = seeds(1.5, 1.75), wide({"logits": jagged()}, name="odd")
    assert [each.text for each in of_rule([*steady, strays], "gained")] == [
        "2 of 3 runs (not odd): logits gained most about the label: 0.50 → 1.50 to 1.75 bits."
    ]
    assert of_rule([*steady, strays], "ends")[0].text.startswith("odd: logits about the label")
    other = replace(strays, name="odder")
    begun = [each.text.partition(": ")[0] for each in of_rule([*steady, strays, other], "gained")]
    assert begun == ["2 of 4 runs (seed_0 and seed_1)"]


def test_of_several_sentences_of_a_rule_that_of_most_runs_comes_first() -> None:
    runs = [*seeds(1.5, layer="first"), *seeds(1.5, 1.75, 1.8)]
    runs = [replace(run, name=f"seed_{n}") for n, run in enumerate(runs)]
    begun = [each.text.partition(": ")[0] for each in of_rule(runs, "learnt")]
    assert begun == ["3 of 4 runs (not seed_0)", "seed_0"]


def test_names_that_are_numbers_have_no_range() -> None:
    """Layers of `Sequential` are called 0, 1, ..., and classes by their numbers."""
    fast, slow = line(0.0, 2.0, 7), [0.0, *[2.0] * 6]
    runs = [wide({"0": fast, "1": slow}, name="a"), wide({"0": slow, "1": fast}, name="b")]
    assert [each.text[:3] for each in of_rule(runs, "learns_unsure")] == ["a: ", "b: "]
    about = {"conditional_entropy/val": {"n_samples": 100}}
    taken = [replace(of_classes(0.07), name=name, settings=about) for name in "abc"]
    first = {Key("label_information", "val", "confused_first"): {5: 3.0}}
    taken[1] = replace(taken[1], series={**taken[1].series, **first})
    assert [each.text for each in of_rule(taken, "confused")] == [
        f"{run}: The classes most often taken for each other in validation are {pair}: 7 of 100 "
        "samples."
        for run, pair in (("2 of 3 runs (not b)", "1 and 2"), ("b", "3 and 2"))
    ]


def test_a_number_within_a_name_is_no_number() -> None:
    found = {
        run: [Finding("lost", f"In layer-3 of v1.2.3 conv{n} lost 0.{n} bits.", "warning")]
        for n, run in enumerate("ab", 1)
    }
    assert len(agreeing(found)) == 2
    alike = {run: [replace(found["a"][0], text=f"conv1x2-3 lost -{n} bits.")] for n, run in
             enumerate("ab", 1)}  # fmt: skip
    assert [each.text for each in agreeing(alike)] == ["2 of 2 runs: conv1x2-3 lost -2 to -1 bits."]


# --- over-fitting --------------------------------------------------------------------------------


def both(train: Sequence[float], val: Sequence[float], **options: Any) -> Run:
    seen = wide({"logits": train}, set_="seen", **options)
    about = {"information_plane/seen": {"measured_on": TRAINING_SET}}
    about["information_plane/seen"] |= seen.settings["information_plane/seen"]
    return joined(Run("run", seen.series, EPOCHS, about), wide({"logits": val}))


def test_a_gap_that_training_has_opened_is_over_fitting() -> None:
    """The set is known by its settings, whatever its name; errors of .01 and .01 are .014."""
    opened = both(line(0.5, 1.9), line(0.5, 1.0))
    assert text(opened, "gap_of_layers") == (
        "Over-fitting: training exceeds validation by 0.90 ± 0.03 bits in logits."
    )
    assert text(opened, "learnt").startswith("After 11 epochs, on set val, a linear")
    alike = both(line(0.5, 1.41), line(0.5, 1.4))
    assert not told(alike, "gap_of_layers")
    assert "training is above validation by at most 0.01 ± 0.03" in text(alike, "no_gap")
    lower = both(line(0.5, 1.0), line(0.5, 1.4))
    assert "training is not above validation in any layer" in text(lower, "no_gap")


def test_a_gap_that_was_there_or_strays_or_has_few_points_is_not_called_so() -> None:
    there = both([1.5] * N, [1.0] * N)
    assert not told(there, "gap_of_layers")
    assert "most of it was there at first: not called over-fitting" in text(there, "gap_unsure")
    strays = both([1.0, *jagged()[1:-1], 1.4], [1.0] * N)
    assert not told(strays, "gap_of_layers")
    assert "not beyond what unsteady curves drift by chance: not called over-fitting" in text(
        strays, "gap_unsure"
    )
    few = both(line(0.5, 1.9, 5), line(0.5, 1.0, 5))
    assert "1.90 and 1.00 bits; 5 common points are too few" in text(few, "gap_few")


def test_a_gap_that_more_training_samples_may_have_made_is_not_judged() -> None:
    unequal = both(line(0.5, 1.9), line(0.5, 1.0), samples=1000)
    assert text(unequal, "gap_unequal") == (
        "Whether the layers over-fit is not judged: sets seen and val were read on 1000 and 500 "
        "samples, and fewer give a lower y. Read both on as many, "
        "wide=WideReading(n_samples=500), or more samples of val."
    )
    assert not told(unequal, "gap_of_layers")
    as_said = both(line(0.5, 1.9), line(0.5, 1.0), samples=500)
    assert not told(as_said, "gap_unequal")
    assert told(as_said, "gap_of_layers")


def test_no_gap_that_fewer_training_samples_may_have_hidden_is_not_judged() -> None:
    alike = both(line(0.5, 1.0), line(0.5, 1.0), samples=200)
    assert "200 and 500 samples" in text(alike, "gap_unequal")
    assert text(alike, "gap_unequal").endswith("(n_samples=200), or more samples of seen.")
    assert not told(alike, "no_gap")


def test_a_gap_is_over_fitting_although_training_has_fewer_samples() -> None:
    """Fewer samples lower y, so that the gap is larger than it looks."""
    understated = both(line(0.5, 1.9), line(0.5, 1.0), samples=200)
    assert text(understated, "gap_of_layers") == (
        "Over-fitting: training exceeds validation by 0.90 ± 0.03 bits in logits. Training was "
        "read on fewer samples, 200 against 500, which narrows a gap."
    )
    assert not told(understated, "gap_unequal")


def test_no_gap_is_none_although_training_has_more_samples() -> None:
    """More samples raise y, so that the gap is smaller than it looks; of few points it is told."""
    overstated = both(line(0.5, 1.01), line(0.5, 1.0), samples=1000)
    assert text(overstated, "no_gap").endswith(
        "above validation by at most 0.01 ± 0.03 bits, in logits. Training was read on more "
        "samples, 1000 against 500, which widens a gap."
    )
    assert not told(overstated, "gap_unequal")
    few = both(line(0.5, 1.01, 5), line(0.5, 1.0, 5), samples=1000)
    assert told(few, "gap_unequal")


def test_fewer_samples_of_the_same_kind_have_a_lower_y_beyond_its_error() -> None:
    """Why unequal sizes are not compared: 10 normal classes in 200 units, 8 draws of each size."""
    rng = np.random.default_rng(0)
    means = 0.3 * rng.standard_normal((10, 200))

    def drawn(n_samples: int) -> tuple[float, float]:
        labels = rng.integers(10, size=n_samples)
        rows = means[labels] + rng.standard_normal((n_samples, 200))
        found = WideReading()(rows, labels)
        return found["V_TY"], found["V_TY_se"]

    few, many = (np.mean([drawn(n) for _ in range(8)], axis=0) for n in (350, 1024))
    assert many[0] - few[0] > 2 * math.hypot(few[1], many[1])


def test_cross_entropies_of_both_sets_tell_over_fitting() -> None:
    opened = joined(
        predictions("val", cross_entropy=line(1.5, 1.0)),
        predictions("train", cross_entropy=line(1.5, 0.2)),
    )
    assert text(opened, "gap_of_predictions") == (
        "Over-fitting: the cross-entropy is 0.20 in training, 1.00 in validation, a gap of "
        "0.80 ± 0.06 bits."
    )
    alike = joined(
        predictions("val", cross_entropy=line(1.5, 0.2)),
        predictions("train", cross_entropy=line(1.5, 0.2)),
    )
    assert not told(alike, "gap_of_predictions")
    assert text(alike, "cross_entropies") == (
        "Cross-entropy: 0.20 in training, 0.20 in validation."
    )


def test_sets_that_begin_at_different_points_of_a_long_training_are_compared() -> None:
    """Each of the longer curves is thinned on its own: their points must stay common ones."""
    run = joined(predictions("val"), predictions("train"))
    long = {
        Key("prediction_entropy", set_, "cross_entropy"): {
            step: 1.5 - gain * step / 200 for step in range(first, 201)
        }
        for set_, gain, first in (("val", 0.5, 1), ("train", 1.3, 0))
    }
    run = replace(run, series={**run.series, **long})
    assert "0.20 in training, 1.00 in validation" in text(run, "gap_of_predictions")


def test_a_cross_entropy_that_rises_again_is_over_fitting() -> None:
    again = predictions(cross_entropy=[*line(1.5, 0.5, 6), *line(0.6, 1.5, 6)])
    assert "the cross-entropy of val was lowest at epoch 5" in text(again, "rises_again")
    assert not told(predictions(cross_entropy=line(1.5, 0.2)), "rises_again")


# --- predictions and classes ---------------------------------------------------------------------


def test_a_collapse_is_told_from_predictions_that_use_all_classes() -> None:
    """An entropy of 1 bit is that of two classes in equal shares; .5 bit is less than half of 2."""
    assert text(predictions(marginal=[0.5] * N), "collapse") == (
        "Collapse: the predictions use about 1.4 of 4 classes; their marginal entropy is 0.50 bits "
        "where the labels have 2.00."
    )
    assert not told(predictions(marginal=[1.2] * N), "collapse")
    assert findings([predictions(marginal=[0.0] * N)])[0].rule == "collapse"


def test_one_prediction_for_all_samples_is_a_collapse_once_it_lasts() -> None:
    """H(Ŷ|X) may then be as large as H(Ŷ), so that the marginal entropy shows nothing."""

    def of(n_points: int) -> Run:
        n_before = N - n_points
        return joined(
            predictions(
                mean=[1.0] * n_before + [1.99] * n_points,
                hard=[1.9] * n_before + [0.0] * n_points,
                cross_entropy=[2.4] * N,
            ),
            of_classes(0.5, class_0=0.1, class_1=0.2, class_2=0.3),
        )

    assert text(of(3), "collapse") == (
        "Collapse: since epoch 9 all samples have nearly the same prediction, and one predicted "
        "class. It tells 0.00 of the 2.00 bits of the label."
    )
    assert not told(of(2), "collapse")
    for rule in ("confused", "scattered", "over_confident"):
        assert told(of(2), rule)
        assert not told(of(3), rule)


def test_over_confidence_is_told_beyond_its_error() -> None:
    sure = predictions(mean=[0.2] * N, cross_entropy=[0.5] * N)
    assert text(sure, "over_confident") == (
        "The predictions are over-confident: their mean entropy is 0.20 bits, their cross-entropy "
        "0.50 ± 0.04."
    )
    unsure = predictions(mean=[0.8] * N, cross_entropy=[0.5] * N)
    assert told(unsure, "under_confident")
    for within in (predictions(mean=[0.4] * N, error=0.06), predictions(mean=[0.5] * N)):
        assert not told(within, "over_confident")
        assert not told(within, "under_confident")


def test_predictions_tell_the_label_where_no_layer_does() -> None:
    assert "tell at least 1.50 ± 0.04 of the 2.00 bits" in text(predictions(), "tells")
    assert not told(joined(LEARNING, predictions()), "tells")


def of_classes(share: float, **entropies: float) -> Run:
    pair = {"confused_first": 1.0, "confused_second": 2.0, "confused_share": share}
    settings = {"n_samples": 100, "class_names": ["cat", "dog", "fox"]}
    return Run(
        "run",
        {Key("label_information", "val", name): {5: value} for name, value in pair.items()}
        | {Key("conditional_entropy", "val", name): {5: value} for name, value in entropies.items()}
        | {Key("conditional_entropy", "val", "all"): {5: 0.5}},
        settings={"conditional_entropy/val": settings},
    )


def test_confused_classes_are_named_from_five_mistakes_on() -> None:
    assert text(of_classes(0.07), "confused") == (
        "The classes most often taken for each other in validation are dog and fox: "
        "7 of 100 samples."
    )
    assert not told(of_classes(0.04), "confused")
    assert told([of_classes(0.05)], "confused")


def test_the_class_in_which_predictions_scatter_most_is_named() -> None:
    of = {"class_0": 0.1, "class_1": 0.9, "class_2": 0.4}
    assert "most in class dog: 0.90 bits; next is fox with 0.40" in text(
        of_classes(0.0, **of), "scattered"
    )
    assert not told(of_classes(0.0), "scattered")


# --- limits --------------------------------------------------------------------------------------


def code(statuses: Mapping[str, float], **more: Mapping[str, Sequence[float]]) -> Run:
    """A run of binned codes with these statuses at the end."""
    found = {}
    for layer, status in statuses.items():
        of = {
            "I_XT": [5.0] * N,
            "I_TY": line(0.5, 1.5),
            "I_TY_chance": [0.0] * N,
            "I_TY_adjusted": line(0.5, 1.5),
            "status": [0.0] * (N - 1) + [status],
        }
        found |= {Key(name, "val", layer): series(values) for name, values in of.items()}
    for name, by_layer in more.items():
        found |= {Key(name, "val", layer): series(of) for layer, of in by_layer.items()}
    return Run("run", found, EPOCHS, {"information_plane/val": {"H_Y": H_Y}})


def test_how_many_layers_can_be_read_is_told_with_the_reason() -> None:
    assert text(code({"a": 0, "b": 2}), "readable") == (
        "1 of 2 layers can be read as binned codes (not b: nearly every sample has a code of its "
        "own)."
    )
    assert text(code({"a": 0, "b": 1}), "readable") == "2 of 2 layers can be read as binned codes."
    assert text(LEARNING, "readable") == "3 of 3 layers can be read here, at any width."
    saturated = joined(LEARNING, code(dict.fromkeys(LAYERS, 2)))
    assert "at any width; none as a binned code, since nearly" in text(saturated, "readable")


def test_a_saturated_layer_is_neither_the_last_that_is_read_nor_judged() -> None:
    run = code({"a": 0, "b": 2})
    assert "the binned code of the deepest layer that can be read, a, finds 1.50" in text(
        run, "learnt"
    )
    assert told(run, "gained").layer == "a"  # type: ignore[union-attr] # checked by the line above


def test_a_fall_of_a_binned_code_is_told_where_its_verdict_tells_it() -> None:
    fell = code({"a": 0}, I_XT={"a": line(7.0, 5.0)})
    verdicts = {"val": {"a": {"": "compressed by at least 1.50 bits since epoch 1, step 10"}}}
    of_verdict = Run(fell.name, fell.series, EPOCHS, fell.settings, verdicts)
    assert "code of a keeps fewer inputs apart than at epoch 0: 7.00 → 5.00 bits" in text(
        of_verdict, "fell_by_verdict"
    )
    assert not told(fell, "fell_by_verdict")
    assert not told(fell, "fell")


def test_dead_layers_and_units_are_told() -> None:
    spread = Key("spread", "val", LAYERS[1])
    dead = joined(LEARNING, Run("run", {spread: series([2.0] * 8 + [0.0] * 4)}))
    assert "second is dead since epoch 8" in text(dead, "dead_layers")
    alive = joined(LEARNING, Run("run", {spread: series([2.0] * 8 + [0.1] * 4)}))
    assert not told(alive, "dead_layers")
    units = Key("unit_dead", "val", LAYERS[0])
    assert text(
        joined(LEARNING, Run("run", {units: series([0.0] * 11 + [0.3])})), "dead_units"
    ) == ("30% of the units of first are in one state for all samples.")
    assert not told(joined(LEARNING, Run("run", {units: series([0.05] * N)})), "dead_units")


def test_of_a_dead_network_nothing_is_said_that_a_constant_cannot_show() -> None:
    def of(*dead: str) -> Run:
        y = {layer: [0.0] * N for layer in LAYERS}
        spread = {
            Key("spread", "val", layer): series([1.0, *[0.0 if layer in dead else 1.0] * (N - 1)])
            for layer in LAYERS
        }
        return joined(wide(y, error=0.0), Run("run", spread), of_classes(0.5))

    assert text(of(*LAYERS), "dead_network") == (
        "The network is dead since epoch 1: the output of its last layer, logits, no longer varies "
        "from sample to sample (first, second and logits are)."
    )
    assert text(of(LAYERS[0]), "dead_layers").startswith("first is dead since epoch 1")
    assert not told(of(LAYERS[0]), "dead_network")
    assert not told(of(*LAYERS), "dead_layers")
    for rule in ("agree", "learns_unsure", "confused", "ends"):
        assert told(of(LAYERS[0]), rule)
        assert not told(of(*LAYERS), rule)


def test_what_no_monitor_has_measured_is_told_with_the_one_that_would() -> None:
    def of(n_classes: int, *runs: Run) -> Run:
        run = joined(LEARNING, *runs)
        places = {place: {**of, "n_classes": n_classes} for place, of in run.settings.items()}
        return replace(run, settings=places)

    assert text(of(4), "not_measured") == (
        'Not measured: whether it over-fits (a monitor with data="train" would tell) and which '
        "classes are confused (ConditionalEntropyMonitor would tell)."
    )
    assert "confused" not in text(of(2), "not_measured")
    assert text(of(0), "not_measured") == (
        "Not measured: anything about a label, since there was none."
    )
    train = wide(dict.fromkeys(LAYERS, [1.0] * N), set_="train")
    assert "over-fits" not in text(of(4, train), "not_measured")
    assert not told(of(4, train, of_classes(0.1)), "not_measured")


def test_a_run_that_measured_training_samples_alone_says_so() -> None:
    seen = wide({"logits": line(0.5, 1.9)}, set_="seen")
    about = {"measured_on": TRAINING_SET, "n_classes": 4}
    run = replace(
        seen,
        settings={place: {**of, **about} for place, of in seen.settings.items()},
    )
    assert text(run, "learnt").startswith("After 11 epochs, on training samples, a linear reader")
    assert text(run, "not_measured").startswith(
        "Not measured: whether it over-fits (a monitor of validation would tell)"
    )
    held_out = wide({"logits": line(0.5, 1.0)}, n_classes=4)
    assert text(held_out, "learnt").startswith("After 11 epochs, a linear reader")
    assert "over-fits" not in text(joined(run, held_out), "not_measured")


def test_cautions_and_uneven_spreads_are_told_with_their_cause() -> None:
    about = {LAYERS[0]: {"caution": "x may be low", "uneven": "one row holds 34% of its spread"}}
    run = wide({layer: [1.0] * N for layer in LAYERS}, layers=about)
    careful = {Key("wide_status", "val", LAYERS[0]): series([1.0] * N)}
    assert text(joined(run, Run("run", careful)), "caution") == (
        "Read first with caution: x may be low."
    )
    assert "In first one row holds 34% of its spread" in text(run, "uneven")
    assert not told(run, "caution")
    assert not told(LEARNING, "uneven")


# --- repeats, sets, several runs -----------------------------------------------------------------


def test_repeats_are_judged_by_their_spread() -> None:
    """Means of three; ends that differ by more than the runs do are a gain, others are none."""
    runs = [
        wide({"logits": [bits + shift for bits in line(0.2, 1.8)]}, name=str(shift))
        for shift in (-0.02, 0.0, 0.02)
    ]
    assert text(runs, "learnt") == (
        "After 11 epochs, a linear reader of the last layer, logits, finds 1.80 (0.02) of the 2.00 "
        "bits of the label: means of 3 runs, in brackets their spread."
    )
    assert told(runs, "gained")
    apart = [wide({LAYERS[2]: line(0.2, last)}, name=str(last)) for last in (0.0, 1.0, 2.0)]
    assert not told(apart, "gained")


def test_of_several_runs_each_sentence_names_its_own() -> None:
    other = Run("other", predictions().series, EPOCHS, predictions().settings)
    texts = [finding.text for finding in findings([LEARNING, other])]
    assert texts[0].startswith("run: After 11 epochs")
    assert any(each.startswith("other: After") for each in texts)


@pytest.mark.parametrize(
    ("epochs", "is_late"),
    [
        (range(12, 24), True),
        ([7, 8, 10, *range(16, 25)], True),
        (range(12), False),
        (range(1, 13), False),
        (range(5, 65, 5), False),  # as check_val_every_n_epoch=5 has it
        ([12] * N, False),  # of steps within one epoch nothing is known
    ],
)
def test_a_log_that_begins_late_is_said_to_lack_what_came_before(
    epochs: Sequence[int], is_late: bool
) -> None:
    run = replace(LEARNING, epochs=dict(zip(STEPS, epochs, strict=True)))
    assert bool(told(run, "begins_late")) == is_late
    if is_late:
        assert f"begins at epoch {epochs[0]}, as that of a resumed" in text(run, "begins_late")
    assert not told(replace(LEARNING, epochs={}), "begins_late")


def test_sets_can_be_chosen() -> None:
    run = joined(LEARNING, wide({LAYERS[2]: [0.3] * N}, set_="test"))
    assert "finds 1.90" in text(run, "learnt")
    (found,) = (each for each in findings([run], ["test"]) if each.rule == "learnt")
    assert "finds 0.30" in found.text


def test_each_finding_tells_its_rule_in_a_line_and_the_docs_have_all_rules() -> None:
    for finding in findings([both(line(0.5, 1.9), line(0.5, 1.0))]):
        assert finding.as_dict()["why"] == RULES[finding.rule]
    page = (Path(__file__).parents[1] / "docs" / "findings.md").read_text("utf-8")
    table = page.partition("## The sentences")[2].partition("##")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(RULES)
    assert all(10 < len(why) < 130 and why.endswith(".") for why in RULES.values())


def test_the_most_important_comes_first() -> None:
    run = joined(both(line(0.5, 1.9), line(0.5, 1.0)), of_classes(0.07), predictions())
    rules = [finding.rule for finding in findings([run])]
    assert rules[:2] == ["learnt", "gap_of_layers"]
    assert rules == sorted(rules, key=list(RULES).index)
    assert "confused" in rules[:5]


def test_needed_are_the_series_that_findings_are_made_of() -> None:
    run = joined(LEARNING, predictions(), of_classes(0.07, class_0=0.1, class_1=0.2, class_2=0.3))
    others = {
        Key("sliced_I_TY", "val", "a"): {0: 1.0},
        Key("conditional_entropy", "val", "within/class_0"): {0: 1.0},
    }
    all_ = joined(run, Run("run", others))
    kept = {key: of for key, of in all_.series.items() if key in needed(all_)}
    assert not set(others) & set(kept)
    assert findings([Run("run", kept, EPOCHS, all_.settings)]) == findings([all_])


# --- hostile and half-empty logs -----------------------------------------------------------------

_WORST: tuple[Any, ...] = (None, "", "x", -1, 10**400, math.nan, [], {}, {"layers": 3}, [1, None])


@pytest.mark.parametrize("value", _WORST, ids=repr)
def test_no_settings_of_anybody_make_it_raise(value: Any) -> None:
    names = ("H_Y", "layers", "wide", "n_samples", "n_classes", "measured_on", "class_names")
    run = joined(LEARNING, predictions(), code({"a": 2.0}), of_classes(0.2, class_0=1, class_1=1))
    for place in (*run.settings, ""):
        for name in (*names, "labels", "Y"):
            settings = {**run.settings, place: {**run.settings.get(place, {}), name: value}}
            for finding in findings([Run("run", run.series, EPOCHS, settings)]):
                json.dumps(finding.as_dict(), allow_nan=False)


@pytest.mark.parametrize("bits", [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, -5.0])
@pytest.mark.parametrize("n", [1, 2, 7, N])
def test_no_values_make_it_raise(bits: float, n: int) -> None:
    whole = joined(LEARNING, predictions(), code({"a": 2.0}), of_classes(0.2, class_0=1, class_1=1))
    several = both(line(0, 1), line(1, 0))
    for run in (whole, several):
        values = {key: dict.fromkeys(list(of)[:n], bits) for key, of in run.series.items()}
        for settings in ({}, run.settings):
            for runs in (
                [Run("a", values, {}, settings)],
                [Run("a", values, EPOCHS, settings)] * 2,
            ):
                for finding in findings(runs):
                    json.dumps(finding.as_dict(), allow_nan=False)


def test_regressions_few_classes_of_many_and_unlabelled_sets_are_worded_right() -> None:
    few = wide({LAYERS[2]: line(0.0, 1.0)}, among=50, n_classes=1000)
    assert "of the label (among 50 of 1000 classes)." in text(few, "learnt")
    binned = code({"a": 0})
    settings = {"information_plane/val": {"H_Y": H_Y, "Y": "bin Y"}}
    assert "of the 2.00 bits of the binned target, chance taken off" in text(
        Run("run", binned.series, EPOCHS, settings), "learnt"
    )
    only_x = {key: of for key, of in LEARNING.series.items() if key.quantity == "relative_I_XT"}
    rules = [finding.rule for finding in findings([Run("run", only_x, EPOCHS)])]
    assert rules == ["readable"]
    assert findings([Run("empty", {})]) == []
    assert findings([]) == []


def test_names_of_nobody_s_class_are_numbers_and_long_numbers_are_passed_over() -> None:
    run = of_classes(0.2, class_0=0.1, class_1=0.2, **{f"class_{'9' * 5000}": 3.0})
    named = {"conditional_entropy/val": {"n_samples": 100, "class_names": ["only one"]}}
    assert "are 1 and 2:" in text(Run("run", run.series, settings=named), "confused")
    assert not told(run, "scattered")


# --- the judgement itself ------------------------------------------------------------------------


def points(values: Sequence[float], error: float = 0.0) -> tuple[Point, ...]:
    return tuple(Point(10 * n, bits, error) for n, bits in enumerate(values))


def test_ends_and_windows_are_where_they_should_be() -> None:
    nothing = Blind(0.01, 0.0)
    values = [0.0, 3.0, 1.0, 1.0, 1.0, 2.0, 2.0, 4.0, 5.0, 6.0]
    assert rise(points(values), nothing)[:4] == (0.0, 5.0, 0, 90)
    assert late_rise(points(values), nothing)[:4] == (1.0, 5.0, 30, 90)
    assert early_fall(points([4.0, *values]), nothing)[:4] == (1.0, 4.0, 40, 0)
    assert late_rise(points([1.0]), nothing).needed == math.inf


def test_what_a_blind_walk_strays_to_the_mean_of_its_last_three() -> None:
    """Steps of variance 10: all of them before the last three count whole, then 2/3, then 1/3."""
    assert straying_time(points([0.0] * 5)) == pytest.approx(20 + 10 * 4 / 9 + 10 / 9)


def test_signs_of_steps_are_tried_in_all_ways() -> None:
    """Of 2, -1 and 3 the sums are 6, 4, 2, 0 and their mirror images: 4 and more have two ways."""
    assert by_signs(points([0.0, 2.0, 1.0, 4.0])) == 2 / 8
    assert by_signs(points(line(0.0, 1.0, 9))) == 2**-8
    assert by_signs(points(line(0.0, 1.0, 401))) == 2**-20
    assert by_signs(points([1.0, 1.0])) == 1


def test_a_steady_rise_need_not_exceed_what_its_large_first_steps_would_stray() -> None:
    """Nine steps up, each half of the one before, against a share of 1 in 300 and of 1 in 1000."""
    halving = points([2 - 2.0**-n for n in range(10)], error=0.01)
    assert rise(halving, Blind(1 / 300, 0.0)).needed == pytest.approx(0.03 * math.sqrt(2))
    assert rise(halving, Blind(1 / 1000, 0.0)).needed > 0.4


def test_the_error_counts_three_times_or_as_many_as_the_share_asks() -> None:
    steady = points(line(0.0, 1.0), error=0.1)
    assert Blind(0.01, 0.0).needed(steady, 100, 0.1, 0.1) == pytest.approx(0.3 * math.sqrt(2))
    assert Blind(stats.norm.sf(4), 0.0).needed(steady, 100, 0.1) == pytest.approx(0.4)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 50])
def test_quantiles_of_students_t(freedom: int) -> None:
    for share in (0.9, 0.99, 0.9999):
        assert student(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-6)


def test_a_long_curve_is_looked_at_in_a_hundred_points_and_its_last_three() -> None:
    key = Key("V_TY", "val", "fc")
    found = thinned(curve(Run("a", {key: {step: float(step) for step in range(1000)}}), key))
    assert len(found) == 103
    assert [point.step for point in found[-3:]] == [997, 998, 999]
