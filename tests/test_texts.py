"""Texts of a log: Markdown that shows names as they are, and JSON that gives them back."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.plugin_util import markdown_to_safe_html

from it_callbacks.texts import from_text, layers, settings, to_text

HOSTILE = [
    *("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "&amp; &lt;"),
    *("`code` **bold** _it_ [link](javascript:alert(3))", "![i](x)", "<http://a.b>"),
    *("| a | b |", "---", "===", "~~~", ":---:", "1. one", "12) twelve", "- x", "+ y"),
    *("> q", "# h", "C:\\windows", "\\*", "The same as JSON:", "слой ☃ 层", "    indented"),
]
LAYER = {"tag": "fc", "estimand": "all units jointly", "rulers": ["Uniform(30)"]}


def shown(value: Any) -> str:
    """What TensorBoard makes of the Markdown, above the JSON."""
    above, _, _ = str(markdown_to_safe_html(to_text(value))).rpartition("<p>The same as JSON:")
    return above


def cells(page: str, tag: str) -> list[str]:
    """The texts in elements of this name, as a reader sees them."""
    return [html.unescape(text) for text in re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)]


@pytest.mark.parametrize(
    "value", [HOSTILE, {name: name for name in HOSTILE}, {"H_Y": 2.0, "layers": [LAYER]}, [], {}]
)
def test_a_text_gives_back_what_was_written(value: Any) -> None:
    assert from_text(to_text(value), type(value)) == value


TEXTS = st.text(max_size=30)


@given(st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS | st.lists(st.integers()) | st.none()))
def test_any_text_comes_back_letter_by_letter(value: Any) -> None:
    assert from_text(to_text(value), type(value)) == value


def test_warnings_are_a_list() -> None:
    assert cells(shown(HOSTILE), "li") == [text.strip() for text in HOSTILE]


def test_verdicts_are_a_table() -> None:
    page = shown({name: {"": "no compression"} for name in HOSTILE})
    assert cells(page, "th") == ["layer", "verdict"]
    assert cells(page, "td")[::2] == [text.strip() for text in HOSTILE]
    assert set(cells(page, "td")[1::2]) == {"no compression"}


def test_verdicts_of_several_rulers_have_a_column_each() -> None:
    page = shown({"fc": {"": "a", "uniform5": "b", "all rulers": "c"}, "out": {"": "d"}})
    assert cells(page, "th") == ["layer", "first ruler", "uniform5", "all rulers"]
    assert cells(page, "td") == ["fc", "a", "b", "c", "out", "d", "", ""]


def test_settings_are_tables_of_what_and_of_layers() -> None:
    page = shown({"n_samples": 360, "max_samples": None, "layers": [LAYER], "classes": HOSTILE})
    assert cells(page, "th") == [
        *("setting", "value"),
        *("layer", "module", "what is read", "rulers", "H(T|X)"),
    ]
    first, second = page.split("</table>")[:2]
    assert cells(first, "td")[:2] == ["samples", "360"]
    assert cells(first, "td")[2:4] == ["classes", ", ".join(HOSTILE)]
    assert cells(second, "td") == ["fc", "", "all units jointly", "Uniform(30)", "none"]


def test_nothing_in_a_text_becomes_an_element() -> None:
    named = {"class_names": HOSTILE, "layers": [dict.fromkeys(LAYER, name) for name in HOSTILE]}
    for value in (HOSTILE, {name: name for name in HOSTILE}, named):
        page = shown(value)
        allowed = {"ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
        assert set(re.findall(r"<[/!]?(\w+)", page)) <= allowed
        assert not re.search(r"<\w+ ", page)


@pytest.mark.parametrize(
    "text", ["", "{", "3", '["x"]', "The same as JSON:\n\n    [1]", "[" * 10**5]
)
def test_a_text_of_another_form_holds_nothing(text: str) -> None:
    assert from_text(text, list) == []
    assert from_text(f"\nThe same as JSON:\n\n    {text}", dict) == {}


def test_a_value_that_json_has_no_number_for_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_text({"H_Y": float("nan")})


def test_none_is_told_by_what_it_means() -> None:
    told = dict(settings({"share_of_repeated_inputs": None, "max_samples": None}))
    assert told == {"share of repeated inputs": "not measured", "sample limit": "none"}


@pytest.mark.parametrize("listed", ["none", 3, None, [1, None, "x"], {"tag": "fc"}])
def test_layers_of_any_form_make_rows_or_none(listed: Any) -> None:
    assert all(len(row) == 5 for row in layers({"layers": listed}))


def test_how_layers_of_any_width_were_read_is_one_line_with_its_cautions() -> None:
    layers = {"fc1": {"numbers": 127, "caution": "few rows"}, "fc2": {"caution": ""}}
    wide = {
        "reading": "WideReading()",
        "schedule": "2",
        "n_samples": 64,
        "among": 50,
        "n_classes": 100,
    }
    assert settings({"wide": {**wide, "layers": layers}}) == [
        (
            "at any width",
            "WideReading(); 2; 64 samples; labels among 50 of 100 classes; caution: fc1: few rows",
        )
    ]
    for odd in (3, "x", [], {"layers": 3}):
        assert settings({"wide": odd}) == [("at any width", "")]
