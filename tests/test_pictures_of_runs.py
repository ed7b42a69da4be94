"""Every kind of figure of a run has a picture, in both styles, in which its values are found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from it_callbacks import pictures
from it_callbacks.figures import DARK, KINDS, Panel, Request, draw
from it_callbacks.runs import Key, Run

LAYERS = ("net.fc1.relu", "net.fc2.relu", "net.out")
STEPS = (0, 5, 10, 15)


def run(name: str = "run", shift: float = 0.0, status: Sequence[int] = (0, 0, 0)) -> Run:
    """Three layers that go left and up, their status at the end, and predictions of two classes."""
    series: dict[Key, dict[int, float]] = {}

    def add(quantity: str, layer: str, values: Sequence[float], set_: str = "val") -> None:
        series[Key(quantity, set_, layer)] = dict(zip(STEPS, values, strict=True))

    for number, layer in enumerate(LAYERS):
        for set_, more in (("val", 0.0), ("train", 0.125)):
            x = [6 - number + shift, 5 - number, 4.5 - number, 4 - number + shift]
            y = [0.5 + more, 1 + more, 1.5 + more, 2 + more + number / 8]
            add("relative_I_XT", layer, x, set_)
            add("V_TY", layer, y, set_)
            add("V_TY_se", layer, [0.0625] * 4, set_)
            add("wide_status", layer, [0, 0, 0, status[number]], set_)
    add("prediction_entropy", "marginal", (1.0, 1.0, 1.0, 1.0))
    add("prediction_entropy", "mean", (0.75, 0.5, 0.25, 0.125))
    add("label_information", "soft", (0.125, 0.25, 0.5, 0.75))
    add("conditional_entropy", "class_0", (0.75, 0.5, 0.25, 0.125))
    add("conditional_entropy", "class_1", (1.0, 0.75, math.nan, 0.5))
    wide = {"H_Y": 3.0, "cap": 8.0, "n_samples": 512, "layers": {}}
    settings = {
        f"information_plane/{set_}": {"H_Y": 3.0, "n_samples": 512, "wide": wide}
        for set_ in ("val", "train")
    }
    return Run(name, series, dict(zip(STEPS, range(4), strict=True)), settings)


def picture(request: Request, *panels: Panel, style: str = "paper", **more: Any) -> Any:
    return pictures.draw(draw(request, panels), style=style, **more)


def ends(axes: Any) -> list[list[float]]:
    return [line.get_xydata()[0].tolist() for line in axes.lines if line.get_zorder() == 4]


def texts(picture: Any) -> list[str]:
    found = picture.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_text() and text.get_visible()]


@pytest.mark.parametrize(
    ("style", "theme"),
    [
        ("paper", None),
        ("screen", DARK),
        pytest.param("paper", DARK, marks=pytest.mark.slow),
        pytest.param("screen", None, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_a_picture_in_both_styles_and_without_anything(
    kind: str, style: str, theme: Any
) -> None:
    request = Request(kind) if theme is None else Request(kind, theme=theme)
    full = picture(request, Panel(run(), "val"), style=style)
    assert any(axes.lines or axes.collections for axes in full.axes)
    for panels in ([], [Panel(Run("run", {}), "val")]):
        empty = pictures.draw(draw(request, panels), style=style)
        assert any(len(text.split()) > 2 for text in texts(empty))  # a word why
    side = pictures.pixels(
        draw(request, [Panel(run(), "val"), Panel(run("b"), "val")]), style=style
    )
    assert np.ptp(side) > 100


def test_ways_end_at_the_last_values_of_their_layers() -> None:
    axes = picture(Request("plane"), Panel(run(), "val")).axes[0]
    assert ends(axes) == [[4, 2], [3, 2.125], [2, 2.25]]
    ways = [of for of in axes.collections if isinstance(of, LineCollection)]
    assert [len(of.get_segments()) for of in ways] == [3, 3, 3]
    # Of epochs 0 to 3: log 2, log 3 and log 4, over log 4.
    assert ways[0].get_linewidths() == pytest.approx(
        [0.5 + 0.9 * math.log(epoch + 1, 4) for epoch in (1, 2, 3)]
    )
    assert {"fc1", "fc2", "out"} <= set(texts(axes.figure))


def test_a_saturated_layer_has_an_empty_mark_and_one_of_caution_a_dot() -> None:
    axes = picture(Request("plane"), Panel(run(status=(2, 1, 0)), "val")).axes[0]
    inside = [line.get_markerfacecolor() for line in axes.lines if line.get_zorder() == 4]
    assert [matplotlib.colors.to_hex(colour) == "#ffffff" for colour in inside] == [
        True,
        True,
        False,
    ]
    (dot,) = [line for line in axes.lines if line.get_markersize() == 1.4]
    assert dot.get_xydata().tolist() == [[3, 2.125]]


def test_the_training_set_is_dotted_below() -> None:
    both = [Panel(run(), set_) for set_ in ("train", "val")]
    (axes,) = picture(Request("plane", arrange="overlay"), *both).axes
    ways = [of for of in axes.collections if isinstance(of, LineCollection)]
    assert sorted(of.get_linestyles()[0][1] is not None for of in ways) == [False] * 3 + [True] * 3
    assert ends(axes) == [[4, 2], [3, 2.125], [2, 2.25]]


def test_a_mean_of_repeats_has_an_ellipse_at_its_end() -> None:
    """At x of -1, 0 and 1 around the mean, one standard deviation is 1 to either side."""
    repeats = [Panel(run(str(shift), shift), "val") for shift in (-1.0, 0.0, 1.0)]
    (axes,) = picture(Request("plane", arrange="mean"), *repeats).axes
    assert ends(axes) == [[4, 2], [3, 2.125], [2, 2.25]]
    outlines = [patch.get_xy() for patch in axes.patches]
    at_end = [o for o in outlines if o[:, 1].mean() == pytest.approx(2, abs=1e-3)]
    assert [at_end[0][:, 0].min(), at_end[0][:, 0].max()] == pytest.approx([3, 5], abs=0.02)


def test_runs_over_each_other_have_a_symbol_each() -> None:
    two = [Panel(run(name, shift), "val") for name, shift in (("a", 0.0), ("b", 0.5))]
    (axes,) = picture(Request("plane", arrange="overlay"), *two).axes
    marks = [line.get_marker() for line in axes.lines if line.get_zorder() == 4]
    assert sorted(marks) == ["o"] * 3 + ["s"] * 3
    assert {"a", "b"} <= set(texts(axes.figure))


def test_classes_and_the_map_have_the_names_of_their_rows() -> None:
    classes = picture(Request("classes"), Panel(run(), "val"))
    assert [t.get_text() for t in classes.axes[0].get_yticklabels()] == ["1", "0"]  # 1 is less sure
    assert {"0.500", "0.125"} <= set(texts(classes))
    layers = picture(Request("map"), Panel(run(), "val"))
    assert [t.get_text() for t in layers.axes[0].get_yticklabels()] == ["fc1", "fc2", "out"]
    (mesh,) = layers.axes[0].collections
    assert mesh.get_array()[:, -1].tolist() == [2, 2.125, 2.25]


def test_letters_of_names_keep_their_size_where_the_picture_is_larger() -> None:
    for inches in (3.4, 7.0):
        found = picture(Request("plane"), Panel(run(), "val"), width=inches)
        (name,) = [t for t in found.findobj(matplotlib.text.Text) if t.get_text() == "fc1"]
        assert name.get_fontsize() == 7
