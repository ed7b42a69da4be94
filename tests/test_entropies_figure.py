"""The stack of prediction entropies adds up to the whole, and says what it is made of."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.figures import LIGHT, Figure, Panel, prediction_entropies
from it_callbacks.runs import Run

from .drawn_runs import HOSTILE, is_text, run, texts, traces

NAN = math.nan
LOGGED = {
    "prediction_entropy": {"marginal": [2.0, 2.5, 3.0], "mean": [1.5, 1.0, 0.25]},
    "label_information": {
        "soft": [0.25, 1.0, 2.5],
        "hard": [0.5, 1.5, 2.75],
        "equivocation": [2.5, 1.5, 0.25],
    },
}


def predicting(**more: Any) -> Run:
    return run({**LOGGED, **more})


def stack(data: Run, **asked: Any) -> Figure:
    return prediction_entropies([Panel(data, "val")], **asked)


def heights(figure: Figure) -> list[list[float | None]]:
    return [area["y"] for area in traces(figure, "area")]


def test_the_areas_add_up_to_the_marginal_entropy() -> None:
    figure = stack(predicting())
    labels, inputs, left = heights(figure)
    assert labels == [0.25, 1.0, 2.5]
    assert inputs == [0.25, 0.5, 0.25]
    assert left == [1.5, 1.0, 0.25]
    (whole,) = traces(figure, "points")
    assert whole["y"] == [2.0, 2.5, 3.0]
    assert [area["fillcolor"] for area in traces(figure, "area")] == list(LIGHT.areas)


def test_names_with_last_values_stand_46_pixels_apart_right_of_the_areas() -> None:
    layout = stack(predicting())["layout"]
    names = [n for n in layout["annotations"] if "<b>" in n["text"]]
    assert [name["text"] for name in names] == [
        "about the label<br><b>2.50</b>  I(Y;Ŷ)",
        "about the input,<br>beyond the label<br><b>0.25</b>  I(X;Ŷ|Y)",
        "left open<br><b>0.25</b>  H(Ŷ|X)",
    ]
    # Each at the middle of its area: 2.5 / 2, 2.5 + 0.25 / 2, 2.75 + 0.25 / 2.
    assert [name["y"] for name in names] == [1.25, 2.625, 2.875]
    height = 560 - 34 - 52
    pixels = [
        (1 - name["y"] / layout["yaxis"]["range"][1]) * height + name.get("ay", 0) for name in names
    ]
    assert pixels[1] - pixels[2] == pytest.approx(46, abs=1.5)


def test_the_entropy_of_labels_is_a_line_found_in_the_log() -> None:
    """H(Y) = I(Y;argmax) + H(Y|argmax) = 2.75 + 0.25."""
    figure = stack(predicting())
    assert [shape["y0"] for shape in figure["layout"]["shapes"]] == [3.0]
    assert "H(Y) = 3.00" in texts(figure)
    unlabelled = stack(run({"prediction_entropy": LOGGED["prediction_entropy"]}))
    assert unlabelled["layout"]["shapes"] == []


def test_without_labels_the_stack_has_two_parts_and_says_why() -> None:
    figure = stack(run({"prediction_entropy": LOGGED["prediction_entropy"]}))
    assert heights(figure) == [[0.5, 1.5, 2.75], [1.5, 1.0, 0.25]]
    missing = "I(Y;Ŷ) was not logged of this set: a ConditionalEntropyMonitor adds it"
    assert missing in texts(figure)


def test_a_card_tells_all_parts_of_a_look() -> None:
    (whole,) = traces(stack(predicting()), "points")
    assert whole["text"][2] == (
        "epoch 2  ·  step 20<br>left open  <b>0.25</b><br>"
        "about the input, beyond the label  <b>0.25</b><br>about the label  <b>2.50</b><br>"
        "in all, H(Ŷ)  <b>3.00</b> bits"
    )
    assert whole["customdata"][2] == [2, 20, 2.5, 0.25, 0.25]


def test_a_look_without_a_value_is_a_gap_and_one_between_two_gaps_a_dot() -> None:
    entropies = {"marginal": [2.0, NAN, 3.0, 3.0], "mean": [1.0, 1.0, 1.0, 0.5]}
    areas = traces(stack(run({"prediction_entropy": entropies})), "area")
    assert [area["y"] for area in areas] == [[1.0], [2.0, 2.5], [1.0], [1.0, 0.5]]
    assert [area["mode"] for area in areas][:2] == ["lines+markers", "lines"]
    assert len({area["stackgroup"] for area in areas}) == 2


def test_rounding_never_makes_a_part_negative() -> None:
    logged = {
        "prediction_entropy": {"marginal": [1.0], "mean": [0.5]},
        "label_information": {"soft": [0.5000001]},
    }
    assert heights(stack(run(logged)))[1] == [0.0]


def test_panels_share_their_axes_and_each_has_names_of_its_own_beside_it() -> None:
    """One part has one name and one colour, so that the sum of two has others."""
    unlabelled = run({"prediction_entropy": LOGGED["prediction_entropy"]}, name="two")
    runs = [replace(predicting(), name="one"), unlabelled]
    figure = prediction_entropies([Panel(each, "val") for each in runs])
    layout = figure["layout"]
    assert layout["yaxis"]["range"] == layout["yaxis2"]["range"]
    named = {
        axis: [
            n["text"] for n in layout["annotations"] if "<br>" in n["text"] and n["xref"] == axis
        ]
        for axis in ("x domain", "x2 domain")
    }
    assert [text.partition("<br>")[0] for text in named["x domain"]] == [
        *("about the label", "about the input,", "left open")
    ]
    assert named["x2 domain"] == [
        *("about the input<br><b>2.75</b>  I(X;Ŷ)", "left open<br><b>0.25</b>  H(Ŷ|X)")
    ]
    colours = {area["name"]: area["fillcolor"] for area in traces(figure, "area")}
    assert len(set(colours.values())) == len(colours) == 4
    titles = {n["text"]: n for n in layout["annotations"] if n["text"].startswith("<b>")}
    assert titles["<b>one · val</b>"]["yshift"] == titles["<b>two · val</b>"]["yshift"]
    groups = {area["stackgroup"] for area in traces(figure, "area")}
    assert len(groups) == 2


def test_as_it_stood_at_a_step() -> None:
    now, then = stack(predicting()), stack(predicting(), until=10)
    assert heights(then)[0] == [0.25, 1.0]
    assert then["layout"]["xaxis"]["range"] == now["layout"]["xaxis"]["range"]
    late = {name: {s: [NAN, *of] for s, of in by.items()} for name, by in LOGGED.items()}
    assert "not measured yet at epoch 0" in texts(stack(run(late), until=0))


def test_a_table_tells_the_last_value_of_each_part() -> None:
    (whole,) = traces(stack(predicting(), until=10), "points")
    assert whole["meta"]["table"]["rows"] == [
        ["about the label, I(Y;Ŷ)", 1.0],
        ["about the input, beyond the label, I(X;Ŷ|Y)", 0.5],
        ["left open, H(Ŷ|X)", 1.0],
        ["in all, H(Ŷ)", 2.5],
    ]


def test_one_look_is_drawn() -> None:
    figure = stack(run({"prediction_entropy": {"marginal": [2.0], "mean": [1.0]}}))
    assert heights(figure) == [[1.0], [1.0]]


def test_what_there_is_not_is_said() -> None:
    assert "no run is chosen" in texts(prediction_entropies([]))
    empty = " ".join(texts(stack(run({"I_XT": {"fc": [1.0]}})))).replace("<br>", " ")
    assert "no prediction entropies were logged of this set" in empty
    only_mean = " ".join(texts(stack(run({"prediction_entropy": {"mean": [1.0]}}))))
    assert "H(Ŷ), of the mean prediction" in only_mean


def test_a_long_run_is_thinned() -> None:
    looks = {"marginal": [3.0] * 5000, "mean": [1.0] * 5000}
    figure = stack(run({"prediction_entropy": looks}))
    assert len(traces(figure, "area")[0]["x"]) <= 300
    assert len(json.dumps(figure, allow_nan=False)) < 100_000


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_runs_are_text(name: str) -> None:
    panels = [Panel(replace(predicting(), name=name), "val")] * 2
    shown = " ".join(texts(prediction_entropies(panels)))
    assert is_text([shown])
