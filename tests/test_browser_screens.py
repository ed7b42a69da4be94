"""The tab on screens of all sizes, in both themes, under fingers, and without motion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .browsing import Tab, opened, tensorboard
from .known_run import write_wide
from .tab_logs import N_RUNS, write_logs

RUNS = N_RUNS + 1
STATE = "&p.information_plane."


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("logs")
    write_logs(folder)
    write_wide(folder / "wide")
    with tensorboard(folder, "--load_fast", "true", n_runs=RUNS) as found:
        yield found


@pytest.fixture(scope="module")
def touched(browser: Any, address: str) -> Iterator[Tab]:
    with opened(browser, address, 390, 800, has_touch=True, is_mobile=True) as tab:
        yield tab


@pytest.fixture
def phone(touched: Tab) -> Iterator[Tab]:
    """The tab under fingers, in a page that is shared."""
    touched.tidy()
    yield touched
    assert touched.wrong() == []


def _box(tab: Tab, selector: str) -> dict[str, float]:
    found: dict[str, float] = tab.run(
        "const {left, right, top, bottom, width, height} ="
        " document.querySelector(argument).getBoundingClientRect();"
        "return {left, right, top, bottom, width, height};",
        selector,
    )
    return found


def _on(tab: Tab, width: int, height: int = 800) -> Tab:
    """The tab on a screen of another size."""
    tab.page.set_viewport_size({"width": width, "height": height})
    return tab


def _in_theme(tab: Tab, theme: str) -> None:
    tab.page.evaluate(
        f"document.body.classList.toggle('dark-mode', {str(theme == 'dark').lower()})"
    )
    tab.wait(f"document.documentElement.dataset.theme === '{theme}'")
    tab.settle()


@pytest.mark.parametrize("run", ["wide", "deep"])
@pytest.mark.parametrize("width", [390, 760, 1100, 1440, 2560])
def test_nothing_is_cut_off_or_needs_scrolling_sideways(tab: Tab, width: int, run: str) -> None:
    _on(tab, width, 900).open(f"{STATE}run={run}")
    for theme in ("light", "dark"):
        _in_theme(tab, theme)
        page, screen = tab.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert page <= screen
        figure, stage = _box(tab, "#chart .main-svg"), _box(tab, "#chart")
        assert figure["right"] <= stage["right"] + 1
        assert figure["width"] > 0.8 * stage["width"]
        # The legend stands below the plot.
        assert _box(tab, "#legend")["top"] >= figure["bottom"] - 1
        slider = _box(tab, "#moment")
        assert slider["width"] > (250 if width == 390 else 150)


def test_the_aside_folds_where_there_is_no_room_beside_the_figure(tab: Tab) -> None:
    _on(tab, 760).open()
    assert not tab.frame.locator("#runs").is_visible()
    tab.frame.locator("#choices summary").click()
    assert tab.frame.locator("#runs").is_visible()


def test_the_companion_stands_below_or_on_a_wide_screen_beside(tab: Tab) -> None:
    for width, is_beside in ((1440, False), (1800, True)):
        _on(tab, width, 900).open(f"{STATE}run=one")
        figure, second = _box(tab, "#plot"), _box(tab, "#companion .main-svg")
        assert (second["left"] >= figure["right"]) is is_beside
        assert (second["top"] >= figure["bottom"]) is not is_beside


def test_a_new_width_asks_for_the_figure_again(tab: Tab) -> None:
    _on(tab, 1440).open()
    before = tab.run("return chart.layout.width")
    with tab.page.expect_response(lambda answer: "/figure" in answer.url) as asked:
        tab.page.set_viewport_size({"width": 800, "height": 800})
    tab.wait(f"chart.layout.width < {before}")
    tab.settle()
    width = tab.run("return chart.layout.width")
    assert f"width={width}" in asked.value.url
    assert width <= 800


def _at_the_end_of(tab: Tab, layer: str) -> tuple[float, float]:
    """Where the last point of a layer is on the screen, scrolled into view."""
    tab.run("chart.scrollIntoView({block: 'center'})")
    left, top = tab.run(
        "const isEnd = ({meta}) => meta?.role === 'end' && meta.layer === argument;"
        "const {x, y} = chart.data.find(isEnd);"
        "const {xaxis, yaxis} = chart._fullLayout, box = chart.getBoundingClientRect();"
        "return [box.left + xaxis._offset + xaxis.d2p(x[0]),"
        " box.top + yaxis._offset + yaxis.d2p(y[0])];",
        layer,
    )
    frame = tab.page.locator("iframe").bounding_box()
    return frame["x"] + left, frame["y"] + top


def test_a_tap_shows_the_card_of_a_point_and_a_long_press_keeps_its_layer(phone: Tab) -> None:
    phone.open(f"{STATE}run=one")
    x, y = _at_the_end_of(phone, "second")
    phone.page.touchscreen.tap(x, y)
    card = phone.frame.locator("#chart .hoverlayer .hovertext")
    card.wait_for()
    assert "second" in card.text_content()
    assert phone.chip("second").get_attribute("aria-pressed") == "false"
    x, y = _at_the_end_of(phone, "third")
    hand = phone.page.context.new_cdp_session(phone.page)
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    phone.wait("document.querySelector('#chips [data-layer=third]').ariaPressed === 'true'")
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.settle()
    assert phone.chip("third").get_attribute("aria-pressed") == "true"
    assert phone.run("return chart.querySelector('.dim') !== null")


def test_a_tap_on_a_chip_keeps_its_layer(phone: Tab) -> None:
    phone.open(f"{STATE}run=one")
    phone.chip("second").tap()
    assert phone.chip("second").get_attribute("aria-pressed") == "true"
    assert phone.run("return chart.querySelector('.dim') !== null")


def test_on_a_narrow_screen_the_buttons_are_in_a_menu(tab: Tab) -> None:
    """Which the keyboard opens and Escape closes; the header leaves room for the findings."""
    _on(tab, 390).open(f"{STATE}run=one")
    assert _box(tab, "header")["height"] < 80
    assert not tab.frame.locator("#refresh").is_visible()
    tab.frame.locator("#more summary").focus()
    tab.key("Enter")
    for name in ("Refresh", "Copy link", "CSV", "SVG", "PNG", "?"):
        assert tab.frame.locator("#more").get_by_text(name, exact=True).is_visible()
    tab.key("Tab")
    assert tab.run("return document.activeElement.id") == "follow"
    tab.key("Escape")
    assert not tab.frame.locator("#refresh").is_visible()
    assert tab.run("return document.activeElement.tagName") == "SUMMARY"
    tab.page.set_viewport_size({"width": 1200, "height": 800})
    tab.frame.locator("#refresh").wait_for()
    assert not tab.frame.locator("#more summary").is_visible()


def test_on_a_narrow_screen_two_findings_stand_above_the_plane(tab: Tab) -> None:
    _on(tab, 390).open(f"{STATE}run=wide")
    assert tab.frame.locator("#findings li").count() == 2
    more = tab.frame.locator("#findings .link")
    n = int(more.text_content().split()[0])
    more.click()
    assert tab.frame.locator("#findings li").count() == 2 + n


def test_a_tap_on_a_finding_opens_its_rule_and_another_one_folds_it(phone: Tab) -> None:
    phone.open(f"{STATE}run=wide")
    finding = phone.frame.locator("#findings li").first
    rule = finding.locator("p")
    assert not rule.is_visible()
    hint = "return getComputedStyle(document.querySelector('#findings summary'), '::after')"
    assert "▸" in phone.run(f"{hint}.content")
    finding.locator("summary").tap()
    assert rule.is_visible()
    assert rule.text_content() == finding.get_attribute("title")
    page, screen = phone.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert page <= screen
    with phone.page.expect_response("**/findings?*"):  # which writes the list anew
        phone.frame.locator("#refresh").dispatch_event("click")
    phone.settle()
    assert rule.is_visible()
    finding.locator("summary").tap()
    assert not rule.is_visible()


def test_findings_look_like_plain_sentences_to_who_has_a_mouse(tab: Tab) -> None:
    """But for a click, or Enter where the keyboard stands; words that are selected stay so."""
    tab.open(f"{STATE}run=wide")
    sentence = tab.frame.locator("#findings summary").first
    look = "getComputedStyle(document.querySelector('#findings summary')"
    assert tab.run(f"return [{look}, '::after').content, {look}).listStyleType]") == [
        "none",
        "none",
    ]
    rule = tab.frame.locator("#findings p").first
    sentence.focus()
    tab.key("Enter")
    assert rule.is_visible()
    tab.key("Enter")
    assert not rule.is_visible()
    box = sentence.bounding_box()
    tab.page.mouse.move(box["x"] + 5, box["y"] + 8)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 150, box["y"] + 8, steps=5)
    tab.page.mouse.up()
    assert tab.run("return String(document.getSelection()).length > 5")
    assert not rule.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_paper_all_is_unfolded_on_white_without_buttons(tab: Tab, theme: str) -> None:
    _on(tab, 390).open(f"{STATE}run=wide")
    _in_theme(tab, theme)
    before = tab.frame.locator("#findings li").count()
    tab.page.emulate_media(media="print")
    tab.run("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.frame.locator("#findings li").count() > before
    assert tab.frame.locator("#table td").first.is_visible()
    for part in ("header", "#choices", "#player", ".modebar"):
        assert not tab.frame.locator(part).first.is_visible()
    white = "return getComputedStyle(document.body).backgroundColor"
    assert tab.run(white) == "rgb(255, 255, 255)"
    turned = tab.run("return getComputedStyle(chart).filter !== 'none'")
    assert turned is (theme == "dark")
    tab.run("window.dispatchEvent(new Event('afterprint'))")
    assert tab.frame.locator("#findings li").count() == before
    assert not tab.frame.locator("#table td").first.is_visible()
    tab.page.emulate_media(media="screen")


def test_who_wants_no_motion_gets_the_slider_alone(tab: Tab) -> None:
    tab.page.emulate_media(reduced_motion="reduce")
    tab.open(f"{STATE}run=one")
    assert tab.frame.locator("#moment").is_visible()
    assert not tab.frame.locator("#play").is_visible()
    assert not tab.frame.locator("#speed").is_visible()


def test_the_words_on_the_page_have_contrast_enough(tab: Tab) -> None:
    script = """
      const parts = (css) => css.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255);
      const light = (css) => parts(css)
        .map((c) => (c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4))
        .reduce((sum, c, n) => sum + c * [.2126, .7152, .0722][n], 0);
      const back = light(getComputedStyle(document.body).backgroundColor);
      return ['body', '.why', 'legend', '#moment-label', '#last-point', '#findings li']
        .map((part) => document.querySelector(part)).filter(Boolean)
        .map((node) => light(getComputedStyle(node).color))
        .map((text) => (Math.max(text, back) + .05) / (Math.min(text, back) + .05));
    """
    tab.open(f"{STATE}run=wide")
    for theme in ("light", "dark"):
        _in_theme(tab, theme)
        ratios = tab.run(script)
        assert len(ratios) >= 5
        assert min(ratios) >= 4.5
