"""`it-callbacks export`: tables and drawings of what was logged, whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from it_callbacks import cli, pictures
from it_callbacks.records import tag_of

from .known_run import PLANE, PREDICTIONS, SETTINGS, STEPS, WIDE, write_plane, write_run, write_wide

DRAWN = {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder with one run of everything."""
    write_plane(tmp_path / "logs" / "a")
    return tmp_path / "logs"


@pytest.fixture
def repeats(tmp_path: Path) -> Path:
    """A folder with three: I(X;T) of ``fc2`` is 0, 1 and 5 bits above that of `PLANE`."""
    for name, shift in (("a", 0.0), ("b", 1.0), ("c", 5.0)):
        write_plane(tmp_path / "logs" / name, shift)
    return tmp_path / "logs"


def test_csv_holds_what_was_written_at_its_steps(one: Path, tmp_path: Path) -> None:
    assert cli.main(["export", str(one), "-o", str(tmp_path / "plane.csv")]) == 0
    found: dict[str, list[float]] = {}
    for row in rows_of(tmp_path / "plane.csv"):
        found.setdefault(row["tag"], []).append(float(row["bits"]))
        assert row["run"] == "a"
        assert row["tag"] == tag_of(row["quantity"], row["set"], row["layer"])
        assert (int(row["step"]), int(row["epoch"])) in zip(STEPS, (0, 1, 2), strict=True)
        assert row["n_samples"] == "64"
    written = {tag: of for tag, of in (PLANE | PREDICTIONS).items() if not tag.endswith("/epoch")}
    assert repr(dict(sorted(found.items()))) == repr(
        {k: [float(x) for x in written[k]] for k in sorted(written)}
    )


def test_json_has_the_same_rows_and_the_settings(one: Path, tmp_path: Path) -> None:
    assert cli.main(["export", str(one), "-o", str(tmp_path / "plane.json")]) == 0
    assert cli.main(["export", str(one), "-o", str(tmp_path / "plane.csv")]) == 0
    found = json.loads((tmp_path / "plane.json").read_text(encoding="utf-8"))
    assert [row["tag"] for row in found["rows"]] == [
        row["tag"] for row in rows_of(tmp_path / "plane.csv")
    ]
    assert found["runs"]["a"]["settings"]["information_plane/val"]["n_samples"] == 64


def test_rows_of_several_runs_have_mean_and_deviation(repeats: Path, tmp_path: Path) -> None:
    """Peaks of 3.5, 4.5 and 8.5: mean 5.5, and a variance of (4 + 1 + 9) / 2 = 7."""
    assert cli.main(["export", str(repeats), "-o", str(tmp_path / "plane.csv")]) == 0
    peak = [
        row
        for row in rows_of(tmp_path / "plane.csv")
        if row["tag"] == "information_plane/val/I_XT/fc2" and row["step"] == "10"
    ]
    assert [(row["run"], row["bits"]) for row in peak] == [("a", "3.5"), ("b", "4.5"), ("c", "8.5")]
    for row in peak:
        assert float(row["mean"]) == 5.5
        assert float(row["sd"]) == pytest.approx(math.sqrt(7))
        assert row["n_runs"] == "3"


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["--run", "b"], {"b"}),
        (["--run", "[ab]"], {"a", "b"}),
        (["--run", "a", "--run", "c"], {"a", "c"}),
    ],
)
def test_runs_are_chosen_by_name(
    words: list[str], runs: set[str], repeats: Path, tmp_path: Path
) -> None:
    assert cli.main(["export", str(repeats), *words, "-o", str(tmp_path / "a.csv")]) == 0
    assert {row["run"] for row in rows_of(tmp_path / "a.csv")} == runs


def test_runs_of_several_folders_keep_apart(repeats: Path, tmp_path: Path) -> None:
    write_plane(tmp_path / "other" / "a")
    folders = [str(repeats), str(tmp_path / "other"), str(repeats / "..") + "/other"]
    assert cli.main(["export", *folders, "-o", str(tmp_path / "a.csv")]) == 0
    names = {row["run"] for row in rows_of(tmp_path / "a.csv")}
    assert names == {*(f"{repeats}/{name}" for name in "abc"), f"{tmp_path}/other/a"}


def test_the_run_of_the_folder_itself_has_the_folders_name(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(one / "a")
    assert cli.main(["export", ".", "-o", str(tmp_path / "a.csv")]) == 0
    assert {row["run"] for row in rows_of(tmp_path / "a.csv")} == {"a"}


def test_a_set_is_chosen_by_name(one: Path, tmp_path: Path) -> None:
    write_run(one / "b", {"information_plane/train/I_XT/fc1": [1.0, 2.0, 3.0]})
    assert cli.main(["export", str(one), "--set", "train", "-o", str(tmp_path / "a.csv")]) == 0
    rows = rows_of(tmp_path / "a.csv")
    assert [(row["run"], row["bits"]) for row in rows] == [("b", "1.0"), ("b", "2.0"), ("b", "3.0")]


FIGURES: list[list[str]] = [
    [],
    ["--view", "adjusted"],
    ["--view", "corrected"],
    ["--chance", "--resolution", "0"],
    ["--figure", "predictions"],
    ["--figure", "classes"],
    ["--figure", "curves", "--quantity", "I_TY"],
]


@pytest.mark.parametrize("suffix", DRAWN)
def test_a_drawing_is_of_the_kind_that_its_suffix_says(
    suffix: str, one: Path, tmp_path: Path
) -> None:
    output = tmp_path / f"plane{suffix}"
    assert cli.main(["export", str(one), "-o", str(output)]) == 0
    assert output.read_bytes().startswith(DRAWN[suffix])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The figures that were saved instead of being drawn, which takes a while."""
    figures: list[dict[str, Any]] = []

    def save(figure: dict[str, Any], path: Path, **wishes: Any) -> None:
        figures.append({**figure, "wishes": wishes})
        Path(path).write_text("drawn")

    monkeypatch.setattr(pictures, "save", save)
    return figures


def test_width_title_and_style_are_handed_on(
    one: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    words = ["--width", "50.8mm", "--title", "Fold <3>", "--style", "screen"]
    output = str(tmp_path / "a.svg")
    assert cli.main(["export", str(one), "-o", output, *words]) == 0
    assert drawn[-1]["wishes"] == {"width": 2.0, "title": "Fold <3>", "style": "screen"}
    assert cli.main(["export", str(one), "-o", output]) == 0
    assert drawn[-1]["wishes"] == {"width": None, "title": "", "style": "paper"}


def test_a_picture_has_the_width_and_the_title_that_were_asked_for(
    one: Path, tmp_path: Path
) -> None:
    """A point is 1/72 inch."""
    output = tmp_path / "a.svg"
    words = ["--width", "4in", "--title", "Fold 3"]
    assert cli.main(["export", str(one), "-o", str(output), *words]) == 0
    text = output.read_text(encoding="utf-8")
    assert re.search(r'width="288(\.0+)?pt"', text)
    assert ">Fold 3<" in text


@pytest.mark.parametrize("words", [[], ["--figure", "curves"], ["--figure", "map"]], ids=" ".join)
@pytest.mark.parametrize("pattern", ["fc2", "*2", "?c2"])
def test_layers_are_chosen_by_name(
    words: list[str], pattern: str, one: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    output = str(tmp_path / "a.svg")
    assert cli.main(["export", str(one), "-o", output, *words, "--layers", pattern]) == 0
    shown = {trace["meta"]["layer"] for trace in drawn[0]["data"]}
    (rows,) = [trace["y"] for trace in drawn[0]["data"] if "z" in trace] or [["fc2"]]
    assert shown <= {"fc2", None}
    assert list(rows) == ["fc2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layers", "fc3"], "no layer is called 'fc3'; there are 'fc1', 'fc2'; did you mean"),
        (["--figure", "classes", "--layers", "fc1"], "argument --layers: only with --figure plane"),
        (["--width", "0.5"], "argument --width: need a width from 1 to 40 inches"),
        (["--width", "3.4px"], "got '3.4px'"),
        (["--width", "nan"], "got 'nan'"),
        (["--style", "slides"], "argument --style: invalid choice: 'slides'"),
    ],
)
def test_how_a_drawing_is_to_look_is_checked(
    words: list[str], said: str, one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(one), "-o", str(tmp_path / "a.svg"), *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", FIGURES, ids=" ".join)
def test_each_figure_is_drawn(
    words: list[str], one: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    assert cli.main(["export", str(one), *words, "-o", str(tmp_path / "a.svg")]) == 0
    assert len(drawn[0]["data"]) > 0


def test_figures_are_of_what_was_asked_for(
    one: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    for words in FIGURES:
        assert cli.main(["export", str(one), *words, "-o", str(tmp_path / "a.svg")]) == 0
    as_text = {json.dumps(figure, sort_keys=True) for figure in drawn}
    assert len(as_text) == len(FIGURES)


def titles(figure: dict[str, Any]) -> str:
    return json.dumps(figure["layout"], ensure_ascii=False)


def test_repeats_are_drawn_as_one_mean_with_bars(
    repeats: Path, tmp_path: Path, drawn: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """fc2 ends at 2.25, 3.25 and 7.25: mean 4.25, standard deviation sqrt 7."""
    assert cli.main(["export", str(repeats), "-o", str(tmp_path / "a.svg")]) == 0
    assert "mean of 3 runs" in titles(drawn[0])
    assert "mean and standard deviation" in capsys.readouterr().out
    bars = [
        t["error_x"]["array"][-1] for t in drawn[0]["data"] if t.get("error_x", {}).get("array")
    ]
    assert pytest.approx(math.sqrt(7), abs=1e-3) in bars


def test_each_draws_repeats_side_by_side(
    repeats: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    assert cli.main(["export", str(repeats), "--each", "-o", str(tmp_path / "a.svg")]) == 0
    assert all(f"{name} · val" in titles(drawn[0]) for name in "abc")
    assert "mean of" not in titles(drawn[0])


def test_runs_of_other_layers_are_drawn_side_by_side(
    one: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    write_run(
        one / "b",
        {
            "information_plane/val/I_XT/conv": [1.0, 2.0, 3.0],
            "information_plane/val/I_TY/conv": [0.5, 0.5, 0.5],
        },
    )
    assert cli.main(["export", str(one), "-o", str(tmp_path / "a.svg")]) == 0
    assert all(f"{name} · val" in titles(drawn[0]) for name in "ab")


def test_a_set_is_drawn_alone_where_it_is_named(
    tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    both = {
        tag_of(quantity, set_, "fc1"): [1.0, 2.0, 3.0]
        for quantity in ("I_XT", "I_TY")
        for set_ in ("a", "b")
    }
    write_run(tmp_path / "logs" / "run", both)
    words = ["export", str(tmp_path / "logs"), "-o", str(tmp_path / "a.svg")]
    assert cli.main(words) == cli.main([*words, "--set", "b"]) == 0
    sets = [[panel["set"] for panel in of["layout"]["meta"]["panels"]] for of in drawn]
    assert sets == [["a", "b"], ["b"]]


# What cannot be done is said in a line, and nothing is written.


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The error of a command that ends in 2."""
    assert cli.main(words) == 2
    message = capsys.readouterr().err
    assert re.fullmatch(r"it-callbacks \w+: error: [^\n]+\n", message)
    return message


COMMANDS = ["export", "report"]


def output_of(command: str, folder: Path) -> Path:
    return folder / ("a.csv" if command == "export" else "a.html")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_log_directory_without_a_log_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, empty, a file, or somebody else's."""
    output = output_of(command, tmp_path)

    def error(logdir: Path) -> str:
        return said([command, str(logdir), "-o", str(output)], capsys)

    assert "no such folder" in error(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "no TensorBoard event file" in error(tmp_path / "empty")
    (tmp_path / "file").write_text("")
    assert "not a folder but a file" in error(tmp_path / "file")
    write_run(tmp_path / "foreign" / "a", {"val_loss": [1.0, 2.0, 3.0]})
    assert "none with a monitor's values" in error(tmp_path / "foreign")
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "events.out.tfevents.1").write_bytes(bytes(range(256)))
    assert "none with a monitor's values" in error(tmp_path / "noise")
    assert not output.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_permission_is_said(
    command: str,
    one: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To read or to write; root may do both, so that it is made believe otherwise."""
    access = os.access
    words = [command, str(one), "-o", str(output_of(command, tmp_path))]
    monkeypatch.setattr(os, "access", lambda p, mode: Path(p) != one and access(p, mode))
    assert f"argument LOGDIR: no permission to read {one}" in said(words, capsys)
    monkeypatch.setattr(os, "access", lambda p, mode: Path(p) != tmp_path and access(p, mode))
    assert f"argument -o: no permission to write into {tmp_path}" in said(words, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_cannot_be_is_refused_before_the_work(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The missing log directory is not even looked for."""
    name = output_of(command, Path()).name
    (tmp_path / "folder" / name).mkdir(parents=True)
    for output, reason in (
        (tmp_path / "missing" / name, "no such folder"),
        (tmp_path / "folder" / name, "is a folder; name a file in it"),
    ):
        words = [command, str(tmp_path / "no-logs"), "-o", str(output)]
        assert reason in said(words, capsys)


def test_an_output_that_is_a_device_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    words = ["export", str(tmp_path), "-o", str(tmp_path / "pipe.csv")]
    assert "is no ordinary file" in said(words, capsys)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--run", "aa"], "no run is called 'aa'; there are 'a'; did you mean 'a'?"),
        (["--set", "vall"], "there are 'val'; did you mean 'val'?"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".svg"])
def test_a_name_that_is_not_there_is_answered_with_the_nearest(
    words: list[str],
    reason: str,
    suffix: str,
    one: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / f"a{suffix}"
    assert reason in said(["export", str(one), *words, "-o", str(output)], capsys)


def test_a_figure_of_what_was_not_measured_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "logs" / "a", PREDICTIONS)
    words = ["export", str(tmp_path / "logs"), "-o", str(tmp_path / "a.svg")]
    assert "nothing to draw: no run has 'I_TY'" in said(words, capsys)
    assert "nothing to draw: no run has 'I_TY_adjusted'" in said(
        [*words, "--view", "adjusted"], capsys
    )
    words += ["--figure", "curves", "--quantity", "mean"]
    assert "nothing to draw: no run has 'mean'" in said(words, capsys)


def test_a_resolution_that_is_not_there_is_refused(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(one), "-o", str(tmp_path / "a.svg"), "--resolution", "1"]
    assert "need a number below 1" in said(words, capsys)


def test_repeats_without_a_common_step_have_no_mean(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(one / "b", PLANE, {"information_plane/val/settings": SETTINGS}, steps=(1, 11, 21))
    words = ["export", str(one), "-o", str(tmp_path / "a.svg")]
    assert "no step of I_TY in common" in said(words, capsys)
    assert cli.main([*words, "--each"]) == 0


def test_missing_matplotlib_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = ["export", str(tmp_path), "-o", str(tmp_path / "a.pdf")]
    assert 'pip install "it_callbacks[plot]"' in said(words, capsys)


# The old file or the whole new one.


def test_an_existing_output_is_replaced_and_keeps_its_mode(one: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    output.write_text("old")
    output.chmod(0o600)
    (tmp_path / "link.csv").symlink_to(output)
    assert cli.main(["export", str(one), "-o", str(tmp_path / "link.csv")]) == 0
    assert len(rows_of(output)) > 0
    assert output.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "link.csv").is_symlink()


def test_a_new_output_has_the_mode_of_any_new_file(one: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    assert cli.main(["export", str(one), "-o", str(tmp_path / "a.csv")]) == 0
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("fault", "code"), [(OSError(28, "No space left on device"), 2), (KeyboardInterrupt(), 130)]
)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    fault: BaseException,
    code: int,
    one: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out" / "a.svg"
    output.parent.mkdir()
    output.write_text("old")

    def save(figure: object, path: Path, **wishes: object) -> None:
        Path(path).write_text("hal")
        raise fault

    monkeypatch.setattr(pictures, "save", save)
    assert cli.main(["export", str(one), "-o", str(output)]) == code
    assert output.read_text() == "old"
    assert list(output.parent.iterdir()) == [output]
    expected = "cannot write" if code == 2 else "interrupted"
    assert expected in capsys.readouterr().err


# Layers of any width.


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A folder with a run of both readings."""
    write_wide(tmp_path / "logs" / "a")
    return tmp_path / "logs"


def test_a_table_has_the_values_of_any_width_and_their_samples(wide: Path, tmp_path: Path) -> None:
    assert cli.main(["export", str(wide), "-o", str(tmp_path / "a.csv")]) == 0
    found: dict[str, dict[int, float]] = {}
    for row in rows_of(tmp_path / "a.csv"):
        if row["tag"] in WIDE:
            found.setdefault(row["tag"], {})[int(row["step"])] = float(row["bits"])
            assert (row["epoch"], row["n_samples"]) == ({"0": "0", "20": "2"}[row["step"]], "1024")
    assert found == {tag: of for tag, of in WIDE.items() if not tag.endswith("wide_epoch")}


def test_a_plane_is_drawn_in_the_reading_that_opens_or_is_asked_for(
    wide: Path, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    for words, reading in (
        ([], "wide"),
        (["--reading", "wide", "--intervals"], "wide"),
        (["--reading", "code"], "code"),
        (["--view", "linear"], "code"),
        (["--resolution", "0"], "code"),
    ):
        assert cli.main(["export", str(wide), *words, "-o", str(tmp_path / "a.svg")]) == 0
        assert drawn[-1]["layout"]["meta"]["reading"] == reading
    n_bars = [
        sum(len(trace.get("error_x", {}).get("array", ())) for trace in figure["data"])
        for figure in drawn
    ]
    assert n_bars[1] >= n_bars[0] > 0


@pytest.mark.parametrize("suffix", DRAWN)
def test_a_plane_of_any_width_is_drawn_as_a_picture(
    suffix: str, wide: Path, tmp_path: Path
) -> None:
    output = tmp_path / f"plane{suffix}"
    assert cli.main(["export", str(wide), "-o", str(output), "--intervals"]) == 0
    assert output.read_bytes().startswith(DRAWN[suffix])


def test_what_only_the_code_has_is_refused_with_any_width(
    wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["--view", "adjusted"], ["--chance"], ["--resolution", "1"]):
        command = ["export", str(wide), "--reading", "wide", *words, "-o", str(tmp_path / "a.svg")]
        assert f"argument {words[0]}: got " in (reason := said(command, capsys))
        assert "which only the binned code has" in reason
