"""The figures that monitors draw of their own histories, and the pictures of `images=`."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import PIL.Image
import plotly.graph_objects
import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.drawing import Picture, as_plotly, with_y
from it_callbacks.figures import Panel, Request, draw, information_plane
from it_callbacks.pictures import pixels
from it_callbacks.records import Record
from it_callbacks.runs import from_records

from .known_run import PLANE, SETTINGS, STEPS, WIDE, WIDE_SETTINGS
from .toys import (
    MONITORS,
    BreaksOff,
    MemoryLogger,
    ShowsImages,
    curve,
    fit,
    layer_names,
    loader,
)
from .warned import warned


def written_in(figure: Any) -> list[str]:
    """The texts of a figure."""
    return [annotation.text for annotation in figure.layout.annotations]


def test_the_figure_of_a_plane_shows_its_points() -> None:
    """A trajectory for each layer, on a panel for each set."""
    plane = InformationPlaneMonitor()
    fit([plane], val=[loader(105, seed=1), loader(50, seed=2)], max_epochs=3)
    figure = plane.figure(reading="code")
    assert isinstance(figure, plotly.graph_objects.Figure)
    drawn = {
        (trace.meta["set"], trace.meta["layer"]): (trace.x, trace.y)
        for trace in figure.data
        if trace.meta["role"] == "points"
    }
    assert len(drawn) == 6
    for set_ in ("val", "val_1"):
        for layer in layer_names(plane):
            for shown, quantity in zip(drawn[set_, layer], ("I_XT", "I_TY"), strict=True):
                expected = curve(plane, f"information_plane/{set_}/{quantity}/{layer}")
                assert list(shown) == pytest.approx(expected, abs=1e-4)  # as far as it is seen
    h_y, texts = plane.settings["val"]["H_Y"], " ".join(written_in(figure))
    assert f"H(Y) = {h_y:.2f}" in texts
    assert "this run · val<" in texts
    assert "this run · val_1<" in texts
    assert len(figure.frames) == 4  # three moments, and the figure as it stands


def test_the_figure_of_a_plane_is_drawn_in_the_view_and_at_the_resolution_asked_for() -> None:
    plane = InformationPlaneMonitor(bins=[30, 3])
    fit([plane], max_epochs=2)
    coarse = plane.figure(view="adjusted", resolution=1)
    layer = layer_names(plane)[0]
    (slug,) = {tag for tag in plane.settings["val"]["layers"][0]["tag_of_ruler"] if tag}
    (up,) = (
        list(trace.y)
        for trace in coarse.data
        if (trace.meta["layer"], trace.meta["role"]) == (layer, "points")
    )
    of_plane = "information_plane/val"
    counted, chance = (
        np.array(curve(plane, f"{of_plane}/{quantity}_{slug}/{layer}"))
        for quantity in ("I_TY", "I_TY_chance")
    )
    h_y = plane.settings["val"]["H_Y"]
    assert up == pytest.approx(h_y * (counted - chance) / (h_y - chance), abs=1e-4)
    with pytest.raises(ValueError, match=r"view: .* did you mean 'linear'"):
        plane.figure(view="lineal")


def test_the_figure_of_prediction_entropies_names_what_it_lacks() -> None:
    """I(X;Ŷ) is one area: how much of it is of the labels another monitor knows."""
    monitor = PredictionEntropyMonitor()
    fit([monitor], max_epochs=3)
    figure = monitor.figure()
    areas = [trace for trace in figure.data if trace.stackgroup is not None]
    (points,) = (trace for trace in figure.data if trace.meta["role"] == "points")
    assert [row[0] for row in points.customdata] == [1, 2, 3]
    total = np.sum([area.y for area in areas], axis=0)
    assert total == pytest.approx(curve(monitor, "prediction_entropy/val/marginal"), abs=1e-5)
    assert any("ConditionalEntropyMonitor" in text for text in written_in(figure))


def test_the_figure_of_entropies_by_class_is_a_heat_map() -> None:
    monitor = ConditionalEntropyMonitor(class_names=["cat", "<b>dog</b>", "cow"])
    fit([monitor], max_epochs=3)
    (heat,) = monitor.figure().data
    assert list(heat.x) == ["1", "2", "3"]
    names = ["cat", "&lt;b&gt;dog&lt;/b&gt;", "cow"]
    shown = list(monitor.figure().layout.yaxis.ticktext)
    assert sorted(shown) == sorted(names)
    for name, row in zip(shown, heat.customdata, strict=True):
        values = curve(monitor, f"conditional_entropy/val/class_{names.index(name)}")
        assert [bits for bits, _ in row] == pytest.approx(values, abs=1e-6)


@pytest.mark.parametrize("kind", MONITORS)
def test_the_figure_before_the_first_point_says_that_there_is_none(kind: type[Any]) -> None:
    figure = kind(name="mine").figure()
    assert any("logged of this set" in text for text in written_in(figure))


def known_panel(*left_out: str) -> Panel:
    """The known run as a monitor's history has it, at any width too, but for some quantities."""
    values = {tag: dict(zip(STEPS, of, strict=True)) for tag, of in PLANE.items()} | WIDE
    records = [
        Record(quantity, "val", layer, value, step, step // 10, 64)
        for tag, of in values.items()
        if tag.count("/") == 3
        for quantity, layer in [tag.split("/")[2:]]
        if not quantity.startswith(left_out)
        for step, value in of.items()
    ]
    settings = {"information_plane/val": {**SETTINGS, "wide": WIDE_SETTINGS}}
    return Panel(from_records("this run", records, settings), "val")


def test_a_plane_opens_at_the_reading_with_more_layers_that_can_be_read() -> None:
    panel = known_panel()
    assert with_y(Request(), [panel]).reading == "wide"  # two layers against one
    assert with_y(Request(reading="code"), [panel]).reading == "code"
    assert with_y(Request(resolution=1), [panel]).reading == "code"
    assert draw(with_y(Request(), [panel]), [panel])["layout"]["meta"]["reading"] == "wide"
    with pytest.raises(ValueError, match=r"view: got 'adjusted', which only the binned code has"):
        with_y(Request(reading="wide", view="adjusted"), [panel])


def test_without_labels_the_reading_that_opens_is_shown_over_the_epochs() -> None:
    panel = known_panel("I_TY", "V_TY")
    request = with_y(Request(), [panel])
    assert (request.name, request.quantity) == ("curves", "relative_I_XT")
    request = with_y(Request(reading="code"), [panel])
    assert (request.name, request.quantity) == ("curves", "I_XT")


def test_a_picture_shows_the_reading_that_opens() -> None:
    panel = known_panel()
    expected = pixels(information_plane([panel], reading="wide"), style="screen")
    np.testing.assert_array_equal(Picture([panel]).pixels(), expected)


@pytest.mark.parametrize("reading", ["wide", "code"])
def test_a_figure_that_plotly_has_held_is_drawn_all_the_same(reading: str) -> None:
    """Some of its traces have no points, and Plotly before version 6 makes tuples of lists."""
    figure = information_plane([known_panel()], reading=reading)
    held = plotly.graph_objects.Figure(figure).to_dict()
    for trace in held["data"]:
        trace.update({name: tuple(of) for name, of in trace.items() if isinstance(of, list)})
    np.testing.assert_array_equal(pixels(held), pixels(figure))


def test_a_plane_that_was_not_read_at_any_width_says_so() -> None:
    panel = known_panel("relative_I_XT", "V_TY", "spread", "wide_status")
    assert with_y(Request(), [panel]).reading == "code"
    figure = as_plotly(with_y(Request(reading="wide"), [panel]), [panel])
    assert "no layer of this set was read at any width" in written_in(figure)


def test_a_monitor_draws_the_reading_that_is_asked_for() -> None:
    plane = InformationPlaneMonitor("net.4")
    fit([plane], max_epochs=1)
    for reading in ("code", "wide"):
        assert plane.figure(reading=reading).layout.meta["reading"] == reading  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"reading: need one of code, wide, got 'widest'"):
        plane.figure(reading="widest")  # type: ignore[arg-type]


# Pictures of the plane in a logger.


class Pen:
    """Stands for matplotlib's: knows whether it was used, and leaves the page blank."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.used = False
        self.error: Exception | None = None

        def draw(*_: Any) -> None:
            self.used = True
            if self.error is not None:
                raise self.error

        monkeypatch.setattr(matplotlib.figure.Figure, "draw", draw)


@pytest.fixture
def pen(monkeypatch: pytest.MonkeyPatch) -> Pen:
    return Pen(monkeypatch)


def images_in(folder: str, tag: str = "information_plane/val/plane") -> list[Any]:
    """The pictures that TensorBoard would show."""
    return EventAccumulator(folder, size_guidance={"images": 0}).Reload().Images(tag)


def steps_of(images: list[Any]) -> list[int]:
    """The step of each."""
    return [image.step for image in images]


@pytest.mark.parametrize(("epochs", "steps"), [(4, [5, 15, 20]), (5, [5, 15, 25])])
def test_a_picture_comes_first_every_so_many_epochs_and_last(
    tmp_path: Path, pen: Pen, epochs: int, steps: list[int]
) -> None:
    """Five steps in an epoch; the first point is after one."""
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    fit([InformationPlaneMonitor("net.4", images=2)], logger=logger, max_epochs=epochs)
    assert steps_of(images_in(logger.log_dir)) == steps
    assert pen.used


@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_a_picture_is_written_when_training_is_cut_off(
    tmp_path: Path, pen: Pen, on_error: Any
) -> None:
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor("net.4", images=9, on_error=on_error)
    with pytest.raises(ZeroDivisionError, match="user's own"):
        fit([plane, BreaksOff(ZeroDivisionError("user's own"))], logger=logger, max_epochs=9)
    assert steps_of(images_in(logger.log_dir)) == [5, 10]


def test_the_picture_is_that_of_the_plane(tmp_path: Path) -> None:
    """Pixel for pixel the picture of the monitor's own figure, of the points so far."""
    logger = TensorBoardLogger(tmp_path, name="run", version=0, prefix="mine")
    plane = InformationPlaneMonitor("net.4", images=1)
    fit([plane], logger=logger, max_epochs=2)
    shown = images_in(logger.log_dir, "mine-information_plane/val/plane")
    for image, until in zip(shown, (5, 10), strict=True):
        found = np.array(PIL.Image.open(io.BytesIO(image.encoded_image_string)))
        records = [record for record in plane.history if record.step <= until]
        settings = {"information_plane/val": plane.settings["val"]}
        panel = Panel(from_records("this run", records, settings), "val")
        expected = pixels(information_plane([panel]), style="screen")
        np.testing.assert_array_equal(found, expected)


def test_no_picture_is_drawn_unless_asked_for_and_shown(pen: Pen) -> None:
    """Neither by default nor for loggers that take none: drawing costs most of a second."""
    with warned() as given:
        fit([InformationPlaneMonitor(images=1)], logger=MemoryLogger(), max_epochs=1)
    assert len(given.of("no pictures")) == 1
    fit([InformationPlaneMonitor()], logger=ShowsImages(), max_epochs=1)
    assert not pen.used
    logger = ShowsImages()
    fit([InformationPlaneMonitor(images=1)], logger=logger, max_epochs=1)
    assert len(logger.shown) == 1
    assert pen.used


def test_only_the_process_that_logs_draws(pen: Pen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have loggers that take anything and keep nothing."""
    for is_first in (False, True):
        monkeypatch.setattr(pl.Trainer, "is_global_zero", property(lambda _, is_=is_first: is_))
        fit([InformationPlaneMonitor(images=1)], logger=ShowsImages(), max_epochs=1)
        assert pen.used is is_first


def test_a_logger_that_cannot_take_a_picture_costs_the_picture(
    tmp_path: Path, pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning; or the exception, where that was asked for."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(SummaryWriter, "add_image", full)
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor(images=1)
    with warned() as given:
        _, running = fit([plane], logger=logger, max_epochs=3)
    (warning,) = given.of("logger")
    assert "disk full" in warning.text
    assert running.current_epoch == 3
    assert len(curve(plane, "information_plane/val/I_XT/net.1")) == 3
    with pytest.raises(OSError, match="disk full"):
        fit([InformationPlaneMonitor(images=1, on_error="raise")], logger=logger)


def test_a_logger_without_a_writer_costs_the_others_no_picture(tmp_path: Path, pen: Pen) -> None:
    """Its server goes while training is on: Lightning itself asks for it before."""

    class Gone(MemoryLogger):
        @property
        def experiment(self) -> Any:
            if self.logged:
                raise ConnectionError("no server")
            return None

    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor(images=1)
    with warned() as given:
        fit([plane], logger=[Gone(), logger], max_epochs=2)
    (warning,) = given.of("logger")
    assert "no server" in warning.text
    assert given.of("picture") == []
    assert steps_of(images_in(logger.log_dir)) == [5, 10]


def test_a_picture_that_cannot_be_drawn_costs_the_picture(pen: Pen) -> None:
    pen.error = RuntimeError("no ink")
    plane = InformationPlaneMonitor(images=1)
    with warned() as given:
        fit([plane], logger=ShowsImages(), max_epochs=3)
    (warning,) = given.of("picture")
    assert "no ink" in warning.text
    assert len(curve(plane, "information_plane/val/I_XT/net.1")) == 3
    with pytest.raises(RuntimeError, match="no ink"):
        fit([InformationPlaneMonitor(images=1, on_error="raise")], logger=ShowsImages())


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
