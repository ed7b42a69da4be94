"""Repeats of one training: which runs are repeats, and what their mean is."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.runs import Key, Run
from it_callbacks.tables import tidy

FC = Key("I_XT", "val", "fc")


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


def test_a_mean_of_label_information_is_as_unsafe_too() -> None:
    key = Key("label_information", "val", "status")
    repeats = [Run("a", {key: {0: value}}) for value in (0.0, 1.0)]
    mean = averaged(repeats)
    assert mean.series[key] == {0: 1.0}
    assert key not in mean.spread


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


def wide_repeat(value: float, status: float, among: int | None = None) -> Run:
    settings = {"information_plane/val": {"wide": {"n_samples": 1024, "among": among}}}
    values = {Key("relative_I_XT", "val", "fc"): {0: value}}
    values[Key("wide_status", "val", "fc")] = {0: status}
    return Run("a", values, settings=settings)


def test_layers_of_any_width_have_a_mean_where_they_were_read_alike() -> None:
    alike = [wide_repeat(1.0, 0.0), wide_repeat(3.0, 1.0)]
    assert are_repeats(alike)
    assert averaged(alike).series[Key("relative_I_XT", "val", "fc")] == {0: 2.0}
    assert averaged(alike).series[Key("wide_status", "val", "fc")] == {0: 1.0}
    assert Key("wide_status", "val", "fc") not in averaged(alike).spread
    assert not are_repeats([wide_repeat(1.0, 0.0), wide_repeat(3.0, 1.0, among=50)])


def test_readings_of_one_kind_have_a_mean_whatever_their_schedule() -> None:
    def read(reading: str, schedule: str) -> Run:
        wide = {"n_samples": 1024, "reading": reading, "schedule": schedule}
        settings = {"information_plane/val": {"wide": wide}}
        return replace(wide_repeat(1.0, 0.0), settings=settings)

    first = read("WideReading(noise=0.3)", "1")
    assert are_repeats([first, read("WideReading(noise=0.3)", "LogSpaced(per_decade=5)")])
    assert not are_repeats([first, read("WideReading(noise=0.5)", "1")])


def test_report_and_tables_have_one_mean() -> None:
    """A step where one run has no finite value has none in either."""
    runs = [replace(repeat(1.0, 2.0), name="a"), replace(repeat(3.0, math.nan), name="b")]
    rows = {
        row["step"]: row for row in tidy(runs) if row["run"] == "a" and row["quantity"] == "I_XT"
    }
    assert dict(averaged(runs).series[FC]) == {0: 2.0}
    assert [rows[step]["mean"] for step in (0, 1)] == [2.0, None]
    assert [rows[step]["n_runs"] for step in (0, 1)] == [2, 1]


def test_a_quantity_that_one_run_lacks_has_no_mean() -> None:
    """A mean of three runs is one of all three."""
    extra = Key("linear_V_TY", "val", "fc")
    runs = [repeat(1.0), repeat(2.0)]
    runs[0] = replace(runs[0], series={**runs[0].series, extra: {0: 1.0}})
    assert extra not in averaged(runs).series


def test_derived_values_are_averaged_as_each_run_has_them() -> None:
    """Adjusted values 2 * .5 / 1.5 = 2/3 and 2 * 1 / 1 = 2: not that of mean I and mean chance."""
    settings = {
        "information_plane/val": {
            "H_Y": 2.0,
            "layers": [{"tag": "fc", "tag_of_ruler": ["", "uniform5"]}],
        }
    }
    runs = [
        replace(
            repeat(1.0),
            series={
                FC: {0: 1.0},
                Key("I_TY", "val", "fc", "uniform5"): {0: information},
                Key("I_TY_chance", "val", "fc", "uniform5"): {0: chance},
            },
            settings=settings,
        )
        for information, chance in ((1.0, 0.5), (2.0, 1.0))
    ]
    mean = averaged(runs)
    adjusted = Key("I_TY_adjusted", "val", "fc", "uniform5")
    assert mean.values(adjusted)[0] == pytest.approx(4 / 3)
    assert mean.spread[adjusted][0] == pytest.approx(math.sqrt(8) / 3)  # (2 - 2/3) / sqrt 2
