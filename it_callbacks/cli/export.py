"""`it-callbacks export`: write runs as a tidy table or as a drawing fit for a paper."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from it_callbacks.cli.command import (
    Commands,
    Wrong,
    add_inputs,
    declare,
    file_path,
    read,
    there_are,
    whole_number,
)
from it_callbacks.cli.files import check_writable, replacing
from it_callbacks.figures import KINDS, READINGS, VIEWS, Panel, Request, check, draw, panels
from it_callbacks.quantities import ROOTS
from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.runs import Run
from it_callbacks.tables import write_csv, write_json

_TABLES = (".csv", ".json")
_DRAWINGS = (".pdf", ".png", ".svg")
_DESCRIPTION = """\
Write the runs as a table or as a drawing; the suffix of the output decides.

  .csv .json       one row per value; several runs also get mean, sd and n_runs, the same in all
                   rows of one tag and step
  .pdf .png .svg   a figure fit for a paper (needs it_callbacks[plot]); repeats of one training
                   are drawn as mean and standard deviation, other runs side by side
"""

_EXAMPLES = """\
examples:
  it-callbacks export runs/digits -o plane.csv
  it-callbacks export runs/digits --run version_0 -o plane.pdf
  it-callbacks export runs/digits -o plane.pdf --width 86mm --layers '*.hidden*'
  it-callbacks export runs/digits -o i_ty.svg --figure curves --quantity I_TY --set val
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = declare(
        commands,
        "export",
        _run,
        help="write a table (csv, json) or a drawing (pdf, png, svg)",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_inputs(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=file_path,
        metavar="FILE",
        help=f"ends in {', '.join(_TABLES + _DRAWINGS)}",
    )
    parser.add_argument(
        "--set", metavar="NAME", help="only this set: val, train, data, ... (default: all)"
    )
    drawings = parser.add_argument_group("drawings only")
    drawings.add_argument("--figure", choices=tuple(KINDS), help="what to draw (default: plane)")
    drawings.add_argument(
        "--reading",
        choices=tuple(READINGS),
        help="of the plane: the binned code, or layers of any width (default: that in which more "
        "layers can be read)",
    )
    drawings.add_argument(
        "--view",
        choices=tuple(VIEWS),
        help="of the plane of the code: which estimates (default: linear)",
    )
    drawings.add_argument(
        "--chance",
        action="store_true",
        help="of the plane of the code: mark the chance level of I(T;Y)",
    )
    drawings.add_argument(
        "--intervals",
        action="store_true",
        help="of the plane: draw 95 %% intervals (the corrected view always has them)",
    )
    drawings.add_argument(
        "--resolution",
        type=whole_number(0),
        metavar="N",
        help="of layers: which of bins=, counted from 0 (default: that in which more can be read)",
    )
    drawings.add_argument(
        "--quantity", metavar="NAME", help="of the curves and the map: its name in tags"
    )
    drawings.add_argument(
        "--layers",
        action="append",
        default=[],
        metavar="GLOB",
        help="only layers of this name, e.g. '*.hidden?'; may be repeated",
    )
    drawings.add_argument(
        "--width",
        type=_inches,
        metavar="W",
        help="in inches, or with a unit: 3.4, 3.4in, 86mm, 8.6cm (default: one column, more for "
        "many layers or panels)",
    )
    drawings.add_argument("--title", metavar="TEXT", help="above the figure (default: none)")
    drawings.add_argument(
        "--style",
        choices=("paper", "screen"),
        help="for print, with symbols and small letters, or as on a page (default: paper)",
    )
    drawings.add_argument(
        "--grey", action="store_true", help="greys of equal luminance in place of colours"
    )
    drawings.add_argument(
        "--each", action="store_true", help="draw repeats side by side instead of their mean"
    )


_PER_INCH = {"": 1.0, "in": 1.0, "cm": 2.54, "mm": 25.4}
_LEAST_WIDTH, _MOST_WIDTH = 1, 40


def _inches(text: str) -> float:
    """A width as argparse's `type=`.

    Example:
        >>> _inches("3.5"), _inches("2.54 cm"), _inches("50.8mm")
        (3.5, 1.0, 2.0)
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?(in|cm|mm|)", text.strip())
    inches = float(found[1]) / _PER_INCH[found[2]] if found else 0.0
    if not _LEAST_WIDTH <= inches <= _MOST_WIDTH:
        raise argparse.ArgumentTypeError(
            f"need a width from {_LEAST_WIDTH} to {_MOST_WIDTH} inches, such as 3.4, 3.4in or "
            f"86mm, got {text!r}"
        )
    return inches


def _run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    suffix = output.suffix.lower()
    if suffix in _TABLES:
        _check_for_table(arguments)
        write = _table
    elif suffix in _DRAWINGS:
        _check_for_drawing(arguments)
        write = _drawing
    else:
        known = ", ".join(_TABLES + _DRAWINGS)
        raise Wrong(f"argument -o: the suffix must be one of {known}; got {output.name!r}")
    check_writable(output)
    runs = read(arguments.logdirs, arguments.patterns)
    print(f"{output}: {write(runs, arguments)}")


_ONLY_OF = {
    option: [kind.name for kind in KINDS.values() if named in kind.options]
    for option, named in {
        **{name: name for name in ("reading", "view", "chance", "intervals", "resolution")},
        **{"quantity": "quantity", "layers": "hidden"},
    }.items()
}
"""Options of some figures only."""


def _is_given(arguments: argparse.Namespace, option: str) -> bool:
    return getattr(arguments, option) not in (None, False, [])


def _check_for_table(arguments: argparse.Namespace) -> None:
    for option in ("figure", "each", "width", "title", "style", "grey", *_ONLY_OF):
        if _is_given(arguments, option):
            raise Wrong(f"argument --{option}: only for drawings ({', '.join(_DRAWINGS)})")


def _check_for_drawing(arguments: argparse.Namespace) -> None:
    arguments.figure = arguments.figure or "plane"
    for option, kinds in _ONLY_OF.items():
        if _is_given(arguments, option) and arguments.figure not in kinds:
            raise Wrong(f"argument --{option}: only with --figure {' or '.join(kinds)}")
    _request(arguments)
    try:
        import matplotlib  # noqa: F401 # better missed before the work than after it
    except ImportError as error:
        raise Wrong(
            'drawings need matplotlib, which is not installed: pip install "it_callbacks[plot]"'
        ) from error


def _request(arguments: argparse.Namespace) -> Request:
    view = arguments.view or "linear"
    of_code = arguments.view is not None or arguments.resolution is not None
    request = Request(
        arguments.figure,
        reading=arguments.reading or ("code" if of_code else None),
        view=view,
        resolution=arguments.resolution,
        quantity=arguments.quantity or "",
        chance=arguments.chance,
        intervals=arguments.intervals or view == "corrected",
    )
    try:
        check(request)
    except ValueError as error:
        raise Wrong(f"argument --{error}") from error
    return request


def _table(runs: Sequence[Run], arguments: argparse.Namespace) -> str:
    wanted: str | None = arguments.set
    if wanted is not None:
        sets = sorted({key.set for run in runs for key in run.series})
        if wanted not in sets:
            raise Wrong(f"argument --set: no set is called {wanted!r}; {there_are(wanted, sets)}")
        runs = [
            replace(run, series={key: s for key, s in run.series.items() if key.set == wanted})
            for run in runs
        ]
        runs = [run for run in runs if run.series]
    write = write_csv if arguments.output.suffix.lower() == ".csv" else write_json
    with replacing(arguments.output) as new:
        write(runs, new)
    n_rows = sum(len(series) for run in runs for series in run.series.values())
    return f"{n_rows} rows of {_counted(len(runs))}"


def _drawing(runs: Sequence[Run], arguments: argparse.Namespace) -> str:
    from it_callbacks import pictures  # which brings NumPy, if not matplotlib yet

    is_mean = are_repeats(runs) and not arguments.each
    request = _request(arguments)
    shown = _panels(request, runs, arguments.set)
    if is_mean:
        sets = dict.fromkeys(panel.set for panel in shown)
        of_mean = panels(request, [averaged(runs)], sets)
        if not of_mean:
            raise Wrong(
                f"the {len(runs)} runs have no step of {_needed(request, [])} in common, so there "
                "is no mean to draw; pass --each, or choose runs by --run"
            )
        if arguments.figure == "plane":  # it draws the mean itself, and how repeats scatter
            request = replace(request, arrange="mean")
        else:
            shown, request = of_mean, replace(request, intervals=True)
    n_rulers = min(len(panel.rulers) for panel in shown)
    if (request.resolution or 0) >= n_rulers:
        raise Wrong(
            f"argument --resolution: need a number below {n_rulers}, as many as bins= listed; "
            f"got {request.resolution}"
        )
    request = replace(request, hidden=_hidden(arguments.layers, shown))
    with replacing(arguments.output) as new:
        pictures.save(
            draw(request, shown),
            new,
            width=arguments.width,
            title=arguments.title or "",
            style=arguments.style or "paper",
            grey=arguments.grey,
        )
    what = f"the {arguments.figure} of {_counted(len(runs))}"
    if not is_mean:
        return what
    has_bars = arguments.figure in ("plane", "curves")
    return f"{what}, {'mean and standard deviation' if has_bars else 'their mean'}"


def _panels(request: Request, runs: Sequence[Run], wanted: str | None) -> list[Panel]:
    """The panels of the set that is wanted, or of all."""
    found = panels(request, runs)
    name = _needed(request, runs)
    if not found:
        others = sorted({key.name for run in runs for key in run.keys})
        raise Wrong(f"nothing to draw: no run has {name!r}; {there_are(name, others)}")
    sets = sorted({panel.set for panel in found})
    if wanted is not None and wanted not in sets:
        raise Wrong(
            f"argument --set: {name} was measured on no set called {wanted!r}; "
            f"{there_are(wanted, sets)}"
        )
    return [panel for panel in found if wanted in (None, panel.set)]


def _hidden(patterns: Sequence[str], shown: Sequence[Panel]) -> set[str]:
    """The layers of which no pattern finds the name; none without a pattern."""
    layers = {
        key.layer: None
        for panel in shown
        for key in sorted(panel.run.keys)
        if key.set == panel.set and key.quantity not in ROOTS
    }
    for pattern in patterns:
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise Wrong(
                f"argument --layers: no layer is called {pattern!r}; {there_are(pattern, layers)}"
            )
    found = {name for name in layers for pattern in patterns if fnmatchcase(name, pattern)}
    return layers.keys() - found if patterns else set()


def _needed(request: Request, runs: Sequence[Run]) -> str:
    """A quantity that the figure needs; of several, one that no run has."""
    names, *_ = KINDS[request.name].needs(request)
    missing = (name for name in reversed(names) if not any(run.sets(name) for run in runs))
    return next(missing, names[-1])


def _counted(n_runs: int) -> str:
    return f"{n_runs} run{'' if n_runs == 1 else 's'}"
