"""Layers in the tab: chips, highlight, the slider and Play, by pointer and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .browsing import Tab, opened, tensorboard
from .tab_logs import DEEP, LAYERS, N_RUNS, ONE, STEPS, write_logs


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("logs")
    write_logs(folder, n_steps=1000)
    with tensorboard(folder, "--load_fast", "true", n_runs=N_RUNS) as found:
        yield found


@pytest.fixture
def tab(tab: Tab) -> Tab:
    """The tab as it opens, with the plane of the run ``one``."""
    tab.open().choose("one")
    return tab


def _opacity(tab: Tab, layer: str) -> set[str]:
    """How strongly the traces of a layer are drawn, as the browser has it."""
    script = """
      const of = chart.data.filter(({meta, uid}) => uid && meta?.layer === argument);
      return of.flatMap(({uid}) => [...chart.querySelectorAll(`.trace${uid}`)])
        .map((node) => getComputedStyle(node).opacity);
    """
    return set(tab.run(script, layer))


def _names(tab: Tab) -> set[str]:
    """The layers whose names are to be seen in the figure."""
    script = """
      const {names} = chart.layout.meta;
      return Object.keys(names).filter((n) => {
        const node = chart.querySelector(`.annotation[data-index="${n}"]`);
        const {visibility, opacity} = node ? getComputedStyle(node) : {};
        return visibility === 'visible' && opacity !== '0';
      }).map((n) => names[n]);
    """
    return set(tab.run(script))


def test_a_chip_highlights_for_as_long_as_it_is_looked_at(tab: Tab) -> None:
    assert tab.frame.locator("#chips .chip").count() == len(LAYERS)
    assert _names(tab) == set(LAYERS)
    tab.chip("second").hover()
    tab.wait("chart.querySelector('.dim')")
    assert _opacity(tab, "first") == {"0.16"}
    assert "0.16" not in _opacity(tab, "second")
    assert _names(tab) == {"second"}
    tab.page.mouse.move(0, 0)
    tab.wait("!chart.querySelector('.dim')")
    assert _names(tab) == set(LAYERS)


def test_a_highlight_shows_marks_of_its_layer_that_are_not_seen_else(tab: Tab) -> None:
    """Of fifty layers none has an arrow; the lines of one that is lit are a quarter wider."""
    tab.choose("deep")
    script = """
      const [role, layer, part, style] = argument;
      return chart.data.filter(({meta}) => meta?.role === role && meta.layer === layer)
        .flatMap(({uid}) => [...chart.querySelectorAll(`.trace${uid}${part}`)])
        .map((node) => Number.parseFloat(getComputedStyle(node)[style]));
    """

    def arrows(layer: str) -> set[float]:
        return set(tab.run(script, ["arrow", layer, "", "opacity"]))

    first, last = "layer0", "layer49"
    widths = tab.run(script, ["line", first, " .js-line", "strokeWidth"])
    assert (arrows(first), arrows(last)) == ({0.0}, {0.0})
    tab.chip(first).click()
    tab.page.mouse.move(0, 0)
    tab.wait("chart.querySelector('.lit')")
    assert (arrows(first), arrows(last)) == ({1.0}, {0.0})
    assert _names(tab) == {first}
    tab.key("ArrowDown")
    assert _names(tab) == {"layer1"}  # which is not named at rest
    tab.key("ArrowUp")
    wider = tab.run(script, ["line", first, " .js-line", "strokeWidth"])
    assert wider == pytest.approx([1.25 * width for width in widths])
    tab.key("Escape")
    assert arrows(first) == {0.0}
    assert tab.run(script, ["line", first, " .js-line", "strokeWidth"]) == widths


def test_a_highlight_is_kept_by_a_click_and_ended_by_escape(tab: Tab) -> None:
    tab.chip("second").click()
    tab.page.mouse.move(0, 0)
    assert _opacity(tab, "third") == {"0.16"}
    assert tab.chip("second").get_attribute("aria-pressed") == "true"
    # What draws the figure anew keeps it.
    tab.press("From 0")
    tab.wait("chart.querySelector('.dim')")
    assert _opacity(tab, "third") == {"0.16"}
    tab.key("Escape")
    assert not tab.run("return chart.querySelector('.dim') !== null")
    assert tab.chip("second").get_attribute("aria-pressed") == "false"


def test_hovering_the_end_of_a_way_highlights_its_layer(tab: Tab) -> None:
    x, y = ONE["third"][50]
    left, top = tab.run(
        "const {xaxis, yaxis} = chart._fullLayout, box = chart.getBoundingClientRect();"
        "return [box.left + xaxis._offset + xaxis.d2p(argument[0]),"
        " box.top + yaxis._offset + yaxis.d2p(argument[1])];",
        [x, y],
    )
    frame = tab.page.locator("iframe").bounding_box()
    tab.page.mouse.move(frame["x"] + left, frame["y"] + top)
    tab.wait("chart.querySelector('.dim')")
    assert _opacity(tab, "first") == {"0.16"}
    assert "0.16" not in _opacity(tab, "third")


def test_a_layer_that_is_left_out_stays_out_and_comes_back(tab: Tab) -> None:
    tab.frame.get_by_role("button", name="Leave second out").click()
    tab.settle()
    assert tab.layers() == ["first", "third"]
    tab.press("Refresh")
    assert tab.layers() == ["first", "third"]
    tab.press("Curves")
    assert tab.layers() == ["first", "third"]
    order = tab.frame.locator("#chips [data-layer]").all()
    assert [chip.get_attribute("data-layer") for chip in order] == LAYERS
    tab.frame.get_by_role("button", name="Show second").click()
    tab.settle()
    assert tab.layers() == LAYERS


def test_the_slider_shows_the_figure_as_it_stood(tab: Tab) -> None:
    tab.slide(2)
    assert tab.points("first") == [list(ONE["first"][step]) for step in (10, 20, 30)]
    slider = tab.frame.locator("#moment")
    assert slider.get_attribute("aria-valuetext") == "epoch 3, step 30"
    assert tab.frame.locator("#moment-label").text_content() == "epoch 3, step 30"
    slider.focus()
    tab.page.keyboard.press("ArrowRight")
    tab.wait(f"chart.data.find(({{meta}}) => meta?.role === 'points').x.length === {4}")
    tab.rest()
    tab.key("d")
    row = tab.frame.locator("#table tbody tr", has_text="first").locator("td")
    x, y = ONE["first"][40]
    assert row.all_text_contents()[-2:] == [f"{x:.3f}", f"{y:.3f}"]


def test_play_draws_ways_that_grow_and_no_future(tab: Tab) -> None:
    tab.run(
        "chart.seen = []; chart.on('plotly_afterplot', () => {"
        "const far = chart.data.filter(({uid}) => uid?.endsWith('-far'));"
        "if (far.length) chart.seen.push(far.map(({x}) => x.length)); })"
    )
    tab.frame.locator("#play").click()
    tab.wait("chart.seen.some(([n]) => n === 5)")
    tab.rest()
    seen = tab.run("return chart.seen")
    lengths = [n for n, *_ in seen if n]
    assert lengths == sorted(lengths)
    assert set(lengths) == set(range(1, len(STEPS) + 1))
    assert all(len(set(each)) == 1 and len(each) == len(LAYERS) for each in seen)
    # At rest the figure is the server's again, with its names.
    assert tab.points("first") == [list(point) for point in ONE["first"].values()]
    assert _names(tab) == set(LAYERS)
    assert tab.frame.locator("#play").text_content() == "▶ Play"


def test_play_stops_where_it_is_told_to(tab: Tab) -> None:
    tab.choose("deep")
    tab.frame.locator("#speed").select_option("0.5")
    tab.frame.locator("#play").click()
    tab.wait("chart.data.some(({uid, x}) => uid?.endsWith('-far') && x.length > 2)")
    assert not tab.frame.locator("#chart .annotation", has_text="layer0").is_visible()
    tab.frame.locator("#play").click()
    tab.rest()
    moment = int(tab.frame.locator("#moment").input_value())
    assert 0 < moment < tab.run("return chart.layout.meta.moments.length") - 1
    assert "p.information_plane.until=" in tab.page.url


def test_every_control_is_reached_and_used_by_keyboard(tab: Tab) -> None:
    tab.frame.locator("body").click(position={"x": 2, "y": 2})
    tab.key("ArrowDown")
    assert tab.chip("first").get_attribute("aria-pressed") == "true"
    tab.key("ArrowDown", "ArrowDown", "ArrowUp")
    assert tab.chip("second").get_attribute("aria-pressed") == "true"
    tab.key("Escape")
    tab.page.keyboard.press("Home")
    tab.rest()
    assert len(tab.points("first")) == 1
    tab.page.keyboard.press("ArrowRight")
    tab.rest()
    assert len(tab.points("first")) == 2
    tab.page.keyboard.press("End")
    tab.rest()
    assert len(tab.points("first")) == len(STEPS)
    tab.key("f")
    assert tab.chosen("scales") == ["zero"]
    tab.key("c")
    assert tab.frame.get_by_label("Chance level").is_checked()
    tab.key(".", ".")
    assert tab.frame.locator("#speed").input_value() == "4"
    tab.key(",")
    assert tab.frame.locator("#speed").input_value() == "2"
    tab.key("d")
    assert tab.frame.locator("#table table").is_visible()
    tab.key("?")
    assert tab.frame.get_by_role("dialog").is_visible()
    tab.key("Escape")
    assert not tab.frame.get_by_role("dialog").is_visible()
    titles = tab.run(
        "return [...document.querySelectorAll('#figures input')].map(({value}) => value)"
    )
    tab.key("2")
    assert tab.chosen("figures") == [titles[1]]
    # In a field a letter is a letter.
    tab.key("1")
    tab.frame.locator("#filter").fill("")
    tab.frame.locator("#filter").press("f")
    assert tab.frame.locator("#filter").input_value() == "f"
    assert tab.chosen("scales") == ["zero"]


def test_the_focus_is_to_be_seen_on_the_whole_way_through_the_tab(tab: Tab) -> None:
    tab.run("document.activeElement.blur(); document.body.focus();")
    tab.frame.locator("#figures input").first.focus()
    seen: list[str] = []
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        outline, name = tab.run(
            "const now = document.activeElement;"
            "const shown = now.closest('.tabs label') ?? now;"
            "return [getComputedStyle(shown).outlineStyle,"
            " now === document.body ? 'BODY' : now.id || now.dataset.layer || now.value];"
        )
        if name == "BODY":
            break
        assert outline != "none", name
        seen.append(name)
    assert {"moment", "play", "speed", *LAYERS, "csv", "ask", "follow"} <= set(seen)


def test_what_is_drawn_is_told_to_who_does_not_see_it(tab: Tab) -> None:
    figure = tab.frame.locator("#chart")
    assert figure.get_attribute("role") == "img"
    told = figure.get_attribute("aria-label")
    sentences = tab.frame.locator("#findings summary").all_text_contents()
    assert sentences
    assert all(sentence in told for sentence in sentences)
    for box in tab.frame.locator("input:visible, select:visible").all():
        assert box.get_attribute("aria-label") or box.evaluate("(node) => node.labels.length")


def test_help_says_how_to_read_the_plane(tab: Tab) -> None:
    tab.frame.locator("#ask").click()
    dialog = tab.frame.get_by_role("dialog")
    assert dialog.locator("#how-to li").count() == 4
    terms = dialog.locator("dt").all_text_contents()
    assert {"saturated", "chance", "ruler (a discretizer)", "bars"} <= set(terms)
    tab.frame.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()


def test_keys_work_without_a_click_into_the_tab(browser: Any, address: str) -> None:
    with opened(browser, address) as tab:
        tab.open()
        tab.key("?")
        assert tab.frame.get_by_role("dialog").is_visible()


# Many layers.


def test_of_many_layers_one_is_found_by_its_name(tab: Tab) -> None:
    tab.choose("deep")
    assert tab.frame.locator("#chips .chip").count() <= 12
    tab.frame.get_by_label("Find a layer").fill("LAYER17")
    tab.frame.locator("#chips .chip", has_text="17").locator("button").first.click()
    assert _names(tab) == {"layer17"}
    assert _opacity(tab, "layer16") - {"0"} == {"0.16"}  # what is not seen at all stays so
    tab.frame.get_by_label("Find a layer").fill("nothing")
    assert "No layer" in tab.frame.locator("#chips").text_content()


def test_a_range_of_layers_is_chosen_on_the_strip_of_depth(tab: Tab) -> None:
    tab.choose("deep")
    strip = tab.frame.locator("#depth")
    box = strip.bounding_box()
    each = box["width"] / len(DEEP)
    tab.page.mouse.move(box["x"] + 10.5 * each, box["y"] + 5)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 19.5 * each, box["y"] + 5, steps=3)
    tab.page.mouse.up()
    tab.wait("document.querySelectorAll('#depth .out').length === 40")
    tab.settle()
    assert tab.layers() == DEEP[10:20]
    tab.frame.get_by_label("last layer that is shown").select_option("29")
    tab.wait("document.querySelectorAll('#depth .out').length === 30")
    tab.settle()
    assert tab.layers() == DEEP[10:30]
    tab.press("Show all")
    assert len(tab.layers()) == len(DEEP)
