"""Where runs lie: behind links, in folders given twice or in one another, on other machines."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import fsspec
import pytest

from it_callbacks import cli
from it_callbacks.logs import LogError, LogWarning, read_folder
from it_callbacks.runs import Key

from .written_logs import plane, write

A = Key("I_XT", "val", "a")


def make(folder: Path, value: float = 1.0) -> Path:
    """A run whose only value of I(X;T) is this."""
    write(folder, plane({"a": {0: (value, 0.5)}}))
    return folder


def values(folder: Path | str, *notes: str) -> dict[str, float]:
    """By the names of runs, their values; each note is a part of one warning."""
    if notes:
        with pytest.warns(LogWarning) as said:
            runs = read_folder(folder)
        lines = [str(warning.message) for warning in said]
        assert [sum(note in line for line in lines) for note in notes] == [1] * len(lines)
    else:
        runs = read_folder(folder)
    return {run.name: run.series[A][0] for run in runs}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for number in range(2):
        make(tmp_path / "store" / "deep" / f"version_{number}", float(number))
    return tmp_path / "store"


def test_links_to_runs_and_to_folders_of_runs_are_followed(store: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (chosen / "first").symlink_to(store / "deep" / "version_0")
    (chosen / "more").symlink_to(store)
    (tmp_path / "link").symlink_to(chosen)
    said = "more/deep/version_0 is the same run as first"
    expected = {"first": 0.0, "more/deep/version_1": 1.0}
    assert values(chosen, said) == values(tmp_path / "link", said) == expected


def test_a_link_beside_its_run_is_left_out_whatever_its_name(store: Path) -> None:
    """`latest` and the like; the mean would be of one training twice."""
    (store / "a_latest").symlink_to(store / "deep" / "version_1")
    said = "a_latest is the same run as deep/version_1"
    assert values(store, said) == {"deep/version_0": 0.0, "deep/version_1": 1.0}


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_folder_of_links_to_event_files_is_their_run(
    link: object, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "links" / "run"
    folder.mkdir(parents=True)
    for path in (store / "deep" / "version_1").iterdir():
        link(path, folder / path.name)  # type: ignore[operator] # either of os
    assert values(tmp_path / "links") == {"run": 1.0}
    (store / "again").symlink_to(folder)
    assert len(values(store, "again is the same run as deep/version_1")) == 2


def test_links_that_lead_back_or_nowhere_end_nothing(store: Path) -> None:
    (store / "deep" / "up").symlink_to(store)
    (store / "itself").symlink_to(store / "itself")
    (store / "gone").symlink_to(store / "nowhere")
    (store / "deep" / "version_0" / "events.out.tfevents.0").symlink_to(store / "nowhere")
    notes = [f"{store / name}: a link that leads nowhere" for name in ("gone", "itself")]
    notes.append("events.out.tfevents.0: a link that leads nowhere")
    assert len(values(store, *notes)) == 2


def test_what_is_no_file_is_not_opened(store: Path) -> None:
    os.mkfifo(store / "deep" / "events.out.tfevents.pipe")
    (store / "tfevents.d").mkdir()
    assert len(values(store)) == 2


def test_a_folder_that_cannot_be_listed_is_said(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def forbidden(path: str) -> object:
        if path.endswith("version_0"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    assert values(store, "version_0: cannot be read (Permission denied)") == {"deep/version_1": 1.0}


def test_a_name_that_is_no_text_is_read_and_can_be_printed(store: Path) -> None:
    try:
        (store / "deep" / "version_0").rename(store / os.fsdecode(b"caf\xe9"))
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert values(store) == {r"caf\xe9": 0.0, "deep/version_1": 1.0}


# On the command line.


def table(
    folder: Path, capsys: pytest.CaptureFixture[str], *words: str | Path
) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of I(X;T) of an export, and the lines that it says."""
    path = folder / "table.csv"
    capsys.readouterr()
    assert cli.main(["export", *map(str, words), "-o", str(path)]) == 0
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] == "I_XT"]
    return rows, capsys.readouterr().err.splitlines()


def test_a_run_that_several_arguments_lead_to_is_counted_once(
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(store)
    inside = store / "deep" / "version_1"
    for words in ([store, inside], [inside, store, "link"], ["store", inside, store / "deep"]):
        rows, said = table(tmp_path, capsys, *words)
        assert sorted(float(row["bits"]) for row in rows) == [0.0, 1.0]
        assert {row["n_runs"] for row in rows} == {"2"}
        assert said
        phrases = "is the same run as", "is given twice, and read once"
        assert all(any(phrase in line for phrase in phrases) for line in said)
    _, (line,) = table(tmp_path, capsys, store, inside)
    assert line == f"it-callbacks: {inside} is given twice, and read once"
    rows, said = table(tmp_path, capsys, store, "store", f"{store}/", f"file://{store}")
    assert [row["run"] for row in rows] == ["deep/version_0", "deep/version_1"]
    assert said == []


def test_a_run_can_be_chosen_by_any_of_its_names(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "best").symlink_to(store / "deep" / "version_1")
    (row,), said = table(tmp_path, capsys, store, "--run", "best")
    assert (row["run"], row["bits"], said) == ("best", "1.0", [])


# URLs.


@pytest.fixture
def remote(store: Path) -> str:
    """The same runs in a file system of fsspec's."""
    memory = fsspec.filesystem("memory")
    if memory.exists("/logs"):
        memory.rm("/logs", recursive=True)
    memory.put(str(store), "/logs", recursive=True)
    return "memory://logs"


def test_runs_below_a_url_are_read(
    remote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert values(remote) == {"deep/version_0": 0.0, "deep/version_1": 1.0}
    assert values(f"{remote}/deep/version_1/") == {".": 1.0}
    rows, _ = table(tmp_path, capsys, remote, f"{remote}/", f"{remote}/deep/version_0")
    assert sorted(float(row["bits"]) for row in rows) == [0.0, 1.0]
    with pytest.raises(LogError, match=r"no such folder: memory://logs/none"):
        read_folder(f"{remote}/none")


@pytest.mark.parametrize("command", ["export", "report", "view"])
@pytest.mark.parametrize("url", ["s3://bucket/runs", "gs://bucket/runs", "foo://runs"])
def test_a_url_that_cannot_be_opened_is_refused_in_a_line_that_says_what_is_missing(
    url: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(protocol: str) -> None:
        raise ImportError(f"Install the package for {protocol}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    output = {"export": ["-o", "a.csv"], "report": ["-o", "a.html"], "view": []}[command]
    monkeypatch.chdir(tmp_path)
    assert cli.main([command, url, *output]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"cannot read the remote folder {url}: Install the package for {url[:3].strip(':')}" in (
        line
    )
    assert "copy the folder to this machine" in line


def test_a_path_that_was_a_url_is_recognised() -> None:
    with pytest.raises(LogError, match="if s3://bucket/runs is meant, pass it as text"):
        read_folder(Path("s3://bucket/runs"))


@pytest.mark.parametrize("words", [["report", "runs"], ["export", "runs"], ["demo"]])
def test_output_is_written_to_this_machine_only(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    option = "--logdir" if words == ["demo"] else "-o"
    assert cli.main([*words, option, "s3://bucket/a.html"]) == 2
    assert "need a path of this machine, got the URL s3://bucket/a.html" in capsys.readouterr().err
