"""What a user installs: the wheel and the sdist, built here and put into an empty environment."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import it_callbacks

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The sdist of this tree, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation nothing is fetched: the build backend is in the test extra.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return SimpleNamespace(wheel=wheel, sdist=sdist)


@pytest.fixture(scope="module")
def python(built: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    offline = ["--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    command = [str(python), "-m", "pip", "install", *offline, str(built.wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return python


def run(python: Path, code: str, cwd: Path) -> str:
    """What `code` prints there, away from this tree."""
    command = [str(python), "-I", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def test_the_wheel_holds_the_package_with_all_that_is_no_python(built: SimpleNamespace) -> None:
    names = set(zipfile.ZipFile(built.wheel).namelist())
    package = ROOT / "it_callbacks"
    tracked = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert tracked <= names
    assert not any("__pycache__" in name for name in names)
    static = {name for name in tracked if "/static/" in name}
    assert any(name.startswith("it_callbacks/tensorboard_plugin/static/") for name in static)
    assert "it_callbacks/py.typed" in names
    assert not any(name.startswith(("tests/", "examples/", "docs/")) for name in names)


def test_the_wheel_tells_tensorboard_of_the_tab_and_the_shell_of_the_command(
    built: SimpleNamespace,
) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        lines = wheel.read(name).decode().split("\n")
    assert "[tensorboard_plugins]" in lines
    assert any(line.startswith("it-callbacks = it_callbacks.cli:main") for line in lines)


def test_the_sdist_holds_what_it_takes_to_test_and_to_read_on(built: SimpleNamespace) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"README.md", "LICENSE", "CITATION.cff", "Makefile", "constraints.txt"} <= names
    assert {"tests/conftest.py", "examples/digits_mlp.py", "docs/quantities.md"} <= names


def test_importing_it_needs_neither_torch_nor_anything_else(python: Path, tmp_path: Path) -> None:
    """Nothing is installed there, so whatever it would load at import would be an error."""
    code = "import it_callbacks; print(it_callbacks.__version__, sorted(it_callbacks.__all__)[0])"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', project, flags=re.MULTILINE)
    assert run(python, code, tmp_path).split() == [version, "ConditionalEntropyMonitor"]


def test_the_command_explains_itself_without_its_dependencies(python: Path, tmp_path: Path) -> None:
    command = [str(python.with_name("it-callbacks")), "--help"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert {"demo", "view", "report", "export"} <= set(said.replace(",", " ").split())


def test_the_citation_names_this_version_and_the_day_of_the_changelog() -> None:
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    changes = (ROOT / "docs" / "changelog.md").read_text("utf-8")
    ((version, day),) = re.findall(r"^## (0\.2\.\d+) \((.+)\)$", changes, flags=re.MULTILINE)
    assert {f"version: {version}", f"date-released: {day}"} <= set(lines)
    assert version == it_callbacks.__version__
