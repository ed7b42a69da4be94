"""Pictures: everything of a figure where the figure says, and nothing of the user's touched.

Figures are made by hand here, as `it_callbacks.figures` describes them to every page.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex, to_rgba

from it_callbacks import pictures
from it_callbacks.pictures.colours import greyed, rgba
from it_callbacks.pictures.trajectories import SYMBOLS

WHITE, DARK = "#ffffff", "#1e2125"
BLUE, RED = "#2c2080", "#ba463f"
HOSTILE = "a $x_1$ & <b>bold</b> \\frac{1}"
ESCAPED = "a $x_1$ &amp; &lt;b&gt;bold&lt;/b&gt; \\frac{1}"


# --- figures --------------------------------------------------------------------------------------


def traces_of(
    layer: str,
    x: list[float],
    y: list[float],
    epochs: list[Any],
    *,
    colour: str = BLUE,
    axis: str = "",
    lines: list[list[int]] | None = None,
    symbol: str = "circle",
    is_hollow: bool = False,
    set_: str = "val",
    background: str = WHITE,
) -> list[dict[str, Any]]:
    """A layer of a plane: lines through the points with those numbers, dots, ring and mark."""
    trace = {"type": "scatter", "xaxis": f"x{axis}", "yaxis": f"y{axis}"}

    def about(role: str) -> dict[str, Any]:
        number = int(axis or 1) - 1
        return {"layer": layer, "role": role, "panel": number, "run": "run", "set": set_}

    dash = {} if set_ == "val" else {"dash": "2px,3px"}
    found = [
        {
            **trace, "mode": "lines", "meta": about("line"),
            "x": [x[i] for i in of], "y": [y[i] for i in of],
            "line": {"color": rgb(colour, 0.75), "width": 2.0, "shape": "spline", **dash},
        }
        for of in (lines if lines is not None else [list(range(len(x)))])
    ]  # fmt: skip
    dots = {"size": [4.0] * len(x), "color": [colour] * len(x), "opacity": [0.5] * len(x)}
    found.append(
        {
            **trace, "mode": "markers", "meta": about("points"), "x": x, "y": y, "marker": dots,
            "customdata": [[epoch, 5 * i] for i, epoch in enumerate(epochs)],
        }
    )  # fmt: skip
    rim = {"color": colour if is_hollow else background, "width": 1.5}
    end = {"symbol": symbol, "size": 12, "color": background if is_hollow else colour, "line": rim}
    ring = {
        "symbol": "circle",
        "size": 7,
        "color": background,
        "line": {"color": colour, "width": 1},
    }
    for role, at, marker in (("start", 0, ring), ("end", -1, end)):
        one = {"x": [x[at]], "y": [y[at]], "marker": marker}
        found.append({**trace, "mode": "markers", "meta": about(role), **one})
    arrow = {"symbol": "arrow", "angleref": "previous", "size": [0, 9, 0], "color": colour}
    middle = [(a + b) / 2 for a, b in ((x[0], x[1]), (y[0], y[1]))]
    between = {"x": [x[0], middle[0], None], "y": [y[0], middle[1], None], "marker": arrow}
    return [*found, {**trace, "mode": "markers", "meta": about("arrow"), **between}]


def rgb(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def axes_of(n: int, x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    """So many panels side by side."""
    found = {}
    for number in range(n):
        name = str(number + 1) if number else ""
        domain = [number / n, (number + 0.9) / n]
        matches = [{"matches": "x"}, {"matches": "y", "showticklabels": False}]
        own = matches if number else [{}, {}]
        found[f"xaxis{name}"] = {"domain": domain, "anchor": f"y{name}", **x, **own[0]}
        found[f"yaxis{name}"] = {"domain": [0, 1], "anchor": f"x{name}", **y, **own[1]}
    return found


def note(text: str, x: float, y: float, xref: str = "x", yref: str = "y", **more: Any) -> Any:
    font = {"size": 12, "color": more.pop("color", "#5b6672")}
    return {
        "text": text, "x": x, "y": y, "xref": xref, "yref": yref, "showarrow": False, "font": font,
        **more,
    }  # fmt: skip


def figure_of(
    data: list[Any],
    *,
    kind: str = "plane",
    layers: tuple[str, ...] = (),
    annotations: Any = (),
    shapes: Any = (),
    background: str = WHITE,
    **axes: Any,
) -> dict[str, Any]:
    spans = {"x": {"range": [0, 10], "title": {"text": "kept apart: I(X;T), bits  →"}}}
    spans["y"] = {"range": [0, 4], "title": {"text": "found: V(T→Y), bits  →"}}
    layout = {
        "paper_bgcolor": background,
        "plot_bgcolor": background,
        "font": {"color": "#1f2933", "size": 13},
        "margin": {"l": 58, "r": 18, "t": 26, "b": 52},
        "annotations": list(annotations),
        "shapes": list(shapes),
        "meta": {
            "kind": kind, "names": {},
            "layers": [{"name": layer, "label": layer, "colour": BLUE} for layer in layers],
        },
        **(axes or axes_of(1, **spans)),
    }  # fmt: skip
    return {"data": data, "layout": layout, "frames": []}


def plane(n_layers: int = 2, n_panels: int = 1, **more: Any) -> dict[str, Any]:
    """Layers that end side by side, each named."""
    layers = tuple(f"net.fc{number}" for number in range(n_layers))
    data, names = [], []
    for panel in range(n_panels):
        axis = str(panel + 1) if panel else ""
        for number, layer in enumerate(layers):
            end = 4 + 4 * number / n_layers
            way = ([9, end + 0.5, end], [0.5, 2, 3 + 0.02 * number], [0, 1, 3])
            data += traces_of(layer, *way, colour=(BLUE, RED)[number % 2], axis=axis)
            names.append(note(f"fc{number}", end, 3 + 0.02 * number, f"x{axis}", f"y{axis}"))
    if n_panels > 1:
        spans = {"range": [0, 10], "title": {"text": "kept, bits"}}
        more |= axes_of(n_panels, spans, {"range": [0, 4], "title": {"text": "found, bits"}})
    return figure_of(
        data, layers=layers, annotations=[*names, *more.pop("annotations", ())], **more
    )


# --- what is read off a picture -------------------------------------------------------------------


def ways(axes: Any) -> list[LineCollection]:
    return [of for of in axes.collections if isinstance(of, LineCollection)]


def marks(axes: Any, size: float) -> list[Any]:
    """Lines of a single point, of one size."""
    return [line for line in axes.lines if line.get_markersize() == pytest.approx(size)]


def extent(words: Any) -> Any:
    """Where words are, in pixels, without their leader."""
    return matplotlib.text.Text.get_window_extent(words)


def ends_of(axes: Any) -> list[Any]:
    """The marks at the ends of ways, which lie over all else."""
    return [line for line in axes.lines if line.get_zorder() == 4]


def texts(picture: Any) -> list[str]:
    """All that is written and seen."""
    found = picture.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_text() and text.get_visible()]


def written(picture: Any, text: str) -> Any:
    (found,) = [t for t in picture.findobj(matplotlib.text.Text) if t.get_text() == text]
    return found


# --- ways -----------------------------------------------------------------------------------------


def test_a_way_grows_wider_and_stronger_towards_its_end() -> None:
    """Epochs 0, 1 and 3 are 0, a half and the whole of log time."""
    data = traces_of("fc", [9, 6, 4], [0.5, 2, 3], [0, 1, 3])
    (way,) = ways(pictures.draw(figure_of(data, layers=("fc",))).axes[0])
    assert [segment.tolist() for segment in way.get_segments()] == [
        [[9, 0.5], [6, 2]],
        [[6, 2], [4, 3]],
    ]
    assert way.get_linewidths() == pytest.approx([0.5 + 0.45, 0.5 + 0.9])
    assert way.get_colors()[:, 3] == pytest.approx([0.45 + 0.275, 1.0], abs=0.006)
    assert {to_hex(colour) for colour in way.get_colors()} == {BLUE}
    assert way.get_capstyle() == "round"


def test_age_is_by_step_where_epochs_are_not_known() -> None:
    """Steps 0, 5, 10, counted in fives: log 2 / log 3 of the way at the second."""
    data = traces_of("fc", [9, 6, 4], [0.5, 2, 3], ["", "", ""])
    (way,) = ways(pictures.draw(figure_of(data, layers=("fc",))).axes[0])
    assert way.get_linewidths() == pytest.approx([0.5 + 0.9 * np.log(2) / np.log(3), 1.4])


def test_no_line_leads_over_a_gap() -> None:
    """Points 2 and 3 are not joined; point 2, between two gaps, is a dot."""
    data = traces_of(
        "fc", [9, 7, 6, 5, 4], [1, 2, 3, 2, 1], [0, 1, 2, 3, 4], lines=[[0, 1], [3, 4]]
    )
    axes = pictures.draw(figure_of(data, layers=("fc",))).axes[0]
    assert [s.tolist() for s in ways(axes)[0].get_segments()] == [
        [[9, 1], [7, 2]],
        [[5, 2], [4, 1]],
    ]
    (alone,) = marks(axes, 1.8)
    assert alone.get_xydata().tolist() == [[6, 3]]


def test_a_ring_at_the_start_and_a_mark_with_a_rim_at_the_end() -> None:
    axes = pictures.draw(plane(1)).axes[0]
    (ring,), (end,) = marks(axes, 2.6), marks(axes, 4.6)
    assert ring.get_xydata().tolist() == [[9, 0.5]]
    assert to_hex(ring.get_markerfacecolor()) == WHITE
    assert to_hex(ring.get_markeredgecolor()) == BLUE
    assert end.get_xydata().tolist() == [[4, 3]]
    assert to_hex(end.get_markerfacecolor()) == BLUE
    assert to_hex(end.get_markeredgecolor()) == WHITE
    assert end.get_markeredgewidth() == 0.6


@pytest.mark.parametrize(("n_layers", "symbols"), [(12, list(SYMBOLS)), (13, ["o"] * 13)])
def test_layers_have_symbols_of_their_own_as_far_as_these_reach(
    n_layers: int, symbols: list[str]
) -> None:
    ends = ends_of(pictures.draw(plane(n_layers)).axes[0])
    assert [end.get_marker() for end in ends] == symbols
    assert len(set(SYMBOLS)) == 12


@pytest.mark.parametrize(("symbol", "n_dots"), [("circle", 0), ("circle-dot", 1)])
def test_an_end_that_cannot_be_trusted_is_empty(symbol: str, n_dots: int) -> None:
    """Saturated: the page's colour inside; caution: with a dot in the middle."""
    data = traces_of("fc", [9, 6], [1, 2], [0, 1], symbol=symbol, is_hollow=True)
    axes = pictures.draw(figure_of(data, layers=("fc",))).axes[0]
    (end,) = marks(axes, 4.6)
    assert to_hex(end.get_markerfacecolor()) == WHITE
    assert to_hex(end.get_markeredgecolor()) == BLUE
    assert len(marks(axes, 1.4)) == n_dots
    assert to_hex(ways(axes)[0].get_colors()[0]) == BLUE


def test_the_training_set_lies_dotted_below_and_has_no_symbol() -> None:
    fc1 = traces_of("fc1", [9, 6], [1, 2], [0, 1], set_="train")
    fc2 = traces_of("fc2", [9, 6], [2, 3], [0, 1], set_="train")
    validation = traces_of("fc2", [8, 5], [2, 3], [0, 1], colour=RED)
    axes = pictures.draw(figure_of([*fc1, *fc2, *validation], layers=("fc1", "fc2"))).axes[0]
    below, _, above = ways(axes)
    assert below.get_linewidths() == pytest.approx([0.75 * 1.4])
    assert above.get_linewidths() == pytest.approx([1.4])
    assert below.get_zorder() < above.get_zorder()
    assert below.get_linestyles()[0][1] is not None
    assert above.get_linestyles()[0][1] is None
    assert [end.get_marker() for end in marks(axes, 0.75 * 4.6)] == ["o", "o"]
    assert [end.get_marker() for end in marks(axes, 4.6)] == ["s"]


def test_ellipses_are_faint_inside_and_stronger_at_their_edge() -> None:
    ellipse = {
        "type": "scatter", "mode": "lines", "x": [1, 2, 1, 1], "y": [1, 1, 2, 1], "fill": "toself",
        "fillcolor": rgb(BLUE, 0.14), "line": {"color": rgb(BLUE, 0.55), "width": 1},
        "meta": {"layer": "fc", "role": "ellipse", "panel": 0, "run": "mean", "set": "val"},
    }  # fmt: skip
    data = [ellipse, *traces_of("fc", [9, 6], [1, 2], [0, 1])]
    axes = pictures.draw(figure_of(data, layers=("fc",))).axes[0]
    (area,), (edge, *_) = axes.patches, axes.lines
    assert area.get_facecolor() == pytest.approx(to_rgba(BLUE, 0.14))
    assert rgba(edge.get_color()) == pytest.approx(to_rgba(BLUE, 0.55))


def test_bars_are_drawn_where_all_points_have_one() -> None:
    """Those of the two ends alone are left to the page, where one can point at them."""
    way = traces_of("fc", [9, 6, 4], [1, 2, 3], [0, 1, 2])
    about = {**way[0]["meta"], "role": "bar"}
    for n, n_bars in ((3, 3), (2, 0)):
        bars = {"array": [0.5] * n, "arrayminus": [0.25] * n, "color": BLUE, "thickness": 1}
        points = {"x": [9, 6, 4][:n], "y": [1, 2, 3][:n], "marker": {"opacity": 0, "color": BLUE}}
        bar = {"type": "scatter", "mode": "markers", "meta": about, "error_x": bars, **points}
        axes = pictures.draw(figure_of([*way, bar], layers=("fc",))).axes[0]
        found = [
            s[:, 0].tolist() for of in ways(axes) for s in of.get_segments() if not np.ptp(s[:, 1])
        ]
        assert found == [[8.75, 9.5], [5.75, 6.5], [3.75, 4.5]][:n_bars]


def test_what_only_a_highlight_shows_is_not_drawn() -> None:
    way = traces_of("fc", [9, 6], [1, 2], [0, 1])
    hidden = {**way[0], "opacity": 0, "meta": {**way[0]["meta"], "role": "arrow"}}
    alone, both = (pictures.draw(figure_of(data, layers=("fc",))) for data in (way, [*way, hidden]))
    assert len(both.axes[0].get_children()) == len(alone.axes[0].get_children())


# --- names and words ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_layers", [1, 5, 12])
@pytest.mark.parametrize("inches", [(3.4, 2.6), (5.5, 3.2)])
def test_names_lie_inside_and_none_over_another_nor_over_an_end(
    n_layers: int, inches: tuple[float, float]
) -> None:
    picture = pictures.draw(plane(n_layers), width=inches[0], height=inches[1])
    (axes,) = picture.axes
    frame = axes.get_window_extent().padded(1)
    boxes = [extent(written(picture, f"fc{number}")) for number in range(n_layers)]
    ends = [axes.transData.transform(end.get_xydata()[0]) for end in ends_of(axes)]
    for box in boxes:
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1
        assert not any(box.contains(*end) for end in ends)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_name_that_stands_off_has_a_leader_and_a_near_one_has_none() -> None:
    """Four ends in one place: not all names are near it."""
    layers = ("a", "b", "c", "d")
    data = [trace for layer in layers for trace in traces_of(layer, [9, 5], [1, 2], [0, 1])]
    names = [note(f"hidden layer {layer}", 5, 2) for layer in layers]
    picture = pictures.draw(figure_of(data, layers=layers, annotations=names))
    found = [written(picture, f"hidden layer {layer}") for layer in layers]
    x, y = picture.axes[0].transData.transform((5, 2))
    off = []
    for name in found:
        box = extent(name)
        across, up = max(box.x0 - x, x - box.x1, 0), max(box.y0 - y, y - box.y1, 0)
        off.append(np.hypot(across, up) * 72 / picture.dpi)
    has_leader = [name.arrow_patch.get_visible() for name in found]
    order = np.argsort(off)
    assert sorted(has_leader) == [has_leader[number] for number in order]  # the near ones have none
    assert {True, False} == set(has_leader)
    assert {name.arrow_patch.get_linewidth() for name in found} == {0.5}


def test_names_can_be_left_out_and_spare_ones_are() -> None:
    assert {"fc0", "fc1"} <= set(texts(pictures.draw(plane(2))))
    assert not {"fc0", "fc1"} & set(texts(pictures.draw(plane(2), names=False)))
    figure = plane(2)
    figure["layout"]["annotations"][1]["opacity"] = 0
    assert {"fc0", "fc1"} & set(texts(pictures.draw(figure))) == {"fc0"}


def test_letters_have_the_sizes_of_print() -> None:
    word = note("H(Y) = 3.3: everything", 0, 3.3, xref="x domain", yanchor="bottom", xanchor="left")
    picture = pictures.draw(plane(annotations=[word]), title="Fold 3")
    assert written(picture, "kept apart: I(X;T), bits").get_fontsize() == 8
    assert written(picture, "Fold 3").get_fontsize() == 8
    assert written(picture, "fc0").get_fontsize() == 7
    assert {label.get_fontsize() for label in picture.axes[0].get_xticklabels()} == {7}
    assert written(picture, "H(Y) = 3.3").get_fontsize() == 6


def test_reference_lines_lie_below_at_their_value_with_a_word() -> None:
    line = {
        "type": "line",
        "layer": "below",
        "line": {"color": "#8a94a0", "width": 1, "dash": "dot"},
    }
    level = {"xref": "x domain", "x0": 0, "x1": 1, "yref": "y", "y0": 3.3, "y1": 3.3}
    upright = {"xref": "x", "x0": 2, "x1": 2, "yref": "y domain", "y0": 0, "y1": 1}
    axes = pictures.draw(plane(shapes=[{**line, **level}, {**line, **upright}])).axes[0]
    across, up = (line for line in axes.lines if line.get_xdata()[0] in (0, 2))
    assert across.get_xydata().tolist() == [[0, 3.3], [1, 3.3]]
    assert across.get_transform().transform((0, 3.3)) == pytest.approx(
        [axes.get_window_extent().x0, axes.transData.transform((0, 3.3))[1]]
    )
    assert up.get_transform().transform((2, 1)) == pytest.approx(
        [axes.transData.transform((2, 0))[0], axes.get_window_extent().y1]
    )
    assert across.get_zorder() < ways(axes)[0].get_zorder()


def test_words_of_a_line_stand_where_they_cover_least() -> None:
    """A way along the right half below the line, and the left end beyond the top: above, right."""
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 5],
        "y": [2.1, 2.1],
        "line": {"color": BLUE},
    }
    below = {**line, "x": [0, 10], "y": [1.9, 1.9]}
    word = note("H(Y)", 0, 2, xref="x domain", yanchor="bottom", xanchor="left")
    for data, corner in (([], "left"), ([line, below], "right")):
        picture = pictures.draw(figure_of(data, kind="through", annotations=[word]))
        found = written(picture, "H(Y)")
        assert (found.get_ha(), found.get_va()) == (corner, "bottom")
        assert found.xy == (float(corner == "right"), 2)


def test_numbers_at_an_axis_that_would_touch_are_left_out() -> None:
    x = {"range": [0, 10], "tickvals": [0, 1, 1.2, 10], "ticktext": ["0", "long 1", "long 2", "10"]}
    figure = figure_of([], **axes_of(1, x, {"range": [0, 1]}))
    shown = [
        t.get_text() for t in pictures.draw(figure).axes[0].get_xticklabels() if t.get_visible()
    ]
    assert shown == ["0", "long 2", "10"]


def test_what_a_caption_says_is_left_out_on_paper() -> None:
    """The line of keys, the word of a mark that lies outside, arrows and the bar of depths."""
    keys = note("ring: start", 0, 1, "paper", "paper", yanchor="bottom")
    outside = note("cap 8.02 →", 1, 0, "x domain", "y domain", xanchor="right")
    heading = note("<b>run · val</b>", 0, 1, "x domain", "y domain", yanchor="bottom")
    depth = {
        "type": "scatter", "mode": "markers", "x": [None], "y": [None],
        "meta": {"layer": None, "role": "points", "panel": 0, "run": "run", "set": "val"},
        "marker": {"color": [0], "cmin": 1, "cmax": 9, "showscale": True, "line": {},
                   "colorscale": [[0, BLUE], [1, RED]], "colorbar": {"title": {"text": "layer"}}},
    }  # fmt: skip
    figure = plane(annotations=[keys, outside, heading])
    figure["data"].append(depth)
    picture = pictures.draw(figure)
    assert len(picture.axes) == 1
    assert not {"ring: start", "cap 8.02 →", "run · val", "layer"} & set(texts(picture))
    assert not picture.legends
    assert not picture.axes[0].get_legend()
    assert not [t for t in picture.axes[0].texts if not t.get_text()]  # arrow heads
    shown = pictures.draw(figure, style="screen")
    assert {"ring: start", "cap 8.02 →", "run · val", "layer"} <= set(texts(shown))


def test_panels_side_by_side_have_titles_one_scale_and_one_axis_title() -> None:
    heads = [
        note(f"<b>{name}</b>", 0, 1, f"x{axis} domain", f"y{axis} domain", yanchor="bottom")
        for name, axis in (("val", ""), ("train", "2"))
    ]
    figure = plane(2, 2, annotations=heads)
    figure["layout"]["yaxis2"]["title"] = {"text": ""}
    left, right = pictures.draw(figure).axes
    assert left.get_position().x1 < right.get_position().x0
    assert left.get_position().y0 == pytest.approx(right.get_position().y0)
    assert left.get_ylim() == right.get_ylim() == (0, 4)
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["val", "train"]
    assert [left.get_ylabel(), right.get_ylabel()] == ["found, bits", ""]
    assert not right.yaxis.get_tick_params()["labelleft"]


def test_a_single_panel_of_curves_says_at_its_axis_what_it_shows() -> None:
    head = note("<b>found</b>, bits", 0, 1, "x domain", "y domain", yanchor="bottom")
    line = {"type": "scatter", "x": [0, 1], "y": [1, 2], "line": {"color": BLUE}}
    figure = figure_of([line], kind="curves", annotations=[head], **axes_of(1, {}, {}))
    (axes,) = pictures.draw(figure).axes
    assert axes.get_ylabel() == "found, bits"
    assert axes.get_title(loc="left") == ""


def test_names_beside_curves_keep_their_order_and_their_distance() -> None:
    ends = {"a": 1.0, "b": 1.01, "c": 1.02, "d": 3.0}
    names = [
        note(text, 1, end, xref="x domain", xanchor="left", showarrow=True, ax=16, ay=0)
        for text, end in ends.items()
    ]
    lines = [
        {"type": "scatter", "x": [0, 1], "y": [2, end], "line": {"color": BLUE}}
        for end in ends.values()
    ]
    picture = pictures.draw(figure_of(lines, kind="curves", annotations=names))
    boxes = [extent(written(picture, text)) for text in ends]
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
    assert all(box.x0 >= picture.axes[0].get_window_extent().x1 for box in boxes)
    assert all(box.x1 <= picture.get_size_inches()[0] * picture.dpi for box in boxes)
    at = picture.axes[0].transData.transform((0, 3.0))[1]
    assert (boxes[3].y0 + boxes[3].y1) / 2 == pytest.approx(at, abs=3)  # it has room where it is


def test_an_axis_title_that_is_too_long_has_more_lines() -> None:
    y = {
        "range": [0, 4],
        "title": {"text": "found about the label by linear readers: V(T→Y), bits"},
    }
    figure = figure_of(traces_of("fc", [9, 6], [1, 2], [0, 1]), layers=("fc",), **axes_of(1, {}, y))
    low, middle, high = (pictures.draw(figure, height=inches) for inches in (1.2, 2.4, 6.0))
    assert [p.axes[0].get_ylabel().count("\n") for p in (low, middle, high)] == [3, 1, 0]
    assert middle.axes[0].get_ylabel().endswith(":\nV(T→Y), bits")
    for picture in (low, middle, high):
        assert (
            picture.axes[0].yaxis.label.get_window_extent().height < 100 * picture.get_figheight()
        )


def test_names_are_written_as_they_are(tmp_path: Path) -> None:
    """Neither as mathematics nor as markup."""
    figure = figure_of(
        traces_of(HOSTILE, [9, 6], [1, 2], [0, 1]),
        layers=(HOSTILE,),
        annotations=[note(ESCAPED, 6, 2)],
    )
    for style in ("paper", "screen"):
        picture = pictures.draw(figure, title=HOSTILE, style=style)
        assert texts(picture).count(HOSTILE) == 2
        assert not any(text.get_parse_math() for text in picture.findobj(matplotlib.text.Text))
    pictures.save(figure, tmp_path / "plane.svg")
    assert "a $x_1$ &amp; &lt;b&gt;bold" in (tmp_path / "plane.svg").read_text(encoding="utf-8")


def test_letters_that_the_font_lacks_are_no_fault() -> None:
    """Warnings are errors in these tests."""
    assert pictures.pixels(plane(), title="层").any()


@pytest.mark.parametrize("style", ["paper", "screen"])
def test_a_figure_without_anything_says_why(style: str) -> None:
    why = note("no run<br>is chosen", 0.5, 0.5, "x domain", "y domain")
    picture = pictures.draw(figure_of([], annotations=[why]), style=style)
    assert "no run\nis chosen" in texts(picture)


# --- other figures --------------------------------------------------------------------------------


def heat_map(n_rows: int = 2, n_names: int = 2) -> dict[str, Any]:
    cells = {
        "type": "heatmap", "x": ["0", "1", "2.5"], "y": list(range(n_rows)), "xgap": 1, "ygap": 1,
        "z": [[1.0, 0.5, 0.25], *[[2.0, None, 0.0]] * (n_rows - 1)], "coloraxis": "coloraxis",
        "meta": {"layer": None, "role": "cell", "panel": 0, "run": "run", "set": "val"},
    }  # fmt: skip
    axes = axes_of(
        1,
        {
            "type": "category",
            "range": [-0.5, 2.5],
            "tickvals": ["0", "2.5"],
            "ticktext": ["0", "2½"],
        },
        {
            "range": [n_rows - 0.5, -0.5],
            "tickvals": list(range(n_names)),
            "ticktext": ["cat &amp; dog", "$cow$", *map(str, range(2, n_names))],
        },
    )
    bar = {"title": {"text": "bits"}, "tickvals": [0, 2], "ticktext": ["0", "2"], "len": 0.9}
    scale = {"colorscale": [[0, WHITE], [1, BLUE]], "cmin": 0, "cmax": 2, "colorbar": bar}
    last = [
        note(f"{number:.3f}", 1, number, xref="x domain", xanchor="left", xshift=6)
        for number in range(n_rows)
    ]
    return figure_of([cells], kind="classes", annotations=last, coloraxis=scale, **axes)


@pytest.mark.parametrize("style", ["paper", "screen"])
def test_a_heat_map_has_the_values_colours_and_names_of_its_rows(style: str) -> None:
    axes, bar = pictures.draw(heat_map(), style=style).axes
    (mesh,) = axes.collections
    values = np.ma.filled(mesh.get_array().astype(float), np.nan)
    np.testing.assert_allclose(values, [[1.0, 0.5, 0.25], [2.0, np.nan, 0.0]])
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 2)
    assert to_hex(mesh.cmap(mesh.norm(2.0))) == BLUE
    assert axes.get_ylim() == (1.5, -0.5)
    assert axes.get_xlim() == (-0.5, 2.5)
    assert axes.get_xticks().tolist() == [0, 2]
    assert mesh.get_coordinates()[0, :, 0].tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat & dog", "$cow$"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2½"]
    assert bar.get_title(loc="left") == "bits"
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0", "2"]


def test_values_beside_rows_are_thinned_where_rows_are_narrow() -> None:
    few = pictures.draw(heat_map(3))
    assert {"0.000", "1.000", "2.000"} <= set(texts(few))
    many = pictures.draw(heat_map(60), height=2.0)
    boxes = [t.get_window_extent() for t in many.axes[0].texts if t.get_visible()]
    assert 5 < len(boxes) < 30
    tall = boxes[0].height
    places = sorted(box.y0 for box in boxes)
    assert all(high - low >= 0.9 * tall - 1e-6 for low, high in itertools.pairwise(places))


def test_a_heat_map_of_many_names_is_higher() -> None:
    assert pictures.draw(heat_map(60)).get_size_inches()[1] == pytest.approx(2.6)
    assert pictures.draw(heat_map(60, 30)).get_size_inches()[1] == pytest.approx(0.7 + 0.12 * 30)


def test_stacked_areas_add_up_to_the_whole() -> None:
    """1.0 and 0.25 at the end; 1.25 in all."""
    data = [
        {"type": "scatter", "mode": "lines", "x": [0, 3], "y": y, "stackgroup": "one",
         "fillcolor": colour, "line": {"width": 0}}
        for y, colour in (([0.25, 1.0], BLUE), ([0.5, 0.25], RED))
    ]  # fmt: skip
    areas = pictures.draw(figure_of(data, kind="predictions")).axes[0].collections
    at_last = [
        sorted(set(v[v[:, 0] == 3][:, 1])) for v in (of.get_paths()[0].vertices for of in areas)
    ]
    assert at_last == [[0, 1], [1, 1.25]]
    assert [to_hex(of.get_facecolor()[0]) for of in areas] == [BLUE, RED]


def test_points_have_their_own_sizes_colours_and_rims() -> None:
    """As those of a line through all layers: a size of none, or full transparency, is no point."""
    trace = {
        "type": "scatter", "mode": "lines+markers", "x": [0, 1, 2, 3], "y": [1, 1, None, 3],
        "line": {"color": BLUE, "width": 2},
        "marker": {"size": [10, 20, 10, 0], "color": [BLUE, RED, RED, RED], "opacity": 0.5,
                   "line": {"color": WHITE, "width": 1}},
    }  # fmt: skip
    axes = pictures.draw(figure_of([trace], kind="through")).axes[0]
    (dots,) = [of for of in axes.collections if isinstance(of, PathCollection)]
    assert dots.get_offsets().tolist() == [[0, 1], [1, 1]]
    assert np.sqrt(dots.get_sizes()) == pytest.approx([5.5, 11])
    assert [to_hex(colour) for colour in dots.get_facecolor()] == [BLUE, RED]
    assert dots.get_facecolor()[:, 3] == pytest.approx([0.5, 0.5])
    assert {to_hex(colour) for colour in dots.get_edgecolor()} == {WHITE}
    assert axes.lines[0].get_linewidth() == pytest.approx(1.1)


# --- style, size and colours ----------------------------------------------------------------------


def test_on_a_screen_a_figure_looks_as_on_its_page() -> None:
    """Its 900 px are 7.2 in: 0.576 pt each; dots, arrows and grid are there."""
    figure = plane(2, background=DARK)
    for axis in ("xaxis", "yaxis"):
        figure["layout"][axis]["gridcolor"] = "#2c3137"
    picture = pictures.draw(figure, style="screen")
    (axes,) = picture.axes
    assert picture.get_size_inches().tolist() == pytest.approx([7.2, 7.2 * 560 / 900])
    assert to_hex(picture.get_facecolor()) == to_hex(axes.get_facecolor()) == DARK
    assert axes.get_position().x0 == pytest.approx(58 / 900)
    assert axes.get_position().y1 == pytest.approx(1 - 26 / 560)
    assert written(picture, "kept apart: I(X;T), bits  →").get_fontsize() == pytest.approx(
        13 * 0.576 * 0.9
    )
    dots = [of for of in axes.collections if isinstance(of, PathCollection)]
    assert np.sqrt(dots[0].get_sizes()) == pytest.approx([4 * 0.576] * 3)
    assert len([t for t in axes.texts if not t.get_text()]) == 2  # arrow heads
    assert {to_hex(line.get_color()) for line in axes.get_xgridlines()} == {"#2c3137"}
    narrow = pictures.draw(figure, style="screen", width=3.6)
    assert written(narrow, "kept apart: I(X;T), bits  →").get_fontsize() == pytest.approx(
        13 * 0.288 * 0.9
    )


def test_on_a_screen_notes_stand_as_many_pixels_off_as_on_the_page() -> None:
    off = note("far", 5, 2, ax=30, ay=-40, showarrow=True, standoff=6, arrowcolor=BLUE)
    near = note("near", 5, 2, xshift=10, yshift=20)
    picture = pictures.draw(plane(annotations=[off, near]), style="screen")
    assert written(picture, "far").get_position() == pytest.approx((30 * 0.576, 40 * 0.576))
    assert written(picture, "far").arrow_patch is not None
    assert written(picture, "near").get_position() == pytest.approx((10 * 0.576, 20 * 0.576))


@pytest.mark.parametrize(
    ("n_layers", "n_panels", "inches"),
    [(5, 1, (3.4, 2.6)), (13, 1, (5.5, 3.2)), (5, 2, (5.5, 2.42)), (5, 3, (7.2, 2.31))],
)
def test_a_picture_is_as_wide_as_a_column_or_more(
    n_layers: int, n_panels: int, inches: tuple[float, float]
) -> None:
    size = pictures.draw(plane(n_layers, n_panels)).get_size_inches()
    assert size.tolist() == pytest.approx(inches, abs=0.01)


@pytest.mark.parametrize("style", ["paper", "screen"])
def test_width_and_height_are_as_they_are_given(style: str) -> None:
    picture = pictures.draw(plane(), width=4.2, height=3.1, style=style)
    assert picture.get_size_inches().tolist() == [4.2, 3.1]
    image = pictures.pixels(plane(), dpi=100, width=4, height=3, style=style)
    assert image.shape == (300, 400, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [255, 255, 255]


def test_in_grey_there_are_no_colours_and_the_order_of_lightness_stays() -> None:
    picture = pictures.draw(plane(12), grey=True)
    for artist in [*ways(picture.axes[0]), *picture.axes[0].lines]:
        for colour in np.atleast_2d(matplotlib.colors.to_rgba_array(artist.get_color())):
            assert np.ptp(colour[:3]) == 0
    image = pictures.pixels(plane(12), grey=True)
    assert not np.ptp(image, axis=2).any()
    coloured = pictures.pixels(plane(12))
    assert np.ptp(coloured, axis=2).any()


def test_greys_have_the_luminance_of_what_they_stand_for() -> None:
    """Black, white and greys stay; pure green weighs .7152 of white, which sRGB calls 220."""
    found = greyed({"color": ["#000000", "#ffffff", "#808080", "#00ff00"], "text": "#00ff00"})
    assert found == {"color": ["#000000", "#ffffff", "#808080", "#dcdcdc"], "text": "#00ff00"}
    assert greyed({"fillcolor": "rgba(0, 255, 0, 0.5)"}) == {
        "fillcolor": "rgba(220, 220, 220, 0.5)"
    }
    scale = {"colorscale": [[0, "#000000"], [1, "#00ff00"]], "name": "#00ff00"}
    assert greyed(scale) == {"colorscale": [[0, "#000000"], [1, "#dcdcdc"]], "name": "#00ff00"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"style": "papr"}, "style: need one of paper, screen, got 'papr'; did you mean 'paper'?"),
        ({"width": 0}, "width: need a finite number > 0, got 0"),
        ({"height": float("nan")}, "height: need a finite number > 0, got nan"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=re.escape(error)):
        pictures.draw(plane(), **options)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_equal_figures_give_equal_files(tmp_path: Path, kind: str) -> None:
    start = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}[kind]
    files = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in files:
        pictures.save(plane(), path, title="both")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(start)


def test_a_pdf_is_small_and_has_its_fonts_inside_as_truetype(tmp_path: Path) -> None:
    """Publishers refuse type 3 fonts. 21 layers at 20 looks."""
    layers = tuple(f"block{number}" for number in range(21))
    data = []
    for number, layer in enumerate(layers):
        x = [9 - 0.3 * number - 0.07 * look for look in range(20)]
        y = [0.5 + 0.05 * number + 0.1 * look for look in range(20)]
        data += traces_of(layer, x, y, list(range(20)))
    pictures.save(figure_of(data, layers=layers), str(tmp_path / "plane.PDF"))
    held = (tmp_path / "plane.PDF").read_bytes()
    assert len(held) < 60_000
    assert b"/FontFile2" in held
    assert b"/Subtype /Type3" not in held
    assert b"/Subtype /Image" not in held
    assert b"CreationDate" not in held


def test_the_text_of_an_svg_is_text(tmp_path: Path) -> None:
    pictures.save(plane(), tmp_path / "plane.svg")
    held = (tmp_path / "plane.svg").read_text(encoding="utf-8")
    assert re.search(r"<text[^>]*>fc0</text>", held)
    assert "<image" not in held


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: need an ending of \.pdf, \.png, \.svg, got .*jpg"):
        pictures.save(plane(), tmp_path / "plane.jpg")
    assert not list(tmp_path.iterdir())


def test_a_users_own_style_does_not_reach_the_picture() -> None:
    """TeX, giant letters: what suits a user's own plots would spoil this one."""
    plain = pictures.pixels(plane())
    with matplotlib.rc_context({"font.size": 40, "axes.grid": True, "lines.linewidth": 9}):
        styled = pictures.pixels(plane())
    np.testing.assert_array_equal(plain, styled)


def test_nothing_of_the_users_is_touched(tmp_path: Path) -> None:
    """No pyplot, no setting, no backend chosen, no random number drawn; in either style."""
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
pictures.pixels(figure, style="screen")
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
        pictures.draw(plane())
