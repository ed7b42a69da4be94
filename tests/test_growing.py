"""Play in pages without our script: ways grow, and end as the figure was."""

from __future__ import annotations

import json
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from it_callbacks.figures import Request, draw, play
from it_callbacks.figures.axes import Figure
from it_callbacks.runs import Key

from .drawn_runs import panel, small, traces
from .test_plane_figure import many


def played() -> Figure:
    return play(draw(Request(), [panel(small())]))


def moving(figure: Figure, role: str, layer: str) -> int:
    """The number of a trace that moves."""
    (number,) = (
        n
        for n, trace in enumerate(figure["data"])
        if (trace["meta"]["role"], trace["meta"]["layer"]) == (role, layer)
    )
    return number


def test_a_moment_holds_what_came_before_it_and_no_more() -> None:
    figure = played()
    frame = next(frame for frame in figure["frames"] if frame["name"] == "10")
    at = dict(zip(frame["traces"], frame["data"], strict=True))
    assert at[moving(figure, "so far", "fc1")]["x"] == [5.0]  # up to where the head begins
    head = at[moving(figure, "head", "fc1")]
    assert (head["x"], head["y"]) == ([5.5, 5.0], [1.25, 1.0])  # the last three looks at least
    dots = figure["data"][moving(figure, "head", "fc1")]["marker"]["size"]
    assert (dots[0], set(dots[1:])) == (11, {0})  # the newest point comes first


def test_the_head_is_the_last_part_of_log_time() -> None:
    """At the last moment but one the way so far ends where the head begins."""
    figure = play(draw(Request(), [panel(many(1, 1000))]))
    last = figure["frames"][-2]
    at = dict(zip(last["traces"], last["data"], strict=True))
    so_far, head = (at[moving(figure, role, "layer0")] for role in ("so far", "head"))
    assert so_far["x"][-1] == head["x"][-1]
    assert 3 < len(head["x"]) < 20


def test_playing_hides_what_stands_still_and_the_end_shows_it_again() -> None:
    figure = played()
    quiet, *_, now = figure["frames"]
    n_still = min(moving(figure, "so far", layer) for layer in ("fc1", "fc2"))
    assert [part["opacity"] for part in quiet["data"][:n_still]] == [0] * n_still
    assert [part["opacity"] for part in now["data"][:n_still]] == [1] * n_still
    assert all(part["x"] == [] for part in now["data"][n_still:])
    named = figure["layout"]["meta"]["names"]
    for number, note in enumerate(quiet["layout"]["annotations"]):
        assert (note.get("opacity") == 0) == (str(number) in named)
    for before, after in zip(
        figure["layout"]["annotations"], now["layout"]["annotations"], strict=True
    ):
        assert after == {"opacity": 1, **before}
    assert all(trace["x"] == [] for trace in figure["data"][n_still:])


def test_the_slider_reaches_every_moment_and_starts_at_the_last() -> None:
    (slider,) = played()["layout"]["sliders"]
    assert [step["args"][0] for step in slider["steps"]] == [
        ["quiet", "0"],
        ["quiet", "10"],
        ["now"],
    ]
    assert slider["steps"][1]["label"] == "epoch 1, step 10"
    assert slider["active"] == 2
    play_button, pause = played()["layout"]["updatemenus"][0]["buttons"]
    assert play_button["args"][0] == ["quiet", "0", "10", "now"]
    assert pause["args"][0] == [None]


@pytest.mark.parametrize(("n_layers", "n_frames"), [(1, 40), (30, 40), (31, 20)])
def test_there_are_at_most_forty_moments_and_twenty_of_many_ways(
    n_layers: int, n_frames: int
) -> None:
    figure = play(draw(Request(), [panel(many(n_layers, 1000))]))
    assert 0.8 * n_frames < len(figure["frames"]) - 1 <= n_frames  # one frame is quiet
    assert go.Figure(figure)


def test_twenty_layers_of_a_thousand_epochs_are_small() -> None:
    """With all that a card can say of a point: chance, coverage, and a caution of every other."""
    run = many(20, 1000)
    more = {
        Key(name, "val", layer): {step: 0.25 + step % 77 / 100 for step in range(1000)}
        for layer in run.layers("I_XT", "val")
        for name in ("I_TY_chance", "coverage")
    }
    statuses = {
        key: {step: float(step // 3 % 2) for step in of} if key.quantity == "status" else of
        for key, of in run.series.items()
    }
    run = replace(run, series={**statuses, **more})
    figure = play(draw(Request(chance=True), [panel(run)]))
    (first, *_) = traces(figure, "points")
    assert "CAUTION" in json.dumps(first["customdata"])
    assert traces(figure, "chance") != []
    assert len(json.dumps(figure, separators=(",", ":"), allow_nan=False)) < 300_000


def test_what_only_a_highlight_shows_is_left_out() -> None:
    """A page without our script has none: of 20 layers six are named, and none has an arrow."""
    figure = play(draw(Request(), [panel(many(20, 100))]))
    assert traces(figure, "arrow") == []
    notes, meta = figure["layout"]["annotations"], figure["layout"]["meta"]
    assert [notes[int(n)]["text"] for n in meta["names"]] == [
        f"layer{n}" for n in (0, 4, 8, 11, 15, 19)
    ]
    assert meta["spare"] == []
    assert set(meta["names"].values()) == {f"layer{n}" for n in (0, 4, 8, 11, 15, 19)}
    hovered = {row[1] for row in traces(figure, "points")[0]["customdata"]}
    assert hovered == {
        int(step["args"][0][-1]) for step in figure["layout"]["sliders"][0]["steps"][:-1]
    } | {99}


def test_what_has_no_time_is_not_played() -> None:
    for figure in (draw(Request(), []), draw(Request(until=0), [panel(small())])):
        assert play(figure) == figure
