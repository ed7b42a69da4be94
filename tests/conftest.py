"""What tests share: one thread, fixed seeds, a browser, and the folder of outside references."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

from .browsing import Tab, chromium, opened

torch.set_num_threads(1)


def _declared() -> torch.library.Library | None:
    """The operators that torchvision asks for as it is imported, which torchmetrics does.

    Its wheel on PyPI is built for CUDA: beside a torch for the CPU its operators do not load. Here
    no network calls them.
    """
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        return None
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None


# A declaration lasts as long as its library.
_LIBRARY = _declared()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many trainings `test_thrown.py` draws, and from which number on."""
    parser.addoption("--draws", type=int, default=None, help="trainings to draw at random")
    parser.addoption("--first", type=int, default=0, help="the number of the first of them")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that open a browser, which take as long as all others together."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state."""
    random.seed(0)
    np.random.seed(0)  # the global state is what users' code draws from
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_warning_of_a_monitor_goes_unseen() -> Iterator[None]:
    """A test that is about one records it by `warned`; others fail, but for those of tiny sets."""
    if "it_callbacks.callbacks" not in sys.modules:  # nothing here makes a monitor
        yield
        return
    from .warned import OF_TINY_SETS, warned

    with warned() as given:
        yield
    assert [one for one in given if one.cause not in OF_TINY_SETS] == []


@pytest.fixture
def shared() -> Path:
    """Data and other systems' output that lie beside the repository, not in it."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with reference data is not here")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium; of each file one, as Playwright's event loop stops others."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Tab]:
    """TensorBoard's page at the `address` of a file takes seconds to open: its tests share it."""
    with opened(browser, address) as tab:
        yield tab


@pytest.fixture
def tab(page: Tab) -> Iterator[Tab]:
    """The tab in the page that is shared, not yet opened; nothing may go wrong in it."""
    page.tidy()
    yield page
    assert page.wrong() == []
