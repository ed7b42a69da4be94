"""The literature's experiments show their signatures, and say so when they do not."""

from __future__ import annotations

import ast
import gzip
import importlib
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

FOLDER = Path(__file__).parents[1] / "examples" / "reproduce"
SCRIPTS = [
    *("szt", "artefacts", "quantised", "minimal_model"),
    *("bottleneck", "convolutional", "transformer"),
]


@pytest.fixture(autouse=True)
def _beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts import what they share from their own folder, as when they are run."""
    monkeypatch.syspath_prepend(str(FOLDER))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def run(name: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a script, run as from a command line."""
    path = FOLDER / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    return ended.value.code


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_signature_is_there_in_a_short_run(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All bounds hold, the table says so, and figures are written where they are asked for."""
    assert run(name, "--fast", "--out", str(tmp_path), monkeypatch=monkeypatch) == 0
    table = capsys.readouterr().out
    assert "PASS: " in table
    assert "MISSED" not in table
    assert "seed 0" in table
    pictures = list(tmp_path.iterdir())
    assert pictures
    for picture in pictures:
        assert ET.parse(picture).getroot().tag.endswith("svg")


@pytest.mark.slow
def test_all_signatures_are_there_in_a_plain_run() -> None:
    """What `make reproduce` does: every experiment on all its seeds, then one table."""
    ran = subprocess.run(
        [sys.executable, str(FOLDER)], capture_output=True, text=True, timeout=3600, check=False
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert "All signatures" in ran.stdout


def test_every_script_is_among_those_that_are_run_together() -> None:
    listed = {script.__name__ for script in module("__main__reproduce").SCRIPTS}
    with_a_command = {
        path.stem for path in FOLDER.glob("*.py") if "experiment(arguments" in path.read_text()
    }
    assert listed == with_a_command == set(SCRIPTS)
