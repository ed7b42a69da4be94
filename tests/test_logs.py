"""Reading logs: by TensorBoard's two loaders and from a folder, with the same outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tensorboard.context import RequestContext

from it_callbacks.logs import Log, LogError, LogWarning, read_folder
from it_callbacks.runs import Key, Run

from .written_logs import plane, provided, settings, write

UNEVEN = '{"layers": [{"tag": "a", "tag_of_ruler": []}, {"tag": "b", "tag_of_ruler": ["", "x"]}]}'
POINTS = {"b": {7: (3.0, 0.5), 14: (3.5, 1.0)}, "a": {7: (2.0, 0.25), 14: (2.5, 0.75)}}


@pytest.fixture(params=["true", "false"], ids=["fast", "python"])
def provider(request: Any) -> Iterator[Callable[[Path], Any]]:
    """From a folder to TensorBoard's data provider over it, by either of its loaders."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(provided(folder, request.param))


def _read(provider: Any, run: str, **options: Any) -> list[Run]:
    log = Log(provider, RequestContext(), "")
    return log.read(run, log.outlines(log.tags())[run], **options)


def test_both_loaders_give_the_numbers_epochs_and_settings_that_were_written(
    provider: Callable[[Path], Any], tmp_path: Path
) -> None:
    write(tmp_path / "one", plane(POINTS), settings(["b", "a"]))
    (run,) = _read(provider(tmp_path), "one")
    assert run.name == "one"
    assert run.series[Key("I_XT", "val", "b")] == {7: 3.0, 14: 3.5}
    assert run.series[Key("I_TY", "val", "a")] == {7: 0.25, 14: 0.75}
    assert run.epochs == {7: 1, 14: 2}
    assert run.settings["information_plane/val"]["H_Y"] == 2.0
    assert run.layers("I_XT", "val") == ["b", "a"]


def test_only_wanted_series_have_values_but_all_are_named(
    provider: Callable[[Path], Any], tmp_path: Path
) -> None:
    write(tmp_path / "one", plane(POINTS))
    wanted = Key("I_TY", "val", "a")
    (run,) = _read(provider(tmp_path), "one", wanted={"one": {wanted}})
    assert {key for key, series in run.series.items() if series} == {wanted}
    assert Key("I_XT", "val", "b") in run.series
    assert run.epochs == {7: 1, 14: 2}


def test_an_outline_has_all_but_the_values(provider: Callable[[Path], Any], tmp_path: Path) -> None:
    write(tmp_path / "one", plane(POINTS), settings(["b", "a"], rulers=["", "uniform5"]))
    write(tmp_path / "two" / "deep", plane(POINTS, "train"))
    write(tmp_path / "strange", {"loss": {0: 1.0}, "epoch": {0: 0.0}})
    log = Log(provider(tmp_path), RequestContext(), "")
    found = {name: [each.run for each in of] for name, of in log.outlines(log.tags()).items()}
    assert set(found) == {"one", "two/deep"}
    (one,), (deep,) = found["one"], found["two/deep"]
    assert not any(one.series.values())
    assert one.sets("I_XT") == ["val"]
    assert [way.label for way in one.rulers("val")] == ["bins[0]", "bins[1]: uniform5"]
    assert deep.sets("I_TY") == ["train"]


def test_each_prefix_of_a_logger_is_a_run_of_its_own(
    provider: Callable[[Path], Any], tmp_path: Path
) -> None:
    values = {f"{prefix}{tag}": of for prefix in ("", "p-") for tag, of in plane(POINTS).items()}
    write(tmp_path / "one", values, settings(["b", "a"], prefix="p-"))
    found = provider(tmp_path)
    plain, prefixed = sorted(_read(found, "one"), key=lambda run: run.name)
    assert plain.layers("I_XT", "val") == ["a", "b"]
    assert prefixed.layers("I_XT", "val") == ["b", "a"]


def test_a_folder_gives_every_run_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("two", "one"):
        write(tmp_path / name, plane(POINTS))
    write(tmp_path / "other", {"loss": {0: 1.0}})
    runs = read_folder(tmp_path)
    assert [run.name for run in runs] == ["one", "two"]
    assert runs[0].series[Key("I_XT", "val", "a")] == {7: 2.0, 14: 2.5}


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    """TensorBoard keeps 1000 points of a tag, a table has to have all."""
    write(tmp_path, {"information_plane/val/I_XT/a": {step: float(step) for step in range(1500)}})
    (run,) = read_folder(tmp_path)
    assert len(run.series[Key("I_XT", "val", "a")]) == 1500


def test_a_resumed_training_has_its_last_value_at_a_step_and_nan_stays_nan(tmp_path: Path) -> None:
    write(tmp_path, {"information_plane/val/I_XT/a": {0: 1.0, 1: 2.0}})
    write(tmp_path, {"information_plane/val/I_XT/a": {1: 3.0, 2: math.nan}})
    with pytest.warns(LogWarning, match="1 value from step 1 on"):
        (run,) = read_folder(tmp_path)
    series = run.series[Key("I_XT", "val", "a")]
    assert (series[0], series[1]) == (1.0, 3.0)
    assert math.isnan(series[2])


def test_what_a_training_logged_before_it_was_taken_up_again_is_dropped(
    provider: Callable[[Path], Any], tmp_path: Path
) -> None:
    """Not only what was measured again: the points beyond are of a training that is no more."""
    write(tmp_path / "one", plane({"a": {step: (1.0, 0.5) for step in range(10)}}))
    write(tmp_path / "one", plane({"a": {step: (2.0, 0.5) for step in range(5, 8)}}))
    (run,) = _read(provider(tmp_path), "one")
    expected = [(step, 1.0) for step in range(5)] + [(step, 2.0) for step in range(5, 8)]
    assert list(run.series[Key("I_XT", "val", "a")].items()) == expected


@pytest.mark.parametrize(
    "words", ["", "no JSON", "[]", "null", '{"layers": 3}', '{"layers": [3]}', UNEVEN]
)
def test_settings_of_another_form_are_passed_over(words: str, tmp_path: Path) -> None:
    block = f"\nThe same as JSON:\n\n    {words}"
    write(tmp_path, plane(POINTS), {"information_plane/val/settings": block})
    (run,) = read_folder(tmp_path)
    assert set(run.layers("I_XT", "val")) == {"a", "b"}
    assert len(run.rulers("val")) == 1


def test_a_folder_without_a_monitors_log_is_refused_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"no such folder: .*nowhere"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="not a folder but a file"):
        read_folder(tmp_path / "file")
    with pytest.raises(LogError, match="no TensorBoard event file"):
        read_folder(tmp_path)
    write(tmp_path / "foreign", {"loss": {0: 1.0}})
    with pytest.raises(LogError, match="none with a monitor's values"):
        read_folder(tmp_path)
