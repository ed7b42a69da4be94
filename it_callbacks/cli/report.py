"""`it-callbacks report`: write runs as one page that opens anywhere, or sum them up in text."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from it_callbacks.cli.command import Commands, Wrong, add_inputs, declare, file_path, read
from it_callbacks.cli.files import check_writable, replacing

if TYPE_CHECKING:
    from it_callbacks.runs import Run

_DESCRIPTION = """\
Sum runs up. Findings come first: what was learnt, over-fitting, what cannot be said.

  html   one page with all there is to see: planes with their slider, curves, prediction entropies,
         classes, a table with statuses and verdicts, warnings and settings. It holds everything it
         needs (5 MB of it Plotly), so it opens offline and can be sent. Needs -o
  md     findings, last values of the layers and warnings, in 40 lines at most; for a terminal
  json   the same, whole, for a script

Repeats of one training are shown as mean and spread.
"""

_EXAMPLES = """\
examples:
  it-callbacks report runs/digits -o report.html
  it-callbacks report runs/tanh runs/relu --run '*version_0' -o two.html
  it-callbacks report runs/digits --format md
  it-callbacks report runs/digits -o findings.json
"""
_SUFFIXES = {"html": (".html", ".htm"), "md": (".md",), "json": (".json",)}


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = declare(
        commands,
        "report",
        _run,
        help="findings as text, or all of a run as one self-contained HTML page",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_inputs(parser)
    parser.add_argument(
        "--format",
        choices=tuple(_SUFFIXES),
        help="what to write (default: what the suffix of the output says, else html)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_path,
        metavar="FILE",
        help="ends in .html, .md or .json, like the format; without it md and json are printed",
    )


def _run(arguments: argparse.Namespace) -> None:
    output: Path | None = arguments.output
    form: str = arguments.format or _format_of(output)
    if output is None and form == "html":
        raise Wrong("argument -o: a page needs a file, -o report.html; --format md prints findings")
    if output is not None:
        if output.suffix.lower() not in _SUFFIXES[form]:
            raise Wrong(
                f"argument -o: with --format {form} a report is {_SUFFIXES[form][0]}, got "
                f"{output.name!r}; see also: export"
            )
        check_writable(output)
    runs = read(arguments.logdirs, arguments.patterns)
    # A name on disk may hold bytes that are no text.
    content = _written(runs, form).encode("utf-8", "replace")
    if output is None:
        sys.stdout.write(content.decode())
        return
    with replacing(output) as new:
        new.write_bytes(content)
    print(f"{output}: {len(runs)} run{'s' if len(runs) > 1 else ''}")


def _format_of(output: Path | None) -> str:
    """The format that a suffix stands for; html for any other."""
    suffix = "" if output is None else output.suffix.lower()
    return next((form for form, suffixes in _SUFFIXES.items() if suffix in suffixes), "html")


def _written(runs: list[Run], form: str) -> str:
    if form == "html":
        from it_callbacks.report import report

        return report(runs)
    from it_callbacks.summary import as_json, as_markdown

    return as_markdown(runs) if form == "md" else as_json(runs)
