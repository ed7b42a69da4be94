"""A TensorBoard of its own and the system's Chromium, for tests that see what a reader sees."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_REQUIRED = os.environ.get("IT_CALLBACKS_BROWSER") == "required"


def _without(what: str) -> NoReturn:
    if _REQUIRED:
        pytest.fail(f"{what}, but IT_CALLBACKS_BROWSER=required")
    pytest.skip(f"{what}: what the tab looks like in a browser is not tested")


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's browser with a profile of its own; none is ever fetched."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        _without("no Chromium on this system")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("Playwright is not installed (extra e2e)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def tensorboard(folder: Path, *options: str, prefix: str = "", n_runs: int = 1) -> Iterator[str]:
    """The address of a TensorBoard over `folder`, once it knows so many runs of monitors."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--port", str(port), "--reload_interval", "1", "--path_prefix", prefix, *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}{prefix}/"
    try:
        until_known(address, n_runs)
        yield address
    finally:
        server.terminate()
        server.wait()


def until_known(address: str, n_runs: int) -> None:
    """Waits until the TensorBoard at an address knows so many runs of monitors."""
    give_up = time.monotonic() + 60
    while _n_runs(address) < n_runs:
        assert time.monotonic() < give_up, "TensorBoard did not read the log"
        time.sleep(0.1)


def _n_runs(address: str) -> int:
    try:
        with urllib.request.urlopen(f"{address}data/plugin/information_plane/state") as answer:
            return answer.read().count(b'"figures"')
    except (urllib.error.URLError, ConnectionError):
        return -1


@contextmanager
def opened(
    browser: Any, address: str, width: int = 1200, height: int = 800, **options: Any
) -> Iterator[Tab]:
    """The tab in a page of its own, not yet opened; at the end nothing may have gone wrong."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(15_000)
    tab = Tab(context.new_page(), address)
    yield tab
    wrong = tab.wrong()
    assert wrong == [], wrong  # of this module pytest rewrites no assertion
    context.close()


_ANEW = """(hash) => {
  parent.history.replaceState(parent.history.state, "", hash);
  window.isOld = true;
  location.reload();
}"""


class Tab:
    """The tab in a page, as a reader uses it; notes what must never happen."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.size = page.viewport_size
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._refuse)
        page.on("console", self._listen)

    def _refuse(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _listen(self, message: Any) -> None:
        # TensorBoard's own style sheet forgets the prefix of the path when it asks for its fonts.
        if message.type == "error" and "/font-roboto/" not in message.location["url"]:
            self.complaints.append(f"{message.text} {message.location['url']}")

    @property
    def foreign(self) -> list[str]:
        """Requests that went elsewhere."""
        ours = ("/".join(self.address.split("/")[:3]) + "/", "data:", "blob:")
        return [url for url in self.requests if not url.startswith(ours)]

    def open(self, state: str = "") -> Tab:
        """Goes to the tab, with a state as an address holds it, and waits for its figure.

        TensorBoard's page takes seconds to open: one that is open stays, and the tab starts anew.
        """
        if self.page.url.startswith(self.address):
            self.settle()  # what it still waits for would write the address anew
            self._inside.evaluate(_ANEW, f"#information_plane{state}")
            self._inside.wait_for_function("!window.isOld")
        else:
            self.page.goto(f"{self.address}#information_plane{state}")
            self.page.wait_for_selector("iframe")
        self.settle()
        return self

    def reload(self) -> None:
        """Loads the whole page again, as the browser's button does."""
        self.page.reload()
        self.page.wait_for_selector("iframe")
        self.settle()

    def tidy(self) -> None:
        """Leaves nothing on the page of the test before, but for what is chosen in the tab."""
        self.page.unroute_all()
        self.page.emulate_media(media="null", reduced_motion="null")
        self.page.set_viewport_size(self.size)
        self.page.mouse.move(0, 0)
        if self.page.url.startswith(self.address):
            self.page.evaluate("document.body.classList.remove('dark-mode')")
        self.complaints.clear()
        self.requests.clear()

    @property
    def _inside(self) -> Any:
        (frame,) = (frame for frame in self.page.frames if "plugin_entry" in frame.url)
        return frame

    def wrong(self) -> list[str]:
        """What must never be: complaints of the page, and requests that went elsewhere."""
        return self.complaints + self.foreign

    @property
    def frame(self) -> Any:
        """Where the tab lives."""
        return self.page.frame_locator("iframe")

    def run(self, script: str, argument: Any = None) -> Any:
        """What a script says of the chart, which it knows as ``chart``."""
        body = f"(argument) => {{const chart = document.querySelector('#chart'); {script}}}"
        return self._inside.evaluate(body, argument)

    def wait(self, condition: str, seconds: float = 15) -> None:
        """Until a condition on ``chart`` holds."""
        body = f"() => {{const chart = document.querySelector('#chart'); return {condition};}}"
        self._inside.wait_for_function(body, timeout=1000 * seconds)

    def settle(self) -> None:
        """Until nothing is loaded any more."""
        self.frame.locator("main:not([aria-busy])").wait_for()
        said = "!document.querySelector('#message').hidden"
        self.wait(f"!document.querySelector('main[aria-busy]') && (chart.data || {said})")

    def choose(self, *names: str, among: str = "runs") -> None:
        """Has exactly these boxes checked."""
        for box in self.frame.locator(f"#{among} input").all():
            box.set_checked(box.input_value() in names)
        self.settle()

    def press(self, words: str) -> None:
        """Clicks the button or the choice that says this."""
        said = re.compile(f"^{re.escape(words)}$")
        self.frame.locator("button, label span").filter(has_text=said).click()
        self.settle()

    def slide(self, moment: int) -> None:
        """Puts the slider at a moment, from 0, and waits until the figure stands there."""
        self.frame.locator("#moment").fill(str(moment))
        self.rest()

    def rest(self) -> None:
        """Until the figure of the server stands again after a move of the slider, or Play."""
        self.wait("!chart.ariaBusy && !chart.data.some(({uid}) => uid?.endsWith('-head'))")
        self.settle()

    def key(self, *names: str) -> None:
        """Presses keys, none of them in a field."""
        for name in names:
            self.page.keyboard.press(name)
        self.settle()

    def points(self, layer: str) -> list[list[float]]:
        """Where the points of a layer are drawn."""
        script = (
            "const {x, y} = chart.data.find(({meta}) =>"
            " meta?.role === 'points' && meta.layer === argument);"
        )
        return self.run(f"{script} return x.map((value, i) => [value, y[i]]);", layer)

    def layers(self) -> list[str]:
        """The layers that are drawn, in order of depth."""
        found: list[str] = self.run(
            "return [...new Set(chart.data.filter(({meta, x}) =>"
            " meta?.role === 'points' && x.length).map(({meta}) => meta.layer))]"
        )
        return found

    def chip(self, words: str) -> Any:
        """The button of a layer, by its short name."""
        return self.frame.locator("#chips .chip", has_text=words).locator("button").first

    def chosen(self, place: str) -> list[str]:
        """What is checked in a group of choices."""
        boxes = self.frame.locator(f"#{place} input:checked").all()
        return [box.input_value() for box in boxes]
