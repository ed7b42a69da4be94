"""Makes the pictures of README and docs: trains networks, opens TensorBoard, photographs it.

The demo shows the whole tab; a perceptron, a CNN and a transformer of the literature's experiments,
each with a default monitor, show the wide plane.

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


def photograph_tab(page: Any, address: str) -> None:
    """The tab as it opens, in the light and in the dark, and two further pictures of it."""
    page.goto(f"{address}#information_plane")
    tab = page.frame_locator("iframe")
    tab.locator("#chart .main-svg").first.wait_for()
    _save(page, "tab_plane.png")
    page.evaluate("document.body.classList.add('dark-mode')")
    _save(page, "tab_plane_dark.png")
    page.evaluate("document.body.classList.remove('dark-mode')")
    for figure, name in (("Prediction entropies", "predictions"), ("Classes", "classes")):
        tab.locator("#figures span").filter(has_text=figure).click()
        _save(page, f"tab_{name}.png")


def train(name: str, logdir: Path) -> None:
    """Train one of the networks of `wide.py` on the digits, with a default monitor and a log."""
    sys.path.append(str(REPRODUCE))
    from pytorch_lightning.loggers import TensorBoardLogger
    from training import Classifier, batches, fit, seeded
    from wide import NETWORKS

    from it_callbacks import InformationPlaneMonitor
    from it_callbacks.tasks import digits_split

    seeded(0)
    images, labels = digits_split()[0].tensors
    training = TensorDataset(images.reshape(-1, 1, 8, 8), labels)
    model = Classifier(NETWORKS[name].build(8), lr=NETWORKS[name].lr)
    plane = InformationPlaneMonitor(data="train")
    fit(model, batches(training, 64), 30, [plane], TensorBoardLogger(logdir, name, version=""))


def photograph_wide_plane(page: Any, address: str, name: str) -> None:
    """The tab as it opens."""
    page.goto(f"{address}#information_plane")
    page.frame_locator("iframe").locator("#chart .main-svg").first.wait_for()
    _save(page, name)


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
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=arguments.chromium, args=CHROMIUM_ARGUMENTS
            )
            page = browser.new_page(viewport={"width": 1080, "height": 700})
            with tensorboard(logdir) as address:
                photograph_tab(page, address)
                page.goto(f"{address}#custom_scalars")
                page.wait_for_timeout(8000)
                plane = page.get_by_text("information plane, data", exact=True).first
                plane.evaluate("heading => heading.scrollIntoView()")
                _save(page, "demo_scalars.png")
            for name in WIDE:
                with tensorboard(Path(folder) / name) as address:
                    photograph_wide_plane(page, address, f"wide_{name}.png")
            browser.close()


if __name__ == "__main__":
    main()
