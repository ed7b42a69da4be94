"""What a checkpoint holds; that a resumed or killed run loses no point and has none twice."""

from __future__ import annotations

import io
import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from typing_extensions import override

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    LogSpaced,
    PredictionEntropyMonitor,
    Record,
)
from it_callbacks.columns import Columns
from it_callbacks.estimators import LinearVInformation, NoiseInjected
from it_callbacks.history import History
from it_callbacks.records import Value
from it_callbacks.reductions import PCA
from it_callbacks.rulers import Calibrated, Width

from .forked import Running
from .killed_run import train
from .toys import (
    MLP,
    ROOTS,
    VAL,
    Classifier,
    curve,
    epochs,
    fit,
    loader,
    outputs,
    rows,
    rulers,
    samples,
    trainer,
    when,
)
from .warned import OF_TINY_SETS, warned

KILLED = Path(__file__).with_name("killed_run.py")


def _through_a_file(state: Any) -> Any:
    """`state` as a checkpoint gives it back, loaded as Lightning does by default."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _same(left: Any, right: Any) -> None:
    np.testing.assert_equal(rows(left), rows(right))


def _same_but_for_rounding(left: Any, right: Any) -> None:
    """The first pass of a run takes batches as they come, later ones take several as one."""
    for one, other in zip(rows(left), rows(right), strict=True):
        for a, b in zip(one, other, strict=True):
            exact = not isinstance(b, float)
            assert a == (b if exact else pytest.approx(b, rel=1e-13, abs=1e-13, nan_ok=True))


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "data": {"data": "train"},
    "own_set": {"data": samples(60, seed=2), "exhaustive": True},
    "steps": {"data": "train", "schedule": LogSpaced(3, "steps")},
    "function": {"schedule": lambda epoch: epoch < 9, "target": lambda batch: batch[1]},
    "two_rulers": {"bins": [30, Width(0.5)]},
    "per_unit": {"bins": {"net.3": Calibrated(30, scope="unit"), "*": 15}},
    "pca": {"reduce": PCA(2)},
    "extra": {"extra": [LinearVInformation(), NoiseInjected(0.1)]},
    "layers": {"layers": {"net.1": lambda output: output[:, :2]}, "max_samples": 50, "seed": 7},
    "named": {"name": "mine", "on_error": "raise"},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_the_state_of_any_options_loads_with_weights_only_and_comes_back(options: str) -> None:
    """History, settings, verdicts, rulers and projections, from plain Python and tensors."""
    before, after = (InformationPlaneMonitor(**OPTIONS[options]) for _ in range(2))
    fit([before], max_epochs=2)
    after.load_state_dict(_through_a_file(before.state_dict()))
    assert before.history
    _same(after, before)
    assert after.settings == before.settings
    assert str(after.verdicts) == str(before.verdicts)


@pytest.mark.parametrize("monitor", [PredictionEntropyMonitor, ConditionalEntropyMonitor])
def test_the_state_of_predictions_comes_back(monitor: type[Any]) -> None:
    before, after = monitor(), monitor()
    fit([before])
    after.load_state_dict(_through_a_file(before.state_dict()))
    _same(after, before)
    assert after.settings == before.settings


class Probabilities(Classifier):
    """Its forward gives probabilities."""

    @override
    def forward(self, x: Tensor) -> Any:
        return self.net(x).softmax(1)


def test_what_predictions_are_is_decided_once_and_outlives_the_run(tmp_path: Path) -> None:
    """What could be probabilities is read as the logits that came before."""
    _, first = fit([PredictionEntropyMonitor()], max_epochs=1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    after = PredictionEntropyMonitor()
    path = str(tmp_path / "one.ckpt")
    resumed, _ = fit([after], Probabilities, max_epochs=2, ckpt_path=path)
    with torch.no_grad():
        q = resumed(VAL[0]).double().softmax(1)
    mean = -(q * q.log2()).sum(1).mean().item()
    assert curve(after, "prediction_entropy/val/mean")[-1] == pytest.approx(mean, abs=1e-6)


# A long history.


def _long(n_epochs: int, n_layers: int = 20, n_quantities: int = 8) -> History:
    history = History()
    quantities = [f"q{i}" for i in range(n_quantities)]
    for epoch in range(n_epochs):
        values = [Value(name, f"layer{i}", i / 7) for i in range(n_layers) for name in quantities]
        history.add(Columns.of(values, "val", step=5 * epoch, epoch=epoch, n_samples=99))
    return history


def _one(quantity: str, set_: str, bits: float, n_samples: int, layer: str = "layer0") -> Columns:
    """A point of one value, behind those of `_long(7)`."""
    return Columns.of([Value(quantity, layer, bits)], set_, step=35, epoch=7, n_samples=n_samples)


def test_a_long_history_is_sixteen_bytes_a_number_and_four_tensors() -> None:
    """1000 epochs x 60 layers x 13 quantities: columns, not 780 000 objects to take apart."""
    state = _long(1000, 60, 13).to_state()
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    sizes = {name: t.numel() * t.element_size() for name, t in tensors.items()}
    rows = 780_000
    assert sizes == {"places": 24_000, "tag": 4 * rows, "place": 4 * rows, "bits": 8 * rows}
    assert len(json.loads(state["tags"])) == 780
    file = io.BytesIO()
    torch.save(state, file)
    assert file.tell() < 16 * rows + 100_000


def test_loading_a_long_history_makes_no_record() -> None:
    """They are made when `records` is asked for, once, and then only the new ones."""
    made = 0

    class Counted(Record):
        def __init__(self, *args: Any) -> None:
            nonlocal made
            made += 1
            super().__init__(*args)

    state = _long(100).to_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("it_callbacks.history.Record", Counted)
        loaded = History.from_state(state)
        assert loaded.to_state().keys() == state.keys()
        assert (made, len(loaded), loaded.last) == (0, 16_000, (99, 495))
        first = loaded.records
        loaded.add(_one("q0", "val", 1.0, 99, "new"))
        assert loaded.records is first
        assert made == 16_001


def test_a_long_history_comes_back_row_for_row() -> None:
    history = _long(7)
    history.add(_one("q0", "test", math.inf, 12))
    history.add(_one("q0", "val", -1.0, 98))
    history.add(_one("q1", "val", -2.0, 99))
    back = History.from_state(_through_a_file(history.to_state()))
    assert back.records == history.records
    assert (back.sets, back.last) == (["val", "test"], (7, 35)) == (history.sets, history.last)
    assert [back.n_points(set_) for set_ in back.sets] == [8, 1]
    assert back.n_points("val", before=(7, 35)) == back.n_points("val", before=(7, 34)) - 1 == 7
    assert back.has_point("test", (7, 35))
    assert not back.has_point("test", (6, 30))
    last = {record.tag: record for record in history.records}
    assert {record.tag: record for record in back.latest} == last
    assert len(back.latest) == len(last) == 161
    both = [Value("q0", "layer0", -1.0, 98), Value("q1", "layer0", -2.0)]
    assert back.holds(Columns.of(both, "val", step=35, epoch=7, n_samples=99))
    assert not back.holds(_one("q0", "val", -1.5, 98))


def test_an_empty_history_comes_back_empty() -> None:
    back = History.from_state(_through_a_file(History().to_state()))
    assert (len(back), back.records, back.latest, back.last, back.sets) == (0, [], [], None, [])
    assert not back.holds(_one("q0", "val", 1.0, 9))


# Resumed.


def _same_batch() -> DataLoader[Any]:
    """Five batches of the same samples, since a loader resumed inside an epoch starts again."""
    x, y = samples(25)
    return DataLoader(TensorDataset(x.repeat(5, 1), y.repeat(5)), 25)


def _three() -> list[Any]:
    return [
        InformationPlaneMonitor(["net.1", "net.4"], bins=[30, Width(0.5)]),
        InformationPlaneMonitor(["net.1", "net.4"], data="train"),
        InformationPlaneMonitor(data="val", schedule=LogSpaced(5, "steps"), name="steps"),
        PredictionEntropyMonitor(),
        ConditionalEntropyMonitor(),
    ]


@cache
def _never_stopped() -> tuple[list[Any], nn.Module]:
    """Three epochs without a break."""
    monitors = _three()
    with warned():
        model, _ = fit(monitors, train=_same_batch(), max_epochs=3)
    return monitors, model


def _but_noise(settings: Any) -> Any:
    """Settings without what is known of noise: the checkpoint may know more than a first point."""
    layers = [layer for of_set in settings.values() for layer in of_set.get("layers", [])]
    for layer in layers:
        layer.pop("H_T_given_X", None)
    return settings


def _saved_at(step: int, folder: Path) -> str:
    """A checkpoint written at `step` by the usual callback, and the run going on after it."""
    saves = ModelCheckpoint(
        folder,
        save_top_k=-1,
        every_n_train_steps=step,
        filename="{step}",
        save_on_train_epoch_end=False,
    )
    with warned() as given:
        fit([*_three(), saves], train=_same_batch(), max_epochs=2, enable_checkpointing=True)
    assert set(given.causes) - OF_TINY_SETS == {"repeated"}
    return str(folder / f"step={step}.ckpt")


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before")
@pytest.mark.parametrize("step", [1, 3, 7])
def test_resuming_inside_an_epoch_continues_as_if_never_stopped(tmp_path: Path, step: int) -> None:
    """Curves, verdicts and settings; a listening monitor reads whole loops, so none is partial."""
    (whole, ended), after = _never_stopped(), _three()
    path = _saved_at(step, tmp_path)
    with warned() as given:
        resumed, _ = fit(after, train=_same_batch(), max_epochs=3, ckpt_path=path)
    assert set(given.causes) - OF_TINY_SETS == {"repeated"}
    for left, right in zip(ended.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(left, right)
    for uninterrupted, monitor in zip(whole, after, strict=True):
        _same_but_for_rounding(monitor, uninterrupted)
        assert _but_noise(monitor.settings) == _but_noise(uninterrupted.settings)
    for i in range(3):
        assert str(after[i].verdicts) == str(whole[i].verdicts)


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before")
def test_resuming_from_the_last_batch_of_an_epoch_says_which_point_is_missing(
    tmp_path: Path,
) -> None:
    """Lightning leaves that validation out; a fixed set is measured late, a loop cannot be."""
    path = _saved_at(10, tmp_path)
    (whole, _), after = _never_stopped(), _three()
    with warned() as given:
        fit(after, train=_same_batch(), max_epochs=3, ckpt_path=path)
    (of_plane, *_) = given.of("no point")
    assert "epoch 2, step 10" in of_plane.text
    assert when(after[0]) == [(1, 5), (3, 15)]
    _same(after[1], whole[1])
    _same(after[2], whole[2])


def test_resuming_where_nothing_is_missing_says_nothing(tmp_path: Path) -> None:
    """At the end of an epoch without validation there was nothing to listen to."""
    plane = InformationPlaneMonitor()
    _, first = fit([plane], max_epochs=3, check_val_every_n_epoch=2)
    first.save_checkpoint(tmp_path / "odd.ckpt")
    after = InformationPlaneMonitor()
    fit([after], max_epochs=4, check_val_every_n_epoch=2, ckpt_path=str(tmp_path / "odd.ckpt"))
    assert epochs(after) == [2, 4]


def test_a_point_from_fewer_samples_is_warned_of_and_marked() -> None:
    """A validation loop that gives only part of its samples gives a point apart."""

    class Shrinks(IterableDataset[Any]):
        sizes = iter([105, 50])

        def __iter__(self) -> Iterator[Any]:
            return zip(*samples(next(self.sizes), seed=1), strict=True)

    plane = InformationPlaneMonitor()
    with warned() as given:
        fit([plane], val=DataLoader(Shrinks(), 25), num_sanity_val_steps=0)
    (warning,) = given.of("size")
    assert warning.set == "val"
    assert "50" in warning.text
    assert "105" in warning.text
    assert {r.epoch: r.n_samples for r in plane.history} == {1: 105, 2: 50}


def test_a_resumed_run_tells_its_new_folder_how_it_measures(tmp_path: Path) -> None:
    """Lightning begins a new folder; points without settings could not be read."""
    _, first = fit([InformationPlaneMonitor()], max_epochs=1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    logger = TensorBoardLogger(tmp_path, name="run", version=1)
    fit(
        [InformationPlaneMonitor()],
        max_epochs=2,
        ckpt_path=str(tmp_path / "one.ckpt"),
        logger=logger,
    )
    tags = EventAccumulator(logger.log_dir).Reload().Tags()
    assert "information_plane/val/settings/text_summary" in tags["tensors"]
    assert "custom_scalars__config__" in tags["tensors"]


def test_resuming_with_other_samples_begins_the_verdicts_anew(tmp_path: Path) -> None:
    """Rulers stay, so curves go on, but samples that are not the same cannot be paired."""
    _, first = fit([InformationPlaneMonitor(max_samples=50)], max_epochs=2)
    first.save_checkpoint(tmp_path / "two.ckpt")
    after = InformationPlaneMonitor(max_samples=50, seed=1)
    with warned() as given:
        fit([after], max_epochs=3, ckpt_path=str(tmp_path / "two.ckpt"))
    (warning,) = given.of("other samples")
    assert "seed=1" in warning.text
    assert "seed=0" in warning.text
    assert epochs(after) == [1, 2, 3]
    looks = after._instrument._memory.looks
    assert {len(each) for each in looks.values()} == {1}


def test_resuming_with_other_layers_keeps_the_old_series_and_begins_new_ones(
    tmp_path: Path,
) -> None:
    _, first = fit([InformationPlaneMonitor(["net.1", "net.3"])], max_epochs=1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    after = InformationPlaneMonitor(["net.3", "net.4"])
    with warned() as given:
        fit([after], max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    (warning,) = given.of("other layers")
    assert "net.3, net.4 now, net.1, net.3 in the checkpoint" in warning.text
    measured = {
        layer: [r.epoch for r in after.history if r.tag == f"information_plane/val/I_XT/{layer}"]
        for layer in ("net.1", "net.3", "net.4")
    }
    assert measured == {"net.1": [1], "net.3": [1, 2], "net.4": [2]}


def test_a_layer_that_comes_back_is_read_as_it_was(tmp_path: Path) -> None:
    """A run that leaves it out keeps its ruler, since its series goes on under the same tag."""
    checkpoints = [str(tmp_path / f"{number}.ckpt") for number in range(2)]
    before = InformationPlaneMonitor(["net.3", "net.4"])
    _, first = fit([before], max_epochs=1)
    first.save_checkpoint(checkpoints[0])
    after = InformationPlaneMonitor(["net.3", "net.4"])
    with warned() as given:
        _, second = fit(
            [InformationPlaneMonitor(["net.3"])], max_epochs=2, ckpt_path=checkpoints[0]
        )
        second.save_checkpoint(checkpoints[1])
        model, _ = fit([after], lambda: Classifier(lr=0.5), max_epochs=3, ckpt_path=checkpoints[1])
    assert len(given.of("other layers")) == 2
    assert rulers(after) == rulers(before)
    # Read by the ruler of the first run, the last point's activations give its number again.
    ruler = eval(rulers(before)["net.4"][0], {"Width": Width})
    (activations,) = outputs(model, ["net.4"], [VAL[0]])
    _, counts = np.unique(ruler(activations), axis=0, return_counts=True)
    bits = np.log2(105) - (counts * np.log2(counts)).sum() / 105
    assert curve(after, "information_plane/val/I_XT/net.4")[-1] == pytest.approx(bits, abs=1e-9)


@pytest.mark.parametrize("method", ["validate", "test"])
def test_an_earlier_checkpoint_after_training_loses_no_point(tmp_path: Path, method: str) -> None:
    """As in `trainer.test(ckpt_path="best")`: Lightning gives callbacks its state, too."""
    plane, predictions = InformationPlaneMonitor(), PredictionEntropyMonitor()
    keeps = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    model, running = fit([plane, predictions, keeps], max_epochs=3, enable_checkpointing=True)
    trained = [rows(plane), rows(predictions)]
    early = str(tmp_path / "epoch=0.ckpt")
    with warned() as given:
        getattr(running, method)(model, loader(105, seed=1), verbose=False, ckpt_path=early)
    assert len(given.of("twice")) == (2 if method == "validate" else 0)
    for before, monitor in zip(trained, [plane, predictions], strict=True):
        after = rows(monitor)
        assert len(after) > len(before)
        np.testing.assert_equal(after[: len(before)], before)


def test_a_checkpoint_tested_in_a_new_process_brings_its_rulers(tmp_path: Path) -> None:
    trained, fresh = InformationPlaneMonitor(), InformationPlaneMonitor()
    model, running = fit([trained])
    running.save_checkpoint(tmp_path / "one.ckpt")
    trainer([fresh]).test(
        model, loader(60, seed=2), verbose=False, ckpt_path=str(tmp_path / "one.ckpt")
    )
    assert rulers(fresh, "test") == rulers(trained)
    np.testing.assert_equal(rows(fresh)[: len(rows(trained))], rows(trained))


def _first_half(output: torch.Tensor) -> torch.Tensor:
    return output[:, :1]


class _Columns:
    """A callable whose repr is an address."""

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        return output[:, :1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["net.3", "net.1"], ["net.1", "net.3"]),
        ("net.1", ["net.1"]),
        (torch.nn.Tanh, [torch.nn.Tanh]),
        ({"net.1": _first_half}, {"net.1": _first_half}),
        ({"net.1": lambda output: output[:, :1]}, {"net.1": lambda output: output[:, :1]}),
        ({"net.1": _Columns()}, {"net.1": _Columns()}),
        ({"net.1": partial(_first_half)}, {"net.1": partial(_first_half)}),
        (None, None),
    ],
    ids=["order", "alone", "type", "function", "lambda", "callable", "partial", "default"],
)
def test_resuming_with_the_same_layers_says_nothing(before: Any, after: Any) -> None:
    """However they are written; functions and types are no others in a new process."""
    plane, resumed = InformationPlaneMonitor(before), InformationPlaneMonitor(after)
    trainer([plane]).validate(Classifier(), loader(50), verbose=False)
    with warned() as given:
        resumed.load_state_dict(_through_a_file(plane.state_dict()))
    assert given == []
    _same(resumed, plane)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (None, "default"),
        (torch.nn.Tanh, "torch.nn.modules.activation.Tanh"),
        ({"net.1": _first_half}, "test_state._first_half"),
    ],
    ids=["default", "type", "function"],
)
def test_a_change_of_layers_is_warned_of_in_names(other: Any, named: str) -> None:
    plane, resumed = InformationPlaneMonitor("net.1"), InformationPlaneMonitor(other)
    trainer([plane]).validate(Classifier(), loader(50), verbose=False)
    with warned() as given:
        resumed.load_state_dict(_through_a_file(plane.state_dict()))
    (warning,) = given.of("other layers")
    assert named in warning.text
    assert "net.1 in the checkpoint" in warning.text
    _same(resumed, plane)


# States that are not ours.


BROKEN: dict[str, Any] = {
    "older schema": lambda s: s | {"schema": 0},
    "newer schema": lambda s: s | {"schema": 99},
    "no schema": lambda s: {k: v for k, v in s.items() if k != "schema"},
    "a column missing": lambda s: {k: v for k, v in s.items() if k != "bits"},
    "a column too short": lambda s: s | {"bits": s["bits"][:-1]},
    "a column of another type": lambda s: s | {"bits": s["bits"].float()},
    "a tag that is not there": lambda s: s | {"tag": s["tag"] + 10_000},
    "a tag twice": lambda s: s | {"tags": s["tags"][:-1] + ", " + s["tags"][1:]},
    "a place that is not there": lambda s: s | {"place": s["place"] - 1},
    "a place twice": lambda s: s | {"places": s["places"].repeat(2, 1)},
    "places of two numbers": lambda s: s | {"places": s["places"][:, :2]},
    "places of another type": lambda s: s | {"places": s["places"].int()},
    "tags that are no JSON": lambda s: s | {"tags": s["tags"][1:]},
    "no tags": lambda s: {k: v for k, v in s.items() if k != "tags"},
    "tags that are no texts": lambda s: s | {"tags": json.dumps([[1, 2, 3]] * 99)},
    "settings that are no JSON": lambda s: s | {"settings": "{"},
    "settings of another form": lambda s: s | {"settings": "[1]"},
    "no readers": lambda s: s | {"instrument": s["instrument"] | {"readers": 3}},
    "looks of another form": lambda s: s | {"instrument": s["instrument"] | {"looks": [[1, 2]]}},
}


@pytest.fixture(scope="module")
def one_epoch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run of one epoch."""
    path = tmp_path_factory.mktemp("run") / "one.ckpt"
    _, running = fit([InformationPlaneMonitor()], train=loader(25), max_epochs=1)
    running.save_checkpoint(path)
    return path


@pytest.mark.parametrize("broken", BROKEN)
def test_a_state_that_cannot_be_read_costs_the_history_not_the_run(
    broken: str, one_epoch: Path, tmp_path: Path
) -> None:
    """The user's own resume goes on, with a message, and the history starts from there."""
    checkpoint = torch.load(one_epoch, weights_only=True)
    key = "it_callbacks.InformationPlaneMonitor.val"
    checkpoint["callbacks"][key] = BROKEN[broken](checkpoint["callbacks"][key])
    torch.save(checkpoint, tmp_path / "one.ckpt")
    after = InformationPlaneMonitor()
    with warned() as given:
        fit([after], train=loader(25), max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    assert len(given.of("not ours")) == 1
    assert epochs(after) == [2]


@pytest.mark.parametrize("part", [{"width": 0.0}, {"width": "wide"}, {}, 3, None])
def test_a_width_that_cannot_be_restored_is_calibrated_again_and_said(
    part: Any, one_epoch: Path, tmp_path: Path
) -> None:
    """Never without a word: the points before and after are not comparable."""
    checkpoint = torch.load(one_epoch, weights_only=True)
    (key,) = (key for key in checkpoint["callbacks"] if "InformationPlane" in key)
    readers = checkpoint["callbacks"][key]["instrument"]["readers"]
    assert readers["net.3"]["parts"][0] is None  # all units jointly: nothing to calibrate
    readers["net.3"]["parts"][1] = part
    torch.save(checkpoint, tmp_path / "one.ckpt")
    after = InformationPlaneMonitor()
    with warned() as given:
        fit([after], train=loader(25), max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    (warning,) = given.of("unstorable")
    assert "what Calibrated(bins=30, scope='auto') was calibrated to" in warning.text
    assert epochs(after) == [1, 2]


def test_a_state_that_cannot_be_made_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise MemoryError("of the moment")

    monkeypatch.setattr(History, "to_state", fails)
    _, running = fit([InformationPlaneMonitor()], max_epochs=1)
    with warned() as given:
        running.save_checkpoint(tmp_path / "one.ckpt")
    assert given.causes == ["not stored"]
    assert torch.load(tmp_path / "one.ckpt", weights_only=True)["state_dict"]


# Killed.


def _points(folder: Path) -> dict[tuple[str, int], float]:
    """What an event folder holds, each point once or this fails."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    points = [
        ((tag, event.step), event.value)
        for tag in events.Tags()["scalars"]
        if tag.split("/")[0] in ROOTS
        for event in events.Scalars(tag)
    ]
    assert max(Counter(key for key, _ in points).values()) == 1
    return dict(points)


def _kill_and_resume(folder: Path, seconds: float) -> None:
    child = Running(KILLED, [folder], folder).process
    last = folder / "saved" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline and child.is_alive():
        time.sleep(0.01)
    time.sleep(seconds)
    assert child.is_alive(), "the child ended by itself"
    child.kill()
    child.join()

    killed = _points(folder / "run" / "version_0")
    reached = torch.load(last, weights_only=True)["epoch"] + 1
    resumed = train(folder, reached + 3, str(last))
    uninterrupted = train(folder / "whole", reached + 3, None)
    for got, expected in zip(resumed, uninterrupted, strict=True):
        _same(got, expected)

    # The two folders together hold every point, with the values of the uninterrupted run.
    continued = _points(folder / "run" / "version_1")
    expected_points = _points(folder / "whole" / "run" / "version_0")
    both = killed | continued
    missing = expected_points.keys() - both.keys()
    assert not missing
    for key, value in expected_points.items():
        if not key[0].endswith("overhead"):
            assert both[key] == value or (math.isnan(value) and math.isnan(both[key]))
            assert killed.get(key, value) == value or math.isnan(value)
    # Only what came after the last checkpoint was measured again.
    assert {step for _, step in killed.keys() & continued.keys()} <= {5 * (reached + 1)}


def test_a_killed_run_loses_no_point_and_resumes_without_a_double(tmp_path: Path) -> None:
    """SIGKILL leaves no time to flush anything."""
    _kill_and_resume(tmp_path, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(20))
def test_a_run_killed_at_a_random_batch_loses_no_point(tmp_path: Path, trial: int) -> None:
    _kill_and_resume(tmp_path, random.Random(trial).uniform(0, 1.5))


def test_the_history_can_be_written_as_json_after_a_resume(tmp_path: Path) -> None:
    """Settings and verdicts that come back are as good as those that were made."""
    _, first = fit([InformationPlaneMonitor()], max_epochs=1)
    first.save_checkpoint(tmp_path / "one.ckpt")
    after = InformationPlaneMonitor(bins=30)
    fit([after], max_epochs=2, ckpt_path=str(tmp_path / "one.ckpt"))
    after.to_json(tmp_path / "plane.json")
    written = json.loads((tmp_path / "plane.json").read_text(encoding="utf-8"))
    (run,) = written["runs"].values()
    # The epoch is a column of all rows, and none of them.
    tags = {record.tag for record in after.history if not record.layer.endswith("epoch")}
    assert {row["tag"] for row in written["rows"]} == tags
    assert set(run["verdicts"]["val"]) == set(MLP)
    assert "Uniform(bins=30, low=-1.0, high=1.0)" in str(run["settings"])
