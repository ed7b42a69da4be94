"""Runs and sets share a plot only where they were measured alike; else they say why not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from it_callbacks.figures import DARK, LIGHT, Figure, Request, draw, panels
from it_callbacks.figures.spread import ellipse
from it_callbacks.figures.theme import contrast, of_depth, of_run
from it_callbacks.runs import Key, Run

from .drawn_runs import series, small, text_of, traces, way


def both_sets(
    n_layers: int = 2, n_train: int = 256, name: str = "a", label: str = "uniform5"
) -> Run:
    """A run whose validation and training sets have so many layers."""
    values = {
        Key(quantity, set_, f"fc{n}"): series(1.0, 2.0, 3.0 + n)
        for quantity in ("I_XT", "I_TY")
        for set_ in ("train", "val")
        for n in range(n_layers)
    }
    settings = {
        f"information_plane/{set_}": {
            "n_samples": n_samples,
            "layers": [
                {"tag": f"fc{n}", "tag_of_ruler": [""], "slugs": [slug]} for n in range(n_layers)
            ],
        }
        for set_, n_samples, slug in (("train", n_train, "uniform5"), ("val", 256, label))
    }
    return Run(name, values, {0: 0, 10: 1, 20: 2}, settings)


def drawn(runs: list[Run], **options: Any) -> Figure:
    request = Request(**options)
    return draw(request, panels(request, runs))


def shown(figure: Figure) -> list[tuple[str, str, str]]:
    return [(each["run"], each["set"], each["axis"]) for each in figure["layout"]["meta"]["panels"]]


def test_training_lies_below_validation_of_few_layers() -> None:
    figure = drawn([both_sets()])
    assert figure["layout"]["meta"]["arrange"] == "overlay"
    assert shown(figure) == [("a", "val", ""), ("a", "train", "")]
    training = [t for t in traces(figure, "line") if t["meta"]["set"] == "train"]
    validation = [t for t in traces(figure, "line") if t["meta"]["set"] == "val"]
    assert {t["line"].get("dash") for t in training} == {"2px,3px"}
    assert {t["line"].get("dash") for t in validation} == {None}
    assert training[-1]["line"]["width"] == pytest.approx(0.7 * validation[-1]["line"]["width"])
    assert training[-1]["line"]["color"].endswith("0.75)")
    assert "solid: val, dotted: train" in text_of(figure)
    named = figure["layout"]["meta"]["names"]
    assert sorted(named.values()) == ["fc0", "fc1"]


@pytest.mark.parametrize(
    "run",
    [both_sets(n_train=300), both_sets(label="uniform30"), both_sets(n_layers=7)],
    ids=["samples", "rulers", "layers"],
)
def test_sets_of_other_rulers_samples_or_many_layers_stand_side_by_side(run: Run) -> None:
    """log2 of 300 over 256 is .23 bits; seven layers would be a thicket."""
    figure = drawn([run])
    assert figure["layout"]["meta"]["arrange"] == "side"
    assert [axis for *_, axis in shown(figure)] == ["", "2"]


def test_about_as_many_samples_are_alike() -> None:
    """log2 of 280 over 256 is .13 bits."""
    assert drawn([both_sets(n_train=280)])["layout"]["meta"]["arrange"] == "overlay"


def test_what_was_not_measured_alike_is_never_laid_over_each_other() -> None:
    """Asked for or not; the figure says why, and above each plot stands its ruler."""
    figure = drawn([both_sets(label="uniform30")], arrange="overlay")
    assert figure["layout"]["meta"]["arrange"] == "side"
    assert "laid over each other: their rulers differ (uniform30 and uniform5)" in text_of(figure)
    assert "uniform30" in text_of(figure)
    assert "uniform5" in text_of(figure)
    runs = [both_sets(), both_sets(name="b", label="uniform30")]
    figure = drawn(runs, arrange="overlay")
    assert figure["layout"]["meta"]["arrange"] == "side"
    assert "runs are not laid over each other" in text_of(figure)
    figure = drawn(runs, arrange="mean")
    assert figure["layout"]["meta"]["arrange"] == "side"
    assert "these runs have no mean" in text_of(figure)
    assert len(shown(figure)) == 4


def test_what_cannot_be_arranged_says_the_true_reason() -> None:
    empty = drawn([both_sets(n_train=100)])["layout"]["meta"]["empty"]
    assert empty["overlay"] == (
        "validation and training are not laid over each other: "
        "they were read on 100 and 256 samples"
    )
    assert empty["mean"] == "a mean needs at least two runs"
    alike = drawn([both_sets()], name="map")["layout"]["meta"]
    assert alike["arrange"] == "side"
    assert alike["empty"]["overlay"] == "each heat map is of one run and set"
    assert "overlay" not in drawn([both_sets()])["layout"]["meta"]["empty"]
    assert drawn([both_sets()], name="curves")["layout"]["meta"]["arrange"] == "overlay"


def test_a_panel_without_a_point_at_the_moment_says_so() -> None:
    """Validation begins an epoch after training."""
    run = both_sets(n_train=100)
    late = {k: {s: v for s, v in of.items() if s or k.set != "val"} for k, of in run.series.items()}
    for name in ("plane", "through", "curves"):
        figure = drawn([replace(run, series=late)], name=name, until=0, width=1200)
        assert text_of(figure).count("not measured yet at epoch 0") == 1 + (name == "curves")
        # Plotly draws a plot, and the words in it, only if a trace is there.
        axes = {name[5:] for name in figure["layout"] if name.startswith("yaxis")}
        assert {trace["yaxis"][1:] for trace in figure["data"]} == axes


def test_runs_over_each_other_are_coloured_by_run_and_named_once() -> None:
    figure = drawn([small("a"), small("b")], arrange="overlay")
    meta = figure["layout"]["meta"]
    assert meta["arrange"] == "overlay"
    assert [(each["name"], each["run"]) for each in meta["layers"]] == [("a", True), ("b", True)]
    assert {axis for *_, axis in shown(figure)} == {""}
    colours = {
        t["meta"]["run"]: t["line"]["color"].rpartition(",")[0] for t in traces(figure, "line")
    }
    assert len(set(colours.values())) == 2
    notes = figure["layout"]["annotations"]
    named = {notes[int(n)]["text"]: run for n, run in meta["names"].items()}
    # Where there is room, the layers of the first run too; runs are named at the last one.
    assert named == {"a": "a", "b": "b", "fc1": "a"}
    assert "runs: named at fc2" in text_of(figure)
    assert len(traces(figure, "points", "fc1")) == 2


@pytest.mark.parametrize("n_runs", [11, 12])
def test_where_names_of_runs_fill_the_plot_few_or_no_layers_are_named(n_runs: int) -> None:
    run = small()
    third = {key._replace(layer="fc3"): points for key, points in run.series.items()}
    run = replace(run, series=run.series | third)
    figure = drawn([replace(run, name=f"run{n}") for n in range(n_runs)], arrange="overlay")
    assert len(figure["layout"]["meta"]["names"]) == 12


def test_thirty_runs_lie_over_each_other_and_more_are_counted() -> None:
    figure = drawn([small(f"run{n}") for n in range(32)], arrange="overlay")
    assert len({t["meta"]["run"] for t in figure["data"]}) == 30
    assert len(figure["layout"]["meta"]["names"]) - len(figure["layout"]["meta"]["spare"]) == 7
    assert "the first 30 runs; 2 more are not drawn" in text_of(figure)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colours_of_runs_stand_out_from_the_page_and_are_kept(theme: Any) -> None:
    colours = [of_run(number).of(theme) for number in range(30)]
    assert min(contrast(colour, theme.background) for colour in colours) >= 3
    assert len(set(colours)) == 30


def repeats(*shifts: float) -> list[Run]:
    found = []
    for number, shift in enumerate(shifts):
        moved = {
            key: {s: v + shift * (key.quantity == "I_XT") for s, v in of.items()}
            for key, of in small().series.items()
        }
        found.append(replace(small(f"seed{number}"), series=moved))
    return found


def test_repeats_are_a_mean_way_with_ellipses_and_few_single_ways() -> None:
    """Of 5, 6, 7 the mean is 6 and the standard deviation 1."""
    figure = drawn(repeats(0.0, 1.0, 2.0), arrange="mean")
    assert figure["layout"]["meta"]["arrange"] == "mean"
    assert way(figure, "fc1")["x"] == [6.0, 6.5, 7.0]
    assert way(figure, "fc1")["customdata"][0][2] == " sd 1.00"
    (around,) = traces(figure, "ellipse", "fc1")
    first = around["x"][: around["x"].index(None)]
    assert (min(first), max(first)) == (5.0, 7.0)
    assert around["x"].count(None) == 2  # between the three moments there are
    thin = [t for t in traces(figure, "line", "fc1") if t["line"]["width"] == 1]
    assert len(thin) == 3
    assert "line: mean of 3 runs" in text_of(figure)
    four = drawn(repeats(0.0, 1.0, 2.0, 3.0), arrange="mean")
    assert not [t for t in traces(four, "line") if t["line"]["width"] == 1]


def test_a_mean_of_one_run_says_that_it_needs_two() -> None:
    figure = drawn([small()], arrange="mean")
    assert "a mean needs at least two runs" in text_of(figure)
    assert way(figure, "fc1")["x"] == [5.0, 5.5, 6.0]


def test_an_ellipse_is_one_standard_deviation_in_every_direction() -> None:
    """Four corners of a square: variances 4/3, no covariance, so a circle."""
    xs, ys = ellipse([0, 0, 2, 2], [0, 2, 0, 2])
    radii = [math.hypot(x - 1, y - 1) for x, y in zip(xs, ys, strict=True)]
    assert radii == pytest.approx([math.sqrt(4 / 3)] * len(radii), abs=1e-3)
    assert (xs[0], ys[0]) == (xs[-1], ys[-1])
    xs, ys = ellipse([0, 2], [0, 2])  # on the diagonal, with variance 2 in each axis
    assert [x - y for x, y in zip(xs, ys, strict=True)] == pytest.approx([0] * len(xs), abs=1e-3)
    assert max(xs) == pytest.approx(1 + math.sqrt(2), abs=1e-3)


def test_plots_share_axes_with_titles_that_do_not_collide() -> None:
    figure = drawn([small(name) for name in "abcd"], width=1200, height=800)
    layout = figure["layout"]
    for number in (2, 3, 4):
        assert (layout[f"xaxis{number}"]["matches"], layout[f"yaxis{number}"]["matches"]) == (
            "x",
            "y",
        )
        assert layout[f"xaxis{number}"]["range"] == layout["xaxis"]["range"]
    assert layout["xaxis"]["domain"][1] < layout["xaxis2"]["domain"][0]
    inside = 800 - layout["margin"]["t"] - layout["margin"]["b"]
    between = (layout["yaxis"]["domain"][0] - layout["yaxis4"]["domain"][1]) * inside
    assert between >= 70  # ticks, a title, and the heading of the row below
    titled = [layout[f"yaxis{n}"]["title"]["text"] for n in ("", "2", "3", "4")]
    assert [bool(title) for title in titled] == [True, False, False, True]


def test_in_a_narrow_figure_plots_stand_below_each_other() -> None:
    figure = drawn([small("a"), small("b")], width=390, height=800)
    layout = figure["layout"]
    assert layout["xaxis"]["domain"] == layout["xaxis2"]["domain"] == [0.0, 1.0]
    assert layout["yaxis"]["domain"][0] > layout["yaxis2"]["domain"][1]


def test_networks_of_other_layers_have_the_whole_scale_each() -> None:
    """A layer that one of two sets lacks does not shift the colours of the others."""
    figure = drawn([small("a"), small("b", first="conv", second="head")])
    for layer, colour in (("fc1", 0), ("fc2", -1), ("conv", 0), ("head", -1)):
        (start,) = traces(figure, "start", layer)
        assert start["marker"]["line"]["color"] == LIGHT.depth[colour]
    run = both_sets(3)
    fewer = {key: of for key, of in run.series.items() if (key.set, key.layer) != ("train", "fc1")}
    figure = drawn([replace(run, series=fewer)], arrange="side")
    assert {t["marker"]["line"]["color"] for t in traces(figure, "start", "fc2")} == {
        LIGHT.depth[-1]
    }


def test_layers_that_only_one_run_has_keep_their_depth() -> None:
    """The second run has a layer before those that both share: it is the first of all."""
    one, other = (
        Run(
            name,
            {
                Key(quantity, "val", layer): series(1.0, 2.0, 3.0)
                for quantity in ("I_XT", "I_TY")
                for layer in layers
            },
            settings={"information_plane/val": {"layers": [{"tag": layer} for layer in layers]}},
        )
        for name, layers in (("a", ["fc1", "fc3"]), ("b", ["stem", "fc1", "fc2", "fc3"]))
    )
    for name in ("plane", "curves", "map"):
        figure = drawn([one, other], name=name, reading="code", arrange="side")
        layers = figure["layout"]["meta"]["layers"]
        assert [each["name"] for each in layers] == ["stem", "fc1", "fc2", "fc3"]
        assert [each["colour"] for each in layers] == [of_depth(n, 4).of(LIGHT) for n in range(4)]
