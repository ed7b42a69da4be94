"""What the tab says of itself: help, tooltips, tables, and why something cannot be chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from it_callbacks.findings import RULES
from it_callbacks.texts import to_text

from .browsing import Tab, tensorboard
from .tab_logs import LAYERS, N_RUNS, ONE, STEPS, write_logs
from .written_logs import plane, write

STATE = "&p.information_plane."


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The usual logs, and a run whose sets have other numbers of samples; one begins later."""
    folder = tmp_path_factory.mktemp("logs")
    write_logs(folder)
    layers = [{"tag": layer, "tag_of_ruler": [""], "slugs": ["uniform30"]} for layer in LAYERS]
    for set_, n_samples in (("val", 1024), ("train", 350)):
        told = {"n_samples": n_samples, "H_Y": 2.0, "layers": layers}
        late = {
            layer: {step: at for step, at in of.items() if step > STEPS[0] or set_ == "train"}
            for layer, of in ONE.items()
        }
        words = {f"information_plane/{set_}/settings": to_text(told)}
        write(folder / "unlike", plane(late, set_, 1 + (set_ == "val")), words)
    with tensorboard(folder, "--load_fast", "true", n_runs=N_RUNS + 1) as found:
        yield found


def _rows(tab: Tab) -> list[list[str]]:
    return [row.locator("td").all_text_contents() for row in tab.frame.locator("tbody tr").all()]


@pytest.mark.parametrize(("width", "height"), [(1200, 800), (390, 844)])
def test_help_opens_at_its_top_with_the_focus_there(tab: Tab, width: int, height: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": height})
    tab.open(f"{STATE}run=one")
    tab.key("?")  # on a narrow screen the button is in a menu
    dialog = "const help = document.querySelector('#help');"
    is_longer, scrolled = tab.run(
        f"{dialog} return [help.scrollHeight > help.clientHeight, help.scrollTop]"
    )
    assert is_longer
    assert scrolled == 0
    assert tab.run("return document.activeElement.textContent") == "Close"
    top, bottom = tab.run(
        f"{dialog} const {{top, bottom}} = help.querySelector('h2').getBoundingClientRect();"
        "return [top, window.innerHeight - bottom];"
    )
    assert min(top, bottom) > 0


def test_help_has_the_words_of_the_picture(tab: Tab) -> None:
    tab.open(f"{STATE}run=one")
    tab.frame.locator("#ask").click()
    terms = tab.frame.locator("#help dt").all_text_contents()
    assert {
        *("cap", "K, log₂ K", "H(Y)", "predictions have at least", "any width"),
        *("ruler (a discretizer)", "beyond chance"),
    } <= set(terms)


def test_pictures_and_findings_have_tooltips_in_words(tab: Tab) -> None:
    tab.open(f"{STATE}run=one")
    titles = tab.run("return [...document.querySelectorAll('#figures label')].map((l) => l.title)")
    assert all(len(title.split()) > 3 for title in titles)
    found = tab.run("return [...document.querySelectorAll('#findings li')].map((li) => li.title)")
    assert found
    assert set(found) <= set(RULES.values())


def test_who_does_not_see_tooltips_is_told_them(tab: Tab) -> None:
    """A tooltip of a label or of a list's item is none of its control for a screen reader."""
    from playwright.sync_api import expect

    tab.open(f"{STATE}run=one{STATE}reading=code")
    for role, name, words in (
        ("radio", "Curves", "over the training"),
        ("checkbox", "Follow", "new points every few seconds"),
        ("checkbox", "Chance level", "labels dealt at random"),
    ):
        control = tab.frame.get_by_role(role, name=name, exact=True)
        expect(control).to_have_accessible_description(re.compile(words))
    found = tab.frame.locator("#findings li").first
    expect(found).to_have_accessible_description(str(found.get_attribute("title")))


def test_a_table_of_a_map_has_names_and_bits(tab: Tab) -> None:
    tab.open(f"{STATE}run=predicting{STATE}name=classes")
    tab.key("d")
    assert _rows(tab) == [[str(c), "predicting", "val", f"{c / 4:.3f}"] for c in (3, 2, 1, 0)]
    head = tab.frame.locator("#table th").all_text_contents()
    assert head == ["Class", "Run", "Set", "scatter, bits"]
    tab.open(f"{STATE}run=one{STATE}name=map")
    tab.key("d")
    rows = _rows(tab)
    assert [row[:3] for row in rows] == [[layer, "one", "val"] for layer in LAYERS]
    last = [ONE[layer][STEPS[-1]][1] for layer in LAYERS]
    assert [float(row[3]) for row in rows] == pytest.approx(last, abs=0.00051)


def test_what_cannot_be_arranged_or_subtracted_is_disabled_with_the_true_reason(tab: Tab) -> None:
    tab.open(f"{STATE}run=unlike{STATE}name=map")
    assert tab.chosen("arrangements") == ["side"]
    state = tab.run(
        "return ['overlay', 'mean'].map((name) => {"
        "const box = document.querySelector(`#arrangements [value=${name}]`);"
        "return [box.disabled, box.parentElement.title]; })"
    )
    assert state == [
        [True, "each heat map is of one run and set"],
        [True, "a mean needs at least two runs"],
    ]
    option = tab.frame.locator("#quantity option[value=train_minus_val]")
    assert option.is_disabled()
    assert option.get_attribute("title") == "they were read on 350 and 1024 samples"
    said = tab.frame.locator("#why").text_content()
    assert "training minus validation: they were read on 350 and 1024 samples." in said
    for kind in ("plane", "through", "map", "curves"):
        tab.open(f"{STATE}run=unlike{STATE}name={kind}{STATE}set=train{STATE}set.2=val")
        sets = tab.run("return chart.layout.meta.panels.map(({set}) => set)")
        assert list(dict.fromkeys(sets)) == ["val", "train"]


def test_a_panel_that_begins_later_says_so(tab: Tab) -> None:
    tab.open(f"{STATE}run=unlike")
    tab.slide(0)
    drawn = tab.frame.locator("#chart .annotation").all_text_contents()
    assert any("not measured yet at" in text for text in drawn)


def test_plotlys_buttons_cover_no_title_on_a_narrow_screen(tab: Tab) -> None:
    for width, is_there in ((390, False), (1200, True)):
        tab.page.set_viewport_size({"width": width, "height": 800})
        tab.open(f"{STATE}run=one")
        tab.frame.locator("#chart").hover()
        assert tab.frame.locator("#chart .modebar").is_visible() is is_there
