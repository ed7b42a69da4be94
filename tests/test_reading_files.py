"""Event files as they come: damaged, still being written, several of one run, of any age."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c, masked_crc32c
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard import SummaryWriter

from it_callbacks import cli
from it_callbacks.event_files import Lost, checksum, records
from it_callbacks.logs import LogError, LogWarning, read_folder
from it_callbacks.report import report
from it_callbacks.runs import Key, Run

from .written_logs import plane, settings, write

A, B = Key("I_XT", "val", "a"), Key("I_TY", "val", "a")
TAG = "information_plane/val/I_XT/a"


# Records.


@pytest.mark.parametrize("n_bytes", [0, 1, 255, 256, 257, 512, 700, 5000])
def test_a_checksum_is_that_of_tensorboard(n_bytes: int) -> None:
    text = random.Random(n_bytes).randbytes(n_bytes)
    assert checksum(text) == crc32c(text)


def record(event: bytes) -> bytes:
    """As TensorBoard's format has it."""
    length = struct.pack("<Q", len(event))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, event))
    return length + next(sums) + event + next(sums)


EVENTS = [random.Random(n).randbytes(n) for n in (5, 70, 300, 0, 41, 40, 40)]
FILE = b"".join(map(record, EVENTS))
ENDS = [sum(map(len, map(record, EVENTS[:n]))) for n in range(len(EVENTS) + 1)]


def whole_in(file: bytes, at_once: int = 1 << 20) -> tuple[list[bytes], list[Lost]]:
    stream, lost = io.BytesIO(file), list[Lost]()
    return list(records(lambda n: stream.read(min(n, at_once)), lost)), lost


@pytest.mark.parametrize("at_once", [1 << 20, 7])
def test_whole_records_are_read_in_pieces_of_any_size(at_once: int) -> None:
    assert whole_in(FILE, at_once) == (EVENTS, [])


def test_a_flipped_bit_costs_its_record_and_no_other() -> None:
    for place in range(len(FILE)):
        flipped = bytearray(FILE)
        flipped[place] ^= 1 << (place % 8)
        number = sum(end <= place for end in ENDS) - 1
        found, (lost,) = whole_in(bytes(flipped), 1 << 20 if place % 2 else 50)
        assert found == EVENTS[:number] + EVENTS[number + 1 :], place
        assert lost == (ENDS[number], ENDS[number + 1] - ENDS[number], False)


def test_a_file_cut_anywhere_gives_what_is_whole_and_is_no_damage() -> None:
    for place in range(len(FILE)):
        found, lost = whole_in(FILE[:place])
        n_whole = sum(end <= place for end in ENDS) - 1
        assert found == EVENTS[:n_whole]
        rest = place - ENDS[n_whole]
        assert lost == ([Lost(ENDS[n_whole], rest, True)] if rest else [])


def test_what_was_written_behind_a_torn_record_is_read() -> None:
    for place in range(1, len(FILE)):
        found, lost = whole_in(FILE[:place] + FILE)
        assert found[-len(EVENTS) :] == EVENTS
        assert not any(span.is_end for span in lost)


def test_a_length_beyond_all_memory_is_an_incomplete_record() -> None:
    length = struct.pack("<Q", 2**64 - 1)
    header = length + struct.pack("<I", masked_crc32c(length))
    assert whole_in(FILE + header) == (EVENTS, [Lost(len(FILE), len(header), True)])
    found, (lost,) = whole_in(header + FILE)
    assert (found, lost) == (EVENTS, Lost(0, len(header), False))


# Files.


def values_of(run: Run) -> dict[Key, dict[int, float]]:
    return {key: dict(series) for key, series in run.series.items()}


def event_file(folder: Path) -> Path:
    (path,) = folder.glob("*tfevents*")
    return path


def written(folder: Path, values: Mapping[str, Mapping[int, float]], name: str) -> Path:
    """An event file of this name."""
    write(folder / "new", values)
    path = folder / name
    event_file(folder / "new").rename(path)
    (folder / "new").rmdir()
    return path


def only_run(folder: Path, *notes: str) -> Run:
    """The run in a folder, of which so much is said; each note is a part of a line."""
    if not notes:
        (run,) = read_folder(folder)
        assert run.lost == []
        return run
    with pytest.warns(LogWarning) as said:
        (run,) = read_folder(folder)
    lines = [str(warning.message) for warning in said]
    assert len(lines) == len(notes)
    for line, note in zip(lines, notes, strict=True):
        assert note in line
        assert "\n" not in line
    return run


POINTS = {"a": {step: (step / 8, step / 16) for step in range(20)}}


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_damaged_file_gives_all_but_the_damaged_point_and_says_so(
    share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, plane(POINTS))
    path = event_file(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[int(share * len(raw))] ^= 0xFF
    path.write_bytes(raw)
    run = only_run(tmp_path, f"{path}: damaged at byte ")
    assert len(run.series[A]) == 19
    assert all(value == POINTS["a"][step][0] for step, value in run.series[A].items())
    assert "damaged at byte" in run.lost[0]
    assert run.lost[0] in report([run])

    assert cli.main(["export", str(tmp_path), "-o", str(tmp_path / "t.csv")]) == 0
    assert capsys.readouterr().err == f"it-callbacks: {run.lost[0]}\n"


def test_a_file_that_ends_within_a_record_may_be_in_use(tmp_path: Path) -> None:
    write(tmp_path, plane(POINTS))
    path = event_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    run = only_run(tmp_path, "the last record is incomplete")
    assert len(run.series[A]) == 19
    assert "damaged" not in run.lost[0]


JUNK = {
    "empty": b"",
    "text": b"no events are here",
    "zeros": bytes(4096),
    "noise": random.Random(0).randbytes(5000),
    "events of no use": record(b"\xff\xff"),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
@pytest.mark.parametrize("name", ["events.out.tfevents.1", "events.out.tfevents.9999999999"])
def test_a_file_that_holds_nothing_takes_nothing_from_the_others(
    name: str, junk: bytes, tmp_path: Path
) -> None:
    write(tmp_path, plane(POINTS))
    (tmp_path / name).write_bytes(junk)
    run = only_run(tmp_path, *([name] if junk else []))
    assert len(run.series[A]) == 20


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_alone_it_is_refused_and_what_is_wrong_with_it_is_said(junk: bytes, tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(junk)
    with pytest.raises(LogError, match="none with a monitor's values") as refused:
        read_folder(tmp_path)
    assert ("tfevents.1: " in str(refused.value)) == bool(junk)


def test_a_run_that_is_being_written_is_never_read_backwards(tmp_path: Path) -> None:
    """Each prefix of the file is what a reader may meet."""
    write(tmp_path / "all", plane({"a": {step: (0.5, 0.5) for step in range(4)}}))
    raw = event_file(tmp_path / "all").read_bytes()
    seen = []
    for n_bytes in range(0, len(raw) + 1, 5):
        stream = io.BytesIO(raw[:n_bytes])
        seen.append(sum(1 for _ in records(stream.read, [])))
    assert seen == sorted(seen)


# Several files of one run.


def scalar(value: float) -> dict[str, Any]:
    return {"simple_value": value}


def tensor(value: float) -> dict[str, Any]:
    from tensorboard.plugins.scalar import metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    return {
        "tensor": make_tensor_proto(value),
        "metadata": metadata.create_summary_metadata("", ""),
    }


@pytest.mark.parametrize("form", [scalar, tensor])
@pytest.mark.parametrize("together", [True, False], ids=["one event a point", "one a value"])
def test_values_are_the_same_in_every_form_that_writers_have(
    together: bool, form: Callable[[float], dict[str, Any]], tmp_path: Path
) -> None:
    written_values = plane(POINTS)
    writer = EventFileWriter(str(tmp_path / "a"))
    for step in range(20):
        values = [Summary.Value(tag=t, **form(of[step])) for t, of in written_values.items()]
        for group in [values] if together else [[value] for value in values]:
            writer.add_event(Event(step=step, summary=Summary(value=group)))
    writer.close()
    write(tmp_path / "b", written_values)
    one, other = read_folder(tmp_path)
    assert values_of(one) == values_of(other)
    assert one.epochs == other.epochs == {step: step + 1 for step in range(20)}


def test_values_of_others_that_share_an_event_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {TAG: {0: 1.0}, "loss": {0: 2.0}, "my_information_plane": {0: 3.0}})
    assert values_of(only_run(tmp_path)) == {A: {0: 1.0}}


@pytest.mark.parametrize("n_new", [3, 15])
def test_a_training_that_was_taken_up_again_is_read_as_it_went_on(
    n_new: int, tmp_path: Path
) -> None:
    """The first came to step 9; the second went on from 5, and is not yet as far or farther."""
    written(tmp_path, {TAG: {step: 1.0 for step in range(10)}}, "events.out.tfevents.1")
    new = {step: 2.0 for step in range(5, 5 + n_new)}
    written(tmp_path, {TAG: new}, "events.out.tfevents.2")
    run = only_run(tmp_path, "5 values from step 5 on")
    assert run.series[A] == {**{step: 1.0 for step in range(5)}, **new}
    assert str(tmp_path) in run.lost[0]


def test_an_evaluation_of_an_earlier_state_takes_no_point_of_the_training_away(
    tmp_path: Path,
) -> None:
    """A Trainer that only validates logs at step 0, into whatever folder it is given."""
    written(tmp_path, {TAG: {step: 1.0 for step in range(1, 5)}}, "events.out.tfevents.1")
    written(tmp_path, {TAG: {0: 2.0}}, "events.out.tfevents.2")
    assert only_run(tmp_path).series[A] == {0: 2.0, **{step: 1.0 for step in range(1, 5)}}


def test_files_are_in_the_order_of_the_numbers_in_their_names(tmp_path: Path) -> None:
    for number in (9, 10, 8):
        values = {TAG: {number: float(number)}}
        written(tmp_path, values, f"events.out.tfevents.{number}")
    assert only_run(tmp_path).series[A] == {8: 8.0, 9: 9.0, 10: 10.0}


def test_files_with_other_tags_at_the_same_steps_lose_nothing(tmp_path: Path) -> None:
    """A second logger, or a test loop after the training."""
    for set_ in ("val", "train", "test"):
        write(tmp_path, plane({"a": {step: (1.0, 1.0) for step in range(5)}}, set_))
    run = only_run(tmp_path)
    assert {len(series) for series in run.series.values()} == {5}


def test_the_same_values_logged_again_are_no_loss(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path, plane(POINTS))
    assert len(only_run(tmp_path).series[A]) == 20


def test_a_writer_that_says_from_where_it_begins_again_is_believed(tmp_path: Path) -> None:
    """What it does not write again is gone, too."""
    write(tmp_path, {TAG: {step: 1.0 for step in range(10)}})
    with SummaryWriter(tmp_path, purge_step=4) as writer:
        writer.add_scalar(TAG, 2.0, 7)
    run = only_run(tmp_path, "6 values from step 4 on")
    assert run.series[A] == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0, 7: 2.0}


def test_texts_are_those_of_the_last_file(tmp_path: Path) -> None:
    write(tmp_path, plane(POINTS), settings(["a"]))
    write(tmp_path, {}, settings(["b"]))
    (layer,) = only_run(tmp_path).settings["information_plane/val"]["layers"]
    assert layer["tag"] == "b"


def test_a_file_that_cannot_be_opened_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, plane(POINTS))
    other = written(tmp_path, plane(POINTS), "events.out.tfevents.1")
    of_python = open

    def forbidden(path: Any, *rest: Any, **more: Any) -> Any:
        if str(path) == str(other):
            raise PermissionError(13, "Permission denied")
        return of_python(path, *rest, **more)

    monkeypatch.setattr("builtins.open", forbidden)
    only_run(tmp_path, f"{other}: cannot be read (Permission denied); passed over")
