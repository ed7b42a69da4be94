"""`it-callbacks report`: write runs as one page that opens anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from it_callbacks.cli.command import Commands, Wrong, add_inputs, declare, file_path, read
from it_callbacks.cli.files import check_writable, replacing

_DESCRIPTION = """\
Write one page of HTML with all there is to see of the runs: planes with their slider, curves,
prediction entropies, classes, a table with statuses and verdicts, warnings and settings. It holds
everything it needs (5 MB of it Plotly), so it opens offline and can be sent. Repeats of one
training are also shown as mean and spread.
"""

_EXAMPLES = """\
examples:
  it-callbacks report runs/digits -o report.html
  it-callbacks report runs/tanh runs/relu --run '*version_0' -o two.html
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = declare(
        commands,
        "report",
        _run,
        help="write one self-contained HTML page, to keep or send",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_inputs(parser)
    parser.add_argument(
        "-o", "--output", required=True, type=file_path, metavar="PAGE", help="ends in .html"
    )


def _run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    if output.suffix.lower() not in (".html", ".htm"):
        raise Wrong(f"argument -o: a report is .html, got {output.name!r}; see also: export")
    check_writable(output)
    runs = read(arguments.logdirs, arguments.patterns)

    from it_callbacks.report import report

    page = report(runs)
    with replacing(output) as new:
        # A name on disk may hold bytes that are no text.
        new.write_bytes(page.encode("utf-8", "replace"))
    print(f"{output}: {len(runs)} run{'s' if len(runs) > 1 else ''}")
