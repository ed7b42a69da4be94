"""A log, by tags, becomes a run: what each number is, when it was measured, in which order."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.records import QUANTITIES, ROOTS, Record
from it_callbacks.runs import (
    Key,
    Run,
    are_repeats,
    averaged,
    from_log,
    from_records,
    natural,
    parse_tag,
)


@pytest.mark.parametrize(
    "key",
    [
        *(
            Key(quantity + ruler, "val", "fc.1")
            for quantity in sorted(set(QUANTITIES) - set(ROOTS))
            for ruler in ("", "_uniform5")
        ),
        Key("prediction_entropy", "val", "mean"),
        Key("conditional_entropy", "val", "within/class_3"),
        Key("label_information", "val", "soft"),
        Key("information_plane", "val", "epoch"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "mine", "a-b", "I_XT"])
def test_a_tag_is_taken_apart_as_it_was_put_together(key: Key, prefix: str) -> None:
    tag = Record(*key, bits=0.0, step=0, epoch=0, n_samples=1).tag
    assert parse_tag(f"{prefix}-{tag}" if prefix else tag) == (prefix, key)


@pytest.mark.parametrize(
    "tag",
    [
        "val_loss",
        "I_XT/val",
        "information_plane/val/I_XT/fc/1",
        "I_XTra/val/fc",
        "XI_XT/val/fc",
        "/val/fc",
        "",
    ],
)
def test_other_tags_are_none_of_ours(tag: str) -> None:
    assert parse_tag(tag) is None


def test_names_sort_by_the_numbers_in_them() -> None:
    assert sorted(["fc10", "fc2", "conv", "fc"], key=natural) == ["conv", "fc", "fc2", "fc10"]


def test_a_step_logged_twice_has_its_last_value_and_steps_are_in_order() -> None:
    (run,) = from_log("a", {"information_plane/val/I_XT/fc": [(10, 1.0), (5, 2.0), (10, 3.0)]}, {})
    assert list(run.series[Key("I_XT", "val", "fc")].items()) == [(5, 2.0), (10, 3.0)]


def test_epochs_are_read_from_their_tag_and_are_no_series() -> None:
    scalars = {
        "information_plane/val/I_XT/fc": [(10, 1.0), (20, 1.0), (30, 1.0)],
        "information_plane/val/epoch": [(10, 1.0), (20, 1.9999999), (30, math.nan)],
        "information_plane/val/overhead": [(10, 0.25)],
    }
    (run,) = from_log("a", scalars, {})
    assert run.epochs == {10: 1, 20: 2}
    assert Key("information_plane", "val", "epoch") not in run.series
    assert Key("information_plane", "val", "overhead") in run.series


def test_every_prefix_of_a_logger_is_a_run_of_its_own() -> None:
    scalars = {
        "information_plane/val/I_XT/fc": [(1, 1.0)],
        "x-information_plane/val/I_XT/fc": [(1, 2.0)],
        "val_loss": [(1, 3.0)],
    }
    texts = {"x-information_plane/val/settings": '{"n_samples": 9}'}
    plain, prefixed = from_log("a", scalars, texts)
    assert (plain.name, prefixed.name) == ("a", "a (x)")
    assert prefixed.series == {Key("I_XT", "val", "fc"): {1: 2.0}}
    assert plain.settings == {}
    assert prefixed.settings == {"information_plane/val": {"n_samples": 9}}


def test_texts_are_settings_verdicts_and_warnings() -> None:
    texts = {
        "information_plane/val/settings": '{"H_Y": 2.0}',
        "information_plane/val/verdicts": '{"fc": "has compressed", "out": 3}',
        "information_plane/val/warnings": '["few samples", "wide layer"]',
        "prediction_entropy/val/warnings": '["few samples"]',
    }
    (run,) = from_log("a", {"information_plane/val/I_XT/fc": [(1, 1.0)]}, texts)
    assert run.settings == {"information_plane/val": {"H_Y": 2.0}}
    assert run.verdicts == {"val": {"fc": "has compressed", "out": "3"}}
    assert run.warnings == ["few samples", "wide layer"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "3", "[" * 100_000, "9" * 5000])
def test_texts_of_another_form_are_passed_over(text: str) -> None:
    (run,) = from_log(
        "a", {"information_plane/val/I_XT/fc": [(1, 1.0)]}, {"information_plane/val/settings": text}
    )
    assert run.settings == {"information_plane/val": {}}
    assert run.layers("I_XT", "val") == ["fc"]


def run_with(settings: dict[str, Any], *names: str, quantity: str = "I_TY") -> Run:
    series = {Key(quantity, "val", name): {1: 0.5} for name in names}
    return Run("a", series, settings={"information_plane/val": settings})


def test_layers_come_in_order_of_depth_then_by_number() -> None:
    listed = {"layers": [{"tag": "stem"}, {"tag": "body"}]}
    run = run_with(listed, "fc10", "body", "fc2", "stem")
    assert run.layers("I_TY", "val") == ["stem", "body", "fc2", "fc10"]
    assert run.layers("I_TY", "train") == []
    assert run.sets("I_TY") == ["val"]
    assert run.sets("I_XT") == []


@pytest.mark.parametrize(
    "layers", [5, None, "fc", [1, None], [{}], [{"tag": 3}], [{"tag_of_ruler": ["", "u5"]}]]
)
def test_settings_of_another_form_tell_no_depth_and_no_ruler(layers: object) -> None:
    run = run_with({"layers": layers}, "fc2", "fc1")
    assert run.layers("I_TY", "val") == ["fc1", "fc2"]
    assert [way.quantity("I_TY", "fc1") for way in run.resolutions("val")] == ["I_TY"]


def test_resolutions_are_those_of_the_settings() -> None:
    layers = [
        {"tag": "fc1", "tag_of_ruler": ["", "uniform5"]},
        {"tag": "fc2", "tag_of_ruler": ["", "calibrated5"]},
    ]
    first, second = run_with({"layers": layers}, "fc1", "fc2").resolutions("val")
    assert (first.label, second.label) == ("bins[0]", "bins[1]: uniform5, calibrated5")
    layers[0]["slugs"], layers[1]["slugs"] = ["uniform30", "uniform5"], ["width0.1", "calibrated5"]
    first, second = run_with({"layers": layers}, "fc1", "fc2").resolutions("val")
    assert first.label == "bins[0]: uniform30, width0.1"
    assert second.label == "bins[1]: uniform5, calibrated5"
    assert first.quantity("I_XT", "fc1") == "I_XT"
    assert second.quantity("I_XT", "fc2") == "I_XT_calibrated5"


def test_settings_of_unequal_rulers_are_not_believed() -> None:
    """The tags tell then, and here they tell of one ruler."""
    layers = [
        {"tag": "fc1", "tag_of_ruler": ["", "u5", "u7"]},
        {"tag": "fc2", "tag_of_ruler": ["", "u5"]},
    ]
    (only,) = run_with({"layers": layers}, "fc1", "fc2").resolutions("val")
    assert only.quantity("I_XT", "fc1") == "I_XT"


def test_without_settings_every_ruler_in_the_tags_is_a_resolution() -> None:
    tags = ["I_TY", "I_TY_chance", "I_TY_corrected_low", "I_TY_uniform5", "I_TY_chance_uniform5"]
    run = Run("a", {Key(tag, "val", "fc"): {1: 0.5} for tag in tags})
    assert [way.quantity("I_XT", "fc") for way in run.resolutions("val")] == [
        "I_XT",
        "I_XT_uniform5",
    ]


def test_records_go_in_and_come_out() -> None:
    records = [
        Record("I_XT", "val", "fc", 1.0, step=10, epoch=1, n_samples=100),
        Record("prediction_entropy", "val", "mean", 2.0, step=20, epoch=2, n_samples=400),
    ]
    settings = {
        "prediction_entropy/val": {"n_samples": 400},
        "information_plane/val": {"n_samples": 100},
    }
    assert from_records("a", records, settings).records == records


def test_what_the_log_does_not_tell_of_a_record_is_marked() -> None:
    (record,) = Run("a", {Key("I_XT", "val", "fc"): {10: 1.0}}).records
    assert (record.epoch, record.n_samples) == (-1, 0)


def repeat(*values: float, status: float = 0.0, layer: str = "fc") -> Run:
    return Run(
        "a",
        {
            Key("I_XT", "val", layer): dict(enumerate(values)),
            Key("status", "val", layer): dict.fromkeys(range(len(values)), status),
        },
        warnings=["few samples"],
    )


def test_repeats_average_to_mean_and_standard_deviation_where_all_are_finite() -> None:
    mean = averaged([repeat(1.0, 5.0, math.nan), repeat(3.0, 5.0, 1.0), repeat(5.0, 5.0)])
    key = Key("I_XT", "val", "fc")
    assert mean.series[key] == {0: 3.0, 1: 5.0}
    assert mean.spread[key] == {0: 2.0, 1: 0.0}
    assert mean.name == "mean of 3 runs, up to step 1"
    assert averaged([repeat(1.0, 2.0), repeat(3.0, 2.0)]).name == "mean of 2 runs"
    assert mean.warnings == ["few samples"]


def test_a_mean_is_as_unsafe_as_the_worst_that_went_into_it() -> None:
    mean = averaged([repeat(1.0, status=0.0), repeat(3.0, status=2.0)])
    assert mean.series[Key("status", "val", "fc")] == {0: 2.0}
    assert Key("status", "val", "fc") not in mean.spread


def test_only_runs_of_the_same_layers_are_repeats() -> None:
    assert are_repeats([repeat(1.0), repeat(2.0, 3.0)])
    assert not are_repeats([repeat(1.0), repeat(1.0, layer="other")])
    assert not are_repeats([repeat(1.0)])
    assert not are_repeats([Run("a", {}), Run("b", {})])
    with pytest.raises(ValueError, match="runs: a spread needs at least 2, got 1"):
        averaged([repeat(1.0)])


def read_with(bins: str, **told: Any) -> Run:
    layers = [{"tag": "fc", "bins": [bins], "rulers": ["Width(0.1)"], "estimand": "all units"}]
    settings = {"information_plane/val": {"layers": layers, "n_samples": 360, **told}}
    return replace(repeat(1.0, 2.0), settings=settings)


def test_only_runs_that_were_read_alike_are_repeats() -> None:
    """By what was asked for: the width that came of it is each training's own."""
    thirty = read_with("Calibrated(30)")
    assert are_repeats([thirty, read_with("Calibrated(30)")])
    assert not are_repeats([thirty, read_with("Calibrated(4)")])
    assert not are_repeats([thirty, read_with("Calibrated(30)", n_samples=90)])
    assert not are_repeats([thirty, read_with("Calibrated(30)", exhaustive=True)])


def test_settings_survive_the_way_through_a_log() -> None:
    settings = {"H_Y": 2.0, "layers": [{"tag": "fc", "tag_of_ruler": [""]}]}
    texts = {"information_plane/val/settings": json.dumps(settings)}
    (run,) = from_log("a", {"information_plane/val/I_XT/fc": [(1, 1.0)]}, texts)
    assert run.settings["information_plane/val"] == settings
