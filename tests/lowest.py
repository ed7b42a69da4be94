"""Print, as constraints of pip, the lowest versions that pyproject.toml allows.

``make test-lowest`` installs by them and runs the fast tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
_LOWEST = re.compile(r"(?P<name>[\w-]+)(\[[\w,-]+\])?>=(?P<version>[\w.]+)")
_EXTRAS = ("plot", "demo", "cli", "fast")
"""Those whose packages the product itself imports."""


def pinned(requirements: Iterable[str]) -> dict[str, str]:
    """Return the lowest version of each package that has one.

    Example:
        >>> pinned(["torch>=2.13", "jsonargparse[signatures]>=4.28", "hatchling"])
        {'torch': '2.13', 'jsonargparse': '4.28'}
    """
    found = map(_LOWEST.match, requirements)
    return {match["name"]: match["version"] for match in found if match is not None}


def main() -> None:
    """Print the constraints."""
    project = _project()
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(line for name in _EXTRAS for line in extras[name])]
    lowest = pinned([*listed, *(line for line in extras["test"] if line.startswith("lightning"))])
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
