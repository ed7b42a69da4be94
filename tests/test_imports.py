"""Arrows only point down: what each room loads, in a fresh interpreter, and who names whom."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import it_callbacks

PACKAGE = Path(it_callbacks.__file__).parent
LIGHTNING = ("lightning", "pytorch_lightning")
HEAVY = ("torch", "torchmetrics", *LIGHTNING)
NO_LIGHTNING = (
    "metrics",
    "multi_label",
    "prediction_metric",
    "label_chance",
    "reductions",
    "rulers",
    "codes",
    "estimators",
    "observation",
    "plane",
    "predictions",
    "tasks",
)
STDLIB_ONLY = (
    "argument_errors",
    *("checks", "quantities", "records", "runs", "repeats", "tables", "wandering", "findings"),
    *("summary", "figures", "report"),
)
LIGHT = ("", *STDLIB_ONLY, "logs", "measures", "estimators", "tensorboard_plugin", "cli")


def _rooms() -> list[str]:
    """Every module of the package by dotted name, itself as ''."""
    files = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    names = (".".join(path.with_suffix("").parts) for path in files)
    return sorted(name.removesuffix("__init__").rstrip(".") for name in names)


ROOMS = _rooms()


def _inside(rooms: tuple[str, ...]) -> list[str]:
    """The modules that are or lie in `rooms`, of those there are."""
    return [room for room in ROOMS if any(f"{room}.".startswith(f"{r}.") for r in rooms if r)]


def _loaded_by(*modules: str) -> set[str]:
    """Top-level names in `sys.modules` after importing `modules` in a fresh interpreter."""
    names = [f"it_callbacks.{module}".rstrip(".") for module in modules]
    script = (
        "import sys, json, importlib; before = set(sys.modules)\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in set(sys.modules) - before})))"
    )
    run = [sys.executable, "-c", script]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    return set(json.loads(output))


def test_light_rooms_load_neither_torch_nor_lightning() -> None:
    """TensorBoard imports the front door at every start; NumPy is enough for measures."""
    assert _loaded_by(*(room for room in LIGHT if room in ROOMS)).isdisjoint(HEAVY)


def test_the_contract_with_tensorboard_is_standard_library_only() -> None:
    """What the tab imports of ours must never fail for want of a package."""
    loaded = _loaded_by("", *(room for room in STDLIB_ONLY if room in ROOMS))
    assert loaded - set(sys.stdlib_module_names) <= {"it_callbacks"}


def test_observation_and_mathematics_load_no_lightning() -> None:
    """All of it works on plain torch modules; torchmetrics does not bring Lightning in either."""
    loaded = _loaded_by(*_inside(NO_LIGHTNING))
    assert loaded.isdisjoint(LIGHTNING)
    assert "torchmetrics" in loaded  # else the check above would have found nothing to bring it in


@cache
def _opened_without(missing: str) -> dict[str, Any]:
    """What the front door opens to in a fresh interpreter that has one of LIGHTNING only."""
    script = (
        "import sys, json, importlib.util as util\n"
        f"find, sys.modules[{missing!r}] = util.find_spec, None\n"
        f"util.find_spec = lambda name, *a: None if name == {missing!r} else find(name, *a)\n"
        "import it_callbacks\n"
        "torch = 'torch' in sys.modules\n"
        "plane = it_callbacks.InformationPlaneMonitor(images=5)\n"
        "bases = [base.__module__ for base in type(plane).__mro__]\n"
        "plotly = ['plotly' in sys.modules]\n"
        "plane.figure()\n"
        "plotly.append('plotly' in sys.modules)\n"
        "print(json.dumps({'torch': torch, 'bases': bases, 'plotly': plotly}))\n"
    )
    run = [sys.executable, "-c", script]
    output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output))


@pytest.mark.parametrize("missing", LIGHTNING)
def test_one_of_lightnings_two_names_is_enough(missing: str) -> None:
    """With the other not installed the front door still opens to the monitors, on first use."""
    opened = _opened_without(missing)
    assert opened["torch"] is False
    (other,) = set(LIGHTNING) - {missing}
    packages = {module.partition(".")[0] for module in opened["bases"]}
    assert other in packages
    assert missing not in packages


def test_monitors_load_plotly_when_they_draw_and_not_before() -> None:
    """It takes long, and a run on a cluster never needs it."""
    assert _opened_without("lightning")["plotly"] == [False, True]


def _imports(room: str) -> Iterator[str]:
    """Every module that the source of `room` imports, anywhere in it, those for typing too."""
    folder = PACKAGE.joinpath(*room.split(".")) if room else PACKAGE
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _names(imported: str, rooms: tuple[str, ...]) -> bool:
    return any(f"{imported}.".startswith(f"it_callbacks.{room}.") for room in rooms)


MAY_IMPORT_CALLBACKS = ("callbacks", "cli", "demo")


@pytest.mark.parametrize("room", [room for room in ROOMS if room])
def test_nobody_imports_callbacks(room: str) -> None:
    """But the command line and its demo, and themselves."""
    if room in _inside(MAY_IMPORT_CALLBACKS):
        return
    assert not [name for name in _imports(room) if _names(name, ("callbacks",))]


ABOVE = {
    "measures": ("checks",),
    "checks": (),
    "argument_errors": ("checks",),
    "quantities": (),
    "own_quantities": ("quantities", "records", "checks"),
    "records": ("quantities", "checks"),
    "tags": ("quantities", "own_quantities", "records"),
    "runs": (
        *("quantities", "own_quantities", "records", "derived", "resumed", "tags", "texts"),
        *("wide_settings", "set_order"),
    ),
    "set_order": (),
    "resumed": (),
    "texts": ("wide_settings",),
    "charts": ("quantities", "records", "tags"),
    "wide_settings": ("quantities",),
    "repeats": ("quantities", "runs"),
    "tables": ("quantities", "records", "repeats", "runs"),
    "derived": ("quantities", "records"),
    "findings": (
        *("quantities", "records", "runs", "repeats", "texts", "wandering", "figures.labels"),
        *("set_order", "findings"),
    ),
    "summary": ("records", "repeats", "runs", "set_order", "tables", "findings", "figures"),
    "figures": (
        *("checks", "quantities", "records", "runs", "repeats", "derived", "wide_settings"),
        *("set_order", "figures"),
    ),
    "report": (
        *("figures", "findings", "quantities", "records", "repeats", "runs", "tables", "texts"),
        *("__version__", "wide_settings", "set_order", "report"),
    ),
    "stills": ("figures", "pictures", "report"),
    "notebook": ("figures", "report", "runs", "stills"),
    "drawing": ("figures", "pictures", "records", "report", "runs", "notebook", "stills"),
    "event_files": (),
    "log_folders": ("runs",),
    "event_logs": ("quantities", "event_files", "log_folders", "resumed"),
    "logs": ("quantities", "records", "runs", "event_logs", "log_folders"),
    "wandering": (),
    "schedules": ("checks",),
    "sketches": ("checks", "compiling", "sketch_kernel"),
    "compiling": (),
    "sketch_kernel": (),
    "estimators": (
        *("checks", "quantities", "own_quantities", "records", "schedules", "sketches"),
        *("wandering", "estimators"),
    ),
    "rulers": ("checks", "rulers"),
    "reductions": ("checks", "rulers"),
    "codes": ("rulers", "reductions", "codes", "compiling"),
    "label_chance": ("records", "estimators"),
    "prediction_metric": ("checks", "log_probabilities", "label_chance"),
    "metrics": ("distributions", "log_probabilities", "label_chance", "prediction_metric"),
    "distributions": ("log_probabilities",),
    "multi_label": ("log_probabilities", "label_chance", "prediction_metric"),
    "log_probabilities": (),
    "columns": ("records",),
    "history": ("records", "columns"),
    "loggers": ("quantities", "charts", "texts"),
    "plain": (),
    "observation": (
        *("checks", "plain", "codes", "log_probabilities", "reductions", "rulers"),
        *("quantities", "records", "sketches", "observation"),
    ),
    "plane": (
        *("_version", "estimators", "observation", "reductions", "rulers"),
        *("quantities", "own_quantities", "records", "schedules", "texts", "plane"),
    ),
    "predictions": (
        "checks",
        "_version",
        "metrics",
        "multi_label",
        "prediction_metric",
        "log_probabilities",
        "observation",
        "records",
        "predictions",
    ),
}
"""For each room of the journey, the rooms of ours that it may name."""


@pytest.mark.parametrize("room", _inside(tuple(ABOVE)))
def test_arrows_point_down_the_journey(room: str) -> None:
    allowed = ABOVE[room.partition(".")[0]]
    ours = [name for name in _imports(room) if name.startswith("it_callbacks.")]
    assert [name for name in ours if not _names(name, allowed)] == []


@pytest.mark.parametrize("room", _inside(NO_LIGHTNING + STDLIB_ONLY + ("tensorboard_plugin",)))
def test_lightning_is_not_even_named_below_the_callbacks(room: str) -> None:
    """Not inside a function either, where a fresh interpreter would not see it."""
    assert not [name for name in _imports(room) if name.partition(".")[0] in LIGHTNING]


@pytest.mark.parametrize("room", _inside(("estimators",)))
def test_estimators_import_no_torch(room: str) -> None:
    """Tensors are known by what they can do."""
    assert not [name for name in _imports(room) if name.partition(".")[0] == "torch"]


def _modules() -> list[ModuleType]:
    names = (f"it_callbacks.{room}".rstrip(".") for room in ROOMS if "__main__" not in room)
    return [importlib.import_module(name) for name in names]


def _constants_first(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), not name[0].isupper(), name


def test_every_public_name_opens_and_lists_are_sorted() -> None:
    with_list = [module for module in _modules() if hasattr(module, "__all__")]
    assert it_callbacks in with_list
    for module in with_list:
        assert list(module.__all__) == sorted(module.__all__, key=_constants_first), module.__name__
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None


def test_the_front_door_lists_what_it_opens_and_refuses_the_rest() -> None:
    assert {
        "ConditionalEntropyMonitor",
        "InformationPlaneMonitor",
        "PredictionEntropyMonitor",
        "Record",
        "Ruler",
    } <= set(it_callbacks.__all__)
    assert set(it_callbacks.__all__) <= set(dir(it_callbacks))
    with pytest.raises(AttributeError, match="'it_callbacks' has no attribute 'Monitors'"):
        it_callbacks.Monitors  # noqa: B018 # the access is what is tested
