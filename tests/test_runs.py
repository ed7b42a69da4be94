"""A log, by tags, becomes a run: what each number is, when it was measured, in which order."""

from __future__ import annotations

import math
from typing import Any

import pytest

from it_callbacks.records import QUANTITIES, Quantity, Record
from it_callbacks.runs import Key, Run, from_records, natural, outlines, parse_tag
from it_callbacks.tables import tidy
from it_callbacks.texts import to_text

from .drawn_runs import from_log

LOGGED = [row for row in QUANTITIES.values() if row.is_logged]


def logged(row: Quantity, ruler: str = "") -> tuple[str, str]:
    """A tag of a row of the table and the name that it has there."""
    name = f"{row.name}_{ruler}" if ruler else row.name
    tag = row.tag.replace(row.name, name) if ruler else row.tag
    return tag.replace("<set>", "val").replace("<layer>", "fc.1").replace("<c>", "3"), row.name


TAGS = [
    *((*logged(row), "") for row in LOGGED),
    *((*logged(row, "uniform5"), "uniform5") for row in LOGGED if row.per_ruler),
]


@pytest.mark.parametrize(("tag", "name", "ruler"), TAGS)
@pytest.mark.parametrize("prefix", ["", "mine", "a-b", "I_XT"])
def test_every_tag_of_the_table_is_taken_apart(
    tag: str, name: str, ruler: str, prefix: str
) -> None:
    """And put together again, with any prefix that a logger puts before it."""
    parsed = parse_tag(f"{prefix}-{tag}" if prefix else tag)
    assert parsed is not None
    assert parsed.prefix == prefix
    assert (parsed.key.name, parsed.key.ruler, parsed.key.set) == (name, ruler, "val")
    assert parsed.key.tag == tag


@pytest.mark.parametrize(
    "tag",
    [
        "val_loss",
        "I_XT/val",
        "information_plane/val/I_XT/fc/1",
        "I_XTra/val/fc",
        "XI_XT/val/fc",
        "information_plane/val/mine/fc",
        "information_plane/val/I_TY_corrected/fc",
        "prediction_entropy/val/mine",
        "conditional_entropy/val/class_x",
        "/val/fc",
        "",
    ],
)
def test_other_tags_are_none_of_ours(tag: str) -> None:
    assert parse_tag(tag) is None


def test_a_tag_of_a_users_own_quantity_is_known_with_the_runs_list() -> None:
    tag = "information_plane/val/knn_I_TY/fc"
    assert parse_tag(tag) is None
    parsed = parse_tag(tag, {"knn_I_TY": Quantity("knn_I_TY")})
    assert parsed is not None
    assert parsed.key == Key("knn_I_TY", "val", "fc")


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


def test_a_point_without_a_value_is_a_gap() -> None:
    """Values that are not finite are not logged; the epoch is, at every point."""
    scalars = {
        "information_plane/val/epoch": [(10, 1.0), (20, 2.0), (30, 3.0)],
        "information_plane/val/I_TY_low/fc": [(10, 1.0), (30, 2.0)],
        "information_plane/train/I_TY_low/fc": [(10, 1.0)],  # of another set's points
        "information_plane/val/linear_V_TY/fc": [(10, 1.0), (30, 2.0)],  # not due at each
    }
    (run,) = from_log("a", scalars, {})
    low = run.series[Key("I_TY_low", "val", "fc")]
    assert list(low) == [10, 20, 30]
    assert math.isnan(low[20])
    assert list(run.series[Key("I_TY_low", "train", "fc")]) == [10]
    assert list(run.series[Key("linear_V_TY", "val", "fc")]) == [10, 30]
    (outline,) = outlines("a", scalars, {})
    sampled = outline.filled(scalars, most=3)  # others may have been left out on the way
    assert list(sampled.series[Key("I_TY_low", "val", "fc")]) == [10, 30]


def test_every_prefix_of_a_logger_is_a_run_of_its_own() -> None:
    scalars = {
        "information_plane/val/I_XT/fc": [(1, 1.0)],
        "x-information_plane/val/I_XT/fc": [(1, 2.0)],
        "val_loss": [(1, 3.0)],
    }
    texts = {"x-information_plane/val/settings": to_text({"n_samples": 9})}
    plain, prefixed = from_log("a", scalars, texts)
    assert (plain.name, prefixed.name) == ("a", "a (x)")
    assert prefixed.series == {Key("I_XT", "val", "fc"): {1: 2.0}}
    assert plain.settings == {}
    assert prefixed.settings == {"information_plane/val": {"n_samples": 9}}


def test_texts_are_settings_verdicts_and_warnings() -> None:
    texts = {
        "information_plane/val/settings": to_text({"H_Y": 2.0}),
        "information_plane/val/verdicts": to_text(
            {"fc": {"": "has compressed"}, "out": {"": 3, "b": [1]}}
        ),
        "information_plane/val/warnings": to_text(["few samples", "wide layer"]),
        "prediction_entropy/val/warnings": to_text(["few samples"]),
    }
    (run,) = from_log("a", {"information_plane/val/I_XT/fc": [(1, 1.0)]}, texts)
    assert run.settings == {"information_plane/val": {"H_Y": 2.0}}
    assert run.verdicts == {"val": {"fc": {"": "has compressed"}, "out": {"": "3", "b": "[1]"}}}
    assert run.warnings == ["few samples", "wide layer"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "3", "[" * 100_000, "9" * 5000])
def test_texts_of_another_form_are_passed_over(text: str) -> None:
    for words in (text, f"\nThe same as JSON:\n\n    {text}"):
        texts = {"information_plane/val/settings": words}
        (run,) = from_log("a", {"information_plane/val/I_XT/fc": [(1, 1.0)]}, texts)
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
    assert [rulers.slugs.get("fc1", "") for rulers in run.rulers("val")] == [""]


def test_rulers_are_those_of_the_settings() -> None:
    layers = [
        {"tag": "fc1", "tag_of_ruler": ["", "uniform5"]},
        {"tag": "fc2", "tag_of_ruler": ["", "calibrated5"]},
    ]
    first, second = run_with({"layers": layers}, "fc1", "fc2").rulers("val")
    assert (first.label, second.label) == ("bins[0]", "bins[1]: uniform5, calibrated5")
    layers[0]["slugs"], layers[1]["slugs"] = ["uniform30", "uniform5"], ["width0.1", "calibrated5"]
    first, second = run_with({"layers": layers}, "fc1", "fc2").rulers("val")
    assert first.label == "bins[0]: uniform30, width0.1"
    assert second.label == "bins[1]: uniform5, calibrated5"
    assert first.key("I_XT", "val", "fc1") == Key("I_XT", "val", "fc1")
    assert second.key("I_XT", "val", "fc2") == Key("I_XT", "val", "fc2", "calibrated5")
    assert second.key("linear_V_TY", "val", "fc2").ruler == ""  # no ruler has a part in it


def test_settings_of_unequal_rulers_are_not_believed() -> None:
    """The tags tell then, and here they tell of one ruler."""
    layers = [
        {"tag": "fc1", "tag_of_ruler": ["", "u5", "u7"]},
        {"tag": "fc2", "tag_of_ruler": ["", "u5"]},
    ]
    (only,) = run_with({"layers": layers}, "fc1", "fc2").rulers("val")
    assert only.key("I_XT", "val", "fc1").ruler == ""


def test_without_settings_every_ruler_in_the_tags_is_one_of_the_rulers() -> None:
    tags = ["I_TY", "I_TY_chance", "I_TY_low", "I_TY_uniform5", "I_TY_chance_uniform5"]
    scalars = {f"information_plane/val/{tag}/fc": [(1, 0.5)] for tag in tags}
    (run,) = from_log("a", scalars, {})
    assert [rulers.slugs["fc"] for rulers in run.rulers("val")] == ["", "uniform5"]


def test_records_go_in_and_come_out() -> None:
    records = [
        Record("I_XT", "val", "fc", 1.0, step=10, epoch=1, n_samples=100),
        Record("I_XT_uniform5", "val", "fc", 0.5, step=10, epoch=1, n_samples=100),
        Record("prediction_entropy", "val", "mean", 2.0, step=20, epoch=2, n_samples=400),
    ]
    settings = {
        "prediction_entropy/val": {"n_samples": 400},
        "information_plane/val": {"n_samples": 100},
    }
    rows = tidy([from_records("a", records, settings)])
    names = ("quantity", "set", "layer", "bits", "step", "epoch", "n_samples")
    assert [Record(*(row[name] for name in names)) for row in rows] == records


def test_settings_survive_the_way_through_a_log() -> None:
    settings = {"H_Y": 2.0, "layers": [{"tag": "fc", "tag_of_ruler": [""]}]}
    texts = {"information_plane/val/settings": to_text(settings)}
    (run,) = from_log("a", {"information_plane/val/I_XT/fc": [(1, 1.0)]}, texts)
    assert run.settings["information_plane/val"] == settings
