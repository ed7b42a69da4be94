"""The report as a browser shows it from the file system, with the network cut."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from it_callbacks import cli

from .known_run import PLANE, write_plane

HOSTILE = "<img src=x onerror=alert(1)>"


class Shown:
    """A page that was opened, and everything that it asked for or complained of."""

    def __init__(self, browser: Any, page: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_offline(True)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.address = page.as_uri()
        self.page.goto(self.address)
        self.wait(_ALL_DRAWN)

    def wait(self, condition: str, seconds: float = 15) -> None:
        """Until a condition holds.

        It is asked from outside again and again: the page's own policy forbids what Playwright's
        ``wait_for_function`` does for that inside.
        """
        give_up = time.monotonic() + seconds
        while not self.page.evaluate(f"() => {condition}"):
            assert time.monotonic() < give_up, f"never came true: {condition}"
            self.page.wait_for_timeout(50)

    def plane(self, script: str) -> Any:
        """What a script says of the first figure, which it knows as ``plane``."""
        return self.page.evaluate(
            f"() => {{const plane = document.querySelector('.js-plotly-plot'); {script}}}"
        )


_ALL_DRAWN = """[...document.querySelectorAll("[data-figure]")].every(
    place => place.closest("details") || place.querySelector(".main-svg"))"""


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Iterator[Shown]:
    write_plane(tmp_path / "logs" / HOSTILE)
    page = tmp_path / "report.html"
    assert cli.main(["report", str(tmp_path / "logs"), "-o", str(page)]) == 0
    opened = Shown(browser, page, viewport={"width": 1280, "height": 900})
    yield opened
    opened.context.close()


def test_the_report_draws_its_figures_and_asks_for_nothing(shown: Shown) -> None:
    """No request, no violation of its own policy, no word on the console; no name is markup."""
    assert shown.page.locator(".js-plotly-plot").count() == 5
    for summary in shown.page.locator("details:has([data-figure]) > summary").all():
        summary.click()
    shown.wait("document.querySelectorAll('.js-plotly-plot').length === 11")
    shown.page.wait_for_timeout(500)  # for what comes late
    assert [url for url in shown.requests if not url.startswith("data:")] == [shown.address]
    assert shown.complaints == []
    assert HOSTILE in shown.page.locator("h1").inner_text()
    assert shown.page.locator("img").count() == 0
    assert f"{HOSTILE} · val" in shown.page.locator(".annotation").all_text_contents()


def test_the_moment_of_the_slider_is_not_written_over_the_title_of_the_axis(shown: Shown) -> None:
    top, bottom = shown.plane(
        "const box = (name) => plane.querySelector(name).getBoundingClientRect();"
        "return [box('.slider-label').top, box('.xtitle').bottom];"
    )
    assert top > bottom + 10


def test_the_plane_has_the_points_that_were_logged(shown: Shown) -> None:
    pairs = zip(
        PLANE["information_plane/val/I_XT/fc2"],
        PLANE["information_plane/val/I_TY/fc2"],
        strict=True,
    )
    found = shown.plane(
        "return plane.data.filter(t => t.x).map(t => t.x.map((x, i) => [x, t.y[i]]))"
    )
    assert [list(pair) for pair in pairs] in found
    drawn = shown.plane(
        "const box = plane.querySelector('.scatterlayer').getBoundingClientRect();"
        "return [box.width, box.height]"
    )
    assert min(drawn) > 100


def test_the_slider_shows_the_ways_as_they_stood(shown: Shown) -> None:
    """At the first step one point each, (6, 1) and (1, 0.125); at rest nothing is played."""
    so_far = (
        "return plane.data.filter(t => t.meta.role === 'so far')"
        ".map(t => JSON.stringify([[...t.x], [...t.y]]))"
    )
    assert shown.plane(so_far) == ["[[],[]]", "[[],[]]"]
    slider = shown.page.locator(".slider-rail-touch-rect").first
    slider.scroll_into_view_if_needed()
    track = slider.bounding_box()
    shown.page.mouse.click(track["x"] + 3, track["y"] + track["height"] / 2)
    played = f"(plane => {{{so_far}}})(document.querySelector('.js-plotly-plot'))"
    shown.wait(f"{played}.join() === '[[6],[1]],[[1],[0.125]]'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(scheme: str, browser: Any, shown: Shown) -> None:
    """A contrast of at least 4.5, as WCAG 2 asks for."""
    page = Path(shown.address.removeprefix("file://"))
    again = Shown(browser, page, color_scheme=scheme)
    try:
        for place in ("h1", ".faint", "th", "td", "figcaption", ".saturated", ".ok", "summary"):
            assert again.page.evaluate(_CONTRAST, place) >= 4.5, place
    finally:
        again.context.close()


_CONTRAST = """(selector) => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const text = light(getComputedStyle(document.querySelector(selector)).color);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
}"""


@pytest.fixture
def again(browser: Any, shown: Shown) -> Iterator[Any]:
    """Opens the page in a window of another kind."""
    opened: list[Shown] = []

    def open_(**options: Any) -> Shown:
        page = Path(shown.address.removeprefix("file://"))
        opened.append(Shown(browser, page, **options))
        return opened[-1]

    yield open_
    for each in opened:
        assert each.complaints == []
        each.context.close()


_PAPER = "getComputedStyle(document.querySelector('.main-svg')).backgroundColor"


def test_figures_are_dark_on_a_dark_page_and_follow_it(again: Any) -> None:
    dark = again(color_scheme="dark")
    page = dark.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark.page.evaluate(_PAPER) == page != "rgb(255, 255, 255)"
    dark.page.emulate_media(color_scheme="light")
    dark.wait(f"{_PAPER} === 'rgb(255, 255, 255)'")


def test_a_phone_shows_all_without_overflow(again: Any) -> None:
    """Folded figures too; wide tables scroll inside their own box."""
    phone = again(viewport={"width": 390, "height": 844})
    phone.page.evaluate(
        "document.querySelectorAll('details').forEach(each => { each.open = true })"
    )
    phone.wait("document.querySelectorAll('.js-plotly-plot').length === 11")
    points = "return plane.data.filter(t => t.meta?.role === 'points').map(t => [...t.x])"
    assert phone.plane(points) == [PLANE[f"information_plane/val/I_XT/fc{n}"] for n in (1, 2)]
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = phone.page.evaluate(
        "[...document.querySelectorAll('.main-svg')].map(svg => svg.getBoundingClientRect().width)"
    )
    assert max(widths) <= 390
    plots = phone.page.evaluate(
        "[...document.querySelectorAll('.cartesianlayer .bg, .draglayer .nsewdrag')]"
        ".map(box => box.getBoundingClientRect().width)"
    )
    assert min(plots) >= 120


def test_paper_holds_all_that_is_folded_in_light_colours_without_buttons(again: Any) -> None:
    """An A4 sheet with margins of 12 mm is 703 px wide; the page is dark on the screen."""
    sheet = again(viewport={"width": 703, "height": 1000}, color_scheme="dark")
    folded = "document.querySelectorAll('details:not([open])').length"
    n_folded = sheet.page.evaluate(folded)
    assert n_folded > 4
    sheet.page.emulate_media(media="print")
    sheet.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert sheet.page.evaluate(folded) == 0
    assert sheet.page.locator(".js-plotly-plot").count() == 11
    sheet.wait("document.querySelectorAll('.js-plotly-plot .main-svg').length >= 11")
    backgrounds = sheet.page.evaluate(
        "[...document.querySelectorAll('.main-svg:first-of-type')]"
        ".map(svg => getComputedStyle(svg).backgroundColor)"
    )
    assert set(backgrounds) <= {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}
    edges = sheet.page.evaluate(
        "[...document.querySelectorAll('td, th, .main-svg, pre')]"
        ".map(each => each.getBoundingClientRect().right)"
    )
    assert max(edges) <= 703
    for selector in ("button", "nav", ".modebar-container", ".updatemenu-container"):
        assert not any(each.is_visible() for each in sheet.page.locator(selector).all()), selector
    sheet.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert sheet.page.evaluate(folded) == n_folded


def test_what_was_found_can_be_copied_as_text(again: Any) -> None:
    page = again().page
    page.evaluate(
        "document.addEventListener('copy', () => {window.copied = getSelection().toString()})"
    )
    page.get_by_role("button", name="Copy as text").click()
    lines = page.evaluate("window.copied").split("\n")
    assert [line for line in lines if line] == page.locator("#sentences li").all_text_contents()
    assert len(lines) > 1
