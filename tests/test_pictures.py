"""Pictures: everything of a figure where the figure says, and nothing of the user's touched."""

from __future__ import annotations

import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PathCollection

from it_callbacks import pictures
from it_callbacks.figures import (
    DARK,
    LIGHT,
    Panel,
    curves,
    entropies_by_class,
    information_plane,
    prediction_entropies,
)
from it_callbacks.runs import Key, Run

STEPS = (0, 5, 10, 15)
HOSTILE = "a $x_1$ & <b>bold</b> \\frac{1}"


def _run(name: str = "run", layers: tuple[str, ...] = ("fc1", "fc2"), **spread: Any) -> Run:
    """A plane of four points per layer, the first layer's first two saturated, and predictions."""
    series: dict[Key, dict[int, float]] = {}
    for number, layer in enumerate(layers):
        numbers = {
            "I_XT": (3.0, 4.0, 5.0, 4.5),
            "I_TY": (0.5, 1.0, 1.5, 1.55),
            "I_TY_chance": (0.1, 0.2, 0.3, 0.25),
            "I_TY_adjusted": (0.4, 0.9, 1.4, 1.45),
            "I_XT_corrected": (3.05, 4.1, math.nan, 4.5),
            "I_XT_low": (2.9, 3.9, math.nan, 4.2),
            "I_XT_high": (3.3, 4.3, math.nan, 5.0),
            "I_TY_low": (0.3, 0.8, math.nan, 1.3),
            "I_TY_high": (0.5, 1.0, math.nan, 1.5),
        }
        for quantity, values in numbers.items():
            shifted = [value - number / 4 for value in values]
            series[Key(quantity, "val", layer)] = dict(zip(STEPS, shifted, strict=True))
        codes = (2, 2, 1, 0) if not number else (0, 0, 0, 0)
        series[Key("status", "val", layer)] = dict(zip(STEPS, map(float, codes), strict=True))
    of_predictions = {
        ("prediction_entropy", "marginal"): (1.5, 1.5, 1.5, 1.5),
        ("prediction_entropy", "mean"): (1.0, 0.75, 0.5, 0.25),
        ("label_information", "soft"): (0.25, 0.5, 0.75, 1.0),
        ("conditional_entropy", "class_0"): (1.0, 0.5, 0.25, 0.0),
        ("conditional_entropy", "class_1"): (1.5, 1.0, math.nan, 0.5),
    }
    for (quantity, layer), values in of_predictions.items():
        series[Key(quantity, "val", layer)] = dict(zip(STEPS, values, strict=True))
    settings = {
        "information_plane/val": {
            "H_Y": 1.58, "n_samples": 1024, "layers": [{"tag": layer} for layer in layers],
        },
        "conditional_entropy/val": {"class_names": ["cat & <dog>", "$cow$"]},
    }  # fmt: skip
    return Run(name, series, dict(zip(STEPS, range(4), strict=True)), settings, **spread)


PANEL = Panel(_run(), "val")


def _points(axes: Any) -> list[Any]:
    return [drawn for drawn in axes.collections if isinstance(drawn, PathCollection)]


def _texts(picture: Any) -> list[str]:
    """All that is written on a picture."""
    return [text.get_text() for text in picture.findobj(matplotlib.text.Text) if text.get_text()]


def test_points_lie_where_the_figure_has_them() -> None:
    picture = pictures.draw(information_plane([PANEL]))
    first, second = _points(picture.axes[0])[:2]
    np.testing.assert_allclose(
        first.get_offsets(), [[3.0, 0.5], [4.0, 1.0], [5.0, 1.5], [4.5, 1.55]]
    )
    np.testing.assert_allclose(
        second.get_offsets(), [[2.75, 0.25], [3.75, 0.75], [4.75, 1.25], [4.25, 1.3]]
    )


def test_the_layers_are_joined_at_the_last_step() -> None:
    """The state that the figure starts in."""
    axes = pictures.draw(information_plane([PANEL])).axes[0]
    joined = [line.get_xydata().tolist() for line in axes.lines if len(line.get_xdata()) == 2]
    assert [[4.5, 1.55], [4.25, 1.3]] in joined


def test_saturated_points_are_hollow_and_others_are_not() -> None:
    first, second = _points(pictures.draw(information_plane([PANEL])).axes[0])[:2]
    assert first.get_facecolor()[:, 3].tolist() == [0, 0, 1, 1]
    assert second.get_facecolor()[:, 3].tolist() == [1, 1, 1, 1]
    assert first.get_edgecolor()[:, 3].tolist() == [1, 1, 1, 1]


def test_points_have_the_colour_of_their_epoch() -> None:
    """The first that of the scale's start, the last that of its end, as the colour bar says."""
    picture = pictures.draw(information_plane([PANEL]))
    colours = _points(picture.axes[0])[1].get_facecolor()
    assert matplotlib.colors.to_hex(colours[0]) == LIGHT.bits[0]
    assert matplotlib.colors.to_hex(colours[-1]) == LIGHT.bits[-1]
    bar = picture.axes[-1]
    assert bar.get_ylabel() == "epoch"
    assert bar.get_yticklabels()[0].get_text() == "0"


def test_layers_have_symbols_of_their_own_in_points_and_legend() -> None:
    """Colour is the epoch's; in grey the symbol still tells layers apart."""
    picture = pictures.draw(information_plane([PANEL]))
    first, second = (of.get_paths()[0].vertices for of in _points(picture.axes[0])[:2])
    assert first.shape != second.shape
    (legend,) = picture.legends
    shown = {entry.get_label(): entry.get_marker() for entry in legend.legend_handles}
    assert [shown["fc1"], shown["fc2"]] == ["o", "s"]
    (hollow,) = (e for e in legend.legend_handles if e.get_label().startswith("hollow"))
    assert hollow.get_markerfacecolor() == "none"


def test_reference_lines_and_their_labels_are_there() -> None:
    """H(Y) across, log2 N = 10 up."""
    axes = pictures.draw(information_plane([PANEL])).axes[0]
    lines = [
        [list(line.get_xdata()), list(line.get_ydata())]
        for line in axes.findobj(matplotlib.lines.Line2D)
    ]
    assert [[0, 1], [1.58, 1.58]] in lines
    assert [[10, 10], [0, 1]] in lines
    assert {"H(Y) = 1.58", "log₂ N = 10.00"} <= {text.get_text() for text in axes.texts}


def test_panels_stand_side_by_side_on_equal_axes() -> None:
    left, right = pictures.draw(information_plane([PANEL, Panel(_run("other"), "val")])).axes[:2]
    assert left.get_position().x1 < right.get_position().x0
    assert left.get_position().y0 == pytest.approx(right.get_position().y0)
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    assert [left.get_title(loc="left"), right.get_title(loc="left")] == ["run · val", "other · val"]
    assert left.get_xlabel() == right.get_xlabel() == "I(X;T), bits"
    assert [left.get_ylabel(), right.get_ylabel()] == ["I(T;Y), bits", ""]


def test_panels_without_a_range_of_their_own_have_one_scale() -> None:
    """Curves of a run that reaches 3 bits beside those of one that reaches 5."""
    low = Run("low", {Key("I_XT", "val", "fc"): {0: 1.0, 5: 3.0}}, {0: 0, 5: 1})
    left, right = pictures.draw(curves([Panel(low, "val"), PANEL], "I_XT")).axes[:2]
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[1] > 5


@pytest.mark.parametrize(("n_panels", "inches"), [(1, 3.5), (2, 7.2), (5, 7.2)])
def test_a_picture_is_as_wide_as_a_column_or_a_page(n_panels: int, inches: float) -> None:
    picture = pictures.draw(information_plane([PANEL] * n_panels))
    assert picture.get_size_inches()[0] == inches
    assert len(picture.axes) == n_panels + 1  # and the colour bar
    assert 2 < picture.get_size_inches()[1] < 7


def test_the_legend_takes_room_of_its_own() -> None:
    """With 50 layers too: the panel keeps its height, and nothing is written over it."""
    few = pictures.draw(information_plane([PANEL]))
    run = _run(layers=tuple(f"encoder.block{number}.mlp" for number in range(50)))
    many = pictures.draw(information_plane([Panel(run, "val")]))
    heights = [p.axes[0].get_window_extent().height / p.dpi for p in (few, many)]
    assert heights[1] == pytest.approx(heights[0], rel=0.2)
    assert many.legends[0].get_window_extent().y1 <= many.axes[0].get_tightbbox().y0


def test_each_layer_is_once_in_the_legend() -> None:
    picture = pictures.draw(information_plane([PANEL, Panel(_run("other"), "val")]))
    names = [text.get_text() for text in picture.legends[0].get_texts()]
    assert names == ["fc1", "fc2", "hollow: saturated", "layers joined"]


def test_hidden_layers_are_not_drawn() -> None:
    picture = pictures.draw(information_plane([PANEL], hidden=["fc1"]))
    assert "fc1" not in _texts(picture)
    assert not any([3.0, 0.5] in of.get_offsets().tolist() for of in _points(picture.axes[0]))


def test_intervals_reach_from_low_to_high() -> None:
    """Of the first layer at epoch 0: 2.9 to 3.3 around 3.05; where there is no value, none."""
    picture = pictures.draw(information_plane([PANEL], view="corrected", intervals=True))
    bars = [
        segment[:, 0].round(6).tolist()
        for of in picture.axes[0].collections
        if isinstance(of, matplotlib.collections.LineCollection)
        for segment in of.get_segments()
    ]
    assert [2.9, 3.3] in bars
    assert "2 of 8 points have no value in this view" in picture.axes[0].get_title(loc="left")


def test_stacked_areas_add_up_to_the_whole() -> None:
    """At the end: 1.0 of the labels, 0.25 beyond them, 0.25 open; 1.5 in all."""
    picture = pictures.draw(prediction_entropies([PANEL]))
    axes = picture.axes[0]
    tops = [of.get_paths()[0].vertices[:, 1].max() for of in axes.collections]
    assert tops[:2] == pytest.approx([1.0, 1.25])
    assert tops[2] == pytest.approx(1.5)
    at_last = [
        sorted(set(v[v[:, 0] == 3][:, 1].round(6)))
        for v in (of.get_paths()[0].vertices for of in axes.collections)
    ]
    assert at_last == [[0, 1], [1, 1.25], [1.25, 1.5]]
    assert axes.get_ylim()[0] == 0
    assert len(picture.legends[0].get_texts()) == 4


def test_a_band_lies_between_its_ends() -> None:
    axes = pictures.draw(curves([PANEL], "I_XT_corrected")).axes[0]
    band = axes.patches[0].get_xy()
    assert set(band[band[:, 0] == 1][:, 1].round(6)) == {3.9, 4.3}
    assert axes.lines[0].get_ydata()[1] == 4.1
    assert all(float(tick).is_integer() for tick in axes.get_xticks())  # no half epochs


def test_a_heat_map_has_the_values_and_names_of_the_classes() -> None:
    picture = pictures.draw(entropies_by_class([PANEL]))
    axes = picture.axes[0]
    (mesh,) = axes.collections
    values = np.ma.filled(mesh.get_array().astype(float), np.nan)
    np.testing.assert_allclose(values, [[1.0, 0.5, 0.25, 0.0], [1.5, 1.0, np.nan, 0.5]])
    assert axes.get_ylim() == (1.5, -0.5)  # class 0 on top
    assert axes.get_xlim() == (-0.5, 3.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat & <dog>", "$cow$"]
    assert picture.axes[1].get_ylim() == (0, 1.5)


@pytest.mark.parametrize("figure", [information_plane, prediction_entropies, entropies_by_class])
def test_a_figure_without_anything_says_so(figure: Any) -> None:
    picture = pictures.draw(figure([]))
    assert "no run is chosen" in _texts(picture)
    nothing = pictures.draw(figure([Panel(Run("run", {}), "val")]))
    assert any("logged of this set" in text for text in _texts(nothing))


def test_names_are_written_as_they_are(tmp_path: Path) -> None:
    """Neither as mathematics nor as markup, in a legend, a title and beside a heat map."""
    run = _run(HOSTILE, layers=(HOSTILE, "fc2"))
    picture = pictures.draw(information_plane([Panel(run, "val")]))
    assert picture.axes[0].get_title(loc="left") == f"{HOSTILE} · val"
    assert picture.legends[0].get_texts()[0].get_text() == HOSTILE
    assert not any(text.get_parse_math() for text in picture.findobj(matplotlib.text.Text))
    pictures.save(information_plane([Panel(run, "val")]), tmp_path / "plane.svg")
    assert "a $x_1$ &amp; &lt;b&gt;bold" in (tmp_path / "plane.svg").read_text(encoding="utf-8")


def test_letters_that_the_font_lacks_are_no_fault() -> None:
    """Warnings are errors in these tests."""
    assert pictures.pixels(information_plane([Panel(_run("层"), "val")])).any()


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_equal_figures_give_equal_files(tmp_path: Path, kind: str) -> None:
    start = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}[kind]
    files = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in files:
        pictures.save(information_plane([Panel(_run(), "val")]), path)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(start)


def test_a_pdf_has_its_fonts_inside_as_truetype(tmp_path: Path) -> None:
    """Publishers refuse type 3 fonts."""
    pictures.save(information_plane([PANEL]), str(tmp_path / "plane.PDF"))
    held = (tmp_path / "plane.PDF").read_bytes()
    assert b"/FontFile2" in held
    assert b"/Subtype /Type3" not in held
    assert b"CreationDate" not in held


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: need an ending of \.pdf, \.png, \.svg, got .*jpg"):
        pictures.save(information_plane([PANEL]), tmp_path / "plane.jpg")
    assert not list(tmp_path.iterdir())


def test_pixels_are_rows_of_colours() -> None:
    """A column at 160 dots per inch; in the corners the theme's background."""
    light, dark = (
        pictures.pixels(information_plane([PANEL], theme=theme)) for theme in (LIGHT, DARK)
    )
    assert light.dtype == np.uint8
    assert light.ndim == 3
    assert light.shape[1:] == (560, 3)
    assert light[0, 0].tolist() == [255, 255, 255]
    assert dark[0, 0].tolist() == [0x1E, 0x21, 0x25]
    assert pictures.pixels(information_plane([PANEL]), dpi=80).shape[1] == 280


def test_a_users_own_style_does_not_reach_the_picture() -> None:
    """TeX, giant letters: what suits a user's own plots would spoil this one."""
    plain = pictures.pixels(information_plane([PANEL]))
    with matplotlib.rc_context({"font.size": 40, "axes.grid": True, "lines.linewidth": 9}):
        styled = pictures.pixels(information_plane([PANEL]))
    np.testing.assert_array_equal(plain, styled)


def test_nothing_of_the_users_is_touched(tmp_path: Path) -> None:
    """No pyplot, no setting, no backend chosen, no random number drawn."""
    script = f"""
import sys, random, warnings
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
import matplotlib, numpy
from it_callbacks import pictures
from it_callbacks.figures import Panel, information_plane
from it_callbacks.runs import Key, Run
matplotlib.rcParams["font.size"] = 31
before, filters = dict(matplotlib.rcParams.copy()), list(warnings.filters)
states = random.getstate(), numpy.random.get_state()[1].tolist()
run = Run("run", {{Key(q, "val", "fc"): {{0: 1.0, 1: 2.0}} for q in ("I_XT", "I_TY")}})
figure = information_plane([Panel(run, "val")])
pictures.pixels(figure)
for kind in ("pdf", "png", "svg"):
    pictures.save(figure, {str(tmp_path)!r} + "/plane." + kind)
assert "matplotlib.pyplot" not in sys.modules
assert dict(matplotlib.rcParams.copy()) == before
assert warnings.filters == filters
assert states == (random.getstate(), numpy.random.get_state()[1].tolist())
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_matplotlib_is_loaded_when_something_is_drawn_and_not_before() -> None:
    script = "import sys, it_callbacks.pictures; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "matplotlib" else find(name, *a),
    )
    with pytest.raises(ImportError, match=re.escape("pip install 'it_callbacks[plot]'")):
        pictures.draw(information_plane([PANEL]))
