"""The figures that monitors draw of their own histories, and the pictures of `images=`."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import plotly.graph_objects
import pytest

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

from .toys import MONITORS, curve, fit, layer_names, loader


def written_in(figure: Any) -> list[str]:
    """The texts of a figure."""
    return [annotation.text for annotation in figure.layout.annotations]


def test_the_figure_of_a_plane_shows_its_points() -> None:
    """A trajectory for each layer, on a panel for each set."""
    plane = InformationPlaneMonitor()
    fit([plane], val=[loader(105, seed=1), loader(50, seed=2)], max_epochs=3)
    figure = plane.figure()
    assert isinstance(figure, plotly.graph_objects.Figure)
    drawn = {
        (trace.xaxis, trace.name): (list(trace.x), list(trace.y))
        for trace in figure.data
        if len(trace.x) == 3 and trace.name in layer_names(plane)
    }
    assert len(drawn) == 6
    for axis, set_ in (("x", "val"), ("x2", "val_1")):
        for layer in layer_names(plane):
            for shown, quantity in zip(drawn[axis, layer], ("I_XT", "I_TY"), strict=True):
                expected = curve(plane, f"information_plane/{set_}/{quantity}/{layer}")
                assert shown == pytest.approx(expected, abs=1e-6)
    h_y = plane.settings["val"]["H_Y"]
    assert f"H(Y) = {h_y:.2f}" in written_in(figure)
    assert {"this run · val", "this run · val_1"} <= set(written_in(figure))
    assert len(figure.frames) == 3


def test_the_figure_of_a_plane_is_drawn_in_the_view_and_at_the_resolution_asked_for() -> None:
    plane = InformationPlaneMonitor(bins=[30, 3])
    fit([plane], max_epochs=2)
    coarse = plane.figure(view="adjusted", resolution=1)
    layer = layer_names(plane)[0]
    (slug,) = {tag for tag in plane.settings["val"]["layers"][0]["tag_of_ruler"] if tag}
    (up,) = (list(trace.y) for trace in coarse.data if trace.name == layer and len(trace.x) == 2)
    expected = curve(plane, f"information_plane/val/I_TY_adjusted_{slug}/{layer}")
    assert up == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match=r"view: .* did you mean 'linear'"):
        plane.figure(view="lineal")


def test_the_figure_of_prediction_entropies_names_what_it_lacks() -> None:
    """I(X;Ŷ) is one area: how much of it is of the labels another monitor knows."""
    monitor = PredictionEntropyMonitor()
    fit([monitor], max_epochs=3)
    figure = monitor.figure()
    areas = [trace for trace in figure.data if trace.stackgroup is not None]
    assert [list(area.x) for area in areas] == [[1, 2, 3]] * 2
    total = np.sum([area.y for area in areas], axis=0)
    assert total == pytest.approx(curve(monitor, "prediction_entropy/val/marginal"), abs=1e-5)
    assert any("ConditionalEntropyMonitor" in text for text in written_in(figure))


def test_the_figure_of_class_entropies_is_a_heat_map() -> None:
    monitor = ConditionalEntropyMonitor(class_names=["cat", "<b>dog</b>", "cow"])
    fit([monitor], max_epochs=3)
    (heat,) = monitor.figure().data
    assert list(heat.x) == [1, 2, 3]
    for number, row in enumerate(heat.z):
        values = curve(monitor, f"conditional_entropy/val/class_{number}")
        assert list(row) == pytest.approx(values, abs=1e-6)
    assert list(monitor.figure().layout.yaxis.ticktext)[1] == "&lt;b&gt;dog&lt;/b&gt;"


@pytest.mark.parametrize("kind", MONITORS)
def test_the_figure_before_the_first_point_says_that_there_is_none(kind: type[Any]) -> None:
    figure = kind(name="mine").figure()
    assert any("logged of this set" in text for text in written_in(figure))
    assert "this run · mine" in written_in(figure)


@pytest.mark.parametrize("images", [0, -1, True, 2.0, "5"])
def test_images_need_a_whole_number_of_epochs(images: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"images: need a whole number .*, got "):
        InformationPlaneMonitor(images=images)


def test_images_without_matplotlib_name_the_extra_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after an epoch of training."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name)
    )
    with pytest.raises(ImportError, match=r"pip install 'it_callbacks\[plot\]'"):
        InformationPlaneMonitor(images=1)
    InformationPlaneMonitor()
