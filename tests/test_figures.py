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
    Request,
    curves,
    draw,
    entropies_by_class,
    information_plane,
    plotly_script,
    prediction_entropies,
)
from it_callbacks.figures.labels import short_names
from it_callbacks.figures.theme import Theme, of_depth
from it_callbacks.figures.times import thinned
from it_callbacks.runs import Key, Run

from .drawn_runs import panel, series, small, text_of, traces, way

HOSTILE = ("<img src=x onerror=alert(1)>", "</script>", "%{x} & <b>")


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


def test_an_unknown_view_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"view: .* got 'corected'; did you mean 'corrected'\?"):
        information_plane([panel(small())], view="corected")
    with pytest.raises(ValueError, match=r"resolution: need a whole number >= 0, got -1"):
        information_plane([panel(small())], resolution=-1)


def test_averaged_runs_show_their_spread_in_any_view() -> None:
    spread = {
        Key("I_XT", "val", "fc1"): series(0.5, 0.25, 0.125),
        Key("I_TY", "val", "fc1"): series(0.0625, 0.5, 0.25),
    }
    run = replace(small(), spread=spread)
    (trace,) = traces(information_plane([panel(run)], intervals=True), "bar", "fc1")
    assert (trace["error_x"]["array"], trace["error_x"]["symmetric"]) == ([0.5, 0.25, 0.125], True)
    assert trace["error_y"]["array"] == [0.0625, 0.5, 0.25]
    (band,) = traces(curves([panel(run)], "I_TY"), "bar")
    assert band["y"] == [0.9375, 0.75, 1.25, 1.75, 1.75, 1.0625]


def test_without_epochs_time_is_steps() -> None:
    figure = information_plane([panel(replace(small(), epochs={}))])
    assert "epoch" not in way(figure, "fc1")["hovertemplate"]
    assert figure["layout"]["meta"]["moments"][1] == {"step": 10, "label": "step 10"}


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
    assert "u5, c5" in way(figure, "fc1")["meta"]["about"]
    assert way(curves([panel(run)], "I_TY", resolution=1), "fc1")["y"] == [0.5]
    assert "read at 2 resolutions only" in text_of(information_plane([panel(run)], resolution=2))


def test_thinning_keeps_both_ends_and_the_early_steps() -> None:
    kept = thinned(range(0, 5000, 5), most=40)
    assert len(kept) == len(set(kept)) == 40
    assert kept[:5] == [0, 5, 10, 15, 20]
    assert kept[-1] == 4995
    gaps = [b - a for a, b in pairwise(kept)]
    assert gaps[-1] > 100 * gaps[0]
    assert thinned([3, 1, 2], most=3) == [3, 1, 2]


def test_several_points_in_one_epoch_are_told_apart_by_step() -> None:
    run = replace(small(), epochs={0: 0, 10: 0, 20: 1})
    moments = information_plane([panel(run)])["layout"]["meta"]["moments"]
    assert [each["label"] for each in moments][:2] == ["epoch 0, step 0", "epoch 0, step 10"]


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
        curves(panels),
        *(draw(Request(name), panels) for name in ("through", "map")),
    ]


def _strings(value: Any) -> list[str]:
    """Every text but full names in `meta`, which are data and shown by no markup."""
    if isinstance(value, dict):
        return [
            text
            for name, part in value.items()
            if name not in ("layer", "run", "set", "name", "layers", "panels", "names", "rows")
            for text in _strings(part)
        ]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


FULL = replace(small(), series={**small().series, **predicting().series})


@pytest.mark.parametrize("number", range(9))
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
        text for text in strings if any(part in text for part in ("<img", "</script", "%{x} &"))
    ]
    assert [text for text in strings if "&lt;" in text]
    templates = [t.get("hovertemplate", "") for f in all_figures(run) for t in f["data"]]
    assert not [text for text in templates if "&" in text]


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
        assert text_of(figure) == "no run is chosen"


def test_settings_of_strangers_draw_no_lines_and_raise_nothing() -> None:
    for odd in (math.nan, "2", None, 10**400, [2.0]):
        settings = {"information_plane/val": {"H_Y": odd, "n_samples": odd, "layers": odd}}
        figure = information_plane([panel(replace(small(), settings=settings))])
        assert figure["layout"]["shapes"] == []


def test_themes_differ_in_background_and_scale() -> None:
    light, dark = (information_plane([panel(small())], theme=theme) for theme in (LIGHT, DARK))
    assert light["layout"]["paper_bgcolor"] == "#ffffff"
    assert dark["layout"]["paper_bgcolor"] == DARK.background != "#ffffff"
    of_light, of_dark = (each["layout"]["meta"]["layers"][0] for each in (light, dark))
    assert of_light["colour"] == LIGHT.depth[0] != of_dark["colour"] == DARK.depth[0]


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
        (["a.0", "a.1"], ["a.0", "a.1"]),  # not a mere number
        (["a.fc", "a.bn"], ["fc", "bn"]),
        (["a", "a.b"], ["a", "a.b"]),
        (["encoder.blocks.11.mlp.activation", "head"], ["encoder.b…tivation", "head"]),
        (["stages.stage1.1", "stages.stage2.1", "classify"], ["stage1", "stage2", "classify"]),
        (["layer1.0", "layer1.1", "fc"], ["layer1.0", "layer1.1", "fc"]),
        (["stem", "net.output"], ["stem", "net.output"]),  # one alone shares nothing
        (["a", "b.a", "b.c"], ["a", "b.a", "b.c"]),  # else two would be called "a"
        (["b.0.1", "b.1.1"], ["b.0.1", "b.1.1"]),
        (["b.0.fc", "b.1.fc", "out"], ["b.0", "b.1", "out"]),
        (["b.0.fc", "b.1.fc", "b.1.mlp.2"], ["b.0.fc", "b.1.fc", "b.1.mlp"]),  # it lies in b.1
        (["b0.fc", "b1.fc", "b1.mlp.2"], ["b0.fc", "b1.fc", "b1.mlp"]),  # the last lies in b1
        (["a.c.act", "b.c.2", "b.c.x", "o"], ["a.c.act", "b.c.2", "b.c.x", "o"]),
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


@pytest.mark.parametrize("name", ["plane", "through"])
def test_plots_without_values_keep_axes_of_their_own(name: str) -> None:
    """Plotly leaves out axes without a trace, and writes their words over another plot."""
    empty = {key: dict.fromkeys(of, math.nan) for key, of in small().series.items()}
    runs = [small("a"), replace(small("b"), series=empty), replace(small("c"), series=empty)]
    figure = draw(Request(name, reading="code"), [Panel(run, "val") for run in runs])
    assert {trace["yaxis"] for trace in figure["data"]} == {"y", "y2", "y3"}
    assert len({trace["uid"] for trace in figure["data"]}) == len(figure["data"])
