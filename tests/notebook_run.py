"""Run the cells of a notebook in order, and keep what each shows: a notebook without Jupyter.

    python notebook_run.py NOTEBOOK OUT

A cell is compiled as it stands and runs in the namespace of those before it. What its last line is
worth is shown as Jupyter would ask for it: as a bundle of MIME types, else as HTML, else as text.
What was printed and shown is written to OUT as JSON, a mapping for each code cell.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def shown(value: object) -> dict[str, Any]:
    """What a notebook would show of a value; nothing of None."""
    if value is None:
        return {}
    bundle = getattr(value, "_repr_mimebundle_", None)
    if bundle is not None:
        return dict(bundle())
    html = getattr(value, "_repr_html_", None)
    return {"text/plain": repr(value), **({"text/html": html()} if html is not None else {})}


def run(source: str, name: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Run a cell: what it printed, and what it shows."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, name, "exec"), namespace)
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    return {"printed": printed.getvalue(), "shown": shown(value)}


if __name__ == "__main__":
    notebook, out = map(Path, sys.argv[1:])
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = [
        run("".join(cell["source"]), f"cell {number}", namespace)
        for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"])
        if cell["cell_type"] == "code"
    ]
    out.write_text(json.dumps(cells, default=str), encoding="utf-8")
