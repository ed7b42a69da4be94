"""How Sphinx builds these pages: `make docs`. Nothing is fetched, neither to build nor to read."""

from __future__ import annotations

import re
from typing import Any

import it_callbacks

project = "it_callbacks"
author = "The it_callbacks developers"
copyright = author  # the name that Sphinx reads
version = release = it_callbacks.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "literal"  # docstrings write `name`, as Markdown does

# Links to headings; three levels are as deep as pages go.
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"it_callbacks {version}"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

autodoc_typehints = "none"  # signatures of the whole types are longer than what they say
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # a list, in the place of a heading for each field

_FENCE = re.compile(
    r"^(?P<indent> *)```\w*\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


def _fences_to_blocks(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings show code between Markdown's fences where it cannot run; make blocks of them."""

    def block(found: re.Match[str]) -> str:
        indent = found["indent"]
        code = "\n".join(f"    {line}" if line else "" for line in found["code"].splitlines())
        return f"{indent}.. code-block:: python\n\n{code}\n"

    lines[:] = [*_FENCE.sub(block, "\n".join(lines)).splitlines(), ""]


def setup(app: Any) -> None:
    """Connect what docstrings need, ahead of napoleon."""
    app.connect("autodoc-process-docstring", _fences_to_blocks, priority=400)
