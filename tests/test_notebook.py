"""What notebooks show of figures and monitors, live and once they were saved or exported."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import plotly.graph_objects
import plotly.io as pio
import pytest
from plotly.io.base_renderers import ExternalRenderer

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

from .browsing import chromium
from .toys import MONITORS, fit, layer_names

PLOTLY = "application/vnd.plotly.v1+json"


class Html(HTMLParser):
    """The elements and the texts of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def sources(self) -> list[str]:
        return [str(of["src"]) for _, of in self.elements if "src" in of]


@pytest.fixture(scope="module")
def plane() -> InformationPlaneMonitor:
    monitor = InformationPlaneMonitor(bins=[30, 3])
    fit([monitor], max_epochs=2)
    return monitor


@pytest.fixture
def _in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Plotly is set in a notebook that is saved: data for its script, and nothing else."""
    monkeypatch.setattr(pio.renderers, "_default_renderers", [pio.renderers["plotly_mimetype"]])
    monkeypatch.setattr(pio.renderers, "_default_name", "plotly_mimetype")


@pytest.mark.usefixtures("_in_a_notebook")
def test_a_figure_is_data_for_plotly_and_html_that_needs_nothing(
    plane: InformationPlaneMonitor,
) -> None:
    bundle = plane.figure()._repr_mimebundle_()
    assert set(bundle) == {PLOTLY, "text/html"}
    html = Html(bundle["text/html"])
    (source,) = html.sources()
    assert source.startswith("data:image/svg+xml;base64,")
    assert "script" not in {name for name, _ in html.elements}
    assert {"Last values", *layer_names(plane)} <= set(html.texts)
    assert plane.figure()._repr_html_() == bundle["text/html"]


@pytest.mark.usefixtures("_in_a_notebook")
@pytest.mark.parametrize("how", ["show", "_ipython_display_"])
def test_a_cell_gets_both(
    how: str, plane: InformationPlaneMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[dict[str, Any], bool]] = []
    display = ModuleType("IPython.display")
    display.display = lambda bundle, raw: shown.append((bundle, raw))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    getattr(plane.figure(), how)()
    ((bundle, raw),) = shown
    assert set(bundle) == {PLOTLY, "text/html"}
    assert raw


def test_elsewhere_a_figure_is_shown_as_plotly_is_set(
    plane: InformationPlaneMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Window(ExternalRenderer):  # type: ignore[misc] # plotly has no types
        def render(self, fig: dict[str, Any]) -> None:
            shown.append(fig)

    shown: list[dict[str, Any]] = []
    monkeypatch.setitem(pio.renderers._renderers, "window", Window())
    monkeypatch.setattr(pio._renderers, "ipython_display", object())
    plane.figure().show(renderer="window")
    assert len(shown) == 1
    monkeypatch.setattr(pio.renderers, "_default_renderers", [pio.renderers["window"]])
    monkeypatch.setattr(pio.renderers, "_default_name", "window")
    plane.figure().show()
    assert len(shown) == 2


def test_what_a_user_adds_to_a_figure_is_no_fault(plane: InformationPlaneMonitor) -> None:
    figure = plane.figure()
    figure.add_pie(values=[1, 2])
    assert "Last values" in figure._repr_html_()
    assert "Last values" not in type(figure)(figure)._repr_html_()  # of what, it cannot know


def test_a_figure_is_taken_for_plotlys_own_by_its_name_and_when_it_is_stored(
    plane: InformationPlaneMonitor,
) -> None:
    figure = plane.figure()
    kind = plotly.graph_objects.Figure
    named = f"{type(figure).__module__}.{type(figure).__name__}"
    assert named == f"{kind.__module__}.{kind.__name__}"
    for again in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):  # ours
        assert type(again) is kind
        assert again == figure


@pytest.mark.parametrize("kind", MONITORS)
def test_a_monitor_shows_its_figure_and_its_last_values(kind: type[Any]) -> None:
    monitor = kind()
    assert repr(monitor) == f"<{kind.__name__}: nothing measured yet>"
    assert f"{kind.__name__}: nothing measured yet" in Html(monitor._repr_html_()).texts
    fit([monitor], max_epochs=2)
    assert repr(monitor) == f"<{kind.__name__}: 2 points of 'val'>"
    html = Html(monitor._repr_html_())
    assert len(html.sources()) == 1
    assert html.elements.count(("table", {})) == 1


def test_a_monitor_of_layers_shows_their_statuses_and_what_was_found(
    plane: InformationPlaneMonitor,
) -> None:
    texts = Html(plane._repr_html_()).texts
    statuses = [text for text in texts if text in ("OK", "CAUTION", "SATURATED")]
    n_readings = 3  # two rulers and any width
    assert len(statuses) == n_readings * len(layer_names(plane))
    assert any("layers can be read" in text for text in texts)


def test_names_are_text() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    classes = ConditionalEntropyMonitor(class_names=[f"{hostile}{n}" for n in range(3)])
    fit([classes], max_epochs=2)
    html = Html(classes._repr_html_())
    assert any(hostile in text for text in html.texts)
    assert all(source.startswith("data:") for source in html.sources())


def test_without_matplotlib_there_are_words_and_values(
    plane: InformationPlaneMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name)
    )
    for html in (plane._repr_html_(), plane.figure()._repr_html_()):
        page = Html(html)
        assert page.sources() == []
        assert any("pip install 'it_callbacks[plot]'" in text for text in page.texts)
        assert set(layer_names(plane)) <= set(page.texts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_exported_notebook_shows_the_picture_offline(
    scheme: str, plane: InformationPlaneMonitor, tmp_path: Path
) -> None:
    """Exporters take the HTML of an output and put it on a page; sites take scripts away."""
    predictions = PredictionEntropyMonitor()
    fit([predictions], max_epochs=2)
    outputs = [plane.figure()._repr_html_(), plane._repr_html_(), predictions._repr_html_()]
    page = tmp_path / "notebook.html"
    page.write_text(
        "<!DOCTYPE html><meta charset=utf-8><style>:root{color-scheme: light dark}</style>"
        + "".join(f"<div class=output>{html}</div>" for html in outputs),
        encoding="utf-8",
    )
    with chromium() as browser:
        context = browser.new_context(
            color_scheme=scheme, java_script_enabled=True, viewport={"width": 390, "height": 800}
        )
        context.set_offline(True)
        shown = context.new_page()
        asked: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(page.as_uri())
        widths = shown.evaluate("[...document.images].map(each => each.naturalWidth)")
        assert len(widths) == 3
        assert min(widths) > 200
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
        context.close()
