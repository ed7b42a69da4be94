"""What was chosen in the tab stands in the address: it outlives a reload, and can be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from it_callbacks.figures.request import NO_LABELS

from .browsing import Tab, opened, tensorboard
from .tab_logs import HOSTILE_LAYER, HOSTILE_RUN, LAYERS, N_RUNS, ONE, STEPS, write_logs
from .written_logs import plane, write

STATE = "&p.information_plane."


@pytest.fixture(
    scope="module",
    params=["true", pytest.param("false", marks=pytest.mark.slow)],
    ids=["fast", "python"],
)
def address(request: Any, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("logs")
    write_logs(folder)
    with tensorboard(folder, "--load_fast", request.param, n_runs=N_RUNS) as found:
        yield found


# Of what an address asks the log for, both loaders are tested fast.
BOTH_LOADERS = pytest.mark.parametrize(
    "address", ["true", "false"], ids=["fast", "python"], indirect=True
)


def test_an_address_holds_what_differs_from_the_defaults_and_no_more(tab: Tab) -> None:
    tab.open()
    assert tab.page.url.endswith("#information_plane")
    tab.choose("two")
    tab.press("From 0")
    assert tab.page.url.endswith(f"#information_plane{STATE}run=two{STATE}scale=zero")
    tab.press("Fit")
    assert "scale=zero" not in tab.page.url


@BOTH_LOADERS
def test_all_choices_outlive_a_reload(tab: Tab) -> None:
    tab.open()
    tab.choose("one", "two")
    tab.choose("val", among="sets")
    tab.press("From 0")
    tab.frame.get_by_label("Chance level").check()
    tab.settle()
    tab.frame.get_by_role("button", name="Leave second out").click()
    tab.settle()
    tab.chip("third").click()
    tab.slide(2)
    tab.frame.locator("#filter").fill("^t")
    tab.page.wait_for_url(re.compile(r"filter=%5Et$"))
    before = tab.page.url
    tab.reload()
    assert tab.page.url == before
    assert tab.chosen("runs") == ["one", "two"]
    assert tab.chosen("sets") == ["val"]
    assert tab.chosen("scales") == ["zero"]
    assert tab.frame.get_by_label("Chance level").is_checked()
    assert tab.frame.locator("#filter").input_value() == "^t"
    assert tab.frame.locator("#moment").input_value() == "2"
    assert tab.layers() == ["first", "third"]
    assert tab.chip("third").get_attribute("aria-pressed") == "true"
    steps = tab.run(
        "return chart.data.filter(({meta}) => meta?.role === 'points')"
        ".flatMap(({customdata}) => customdata.map((row) => row[1]))"
    )
    assert max(steps) == STEPS[2]


def test_names_of_strangers_survive_in_an_address(tab: Tab) -> None:
    tab.open()
    tab.choose(HOSTILE_RUN)
    tab.frame.locator("#chips button").first.click()
    tab.reload()
    assert tab.chosen("runs") == [HOSTILE_RUN]
    chip = tab.frame.locator("#chips [aria-pressed=true]")
    assert chip.get_attribute("title") == HOSTILE_LAYER


def test_back_undoes_the_last_change_of_picture(tab: Tab) -> None:
    tab.open()
    tab.choose("one")
    tab.press("Curves")
    tab.press("Heat map")
    for title in ("Curves", "Plane"):
        tab.page.go_back()
        tab.frame.locator("#figures label:has(:checked)", has_text=title).wait_for()
    tab.settle()
    assert tab.chosen("runs") == ["one"]


def test_another_tab_of_tensorboard_keeps_the_choices(tab: Tab) -> None:
    tab.open()
    tab.choose("two")
    tab.page.get_by_text("Scalars").first.click()
    tab.wait("innerHeight === 0")
    tab.page.get_by_text("Information plane").first.click()
    tab.wait("innerHeight > 0")
    tab.settle()
    assert f"#information_plane{STATE}run=two" in tab.page.url
    assert tab.chosen("runs") == ["two"]


def _copied_link(tab: Tab) -> str:
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.frame.get_by_role("button", name="Copy link").click()
    tab.frame.get_by_role("button", name="Copied").wait_for()
    link: str = tab.page.evaluate("navigator.clipboard.readText()")
    return link


def test_a_copied_link_shows_the_same_elsewhere(browser: Any, tab: Tab, address: str) -> None:
    tab.open()
    tab.choose("two")
    tab.press("Curves")
    link = _copied_link(tab)
    with opened(browser, address) as other:
        other.page.goto(link)
        other.page.wait_for_selector("iframe")
        other.settle()
        assert other.chosen("runs") == ["two"]
        assert other.chosen("figures") == ["curves"]


@pytest.mark.parametrize(
    "state",
    [
        f"{STATE}name=gone",
        f"{STATE}reading=wied",
        f"{STATE}view=gone{STATE}resolution=many{STATE}scale=log{STATE}arrange=x{STATE}until=soon",
        f"{STATE}nothing=1{STATE}run=&p.other.run=two",
        f"{STATE}layer=gone{STATE}hidden=gone",
    ],
)
def test_an_address_that_asks_for_what_is_not_there_opens_all_the_same(
    tab: Tab, state: str
) -> None:
    tab.open(state)
    assert not tab.frame.locator("#message").is_visible()
    assert tab.layers()


@BOTH_LOADERS
def test_a_step_that_was_not_logged_stands_for_the_last_moment_before_it(tab: Tab) -> None:
    """Figure, slider, table, file name and CSV are of the same moment."""
    tab.open(f"{STATE}run=one{STATE}until=37")
    assert tab.frame.locator("#moment").input_value() == "2"
    assert tab.points("first")[-1] == list(ONE["first"][STEPS[2]])
    assert f"{STATE}until=30" in tab.page.url
    assert "step 30" in tab.frame.locator("#table caption").text_content()
    link = tab.frame.locator("#csv")
    assert "epoch3" in link.get_attribute("download")
    assert "until=30" in link.get_attribute("href")


def test_other_runs_do_not_take_over_a_moment_or_layers_that_they_lack(tab: Tab) -> None:
    tab.open(f"{STATE}run=one{STATE}until=30{STATE}layer=third{STATE}hidden=second")
    assert tab.layers() == ["first", "third"]
    tab.choose("deep")
    assert "hidden" not in tab.page.url
    assert "layer=" not in tab.page.url
    # It has a step 30, but its slider has stops of other steps.
    assert tab.run("return chart.layout.meta.moments.some(({step}) => step === 30)") == (
        "until=30" in tab.page.url
    )
    tab.open(f"{STATE}run=two{STATE}until=40{STATE}hidden=second")
    tab.choose("one")
    assert f"{STATE}until=40" in tab.page.url
    assert f"{STATE}hidden=second" in tab.page.url
    tab.choose(HOSTILE_RUN)
    assert "until" not in tab.page.url


@BOTH_LOADERS
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("run=gone", "Run gone: it is not in this log. Showing"),
        (f"run=two{STATE}run.2=gone", "Run gone: it is not in this log. Showing two (val, train)."),
        (f"run=two{STATE}set=test", "Set test: not in what is shown. Showing two"),
        (
            f"name=plane{STATE}run=predicting",
            "Run predicting: it has not logged an information plane. Showing",
        ),
    ],
)
def test_what_an_address_asks_for_in_vain_is_said(tab: Tab, state: str, words: str) -> None:
    tab.open(f"{STATE}{state}")
    assert words in tab.frame.locator("#message").text_content()
    assert tab.layers()


def test_no_run_outlives_a_reload(tab: Tab) -> None:
    tab.open()
    tab.choose()
    tab.reload()
    assert tab.chosen("runs") == []
    assert tab.frame.locator("#message").text_content() == "Choose a run."


def test_a_copied_link_names_what_was_shown_by_itself(tab: Tab) -> None:
    tab.open()
    (run,), (name,) = map(quote, tab.chosen("runs")), tab.chosen("figures")
    told = _copied_link(tab).replace("(", "%28").replace(")", "%29")
    assert f"{STATE}name={name}{STATE}run={run}{STATE}set=val" in told


def test_a_run_without_labels_opens_at_curves_and_says_why_there_is_no_plane(
    browser: Any, tmp_path: Path
) -> None:
    tags = plane(ONE)
    tags = {tag: of for tag, of in tags.items() if "/I_TY/" not in tag}
    write(
        tmp_path / "run", {tag.replace("/I_XT/", "/relative_I_XT/"): of for tag, of in tags.items()}
    )
    with tensorboard(tmp_path) as address, opened(browser, address) as tab:
        tab.open()
        assert tab.chosen("figures") == ["curves"]
        assert tab.layers() == LAYERS
        assert not tab.frame.locator("#message").is_visible()
        assert tab.frame.locator("#findings li").count()
        assert tab.frame.get_by_role("radio", name="Plane").is_disabled()
        title = tab.frame.locator("#figures label", has_text="Plane").get_attribute("title")
        assert title == NO_LABELS
        assert not tab.frame.locator("#views").is_visible()  # of the binned code
