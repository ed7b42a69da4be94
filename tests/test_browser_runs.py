"""Runs in the tab: one, thirty and a hundred of them; a filter; over each other and as a mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .browsing import Tab, opened, tensorboard
from .tab_logs import LAYERS, points
from .written_logs import plane, settings, write

NAMES = [f"seed_{number}" for number in range(99)]
LONG = "sweep-of-learning-rates-and-widths/lr=0.001,width=256,seed=7/version_0"


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("logs")
    told = settings(LAYERS)
    for number, name in enumerate([*NAMES, LONG]):
        write(folder / name, plane(points(number / 16)), told)
    with tensorboard(folder, "--load_fast", "true", n_runs=len(NAMES) + 1) as found:
        yield found


@pytest.fixture
def tab(tab: Tab) -> Tab:
    """The tab as it opens."""
    return tab.open()


def _visible(tab: Tab) -> list[str]:
    return tab.run(
        "return [...document.querySelectorAll('#runs label')]"
        ".filter((label) => label.offsetParent).map((label) => label.firstChild.value)"
    )


def test_a_filter_is_a_regular_expression_and_plain_text_where_it_is_none(tab: Tab) -> None:
    tab.choose()
    filter_ = tab.frame.get_by_label("Filter runs")
    filter_.fill("SEED_(1|2)$")
    assert _visible(tab) == ["seed_1", "seed_2"]
    filter_.fill("seed_(")
    assert _visible(tab) == []
    assert "Not a regular expression" in tab.frame.locator("#filter-note").text_content()


def test_all_and_none_are_of_what_the_filter_shows(tab: Tab) -> None:
    tab.choose("seed_50")
    filter_ = tab.frame.get_by_label("Filter runs")
    filter_.fill("^seed_[12]$")
    # What is checked beyond the filter stays in sight, and is told.
    assert _visible(tab) == ["seed_1", "seed_2", "seed_50"]
    assert "1 checked run does not match" in tab.frame.locator("#filter-note").text_content()
    tab.press("All")
    assert tab.chosen("runs") == ["seed_1", "seed_2", "seed_50"]
    tab.press("None")
    assert tab.chosen("runs") == ["seed_50"]


def test_a_long_name_keeps_both_its_ends(tab: Tab) -> None:
    label = tab.frame.locator("#runs label", has_text="version_0")
    words = label.text_content()
    assert words.startswith("sweep")
    assert words.endswith("version_0")
    assert len(words) < len(LONG)
    assert label.get_attribute("title") == LONG


def test_more_panels_than_six_are_refused_in_words(tab: Tab) -> None:
    tab.frame.get_by_label("Filter runs").fill("^seed_[0-7]$")
    tab.choose()
    tab.press("All")
    message = tab.frame.locator("#message").text_content()
    assert "8 are chosen; the first 6 are drawn." in message


@pytest.mark.parametrize("n", [2, 30])
def test_runs_over_each_other_are_told_apart_by_colour(tab: Tab, n: int) -> None:
    chosen = NAMES[:n]
    pattern = f"^seed_({'|'.join(str(number) for number in range(n))})$"
    tab.frame.get_by_label("Filter runs").fill(pattern)
    tab.choose()
    tab.press("All")
    tab.press("Overlay")
    layers = tab.run("return chart.layout.meta.layers")
    assert [layer["name"] for layer in layers] == chosen
    assert len({layer["colour"] for layer in layers}) == n
    drawn = tab.run(
        "return [...new Set(chart.data.filter(({meta}) => meta?.role === 'points')"
        ".map(({meta, xaxis}) => `${meta.run} ${xaxis ?? 'x'}`))]"
    )
    assert drawn == [f"{name} x" for name in chosen]
    if n == 2:
        tab.frame.locator("#chips [data-layer=seed_1]").hover()
        tab.wait("chart.querySelector('.dim')")
    tab.reload()
    assert tab.chosen("arrangements") == ["overlay"]
    assert tab.chosen("runs") == chosen


def test_chips_of_many_runs_act_on_runs(tab: Tab) -> None:
    chosen = NAMES[:14]
    tab.frame.get_by_label("Filter runs").fill("^seed_([0-9]|1[0-3])$")
    tab.choose()
    tab.press("All")
    tab.press("Overlay")
    chips = tab.frame.locator("#chips [data-layer]")
    # Each colour has its name.
    assert [chip.get_attribute("data-layer") for chip in chips.all()] == chosen
    search = tab.frame.get_by_label("Find a run")
    search.fill("seed_1")
    assert chips.count() == 5
    search.fill("")
    tab.frame.get_by_role("button", name="Uncheck seed_13").click()
    tab.settle()
    assert tab.chosen("runs") == chosen[:13]
    tab.frame.get_by_label("last run that is shown").select_option(label="seed_3")
    tab.settle()
    assert tab.chosen("runs") == chosen[:4]
    assert "hidden" not in tab.page.url
    assert tab.layers() == LAYERS


def test_repeats_have_a_mean_with_ellipses(tab: Tab) -> None:
    tab.frame.get_by_label("Filter runs").fill("^seed_[024]$")
    tab.choose()
    tab.press("All")
    tab.press("Mean of repeats")
    # Of 0, 2 and 4 sixteenths the middle one.
    expected = [list(point) for point in points(2 / 16)["second"].values()]
    assert tab.points("second") == expected
    assert tab.run("return chart.data.some(({meta}) => meta?.role === 'ellipse')")
    sentence = "3 of 3 layers can be read as binned codes."
    tab.frame.get_by_text(sentence, exact=True).wait_for()
    tab.press("Side by side")
    tab.frame.get_by_text(f"3 of 3 runs: {sentence}", exact=True).wait_for()


def test_other_rulers_are_never_drawn_as_equals(browser: Any, tmp_path: Any) -> None:
    for set_, slug in (("val", "uniform30"), ("train", "uniform5")):
        layers = [{"tag": layer, "tag_of_ruler": [""], "slugs": [slug]} for layer in LAYERS]
        told = settings(LAYERS, set_)
        (place,) = told
        from it_callbacks.texts import to_text

        words = {"n_samples": 1024, "H_Y": 2.0, "layers": layers}
        write(tmp_path / "run", plane(points(0.5), set_), {place: to_text(words)})
    with tensorboard(tmp_path) as address, opened(browser, address) as tab:
        tab.open()
        assert tab.chosen("sets") == ["val", "train"]
        message = tab.frame.locator("#message").text_content()
        assert "other rulers" in message
        assert "uniform30" in message
        assert "uniform5" in message
        panels = tab.run("return chart.layout.meta.panels.map(({axis}) => axis)")
        assert len(set(panels)) == 2


@pytest.mark.parametrize(("width", "least"), [(390, 300), (1200, 250)])
def test_plots_below_each_other_are_about_as_high_as_one_alone(
    tab: Tab, width: int, least: int
) -> None:
    """Four plots: in one column on a narrow screen, else in two rows."""
    key = "&p.information_plane.run"
    runs = f"{key}=seed_0" + "".join(f"{key}.{n + 1}=seed_{n}" for n in (1, 2, 3))
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.open(runs)
    heights = tab.run(
        "return [...document.querySelectorAll('#chart .nsewdrag')]"
        ".map((node) => node.getBoundingClientRect().height)"
    )
    assert len(heights) == 4
    assert min(heights) >= least


@pytest.fixture(scope="module")
def of_kinds(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """The tab over a run with labels and one without, which started last."""
    folder = tmp_path_factory.mktemp("kinds")
    write(folder / "labelled", plane(points(0.25)), settings(LAYERS))
    tags = {tag: of for tag, of in plane(points(0.25)).items() if "/I_TY/" not in tag}
    write(folder / "unlabelled", tags, settings(LAYERS))
    with (
        tensorboard(folder, "--load_fast", "true", n_runs=2) as found,
        opened(browser, found) as tab,
    ):
        yield tab


def test_the_tab_opens_at_the_newest_run_in_a_picture_that_it_has(of_kinds: Tab) -> None:
    tab = of_kinds.open()
    assert tab.chosen("runs") == ["unlabelled"]
    assert tab.chosen("figures") == ["curves"]
    assert not tab.frame.locator("#message").is_visible()


def test_a_run_that_a_picture_cannot_show_stays_in_the_list_with_the_reason(of_kinds: Tab) -> None:
    tab = of_kinds.open("&p.information_plane.run=labelled")
    assert tab.chosen("figures") == ["plane"]
    assert _visible(tab) == ["labelled", "unlabelled"]
    label = tab.frame.locator("#runs label", has_text="unlabelled")
    assert "no labels were logged" in str(label.get_attribute("title"))
    tab.press("All")
    assert tab.chosen("runs") == ["labelled"]
    tab.choose("unlabelled")  # it has another picture
    assert tab.chosen("figures") == ["curves"]
    tab.press("All")
    assert tab.chosen("runs") == ["labelled", "unlabelled"]


def test_where_a_picture_has_no_run_the_reason_is_a_sentence(of_kinds: Tab) -> None:
    state = "&p.information_plane.run=unlabelled&p.information_plane.name=through"
    tab = of_kinds.open(state)
    assert tab.frame.locator("#figures input[value=through]").is_checked()
    assert tab.chosen("runs") == ["labelled"]
    said = str(tab.frame.locator("#message").text_content())
    assert said.startswith("Run unlabelled: no labels were logged")
