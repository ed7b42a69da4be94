"""Curves show the values of the log over time, with gaps, bands, marks and names beside them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.figures import DARK, LIGHT, Figure, Panel, Request, curves, draw, play
from it_callbacks.runs import Key, Run

from .drawn_runs import HOSTILE, both, is_text, run, texts, traces, wide

NAN = math.nan


def two_layers(set_: str = "val", shift: float = 0.0, **about: Any) -> Run:
    return run(
        {
            "relative_I_XT": {"net.first": [6.0, 5.0, 4.0], "net.last": [5.0, 3.0, 2.0]},
            "V_TY": {
                "net.first": [0.5, 1.0, 1.5 + shift],
                "net.last": [0.25, NAN, 2.0 + shift],
            },
            "wide_status": {"net.first": [0, 0, 0], "net.last": [0, 0, 0]},
        },
        set_=set_,
        settings={f"information_plane/{set_}": wide(**about)},
    )


def of_code(**more: Any) -> Run:
    return run({"I_TY": {"fc": [1.0, 2.0]}, "coverage": {"fc": [0.9, 0.5]}, **more})


def test_the_two_quantities_of_the_plane_have_a_plot_each() -> None:
    figure = curves([Panel(two_layers(), "val")])
    x, y = ([t["y"] for t in traces(figure, "points", panel=number)] for number in (0, 1))
    assert x == [[6.0, 5.0, 4.0], [5.0, 3.0, 2.0]]
    assert y == [[0.5, 1.0, 1.5], [0.25, None, 2.0]]
    assert "<b>inputs kept apart</b>, bits" in texts(figure)
    assert "<b>found about the label</b>, bits" in texts(figure)
    assert [panel["axis"] for panel in figure["layout"]["meta"]["panels"]] == ["", "2"]


def test_time_is_the_logarithm_of_one_plus_the_epoch() -> None:
    values = [float(n) for n in range(10)]
    figure = curves([Panel(run({"V_TY": {"fc": values}}), "val")], "V_TY")
    (line,) = traces(figure, "points")
    assert [line["x"][0], line["x"][9]] == [0.0, 1.0]
    axis = figure["layout"]["xaxis"]
    assert dict(zip(axis["ticktext"], axis["tickvals"], strict=True)) == {
        "0": 0.0,
        "1": 0.301,
        "3": 0.6021,
        "9": 1.0,
    }
    assert axis["title"]["text"] == "epoch"
    assert line["customdata"][9] == [9, 90]


def test_without_epochs_it_is_of_steps_and_says_so() -> None:
    figure = curves([Panel(run({"V_TY": {"fc": [1.0, 2.0]}}, epochs=False), "val")], "V_TY")
    assert figure["layout"]["xaxis"]["title"]["text"] == "step"
    (line,) = traces(figure, "points")
    assert line["customdata"] == [[0], [10]]
    assert line["hovertemplate"].count("step") == 1


def test_names_stand_at_the_last_values_in_the_colours_of_their_lines() -> None:
    figure = curves([Panel(two_layers(), "val")])
    layout = figure["layout"]
    named = {layer: layout["annotations"][int(n)] for n, layer in layout["meta"]["names"].items()}
    assert {layer: (note["text"], note["y"]) for layer, note in named.items()} == {
        "net.first": ("first", 1.5),
        "net.last": ("last", 2.0),
    }
    colours = {t["meta"]["layer"]: t["line"]["color"] for t in traces(figure, "points", panel=1)}
    assert colours == {"net.first": LIGHT.depth[0], "net.last": LIGHT.depth[-1]}
    assert named["net.first"]["font"]["color"] == LIGHT.depth[0]


def test_each_panel_has_its_own_marks_and_names_and_in_small_ones_marks_at_least() -> None:
    """Labels of two sets have other entropies."""
    data = both(two_layers(), two_layers("train", 0.5, n_samples=100, H_Y=2.875))
    panels = [Panel(data, set_) for set_ in ("val", "train")]
    notes = curves(panels, "V_TY", width=1100)["layout"]["annotations"]
    for axis, entropy in (("x domain", "H(Y) = 3.00"), ("x2 domain", "H(Y) = 2.88")):
        assert {entropy, "first", "last"} <= {n["text"] for n in notes if n["xref"] == axis}
    notes = curves(panels, "V_TY", width=620)["layout"]["annotations"]
    named = [{n["text"] for n in notes if n["xref"] == axis} for axis in ("x domain", "x2 domain")]
    assert "H(Y) = 3.00" in named[0]
    assert "first" not in named[0]
    assert {"H(Y) = 2.88", "first", "last"} <= named[1]


def test_a_table_tells_the_last_value_of_each_layer() -> None:
    figure = curves([Panel(two_layers(), "val")], until=10)
    told = [t["meta"]["table"] for t in traces(figure, "points")]
    assert [(t["what"], *t["rows"]) for t in told] == [
        ("inputs kept apart, bits", ["net.first", 5.0]),
        ("inputs kept apart, bits", ["net.last", 3.0]),
        ("found about the label, bits", ["net.first", 1.0]),
        ("found about the label, bits", ["net.last", 0.25]),
    ]


def test_a_curve_leaves_its_gaps_open_and_so_does_its_band() -> None:
    values = {
        f"I_TY_{end}": {"fc": [1 + d, 2 + d, NAN, 3 + d, 4 + d]}
        for end, d in (("low", -0.5), ("adjusted", 0), ("high", 0.5))
    }
    figure = curves([Panel(run(values), "val")], "I_TY_adjusted")
    first, second = traces(figure, "bar")
    (middle,) = traces(figure, "points")
    assert middle["y"] == [1, 2, None, 3, 4]
    assert first["y"] == [0.5, 1.5, 2.5, 1.5]
    assert second["y"] == [2.5, 3.5, 4.5, 3.5]


def test_training_is_dotted_over_validation_where_both_were_read_alike() -> None:
    data = both(two_layers(), two_layers("train", 0.5))
    figure = curves([Panel(data, set_) for set_ in ("train", "val")])
    assert {t["meta"]["set"] for t in traces(figure, "points", panel=0)} == {"train", "val"}
    lines = {t["meta"]["set"]: t for t in traces(figure, "points", panel=1, layer="net.last")}
    assert lines["train"]["line"]["dash"] == "dot"
    assert (lines["train"]["line"]["width"], lines["train"]["opacity"]) == (1.2, 0.7)
    assert "dash" not in lines["val"]["line"]
    assert "a · val, dotted: train" in texts(figure)


def test_sets_with_other_rulers_are_never_drawn_as_equals() -> None:
    coarse = two_layers("train", reading="WideReading(n_samples=512, noise=0.5)")
    figure = curves([Panel(both(two_layers(), coarse), set_) for set_ in ("train", "val")])
    assert [panel["set"] for panel in figure["layout"]["meta"]["panels"]] == [
        *("train", "train", "val", "val")
    ]
    for number in range(4):
        assert len({t["meta"]["set"] for t in traces(figure, "points", panel=number)}) == 1


def test_a_named_quantity_has_a_plot_for_each_set_on_equal_axes() -> None:
    figure = curves(
        [Panel(both(two_layers(), two_layers("train", 1.0)), set_) for set_ in ("train", "val")],
        "V_TY",
    )
    layout = figure["layout"]
    assert [panel["set"] for panel in layout["meta"]["panels"]] == ["train", "val"]
    assert layout["yaxis"]["range"] == layout["yaxis2"]["range"]
    assert layout["yaxis"]["title"]["text"] == "V(T→Y), bits"
    assert layout["xaxis2"]["matches"] == "x"


def test_runs_over_each_other_show_the_deepest_layer_in_the_colour_of_the_run() -> None:
    runs = [replace(two_layers(), name=name) for name in ("one", "two")]
    request = Request("curves", quantity="V_TY", arrange="overlay")
    figure = draw(request, [Panel(each, "val") for each in runs])
    lines = traces(figure, "points")
    assert [(t["meta"]["run"], t["meta"]["layer"]) for t in lines] == [
        ("one", "net.last"),
        ("two", "net.last"),
    ]
    meta = figure["layout"]["meta"]
    assert [(chip["name"], chip["run"]) for chip in meta["layers"]] == [
        ("one", True),
        ("two", True),
    ]
    assert "<b>2 runs · val · net.last</b>" in texts(figure)
    assert lines[0]["line"]["color"] != lines[1]["line"]["color"]


def test_a_mean_of_repeats_has_its_spread_around_it() -> None:
    runs = [replace(two_layers(shift=shift), name=str(shift)) for shift in (0.0, 1.0)]
    request = Request("curves", quantity="V_TY", arrange="mean")
    figure = draw(request, [Panel(each, "val") for each in runs])
    (line,) = traces(figure, "points", layer="net.last")
    assert line["y"][-1] == 2.5
    (band,) = traces(figure, "bar", layer="net.first")
    assert max(band["y"]) == pytest.approx(2.0 + math.sqrt(0.5), abs=1e-4)


@pytest.mark.parametrize(
    ("quantity", "ticks", "title"),
    [
        ("status", ["OK", "CAUTION", "SATURATED"], "status, code"),
        ("coverage", None, "coverage, share"),
    ],
)
def test_axes_have_the_units_of_their_quantity(
    quantity: str, ticks: list[str] | None, title: str
) -> None:
    data = of_code(status={"fc": [0, 2]})
    axis = curves([Panel(data, "val")], quantity)["layout"]["yaxis"]
    assert axis["title"]["text"] == title
    assert axis.get("ticktext") == ticks
    low, high = axis["range"]
    assert low < 0 < 1 < high < (2.5 if ticks else 1.1)


def test_marks_that_are_near_are_drawn_with_their_words_outside_the_curves() -> None:
    near = run(
        {"V_TY": {"fc": [0.5, 2.75]}, "relative_I_XT": {"fc": [5.0, 4.5]}},
        settings={"information_plane/val": wide()},
    )
    figure = curves([Panel(near, "val")], "V_TY")
    at = {shape["y0"] for shape in figure["layout"]["shapes"]}
    assert at == {0.0, 3.0}
    (word,) = (n for n in figure["layout"]["annotations"] if n["text"] == "H(Y) = 3.00")
    assert (word["x"], word["xref"]) == (1, "x domain")
    # log2 8 = 3 is 1.5 below the least value, three times the span: the cap is as far above.
    assert not curves([Panel(near, "val")], "relative_I_XT")["layout"]["shapes"]
    from_zero = curves([Panel(near, "val")], "relative_I_XT", scale="zero")["layout"]
    assert {shape["y0"] for shape in from_zero["shapes"]} == {3.0, 8.0}
    assert from_zero["yaxis"]["range"][0] == 0


def test_a_figure_as_it_stood_ends_there_on_the_same_axes() -> None:
    now, then = (curves([Panel(two_layers(), "val")], until=until) for until in (None, 10))
    assert [t["y"] for t in traces(then, "points", panel=1)] == [[0.5, 1.0], [0.25, None]]
    for name in ("xaxis", "yaxis", "xaxis2", "yaxis2"):
        assert then["layout"][name]["range"] == now["layout"][name]["range"]
    assert then["layout"]["meta"]["moments"] == now["layout"]["meta"]["moments"]
    assert [moment["step"] for moment in now["layout"]["meta"]["moments"]] == [0, 10, 20]


def test_hidden_layers_are_left_out() -> None:
    figure = curves([Panel(two_layers(), "val")], hidden=["net.first"])
    assert {t["meta"]["layer"] for t in figure["data"]} == {"net.last"}


def test_a_quantity_of_an_own_estimator_has_its_unit_from_the_settings() -> None:
    rows = [{"name": "dead", "symbol": "dead units", "unit": "share", "figures": ["curves"]}]
    settings = {"information_plane/val": {"quantities": rows}}
    figure = curves([Panel(run({"dead": {"fc": [0.25, 0.5]}}, settings=settings), "val")], "dead")
    assert figure["layout"]["yaxis"]["title"]["text"] == "dead units, share"


def test_a_narrow_figure_has_one_plot_of_what_is_found_about_the_label() -> None:
    figure = curves([Panel(two_layers(), "val")], width=390, height=330)
    assert len(figure["layout"]["meta"]["panels"]) == 1
    assert [t["y"][0] for t in traces(figure, "points")] == [0.5, 0.25]


def test_many_long_lines_are_thinned_and_stay_small() -> None:
    values = {f"net.{n}.act": [1 / (1 + look) for look in range(1000)] for n in range(20)}
    data = run(
        {"V_TY": values, "relative_I_XT": values}, settings={"information_plane/val": wide()}
    )
    figure = curves([Panel(data, "val")])
    assert max(len(t["x"]) for t in figure["data"]) <= 300
    assert len(json.dumps(figure, allow_nan=False)) < 300_000
    assert len(figure["layout"]["meta"]["names"]) == 2 * 6


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_wherever_they_stand(name: str) -> None:
    figure = curves([Panel(run({"V_TY": {name: [1.0, 2.0]}}, name=name), "val")], "V_TY")
    shown = [*texts(figure), *(t["name"] + t["meta"]["title"] for t in figure["data"])]
    shown += [trace["meta"]["about"] for trace in figure["data"]]
    assert is_text(shown)
    assert figure["layout"]["meta"]["layers"][0]["name"] == name


def test_what_there_is_not_is_said() -> None:
    assert "no run is chosen" in texts(curves([]))
    empty = curves([Panel(run({"I_TY": {"fc": [NAN, NAN]}}), "val")], "I_TY")
    assert "no I(T;Y) has a value in this set" in texts(empty)
    assert empty["data"] == []


def test_one_point_is_seen() -> None:
    (line,) = traces(curves([Panel(run({"V_TY": {"fc": [1.0]}}), "val")], "V_TY"), "points")
    assert line["mode"] == "lines+markers"
    assert line["y"] == [1.0]


def test_a_regression_names_bin_y() -> None:
    settings = {"information_plane/val": {"Y": "bin Y"}}
    figure = curves([Panel(run({"I_TY": {"fc": [1.0]}}, settings=settings), "val")], "I_TY")
    assert figure["layout"]["yaxis"]["title"]["text"] == "I(T;bin Y), bits"


def test_curves_are_not_played() -> None:
    figure = curves([Panel(two_layers(), "val")])
    assert play(figure) is figure


def test_themes_differ() -> None:
    def background(figure: Figure) -> str:
        return str(figure["layout"]["paper_bgcolor"])

    panels = [Panel(two_layers(), "val")]
    assert background(curves(panels)) == LIGHT.background
    assert background(curves(panels, theme=DARK)) == DARK.background


def test_a_ruler_is_asked_for_by_its_number() -> None:
    layers = [{"tag": "fc", "tag_of_ruler": ["", "u5"]}]
    data = of_code()
    data = replace(
        data,
        series={**data.series, Key("I_TY", "val", "fc", "u5"): {0: 0.5}},
        settings={"information_plane/val": {"layers": layers}},
    )
    (line,) = traces(curves([Panel(data, "val")], "I_TY", resolution=1), "points")
    assert line["y"] == [0.5]
