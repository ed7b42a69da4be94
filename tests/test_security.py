"""Nothing that is read is run, nothing that is named becomes a path, and all text stays text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html
from torch import nn

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

from .toys import N_UNITS, Classifier, fit
from .written_logs import read_text

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "it_callbacks"
SOURCES = sorted(PACKAGE.rglob("*.py"))

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "../../outside",
    "/etc/passwd",
    "C:\\windows\\system32",
    "слой ☃ 层",
    "new\nline\ttab\x07bell",
    "`code` **bold** [link](javascript:alert(3))",
    "x" * 300,
)
PLAIN = re.compile(r"[A-Za-z0-9_.\-]{1,210}")


class Named(Classifier):
    """Layers whose names a stranger has chosen. A module's name may hold all but a dot."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential()
        for name in HOSTILE:
            self.net.add_module(name.replace(".", ""), nn.Linear(N_UNITS, N_UNITS))
        self.net.add_module("last", nn.Linear(N_UNITS, 3))


def _monitors() -> list[Any]:
    return [
        PredictionEntropyMonitor(),
        ConditionalEntropyMonitor(class_names=HOSTILE[:3]),
        InformationPlaneMonitor(),
    ]


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_hostile_names_reach_tags_as_plain_characters(tmp_path: Path) -> None:
    """Every part of every tag; and each layer keeps a tag of its own."""
    monitors = _monitors()
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    fit(monitors, Named, logger=logger, max_epochs=1)
    for monitor in monitors:
        for record in monitor.history:
            assert all(PLAIN.fullmatch(part) for part in record.tag.split("/"))
            assert record.tag.count("/") <= 3
    layers = {r.layer for r in monitors[2].history if r.quantity == "I_XT"}
    assert len(layers) == len(HOSTILE) + 1


def test_hostile_names_are_json_text_in_the_settings_and_stay_text_when_shown(
    tmp_path: Path,
) -> None:
    """They come back letter by letter; TensorBoard's own renderer makes no element of them."""
    logger = TensorBoardLogger(tmp_path, name="run", version=0)
    fit(_monitors(), Named, logger=logger, max_epochs=1)
    events = EventAccumulator(logger.log_dir, size_guidance={"tensors": 0}).Reload()
    (event,) = events.Tensors("information_plane/val/settings/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    modules = [layer["module"] for layer in read_text(text)["layers"]]
    assert modules[:-1] == [f"net.{name.replace('.', '')}" for name in HOSTILE]
    shown = markdown_to_safe_html(text)
    allowed = {"p", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(re.findall(r"<[/!]?(\w+)", shown)) == allowed
    assert not re.search(r"<\w+ ", shown)  # nor any attribute
    (event,) = events.Tensors("conditional_entropy/val/settings/text_summary")
    assert read_text(event.tensor_proto.string_val[0].decode())["class_names"] == list(HOSTILE[:3])


def test_hostile_names_write_no_file_of_their_own(tmp_path: Path) -> None:
    """The files are those of a harmless model; nothing is made beside the log folder."""

    def run(model: Any, folder: Path) -> set[str]:
        loggers = [
            TensorBoardLogger(folder / "logs", name="run", version=0),
            CSVLogger(folder / "logs", name="csv", version=0),
        ]
        fit(_monitors(), model, logger=loggers, max_epochs=1)
        return {re.sub(r"tfevents.*", "tfevents", name) for name in _files(folder)}

    assert run(Named, tmp_path / "a" / "b" / "c") == run(Classifier, tmp_path / "d" / "e" / "f")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "d"}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "monitor", [PredictionEntropyMonitor, ConditionalEntropyMonitor, InformationPlaneMonitor]
)
def test_a_monitor_refuses_a_name_that_is_no_plain_word(monitor: type[Any], name: str) -> None:
    with pytest.raises(ValueError, match="name: need letters"):
        monitor(name=name)


def test_a_checkpoint_with_code_in_it_is_refused_before_it_runs(tmp_path: Path) -> None:
    """What we store needs nothing but weights_only, so nothing of ours makes users leave it."""

    class Payload:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    _, running = fit([InformationPlaneMonitor()], max_epochs=1)
    running.save_checkpoint(tmp_path / "good.ckpt")
    checkpoint = torch.load(tmp_path / "good.ckpt", weights_only=True)
    checkpoint["callbacks"]["it_callbacks.InformationPlaneMonitor.val"]["tags"] = Payload()
    torch.save(checkpoint, tmp_path / "bad.ckpt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        torch.load(tmp_path / "bad.ckpt", weights_only=True)
    assert not (tmp_path / "ran").exists()


# What the sources may not do.

CLI = {"cli", "demo"}
"""Programs of their own, which users start by hand."""

FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "subprocess",
    "socket",
    "urllib",
    "http",
    "requests",
    "ftplib",
    "smtplib",
    "ctypes",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "add_scalars", "system", "popen"}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                yield called.id, node
            elif isinstance(called, ast.Attribute):
                yield called.attr, node


def _faults(source: str, *, is_cli: bool = False) -> list[str]:
    """What a source does that it must not."""
    tree = ast.parse(source)
    modules = FORBIDDEN_MODULES - ({"http", "urllib", "subprocess"} if is_cli else set())
    found = [f"imports {name}" for name in _imported(tree) if name in modules]
    for name, call in _calls(tree):
        options = {option.arg: option.value for option in call.keywords}
        if name in FORBIDDEN_CALLS:
            # A method of this name on a module or a regular expression is something else.
            plain = isinstance(call.func, ast.Name) or name in ("add_scalars", "system", "popen")
            found += [f"calls {name}"] if plain else []
        elif name == "load" and isinstance(call.func, ast.Attribute):
            allowed = options.get("weights_only"), options.get("allow_pickle")
            if ast.unparse(call.func.value) == "torch" and not (
                isinstance(allowed[0], ast.Constant) and allowed[0].value is True
            ):
                found.append("calls torch.load without weights_only=True")
            if allowed[1] is not None:
                found.append("calls load with allow_pickle")
            if ast.unparse(call.func.value) == "yaml":
                found.append("calls yaml.load")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_source_unpickles_runs_text_or_opens_a_connection(path: Path) -> None:
    assert (
        _faults(
            path.read_text(encoding="utf-8"),
            is_cli=path.relative_to(PACKAGE).with_suffix("").parts[0] in CLI,
        )
        == []
    )


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from urllib.request import urlopen",
        "import subprocess as s",
        "eval('1')",
        "exec(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "writer.add_scalars('a', {})",
        "os.system('ls')",
    ],
)
def test_the_search_above_finds_what_it_is_to_find(source: str) -> None:
    assert len(_faults(source)) == 1


def test_the_search_above_leaves_harmless_sources_alone() -> None:
    assert _faults("torch.load(p, weights_only=True); model.eval(); re.compile('a')") == []


# The page that says all this.

PAGE = ROOT / "docs" / "reliability.md"
REFERENCE = re.compile(r"`(test_\w+)\.py::(\w+)`")


def _table() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|") and not set(line) <= set("|-: ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_promise_on_the_page_names_the_test_that_holds_it() -> None:
    """No empty cell, and no row without a test."""
    rows = [row for row in _table() if row[0] != "Promise"]
    assert len(rows) > 30
    for row in rows:
        assert all(row)
        assert REFERENCE.search(row[-1]), row


def test_every_test_that_the_page_names_exists() -> None:
    found = REFERENCE.findall(PAGE.read_text(encoding="utf-8"))
    assert found
    for file, test in found:
        tree = ast.parse((ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert test in names, f"{file}.py::{test}"


def test_monitors_hold_no_open_files_or_threads_of_their_own() -> None:
    """They write through the Trainer's loggers, so no path is theirs to build."""
    monitor = InformationPlaneMonitor()
    fit([monitor], max_epochs=1)
    kinds = {type(value).__name__ for value in vars(monitor).values()}
    assert not kinds & {"SummaryWriter", "TextIOWrapper", "BufferedWriter", "Thread", "lock"}
    assert isinstance(monitor, pl.Callback)
