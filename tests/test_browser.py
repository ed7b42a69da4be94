"""The tab in a real browser: what a reader sees and does."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from .browsing import Tab, chromium, processor_seconds, tensorboard
from .known_run import write_plane, write_wide
from .written_logs import plane, settings, write

LAYERS = ["first", "second", "third"]
STEPS = range(10, 60, 10)


def _points(rise: float) -> dict[str, dict[int, tuple[float, float]]]:
    """Three layers at five steps, all values apart and exact in single precision."""
    return {
        layer: {step: (2.0 + depth + step / 64, rise + depth / 4 + step / 128) for step in STEPS}
        for depth, layer in enumerate(LAYERS)
    }


ONE, TWO = _points(0.25), _points(0.75)
HOSTILE_RUN = "<img src=x onerror=alert(1)>"
HOSTILE_LAYER = "<b onclick=alert(2)>%{x}<b>"
N_LARGE_LAYERS, N_LARGE_STEPS = 50, 1000


def _write_logs(folder: Path) -> None:
    write(folder / "one", plane(ONE), settings(LAYERS, rulers=["", "uniform5"]))
    write(folder / "two", plane(TWO), settings(LAYERS))
    write(folder / "two", plane(ONE, "train"), settings(LAYERS, "train"))
    write(folder / HOSTILE_RUN, plane({HOSTILE_LAYER: {1: (1.0, 0.5), 2: (2.0, 0.75)}}))
    large = {
        f"layer{number}": {
            step: (8 - number / 10 + step / 4000, 2 - step / 1000) for step in range(N_LARGE_STEPS)
        }
        for number in range(N_LARGE_LAYERS)
    }
    write(folder / "large", plane(large))
    parts = {"prediction_entropy/val/marginal": {0: 3.0, 9: 2.0}}
    parts |= {"prediction_entropy/val/mean": {0: 2.5, 9: 0.25}}
    parts |= {"label_information/val/soft": {0: 0.125, 9: 1.5}}
    classes = {f"conditional_entropy/val/class_{c}": {0: 3.0, 9: c / 4} for c in range(4)}
    write(folder / "predicting", parts | classes)


N_RUNS = 5
JOINED = "chart.data.find(({legendgroup}) => legendgroup === 'joined')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("logs")
    _write_logs(made)
    return made


@pytest.fixture(scope="module")
def address(browser: Any, folder: Path) -> Iterator[str]:
    with tensorboard(folder, "--load_fast", "true", n_runs=N_RUNS) as found:
        yield found


@contextmanager
def _tab(browser: Any, address: str) -> Iterator[Tab]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    yield Tab(context.new_page(), address)
    context.close()


def _had_no_complaint(tab: Tab) -> None:
    assert tab.complaints == []
    assert tab.foreign == []


@pytest.fixture
def closed(browser: Any, address: str) -> Iterator[Tab]:
    """The tab in a page of its own, not yet opened."""
    with _tab(browser, address) as tab:
        yield tab
        _had_no_complaint(tab)


@pytest.fixture(scope="module")
def opened(browser: Any, address: str) -> Iterator[Tab]:
    """TensorBoard's page takes seconds to open; tests that leave it alone share it."""
    with _tab(browser, address) as tab:
        yield tab.open()


@pytest.fixture
def tab(opened: Tab) -> Iterator[Tab]:
    """The tab as it opens, with the plane of the run ``one``."""
    opened.again()
    opened.choose("one")
    yield opened
    _had_no_complaint(opened)


def test_the_points_of_a_run_are_drawn_at_their_values(tab: Tab) -> None:
    for layer, points in ONE.items():
        assert tab.points(layer) == [list(point) for point in points.values()]
    assert tab.run("return chart.querySelectorAll('.scatterlayer .point').length") >= 15
    assert tab.joined() == [list(ONE[layer][50]) for layer in LAYERS]


def test_the_python_loader_and_a_path_prefix_change_nothing(browser: Any, folder: Path) -> None:
    loader = ("--load_fast", "false")
    with (
        tensorboard(folder, *loader, prefix="/below/it", n_runs=N_RUNS) as address,
        _tab(browser, address) as tab,
    ):
        tab.open()
        tab.choose("two")
        for layer, points in TWO.items():
            assert tab.points(layer) == [list(point) for point in points.values()]
        _had_no_complaint(tab)


def test_the_tab_is_found_by_its_name(closed: Tab) -> None:
    closed.page.goto(closed.address)
    closed.page.get_by_text("Information plane").first.click()
    closed.page.wait_for_selector("iframe")
    closed.settle()
    assert closed.run("return chart.data.length") > 0


def test_the_slider_moves_the_line_that_joins_the_layers(tab: Tab) -> None:
    tab.slide(0.5)
    tab.wait(f"{JOINED}.x[0] === {ONE['first'][30][0]}")
    assert tab.joined() == [list(ONE[layer][30]) for layer in LAYERS]


def test_play_shows_every_step_up_to_the_last(tab: Tab) -> None:
    tab.slide(0)
    tab.wait("chart.layout.sliders[0].active === 0")
    tab.run("chart.seen = []; chart.on('plotly_animatingframe', ({name}) => chart.seen.push(name))")
    tab.frame.locator(".updatemenu-button").first.click()
    tab.wait("chart.layout.sliders[0].active === 4")
    # The frame that the slider asked for may be drawn only now.
    assert list(dict.fromkeys(tab.run("return chart.seen"))) == [str(step) for step in STEPS]
    assert tab.joined() == [list(ONE[layer][50]) for layer in LAYERS]


def test_two_runs_stand_side_by_side_on_equal_axes(tab: Tab) -> None:
    tab.choose("one", "two")
    assert tab.frame.get_by_text("one · val").is_visible()
    assert tab.frame.get_by_text("two · val").is_visible()
    ranges = "const {xaxis: a, xaxis2: b, yaxis: c, yaxis2: d} = chart._fullLayout;"
    ranges += "return [a.range, b.range, c.range, d.range];"
    before = tab.run(ranges)
    assert (before[0], before[2]) == (before[1], before[3])
    box = tab.frame.locator(".nsewdrag").first.bounding_box()
    tab.page.mouse.move(box["x"] + 60, box["y"] + 60)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 160, box["y"] + 200, steps=4)
    tab.page.mouse.up()
    tab.wait(f"chart._fullLayout.xaxis2.range[0] > {before[0][0]}")
    zoomed = tab.run(ranges)
    assert (zoomed[0], zoomed[2]) == (zoomed[1], zoomed[3])
    # What draws the figure anew keeps the zoom.
    tab.frame.locator(".legendtoggle").nth(1).click()
    tab.wait(f"{JOINED}.x.length === 2")
    assert tab.run(ranges) == zoomed


def test_two_sets_of_a_run_stand_side_by_side(tab: Tab) -> None:
    tab.choose("two")
    tab.choose("train", "val", among="sets")
    assert tab.frame.get_by_text("two · train").is_visible()
    assert tab.frame.get_by_text("two · val").is_visible()


def test_a_layer_hidden_in_the_legend_leaves_the_line_and_stays_hidden(tab: Tab) -> None:
    tab.frame.locator(".legendtoggle").nth(1).click()
    without = [list(ONE[layer][50]) for layer in ("first", "third")]
    tab.wait(f"{JOINED}.x.length === 2")
    assert tab.joined() == without
    tab.press("Refresh")
    tab.press("Adjusted")
    tab.press("Linear")
    assert tab.joined() == without
    tab.frame.locator(".legendtoggle").nth(1).click()
    tab.wait(f"{JOINED}.x.length === 3")


def test_the_keyboard_reaches_the_choices(tab: Tab) -> None:
    tab.frame.get_by_label("Linear").focus()
    tab.page.keyboard.press("ArrowDown")
    tab.settle()
    assert tab.frame.get_by_label("Adjusted").is_checked()
    assert "adjusted" in tab.run("return chart.layout.yaxis.title.text")
    tab.frame.get_by_label("Information plane").focus()
    tab.page.keyboard.press("ArrowRight")
    tab.settle()
    assert tab.run("return chart.data.map(({stackgroup}) => !!stackgroup)").count(True) == 3


def test_another_resolution_can_be_chosen_where_there_is_one(tab: Tab) -> None:
    choice = tab.frame.get_by_label("Resolution")
    assert choice.locator("option").all_text_contents() == ["bins[0]", "bins[1]: uniform5"]
    tab.choose("two")
    assert not choice.is_visible()


def test_a_chosen_resolution_outlives_a_look_at_another_figure(tab: Tab) -> None:
    choice = tab.frame.get_by_label("Resolution")
    choice.select_option("1")
    tab.settle()
    tab.press("Prediction entropies")
    tab.press("Information plane")
    assert choice.input_value() == "1"


def test_prediction_entropies_are_stacked_to_the_whole(tab: Tab) -> None:
    tab.press("Prediction entropies")
    stacked = tab.run("return chart.data.filter((t) => t.stackgroup).map(({y}) => y)")
    assert [sum(part[point] for part in stacked) for point in (0, 1)] == [3.0, 2.0]
    assert [0.125, 1.5] in stacked
    assert tab.frame.locator(".scatterlayer .trace").count() >= 3


def test_classes_are_a_heat_map_of_conditional_entropies(tab: Tab) -> None:
    tab.press("Classes")
    (heat,) = tab.run("return chart.data.map(({type, z}) => [type, z])")
    assert heat == ["heatmap", [[3.0, c / 4] for c in range(4)]]
    assert tab.frame.locator(".heatmaplayer image").count() == 1


def test_curves_are_of_the_quantity_that_is_chosen(tab: Tab) -> None:
    tab.press("Curves")
    choice = tab.frame.get_by_label("Quantity")
    assert choice.locator("option").all_text_contents() == ["I(X;T)", "I(T;Y)"]
    for number, quantity in enumerate(("I_XT", "I_TY")):
        choice.select_option(quantity)
        tab.settle()
        values = [point[number] for point in ONE["second"].values()]
        assert [y for _, y in tab.points("second")] == values
    tab.press("Information plane")
    assert not choice.is_visible()


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
    assert text < 0.4
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
    assert tab.frame.locator(".legendtext").first.text_content() == HOSTILE_LAYER
    titles = tab.frame.locator(".annotation-text").all_text_contents()
    assert f"{HOSTILE_RUN} · val" in titles
    assert tab.frame.locator("img, b, [onclick], [onerror]").count() == 0
    tab.page.mouse.move(*_centre(tab.frame.locator(".scatterlayer .point").first))
    hover = tab.frame.locator(".hoverlayer .hovertext")
    hover.first.wait_for()
    assert HOSTILE_LAYER in "".join(hover.all_text_contents())
    assert tab.frame.locator("img, b, [onclick], [onerror]").count() == 0


def _centre(locator: Any) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_new_points_are_drawn_while_the_run_goes_on(tab: Tab, folder: Path) -> None:
    layer = {10: (1.0, 0.25), 20: (1.5, 0.5)}
    write(folder / "growing", plane({"layer": layer}))
    _read_again(
        tab, "[...document.querySelectorAll('#runs input')].some((i) => i.value === 'growing')"
    )
    tab.choose("growing")
    assert tab.points("layer") == [[1.0, 0.25], [1.5, 0.5]]
    write(folder / "growing", plane({"layer": {30: (2.0, 0.75)}}, first_epoch=3))
    _read_again(tab, "chart.data[0].x.length === 3")
    assert tab.points("layer")[-1] == [2.0, 0.75]
    # The slider stood at the last epoch, so it follows.
    assert tab.joined() == [[2.0, 0.75]]
    tab.slide(0)
    tab.wait("chart.layout.sliders[0].active === 0")
    write(folder / "growing", plane({"layer": {40: (2.5, 1.0)}}, first_epoch=4))
    _read_again(tab, "chart.data[0].x.length === 4")
    # It stood elsewhere, so it stays.
    assert tab.run("return chart.layout.sliders[0].active") == 0
    assert tab.joined() == [[1.0, 0.25]]


def _read_again(tab: Tab, until: str) -> None:
    """Presses TensorBoard's own reload button until what was written is there."""
    give_up = time.monotonic() + 15
    while time.monotonic() < give_up:
        tab.page.locator("app-header-reload button").click()
        time.sleep(0.3)
        tab.settle()
        if tab.run(f"return {until}"):
            return
    pytest.fail(f"after 15 s: not {until}")


def test_behind_another_tab_nothing_is_asked_for(tab: Tab) -> None:
    tab.page.get_by_text("Scalars").first.click()
    tab.wait("innerHeight === 0")
    before = len([url for url in tab.requests if "/information_plane/" in url])
    tab.page.locator("app-header-reload button").click()
    tab.page.wait_for_timeout(500)
    assert len([url for url in tab.requests if "/information_plane/" in url]) == before
    tab.page.get_by_text("Information plane").first.click()
    tab.wait("innerHeight > 0")
    with tab.page.expect_response(lambda answer: "/figure" in answer.url):
        pass
    assert tab.points("first") == [list(point) for point in ONE["first"].values()]


def test_a_large_run_is_drawn_within_three_seconds(tab: Tab) -> None:
    """From the click to the drawn figure, the best of some.

    Other work may hold one up on its way. So the time is that on the wall or that of the
    processors, of server and browser together, whichever is less.
    """
    script = """
      const boxes = [...document.querySelectorAll('#runs input')];
      boxes.forEach((box) => { box.checked = box.value === argument; });
      const start = performance.now();
      boxes[0].dispatchEvent(new Event('change', {bubbles: true}));
      return new Promise((done) => {
        chart.on('plotly_afterplot', () => {
          const isLarge = chart.data.length > 50;
          if (isLarge === (argument === 'large')) done(performance.now() - start);
        });
      });
    """
    seconds = []
    while not seconds or (seconds[-1] > 3 and len(seconds) < 5):
        before = processor_seconds()
        on_the_wall = tab.run(script, "large") / 1000
        used = processor_seconds() - before
        seconds.append(min(on_the_wall, used if math.isfinite(used) else math.inf))
        print(f"drawn within {on_the_wall:.2f} s, with {used:.2f} s of the processors")
        tab.settle()
        drawn = tab.run(
            "return chart.data.filter(({meta, x}) => typeof meta === 'string' && x.length > 1)"
            ".map(({x}) => x.length)"
        )
        moments = tab.run("return chart.layout.sliders[0].steps.length")
        tab.run(script, "one")
        tab.settle()
    assert len(drawn) == N_LARGE_LAYERS
    assert max(drawn) <= 200
    assert moments == N_LARGE_STEPS
    assert min(seconds) <= 3


def test_svg_and_png_are_saved_as_what_they_say(tab: Tab, tmp_path: Path) -> None:
    for kind in ("SVG", "PNG"):
        with tab.page.expect_download() as saving:
            tab.frame.get_by_role("button", name=kind).click()
        assert saving.value.suggested_filename == f"Information plane.{kind.lower()}"
        saving.value.save_as(tmp_path / kind)
    drawing = ElementTree.parse(tmp_path / "SVG").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {*LAYERS, "one · val"} <= texts
    data = (tmp_path / "PNG").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1000
    assert height > 600
    assert len({tuple(row) for row in imread(tmp_path / "PNG").reshape(-1, 4)}) > 50


def test_an_empty_log_says_what_to_do(closed: Tab) -> None:
    nothing = {"runs": [], "newest": None, "most_panels": 6, "config": {}}
    nothing |= {"kinds": [], "readings": [], "views": [], "quantities": {}}
    closed.page.route("**/information_plane/state", lambda route: route.fulfill(json=nothing))
    closed.open()
    message = closed.frame.get_by_role("status")
    assert "Trainer(callbacks=[InformationPlaneMonitor()])" in message.text_content()
    closed.page.unroute("**/information_plane/state")
    closed.press("Refresh")
    assert not message.is_visible()
    assert closed.run("return chart.data.length") > 0


def test_an_error_is_told_in_words(tab: Tab) -> None:
    words = "Not found: <b>nothing</b>"
    answer = {"status": 404, "content_type": "text/plain", "body": words}
    tab.page.route("**/figure?*", lambda route: route.fulfill(**answer))
    tab.press("Corrected")
    assert tab.frame.get_by_role("status").text_content() == words
    tab.complaints[:] = [text for text in tab.complaints if "404" not in text]


def test_more_panels_than_six_are_refused_in_words(tab: Tab) -> None:
    def many(route: Any) -> None:
        state = route.fetch().json()
        (one,) = (run for run in state["runs"] if run["name"] == "one")
        state["runs"] += [one | {"name": f"copy{number}"} for number in range(11)]
        route.fulfill(json=state)

    tab.page.route("**/information_plane/state", many)
    tab.page.route("**/figure?*", lambda route: route.continue_(url=_without_copies(route)))
    tab.press("Refresh")
    tab.choose("one", *(f"copy{number}" for number in range(11)))
    assert (
        "12 panels are chosen; the first 6 are drawn"
        in tab.frame.get_by_role("status").text_content()
    )
    tab.frame.get_by_label("Filter runs").fill("COPY1")
    shown = [label for label in tab.frame.locator("#runs label").all() if label.is_visible()]
    assert [label.text_content() for label in shown] == ["copy1", "copy10"]


def _without_copies(route: Any) -> str:
    head, _, query = route.request.url.partition("?")
    return head + "?" + "&".join(part for part in query.split("&") if "copy" not in part)


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
    with _tab(browser, readings) as tab:
        tab.open()
        tab.choose("wide")
        switch, wide = tab.frame.locator("#readings"), tab.frame.get_by_label("Any width")
        assert wide.is_checked()
        assert tab.points("fc1") == [[6.0, -0.03125], [4.5, 0.75]]
        for words in ("Linear", "Adjusted", "Corrected", "Chance level"):
            assert not tab.frame.get_by_label(words).is_visible()
        tab.frame.get_by_label("Intervals").check()
        tab.settle()
        assert tab.run("return chart.data.some(({error_x}) => error_x)")
        tab.press("Binned code")
        assert tab.points("fc2") == [[1.0, 0.125], [3.5, 0.5], [2.25, 0.75]]
        tab.press("Adjusted")
        assert "adjusted" in tab.run("return chart.layout.yaxis.title.text")
        tab.press("Any width")
        assert tab.points("fc1") == [[6.0, -0.03125], [4.5, 0.75]]
        tab.choose("code")
        assert not switch.is_visible()
        assert tab.points("fc2")[0][0] == 1.0
        _had_no_complaint(tab)


def test_zoom_outlives_the_note_of_the_reading_that_opened(browser: Any, readings: str) -> None:
    with _tab(browser, readings) as tab:
        tab.open()
        tab.choose("wide")
        tab.run("return Plotly.relayout(chart, {'xaxis.range': [1, 5]}).then(() => true)")
        tab.press("Refresh")
        assert tab.run("return chart.layout.xaxis.range") == [1, 5]
        _had_no_complaint(tab)
