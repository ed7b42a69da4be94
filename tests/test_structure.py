"""The house in figures: how much a reader of the monitors has to hold in mind."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from pathlib import Path
from typing import Any

import pytest

import it_callbacks
from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)

PACKAGE = Path(it_callbacks.__file__).parent
ROOMS = sorted(path for path in PACKAGE.rglob("*.py"))
PAGES = sorted(path for kind in ("*.js", "*.css") for path in PACKAGE.rglob(kind))

MOST_CLASSES = 2
MOST_METHODS = 45
MOST_ATTRIBUTES = 20
MOST_LINES_OF_CALLBACKS = 3000
MOST_LINES_OF_A_ROOM = 400
MOST_LINES_OF_CODE = 27_190
"""0.1.0 had 10,140. A user's own estimators that reach the tab, Markdown texts, derived values,
curves in the tab, every kind of labels, batches and predictions, the plane of any width, reading
of damaged, linked and remote logs, work done once for all layers, batches and monitors, findings
in words, once for runs that agree, pictures by depth and still ones for notebooks have come
since."""


def own_classes(monitor: type[Any]) -> list[type[Any]]:
    """The classes of ours between Lightning's callback and a monitor, the monitor included."""
    ours = (cls for cls in monitor.__mro__ if cls.__module__.startswith("it_callbacks."))
    return [cls for cls in ours if cls.__name__ != "Callback"]


def code_lines(source: str) -> int:
    """Lines of Python that are more than a docstring, a comment or blank."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str()), end_lineno=int() as end):
                documented |= set(range(node.lineno, end + 1))
    nothing = {
        *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
        *(tokenize.ENCODING, tokenize.ENDMARKER),
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - documented)


def page_lines(source: str) -> int:
    """Lines of JavaScript or CSS that are more than a comment or blank."""
    code = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    lines = (line.strip() for line in code.splitlines())
    return sum(bool(line) and not line.startswith("//") for line in lines)


@pytest.mark.parametrize(
    "monitor", [InformationPlaneMonitor, PredictionEntropyMonitor, ConditionalEntropyMonitor]
)
def test_a_monitor_is_small_enough_to_be_read(monitor: type[Any]) -> None:
    classes = own_classes(monitor)
    assert len(classes) <= MOST_CLASSES
    methods = {
        name
        for cls in classes
        for name, value in vars(cls).items()
        if inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod))
    }
    assert len(methods) <= MOST_METHODS
    inherited = vars(classes[-1].__mro__[classes[-1].__mro__.index(classes[-1]) + 1]())
    assert len(vars(monitor()).keys() - inherited.keys()) <= MOST_ATTRIBUTES


@pytest.mark.parametrize(
    "monitor", [InformationPlaneMonitor, PredictionEntropyMonitor, ConditionalEntropyMonitor]
)
def test_every_argument_of_a_monitor_is_readable_under_its_name(monitor: type[Any]) -> None:
    made = monitor()
    for name, parameter in inspect.signature(monitor).parameters.items():
        assert getattr(made, name) == parameter.default


@pytest.mark.parametrize(
    "monitor", [InformationPlaneMonitor, PredictionEntropyMonitor, ConditionalEntropyMonitor]
)
def test_no_monitor_overrides_what_another_class_of_ours_has_defined(monitor: type[Any]) -> None:
    """But its constructor, whose signature is what a user sees."""
    first, *others = own_classes(monitor)
    inherited = {name for cls in others for name in vars(cls)}
    own = {name for name, value in vars(first).items() if inspect.isfunction(value)}
    assert own & inherited <= {"__init__"}


def test_the_lightning_side_is_small() -> None:
    rooms = [path for path in ROOMS if path.parent.name == "callbacks"]
    assert sum(len(path.read_text("utf-8").splitlines()) for path in rooms) <= (
        MOST_LINES_OF_CALLBACKS
    )


@pytest.mark.parametrize("room", [str(path.relative_to(PACKAGE)) for path in ROOMS])
def test_no_room_is_too_large(room: str) -> None:
    assert len((PACKAGE / room).read_text("utf-8").splitlines()) <= MOST_LINES_OF_A_ROOM


def test_the_product_has_not_grown() -> None:
    python = sum(code_lines(path.read_text("utf-8")) for path in ROOMS)
    pages = sum(page_lines(path.read_text("utf-8")) for path in PAGES)
    assert python + pages <= MOST_LINES_OF_CODE


def test_what_counts_as_a_line_of_code() -> None:
    assert (
        code_lines('"""Doc."""\n\nx = 1  # why\n# no\ndef f():\n    """Doc."""\n    return x\n')
        == 3
    )
    assert page_lines("/* no */\nlet x = 1; // yes\n\n// no\nf(x);\n") == 2
