"""The plane: colour is depth, age is width and opacity, gaps stay open, marks say what to trust."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import pytest

from it_callbacks.figures import (
    DARK,
    LIGHT,
    Figure,
    Panel,
    Request,
    draw,
    information_plane,
    needed,
    panels,
)
from it_callbacks.figures.axes import Place
from it_callbacks.figures.limits import Limit, draw_limits
from it_callbacks.figures.ranges import fitted, from_zero
from it_callbacks.figures.splines import on_spline
from it_callbacks.figures.subplots import Box, Subplots
from it_callbacks.figures.times import ages, spaced
from it_callbacks.figures.words import key_line
from it_callbacks.runs import Key, Run

from .drawn_runs import panel, series, small, text_of, traces, way


def at_any_width(name: str, n_layers: int, n_points: int) -> Run:
    """Values of four digits, with errors and bounds: the longest cards."""
    quantities = ("relative_I_XT", "relative_I_XT_se", "relative_I_XT_high", "V_TY", "V_TY_se")
    return Run(
        name,
        {
            Key(quantity, "val", f"net.blocks.{number}.conv"): {
                391 * n: 1 + (n * 7919 % 10_007) / 10_007 for n in range(n_points)
            }
            for quantity in quantities
            for number in range(n_layers)
        },
        {391 * n: n for n in range(n_points)},
    )


@pytest.mark.parametrize(
    ("n_runs", "n_layers", "n_points", "most_kb"),
    [(1, 20, 1000, 300), (1, 50, 1000, 400), (30, 6, 100, 400), (6, 6, 1000, 450)],
)
def test_planes_of_many_layers_and_runs_are_small(
    n_runs: int, n_layers: int, n_points: int, most_kb: int
) -> None:
    runs = [at_any_width(f"seed_{n}", n_layers, n_points) for n in range(n_runs)]
    arrange = "overlay" if n_runs > 6 else "side"
    figure = information_plane([panel(run) for run in runs], arrange=arrange)
    drawn = traces(figure, "points")
    assert len(drawn) == n_runs * n_layers
    assert 12 * len(drawn) <= sum(len(trace["x"]) for trace in drawn) <= 2400
    assert len(json.dumps(figure, separators=(",", ":"))) < 1000 * most_kb


def plane_of(run: Run, **options: Any) -> Figure:
    return information_plane([panel(run)], reading="code", **options)


def many(n_layers: int, n_points: int) -> Run:
    quantities = ("I_XT", "I_TY", "status")
    return Run(
        "many",
        {
            Key(quantity, "val", f"layer{number}"): {
                s: (number + 1) / (1 + s) * (quantity != "status") for s in range(n_points)
            }
            for quantity in quantities
            for number in range(n_layers)
        },
        {step: step for step in range(n_points)},
    )


def test_a_way_has_the_values_of_the_log() -> None:
    trace = way(plane_of(small()), "fc1")
    assert (trace["x"], trace["y"]) == ([5.0, 5.5, 6.0], [1.0, 1.25, 1.5])
    assert [row[:2] for row in trace["customdata"]] == [[0, 0], [1, 10], [2, 20]]


def test_colour_is_depth_and_the_same_in_every_plot() -> None:
    settings = {"information_plane/val": {"layers": [{"tag": "fc2"}, {"tag": "fc1"}]}}
    runs = [replace(small(name), settings=settings) for name in "ab"]
    figure = information_plane([panel(run) for run in runs], theme=DARK)
    for number in (0, 1):
        first, last = (
            [t["marker"]["line"]["color"] for t in traces(figure, "start", layer)][number]
            for layer in ("fc2", "fc1")
        )
        assert (first, last) == (DARK.depth[0], DARK.depth[-1])
    assert [each["name"] for each in figure["layout"]["meta"]["layers"]] == ["fc2", "fc1"]


def test_the_newest_part_of_a_way_is_the_strongest() -> None:
    """Ages of epochs 0, 1, 3, 7 are 0, 1/3, 2/3, 1: a part ends where the next begins."""
    points = {step: 1.0 + step for step in (0, 1, 3, 7)}
    values = {Key(name, "val", "fc"): points for name in ("I_XT", "I_TY")}
    figure = plane_of(Run("a", values, {step: step for step in points}))
    parts = traces(figure, "line")
    assert [trace["x"] for trace in parts] == [[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]]
    assert [trace["line"]["width"] for trace in parts] == [1.4, 2.0, 2.8]
    assert [trace["line"]["color"].rpartition(", ")[2] for trace in parts] == [
        "0.5)",
        "0.75)",
        "1.0)",
    ]
    assert {trace["hoverinfo"] for trace in parts} == {"skip"}


def test_a_missing_point_is_a_gap_and_a_lone_one_is_a_dot() -> None:
    """Of 12 layers no dots are seen but the one between two gaps."""
    points = {step: 1.0 + step for step in range(6)}
    holes = points | {1: math.nan, 3: math.nan}
    values = {
        Key(name, "val", f"fc{n}"): holes if name == "I_TY" and n == 0 else points
        for name in ("I_XT", "I_TY")
        for n in range(12)
    }
    figure = plane_of(Run("a", values, {step: step for step in points}))
    drawn = [pair for t in traces(figure, "line", "fc0") for pair in pairwise(t["x"])]
    assert (5.0, 6.0) in drawn
    assert (1.0, 3.0) not in drawn
    assert (3.0, 5.0) not in drawn
    assert way(figure, "fc0")["x"] == [1.0, 3.0, 5.0, 6.0]
    seen = [opacity > 0 for opacity in way(figure, "fc0")["marker"]["opacity"]]
    assert seen == [True, True, False, False]
    assert way(figure, "fc1")["marker"]["opacity"] == 0
    assert "2 of 72 points have no value in this view" in text_of(figure)


def test_saturated_points_are_filled_with_the_pages_colour_and_hovering_says_why() -> None:
    figure = plane_of(small())
    trace = way(figure, "fc1")
    assert trace["marker"]["symbol"] == ["circle", "circle-dot", "circle"]
    inside = [colour == LIGHT.background for colour in trace["marker"]["color"]]
    assert inside == [False, True, True]
    reasons = [row[-1] for row in trace["customdata"]]
    assert "◉ CAUTION: read it as a trend only" in reasons[1]
    assert "SATURATED: nearly every sample has its own code" in reasons[2]
    assert not any("SATURATED" in row[-1] for row in way(figure, "fc2")["customdata"])
    (end,) = traces(figure, "end", "fc1")
    assert (end["x"], end["marker"]["color"]) == ([6.0], LIGHT.background)
    (end,) = traces(figure, "end", "fc2")
    assert end["marker"]["color"] == LIGHT.depth[-1]


def test_the_line_above_explains_what_occurs_and_nothing_else() -> None:
    assert "ring with a dot: caution   empty: saturated" in text_of(plane_of(small()))
    clean = {key: of for key, of in small().series.items() if key.quantity != "status"}
    line = text_of(plane_of(replace(small(), series=clean)))
    assert "ring: start   dot: now" in line
    assert "caution" not in line
    assert "saturated" not in line


def test_what_matters_least_gives_way_in_a_short_line() -> None:
    """11 px letters of 6.16 px: 11 + 3 + 5 characters are 117 px, with 3 + 6 more 172."""
    marks = [("ring: start", 1), ("faint", 9), ("dotted", 2)]
    assert key_line(marks, 173, 11) == "ring: start   faint   dotted"
    assert key_line(marks, 172, 11) == "ring: start   dotted"
    assert key_line(marks, 10, 11) == ""


def test_reference_lines_stand_at_the_label_entropy_and_log2_n() -> None:
    shapes = {s["name"]: s for s in plane_of(small(), scale="zero")["layout"]["shapes"]}
    assert (shapes["H(Y)"]["y0"], shapes["H(Y)"]["y1"], shapes["H(Y)"]["yref"]) == (2.0, 2.0, "y")
    assert (shapes["log2 N"]["x0"], shapes["log2 N"]["x1"]) == (8.0, 8.0)
    assert {shape["line"]["dash"] for shape in shapes.values()} == {"dot"}


def test_a_mark_beyond_the_data_is_a_word_at_the_edge() -> None:
    """X from 2 to 6: 8 is more than 35 % of the span away."""
    figure = plane_of(small())
    assert "log2 N" not in {shape["name"] for shape in figure["layout"]["shapes"]}
    assert "log₂ N = 8.00 →" in text_of(figure)
    assert "H(Y) = 2.00: everything" in text_of(figure)


def test_ranges_fit_the_data_and_take_in_what_is_near() -> None:
    """Room is 7 % of the span."""
    assert fitted([2.0, 3.0], []) == [1.93, 3.07]
    assert fitted([2.0, 3.0], [3.35, 3.36]) == [1.9055, 3.4445]
    assert fitted([2.0, 3.0], [1.7]) == [1.609, 3.091]
    assert fitted([0.3, 1.3], []) == [-0.091, 1.391]
    assert fitted([1.0, 1.0], []) == [0.9895, 1.0105]
    assert fitted([], []) == [-0.07, 1.07]
    assert from_zero([1.0, 2.0], 4.0) == [0.0, 4.12]
    assert from_zero([-1.0, 2.0], 3.0) == [-1.12, 3.12]
    assert from_zero([], None) == [0.0, 1.03]


def test_axes_do_not_move_with_the_moment() -> None:
    whole, early = plane_of(small()), plane_of(small(), until=10)
    assert way(early, "fc1")["x"] == [5.0, 5.5]
    assert [t["x"] for t in traces(early, "end", "fc1")] == [[5.5]]
    for axis in ("xaxis", "yaxis"):
        assert early["layout"][axis]["range"] == whole["layout"][axis]["range"]
    assert early["layout"]["meta"]["moments"] == whole["layout"]["meta"]["moments"]
    assert plane_of(small(), until=-1)["data"] == []


def test_views_draw_their_own_quantities_and_say_so_on_the_axes() -> None:
    adjusted = plane_of(small(), view="adjusted")
    assert (way(adjusted, "fc1")["x"], way(adjusted, "fc1")["y"]) == ([5.0, 5.5], [0.9, 1.1])
    assert adjusted["layout"]["yaxis"]["title"]["text"] == "I(T;Y), bits, adjusted for chance →"
    corrected = plane_of(small(), view="corrected")
    assert (way(corrected, "fc1")["x"], way(corrected, "fc1")["y"]) == ([5.125, 5.75], [0.9, 1.1])
    assert corrected["layout"]["xaxis"]["title"]["text"] == "I(X;T), bits, corrected →"
    assert corrected["layout"]["meta"]["layers"][0]["colour"] == LIGHT.depth[0]


def test_bars_stand_at_the_first_and_the_last_point_and_at_all_on_demand() -> None:
    """Only where both ends are known; from a value of .9 above its .5 to .875 only down."""
    (ends,) = traces(plane_of(small(), view="corrected"), "bar", "fc1")
    (every,) = traces(plane_of(small(), view="corrected", intervals=True), "bar", "fc1")
    for trace in (ends, every):
        assert trace["error_x"]["arrayminus"] == [0.125, 0.25]
        assert trace["error_x"]["array"] == [0.375, 0.5]
        assert trace["error_y"]["arrayminus"] == [0.4, None]
        assert trace["error_y"]["array"] == [0.0, None]
    spread = {Key("I_XT", "val", "fc1"): series(0.5, 0.25, 0.125)}
    run = replace(small(), spread=spread)
    (ends,) = traces(plane_of(run), "bar", "fc1")
    between = traces(plane_of(run, highlights=True), "bar", "fc1")[1]
    (every,) = traces(plane_of(run, intervals=True), "bar", "fc1")
    assert (ends["x"], every["x"]) == ([5.0, 6.0], [5.0, 5.5, 6.0])
    assert ends["error_x"]["array"] == [0.5, 0.125]
    assert ends["error_x"]["symmetric"]
    assert (between["x"], between["opacity"]) == ([5.5], 0)  # until the layer is highlighted
    assert traces(plane_of(_with_spread(many(9, 100))), "bar") == []
    many_layers = plane_of(_with_spread(many(9, 100)), highlights=True)
    assert {trace["opacity"] for trace in traces(many_layers, "bar")} == {0}
    assert {len(trace["x"]) for trace in traces(many_layers, "bar")} == {24}


def _with_spread(run: Run) -> Run:
    spread = {key: dict.fromkeys(of, 0.125) for key, of in run.series.items()}
    return replace(run, spread=spread)


def test_chance_is_a_dash_below_the_last_point_of_the_linear_view() -> None:
    (dash,) = traces(plane_of(small(), chance=True), "chance")
    assert (dash["x"], dash["y"]) == ([6.0, 6.0], [1.5, 0.3])
    assert traces(plane_of(small()), "chance") == []
    (spare,) = traces(plane_of(small(), highlights=True), "chance")
    assert spare == {**dash, "uid": spare["uid"], "opacity": 0}  # until the layer is highlighted
    assert traces(plane_of(small(), chance=True, view="corrected"), "chance") == []
    assert plane_of(small(), chance=True)["layout"]["yaxis"]["range"][0] < 0.3


def test_hovering_shows_chance_interval_bounds_and_what_it_was_read_with() -> None:
    """Of the first ruler; at least 0 is no news."""
    trace = way(plane_of(small()), "fc1")
    assert "labels dealt at random would give %{customdata[2]}" in trace["hovertemplate"]
    assert [row[2] for row in trace["customdata"]] == ["0.10", "0.20", "0.30"]
    first, second, third = (row[-1] for row in trace["customdata"])
    assert "at least" not in first
    assert "I(T;Y) at least 0.75" in second
    assert "I(X;T) at least 5.62" in third
    assert trace["meta"]["about"] == "a · val<br>n 256"
    corrected = way(plane_of(small(), view="corrected"), "fc1")
    assert corrected["customdata"][0][2] == " (5.00 to 5.50)"
    run = replace(small(), spread={Key("I_TY", "val", "fc1"): series(0.5, 0.25, 0.125)})
    assert way(plane_of(run), "fc1")["customdata"][0][2] == " sd 0.50"


def test_no_line_of_the_card_is_longer_than_fifty_characters() -> None:
    """A name of a hundred letters, and a caution of a hundred words."""
    name = "encoder." * 12 + "mlp"
    run = small(name * 2, first=name)
    for row in way(plane_of(run), name)["customdata"]:
        assert max(map(len, row[-1].split("<br>"))) <= 50
    meta = way(plane_of(run), name)["meta"]
    assert max(map(len, meta["about"].split("<br>"))) <= 50
    assert len(meta["title"] + "  layer 1 of 2") <= 50


def test_arrows_point_along_long_pieces_of_few_layers() -> None:
    figure = plane_of(small())
    (arrow,) = traces(figure, "arrow", "fc1")
    tail, tip, gap = arrow["x"][:3]
    assert 5.0 < tail < tip < 6.0
    assert arrow["y"][1] == pytest.approx(1.0 + (tip - 5.0) / 2, abs=2e-4)  # they lie on a line
    assert gap is None
    assert arrow["marker"]["angleref"] == "previous"
    assert arrow["marker"]["size"][:3] == [0, 9, 0]
    still = {key: dict.fromkeys(of, 1.0) for key, of in small().series.items()}
    assert traces(plane_of(replace(small(), series=still)), "arrow") == []
    for n_layers, opacity in ((12, {1}), (13, set())):
        heads = traces(information_plane([panel(many(n_layers, 20))]), "arrow")
        assert {head.get("opacity", 1) for head in heads} == opacity
    for n_layers, opacity in ((13, {0}), (61, set())):
        highlighted = information_plane([panel(many(n_layers, 20))], highlights=True)
        assert {head["opacity"] for head in traces(highlighted, "arrow")} == opacity


def test_hidden_layers_are_left_out_and_keep_their_colours() -> None:
    figure = plane_of(small(), hidden=["fc1"])
    assert {trace["meta"]["layer"] for trace in figure["data"]} == {"fc2"}
    (end,) = traces(figure, "end", "fc2")
    assert end["marker"]["color"] == LIGHT.depth[-1]
    assert [each["name"] for each in figure["layout"]["meta"]["layers"]] == ["fc1", "fc2"]
    assert "all layers are hidden" in text_of(plane_of(small(), hidden=["fc1", "fc2"]))


def test_long_runs_of_many_layers_are_thinned() -> None:
    """At most 80 points of a layer, about 2400 in all, and 300 kB at 20 layers."""
    for n_layers, most in ((1, 80), (20, 80), (50, 48), (300, 12)):
        figure = information_plane([panel(many(n_layers, 1000))])
        drawn = [trace["customdata"] for trace in traces(figure, "points")]
        assert [len(rows) for rows in drawn] == [most] * n_layers
        assert {(rows[0][1], rows[-1][1]) for rows in drawn} == {(0, 999)}
        if n_layers == 20:
            assert len(json.dumps(figure, separators=(",", ":"))) < 300_000


def test_many_layers_have_a_bar_of_depth_and_thinner_lines() -> None:
    few, several = (information_plane([panel(many(n, 20))]) for n in (12, 13))
    assert traces(few, "area") == []
    (bar,) = traces(several, "area")
    assert (bar["marker"]["cmin"], bar["marker"]["cmax"]) == (1, 13)
    assert several["layout"]["margin"]["r"] == few["layout"]["margin"]["r"] + 74
    assert traces(several, "line")[-1]["line"]["width"] == 2.1
    narrow = draw(Request(width=390, height=420), [panel(many(13, 20))])
    (strip,) = traces(narrow, "area")
    assert strip["marker"]["colorbar"]["orientation"] == "h"


def test_titles_are_shorter_and_margins_smaller_where_it_is_narrow() -> None:
    values = {Key(name, "val", "fc"): series(1.0, 2.0) for name in ("relative_I_XT", "V_TY")}
    run = Run("a", values, {0: 0, 10: 1})
    wide, narrow = (draw(Request(width=n, height=420), [panel(run)])["layout"] for n in (900, 390))
    assert wide["xaxis"]["title"]["text"] == "inputs kept apart: relative I(X;T), bits →"
    assert narrow["xaxis"]["title"]["text"] == "inputs kept apart, bits →"
    assert narrow["yaxis"]["title"]["text"] == "found about the label, bits →"
    assert (narrow["margin"]["l"], narrow["margin"]["r"]) == (46, 8)


def test_a_figure_says_what_it_is() -> None:
    meta = draw(Request(), [panel(small())])["layout"]["meta"]
    assert (meta["kind"], meta["reading"], meta["resolution"]) == ("plane", "code", 0)
    assert meta["summary"] == "binned code: 1 of 2 readable"
    assert meta["moments"][2] == {"step": 20, "label": "epoch 2, step 20"}
    assert meta["panels"] == [{"run": "a", "set": "val", "axis": ""}]
    assert meta["layers"][0] == {
        "name": "fc1", "label": "fc1", "colour": "#121d5d", "ink": "#121d5d",
    }  # fmt: skip
    assert set(meta["names"].values()) == {"fc1", "fc2"}
    assert meta["empty"] == {"wide": "no layer of this set was read at any width"}
    assert (meta["companion"], meta["opens"]) == ("curves", "plane")
    for n_layers, expected in ((13, ("map", "plane")), (61, ("through", "map"))):
        meta = draw(Request(), [panel(many(n_layers, 3))])["layout"]["meta"]
        assert (meta["companion"], meta["opens"]) == expected


def test_every_trace_says_what_it_is_of_and_has_an_id_of_its_own() -> None:
    figure = information_plane([panel(small()), panel(small("b"))], chance=True)
    ids = [trace["uid"] for trace in figure["data"]]
    assert len(set(ids)) == len(ids)
    assert all({"layer", "role", "panel", "run", "set"} <= t["meta"].keys() for t in figure["data"])
    assert {t["meta"]["run"] for t in figure["data"] if t["meta"]["panel"] == 1} == {"b"}
    assert {t["xaxis"] for t in figure["data"] if t["meta"]["panel"] == 1} == {"x2"}


def test_a_view_without_values_is_empty_with_the_reason() -> None:
    """Corrected values of three points were logged, and none is finite."""
    run = without_values(small(), "I_XT_corrected")
    said = "3 of 3 points have no corrected value, since nearly every code was seen once"
    figure = plane_of(run, view="corrected")
    meta = figure["layout"]["meta"]
    assert meta["empty"]["corrected"] == said
    words = text_of(figure).replace("<br>", " ")
    assert "since nearly every code was seen once" in words
    assert "choose the linear view" in words
    assert "corrected" not in plane_of(small())["layout"]["meta"]["empty"]


def as_read(request: Request, runs: Sequence[Run]) -> list[Panel]:
    """The panels of runs with the values that a figure reads, and no others."""
    shown = panels(request, runs)
    read = needed(request, shown)
    return [
        replace(
            each,
            run=replace(
                each.run,
                series={
                    key: points if key in read[each.run.name] else {}
                    for key, points in each.run.series.items()
                },
            ),
        )
        for each in shown
    ]


def without_values(run: Run, *quantities: str) -> Run:
    """A run in which some quantities were logged, and none of their values is finite."""
    gone = {
        key: dict.fromkeys(of, math.nan) if key.quantity in quantities else of
        for key, of in run.series.items()
    }
    return replace(run, series=gone)


@pytest.mark.parametrize("arrange", ["auto", "side", "overlay", "mean"])
def test_of_several_runs_a_view_without_values_is_empty_and_one_with_some_is_not(
    arrange: str,
) -> None:
    """Three corrected values of each of two runs, none of which is finite."""
    request = Request(reading="code", arrange=arrange)
    one, two = (without_values(small(name), "I_XT_corrected") for name in "ab")
    empty = draw(request, as_read(request, [one, two]))["layout"]["meta"]["empty"]
    said = "6 of 6 points have no corrected value, since nearly every code was seen once"
    assert empty["corrected"] == said
    one_has_some = draw(request, as_read(request, [one, small("b")]))
    assert "corrected" not in one_has_some["layout"]["meta"]["empty"]


@pytest.mark.parametrize("arrange", ["side", "overlay"])
@pytest.mark.parametrize("n_runs", [1, 2])
def test_a_reading_without_values_is_empty_with_the_reason(n_runs: int, arrange: str) -> None:
    """Two values of y of each run were logged, and none is finite; then one is."""
    at_any_width = {
        Key("relative_I_XT", "val", "fc1"): {0: 4.0, 10: 4.5},
        Key("V_TY", "val", "fc1"): {0: math.nan, 10: math.nan},
    }
    runs = [
        replace(each, series={**each.series, **at_any_width})
        for each in (small("a"), small("b"))[:n_runs]
    ]
    request = Request(arrange=arrange)
    n = 2 * n_runs
    empty = draw(request, as_read(request, runs))["layout"]["meta"]["empty"]
    assert empty["wide"] == f"{n} of {n} points have no value of V(T→Y)"
    at_any_width[Key("V_TY", "val", "fc1")] = {0: math.nan, 10: 0.5}
    runs[-1] = replace(runs[-1], series={**runs[-1].series, **at_any_width})
    assert "wide" not in draw(request, as_read(request, runs))["layout"]["meta"]["empty"]


@pytest.mark.parametrize("arrange", ["auto", "side", "overlay", "mean"])
@pytest.mark.parametrize("view", ["linear", "adjusted", "corrected"])
@pytest.mark.parametrize("name", ["plane", "through"])
def test_no_reason_is_given_for_what_was_not_read(name: str, view: str, arrange: str) -> None:
    """Of two runs whose views all have two points or more, only what is needed is read."""
    request = Request(name, reading="code", view=view, arrange=arrange)
    outlined = as_read(request, [small("a"), small("b")])
    # Lines through the layers are never laid over each other.
    known = {"wide"} if name == "plane" else {"wide", "overlay"}
    assert draw(request, outlined)["layout"]["meta"]["empty"].keys() <= known


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
    assert said in text_of(figure).replace("<br>", " ")
    assert go.Figure(figure)


def test_one_point_no_finite_value_and_no_layer_are_drawn_all_the_same() -> None:
    lone = Run("a", {Key(n, "val", "fc"): {0: 1.0} for n in ("I_XT", "I_TY")})
    figure = plane_of(lone)
    assert [trace["meta"]["role"] for trace in figure["data"]] == ["points", "end"]
    nothing = Run("a", {Key(n, "val", "fc"): {0: math.nan} for n in ("I_XT", "I_TY")})
    assert plane_of(nothing)["data"] == []
    assert "no layer has a value" in text_of(plane_of(nothing)).replace("<br>", " ")
    assert "no information plane" in text_of(plane_of(Run("a", {}))).replace("<br>", " ")
    assert text_of(information_plane([])) == "no run is chosen"


def test_ages_are_even_in_log_time_of_epochs_or_steps() -> None:
    """log(1 + t): 0, 1, 3 are even; of steps the first one is the unit."""
    assert ages([0, 10, 30], {0: 0, 10: 1, 30: 3}) == [0.0, 0.5, 1.0]
    assert ages([0, 10, 30], {0: 0, 10: 0, 30: 0}) == [0.0, 0.5, 1.0]
    assert ages([0, 10, 30], {}) == [0.0, 0.5, 1.0]
    assert ages([0], {0: 0}) == [1.0]
    assert ages([], {}) == []
    assert spaced(list(range(100)), {n: n for n in range(100)}, 3) == [0, 9, 99]


@pytest.mark.parametrize("wrong", [True, 2.0, "2"])
def test_a_resolution_is_a_whole_number(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^resolution: need a whole number >= 0, got "):
        information_plane([], resolution=wrong)


def test_a_scale_and_an_arrangement_are_words_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"scale: need one of fit, zero, got 'zer'; did you mean"):
        information_plane([], scale="zer")
    with pytest.raises(ValueError, match="arrange: need one of auto, side, overlay, mean, got"):
        information_plane([], arrange="above")


def test_without_a_resolution_the_ruler_with_most_readable_layers_is_shown() -> None:
    """With the first ruler one of two layers can be read, with the second both."""
    layers = [{"tag": name, "tag_of_ruler": ["", "u5"]} for name in ("fc1", "fc2")]
    coarse = {
        Key(quantity, "val", name, "u5"): series(0.5, 0.75, value)
        for quantity, value in (("I_XT", 1.0), ("I_TY", 0.5), ("status", 0.0))
        for name in ("fc1", "fc2")
    }
    run = replace(
        small(),
        series=small().series | coarse,
        settings={"information_plane/val": {"layers": layers}},
    )
    figure = draw(Request(), [Panel(run, "val")])
    assert figure["layout"]["meta"]["resolution"] == 1
    assert figure["layout"]["meta"]["summary"] == "binned code: 2 layers"
    assert way(figure, "fc1")["x"] == [0.5, 0.75, 1.0]
    named = draw(Request(resolution=0), [Panel(run, "val")])
    assert named["layout"]["meta"]["summary"] == "binned code: 1 of 2 readable"


def test_an_arrow_lies_on_the_curve_that_is_drawn() -> None:
    """Symmetric about x = 10: there the middle piece is highest, as the way bends there."""
    corner = [(0.0, 0.0), (5.0, 10.0), (15.0, 10.0), (20.0, 0.0)]
    x, y = on_spline(corner, 1, 0.5)
    assert x == pytest.approx(10.0)
    assert 10.0 < y < 11.0
    for piece, ends in enumerate([(0, 1), (1, 2), (2, 3)]):
        for share, end in zip((0.0, 1.0), ends, strict=True):
            assert on_spline(corner, piece, share) == pytest.approx(corner[end])
    straight = [(0.0, 0.0), (1.0, 1.0), (4.0, 4.0)]
    x, y = on_spline(straight, 1, 0.3)
    assert x == pytest.approx(y)


def test_words_of_marks_lie_on_no_other_word() -> None:
    """At 390 px the level of 0 ends where log2 K is written at the foot of its line."""
    drawn: dict[str, Any] = {"shapes": [], "annotations": []}
    box = Box(Place("", (0, 1), (0, 1)), 330, 150)
    found = [Limit("x", 3.3, "log2 K", "log₂ K = 3.32"), Limit("y", 0.0, "0", "0: nothing")]
    words = draw_limits(drawn, box, found, ((3.2, 5.5), (-0.1, 3.5)))
    (left, top, wide), (other, above, long) = words
    assert left + wide <= other or other + long <= left or abs(top - above) >= 14


def test_the_word_of_a_limit_beyond_the_axis_lies_on_no_other_word() -> None:
    """log2 K is written at the right end of the axis, left of its line."""
    drawn: dict[str, Any] = {"shapes": [], "annotations": []}
    box = Box(Place("", (0, 1), (0, 1)), 400, 300)
    found = [Limit("x", 6.3, "log2 K", "log₂ K = 6.30"), Limit("x", 8.01, "cap", "cap 8.01")]
    inside, beyond = draw_limits(drawn, box, found, ((4.1, 6.4), (-0.2, 3.1)))
    assert beyond[1] <= inside[1] - 14
    alone = draw_limits(drawn, box, found[1:], ((4.1, 6.4), (-0.2, 3.1)))
    assert alone[0][1] == inside[1]  # at the foot


def test_a_name_does_not_lie_on_the_end_of_a_layer_without_one() -> None:
    """Of twelve layers, four are named in a narrow figure."""
    values = {
        Key(quantity, "val", f"block{n}"): series(*start, end)
        for n in range(12)
        for quantity, start, end in (
            ("I_XT", (3.0 + n / 3, 3.0 + n / 3), 3.0 + n / 3),
            ("I_TY", (0.0, 1.0), 2.0 + (n * 7 % 12) / 30),
        )
    }
    figure = plane_of(Run("a", values), width=390, height=420)
    meta, notes = figure["layout"]["meta"], figure["layout"]["annotations"]
    axes = figure["layout"]["xaxis"]["range"], figure["layout"]["yaxis"]["range"]
    sheet = Subplots(1, 390, 420, 2)
    (box,) = sheet.boxes
    across = box.width / (axes[0][1] - axes[0][0])
    up = box.height / (axes[1][1] - axes[1][0])
    ends = {t["meta"]["layer"]: (t["x"][0], t["y"][0]) for t in traces(figure, "end")}
    shown = {int(n): layer for n, layer in meta["names"].items() if n not in meta["spare"]}
    assert len(shown) == 4
    for number, layer in shown.items():
        note = notes[number]
        x, y = ends[layer][0] * across, -ends[layer][1] * up
        x += note.get("xshift", note.get("ax", 0))
        y += note["ay"] if "ay" in note else -note["yshift"]
        half = 0.56 * 12 * len(note["text"]) / 2
        for other, (end_x, end_y) in ends.items():
            is_on = abs(end_x * across - x) < half + 3 and abs(-end_y * up - y) < 8 + 3
            assert other == layer or not is_on, (layer, other)
