"""Figures show the numbers of the log, say what is missing, and take names as text."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import pytest

from it_callbacks.figures import (
    CONFIG,
    DARK,
    LIGHT,
    Figure,
    Panel,
    curves,
    entropies_by_class,
    information_plane,
    plotly_script,
    prediction_entropies,
)
from it_callbacks.figures.labels import short_names
from it_callbacks.figures.theme import Theme, of_depth
from it_callbacks.figures.times import thinned, ticks
from it_callbacks.runs import Key, Run

HOSTILE = ("<img src=x onerror=alert(1)>", "</script>", "%{x} & <b>")


def series(*values: float, every: int = 10) -> dict[int, float]:
    return {number * every: value for number, value in enumerate(values)}


def small(name: str = "a", set_: str = "val", first: str = "fc1", second: str = "fc2") -> Run:
    """Two layers, three epochs, every ten steps one."""
    values = {
        ("I_XT", first): series(5.0, 5.5, 6.0),
        ("I_TY", first): series(1.0, 1.25, 1.5),
        ("I_TY_chance", first): series(0.1, 0.2, 0.3),
        ("I_TY_adjusted", first): series(0.9, 1.1, math.nan),
        ("I_XT_corrected", first): series(5.125, 5.75, math.nan),
        ("I_XT_low", first): series(5.0, 5.5, 5.625),
        ("I_XT_high", first): series(5.5, 6.25, math.nan),
        ("I_TY_low", first): series(0.5, 0.75, 0.0),
        ("I_TY_high", first): series(0.875, math.nan, math.nan),
        ("status", first): series(0.0, 1.0, 2.0),
        ("I_XT", second): series(3.0, 2.5, 2.0),
        ("I_TY", second): series(0.75, 1.0, 1.25),
        ("status", second): series(0.0, 0.0, 0.0),
    }
    return Run(
        name,
        {Key(quantity, set_, layer): points for (quantity, layer), points in values.items()},
        {0: 0, 10: 1, 20: 2},
        {f"information_plane/{set_}": {"H_Y": 2.0, "n_samples": 256}},
    )


def predicting() -> Run:
    values = {
        ("prediction_entropy", "marginal"): series(2.0, 2.0),
        ("prediction_entropy", "mean"): series(1.5, 0.25),
        ("label_information", "soft"): series(0.25, 1.5),
        ("conditional_entropy", "class_0"): series(1.0, 0.5),
        ("conditional_entropy", "class_2"): series(math.nan, 0.75),
        ("conditional_entropy", "class_10"): series(0.125, 0.0),
        ("conditional_entropy", "all"): series(1.0, 0.5),
    }
    return Run(
        "a",
        {Key(quantity, "val", layer): points for (quantity, layer), points in values.items()},
        {0: 0, 10: 1},
    )


def panel(run: Run) -> Panel:
    return Panel(run, "val")


def way(figure: Figure, layer: str, axis: str = "x") -> dict[str, Any]:
    """The trajectory of a layer."""
    (found,) = (
        trace
        for trace in figure["data"]
        if trace.get("meta") == layer and trace.get("xaxis") == axis
    )
    return dict(found)


def line(figure: Figure, number: int = 0) -> dict[str, Any]:
    """The line that joins the layers of a panel."""
    return dict([trace for trace in figure["data"] if trace["name"] == "layers joined"][number])


def texts(figure: Figure) -> str:
    return "\n".join(note["text"] for note in figure["layout"]["annotations"])


def test_a_trajectory_has_the_values_of_the_log() -> None:
    trace = way(information_plane([panel(small())]), "fc1")
    assert trace["x"] == [5.0, 5.5, 6.0]
    assert trace["y"] == [1.0, 1.25, 1.5]
    assert [row[1:] for row in trace["customdata"]] == [[0, 0], [1, 10], [2, 20]]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_faint_line_leads_from_point_to_point_below_the_one_that_joins_layers(theme: Any) -> None:
    figure = information_plane([panel(small())], theme=theme)
    for layer in ("fc1", "fc2"):
        trace = way(figure, layer)
        assert trace["mode"] == "lines+markers"
        assert trace["line"]["width"] < line(figure)["line"]["width"]
        red, green, blue = (int(theme.muted[at : at + 2], 16) for at in (1, 3, 5))
        assert trace["line"]["color"].startswith(f"rgba({red}, {green}, {blue}, 0.")
        assert figure["data"].index(trace) < figure["data"].index(line(figure))


def test_saturated_points_are_hollow_and_hovering_says_the_status() -> None:
    figure = information_plane([panel(small())])
    trace = way(figure, "fc1")
    assert [symbol.endswith("-open") for symbol in trace["marker"]["symbol"]] == [
        False,
        False,
        True,
    ]
    words = [row[0].rpartition("<br>")[2] for row in trace["customdata"]]
    assert words == ["OK", "caution", "saturated"]
    assert not any(symbol.endswith("-open") for symbol in way(figure, "fc2")["marker"]["symbol"])
    assert [s.endswith("-open") for s in line(figure)["marker"]["symbol"]] == [True, False]
    assert "hollow: saturated" in [trace["name"] for trace in figure["data"]]


def test_layers_differ_in_symbol_and_keep_it_in_every_panel() -> None:
    figure = information_plane([panel(small()), panel(small("b"))])
    of = {
        (n, x): way(figure, n, x)["marker"]["symbol"][0]
        for n in ("fc1", "fc2")
        for x in ("x", "x2")
    }
    assert of["fc1", "x"] == of["fc1", "x2"] != of["fc2", "x"] == of["fc2", "x2"]


def test_colour_is_the_logarithm_of_the_epoch_on_one_shared_bar() -> None:
    figure = information_plane([panel(small()), panel(small("b"))])
    bar = figure["layout"]["coloraxis"]
    for axis in ("x", "x2"):
        marker = way(figure, "fc1", axis)["marker"]
        assert marker["coloraxis"] == "coloraxis"
        assert marker["color"] == pytest.approx([0, 0.30103, 0.47712], abs=1e-4)
    assert bar["colorbar"]["ticktext"] == ["0", "1", "2"]
    assert bar["colorbar"]["tickvals"] == pytest.approx([0, 0.30103, 0.47712], abs=1e-4)
    assert "epoch" in bar["colorbar"]["title"]["text"]


def test_reference_lines_stand_at_the_label_entropy_and_log2_n() -> None:
    shapes = {s["name"]: s for s in information_plane([panel(small())])["layout"]["shapes"]}
    assert (shapes["H(Y)"]["y0"], shapes["H(Y)"]["y1"], shapes["H(Y)"]["yref"]) == (2.0, 2.0, "y")
    assert (shapes["log2 N"]["x0"], shapes["log2 N"]["x1"]) == (8.0, 8.0)


def test_views_draw_their_own_quantities_and_say_so_on_the_axes() -> None:
    adjusted = information_plane([panel(small())], view="adjusted")
    assert way(adjusted, "fc1")["x"] == [5.0, 5.5]
    assert way(adjusted, "fc1")["y"] == [0.9, 1.1]
    assert adjusted["layout"]["yaxis"]["title"]["text"] == "I(T;Y), bits, adjusted for chance"
    corrected = information_plane([panel(small())], view="corrected")
    assert way(corrected, "fc1")["x"] == [5.125, 5.75]
    assert way(corrected, "fc1")["y"] == [0.9, 1.1]
    assert corrected["layout"]["yaxis"]["title"]["text"] == "I(T;Y), bits, adjusted for chance"
    assert corrected["layout"]["xaxis"]["title"]["text"] == "I(X;T), bits, corrected"


def test_points_without_a_value_in_a_view_are_counted_in_words() -> None:
    assert "1 of 3 points have no value" in texts(
        information_plane([panel(small())], view="corrected")
    )
    assert "no value" not in texts(information_plane([panel(small())]))


def test_an_unknown_view_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"view: .* got 'corected'; did you mean 'corrected'\?"):
        information_plane([panel(small())], view="corected")
    with pytest.raises(ValueError, match=r"resolution: need a whole number >= 0, got -1"):
        information_plane([panel(small())], resolution=-1)


def test_frames_join_the_layers_in_order_of_depth_at_every_step() -> None:
    settings = {"information_plane/val": {"layers": [{"tag": "fc2"}, {"tag": "fc1"}]}}
    figure = information_plane([panel(replace(small(), settings=settings))])
    assert [frame["name"] for frame in figure["frames"]] == ["0", "10", "20"]
    drawn = [(f["data"][0]["x"], f["data"][0]["y"]) for f in figure["frames"]]
    assert drawn == [
        ([3.0, 5.0], [0.75, 1.0]),
        ([2.5, 5.5], [1.0, 1.25]),
        ([2.0, 6.0], [1.25, 1.5]),
    ]
    assert {tuple(frame["traces"]) for frame in figure["frames"]} == {(len(figure["data"]) - 1,)}
    assert (line(figure)["x"], line(figure)["hovertext"]) == ([2.0, 6.0], ["fc2", "fc1"])


def test_the_slider_reaches_every_frame_and_starts_at_the_last() -> None:
    layout = information_plane([panel(small())])["layout"]
    (slider,) = layout["sliders"]
    assert [step["args"][0] for step in slider["steps"]] == [["0"], ["10"], ["20"]]
    assert [step["label"] for step in slider["steps"]] == ["0", "1", "2"]
    assert slider["active"] == 2
    play, pause = layout["updatemenus"][0]["buttons"]
    assert play["args"][0] == ["0", "10", "20"]
    assert pause["args"][0] == [None]


def test_hidden_layers_stay_in_the_legend_only() -> None:
    figure = information_plane([panel(small())], hidden=["fc1"], chance=True)
    assert {t["visible"] for t in figure["data"] if t.get("meta") == "fc1"} == {"legendonly"}
    assert "visible" not in way(figure, "fc2")
    assert line(figure)["x"] == [2.0]
    assert [frame["data"][0]["x"] for frame in figure["frames"]] == [[3.0], [2.5], [2.0]]
    (chance,) = (t for t in figure["data"] if t["name"].startswith("chance"))
    assert chance["x"] == []


def test_chance_levels_lie_below_their_points_in_the_linear_view_only() -> None:
    run = panel(small())
    (chance,) = (t for t in information_plane([run], chance=True)["data"] if "chance" in t["name"])
    assert (chance["x"], chance["y"]) == ([5.0, 5.5, 6.0], [0.1, 0.2, 0.3])
    for others in (
        information_plane([run]),
        information_plane([run], chance=True, view="corrected"),
    ):
        assert not [t for t in others["data"] if "chance" in t["name"]]


def test_intervals_reach_from_low_to_high() -> None:
    """Only where both ends are known; from a value of .9 above its .5 to .875 only down."""
    trace = way(information_plane([panel(small())], view="corrected", intervals=True), "fc1")
    assert trace["error_x"]["arrayminus"] == [0.125, 0.25]
    assert trace["error_x"]["array"] == [0.375, 0.5]
    assert trace["error_y"]["arrayminus"] == [pytest.approx(0.4), None]
    assert trace["error_y"]["array"] == [0.0, None]
    assert "error_x" not in way(information_plane([panel(small())], view="corrected"), "fc1")


def test_hovering_tells_the_lower_end_where_it_stands_alone() -> None:
    """Of the first ruler; at least 0 is no news."""
    first, second, third = (remarks for remarks, *_ in way(plane_of(small()), "fc1")["customdata"])
    assert "at least" not in first
    assert "I(T;Y) at least 0.750 bits" in second
    assert "I(X;T)" not in second
    assert "I(X;T) at least 5.625 bits" in third
    assert "I(T;Y)" not in third


def plane_of(run: Run) -> Figure:
    return information_plane([panel(run)], reading="code")


def test_averaged_runs_show_their_spread_in_any_view() -> None:
    spread = {
        Key("I_XT", "val", "fc1"): series(0.5, 0.25, 0.125),
        Key("I_TY", "val", "fc1"): series(0.0625, 0.5, 0.25),
    }
    run = replace(small(), spread=spread)
    trace = way(information_plane([panel(run)], intervals=True), "fc1")
    assert trace["error_x"]["array"] == trace["error_x"]["arrayminus"] == [0.5, 0.25, 0.125]
    assert trace["error_y"]["array"] == [0.0625, 0.5, 0.25]
    (band,) = (t for t in curves([panel(run)], "I_TY")["data"] if t.get("fill"))
    assert band["y"] == [0.9375, 0.75, 1.25, 1.75, 1.75, 1.0625]


def test_panels_zoom_as_one_on_equal_ranges_that_hold_all_points() -> None:
    layout = information_plane([panel(small()), panel(small("b"))])["layout"]
    assert (layout["xaxis2"]["matches"], layout["yaxis2"]["matches"]) == ("x", "y")
    assert layout["xaxis"]["range"] == layout["xaxis2"]["range"]
    assert layout["xaxis"]["range"][0] <= 0
    assert layout["xaxis"]["range"][1] > 8  # log2 of 256 samples
    assert layout["yaxis"]["range"][1] > 2
    assert layout["xaxis"]["domain"][1] < layout["xaxis2"]["domain"][0]


def test_runs_that_differ_in_steps_are_compared_by_epoch() -> None:
    values = {key: {4 * s: v for s, v in of.items()} for key, of in small().series.items()}
    fewer = {key: {s: v for s, v in of.items() if s != 40} for key, of in values.items()}
    other = replace(small("b"), series=fewer, epochs={0: 0, 40: 1, 80: 2})
    figure = information_plane([panel(small()), panel(other)])
    assert [frame["name"] for frame in figure["frames"]] == ["0", "1", "2"]
    shown = [[of["x"] for of in frame["data"]] for frame in figure["frames"]]
    assert shown == [[[5, 3], [5, 3]], [[5.5, 2.5], [5, 3]], [[6, 2], [6, 2]]]
    assert figure["frames"][1]["data"][1]["meta"] == [0, 0]


def test_without_epochs_time_is_steps() -> None:
    figure = information_plane([panel(replace(small(), epochs={}))])
    assert "step" in figure["layout"]["coloraxis"]["colorbar"]["title"]["text"]
    assert way(figure, "fc1")["marker"]["color"] == pytest.approx([0, 1.0414, 1.3222], abs=1e-4)
    assert "epoch" not in way(figure, "fc1")["hovertemplate"]
    assert curves([panel(replace(small(), epochs={}))], "I_TY")["data"][0]["x"] == [0, 10, 20]


def test_a_resolution_is_read_by_the_ruler_of_each_layer() -> None:
    layers = [
        {"tag": "fc1", "tag_of_ruler": ["", "u5"]},
        {"tag": "fc2", "tag_of_ruler": ["", "c5"]},
    ]
    coarse = {
        Key("I_XT", "val", "fc1", "u5"): series(1.0),
        Key("I_TY", "val", "fc1", "u5"): series(0.5),
        Key("I_XT", "val", "fc2", "c5"): series(0.75),
        Key("I_TY", "val", "fc2", "c5"): series(0.25),
    }
    run = replace(
        small(),
        series={**small().series, **coarse},
        settings={"information_plane/val": {"layers": layers}},
    )
    figure = information_plane([panel(run)], resolution=1)
    assert (way(figure, "fc1")["x"], way(figure, "fc2")["x"]) == ([1.0], [0.75])
    assert "u5, c5" in texts(figure)
    assert curves([panel(run)], "I_TY", resolution=1)["data"][0]["y"] == [0.5]
    assert "read at 2 resolutions only" in texts(information_plane([panel(run)], resolution=2))


def many(n_layers: int, n_points: int) -> Run:
    quantities = ("I_XT", "I_TY", "status")
    return Run(
        "many",
        {
            Key(quantity, "val", f"layer{number}"): {s: 1 / (1 + s) for s in range(n_points)}
            for quantity in quantities
            for number in range(n_layers)
        },
        {step: step for step in range(n_points)},
    )


def test_a_long_run_of_many_layers_is_thinned_but_has_all_its_frames() -> None:
    figure = information_plane([panel(many(50, 1000))])
    drawn = [len(trace["x"]) for trace in figure["data"] if isinstance(trace.get("meta"), str)]
    assert len([n for n in drawn if n > 1]) == 50
    assert max(drawn) <= 200
    assert way(figure, "layer0")["customdata"][-1][2] == 999
    assert len(figure["frames"]) == len(figure["layout"]["sliders"][0]["steps"]) == 1000
    assert len(figure["layout"]["updatemenus"][0]["buttons"][0]["args"][0]) == 200
    assert len(json.dumps(figure, allow_nan=False)) < 4_000_000
    assert len(way(information_plane([panel(many(1, 1000))]), "layer0")["x"]) == 200


def test_thinning_keeps_both_ends_and_the_early_steps() -> None:
    kept = thinned(range(0, 5000, 5), most=40)
    assert len(kept) == len(set(kept)) == 40
    assert kept[:5] == [0, 5, 10, 15, 20]
    assert kept[-1] == 4995
    gaps = [b - a for a, b in pairwise(kept)]
    assert gaps[-1] > 100 * gaps[0]
    assert thinned([3, 1, 2], most=3) == [3, 1, 2]
    assert ticks(0) == [0]


def test_stacked_areas_add_up_to_the_marginal_entropy() -> None:
    figure = prediction_entropies([panel(predicting())])
    labels, beyond, open_ = (t for t in figure["data"] if t.get("stackgroup"))
    assert (labels["y"], beyond["y"], open_["y"]) == ([0.25, 1.5], [0.25, 0.25], [1.5, 0.25])
    (whole,) = (t for t in figure["data"] if t["name"].startswith("H(Ŷ):"))
    assert whole["y"] == [2.0, 2.0]
    assert len({t["stackgroup"] for t in (labels, beyond, open_)}) == 1
    both = prediction_entropies([panel(predicting()), panel(predicting())])["data"]
    assert len({t["stackgroup"] for t in both if t.get("stackgroup")}) == 2


def test_without_labels_the_stack_has_two_parts_and_says_why() -> None:
    run = predicting()
    unlabelled = {key: of for key, of in run.series.items() if key.quantity == "prediction_entropy"}
    figure = prediction_entropies([panel(replace(run, series=unlabelled))])
    told, open_ = (t["y"] for t in figure["data"] if t.get("stackgroup"))
    assert (told, open_) == ([0.5, 1.75], [1.5, 0.25])
    assert "a ConditionalEntropyMonitor adds it" in texts(figure)


def test_the_heat_map_has_a_row_for_each_class_and_gaps_for_absent_ones() -> None:
    names = {"conditional_entropy/val": {"class_names": ["cat", "dog", "cow"]}}
    figure = entropies_by_class([panel(replace(predicting(), settings=names))])
    (heat,) = figure["data"]
    assert (heat["x"], heat["y"]) == ([0, 1], [0, 2, 10])
    assert heat["z"] == [[1.0, 0.5], [None, 0.75], [0.125, 0.0]]
    axis = figure["layout"]["yaxis"]
    assert dict(zip(axis["tickvals"], axis["ticktext"], strict=True)) == {
        0: "cat",
        2: "cow",
        10: "10",
    }
    assert figure["layout"]["coloraxis"]["cmax"] == 1.0


def test_a_curve_leaves_its_gaps_open_and_so_does_its_band() -> None:
    values = {
        Key(f"I_TY_{end}", "val", "fc1"): series(1 + d, 2 + d, math.nan, 3 + d, 4 + d)
        for end, d in (("low", -0.5), ("adjusted", 0), ("high", 0.5))
    }
    figure = curves([panel(Run("a", values, {10 * n: n for n in range(5)}))], "I_TY_adjusted")
    first, second, middle = figure["data"]
    assert (middle["x"], middle["y"]) == ([0, 1, 2, 3, 4], [1, 2, None, 3, 4])
    assert (first["x"], first["y"]) == ([0, 1, 1, 0], [0.5, 1.5, 2.5, 1.5])
    assert (second["x"], second["y"]) == ([3, 4, 4, 3], [2.5, 3.5, 4.5, 3.5])


def test_log_spaced_measurements_have_a_logarithmic_axis_labelled_in_steps() -> None:
    values = {Key("I_TY", "val", "fc1"): {0: 0.1, 9: 0.2, 99: 0.3, 999: 0.4, 9999: 0.5}}
    figure = curves([panel(Run("a", values))], "I_TY")
    assert figure["data"][0]["x"] == [0, 1, 2, 3, 4]
    axis = figure["layout"]["xaxis"]
    assert dict(zip(axis["ticktext"], axis["tickvals"], strict=True))["9999"] == 4


def test_several_points_in_one_epoch_are_drawn_by_step() -> None:
    run = replace(small(), epochs={0: 0, 10: 0, 20: 1})
    assert curves([panel(run)], "I_TY")["data"][0]["x"] == [0, 10, 20]
    steps = information_plane([panel(run)])["layout"]["sliders"][0]["steps"]
    assert [step["label"] for step in steps] == ["0 (step 0)", "0 (step 10)", "1 (step 20)"]


def all_figures(run: Run) -> list[Figure]:
    panels = [panel(run), panel(replace(run, name=f"{run.name} again"))]
    return [
        *(
            information_plane(panels, view=v, chance=True, intervals=True)
            for v in ("linear", "corrected")
        ),
        prediction_entropies(panels, theme=DARK),
        entropies_by_class(panels),
        curves(panels, "I_XT_corrected"),
        curves(panels, "conditional_entropy"),
    ]


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


FULL = replace(small(), series={**small().series, **predicting().series})


@pytest.mark.parametrize("number", range(6))
def test_plotly_accepts_every_figure_and_json_holds_it(number: int) -> None:
    figure = all_figures(FULL)[number]
    json.dumps(figure, allow_nan=False)
    assert len(go.Figure(figure).data) == len(figure["data"]) > 0


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_wherever_they_stand(name: str) -> None:
    run = small(name, first=name)
    settings = {"conditional_entropy/val": {"class_names": [name, name, name]}}
    run = replace(run, series={**run.series, **predicting().series}, settings=settings)
    strings = [text for figure in all_figures(run) for text in _strings(figure)]
    assert not [text for text in strings if name in text]
    assert not [
        text for text in strings if any(part in text for part in ("<img", "</script", "%{x}"))
    ]
    assert [text for text in strings if "&lt;" in text]
    templates = [t.get("hovertemplate", "") for f in all_figures(run) for t in f["data"]]
    assert not [text for text in templates if "&" in text]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (("I_XT",), "I(T;Y) was logged, but no I(X;T)"),
        (("I_TY",), "I(X;T) was logged, but no I(T;Y)"),
        (("I_XT", "I_TY"), "no information plane was logged of this set"),
    ],
)
def test_a_plane_that_lacks_a_quantity_says_so(gone: tuple[str, ...], said: str) -> None:
    left = {key: of for key, of in small().series.items() if not key.quantity.startswith(gone)}
    figure = information_plane([panel(replace(small(), series=left))])
    assert said in texts(figure)
    assert figure["frames"] == []
    assert go.Figure(figure)


def test_figures_of_nothing_say_so() -> None:
    for figure in all_figures(Run("a", {})):
        assert [note for note in figure["layout"]["annotations"] if note["text"].startswith("no ")]
        assert go.Figure(figure)
    for figure in (
        information_plane([]),
        prediction_entropies([]),
        entropies_by_class([]),
        curves([], "I_TY"),
    ):
        assert texts(figure) == "no run is chosen"


def test_settings_of_strangers_draw_no_lines_and_raise_nothing() -> None:
    for odd in (math.nan, "2", None, 10**400, [2.0]):
        settings = {"information_plane/val": {"H_Y": odd, "n_samples": odd, "layers": odd}}
        figure = information_plane([panel(replace(small(), settings=settings))])
        assert figure["layout"]["shapes"] == []


def test_themes_differ_in_background_and_scale() -> None:
    light, dark = (information_plane([panel(small())], theme=theme) for theme in (LIGHT, DARK))
    assert light["layout"]["paper_bgcolor"] == "#ffffff"
    assert dark["layout"]["paper_bgcolor"] == DARK.background != "#ffffff"
    assert light["layout"]["coloraxis"]["colorscale"] != dark["layout"]["coloraxis"]["colorscale"]


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _against(background: str, colour: str) -> float:
    """The contrast of WCAG 2.2."""
    low, high = sorted((_luminance(colour), _luminance(background)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("n_layers", [1, 2, 5, 8, 12, 50, 100])
def test_layers_stand_out_from_the_page_and_their_names_can_be_read(
    theme: Theme, n_layers: int
) -> None:
    """Sections 1.4.11 and 1.4.3: 3 : 1 for marks, 4.5 : 1 for words."""
    colours = [of_depth(number, n_layers) for number in range(n_layers)]
    assert min(_against(theme.background, colour.of(theme)) for colour in colours) >= 3
    assert min(_against(theme.background, colour.ink().of(theme)) for colour in colours) >= 4.5
    lightness = [_luminance(colour.of(theme)) for colour in colours]
    assert lightness == sorted(lightness)  # so that a grey print keeps the order


def test_colours_of_few_layers_are_spread_over_the_whole_scale() -> None:
    """Between two stops colours are mixed evenly; two layers have the ends."""
    two = [of_depth(number, 2).of(LIGHT) for number in range(2)]
    assert two == ["#121d5d", "#c9771a"]
    four = [of_depth(number, 4).of(LIGHT) for number in range(4)]
    assert four == ["#121d5d", "#672390", "#ad3d4f", "#c9771a"]
    assert of_depth(0, 1).of(DARK) == "#9487fb"
    assert of_depth(7, 9).ink().of(LIGHT) == "#b4592c"  # mixed with the text until 4.5 : 1


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["net.hidden1.tanh", "net.hidden2.tanh", "net.output"], ["hidden1", "hidden2", "output"]),
        (["fc"], ["fc"]),
        (["a.0", "a.1"], ["0", "1"]),
        (["a.fc", "a.bn"], ["fc", "bn"]),
        (["a", "a.b"], ["a", "a.b"]),
        (["encoder.blocks.11.mlp.activation", "head"], ["encoder.b…s.11.mlp", "head"]),
    ],
)
def test_names_lose_what_says_nothing(names: list[str], short: list[str]) -> None:
    assert short_names(names) == short


def test_no_button_sends_a_figure_anywhere() -> None:
    """Plotly 4's script shows one unless told not to."""
    assert CONFIG["showSendToCloud"] is False
    assert CONFIG["plotlyServerURL"] == ""
    assert CONFIG["displaylogo"] is False


def test_plotlys_script_is_that_of_the_installed_package() -> None:
    assert plotly_script().lstrip().startswith("/**\n* plotly.js v")


def test_a_missing_plotly_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError, match=r"pip install 'plotly>=5.20'"):
        plotly_script()
