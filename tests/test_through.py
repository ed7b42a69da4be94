"""Through the layers: a line for each of a few moments, from the input side to the output."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.figures import LIGHT, Figure, Panel, Request, draw
from it_callbacks.runs import Run

from .drawn_runs import HOSTILE, is_text, run, texts, traces, wide

NAN = math.nan


def read(n_looks: int = 64, n_layers: int = 3, **more: Any) -> Run:
    layers = [f"net.{number}.act" for number in range(n_layers)]
    return run(
        {
            "relative_I_XT": {
                layer: [6.0 - number - look / 64 for look in range(n_looks)]
                for number, layer in enumerate(layers)
            },
            "V_TY": {
                layer: [number / 2 + look / 32 for look in range(n_looks)]
                for number, layer in enumerate(layers)
            },
        },
        settings={"information_plane/val": wide()},
        **more,
    )


def through(*panels: Panel, **asked: Any) -> Figure:
    return draw(Request("through", **asked), panels)


def test_a_line_runs_through_all_layers_in_order_at_six_moments() -> None:
    lines = traces(through(Panel(read(), "val")), "line")
    assert len(lines) == 6
    assert lines[0]["x"] == [6.0, 5.0, 4.0]
    assert lines[0]["y"] == [0.0, 0.5, 1.0]
    assert lines[-1]["x"] == [5.0156, 4.0156, 3.0156]  # 63/64 less


def test_moments_are_even_in_log_time_and_fewer_where_it_is_narrow() -> None:
    """Of epochs 0 to 63, with log2(1 + epoch) from 0 to 6: each 1.2, or each 2."""
    (first, *_) = traces(through(Panel(read(), "val")), "points")
    assert [row[1] // 10 for row in first["customdata"]] == [0, 1, 4, 11, 27, 63]
    (first, *_) = traces(through(Panel(read(), "val"), width=390), "points")
    assert [row[1] // 10 for row in first["customdata"]] == [0, 3, 15, 63]


def test_colour_and_width_are_time_and_the_last_dots_depth() -> None:
    figure = through(Panel(read(), "val"))
    lines, dots = traces(figure, "line"), traces(figure, "points")
    assert [line["line"]["color"] for line in lines] == list(LIGHT.time)
    assert (lines[0]["line"]["width"], lines[-1]["line"]["width"]) == (1.4, 2.8)
    sizes = dots[0]["marker"]["size"]
    assert (sizes[0], sizes[-1]) == (5, 9)
    assert [trace["marker"]["color"][-1] for trace in dots] == [
        *(LIGHT.depth[0], LIGHT.depth[4], LIGHT.depth[-1])
    ]
    assert dots[1]["marker"]["color"][:-1] == list(LIGHT.time[:-1])


def test_moments_are_named_at_their_deepest_layer_and_three_layers_on_the_last_line() -> None:
    layout = through(Panel(read(n_layers=9), "val"))["layout"]
    shown = {note["text"]: note for note in layout["annotations"]}
    assert (shown["epoch 0"]["x"], shown["epoch 0"]["y"]) == (-2.0, 4.0)
    assert (shown["epoch 63"]["x"], shown["epoch 63"]["y"]) == (-2.9844, 5.9688)
    named = {layout["annotations"][int(n)]["text"]: of for n, of in layout["meta"]["names"].items()}
    assert named == {f"net.{n}": f"net.{n}.act" for n in (0, 4, 8)}


def test_a_layer_without_a_value_leaves_a_gap_in_the_line() -> None:
    values = {"a": [1.0, 1.0], "b": [2.0, NAN], "c": [3.0, 3.0]}
    figure = through(Panel(run({"relative_I_XT": values, "V_TY": values}), "val"))
    first, last = traces(figure, "line")
    assert (first["x"], last["x"]) == ([1.0, 2.0, 3.0], [1.0, None, 3.0])


def test_moments_of_a_few_layers_only_are_no_lines() -> None:
    values = {"a": [1.0, 1.0], "b": [NAN, 2.0], "c": [NAN, 3.0]}
    figure = through(Panel(run({"relative_I_XT": values, "V_TY": values}), "val"))
    assert [line["x"] for line in traces(figure, "line")] == [[1.0, 2.0, 3.0]]


def test_as_it_stood_at_a_step_on_the_same_axes() -> None:
    now, then = (through(Panel(read(), "val"), until=until) for until in (None, 30))
    assert [row[1] for row in traces(then, "points")[0]["customdata"]] == [0, 10, 20, 30]
    assert then["layout"]["xaxis"]["range"] == now["layout"]["xaxis"]["range"]
    assert len(now["layout"]["meta"]["moments"]) == 64
    early = through(Panel(read(), "val"), until=-1)
    assert "not measured yet at step -1" in texts(early)


def test_runs_stand_side_by_side_and_repeats_have_a_mean() -> None:
    panels = [Panel(read(name=name), "val") for name in ("one", "two")]
    figure = through(*panels)
    assert [panel["run"] for panel in figure["layout"]["meta"]["panels"]] == ["one", "two"]
    mean = through(*panels, arrange="mean")
    assert mean["layout"]["meta"]["panels"][0]["run"] == "mean of 2 runs"
    assert len(traces(mean, "line")) == 6


def test_hidden_layers_are_left_out_of_the_line() -> None:
    figure = through(Panel(read(), "val"), hidden=["net.1.act"])
    assert traces(figure, "line")[0]["x"] == [6.0, 4.0]


def test_fifty_layers_and_a_thousand_looks_stay_small() -> None:
    figure = through(Panel(read(1000, 50), "val"))
    assert len(json.dumps(figure, allow_nan=False)) < 150_000
    assert len(figure["layout"]["meta"]["layers"]) == 50


def test_one_look_of_one_layer_is_drawn() -> None:
    figure = through(Panel(read(1, 1), "val"))
    assert traces(figure, "line")[0]["x"] == [6.0]
    assert list(figure["layout"]["meta"]["names"].values()) == ["net.0.act"]


def test_what_there_is_not_is_said() -> None:
    assert "no run is chosen" in texts(through())
    only_x = run({"relative_I_XT": {"fc": [1.0]}})
    assert "was logged, but no" in " ".join(texts(through(Panel(only_x, "val"))))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name: str) -> None:
    data = replace(run({"relative_I_XT": {name: [1.0]}, "V_TY": {name: [1.0]}}), name=name)
    figure = through(Panel(data, "val"), Panel(data, "val"))
    cards = [t["meta"][part] for t in traces(figure, "points") for part in ("title", "about")]
    assert is_text([*texts(figure), *cards])
