"""Print, as constraints of pip, the lowest versions that pyproject.toml allows.

``make test-lowest`` installs by them and runs the fast tests. torch is a case of its own: its
wheels for Linux on PyPI bring gigabytes of CUDA. Its lowest version is taken where pip would
install it without; else that of constraints.txt, and a line on standard error says so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LOWEST = re.compile(r"(?P<name>[\w-]+)(\[[\w,-]+\])?>=(?P<version>[\w.]+)")
_EXTRAS = ("plot", "demo", "cli")
"""Those whose packages the product itself imports."""


def pinned(requirements: Iterable[str]) -> dict[str, str]:
    """Return the lowest version of each package that has one.

    Example:
        >>> pinned(["torch>=2.6", "jsonargparse[signatures]>=4.28", "hatchling"])
        {'torch': '2.6', 'jsonargparse': '4.28'}
    """
    found = map(_LOWEST.match, requirements)
    return {match["name"]: match["version"] for match in found if match is not None}


def brings_cuda(version: str) -> bool:
    """Whether pip, asked for this torch, would install packages of CUDA; True if it finds none."""
    ask = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    asked = subprocess.run(
        [*ask, "--report", "-", f"torch=={version}"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        return True
    names = (each["metadata"]["name"].lower() for each in json.loads(asked.stdout)["install"])
    return any(name.startswith(("nvidia", "cuda", "triton")) for name in names)


def main() -> None:
    """Print the constraints."""
    project = _project()
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(line for name in _EXTRAS for line in extras[name])]
    lowest = pinned([*listed, *(line for line in extras["test"] if line.startswith("lightning"))])
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (tested,) = re.findall(r"^torch==(\S+)$", constraints, re.MULTILINE)
    if lowest["torch"] != tested and brings_cuda(lowest["torch"]):
        print(
            f"torch {lowest['torch']}: no wheel without packages of CUDA here; "
            f"the tests run with torch {tested}",
            file=sys.stderr,
        )
        lowest["torch"] = tested
    print("pyparsing<3.3")  # newer ones warn of how old versions of matplotlib call them
    print("\n".join(f"{name}=={version}" for name, version in lowest.items()))


def _project() -> dict[str, dict[str, list[str]]]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        from pip._vendor import tomli as tomllib  # type: ignore[no-redef]
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, dict[str, list[str]]] = tomllib.loads(pyproject)["project"]
    return project


if __name__ == "__main__":
    main()
