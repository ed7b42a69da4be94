"""Tidy rows and rows of layers: every value where it belongs, and nothing made up."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from it_callbacks.records import Status
from it_callbacks.repeats import averaged
from it_callbacks.runs import Key, Run
from it_callbacks.tables import (
    COLUMNS,
    OVER_RUNS,
    Number,
    as_csv,
    as_json,
    course,
    finite_or_none,
    last,
    layer_rows,
    tidy,
    write_csv,
    write_json,
)

NAN = math.nan
FC1 = Key("I_XT", "val", "fc1")


def run_of(name: str = "a", /, **series: list[float]) -> Run:
    """A run of layer fc1 on val, at steps 0, 10, 20, ...; epochs 0, 1, 2, ..."""
    return Run(
        name,
        {
            Key(quantity, "val", "fc1"): {10 * i: value for i, value in enumerate(values)}
            for quantity, values in series.items()
        },
        {10 * i: i for i in range(10)},
        {"information_plane/val": {"n_samples": 64}},
    )


def test_a_row_is_a_number_and_all_that_is_known_of_it() -> None:
    (row,) = tidy([run_of(I_XT=[1.5])])
    assert row == {
        "run": "a",
        "tag": "information_plane/val/I_XT/fc1",
        "quantity": "I_XT",
        "set": "val",
        "layer": "fc1",
        "bits": 1.5,
        "unit": "bits",
        "step": 0,
        "epoch": 0,
        "n_samples": 64,
    }
    assert tuple(row) == COLUMNS


def test_what_was_not_logged_is_empty_and_not_a_number() -> None:
    (row,) = tidy([Run("a", {FC1: {7: 1.0}})])
    assert row["epoch"] is None
    assert row["n_samples"] is None


def test_several_runs_have_mean_and_deviation_at_each_tag_and_step() -> None:
    """1, 2 and 6: mean 3, and a variance of (4 + 1 + 9) / 2 = 7."""
    rows = tidy([run_of("a", I_XT=[1.0]), run_of("b", I_XT=[2.0]), run_of("c", I_XT=[6.0])])
    assert [row["bits"] for row in rows] == [1.0, 2.0, 6.0]
    for row in rows:
        assert tuple(row) == COLUMNS + OVER_RUNS
        assert row["mean"] == 3.0
        assert row["sd"] == pytest.approx(math.sqrt(7))
        assert row["n_runs"] == 3


def test_there_is_a_mean_where_every_run_has_a_finite_value() -> None:
    """A mean over the others would jump; how many there are is told."""
    rows = tidy(
        [run_of("a", I_XT=[1.0, NAN]), run_of("b", I_XT=[3.0, 5.0]), run_of("c", I_XT=[2.0])]
    )
    found = [(row["run"], row["step"], row["mean"], row["sd"], row["n_runs"]) for row in rows]
    assert found == [
        ("a", 0, 2.0, 1.0, 3),
        ("a", 10, None, None, 1),
        ("b", 0, 2.0, 1.0, 3),
        ("b", 10, None, None, 1),
        ("c", 0, 2.0, 1.0, 3),
    ]


def test_a_point_that_no_run_has_a_value_for_has_no_mean() -> None:
    rows = tidy([run_of("a", I_XT=[NAN]), run_of("b", I_XT=[NAN])])
    assert [(row["mean"], row["sd"], row["n_runs"]) for row in rows] == [(None, None, 0)] * 2


def test_csv_keeps_all_digits_and_quotes_what_needs_it() -> None:
    text = as_csv(tidy([run_of('a,"b"\nc', I_XT=[0.1 + 0.2, NAN])]))
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert first["run"] == 'a,"b"\nc'
    assert first["bits"] == "0.30000000000000004"
    assert second["bits"] == "nan"


def test_csv_of_nothing_is_its_header() -> None:
    assert as_csv([]) == ",".join(COLUMNS) + "\r\n"


def test_files_hold_the_same_rows(tmp_path: Path) -> None:
    """Names that are no text, as a folder may have, are written as far as they are."""
    runs = [run_of("a\udce9", I_XT=[1 / 3, NAN])]
    write_csv(runs, tmp_path / "a.csv")
    write_json(runs, str(tmp_path / "a.json"))
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    held = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["bits"] for row in rows] == ["0.3333333333333333", "nan"]
    assert [row["bits"] for row in held["rows"]] == [1 / 3, None]
    assert rows[0]["run"] == "a?"


@pytest.mark.parametrize(
    ("value", "expected"), [(1.5, 1.5), (NAN, None), (math.inf, None), (-math.inf, None)]
)
def test_only_finite_values_are_numbers_in_json(value: float, expected: float | None) -> None:
    assert finite_or_none(value) == expected


def test_json_tells_of_the_runs_and_has_no_number_that_json_has_not() -> None:
    run = Run(
        "a",
        {FC1: {0: NAN, 10: math.inf, 20: 2.5}},
        settings={"information_plane/val": {"H_Y": NAN, "sizes": [1, math.inf]}},
        verdicts={"val": {"fc1": {"": "no compression"}}},
        warnings=["few samples"],
    )
    found = json.loads(as_json([run], tidy([run])), parse_constant=lambda name: pytest.fail(name))
    assert [row["bits"] for row in found["rows"]] == [None, None, 2.5]
    assert found["runs"] == {
        "a": {
            "settings": {"information_plane/val": {"H_Y": None, "sizes": [1, None]}},
            "verdicts": {"val": {"fc1": {"": "no compression"}}},
            "warnings": ["few samples"],
        }
    }


def test_a_course_is_first_peak_and_last_of_the_finite_values() -> None:
    found = course(run_of(I_XT=[NAN, 2.0, 5.0, 4.0, 5.0, 3.0, NAN]), FC1)
    assert [found.first.value, found.peak.value, found.last.value] == [2.0, 5.0, 3.0]
    assert found.peak_epoch == 2  # the first of the two


def test_the_course_of_nothing_is_nan_without_an_epoch() -> None:
    for run in (run_of(I_XT=[NAN]), run_of(I_TY=[1.0])):
        found = course(run, FC1)
        assert all(math.isnan(n.value) for n in (found.first, found.peak, found.last))
        assert found.peak_epoch is None


def test_the_last_value_may_be_missing_where_older_ones_are_not() -> None:
    """Of another point it would be another point's quality."""
    assert last(run_of(I_XT=[1.0, 2.0]), FC1) == Number(2.0, pytest.approx(NAN, nan_ok=True))
    assert math.isnan(last(run_of(I_XT=[1.0, NAN]), FC1).value)


def test_a_layers_row_has_each_number_in_its_place() -> None:
    run = run_of(
        I_XT=[1.0, 3.5, 2.25],
        I_TY=[0.25, 0.5, 0.75],
        I_TY_chance=[0.5, 0.125],
        I_TY_adjusted=[0.0, 0.625],
        coverage=[0.5, 0.875],
        status=[2, 1],
    )
    run = replace(run, settings={"information_plane/val": {"H_Y": 2.0}})
    (row,) = layer_rows(run, "val", run.rulers("val")[0])
    assert row.layer == "fc1"
    assert [n.value for n in (row.i_xt.first, row.i_xt.peak, row.i_xt.last)] == [1.0, 3.5, 2.25]
    assert [n.value for n in (row.i_ty.first, row.i_ty.last)] == [0.25, 0.75]
    rest = (row.chance, row.adjusted, row.coverage, row.chance_share)
    assert [number.value for number in rest] == [0.125, 0.625, 0.875, 0.0625]
    assert row.status is Status.CAUTION
    assert row.verdict == ""


def test_a_further_resolution_has_a_row_of_its_own_numbers() -> None:
    """What is derived of it, too: 2 (1 - .5) / (2 - .5) = 2/3 bit above chance, a share of 1/4."""
    of_second = {"I_XT": 2.0, "I_TY": 1.0, "I_TY_chance": 0.5, "status": 0.0}
    run = run_of(I_XT=[4.0], I_TY=[1.0])
    run = replace(
        run,
        series={
            **run.series,
            **{
                Key(name, "val", "fc1", "uniform5"): {0: value} for name, value in of_second.items()
            },
        },
        settings={"information_plane/val": {"H_Y": 2.0}},
    )
    first, second = run.rulers("val")
    assert layer_rows(run, "val", first)[0].i_xt.last.value == 4.0
    (row,) = layer_rows(run, "val", second)
    assert (row.i_xt.last.value, row.i_ty.last.value, row.status) == (2.0, 1.0, Status.OK)
    assert row.adjusted.value == pytest.approx(2 / 3)
    assert row.chance_share.value == 0.25


def test_a_row_over_repeats_has_their_spread_and_the_worse_status() -> None:
    """2 and 4: mean 3, standard deviation sqrt 2; OK and CAUTION are CAUTION."""
    mean = averaged([run_of("a", I_XT=[2.0], status=[0]), run_of("b", I_XT=[4.0], status=[1])])
    (row,) = layer_rows(mean, "val", mean.rulers("val")[0])
    assert row.i_xt.last == Number(3.0, pytest.approx(math.sqrt(2)))
    assert row.status is Status.CAUTION


@pytest.mark.parametrize("code", [3.0, -1.0, NAN])
def test_a_status_of_no_known_meaning_is_none(code: float) -> None:
    run = run_of(I_XT=[1.0], status=[code])
    assert layer_rows(run, "val", run.rulers("val")[0])[0].status is None


def test_a_verdict_stands_at_its_layer() -> None:
    verdicts = {"val": {"fc1": {"": "compressed"}}, "train": {"fc1": {"": "no"}}}
    run = Run("a", {FC1: {0: 1.0}}, verdicts=verdicts)
    assert layer_rows(run, "val", run.rulers("val")[0])[0].verdict == "compressed"


def test_each_ruler_has_the_verdict_of_its_own() -> None:
    verdicts = {"val": {"fc1": {"": "compressed", "uniform5": "no compression"}}}
    other = FC1._replace(ruler="uniform5")
    layer = {"tag": "fc1", "tag_of_ruler": ["", "uniform5"], "slugs": ["uniform30", "uniform5"]}
    settings = {"information_plane/val": {"layers": [layer]}}
    run = Run("a", {FC1: {0: 1.0}, other: {0: 1.0}}, settings=settings, verdicts=verdicts)
    said = [layer_rows(run, "val", rulers)[0].verdict for rulers in run.rulers("val")]
    assert said == ["compressed", "no compression"]
