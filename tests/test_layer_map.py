"""The heat map of layers: rows from the input side down, columns looks, saturated cells empty."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from it_callbacks.figures import LIGHT, TRAIN_MINUS_VAL, Figure, Panel, Request, draw
from it_callbacks.runs import Run

from .drawn_runs import HOSTILE, both, is_text, run, texts, traces, wide

NAN = math.nan


def read(set_: str = "val", gain: float = 0.0, **about: Any) -> Run:
    return run(
        {
            "relative_I_XT": {"net.0.act": [6.0, 5.0, 4.0], "net.1.act": [5.0, 4.0, 3.0]},
            "V_TY": {"net.0.act": [0.5, 1.0, 1.5], "net.1.act": [0.25, NAN, 2.0 + gain]},
            "wide_status": {"net.0.act": [0, 0, 0], "net.1.act": [0, 0, 0]},
        },
        set_=set_,
        settings={f"information_plane/{set_}": wide(**about)},
    )


def heat(*panels: Panel, **asked: Any) -> Figure:
    return draw(Request("map", **asked), panels)


def cells(figure: Figure, number: int = 0) -> list[list[float | None]]:
    (found,) = traces(figure, "cell", panel=number)
    return list(found["z"])


def test_rows_are_layers_from_the_input_side_down_and_columns_are_looks() -> None:
    figure = heat(Panel(read(), "val"))
    assert cells(figure) == [[0.5, 1.0, 1.5], [0.25, None, 2.0]]
    (trace,) = traces(figure, "cell")
    assert (trace["y"], trace["x"]) == (["net.0.act", "net.1.act"], ["0", "1", "2"])
    layout = figure["layout"]
    assert layout["yaxis"]["range"] == [1.5, -0.5]
    assert layout["yaxis"]["ticktext"] == ["net.0", "net.1"]
    assert trace["customdata"] == [[0, 10, 20], [0, 10, 20]]
    assert "epoch %{x}  ·  step %{customdata}" in trace["hovertemplate"]
    assert layout["yaxis"]["tickvals"] == ["net.0.act", "net.1.act"]
    assert (layout["coloraxis"]["cmin"], layout["coloraxis"]["cmax"]) == (0.25, 2.0)
    assert "<b>found about the label</b>, bits" in texts(figure)


def test_the_quantity_can_be_another() -> None:
    figure = heat(Panel(read(), "val"), quantity="relative_I_XT")
    assert cells(figure)[0] == [6.0, 5.0, 4.0]
    assert "<b>inputs kept apart</b>, bits" in texts(figure)


def test_training_minus_validation_diverges_around_zero() -> None:
    panels = [Panel(both(read(), read("train", 0.5)), set_) for set_ in ("train", "val")]
    figure = heat(*panels, quantity=TRAIN_MINUS_VAL)
    assert cells(figure) == [[0.0, 0.0, 0.0], [0.0, None, 0.5]]
    axis = figure["layout"]["coloraxis"]
    assert (axis["cmin"], axis["cmax"]) == (-0.5, 0.5)
    assert [stop for _, stop in axis["colorscale"]] == [LIGHT.areas[0], LIGHT.grid, LIGHT.areas[1]]


def test_a_difference_of_other_numbers_of_samples_is_refused_with_the_reason() -> None:
    panels = [Panel(both(read(), read("train", n_samples=100)), set_) for set_ in ("val", "train")]
    why = "they were read on 100 and 512 samples"
    assert heat(*panels)["layout"]["meta"]["empty"][TRAIN_MINUS_VAL] == why
    asked = heat(*panels, quantity=TRAIN_MINUS_VAL)
    assert asked["data"] == []
    assert why in " ".join(texts(asked)).replace("<br>", " ")
    alike = [Panel(both(read(), read("train")), set_) for set_ in ("val", "train")]
    assert TRAIN_MINUS_VAL not in heat(*alike)["layout"]["meta"]["empty"]


def test_a_table_tells_the_last_value_of_each_row_up_to_the_moment() -> None:
    (trace,) = traces(heat(Panel(read(), "val"), until=10), "cell")
    assert trace["meta"]["table"] == {
        "of": "Layer",
        "what": "found about the label, bits",
        "rows": [["net.0.act", 1.0], ["net.1.act", 0.25]],
    }


def test_it_is_not_drawn_of_one_set_or_of_other_rulers() -> None:
    alone = heat(Panel(read(), "val"), quantity=TRAIN_MINUS_VAL)
    assert alone["data"] == []
    assert "training and validation of one run are both needed" in " ".join(texts(alone)).replace(
        "<br>", " "
    )
    coarse = read("train", 0.5, reading="WideReading(n_samples=512, noise=0.5)")
    panels = [Panel(both(read(), coarse), set_) for set_ in ("train", "val")]
    figure = heat(*panels, quantity=TRAIN_MINUS_VAL)
    assert figure["data"] == []
    assert "rulers" in " ".join(texts(figure))


def test_saturated_cells_are_empty_and_it_is_said_above() -> None:
    data = run(
        {
            "I_XT": {"fc": [8.0, 7.0]},
            "I_TY": {"fc": [3.0, 2.0]},
            "status": {"fc": [2, 1]},
        }
    )
    figure = heat(Panel(data, "val"))
    assert cells(figure) == [[None, 2.0]]
    assert any("empty: saturated" in text for text in texts(figure))
    shown = heat(Panel(data, "val"), quantity="status")
    assert cells(shown) == [[2, 1]]


def test_few_rows_and_columns_have_gaps_between_them_and_many_none() -> None:
    (few,) = traces(heat(Panel(read(), "val")), "cell")
    assert (few["xgap"], few["ygap"]) == (1, 1)
    long = run({"V_TY": {"fc": [1.0] * 40}, "relative_I_XT": {"fc": [1.0] * 40}})
    (many,) = traces(heat(Panel(long, "val")), "cell")
    assert (many["xgap"], many["ygap"]) == (0, 0)


@pytest.mark.parametrize(("n_layers", "n_looks"), [(50, 1000), (300, 200)])
def test_many_layers_and_looks_stay_small_and_readable(n_layers: int, n_looks: int) -> None:
    values = {f"net.{n}.act": [n / (1 + look) for look in range(n_looks)] for n in range(n_layers)}
    figure = heat(Panel(run({"V_TY": values, "relative_I_XT": values}), "val"))
    (trace,) = traces(figure, "cell")
    assert len(trace["y"]) == n_layers
    assert len(trace["x"]) == 60
    ticks = figure["layout"]["yaxis"]["ticktext"]
    assert 10 < len(ticks) <= 22
    assert (ticks[0], ticks[-1]) == ("net.0", f"net.{n_layers - 1}")
    numbers = [int(tick.removeprefix("net.")) for tick in ticks[:-1]]
    assert len({b - a for a, b in pairwise(numbers)}) == 1
    assert len(figure["layout"]["xaxis"]["tickvals"]) <= 10
    assert len(json.dumps(figure, allow_nan=False)) < 300_000


def test_names_of_columns_that_are_numbers_of_others_stay_apart() -> None:
    """Plotly takes a number for a place and a text for a name: ticks are told by name."""
    values = {"fc": [1.0, 2.0, 3.0, 4.0]}
    data = replace(
        run({"V_TY": values, "relative_I_XT": values}), epochs={0: 1, 10: 2, 20: 4, 30: 8}
    )
    axis = heat(Panel(data, "val"))["layout"]["xaxis"]
    assert axis["tickvals"] == axis["ticktext"] == ["1", "2", "4", "8"]


def test_the_moment_is_a_frame_around_its_column() -> None:
    (frame,) = heat(Panel(read(), "val"), until=14)["layout"]["shapes"]
    assert (frame["x0"], frame["x1"]) == (0.5, 1.5)
    assert heat(Panel(read(), "val"), until=20)["layout"]["shapes"] == []


def test_before_the_first_point_the_map_says_so() -> None:
    """The moment is one of another panel that begins earlier."""
    late = replace(read(), series={key: {20: 1.0} for key in read().series})
    panels = Panel(read("train"), "train"), Panel(late, "val")
    told = "not measured yet at epoch 1"
    assert [told in text for text in texts(heat(*panels, until=10, width=1200))].count(True) == 1
    assert not any(told in text for text in texts(heat(*panels, until=20, width=1200)))


def test_runs_share_colours_and_the_first_in_a_row_has_the_names() -> None:
    panels = [Panel(replace(read(), name=name), "val") for name in ("one", "two")]
    layout = heat(*panels)["layout"]
    assert (layout["yaxis"]["showticklabels"], layout["yaxis2"]["showticklabels"]) == (True, False)
    assert [panel["run"] for panel in layout["meta"]["panels"]] == ["one", "two"]


def test_hidden_layers_have_no_row() -> None:
    assert cells(heat(Panel(read(), "val"), hidden=["net.0.act"])) == [[0.25, None, 2.0]]


def test_a_quantity_of_an_own_estimator_has_a_map() -> None:
    rows = [{"name": "dead", "symbol": "dead units", "unit": "share", "figures": ["curves"]}]
    settings = {"information_plane/val": {"quantities": rows}}
    data = run({"dead": {"fc": [0.25, 0.5]}}, settings=settings)
    figure = heat(Panel(data, "val"), quantity="dead")
    assert cells(figure) == [[0.25, 0.5]]
    assert figure["layout"]["coloraxis"]["colorbar"]["title"]["text"] == "share"


def test_what_there_is_not_is_said() -> None:
    assert "no run is chosen" in texts(heat())
    empty = run({"I_XT": {"fc": [NAN]}, "I_TY": {"fc": [NAN]}})
    figure = heat(Panel(empty, "val"))
    assert figure["data"] == []
    assert "no I(T;Y) has a value in this set" in " ".join(texts(figure))
    saturated = run({"I_XT": {"fc": [8.0]}, "I_TY": {"fc": [3.0]}, "status": {"fc": [2]}})
    assert "every point is saturated" in " ".join(texts(heat(Panel(saturated, "val"))))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_layers_are_text(name: str) -> None:
    data = run({"V_TY": {name: [1.0]}, "relative_I_XT": {name: [1.0]}})
    figure = heat(Panel(data, "val"))
    (trace,) = traces(figure, "cell")
    shown = " ".join([*trace["y"], *figure["layout"]["yaxis"]["ticktext"]])
    assert is_text([shown])
