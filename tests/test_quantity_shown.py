"""Curves and heat maps of a quantity by its name, or of those of the plane that opens."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.figures import DIFFERENCE, Request, draw, needed, offered, panels
from it_callbacks.figures.quantity_shown import opened
from it_callbacks.runs import Key, Run

from .drawn_runs import run, traces, wide

RULERS = {
    "layers": [
        {"tag": "fc", "tag_of_ruler": ["", "u5"]},
        {"tag": "out", "tag_of_ruler": ["", "u5"]},
    ]
}


def two_rulers() -> Run:
    """By the first ruler all is saturated, by the second one nothing is."""
    looks = range(3)
    names = {
        *{"I_XT": 5.0, "I_TY": 2.0, "coverage": 0.5, "I_TY_adjusted": 1.0}.items(),
        *{"I_TY_low": 0.5, "I_TY_high": 1.5, "relative_I_XT": 4.0, "V_TY": 1.5}.items(),
        *{"V_TY_se": 0.1, "spread": 3.0, "linear_V_TY": 1.0}.items(),
    }
    values = {name: {layer: [value] * 3 for layer in ("fc", "out")} for name, value in names}
    values |= {"status": {layer: [2.0] * 3 for layer in ("fc", "out")}}
    values |= {"prediction_entropy": {"label_bound": [1.0] * 3}}
    settings = {"information_plane/val": RULERS | wide()}
    first = run(values, settings=settings)
    second = {
        Key(name, "val", layer, "u5"): {10 * look: value for look in looks}
        for name, value in (("I_XT", 3.0), ("I_TY", 1.5), ("coverage", 0.97), ("status", 0.0))
        for layer in ("fc", "out")
    }
    return replace(first, series={**first.series, **second})


@pytest.mark.parametrize("name", ["curves", "map"])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"reading": "code"},
        {"view": "adjusted"},
        {"quantity": "I_TY"},
        {"quantity": "coverage"},
        {"quantity": "V_TY"},
        {"quantity": "spread"},
        {"quantity": "linear_V_TY"},
        {"quantity": "I_TY_adjusted"},
        {"quantity": "I_TY", "resolution": 0},
    ],
)
def test_what_is_read_is_all_that_is_drawn(name: str, asked: dict[str, Any]) -> None:
    data = two_rulers()
    request = Request(name, **asked)
    wanted = needed(request, panels(request, [data]))["a"]
    less = {key: points if key in wanted else {} for key, points in data.series.items()}
    assert any(not points for points in less.values())
    of_all, of_wanted = (
        json.dumps(draw(request, panels(request, [each])))
        for each in (data, replace(data, series=less))
    )
    assert of_all == of_wanted


def test_a_quantity_of_the_code_is_read_by_the_best_ruler() -> None:
    data = two_rulers()
    shown = panels(Request("curves", quantity="I_TY"), [data])
    assert opened(Request("curves", quantity="I_TY"), shown).resolution == 1
    assert opened(Request("curves", quantity="I_TY", resolution=0), shown).resolution == 0
    lines = traces(draw(Request("curves", quantity="I_TY"), shown), "points")
    assert [line["y"] for line in lines] == [[1.5] * 3] * 2


def test_a_reading_that_there_cannot_be_is_refused() -> None:
    shown = panels(Request("curves"), [two_rulers()])
    with pytest.raises(ValueError, match=r"reading: need one of code, wide, got 'wider'"):
        draw(Request("curves", reading="wider"), shown)


def test_a_difference_is_offered_where_there_are_both_sets() -> None:
    planes = {name: {"fc": [1.0]} for name in ("I_XT", "I_TY")}
    val, train = run(planes), run(planes, set_="train")
    found = offered(replace(val, series={**val.series, **train.series}))
    assert found is not None
    assert found["maps"] == {"train": [DIFFERENCE.name], "val": [DIFFERENCE.name]}
    alone = offered(val)
    assert alone is not None
    assert alone["maps"] == {}
