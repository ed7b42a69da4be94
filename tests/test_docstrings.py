"""Every module of the package can be imported, and every example in its docstrings is true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import it_callbacks

# Found as files, not by importing packages one after the other: a module that does not import is a
# failure of its own, and hides neither itself nor its neighbours.
PACKAGE = Path(it_callbacks.__file__).parent
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write files
    module = importlib.import_module(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test, out=report.append)

    assert not report, "".join(report)


def test_the_search_finds_modules_and_their_examples() -> None:
    """A search that found nothing would let everything pass."""
    from it_callbacks import measures

    assert {"it_callbacks", "it_callbacks.measures", "it_callbacks.tasks"} <= set(MODULES)
    assert any(test.examples for test in doctest.DocTestFinder().find(measures))
