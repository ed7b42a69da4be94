"""The notebook for beginners runs from top to bottom, and shows what its text says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .forked import Running

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "first_plane.ipynb"
STORED: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
TEXT = "\n".join("".join(c["source"]) for c in STORED["cells"] if c["cell_type"] == "markdown")
PLOTLY = "application/vnd.plotly.v1+json"
LAYERS = ["first.1", "second.1", "third.1", "logits"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What all code cells printed, and what they showed, by MIME type.

    Run in a process of its own, with Plotly set as in a notebook. Jupyter is not needed for it.
    """
    folder = tmp_path_factory.mktemp("notebook")
    arguments = [NOTEBOOK, folder / "shown.json"]
    environment = {"PLOTLY_RENDERER": "plotly_mimetype"}
    finished = Running(
        ROOT / "tests" / "notebook_run.py", arguments, folder, environment=environment
    ).wait(300)
    assert finished.returncode == 0, finished.output[-3000:]
    cells = json.loads((folder / "shown.json").read_text(encoding="utf-8"))
    return SimpleNamespace(
        printed="".join(cell["printed"] for cell in cells),
        shown=[cell["shown"] for cell in cells if cell["shown"]],
        output=finished.output,
    )


def test_it_is_stored_as_notebooks_are_and_without_outputs() -> None:
    """Outputs would be half a megabyte of pictures, and other digits on each machine."""
    assert (STORED["nbformat"], STORED["nbformat_minor"]) == (4, 5)
    assert STORED["metadata"]["kernelspec"]["name"] == "python3"
    cells = STORED["cells"]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]) for cell in cells)
    assert len({cell["id"] for cell in cells}) == len(cells)
    of_code = {"cell_type", "execution_count", "id", "metadata", "outputs", "source"}
    for cell in cells:
        assert all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert set(cell) == of_code
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        else:
            assert cell["cell_type"] == "markdown"
            assert set(cell) == of_code - {"execution_count", "outputs"}


def test_it_shows_the_plane_of_all_layers(ran: SimpleNamespace) -> None:
    plane, classes = ran.shown
    drawn = json.dumps(plane[PLOTLY], ensure_ascii=False)
    assert all(layer in drawn for layer in LAYERS)
    assert "V(T→Y)" in drawn
    assert plane[PLOTLY]["layout"]["sliders"]
    for bundle in (plane, classes):
        assert "data:image/svg+xml;base64," in bundle["text/html"]
    assert any(trace["type"] == "heatmap" for trace in classes[PLOTLY]["data"])


def test_the_layers_are_where_the_text_says(ran: SimpleNamespace) -> None:
    """The deepest layers start low and rise; they end to the left of the first one."""
    rows = re.findall(r"^(\S+) +x = (\S+) bits, y: (\S+) -> (\S+) bits$", ran.printed, re.MULTILINE)
    assert [name for name, *_ in rows] == LAYERS
    points = {name: tuple(map(float, bits)) for name, *bits in rows}
    (x_of_first, y_of_first, _), (x, first, last) = points["first.1"], points["logits"]
    assert x < x_of_first - 0.5
    assert first < y_of_first - 0.5
    assert last > first + 0.5
    assert all(2.5 < bits < 3.32 for *_, bits in points.values())


def test_it_prints_findings_that_its_text_explains(ran: SimpleNamespace) -> None:
    found = [line for line in ran.printed.splitlines() if line.startswith("- ")]
    explained = re.findall(r'^- \*"(.+?)"\*', TEXT, re.MULTILINE)
    assert len(explained) == 6
    for words in explained:
        assert any(words in line for line in found), (words, found)


def test_the_warning_that_its_text_explains_is_printed(ran: SimpleNamespace) -> None:
    assert "SATURATED" in ran.output


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links
    for link in links:
        page, _, anchor = link.partition("#")
        text = (NOTEBOOK.parent / page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {"", *(each.lower().replace(" ", "-") for each in headings)}, link


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/tutorial.md"])
def test_it_is_found_from_the_pages_where_one_starts(page: str) -> None:
    assert "examples/first_plane.ipynb" in (ROOT / page).read_text(encoding="utf-8")
