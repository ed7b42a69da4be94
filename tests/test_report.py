"""The report: everything the log holds, in one page that fetches nothing and runs nobody's text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from it_callbacks import cli
from it_callbacks.figures import CONFIG, DARK, KINDS, LIGHT
from it_callbacks.figures.script import plotly_script
from it_callbacks.figures.theme import of_depth, recoloured
from it_callbacks.findings import findings
from it_callbacks.quantities import OF_WIDE
from it_callbacks.report import report
from it_callbacks.report.card import run_card
from it_callbacks.report.markup import Html, json_script, script_body, table, tag
from it_callbacks.runs import Run

from .drawn_runs import from_log
from .known_run import PLANE, PREDICTIONS, SETTINGS, STEPS, WIDE, WIDE_SETTINGS, write_plane

LAYERS = ("fc1", "fc2")
VOID = {"meta", "link", "img", "br", "hr", "input", "base"}


class Page(HTMLParser):
    """A page as a browser takes it apart: which elements, with which attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.data: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        inside, attributes = self._open[-1] if self._open else ("", {})
        if inside != "script":
            self.texts.append((inside, data))
        elif attributes.get("type") == "application/json":
            self.data[str(attributes["id"])] = json.loads(data, parse_constant=_no_constant)
        else:
            self.scripts.append(data)

    def of(self, tag: str) -> list[str]:
        """The texts directly inside elements of this name."""
        return [text for inside, text in self.texts if inside == tag]

    @property
    def text(self) -> str:
        """All that is read on the page."""
        return " ".join(text for inside, text in self.texts if inside != "style")

    @property
    def figures(self) -> dict[str, Any]:
        """As they are drawn in a wide window."""
        return {id_: of["wide"] for id_, of in self.data.items() if id_.startswith("figure-")}


def _no_constant(name: str) -> None:
    pytest.fail(f"{name} is no JSON")


def run_of(
    name: str,
    scalars: Mapping[str, list[float]] = PLANE | PREDICTIONS,
    settings: Mapping[str, Any] = SETTINGS,
    **told: Any,
) -> Run:
    """A run of these scalars at `STEPS`."""
    values = {tag: list(zip(STEPS, of, strict=True)) for tag, of in scalars.items()}
    (run,) = from_log(name, values, {})
    return replace(run, settings={"information_plane/val": settings}, **told)


def page_of(*runs: Run) -> Page:
    return Page(report(runs))


@pytest.fixture(scope="module")
def page() -> Page:
    return page_of(
        run_of(
            "first",
            verdicts={"val": {"fc2": {"": "compressed by 1.25 bits (1.20 to 1.30) since epoch 1"}}},
            warnings=["layer 'fc1' is SATURATED: 75% of the samples have a code of their own"],
        )
    )


def test_a_narrow_figure_names_what_it_has_in_common_with_the_wide_one(page: Page) -> None:
    """Of the plane all but the names: the traces, and the frames between the first and the last."""
    plane = page.data["figure-0"]
    assert plane["narrow"]["data"] == list(range(len(plane["wide"]["data"])))
    n_frames = len(plane["wide"]["frames"])
    assert n_frames > 2
    assert plane["narrow"]["frames"][1:-1] == list(range(1, n_frames - 1))
    layouts = [plane[which]["layout"] for which in ("wide", "narrow")]
    assert [layout["width"] for layout in layouts] == [940, 350]


def test_of_plots_below_each_other_each_is_as_high_as_its_row_needs() -> None:
    """Those of two sets stand side by side on a wide page, and below each other on a phone."""
    of_test = {tag.replace("/val/", "/test/"): of for tag, of in PLANE.items()}
    plane = page_of(run_of("first", PLANE | of_test)).data["figure-0"]
    layouts = [plane[which]["layout"] for which in ("wide", "narrow")]
    assert [len({*map(str, domains(layout))}) for layout in layouts] == [1, 2]
    for layout, of_a_row in zip(layouts, (460, 380), strict=True):
        pads = layout["margin"]["t"] + layout["margin"]["b"]
        lower = min(high - low for low, high in domains(layout))
        assert lower * (layout["height"] - pads) > of_a_row - 110


def domains(layout: Mapping[str, Any]) -> list[list[float]]:
    return [of["domain"] for name, of in layout.items() if name.startswith("yaxis")]


def test_a_colour_of_lines_and_of_words_is_that_of_words_on_a_dark_page() -> None:
    """The first layer's is dark enough for words on a light page, and not on a dark one."""
    line = of_depth(0, 2)
    word = line.ink()
    assert line.of(LIGHT) == word.of(LIGHT)
    assert line.of(DARK) != word.of(DARK)
    for figure in ({"a": line, "b": word}, {"a": word, "b": line}):
        assert recoloured(figure, LIGHT, DARK) == {line.of(LIGHT): word.of(DARK)}


def cells(page: str) -> dict[str, list[str]]:
    """The rows of the first table of layers, by layer."""
    body = re.findall(r"<tbody>(.*?)</tbody>", page, flags=re.DOTALL)[0]
    rows = [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
    ]
    return {row[0]: row[1:] for row in rows}


def test_the_table_has_first_peak_and_last_with_quality_and_status() -> None:
    found = cells(report([run_of("a")]))
    assert found == {
        "fc1": [
            "SATURATED",
            *("6.00 → 6.00 (epoch 0) → 6.00", "–"),
            *("1.00 → 1.00 (epoch 0) → 1.00", "–"),
            "0.75",
            "–",  # NaN: chance is too high for an adjusted value
            "0.25",
            "0.75",
        ],
        "fc2": [
            "OK",
            *("1.00 → 3.50 (epoch 1) → 2.25", "2.25 to 2.75"),
            *("0.12 → 0.75 (epoch 2) → 0.75", "at least 0.50"),
            "0.03",
            "0.72",
            "1.00",
            "0.03",
        ],
    }


def test_each_ruler_has_its_own_verdict_in_a_row_of_its_own() -> None:
    """And what all of them say together is a third one."""
    finer = {f"information_plane/val/I_XT_uniform5/{layer}": [1.0, 1.5, 0.5] for layer in LAYERS}
    words = {"": "compressed by 0.54 bits", "uniform5": "cannot tell: saturated"}
    verdicts = {"val": {"fc2": {**words, "all rulers": "compressed (both bins)"}}}
    page = report([run_of("a", PLANE | finer, {**SETTINGS, "layers": []}, verdicts=verdicts)])
    body = page.split("has it compressed?")[1].split("</table>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("<tr>")[1:]]
    assert [[layer, verdict] for layer, _, verdict in rows] == [
        ["fc2", "compressed by 0.54 bits"],
        ["fc2", "cannot tell: saturated"],
        ["fc2", "compressed (both bins)"],
    ]
    assert [ruler for _, ruler, _ in rows][1:] == ["uniform5", "all rulers"]


def test_the_page_begins_with_what_was_found() -> None:
    run = run_of("a")
    page = page_of(run)
    assert page.of("h2")[0] == "What was found"
    sentences = [found.text for found in findings([run])]
    assert sentences
    assert page.of("li")[: len(sentences)] == sentences
    assert "What was found" not in page_of(Run("a", {})).of("h2")


def test_every_kind_of_figure_is_in_the_page(page: Page) -> None:
    """The plane in three views, through the layers and as a map, curves, predictions, classes."""
    assert len(page.figures) == 11
    kinds = [of["layout"]["meta"]["kind"] for of in page.figures.values()]
    assert set(kinds) == set(KINDS)
    assert page.data["config"] == CONFIG
    places = [of["data-figure"] for _, of in page.elements if "data-figure" in of]
    assert places == list(page.figures)
    captions = " ".join(page.of("figcaption"))
    for words in ("I(X;T) against I(T;Y)", "H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X)", "H(Ŷ|Y=c)"):
        assert words in captions


def test_the_plane_has_its_points_and_a_frame_for_each_step(page: Page) -> None:
    plane = page.figures["figure-0"]
    assert any(trace.get("x") == [1.0, 3.5, 2.25] for trace in plane["data"])
    assert [frame["name"] for frame in plane["frames"]] == ["quiet", "0", "10", "now"]
    assert len(plane["layout"]["sliders"][0]["steps"]) == 3


def test_numbers_of_the_set_warnings_verdicts_and_limits_are_in_words(page: Page) -> None:
    for words in (
        "N = 64 samples, log2 N = 6.00 bits; H(Y) = 1.00 bits",
        "layer 'fc1' is SATURATED: 75% of the samples have a code of their own",
        "compressed by 1.25 bits (1.20 to 1.30) since epoch 1",
        "An empty ring is saturated",
        "Compare a layer with itself over time",
    ):
        assert words in page.text


def test_the_settings_are_told_in_words_and_kept_as_json(page: Page) -> None:
    told = dict(zip(page.of("dt"), page.of("dd"), strict=True))
    assert told["samples"] == "64"
    assert told["measured on"] == "a probe"
    assert told["H(Y), bits"] == "1"
    assert "all units jointly" in page.of("td")
    assert "Uniform(bins=30, low=-1.0, high=1.0)" in page.of("td")
    assert "drop: a Dropout" in page.text
    assert json.loads(page.of("pre")[0]) == SETTINGS


def test_layers_without_values_stand_under_what_is_true_of_them() -> None:
    """A layer that was called in some batches is no layer that never was."""
    settings = {
        **SETTINGS,
        "missed": {"expert1": "was called for 40 of 64 samples"},
        "faults": {"fc3": "activations: 3 values are NaN"},
        "share_of_repeated_inputs": None,
        "max_samples": None,
    }
    page = page_of(run_of("a", settings=settings))
    folded = dict(zip(page.of("summary")[-4:], [*page.of("p"), ""][-4:], strict=True))
    assert folded["Not called in every batch"] == "expert1: was called for 40 of 64 samples"
    assert folded["Could not be read"] == "fc3: activations: 3 values are NaN"
    assert "Never called" not in page.text
    values = dict(zip(page.of("dt"), page.of("dd"), strict=True))
    assert values["share of repeated inputs"] == "not measured"
    assert values["sample limit"] == "none"


def test_a_run_without_warnings_says_so() -> None:
    assert "None was logged." in page_of(run_of("a")).text


def test_what_was_not_measured_has_no_section() -> None:
    headings = page_of(run_of("a", PREDICTIONS)).of("h2")
    assert "Predictions" in headings
    assert "Information plane" not in headings
    assert "Layers" not in headings


def test_repeats_have_mean_and_spread_first_and_stand_side_by_side() -> None:
    """fc2 ends at 2.25, 3.25 and 7.25: mean 4.25, standard deviation sqrt 7 = 2.65."""
    runs = [
        run_of(
            name,
            {
                **PLANE,
                "information_plane/val/I_XT/fc2": [
                    shift + x for x in PLANE["information_plane/val/I_XT/fc2"]
                ],
            },
        )
        for name, shift in (("a", 0.0), ("b", 1.0), ("c", 5.0))
    ]
    html = report(runs)
    assert cells(html)["fc2"][1] == "3.00 (sd 2.65) → 5.50 (sd 2.65) (epoch 1) → 4.25 (sd 2.65)"
    page = Page(html)
    assert page.of("h3")[:4] == ["mean of 3 runs · val", "a · val", "b · val", "c · val"]
    layout = json.dumps(page.figures["figure-0"]["layout"], ensure_ascii=False)
    assert all(f"{name} · val" in layout for name in ("mean of 3 runs", "a", "b", "c"))


def test_runs_that_are_no_repeats_have_no_mean() -> None:
    other = run_of(
        "b",
        {
            "information_plane/val/I_XT/conv": [1.0, 2.0, 3.0],
            "information_plane/val/I_TY/conv": [0.5, 0.5, 0.5],
        },
    )
    assert "mean of" not in page_of(run_of("a"), other).text


def test_further_resolutions_have_planes_and_tables_of_their_own() -> None:
    finer = {
        "information_plane/val/I_XT_uniform5/fc2": [1.0, 1.5, 0.5],
        "information_plane/val/I_TY_uniform5/fc2": [0.25, 0.25, 0.25],
    }
    settings = {**SETTINGS, "layers": []}
    page = page_of(run_of("a", PLANE | finer, settings))
    assert "The same with other bins (uniform5)" in page.of("summary")
    assert {"→ 1.50", "(epoch 1)", "→ 0.50"} <= set(page.of("span"))


def test_corrected_values_have_a_view_and_curves_with_their_interval(page: Page) -> None:
    """And where there are none, as of a whole population, there is neither."""
    view = "Corrected for the number of samples, with intervals"
    curve = "I(X;T), corrected: I(X;T) with what is unseen added, by Chao, Wang & Jost"
    assert {view, curve} <= set(page.of("summary"))
    uncorrected = {tag: of for tag, of in PLANE.items() if "_corrected/" not in tag}
    assert not {view, curve} & set(page_of(run_of("a", uncorrected)).of("summary"))


def test_no_run_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1 run"):
        report([])


# It fetches nothing.


def test_the_policy_allows_the_pages_own_scripts_and_no_network(page: Page) -> None:
    (policy,) = (
        str(of["content"])
        for _, of in page.elements
        if of.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert len(page.scripts) == 2
    digests = (hashlib.sha256(source.encode()).digest() for source in page.scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    assert directives["script-src"] == hashes
    assert set(directives) == {
        *("default-src", "script-src", "style-src", "img-src", "base-uri", "form-action")
    }
    assert directives["img-src"] == "data: blob:"


def test_the_page_names_no_address_outside_itself(page: Page) -> None:
    for name, attributes in page.elements:
        assert name not in {"link", "iframe", "object", "embed", "base", "form", "img"}
        assert not {"src", "srcset", "action"} & attributes.keys()
        assert str(attributes.get("href", "#")).startswith("#")
    assert not any("url(" in style or "@import" in style for style in page.of("style"))


def test_plotlys_own_script_is_in_the_page(page: Page) -> None:
    source = plotly_script()
    text = source.decode() if isinstance(source, bytes) else source
    assert page.scripts[0] == script_body(text)


# A name in a log is text, whatever it says.

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;<!--"


def test_hostile_names_are_text_wherever_they_stand() -> None:
    """Of runs, sets, layers, classes, settings, warnings and verdicts."""
    name = HOSTILE.replace("/", "∕")  # a tag has its own slashes
    settings = {
        **SETTINGS,
        "measured_on": HOSTILE,
        "layers": [{"tag": HOSTILE, "module": HOSTILE, "estimand": HOSTILE, "rulers": [HOSTILE]}],
        "skipped": {HOSTILE: HOSTILE},
        "missed": {HOSTILE: HOSTILE},
    }
    tags = {tag.replace("fc1", name): of for tag, of in (PLANE | PREDICTIONS).items()}
    tags |= {tag.replace("val", name): of for tag, of in tags.items()}
    hostile = run_of(
        HOSTILE,
        tags,
        settings,
        warnings=[HOSTILE],
        verdicts={
            "val": {name: {"": HOSTILE, HOSTILE: HOSTILE, "all rulers": HOSTILE}},
            name: {name: {name: HOSTILE}},
        },
    )
    calm = run_of(
        "calm",
        tags,
        settings,
        warnings=["w"],
        verdicts={"val": {name: {"": "v", HOSTILE: "v", "all rulers": "v"}}},
    )
    html = report([hostile])
    page = Page(html)
    assert {name for name, _ in page.elements} == {name for name, _ in page_of(calm).elements}
    assert len(page.scripts) == 2
    assert not any(name.startswith("on") for _, of in page.elements for name in of)
    assert HOSTILE in page.of("li")
    assert HOSTILE in page.of("dd")
    assert any(HOSTILE in text for text in page.of("h1"))
    for block in re.findall(
        r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL
    ):
        assert "<" not in block


@pytest.mark.parametrize(
    "settings",
    [
        {"layers": "none"},
        {"layers": [1, None, {"tag": 3, "rulers": "x", "tag_of_ruler": [1]}]},
        {"n_samples": "many", "H_Y": "much"},
        {"n_samples": -1, "H_Y": float("inf"), "classes": {"a": [1]}},
        {"n_samples": 10**400, "skipped": ["a"], "missed": 3},
        {"H_Y": True, "n_samples": False, "extra": [[["deep"]]]},
    ],
)
def test_settings_of_any_form_are_told(settings: dict[str, Any]) -> None:
    """A text entry in a log may be anybody's."""
    run = run_of("a", settings=settings)
    assert page_of(run).of("h1") == ["Information plane: a"]


def test_markup_escapes_all_but_what_it_has_made() -> None:
    assert (
        tag("p", "<b>", tag("i", "&"), title='"') == '<p title="&quot;">&lt;b&gt;<i>&amp;</i></p>'
    )
    assert '<th scope="row">&lt;</th><td>&gt;</td>' in table(["a"], [["<", ">"]])
    assert json_script({"a": "</script>"}, "i").count("</script>") == 1


@pytest.mark.parametrize("source", ['a = "</script>"', "a = '<!--<script>'", "a\r\nb\rc"])
def test_no_script_can_end_itself(source: str) -> None:
    body = script_body(source)
    assert "</script" not in body
    assert "<!--" not in body
    assert "\r" not in body  # which a browser would hash as a line feed


# From the command line.


def test_the_command_writes_the_page_of_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plane(
        tmp_path / "logs" / "a",
        **{
            "information_plane/val/warnings": ["layer 'fc1' is SATURATED"],
            "information_plane/val/verdicts": {"fc2": {"": "compressed"}},
        },
    )
    output = tmp_path / "report.html"
    assert cli.main(["report", str(tmp_path / "logs"), "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}: 1 run\n"
    html = output.read_text(encoding="utf-8")
    assert cells(html)["fc2"][1] == "1.00 → 3.50 (epoch 1) → 2.25"
    assert "compressed" in Page(html).of("td")
    assert "layer 'fc1' is SATURATED" in Page(html).of("li")


# Layers of any width.


def wide_run(**last_status: float) -> Run:
    """The known run at any width; `last_status` is that of layers in the code."""
    tags = {tag: dict(zip(STEPS, of, strict=True)) for tag, of in PLANE.items()} | WIDE
    for layer, status in last_status.items():
        tags[f"information_plane/val/status/{layer}"][STEPS[-1]] = status
    (run,) = from_log("a", {tag: list(of.items()) for tag, of in tags.items()}, {})
    return replace(run, settings={"information_plane/val": {**SETTINGS, "wide": WIDE_SETTINGS}})


def readings_of(page: Page) -> list[str]:
    """The readings of the planes, in their order."""
    layouts = (of["layout"] for of in page.figures.values())
    return [layout["meta"]["reading"] for layout in layouts if "sliders" in layout]


def test_the_reading_that_opens_is_shown_first_and_the_other_one_is_offered() -> None:
    page = page_of(wide_run())
    readings = [
        of["layout"]["meta"]["reading"] for of in page.figures.values() if "sliders" in of["layout"]
    ]
    assert readings[:2] == ["wide", "code"]
    assert "Another reading: binned code" in page.of("summary")
    assert "is how many inputs stay apart" in page.text
    assert "An empty ring is saturated" in page.text


def test_a_code_that_shows_more_layers_is_shown_first() -> None:
    run = wide_run(fc1=1)
    gone = {key: of for key, of in run.series.items() if key[::2] != ("V_TY", "fc2")}
    page = page_of(replace(run, series=gone))
    readings = [
        of["layout"]["meta"]["reading"] for of in page.figures.values() if "sliders" in of["layout"]
    ]
    assert readings[0] == "code"
    assert readings[-1] == "wide"
    assert "Another reading: any width" in page.of("summary")


def test_a_run_without_any_width_offers_no_other_reading(page: Page) -> None:
    assert not [text for text in page.of("summary") if "reading" in text]
    assert "stay apart" not in page.text


def test_without_labels_the_curve_of_the_reading_that_opens_is_open() -> None:
    run = wide_run()
    left = {key: of for key, of in run.series.items() if "TY" not in key.quantity}
    summaries = page_of(replace(run, series=left)).of("summary")
    assert not [text for text in summaries if text.startswith("I(X;T+σZ), σ")]
    assert [text for text in summaries if text.startswith("I(X;T): ")]
    assert not [text for text in page_of(replace(run, series=left)).of("th") if "Y)" in text]


def test_a_run_that_was_read_at_any_width_only_has_its_figures_and_its_table() -> None:
    run = wide_run()
    left = {key: of for key, of in run.series.items() if key.quantity in OF_WIDE}
    page = page_of(replace(run, series=left))
    assert readings_of(page) == ["wide"]
    assert {"Through the layers", "Heat map"} <= set(page.of("summary"))
    assert "I(X;T) first → peak → last" not in page.of("th")
    assert "I(X;T+σZ) first → peak → last" in page.of("th")
    assert "I(X;T+σZ)" in run_card(replace(run, series=left), "a", Html(""))


def test_a_view_without_values_is_a_line_with_its_reason() -> None:
    """Chance alone gives 1.9 of H(Y) = 2 bits at all points of both sets."""
    both = {
        tag.replace("/val/", f"/{set_}/"): [1.9] * 3 if "chance" in tag else of
        for tag, of in PLANE.items()
        for set_ in ("train", "val")
        if "corrected" not in tag and "adjusted" not in tag
    }
    run = run_of("a", both)
    settings = {f"information_plane/{set_}": {"H_Y": 2.0} for set_ in ("train", "val")}
    page = page_of(replace(run, settings=settings))
    assert "Adjusted for chance" not in page.of("summary")
    said = "points have no adjusted value, since chance alone gives nearly all of H(Y)."
    (line,) = [text for text in page.of("p") if text.startswith("Adjusted for chance: ")]
    assert line.endswith(said)
    views = {of["layout"]["meta"]["view"] for of in page.figures.values()}
    assert views == {"linear"}


def test_the_table_of_any_width_has_values_errors_status_and_cause() -> None:
    page = report([wide_run()])
    bodies = re.findall(r"<tbody>(.*?)</tbody>", page, flags=re.DOTALL)
    rows = [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", bodies[1], flags=re.DOTALL)
    ]
    of_fc1 = ["6.00 → 6.00 (epoch 0) → 4.50", "0.06", "-0.03 → 0.75 (epoch 2) → 0.75", "0.06"]
    of_fc2 = ["4.00 → 4.00 (epoch 0) → 2.50", "0.12", "0.12 → 0.50 (epoch 2) → 0.50", "0.03"]
    assert rows == [
        ["fc1", "CAUTION", *of_fc1, "one row holds 12 % of the spread"],
        ["fc2", "OK", *of_fc2, "–"],
    ]
    words = "Read at any width from 1024 samples; I(X;T+σZ) is at most 8.00 bits; H(Y) = 1.00 bits"
    assert words in page
