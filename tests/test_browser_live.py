"""The tab while a run is being written: it shows the first point, and those that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .browsing import Tab, opened, tensorboard, until_known
from .written_logs import plane, settings, write

LAYER = {10: (1.0, 0.25), 20: (1.5, 0.5)}
RUN = "&p.information_plane.run"
POINTS = "chart.data?.find(({meta}) => meta?.role === 'points')?.x.length"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture(params=["true", "false"], ids=["fast", "python"])
def empty(request: Any, browser: Any, folder: Path) -> Iterator[Tab]:
    """The tab over a folder that holds nothing yet."""
    folder.mkdir()
    with (
        tensorboard(folder, "--load_fast", request.param, n_runs=0) as address,
        opened(browser, address) as found,
    ):
        yield found


def test_a_tab_that_was_opened_first_shows_the_first_point_when_it_comes(
    empty: Tab, folder: Path
) -> None:
    tab = empty.open()
    message = tab.frame.locator("#message")
    assert "Trainer(callbacks=[InformationPlaneMonitor()])" in message.text_content()
    write(folder / "run", plane({"layer": LAYER}), settings(["layer"]))
    # Nothing is pressed.
    tab.wait(f"{POINTS} === 2", 60)
    tab.settle()
    assert not message.is_visible()
    assert tab.frame.get_by_label("Follow").is_checked()
    last = tab.frame.locator("#last-point")
    assert last.text_content().startswith("last point ")
    assert " s ago" in last.text_content()
    write(folder / "run", plane({"layer": {30: (2.0, 0.75)}}, first_epoch=3))
    tab.wait(f"{POINTS} === 3", 60)
    assert tab.points("layer")[-1] == [2.0, 0.75]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each test begins runs of its own."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def address(browser: Any, logs: Path) -> Iterator[str]:
    with tensorboard(logs, "--load_fast", "true", n_runs=0) as found:
        yield found


@pytest.fixture
def begun(logs: Path, address: str) -> Callable[[str], Path]:
    """Begins a run of a name, and waits until TensorBoard knows it."""

    def begin(name: str) -> Path:
        write(logs / name, plane({"layer": LAYER}), settings(["layer"]))
        until_known(address, len(list(logs.iterdir())))
        return logs / name

    return begin


def test_axes_stay_until_points_leave_them_and_a_moment_stays(
    tab: Tab, begun: Callable[[str], Path]
) -> None:
    run = begun("axes")
    tab.open(f"{RUN}=axes")
    ranges = "return ['xaxis', 'yaxis'].map((axis) => chart._fullLayout[axis].range)"
    before = tab.run(ranges)
    write(run, plane({"layer": {30: (1.25, 0.375)}}, first_epoch=3))
    tab.wait(f"{POINTS} === 3", 60)
    assert tab.run(ranges) == before
    write(run, plane({"layer": {40: (7.0, 1.5)}}, first_epoch=4))
    tab.wait(f"{POINTS} === 4", 60)
    after = tab.run(ranges)
    assert after[0][1] > 7.0
    assert after[0][0] <= 1.0
    tab.slide(0)
    write(run, plane({"layer": {50: (7.5, 1.75)}}, first_epoch=5))
    tab.wait("Number(document.querySelector('#moment').max) === 4", 60)
    tab.settle()
    # The slider stood elsewhere than at the end, so it stays.
    assert tab.frame.locator("#moment").input_value() == "0"
    assert tab.points("layer") == [[1.0, 0.25]]


def test_who_switches_follow_off_is_left_alone(tab: Tab, begun: Callable[[str], Path]) -> None:
    begun("left")
    tab.open(f"{RUN}=left")
    tab.frame.get_by_label("Follow").uncheck()
    tab.settle()
    assert tab.page.url.endswith("&p.information_plane.follow=0")
    tab.reload()
    assert not tab.frame.get_by_label("Follow").is_checked()
    n = len([url for url in tab.requests if "/state" in url])
    tab.page.wait_for_timeout(6500)  # longer than it waits between two looks
    # TensorBoard itself reloads every half a minute at the earliest.
    assert len([url for url in tab.requests if "/state" in url]) == n


def test_findings_are_asked_for_once_while_new_points_come(
    tab: Tab, begun: Callable[[str], Path]
) -> None:
    """Those of long and deep runs take the server seconds."""
    run = begun("asked")
    tab.open(f"{RUN}=asked")
    assert tab.frame.get_by_label("Follow").is_checked()
    for n in (3, 4):
        write(run, plane({"layer": {10 * n: (2.0, 0.75)}}, first_epoch=n))
        tab.wait(f"{POINTS} === {n}", 60)
        tab.settle()
    assert _n_asked(tab) == 1
    tab.press("Refresh")
    assert _n_asked(tab) == 2


def test_findings_of_runs_that_are_no_longer_shown_are_not_waited_for(
    tab: Tab, begun: Callable[[str], Path]
) -> None:
    for name in ("one", "two"):
        begun(name)
    tab.open(f"{RUN}=one")
    dropped: list[str] = []
    tab.page.on("requestfailed", lambda request: dropped.append(request.url))
    tab.page.route("**/findings?run=two", lambda route: None)  # never answered
    with tab.page.expect_request("**/findings?run=two"):
        tab.frame.get_by_label("two").check()
        tab.frame.get_by_label("one").uncheck()
    # The same question again waits for the answer to the first.
    # What is asked beside the figure is asked together with the findings.
    with tab.page.expect_response("**/figure?name=curves&**"):
        tab.frame.get_by_role("button", name="Refresh").click()
    assert len([url for url in tab.requests if url.endswith("/findings?run=two")]) == 1
    tab.frame.get_by_label("one").check()
    tab.frame.get_by_label("two").uncheck()
    tab.settle()
    assert [url for url in dropped if url.endswith("/findings?run=two")]
    assert tab.frame.locator("#findings li").count()


def _n_asked(tab: Tab) -> int:
    return len([url for url in tab.requests if "/findings?" in url])
