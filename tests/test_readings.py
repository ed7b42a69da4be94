"""The two readings of a plane: which one opens, and what layers of any width are drawn with."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from it_callbacks.figures import Figure, Request, draw, information_plane, needed, panels
from it_callbacks.runs import Key, Run

from .drawn_runs import from_log, panel, traces, way
from .known_run import PLANE, SETTINGS, STEPS, WIDE, WIDE_SETTINGS


def run_of(
    wide: dict[str, Any] | None = None, more: dict[str, dict[int, float]] | None = None
) -> Run:
    """The known run at any width, with other settings of that and with more values."""
    values = {tag: dict(zip(STEPS, of, strict=True)) for tag, of in PLANE.items()}
    values |= WIDE | (more or {})
    (run,) = from_log("a", {tag: list(of.items()) for tag, of in values.items()}, {})
    settings = SETTINGS | {"wide": WIDE_SETTINGS | (wide or {})}
    return replace(run, settings={"information_plane/val": settings})


def wide(run: Run, **options: Any) -> Figure:
    return information_plane([panel(run)], reading="wide", **options)


def lines(figure: Figure) -> dict[str, float]:
    """Where reference lines stand."""
    return {
        shape["name"]: shape["y0"] if shape["yref"] == "y" else shape["x0"]
        for shape in figure["layout"]["shapes"]
    }


def texts(figure: Figure) -> list[str]:
    return [note["text"].replace("<br>", " ") for note in figure["layout"]["annotations"]]


def opens_at(*runs: Run) -> str:
    return str(information_plane([panel(run) for run in runs])["layout"]["meta"]["reading"])


def without(run: Run, *quantities: str) -> Run:
    left = {key: of for key, of in run.series.items() if key.quantity not in quantities}
    return replace(run, series=left)


def changed(run: Run, quantity: str, layer: str, **at: float) -> Run:
    """The run with other values at the steps ``s0``, ``s10``, ``s20``."""
    key = Key(quantity, "val", layer)
    values = {**run.series[key], **{int(step[1:]): value for step, value in at.items()}}
    return replace(run, series={**run.series, key: values})


# Which reading opens. The known run has one of two layers saturated in the code, none at any width.


def test_the_reading_with_more_layers_at_their_last_point_opens() -> None:
    run = run_of()
    assert opens_at(run) == "wide"
    gone = changed(run, "V_TY", "fc1", s20=math.nan)
    both_gone = changed(gone, "V_TY", "fc2", s20=math.nan)
    assert opens_at(both_gone) == "code"  # one against none


def test_a_tie_opens_any_width() -> None:
    run = run_of()
    assert opens_at(changed(run, "status", "fc1", s20=1)) == "wide"  # two against two
    assert opens_at(changed(run, "relative_I_XT", "fc2", s20=math.nan)) == "wide"  # one against one


def test_only_the_last_point_of_a_layer_counts() -> None:
    """Both layers of the code could be read at first, and one at any width; at last it is 1 : 1."""
    run = changed(run_of(), "status", "fc1", s0=0, s10=0)
    run = changed(run, "V_TY", "fc2", s0=math.nan)
    assert opens_at(changed(run, "V_TY", "fc1", s20=math.nan)) == "wide"


def test_layers_of_all_panels_count_together() -> None:
    """Two layers against one and none, in two panels; then three against two in three of them."""
    code_only = without(run_of(), "relative_I_XT", "V_TY", "wide_status")
    readable = changed(code_only, "status", "fc1", s20=0)
    assert opens_at(code_only) == "code"
    assert opens_at(run_of(), code_only) == "wide"
    assert opens_at(run_of(), readable) == "code"


def test_what_only_the_code_has_opens_the_code() -> None:
    for options in ({"view": "adjusted"}, {"chance": True}):
        figure = information_plane([panel(run_of())], **options)  # type: ignore[arg-type]
        assert figure["layout"]["meta"]["reading"] == "code"


def test_labels_that_any_width_could_not_read_open_the_code() -> None:
    """Too few samples of a class give no V(T→Y): all layers saturated is still a plane."""
    run = changed(run_of(), "status", "fc2", s20=2)
    assert opens_at(without(run, "V_TY")) == "code"
    figure = wide(without(run, "V_TY"))
    assert any("but no V(T→Y): too few samples of a class" in text for text in texts(figure))


# What is drawn.


def test_points_are_those_of_any_width_and_none_of_the_code() -> None:
    figure = wide(run_of())
    assert (way(figure, "fc1")["x"], way(figure, "fc1")["y"]) == ([6.0, 4.5], [-0.0312, 0.75])
    assert (way(figure, "fc2")["x"], way(figure, "fc2")["y"]) == ([4.0, 2.5], [0.125, 0.5])
    title = figure["layout"]["xaxis"]["title"]["text"]
    assert title == "inputs kept apart: relative I(X;T), bits →"
    title = figure["layout"]["yaxis"]["title"]["text"]
    assert title == "found about the label: V(T→Y), bits →"
    assert (
        figure["layout"]["meta"]["summary"] == "any width: 2 layers · binned code: 1 of 2 readable"
    )
    assert go.Figure(figure)


def test_lines_stand_at_the_classes_the_cap_zero_and_the_label_entropy() -> None:
    """log2 of 4 classes; the cap and H(Y) are those of the settings."""
    figure = wide(run_of(), scale="zero")
    assert lines(figure) == {"log2 K": 2.0, "cap": 8.0, "0": 0.0, "H(Y)": 1.0}
    words = {"log₂ K = 2.00", "cap 8.00", "0: nothing", "H(Y) = 1.00: everything"}
    assert words <= set(texts(figure))
    low, high = figure["layout"]["xaxis"]["range"]
    assert (low, high) == (0.0, 8.24)
    assert figure["layout"]["yaxis"]["range"][0] < -0.03125
    assert "cap 8.00 →" in texts(wide(run_of()))


@pytest.mark.parametrize(
    ("noise", "cap", "drawn", "end"),
    [  # caps are 1 / (2 noise^2 ln 2) bits; the largest value of the known run is 6 bits
        (0.05, 288.539, {"log2 K": 2.0, "log2 N": 10.0}, 10.0),
        (0.3, 8.015, {"log2 K": 2.0, "cap": 8.015}, 8.015),
        (1.0, 0.721, {"cap": 0.721}, 6.0),
    ],
)
def test_the_axis_ends_just_above_the_largest_value_there_can_be_at_any_noise(
    noise: float, cap: float, drawn: dict[str, float], end: float
) -> None:
    run = run_of({"reading": f"WideReading(n_samples=1024, noise={noise})", "cap": cap})
    figure = wide(run, scale="zero")
    across = {name: at for name, at in lines(figure).items() if name not in ("0", "H(Y)")}
    assert across == drawn
    assert end < figure["layout"]["xaxis"]["range"][1] < 1.1 * end


def test_the_cap_is_a_line_unless_it_is_a_bit_beyond_what_the_samples_can_show() -> None:
    for n_samples, name in ((129, "cap"), (128, "log2 N"), (None, "cap")):
        figure = wide(run_of({"n_samples": n_samples}), scale="zero")
        assert ({"cap", "log2 N"} & lines(figure).keys()) == {name}


BOUND = "prediction_entropy/val/label_bound"


def test_the_last_label_bound_is_a_line() -> None:
    run = run_of(more={BOUND: {0: -7.0, 10: 0.5, 20: 0.875}})
    assert lines(wide(run))["label bound"] == 0.875
    assert "the predictions have at least 0.88" in texts(wide(run))


@pytest.mark.parametrize("last", [-7.0, 0.0, math.nan])
def test_a_label_bound_that_says_nothing_is_no_line(last: float) -> None:
    run = run_of(more={BOUND: {20: last}})
    assert "label bound" not in lines(wide(run))
    assert wide(run)["layout"]["yaxis"]["range"][0] > -1


def test_among_some_classes_the_limit_says_so_and_there_is_no_label_bound() -> None:
    run = run_of({"among": 50, "n_classes": 1000, "H_Y": 5.625}, {BOUND: {20: 0.875}})
    figure = wide(run, scale="zero")
    assert lines(figure) == {"cap": 8.0, "0": 0.0, "H(Y)": 5.625}  # log2 1000 is beyond the cap
    assert "H(Y) = 5.62 among 50 of 1000 classes" in texts(figure)
    assert "among 50 of 1000 classes" in way(figure, "fc1")["meta"]["about"]


def test_plots_of_different_classes_say_so_above_each() -> None:
    some = run_of({"among": 50, "n_classes": 1000, "H_Y": 5.625})
    figure = information_plane([panel(some), panel(run_of())], reading="wide")
    above = [text for text in texts(figure) if text.startswith("<b>a · val</b>")]
    assert "1024 samples; among 50 of 1000 classes<" in above[0]
    assert "1024 samples<" in above[1]


def test_hovering_says_the_upper_bound_and_why_to_be_cautious() -> None:
    figure = wide(run_of({"layers": {"fc1": {"caution": "<b>few</b> samples"}}}))
    assert [row[-1] for row in way(figure, "fc1")["customdata"]] == [
        "<br>I(X;T) at most 7.00",
        "<br>I(X;T) at most 5.25<br>◉ CAUTION: &lt;b&gt;few&lt;/b&gt; samples",
    ]
    assert "epoch %{customdata[0]}" in way(figure, "fc1")["hovertemplate"]
    assert "inputs kept apart  <b>%{x:.2f}</b>" in way(figure, "fc1")["hovertemplate"]


def test_a_layer_of_fewer_samples_says_so_and_its_values_are_of_these() -> None:
    run = run_of({"layers": {"fc1": {"samples": 900}, "fc2": {"samples": 1024}}})
    figure = wide(run)
    assert "n 900" in way(figure, "fc1")["meta"]["about"]
    assert "n 1024" in way(figure, "fc2")["meta"]["about"]
    counts = [run.n_samples(Key("V_TY", "val", layer)) for layer in ("fc1", "fc2", "others")]
    assert counts == [900, 1024, 1024]


def test_the_axis_names_the_noise_that_was_added_where_it_is_unusual() -> None:
    figure = wide(run_of({"reading": "WideReading(n_samples=1024, noise=0.5)"}))
    title = "inputs kept apart: relative I(X;T), σ = 0.5 of spread, bits →"
    assert figure["layout"]["xaxis"]["title"]["text"] == title


def test_bars_are_1_96_standard_errors() -> None:
    (trace,) = traces(wide(run_of()), "bar", "fc1")
    for axis, errors in (("error_x", (0.125, 0.0625)), ("error_y", (0.03125, 0.0625))):
        assert trace[axis]["symmetric"]
        assert trace[axis]["array"] == pytest.approx([1.96 * e for e in errors], abs=1e-4)
    assert way(wide(run_of()), "fc1")["customdata"][1][2] == " ± 0.12"


def test_a_curve_of_any_width_has_a_band_of_1_96_standard_errors() -> None:
    figure = draw(Request("curves", quantity="V_TY"), [panel(run_of())])
    (first, _) = (trace for trace in figure["data"] if trace.get("fill"))
    low, high = ([y + sign * 1.96 * e for y, e in ((-0.03125, 0.03125), (0.75, 0.0625))]
                 for sign in (-1, 1))  # fmt: skip
    assert first["y"] == pytest.approx([*low, *reversed(high)], abs=1e-6)


def test_a_curve_says_with_which_rulers_or_from_how_many_samples_it_was_read() -> None:
    for quantity, said in (("V_TY", True), ("spread", True), ("I_TY", False)):
        figure = draw(Request("curves", quantity=quantity), [panel(run_of())])
        assert any("1024 samples" in text for text in texts(figure)) == said


def test_a_point_that_is_missing_where_others_were_read_is_a_gap() -> None:
    """Not finite, so not logged: `wide_epoch` says that it was due."""
    tags = {tag: dict(of) for tag, of in WIDE.items()}
    del tags["information_plane/val/V_TY/fc2"][20]
    (run,) = from_log("a", {tag: list(of.items()) for tag, of in tags.items()}, {})
    found = run.series[Key("V_TY", "val", "fc2")]
    assert found[0] == 0.125
    assert math.isnan(found[20])
    assert run.epochs == {0: 0, 20: 2}


@pytest.mark.parametrize("odd", [math.nan, "2", None, 10**400, [2.0], True, -3])
def test_settings_of_strangers_draw_one_line_and_raise_nothing(odd: Any) -> None:
    strange = dict.fromkeys(("n_samples", "n_classes", "among", "layers", "reading"), odd)
    figure = wide(run_of(strange | {"cap": "8", "H_Y": [1]}))
    assert lines(figure) == {"0": 0.0}
    for settings in (odd, {"layers": {"fc1": odd}}, {"layers": {"fc1": {"caution": odd}}}):
        run = replace(run_of(), settings={"information_plane/val": {"wide": settings}})
        assert lines(wide(run)) == {"0": 0.0}


# What is refused, and what is read.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reading": "widest"}, r"reading: need one of code, wide, got 'widest'.*'wide'"),
        ({"reading": "wide", "view": "corrected"}, r"view: got 'corrected', which only the binned"),
        ({"reading": "wide", "resolution": 1}, r"resolution: got 1, which only the binned code"),
        ({"reading": "wide", "chance": True}, r"chance: got True, which only the binned code"),
    ],
)
def test_a_reading_refuses_what_it_does_not_have(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        information_plane([panel(run_of())], **options)


def test_a_plane_reads_both_readings_to_say_how_many_layers_each_can_read() -> None:
    run = run_of(more={BOUND: {20: 0.5}})

    def read(**options: Any) -> set[str]:
        request = Request(**options)
        return {key.name for key in needed(request, panels(request, [run]))["a"]}

    ends = {f"I_{of}_{end}" for of in ("XT", "TY") for end in ("low", "high")}
    both = {"I_XT", "I_TY", "I_TY_chance", "status", "coverage", "I_XT_corrected", "I_TY_adjusted"}
    both |= {"relative_I_XT", "relative_I_XT_high", "V_TY", "wide_status"}
    both |= {"prediction_entropy/label_bound"}
    errors = {"relative_I_XT_se", "V_TY_se"}
    assert read(reading="code") == both | ends
    assert read(reading="wide") == both | errors
    assert read() == both | errors | ends
