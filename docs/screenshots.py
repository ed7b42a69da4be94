"""Makes the pictures of README and docs: trains networks, opens TensorBoard, photographs it.

The demo shows the tab and its pictures, on a wide screen and on a phone; a perceptron, a CNN and a
transformer of the literature's experiments, each with a default monitor, show the plane of any
width; the perceptron from three seeds shows a mean of repeats.

    python docs/screenshots.py [--chromium /usr/bin/chromium]

Needs the extra ``e2e`` (Playwright) and a Chromium of the system; ``make screenshots`` brings both
together. Nothing is fetched from the network.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import TensorDataset

IMAGES = Path(__file__).parent / "images"
REPRODUCE = Path(__file__).parents[1] / "examples" / "reproduce"
WIDE = ("relu", "cnn", "transformer")
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def tensorboard(logdir: Path) -> Iterator[str]:
    """TensorBoard's address while it serves `logdir`."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    # A relative folder, since TensorBoard shows what it was given.
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir.name]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--load_fast", "false"],
        cwd=logdir.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://localhost:{port}/"
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(
                    f"{address}data/plugin/information_plane/state"
                ) as state:
                    if b'"figures"' in state.read():
                        break
            except OSError:
                pass
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


PICTURES = {
    "Through the layers": "through",
    "Heat map": "map",
    "Curves": "curves",
    "Prediction entropies": "predictions",
    "Classes": "classes",
}
"""What the tab calls its pictures besides the plane, and what their files are called."""
WINDOW, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def opened(page: Any, address: str, state: str = "") -> Any:
    """The tab, once it has drawn."""
    page.goto("about:blank")
    page.goto(f"{address}#information_plane{state}")
    tab = page.frame_locator("iframe")
    tab.locator("#chart .main-svg").first.wait_for()
    return tab


def photograph_tab(page: Any, address: str) -> None:
    """The tab as it opens, in the light, in the dark and on a phone, and its other pictures."""
    tab = opened(page, address)
    _save(page, "tab_plane.png")
    page.evaluate("document.body.classList.add('dark-mode')")
    _save(page, "tab_plane_dark.png")
    page.evaluate("document.body.classList.remove('dark-mode')")
    for title, name in PICTURES.items():
        tab.locator("#figures label").filter(has_text=title).click()
        _save(page, f"tab_{name}.png")
    page.set_viewport_size(PHONE)
    opened(page, address)
    _save(page, "tab_phone.png")
    page.set_viewport_size(WINDOW)


NUMBERED = """chart => {
  const of = (layer, role) => chart.data.find(t => t.meta.layer === layer && t.meta.role === role);
  const at = (layer, role, i) => [of(layer, role).x.at(i), of(layer, role).y.at(i), "x", "y"];
  const line = text => chart.layout.annotations.find(note => note.text.startsWith(text));
  const [label, classes] = ["H(Y)", "log"].map(line);
  const turn = of("net.conv3.1", "points").x;
  const places = [
    [at("net.logits", "start", 0), 30, 22],
    [at("net.logits", "end", 0), -26, 30],
    [at("net.conv3.1", "points", turn.indexOf(Math.min(...turn))), -24, 30],
    [[0.5, label.y, "paper", label.yref], 0, 28],
    [[classes.x, 0.3, classes.xref, "paper"], 30, 0],
    [at("net.conv3.1", "start", 0), 36, 26],
    [at("net.conv2.1", "end", 0), -30, -30],
  ];
  const notes = places.map(([[x, y, xref, yref], ax, ay], i) => ({
    x, y, xref, yref, ax, ay, text: `<b>${i + 1}</b>`, showarrow: true, arrowhead: 0, arrowwidth: 1,
    standoff: 7, font: { size: 14, color: "white" }, bgcolor: "#1f6f43", borderpad: 4,
  }));
  Plotly.relayout(chart, { annotations: [...chart.layout.annotations, ...notes] });
}"""
"""Puts a number beside what the page on reading explains, in the plane of the CNN."""


def photograph_numbered(page: Any, address: str) -> None:
    """The plane of the CNN with numbers, as the page on reading explains them."""
    tab = opened(page, address)
    chart = tab.locator("#chart")
    chart.evaluate(NUMBERED)
    page.wait_for_timeout(2000)
    chart.screenshot(path=IMAGES / "reading_numbered.png")


def train(name: str, logdir: Path, seed: int = 0) -> None:
    """Train one of the networks of `wide.py` on the digits, with default monitors and a log."""
    sys.path.append(str(REPRODUCE))
    from pytorch_lightning.loggers import TensorBoardLogger
    from training import Classifier, batches, fit, seeded
    from wide import NETWORKS

    from it_callbacks import InformationPlaneMonitor
    from it_callbacks.tasks import digits_split

    seeded(seed)
    images, labels = digits_split()[0].tensors
    training = TensorDataset(images.reshape(-1, 1, 8, 8), labels)
    model = Classifier(NETWORKS[name].build(8), lr=NETWORKS[name].lr)
    plane = InformationPlaneMonitor(data="train")
    fit(
        model,
        batches(training, 64),
        30,
        [plane],
        TensorBoardLogger(logdir, f"{name}_{seed}", version=""),
    )


def _save(page: Any, name: str) -> None:
    page.wait_for_timeout(2000)  # for the figure to be drawn
    page.screenshot(path=IMAGES / name)


def main() -> None:
    """Train, serve, photograph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        logdir = Path(folder) / "digits"
        demo = [sys.executable, "-m", "it_callbacks.cli", "demo", "--logdir", str(logdir)]
        subprocess.run(demo, check=True)
        for name in WIDE:
            train(name, Path(folder) / name)
        for seed in range(3):
            train("relu", Path(folder) / "seeds", seed)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=arguments.chromium, args=CHROMIUM_ARGUMENTS
            )
            page = browser.new_page(viewport=WINDOW)
            with tensorboard(logdir) as address:
                photograph_tab(page, address)
                page.goto(f"{address}#custom_scalars")
                page.wait_for_timeout(8000)
                plane = page.get_by_text("information plane, data", exact=True).first
                plane.evaluate("heading => heading.scrollIntoView()")
                _save(page, "demo_scalars.png")
            for name in WIDE:
                with tensorboard(Path(folder) / name) as address:
                    opened(page, address)
                    _save(page, f"wide_{name}.png")
                    if name == "cnn":
                        photograph_numbered(page, address)
            with tensorboard(Path(folder) / "seeds") as address:
                tab = opened(page, address)
                tab.get_by_role("button", name="All", exact=True).click()
                tab.locator("#arrangements label").filter(has_text="Mean of repeats").click()
                _save(page, "tab_repeats.png")
            browser.close()


if __name__ == "__main__":
    main()
