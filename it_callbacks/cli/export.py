"""`it-callbacks export`: runs in, a tidy table or a drawing fit for a paper out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from it_callbacks.cli.command import (
    Commands,
    Wrong,
    add_inputs,
    declare,
    read,
    there_are,
    whole_number,
)
from it_callbacks.cli.output import check_writable, replacing

if TYPE_CHECKING:
    from it_callbacks.figures import Figure, Panel
    from it_callbacks.runs import Run

_TABLES = (".csv", ".json")
_DRAWINGS = (".pdf", ".png", ".svg")
_VIEWS = {"linear": "I_TY", "adjusted": "I_TY_adjusted", "corrected": "I_TY_corrected"}
_FIGURES = {
    "plane": "I_TY",
    "predictions": "prediction_entropy",
    "classes": "conditional_entropy",
    "curves": "I_XT",
}
"""With the views, what a run must have measured for each; curves may name another."""
_ONLY_OF = {
    "view": ("plane",),
    "chance": ("plane",),
    "resolution": ("plane", "curves"),
    "quantity": ("curves",),
}
"""Options of some figures only."""

_DESCRIPTION = """\
Write the runs as a table or as a drawing; the suffix of the output decides.

  .csv .json       one row per number; several runs also get mean, sd and n_runs, the same in all
                   rows of one tag and step
  .pdf .png .svg   a figure fit for a paper (needs it_callbacks[plot]); repeats of one training
                   are drawn as mean and standard deviation, other runs side by side
"""

_EXAMPLES = """\
examples:
  it-callbacks export runs/digits -o plane.csv
  it-callbacks export runs/digits --run version_0 -o plane.pdf
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
        type=Path,
        metavar="FILE",
        help=f"ends in {', '.join(_TABLES + _DRAWINGS)}",
    )
    parser.add_argument(
        "--set", metavar="NAME", help="only this set: val, train, probe, ... (default: all)"
    )
    drawings = parser.add_argument_group("drawings only")
    drawings.add_argument("--figure", choices=tuple(_FIGURES), help="what to draw (default: plane)")
    drawings.add_argument(
        "--view", choices=tuple(_VIEWS), help="of the plane: which estimates (default: linear)"
    )
    drawings.add_argument(
        "--chance", action="store_true", help="of the plane: mark the chance level of I(T;Y)"
    )
    drawings.add_argument(
        "--resolution",
        type=whole_number(0),
        metavar="N",
        help="of the plane and curves: which of bins=, counted from 0 (default: 0)",
    )
    drawings.add_argument(
        "--quantity", metavar="NAME", help="of the curves: first part of a tag (default: I_XT)"
    )
    drawings.add_argument(
        "--each", action="store_true", help="draw repeats side by side instead of their mean"
    )


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
    said = write(runs, arguments)
    print(f"{output}: {said}")


def _check_for_table(arguments: argparse.Namespace) -> None:
    for option in ("figure", "each", *_ONLY_OF):
        if getattr(arguments, option) not in (None, False):
            raise Wrong(f"argument --{option}: only for drawings ({', '.join(_DRAWINGS)})")


def _check_for_drawing(arguments: argparse.Namespace) -> None:
    arguments.figure = arguments.figure or "plane"
    for option, figures in _ONLY_OF.items():
        if getattr(arguments, option) not in (None, False) and arguments.figure not in figures:
            raise Wrong(f"argument --{option}: only with --figure {' or '.join(figures)}")
    try:
        import matplotlib  # noqa: F401 # better missed before the work than after it
    except ImportError as error:
        raise Wrong(
            'drawings need matplotlib, which is not installed: pip install "it_callbacks[plot]"'
        ) from error


def _table(runs: Sequence[Run], arguments: argparse.Namespace) -> str:
    from it_callbacks.tables import as_csv, as_json, tidy

    wanted: str | None = arguments.set
    if wanted is not None:
        sets = sorted({key.set for run in runs for key in run.keys})
        if wanted not in sets:
            raise Wrong(f"argument --set: no set is called {wanted!r}; {there_are(wanted, sets)}")
        runs = [
            replace(run, series={key: s for key, s in run.series.items() if key.set == wanted})
            for run in runs
        ]
        runs = [run for run in runs if run.series]
    rows = tidy(runs)
    is_csv = arguments.output.suffix.lower() == ".csv"
    text = as_csv(rows) if is_csv else as_json(runs, rows)
    with replacing(arguments.output) as new:
        new.write_bytes(text.encode("utf-8", "replace"))
    return f"{len(rows)} rows of {_counted(len(runs))}"


def _drawing(runs: Sequence[Run], arguments: argparse.Namespace) -> str:
    from it_callbacks import pictures
    from it_callbacks.figures import Panel
    from it_callbacks.repeats import are_repeats, averaged

    quantity: str = arguments.quantity or _VIEWS.get(arguments.view) or _FIGURES[arguments.figure]
    n_runs = len(runs)
    is_mean = are_repeats(runs) and not arguments.each
    if is_mean:
        mean = averaged(runs)
        if not mean.sets(quantity) and any(run.sets(quantity) for run in runs):
            raise Wrong(
                f"the {n_runs} runs have no step of {quantity} in common, so there is no mean to "
                "draw; pass --each, or choose runs by --run"
            )
        runs = [mean]
    panels = [Panel(run, set_) for run, set_ in _measured(runs, quantity, arguments.set)]
    figure = _figure(panels, arguments, quantity, is_mean)
    with replacing(arguments.output) as new:
        pictures.save(figure, new)
    said = f"the {arguments.figure} of {_counted(n_runs)}"
    if not is_mean:
        return said
    has_bars = arguments.figure in ("plane", "curves")
    return f"{said}, {'mean and standard deviation' if has_bars else 'their mean'}"


def _measured(runs: Sequence[Run], quantity: str, wanted: str | None) -> list[tuple[Run, str]]:
    """Each run with each of its sets that `quantity` was measured on."""
    found = [(run, set_) for run in runs for set_ in run.sets(quantity)]
    if not found:
        others = sorted({key.quantity for run in runs for key in run.keys})
        raise Wrong(f"nothing to draw: no run has {quantity!r}; {there_are(quantity, others)}")
    sets = sorted({set_ for _, set_ in found})
    if wanted is not None and wanted not in sets:
        raise Wrong(
            f"argument --set: {quantity} was measured on no set called {wanted!r}; "
            f"{there_are(wanted, sets)}"
        )
    return [(run, set_) for run, set_ in found if wanted in (None, set_)]


def _figure(
    panels: Sequence[Panel], arguments: argparse.Namespace, quantity: str, is_mean: bool
) -> Figure:
    """The figure that was asked for."""
    from it_callbacks import figures

    if arguments.figure == "predictions":
        return figures.prediction_entropies(panels)
    if arguments.figure == "classes":
        return figures.class_entropies(panels)
    resolution: int = arguments.resolution or 0
    n_ways = min(len(panel.rulers) for panel in panels)
    if resolution >= n_ways:
        raise Wrong(
            f"argument --resolution: need a number below {n_ways}, as many as bins= listed; "
            f"got {resolution}"
        )
    if arguments.figure == "curves":
        return figures.curves(panels, quantity, resolution=resolution)
    view: str = arguments.view or "linear"
    return figures.information_plane(
        panels,
        view=view,
        resolution=resolution,
        chance=arguments.chance,
        intervals=is_mean or view == "corrected",
    )


def _counted(n_runs: int) -> str:
    return f"{n_runs} run{'' if n_runs == 1 else 's'}"
