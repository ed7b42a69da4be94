"""The tab in a real browser: the figures that a reader sees, and takes away."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from .browsing import Tab, opened, tensorboard
from .known_run import write_plane, write_wide
from .tab_logs import HOSTILE_LAYER, HOSTILE_RUN, LAYERS, N_RUNS, ONE, STEPS, TWO, write_logs
from .written_logs import plane, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs")
    write_logs(made, n_steps=1000)
    return made


@pytest.fixture(scope="module")
def address(browser: Any, folder: Path) -> Iterator[str]:
    with tensorboard(folder, "--load_fast", "true", n_runs=N_RUNS) as found:
        yield found


@pytest.fixture
def closed(browser: Any, address: str) -> Iterator[Tab]:
    """The tab in a page of its own, not yet opened."""
    with opened(browser, address) as tab:
        yield tab


@pytest.fixture
def tab(tab: Tab) -> Tab:
    """The tab as it opens, with the plane of the run ``one``."""
    tab.open().choose("one")
    return tab


def _values(layer: str) -> list[list[float]]:
    return [list(point) for point in ONE[layer].values()]


def test_the_points_of_a_run_are_drawn_at_their_values(tab: Tab) -> None:
    for layer in LAYERS:
        assert tab.points(layer) == _values(layer)


def test_the_python_loader_and_a_path_prefix_change_nothing(browser: Any, folder: Path) -> None:
    loader = ("--load_fast", "false")
    with (
        tensorboard(folder, *loader, prefix="/below/it", n_runs=N_RUNS) as address,
        opened(browser, address) as tab,
    ):
        tab.open("&p.information_plane.run=two&p.information_plane.set=val")
        for layer, points in TWO.items():
            assert tab.points(layer) == [list(point) for point in points.values()]
        tab.press("Curves")
        assert "p.information_plane.name=curves" in tab.page.url
        assert "/below/it/#" in tab.page.url


def test_the_tab_is_found_by_its_name(closed: Tab) -> None:
    closed.page.goto(closed.address)
    closed.page.get_by_text("Information plane").first.click()
    closed.page.wait_for_selector("iframe")
    closed.settle()
    assert closed.run("return chart.data.length") > 0


def test_two_runs_stand_side_by_side_on_equal_axes_that_zoom_as_one(tab: Tab) -> None:
    tab.choose("one", "two")
    tab.choose("val", among="sets")
    ranges = "const {xaxis: a, xaxis2: b, yaxis: c, yaxis2: d} = chart._fullLayout;"
    ranges += "return [a.range, b.range, c.range, d.range];"
    before = tab.run(ranges)
    assert (before[0], before[2]) == (before[1], before[3])
    box = tab.frame.locator(".nsewdrag").first.bounding_box()
    tab.page.mouse.move(box["x"] + 160, box["y"] + 160)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 60, box["y"] + 100, steps=4)
    tab.page.mouse.up()
    tab.wait(f"chart._fullLayout.xaxis2.range[0] > {before[0][0]}")
    zoomed = tab.run(ranges)
    assert (zoomed[0], zoomed[2]) == (zoomed[1], zoomed[3])
    # What draws the figure anew keeps the zoom.
    tab.press("Refresh")
    assert tab.run(ranges) == zoomed


def test_prediction_entropies_are_stacked_to_the_whole(tab: Tab) -> None:
    tab.press("Prediction entropies")
    stacked = tab.run("return chart.data.filter((t) => t.stackgroup).map(({y}) => y)")
    assert [sum(part[point] for part in stacked) for point in (0, 1)] == [3.0, 2.0]
    assert [0.125, 1.5] in stacked


def test_curves_are_of_the_quantity_that_is_chosen(tab: Tab) -> None:
    tab.press("Curves")
    choice = tab.frame.get_by_label("Quantity")
    titles = choice.locator("option").all_text_contents()
    assert titles[1:] == ["I(X;T)", "I(T;Y)"]
    for place, quantity in enumerate(("I_XT", "I_TY")):
        choice.select_option(quantity)
        tab.settle()
        values = [point[place] for point in ONE["second"].values()]
        assert [y for _, y in tab.points("second")] == values
    tab.press("Plane")
    assert not choice.is_visible()


def test_a_picture_that_no_run_has_is_not_offered_and_says_why(
    browser: Any, tmp_path: Path
) -> None:
    write_plane(tmp_path / "run")
    with tensorboard(tmp_path) as address, opened(browser, address) as tab:
        tab.open()
        assert tab.frame.get_by_role("radio", name="Classes").is_enabled()
    write(tmp_path / "alone" / "run", plane(ONE))
    with tensorboard(tmp_path / "alone") as address, opened(browser, address) as tab:
        tab.open()
        for title, monitor in (("Classes", "Conditional"), ("Prediction entropies", "Prediction")):
            box = tab.frame.get_by_role("radio", name=title)
            assert box.is_disabled()
            label = tab.frame.locator("#figures label", has_text=title)
            assert f"attach {monitor}EntropyMonitor" in label.get_attribute("title")


def test_the_dark_page_gets_a_dark_figure_that_can_be_read(closed: Tab) -> None:
    tab = closed.open()

    def luminance() -> list[float]:
        colours = tab.run(
            "return [getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(chart.querySelector('.main-svg')).backgroundColor,"
            " getComputedStyle(chart.querySelector('.xtick text')).fill]"
        )
        numbers = [colour[colour.index("(") + 1 : -1].split(",")[:3] for colour in colours]
        return [sum(map(float, rgb)) / 765 for rgb in numbers]

    page, plot, text = luminance()
    assert page > 0.9
    assert plot > 0.9
    assert text < 0.45
    tab.page.locator("app-header-dark-mode-toggle button").click()
    tab.page.get_by_role("menuitem", name="Dark", exact=False).first.click()
    tab.wait("document.documentElement.dataset.theme === 'dark'")
    tab.settle()
    page, plot, text = luminance()
    assert page == plot < 0.2
    assert text > 0.6


def test_names_of_strangers_are_shown_as_text(tab: Tab) -> None:
    tab.choose(HOSTILE_RUN)
    label = tab.frame.locator("#runs label", has_text="onerror")
    assert label.text_content() == HOSTILE_RUN
    assert HOSTILE_LAYER in tab.frame.locator("#chips button").first.get_attribute("title")
    assert tab.frame.locator("img, b, [onclick], [onerror]").count() == 0
    # Wherever else a name comes to.
    tab.key("d")
    assert HOSTILE_RUN in tab.frame.locator("#table td").all_text_contents()
    tab.press("Curves")
    assert tab.frame.locator("img, b, [onclick], [onerror]").count() == 0
    tab.press("Plane")
    x, y = tab.run(
        "const {xaxis, yaxis} = chart._fullLayout, {left, top} = chart.getBoundingClientRect();"
        "return [left + xaxis._offset + xaxis.d2p(2), top + yaxis._offset + yaxis.d2p(0.75)]"
    )
    box = tab.page.locator("iframe").bounding_box()
    tab.page.mouse.move(box["x"] + x, box["y"] + y)
    hover = tab.frame.locator(".hoverlayer .hovertext")
    hover.first.wait_for()
    assert HOSTILE_LAYER[:20] in "".join(hover.all_text_contents())
    assert tab.frame.locator("img, [onclick], [onerror]").count() == 0


def _n_asked(tab: Tab) -> int:
    return len([url for url in tab.requests if "/information_plane/" in url])


def test_behind_another_tab_nothing_is_asked_for(tab: Tab) -> None:
    tab.page.get_by_text("Scalars").first.click()
    tab.wait("innerHeight === 0")
    before = -1
    while before != (before := _n_asked(tab)):  # what was begun in front is brought to its end
        tab.page.wait_for_timeout(700)
    # TensorBoard asks for itself, and so has reloaded.
    with tab.page.expect_response(lambda answer: "/data/runs" in answer.url):
        tab.page.locator("app-header-reload button").click()
    assert _n_asked(tab) == before
    tab.page.get_by_text("Information plane").first.click()
    tab.wait("innerHeight > 0")
    with tab.page.expect_response(lambda answer: "/figure" in answer.url):
        pass
    tab.settle()
    assert tab.points("first") == _values("first")


def test_a_deep_long_run_is_sent_in_few_bytes_and_drawn_with_few_points(tab: Tab) -> None:
    with tab.page.expect_response(lambda answer: "run=deep" in answer.url) as asked:
        tab.choose("deep")
    assert len(asked.value.body()) < 700_000  # of 50 layers at 1000 steps
    counts = tab.run(
        "return chart.data.filter(({meta}) => meta?.role === 'points').map(({x}) => x.length)"
    )
    assert len(counts) == 50
    assert max(counts) <= 80


def test_files_are_called_after_what_they_show(tab: Tab, tmp_path: Path) -> None:
    last = f"epoch{len(STEPS)}"
    for kind in ("SVG", "PNG", "CSV"):
        with tab.page.expect_download() as saving:
            tab.frame.get_by_text(kind, exact=True).click()
        assert saving.value.suggested_filename == f"plane_one_val_code_bins0_{last}.{kind.lower()}"
        saving.value.save_as(tmp_path / kind)
    drawing = ElementTree.parse(tmp_path / "SVG").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert set(LAYERS) <= texts
    data = (tmp_path / "PNG").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1000
    assert height > 600
    assert len({tuple(row) for row in imread(tmp_path / "PNG").reshape(-1, 4)}) > 50
    rows = list(csv.DictReader((tmp_path / "CSV").read_text("utf-8").splitlines()))
    found = {
        int(row["step"]): float(row["bits"])
        for row in rows
        if (row["layer"], row["quantity"]) == ("third", "I_XT")
    }
    assert found == {step: x for step, (x, _) in ONE["third"].items()}


def test_an_error_is_told_in_words(tab: Tab) -> None:
    words = "Not found: <b>nothing</b>"
    answer = {"status": 404, "content_type": "text/plain", "body": words}
    tab.page.route("**/figure?*", lambda route: route.fulfill(**answer))
    tab.press("Curves")
    assert tab.frame.locator("#message").text_content() == words
    tab.page.unroute_all()  # the tab asks again by itself while a training is new
    tab.press("Plane")
    tab.complaints[:] = [text for text in tab.complaints if "404" not in text]


def test_no_plotly_is_told_in_words(closed: Tab) -> None:
    closed.page.route("**/plotly.js", lambda route: route.fulfill(status=404, body=""))
    closed.page.goto(f"{closed.address}#information_plane")
    message = closed.frame.locator("#message")
    message.wait_for()
    assert "is the package plotly installed?" in message.text_content()
    closed.complaints[:] = [text for text in closed.complaints if "404" not in text]


# The two readings of a plane.


@pytest.fixture(scope="module")
def readings(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A TensorBoard over a run with both readings, and one with the binned code alone."""
    logs = tmp_path_factory.mktemp("readings")
    write_plane(logs / "code")
    write_wide(logs / "wide")
    with tensorboard(logs, n_runs=2) as found:
        yield found


def test_the_switch_shows_the_reading_that_opens_and_changes_it(
    browser: Any, readings: str
) -> None:
    with opened(browser, readings) as tab:
        tab.open()
        tab.choose("wide")
        switch, wide = (
            tab.frame.locator("#readings"),
            tab.frame.get_by_role("radio", name="Any width"),
        )
        assert wide.is_checked()
        assert tab.points("fc1") == [[6.0, -0.0312], [4.5, 0.75]]  # four decimals are drawn
        for words in ("Linear", "Adjusted", "Corrected", "Chance level"):
            assert not tab.frame.get_by_label(words, exact=True).is_visible()
        tab.press("Binned code")
        assert tab.points("fc2") == [[1.0, 0.125], [3.5, 0.5], [2.25, 0.75]]
        tab.press("Adjusted")
        assert "adjusted" in tab.run("return chart.layout.yaxis.title.text").lower()
        tab.press("Any width")
        assert tab.points("fc1") == [[6.0, -0.0312], [4.5, 0.75]]  # four decimals are drawn
        tab.choose("code")
        assert not switch.is_visible()
        assert tab.points("fc2")[0][0] == 1.0


def test_zoom_outlives_a_look_for_new_points(browser: Any, readings: str) -> None:
    with opened(browser, readings) as tab:
        tab.open()
        tab.choose("wide")
        tab.run("return Plotly.relayout(chart, {'xaxis.range': [1, 5]}).then(() => true)")
        tab.press("Refresh")
        assert tab.run("return chart.layout.xaxis.range") == [1, 5]
