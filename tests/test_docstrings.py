"""Every module of the package can be imported, and every example in its docstrings is true."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import it_callbacks

# Found as files, not by importing packages one after the other: a module that does not import is a
# failure of its own, and hides neither itself nor its neighbours.
PACKAGE = Path(it_callbacks.__file__).parent
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
)


def failures(name: str) -> str:
    """What the examples of a module print other than they say."""
    module = importlib.import_module(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write files
    assert not failures(name)


# Logarithms, exponentials and decompositions end in other digits on another processor.
ROUNDED = (
    (torch, "log"),
    (torch.Tensor, "exp"),
    (torch.special, "entr"),
    (torch.linalg, "svd"),
    (np, "log"),
    (np, "exp"),
    (np.linalg, "eigh"),
)


def off_by_its_last_digit(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        found = function(*arguments, **named)
        return tuple(map(off, found)) if isinstance(found, tuple) else off(found)

    def off(part: Any) -> Any:
        library: Any = torch if isinstance(part, torch.Tensor) else np
        other = part * (1 + library.finfo(part.dtype).eps)
        return library.where(part == part.round(), part, other)  # log 1 is 0 anywhere

    return call


@pytest.mark.parametrize("name", MODULES)
def test_no_example_hangs_on_the_last_digit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for owner, function in ROUNDED:
        monkeypatch.setattr(owner, function, off_by_its_last_digit(getattr(owner, function)))
    assert not failures(name)


def test_the_search_finds_modules_and_their_examples() -> None:
    """A search that found nothing would let everything pass."""
    from it_callbacks import measures

    assert {"it_callbacks", "it_callbacks.measures", "it_callbacks.tasks"} <= set(MODULES)
    assert any(test.examples for test in doctest.DocTestFinder().find(measures))
