"""What reaches TensorBoard, other loggers, `callback_metrics` and files: all, once, in time."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from torch.utils.tensorboard import SummaryWriter
from typing_extensions import override

import it_callbacks
from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
    Record,
)
from it_callbacks.records import slug

from .toys import (
    MLP,
    BreaksOff,
    Classifier,
    LogsMetrics,
    MemoryLogger,
    Own,
    curve,
    fit,
    loader,
    raises,
    samples,
)
from .warned import warned
from .written_logs import read_text

_CLASSES = tuple(f"class_{c}" for c in range(3))
_OF_LAYERS = (
    "I_XT",
    "I_XT_corrected",
    "I_XT_low",
    "I_XT_high",
    "I_TY",
    "I_TY_chance",
    "I_TY_adjusted",
    "I_TY_low",
    "I_TY_high",
    "coverage",
    "status",
)
_WIDE = (
    *("relative_I_XT", "relative_I_XT_se", "relative_I_XT_high", "V_TY", "V_TY_se"),
    *("sliced_I_TY", "sliced_I_TY_se", "spread", "wide_status"),
)
PER_ROOT = {
    "prediction_entropy": (
        "mean",
        "marginal",
        "hard",
        "input_information",
        "cross_entropy",
        "label_bound",
        "label_bound_se",
        "epoch",
    ),
    "conditional_entropy": (
        *("all", "epoch"),
        *(f"{kind}{c}" for kind in ("", "within/", "hard/") for c in _CLASSES),
    ),
    "label_information": (
        *("soft", "hard", "equivocation", "status"),
        *("soft_chance", "soft_adjusted", "hard_chance", "hard_adjusted"),
        *("confused_first", "confused_second", "confused_share"),
    ),
    "information_plane": (
        *("epoch", "overhead", "wide_epoch"),
        *(f"{quantity}/{layer}" for quantity in (*_OF_LAYERS, *_WIDE) for layer in MLP),
    ),
}
TAGS = {f"{root}/val/{end}" for root, ends in PER_ROOT.items() for end in ends}
LOGGED = {tag for tag in TAGS if not re.search("/I_(XT|TY)_(low|high|adjusted|corrected)/", tag)}
"""Those with a value: of 105 samples, 30 bins allow no interval, nor an adjusted value of net.1."""


def _monitors(**options: Any) -> list[Any]:
    return [
        PredictionEntropyMonitor(**options),
        ConditionalEntropyMonitor(**options, class_names=["zéro", "<b>one</b>", "two"]),
        InformationPlaneMonitor(**options),
    ]


def _read(folder: str) -> EventAccumulator:
    return EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0}).Reload()


def _texts(events: EventAccumulator, tag: str) -> list[tuple[int, Any]]:
    """Step and content of each text under a tag."""
    return [
        (event.step, read_text(event.tensor_proto.string_val[0].decode()))
        for event in events.Tensors(f"{tag}/text_summary")
    ]


def _text(events: EventAccumulator, tag: str) -> Any:
    ((_, content),) = _texts(events, tag)
    return content


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _layout(events: EventAccumulator) -> dict[str, dict[str, Any]]:
    proto = layout_pb2.Layout()
    proto.ParseFromString(events.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    return {
        category.title: {
            chart.title: list(chart.multiline.tag)
            or [(s.value, s.lower, s.upper) for s in chart.margin.series]
            for chart in category.chart
        }
        for category in proto.category
    }


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[Any], EventAccumulator, pl.Trainer]:
    """A run of two epochs with all monitors, and its TensorBoard files read back."""
    monitors = _monitors()
    logger = TensorBoardLogger(tmp_path_factory.mktemp("logs"), name="run", version=0)
    _, running = fit(monitors, logger=logger)
    return monitors, _read(logger.log_dir), running


def test_tensorboard_holds_every_tag_of_the_table(written: Any) -> None:
    """No more of ours either."""
    monitors, events, _ = written
    ours = {tag for tag in events.Tags()["scalars"] if tag.split("/")[0] in PER_ROOT}
    records = [record for monitor in monitors for record in monitor.history]
    assert {record.tag for record in records} == TAGS
    assert ours == {record.tag for record in records if math.isfinite(record.bits)}
    assert ours >= LOGGED


def test_all_tags_of_a_point_are_at_one_step(written: Any) -> None:
    """The Trainer's global step: optimizer steps done, five in each epoch."""
    _, events, running = written
    steps = {tag: [event.step for event in events.Scalars(tag)] for tag in LOGGED}
    assert set(map(tuple, steps.values())) == {(5, 10)}
    assert running.global_step == 10


def test_values_in_tensorboard_are_those_of_the_history(written: Any) -> None:
    """To float32; what has no honest value is NaN in the history and in no log."""
    monitors, events, _ = written
    logged = set(events.Tags()["scalars"])
    for monitor in monitors:
        for tag in {record.tag for record in monitor.history} & logged:
            values = [event.value for event in events.Scalars(tag)]
            kept = [value for value in curve(monitor, tag) if math.isfinite(value)]
            np.testing.assert_array_equal(values, np.float32(kept))


@pytest.mark.parametrize(
    "tag",
    [
        "information_plane/val/epoch",
        "prediction_entropy/val/epoch",
        "conditional_entropy/val/epoch",
    ],
)
def test_the_epoch_is_logged_with_the_points(written: Any, tag: str) -> None:
    """Readers must not trust Lightning's own, which is sampled apart."""
    _, events, _ = written
    assert [(e.step, e.value) for e in events.Scalars(tag)] == [(5, 1.0), (10, 2.0)]


def test_the_epoch_has_no_chart_of_its_own(written: Any) -> None:
    """It is there for readers of the numbers."""
    _, events, _ = written
    patterns = str(_layout(events))
    assert "prediction_entropy/val" in patterns
    assert "epoch/" not in patterns


def test_the_overhead_is_a_share(written: Any) -> None:
    _, events, _ = written
    shares = [e.value for e in events.Scalars("information_plane/val/overhead")]
    assert all(0 < share < 1 for share in shares)


def test_the_settings_say_how_the_plane_was_measured(written: Any) -> None:
    """JSON, written once per set, with everything that a reader of the numbers must know."""
    monitors, events, _ = written
    settings = _text(events, "information_plane/val/settings")
    assert settings == monitors[2].settings["val"]
    assert [layer["tag"] for layer in settings["layers"]] == MLP
    assert settings["layers"][0]["rulers"] == ["Uniform(bins=30, low=-1.0, high=1.0)"]
    assert set(settings["skipped"]) == {"net.0", "net.2"}
    assert settings["n_samples"] == 105
    shares = np.bincount(samples(105, seed=1)[1]) / 105
    assert settings["H_Y"] == pytest.approx(-(shares * np.log2(shares)).sum())
    assert settings["seed"] == 0
    assert settings["version"] == it_callbacks.__version__
    assert settings["units"]["I_XT"] == "bits"
    assert {"reduction", "estimand", "H_T_given_X"} <= settings["layers"][0].keys()


def test_the_settings_of_predictions_name_the_classes(written: Any) -> None:
    """Tags keep numbers; names, whatever is in them, are in the settings."""
    monitors, events, _ = written
    settings = _text(events, "conditional_entropy/val/settings")
    assert settings["class_names"] == ["zéro", "<b>one</b>", "two"]
    assert settings["n_classes"] == 3
    assert _text(events, "prediction_entropy/val/settings") == monitors[0].settings["val"]


def test_warnings_are_written_in_words(written: Any) -> None:
    """What a terminal has forgotten by the time that the numbers are read."""
    _, events, _ = written
    step, texts = _texts(events, "information_plane/val/warnings")[0]
    assert step == 5
    assert any(text.startswith("set 'val': 105 samples") for text in texts)
    assert any("too wide for the binned code (SATURATED): " in text for text in texts)
    ((_, of_predictions),) = _texts(events, "prediction_entropy/val/warnings")
    assert [text.startswith("set 'val': 105 samples") for text in of_predictions] == [True]


def test_all_warnings_are_written_again_when_a_new_one_comes(tmp_path: Path) -> None:
    """With the point that it comes with, and not with every point after it."""
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    extra = [Own("fragile", raises(ValueError("no luck"), after=1))]
    plane = InformationPlaneMonitor("net.4", bins=2, extra=extra)
    with warned() as given:
        fit([plane], logger=logger, max_epochs=4)
    assert len(given.of("extra")) == 1
    (first, early), (second, late) = _texts(_read(logger.log_dir), "information_plane/val/warnings")
    assert (first, second) == (5, 10)
    assert late[: len(early)] == early
    assert ["no luck" in text for text in late[len(early) :]] == [True]


def test_a_set_has_its_own_warnings(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    few, fewer = loader(105, seed=1), loader(50, seed=2)
    extra = [Own("fragile", raises(ValueError("no luck"), after=1))]
    plane = InformationPlaneMonitor("net.4", bins=2, extra=extra)
    with warned() as given:
        fit([plane], logger=logger, val=[few, fewer], max_epochs=1)
    assert len(given.of("extra")) == 1
    events = _read(logger.log_dir)
    texts = [_texts(events, f"information_plane/{of}/warnings")[-1][1] for of in ("val", "val_1")]
    assert [any("105 samples" in text for text in of) for of in texts] == [True, False]
    assert [any("50 samples" in text for text in of) for of in texts] == [False, True]
    assert [any("no luck" in text for text in of) for of in texts] == [False, True]


def test_verdicts_are_written_when_training_ends(tmp_path: Path) -> None:
    """In words for each layer; also where no validation came after the last step."""
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor(data="val", schedule=[0, 1])
    fit([plane], logger=logger, max_epochs=3)
    ((step, texts),) = _texts(_read(logger.log_dir), "information_plane/val/verdicts")
    assert step == 15
    assert list(texts) == MLP
    assert texts == {layer: {"": str(verdict)} for layer, verdict in plane.verdicts["val"].items()}


@pytest.mark.parametrize("on_error", ["warn", "raise"])
def test_verdicts_are_written_when_training_is_cut_off(tmp_path: Path, on_error: Any) -> None:
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor(on_error=on_error)
    with pytest.raises(ZeroDivisionError, match="user's own"):
        fit([plane, BreaksOff(ZeroDivisionError("user's own"))], logger=logger, max_epochs=9)
    ((step, texts),) = _texts(_read(logger.log_dir), "information_plane/val/verdicts")
    assert step == 10
    assert texts == {layer: {"": str(verdict)} for layer, verdict in plane.verdicts["val"].items()}


def test_what_fails_when_training_is_cut_off_does_not_hide_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def full(*_: Any, **__: Any) -> None:
        tried.append("add_text")
        raise OSError("disk full")

    class Fills(BreaksOff):
        @override
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 2:
                monkeypatch.setattr(SummaryWriter, "add_text", full)
            super().on_train_epoch_start(trainer, pl_module)

    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor(on_error="raise")
    with pytest.raises(ZeroDivisionError, match="user's own"):
        fit([plane, Fills(ZeroDivisionError("user's own"))], logger=logger, max_epochs=9)
    assert tried


def test_the_custom_scalars_show_all_layers_of_a_quantity_in_one_chart(written: Any) -> None:
    """Each pattern of a chart finds tags that were logged."""
    _, events, _ = written
    charts = _layout(events)
    assert charts["information plane, val"]["I_XT"] == ["information_plane/val/I_XT/.+"]
    assert charts["information plane, val"]["I_TY"] == ["information_plane/val/I_TY/.+"]
    patterns = [
        pattern
        for category in charts.values()
        for chart in category.values()
        for pattern in chart
        if isinstance(pattern, str)
    ]
    assert len(patterns) > 5
    assert all(any(re.match(pattern, tag) for tag in TAGS) for pattern in patterns)


def test_no_chart_of_the_custom_scalars_finds_epochs_or_the_overhead(written: Any) -> None:
    """They are in no bits, and the line of epochs would stretch an axis of bits."""
    _, events, _ = written
    charts = [chart for category in _layout(events).values() for chart in category.values()]
    patterns = [pattern for chart in charts for pattern in chart if isinstance(pattern, str)]
    found = {tag for tag in TAGS for pattern in patterns if re.match(pattern, tag)}
    assert "prediction_entropy/val/mean" in found
    assert "prediction_entropy/val/epoch" in TAGS
    assert not {tag for tag in TAGS if tag.endswith(("/epoch", "/wide_epoch", "/overhead"))} & found


def test_the_custom_scalars_show_intervals_where_there_are_any(tmp_path: Path) -> None:
    """Two bins of three units leave few states, so that coverage allows an interval."""
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    plane = InformationPlaneMonitor("net.3", bins=2)
    fit([plane], logger=logger)
    assert math.isfinite(curve(plane, "information_plane/val/I_XT_low/net.3")[-1])
    margins = [
        band
        for category in _layout(_read(logger.log_dir)).values()
        for chart in category.values()
        for band in chart
        if isinstance(band, tuple)
    ]
    centre, low, high = (
        f"information_plane/val/I_XT_{what}/net.3" for what in ("corrected", "low", "high")
    )
    assert (centre, low, high) in margins


def test_a_logger_with_a_prefix_gets_it_on_settings_and_charts_too(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="run", version=0, prefix="mine")
    fit(_monitors(), logger=logger)
    events = _read(logger.log_dir)
    assert {f"mine-{tag}" for tag in LOGGED} <= set(events.Tags()["scalars"])
    assert _text(events, "mine-information_plane/val/settings")["n_samples"] == 105
    assert _layout(events)["information plane, val"]["I_XT"] == [
        "mine\\-information_plane/val/I_XT/.+"
    ]


def test_points_are_flushed_as_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed loses nothing that was measured: no number waits in a queue."""
    waiting: list[str] = []
    add_scalar, flush = SummaryWriter.add_scalar, SummaryWriter.flush

    def adding(writer: Any, tag: str, *args: Any, **kwargs: Any) -> None:
        waiting.append(tag)
        add_scalar(writer, tag, *args, **kwargs)

    def flushing(writer: Any) -> None:
        flush(writer)
        waiting.clear()

    monkeypatch.setattr(SummaryWriter, "add_scalar", adding)
    monkeypatch.setattr(SummaryWriter, "flush", flushing)
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    seen: list[set[int]] = []

    class Reads(pl.Callback):
        @override
        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            # Lightning has not logged the user's own metrics yet, which might flush ours too.
            if not trainer.sanity_checking:
                assert not TAGS & set(waiting)
                events = _read(logger.log_dir)
                seen.append({len(events.Scalars(tag)) for tag in LOGGED})

    fit([*_monitors(), Reads()], LogsMetrics, logger=logger, max_epochs=3)
    assert seen == [{1}, {2}, {3}]


def test_csv_points_are_written_as_they_are_made(tmp_path: Path) -> None:
    """Two loggers at once, one of which writes on `save` only."""
    memory, table = MemoryLogger(), CSVLogger(tmp_path, name="run", version=0)
    monitors = _monitors()
    seen: list[list[str]] = []

    class Reads(pl.Callback):
        @override
        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if not trainer.sanity_checking:
                rows = _rows(tmp_path / "run/version_0/metrics.csv")
                seen.append(
                    [
                        row["information_plane/val/I_XT/net.4"]
                        for row in rows
                        if row["information_plane/val/I_XT/net.4"]
                    ]
                )

    fit([*monitors, Reads()], logger=[table, memory])
    values = curve(monitors[2], "information_plane/val/I_XT/net.4")
    assert [list(map(float, of_epoch)) for of_epoch in seen] == [values[:1], values]
    logged = {tag for _, metrics in memory.logged for tag in metrics}
    assert logged >= LOGGED
    assert [
        step for step, metrics in memory.logged if "information_plane/val/I_XT/net.4" in metrics
    ] == [5, 10]


def test_each_point_goes_once_to_each_logger() -> None:
    memory = MemoryLogger()
    fit([InformationPlaneMonitor()], logger=memory)
    assert sum("information_plane/val/I_XT/net.1" in metrics for _, metrics in memory.logged) == 2


@pytest.mark.parametrize("data", [None, "val"])
def test_without_a_logger_one_warning_is_given_and_the_history_kept(data: Any) -> None:
    plane = InformationPlaneMonitor(data=data)
    with warned() as given:
        fit([plane], logger=False)
    assert len(given.of("no logger")) == 1
    assert len(curve(plane, "information_plane/val/I_XT/net.1")) == (2 if data is None else 3)


def test_callback_metrics_hold_the_last_value_of_each_tag() -> None:
    """NaN where there is no honest one, as a metric of the user's own would."""
    monitors = _monitors()
    _, running = fit(monitors)
    values = {record.tag: record.bits for m in monitors for record in m.history}
    got = {tag: float(v) for tag, v in running.callback_metrics.items() if tag in TAGS}
    assert any(map(math.isnan, values.values()))
    assert got == pytest.approx(values, abs=1e-6, nan_ok=True)
    assert all(isinstance(value, torch.Tensor) for value in running.callback_metrics.values())


def test_metrics_of_the_users_own_stay() -> None:
    """What the module logs is not touched."""
    _, alone = fit([], LogsMetrics)
    _, observed = fit(_monitors(), LogsMetrics)
    for name in ("val_loss", "val_acc"):
        assert observed.callback_metrics[name] == alone.callback_metrics[name]


def test_to_csv_and_to_json_give_the_history_back(tmp_path: Path) -> None:
    """Every digit of it, each with its epoch; what is not finite is empty in JSON."""
    plane = InformationPlaneMonitor()
    fit([plane])
    plane.to_csv(tmp_path / "plane.csv")
    plane.to_json(tmp_path / "plane.json")
    rows = _rows(tmp_path / "plane.csv")
    back = [
        Record(
            row["quantity"],
            row["set"],
            row["layer"],
            float(row["bits"]),
            int(row["step"]),
            int(row["epoch"]),
            int(row["n_samples"]),
        )
        for row in rows
    ]
    kept = [record for record in plane.history if not record.layer.endswith("epoch")]
    np.testing.assert_equal([r.bits for r in back], [r.bits for r in kept])
    assert [(r.tag, r.step, r.epoch, r.n_samples) for r in back] == [
        (r.tag, r.step, r.epoch, r.n_samples) for r in kept
    ]
    document = json.loads((tmp_path / "plane.json").read_text(encoding="utf-8"))
    (run,) = document["runs"].values()
    assert run["settings"] == {"information_plane/val": plane.settings["val"]}
    assert [row["bits"] for row in document["rows"]] == [
        r.bits if math.isfinite(r.bits) else None for r in kept
    ]


def test_tags_have_the_characters_that_every_logger_takes() -> None:
    """A module may be called almost anything; its tag is a slug of that."""

    class Odd(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.net.add_module("<img src=x>", torch.nn.Linear(3, 3))

    plane = InformationPlaneMonitor()
    fit([plane], Odd, max_epochs=1)
    assert all(slug(part) == part for r in plane.history for part in r.tag.split("/"))
    assert curve(plane, "information_plane/val/I_XT/net._img_src_x_")
    assert plane.settings["val"]["layers"][-1]["module"] == "net.<img src=x>"


def test_an_extra_estimator_is_logged_at_its_own_pace() -> None:
    """A user's own: the mean activation, at every second point."""

    def mean(activations: Any, labels: Any) -> float:
        assert activations.shape == (105, 3)
        assert labels.shape == (105,)
        return float(activations.mean())

    memory, tag = MemoryLogger(), "information_plane/val/mean_activation/net.4"
    plane = InformationPlaneMonitor("net.4", extra=[Own("mean_activation", mean, every=2)])
    model, _ = fit([plane], logger=memory, max_epochs=3)
    with torch.no_grad():
        expected = model(samples(105, seed=1)[0]).mean().item()
    assert [r.epoch for r in plane.history if r.quantity == "mean_activation"] == [1, 3]
    assert curve(plane, tag)[-1] == pytest.approx(expected, abs=1e-6)
    assert any(tag in metrics for _, metrics in memory.logged)
