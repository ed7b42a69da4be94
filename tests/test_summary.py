"""What `it-callbacks report --format md` and json print: short for people, whole for scripts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from it_callbacks import cli
from it_callbacks.findings import findings
from it_callbacks.logs import read_folder
from it_callbacks.runs import Key, Run
from it_callbacks.summary import MOST_LINES, SCHEMA, as_json, as_markdown

from .known_run import write_wide


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with two layers, read as codes and at any width."""
    write_wide(
        tmp_path / "runs" / "known", **{"layers": {"fc1": {"caution": "one row | holds 12 %"}}}
    )
    return tmp_path / "runs"


def many(n_layers: int, name: str = "many") -> Run:
    """A run of so many layers, each with a warning of its own."""
    found = {}
    for layer in range(n_layers):
        for quantity in ("V_TY", "relative_I_XT"):
            found[Key(quantity, "val", f"fc{layer}")] = {0: 0.5, 10: 1.5}
    return Run(name, found, warnings=[f"warning {n}" for n in range(n_layers)])


def test_markdown_of_a_known_run(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(log), "--format", "md"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [finding.text for finding in findings(read_folder(log))]
    assert lines[0] == "# known"
    for line, text in zip(lines[2:], told, strict=False):
        assert line.endswith(text)
    assert "| fc1 | any width | 4.50 ± 0.12 | 0.75 ± 0.12 | CAUTION |" in lines
    assert "| fc2 | binned code | 2.25 | 0.72 | OK |" in lines
    assert lines[-1].startswith("| fc1 | binned code | 6.00 | - | SATURATED")


def test_json_of_a_known_run_holds_all_of_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(log), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["schema", "runs", "repeats", "findings", "layers", "warnings"]
    assert found["schema"] == SCHEMA == "it_callbacks.report/1"
    assert found["runs"] == ["known"]
    assert found["findings"] == [finding.as_dict() for finding in findings(read_folder(log))]
    assert found["layers"][0] == {
        "run": "known",
        "set": "val",
        "layer": "fc1",
        "reading": "wide",
        "ruler": "",
        "x": 4.5,
        "x_error": 0.0625,
        "y": 0.75,
        "y_error": 0.0625,
        "status": "CAUTION",
        "why": "one row | holds 12 %",
    }
    assert found["layers"][-1]["y"] == pytest.approx(0.71875)


def test_it_goes_to_a_file_whose_suffix_says_how(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("told.md", "told.json"):
        assert cli.main(["report", str(log), "-o", str(tmp_path / name)]) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}: 1 run\n"
    assert (tmp_path / "told.md").read_text("utf-8") == as_markdown(read_folder(log))
    assert json.loads((tmp_path / "told.json").read_text("utf-8"))["schema"] == SCHEMA


@pytest.mark.parametrize("n_layers", [1, 20, 300])
@pytest.mark.parametrize("n_runs", [1, 12])
def test_markdown_fits_a_screen_and_says_what_is_left_out(n_layers: int, n_runs: int) -> None:
    runs = [many(n_layers + (n % 2), name=f"run {n}") for n in range(n_runs)]
    lines = as_markdown(runs).splitlines()
    assert len(lines) <= MOST_LINES
    rows = [line for line in lines if line.startswith("| ")][2:]
    n_rows = sum(n_layers + (n % 2) for n in range(n_runs))
    left_out = [line for line in lines if "rows of layers are left out" in line]
    assert [line.split()[0] for line in left_out] == [f"({n_rows - len(rows)}"] * (
        n_rows > len(rows)
    )
    warnings = [line for line in lines if line.startswith("- warning")]
    assert len(warnings) == min(4, n_rows)


def test_repeats_are_one_table_of_means() -> None:
    runs = [many(2, name) for name in ("a", "b")]
    found = json.loads(as_json(runs))
    assert found["repeats"] is True
    assert {row["run"] for row in found["layers"]} == {"mean of 2 runs"}
    assert as_markdown(runs).splitlines()[0] == "# mean of 2 runs"


def test_names_cannot_break_out_of_a_line_or_a_table() -> None:
    layer, name = "a|b\x1b[31m\n# c", "run\x07\n"
    keys = (Key("V_TY", "val", layer), Key("relative_I_XT", "val", layer))
    run = Run(name, {key: {0: 1.0} for key in keys}, warnings=["x\ry"])
    text = as_markdown([run])
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "a\\|b \\[31m # c" in text
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 1
    json.loads(as_json([run]))


def test_a_run_of_nothing_says_so() -> None:
    nothing = Run("empty", {Key("V_TY", "val", "fc"): {0: math.nan}})
    assert as_markdown([nothing]) == "# empty\n\n- Nothing can be said.\n"
    assert json.loads(as_json([nothing]))["findings"] == []


def test_markup_in_names_is_text_for_a_viewer_of_markdown() -> None:
    key = Key("V_TY", "val", "<b>[x](y)</b>")
    found = as_markdown(
        [Run("r", {key: {0: 1.0}, key._replace(quantity="relative_I_XT"): {0: 1.0}})]
    )
    assert "\\<b>\\[x](y)\\</b>" in found
    assert "<b>" not in found.replace("\\<", "")


def test_of_many_layers_the_first_and_the_deepest_are_kept() -> None:
    layers = [f"fc{number}" for number in range(60)]
    series = {
        Key(name, "val", layer): {0: 1.0} for layer in layers for name in ("V_TY", "relative_I_XT")
    }
    settings = {"information_plane/val": {"layers": [{"tag": layer} for layer in layers]}}
    rows = [line for line in as_markdown([Run("r", series, settings=settings)]).splitlines()]
    shown = [line.split()[1] for line in rows if line.startswith("| fc")]
    assert shown[0] == "fc0"
    assert shown[-1] == "fc59"
    assert len(shown) < 40
