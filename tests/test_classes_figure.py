"""Classes: logarithmic colours, the widest scatter now on top, gaps where a class was absent."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.figures import Figure, Panel, entropies_by_class
from it_callbacks.figures.classes import coloured_by
from it_callbacks.runs import Run

from .drawn_runs import HOSTILE, is_text, run, texts, traces

NAN = math.nan


def three(**settings: Any) -> Run:
    by_class = {
        "class_0": [1.0, 0.5],
        "class_2": [NAN, 0.75],
        "class_10": [0.125, 0.0],
        "all": [1.0, 0.5],
        "within/class_0": [0.5, 0.25],
    }
    about = {"conditional_entropy/val": settings} if settings else {}
    return run({"conditional_entropy": by_class}, settings=about)


def heat(data: Run, **asked: Any) -> tuple[dict[str, Any], Figure]:
    figure = entropies_by_class([Panel(data, "val")], **asked)
    (cells,) = traces(figure, "cell")
    return cells, figure


@pytest.mark.parametrize(
    ("bits", "place"),
    [(0.003, -2.5229), (3.0, 0.4771), (1.0, 0.0), (0.01, -2.0), (0.0, -2.5229), (0.001, -2.5229)],
)
def test_colours_are_logarithms_of_bits_from_a_floor_on(bits: float, place: float) -> None:
    assert coloured_by(bits) == place


def test_rows_are_sorted_by_the_last_value_and_absent_classes_are_gaps() -> None:
    cells, figure = heat(three())
    assert figure["layout"]["yaxis"]["ticktext"] == ["2", "0", "10"]
    assert cells["customdata"] == [
        [[None, 0], [0.75, 10]],
        [[1.0, 0], [0.5, 10]],
        [[0.125, 0], [0.0, 10]],
    ]
    assert "epoch %{x}  ·  step %{customdata[1]}" in cells["hovertemplate"]
    assert cells["z"] == [[None, -0.1249], [0.0, -0.301], [-0.9031, -2.5229]]
    low, high = figure["layout"]["yaxis"]["range"]
    assert (low, high) == (2.5, -0.5)  # the first row is on top


def test_a_table_tells_names_and_bits_of_all_rows_up_to_the_moment() -> None:
    names = [f"digit {n}" for n in range(11)]
    cells, _ = heat(three(class_names=names))
    assert cells["meta"]["table"] == {
        "of": "Class",
        "what": "scatter, bits",
        "rows": [["digit 2", 0.75], ["digit 0", 0.5], ["digit 10", 0.0]],
    }
    cells, _ = heat(three(), until=0)
    assert cells["meta"]["table"]["rows"] == [["0", 1.0], ["10", 0.125], ["2", None]]


def test_before_the_first_point_the_classes_say_so() -> None:
    late = replace(three(), series={key: {10: 1.0} for key in three().series})
    assert any("not measured yet at epoch 0" in text for text in texts(heat(late, until=0)[1]))
    assert not any("not measured yet" in text for text in texts(heat(late, until=10)[1]))


def test_last_values_stand_right_of_their_rows_in_digits() -> None:
    notes = heat(three())[1]["layout"]["annotations"]
    digits = {note["y"]: note["text"] for note in notes if note["text"].startswith("0.")}
    assert digits == {0: "0.750", 1: "0.500", 2: "0.000"}


def test_the_bar_has_ticks_in_bits_up_to_the_greatest_value() -> None:
    axis = heat(three())[1]["layout"]["coloraxis"]
    assert axis["colorbar"]["ticktext"] == ["0.003", "0.01", "0.03", "0.1", "0.3", "1"]
    assert axis["colorbar"]["tickvals"][-1] == 0.0
    assert (axis["cmin"], axis["cmax"]) == (-2.5229, 0.0)


@pytest.mark.parametrize(
    ("of_classes", "ends", "ticks"),
    [
        ([[3.2, 2.5], [3.2, 2.6]], (1.6, 3.2), ["1.6", "2.3", "3.2"]),
        ([[4.0, 4.0], [4.0, 4.0]], (2.0, 4.0), ["2", "2.8", "4"]),
        ([[2.0, 0.05], [NAN, 0.2]], (0.05, 2.0), ["0.1", "0.3", "1"]),
        ([[2.0, 0.0]], (0.003, 2.0), ["0.003", "0.01", "0.03", "0.1", "0.3", "1"]),
        ([[NAN, NAN], [NAN, NAN]], (0.003, 0.03), ["0.003", "0.01", "0.03"]),
    ],
)
def test_colours_begin_at_the_least_value(
    of_classes: Any, ends: tuple[float, float], ticks: list[str]
) -> None:
    """Classes that all scatter widely would have one colour on an axis from the floor on."""
    named = {f"class_{number}": values for number, values in enumerate(of_classes)}
    axis = heat(run({"conditional_entropy": named}))[1]["layout"]["coloraxis"]
    assert axis["colorbar"]["ticktext"] == ticks
    assert (axis["cmin"], axis["cmax"]) == tuple(map(coloured_by, ends))


def test_columns_are_looks_of_equal_width_with_their_epochs() -> None:
    cells, figure = heat(three())
    assert cells["x"] == ["0", "1"]
    assert figure["layout"]["xaxis"]["type"] == "category"
    assert figure["layout"]["xaxis"]["title"]["text"] == "epoch (each column is one measurement)"


def test_classes_have_their_names_where_the_settings_hold_them() -> None:
    _, figure = heat(three(class_names=["cat", "dog", "cow"]))
    assert figure["layout"]["yaxis"]["ticktext"] == ["cow", "cat", "10"]


def test_of_many_classes_the_forty_that_scatter_most_are_shown() -> None:
    values = {f"class_{number}": [number / 100] for number in range(100)}
    cells, figure = heat(run({"conditional_entropy": values}), height=800)
    assert len(cells["z"]) == 40
    assert figure["layout"]["yaxis"]["ticktext"][:2] == ["99", "98"]
    assert any("60 more" in text for text in texts(figure))


def test_a_low_figure_has_as_many_rows_as_can_be_named() -> None:
    values = {f"class_{number}": [number / 100] for number in range(100)}
    cells, _ = heat(run({"conditional_entropy": values}), height=42 + 52 + 110)
    assert len(cells["z"]) == 10  # of 11 pixels each


def test_the_moment_is_framed_and_has_its_values_beside_the_rows() -> None:
    _, figure = heat(three(), until=0)
    (frame,) = figure["layout"]["shapes"]
    assert (frame["x0"], frame["x1"]) == (-0.5, 0.5)
    assert {"1.000", "0.125"} <= set(texts(figure))
    assert heat(three())[1]["layout"]["shapes"] == []


def test_a_long_run_has_at_most_sixty_columns() -> None:
    values = {f"class_{number}": [0.5] * 1000 for number in range(10)}
    cells, figure = heat(run({"conditional_entropy": values}))
    assert len(cells["x"]) == 60
    assert (cells["x"][0], cells["x"][-1]) == ("0", "999")
    assert len(figure["layout"]["xaxis"]["tickvals"]) <= 10
    assert len(json.dumps(figure, allow_nan=False)) < 100_000


def test_runs_share_their_colours() -> None:
    panels = [Panel(replace(three(), name=name), "val") for name in ("one", "two")]
    figure = entropies_by_class(panels)
    assert {t["coloraxis"] for t in traces(figure, "cell")} == {"coloraxis"}
    assert {"<b>one · val</b>", "<b>two · val</b>"} <= set(texts(figure))


def test_what_there_is_not_is_said() -> None:
    assert "no run is chosen" in texts(entropies_by_class([]))
    empty = texts(entropies_by_class([Panel(run({"I_XT": {"fc": [1.0]}}), "val")]))
    assert any("no entropies of single classes" in text.replace("<br>", " ") for text in empty)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_classes_are_text(name: str) -> None:
    _, figure = heat(three(class_names=[name, "b", "c"]))
    shown = " ".join(figure["layout"]["yaxis"]["ticktext"])
    assert is_text([shown])
