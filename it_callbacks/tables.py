"""Runs in, rows out: every number as a tidy row, and what each layer came to in one.

Standard library only, as all that reads logs without training.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from it_callbacks.records import Status, finite_or_none
from it_callbacks.runs import Key, Resolution, Run

Cell = str | int | float | None
Row = dict[str, Cell]

COLUMNS = ("run", "tag", "quantity", "set", "layer", "bits", "step", "epoch", "n_samples")
OVER_RUNS = ("mean", "sd", "n_runs")
"""What rows of several runs have besides: over all read alike that have a finite value there."""


def tidy(runs: Sequence[Run]) -> list[Row]:
    """One row per number of each run, with `COLUMNS` and, for several runs, `OVER_RUNS`.

    An epoch or a number of samples that was not logged is None, and so is the standard deviation
    of a single value. ``bits`` is the value, whatever its unit is.

    Args:
        runs: The runs, under names that tell them apart.
    """
    rows: list[Row] = [
        {
            "run": run.name,
            "tag": record.tag,
            "quantity": record.quantity,
            "set": record.set,
            "layer": record.layer,
            "bits": record.bits,
            "step": record.step,
            "epoch": record.epoch if record.epoch >= 0 else None,
            "n_samples": record.n_samples or None,
        }
        for run in runs
        for record in run.records
    ]
    if len(runs) < 2:
        return rows
    over: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    places: list[tuple[str, str, int]] = []
    for run in runs:
        readings = {key: run.reading(key) for key in run.series}
        for record in run.records:
            place = (
                readings[Key(record.quantity, record.set, record.layer)],
                record.tag,
                record.step,
            )
            places.append(place)
            if math.isfinite(record.bits):
                over[place].append(record.bits)
    spreads = {place: _spread(values) for place, values in over.items()}
    nothing = _spread([])
    return [{**row, **spreads.get(place, nothing)} for row, place in zip(rows, places, strict=True)]


def _spread(values: Sequence[float]) -> Row:
    return {
        "mean": fmean(values) if values else None,
        "sd": stdev(values) if len(values) > 1 else None,
        "n_runs": len(values),
    }


def as_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV with a header; None is an empty cell, and values keep all their digits."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else list(COLUMNS))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(runs: Sequence[Run], rows: Sequence[Row]) -> str:
    """``{"runs": {name: {"settings", "verdicts", "warnings"}}, "rows": [...]}`` as JSON.

    A number that is not finite becomes null.
    """
    told = {
        run.name: {
            "settings": _finite(run.settings),
            "verdicts": run.verdicts,
            "warnings": list(run.warnings),
        }
        for run in runs
    }
    return json.dumps({"runs": told, "rows": _finite(rows)}, indent=1, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    """`value` with every number that JSON has none for as None, however deep."""
    if isinstance(value, Mapping):
        return {str(key): _finite(of_key) for key, of_key in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return finite_or_none(value) if isinstance(value, float) else value


class Number(NamedTuple):
    """A value, and where there are repeats its standard deviation over them; NaN where unknown."""

    value: float
    spread: float = math.nan


class Course(NamedTuple):
    """A series in four numbers; NaN throughout if it has no finite value."""

    first: Number
    peak: Number
    peak_epoch: int | None
    """Epoch of the highest value; None where epochs were not logged."""
    last: Number


class LayerRow(NamedTuple):
    """What one layer came to, under one ruler: its course, and the last point's quality."""

    layer: str
    i_xt: Course
    i_ty: Course
    chance: Number
    adjusted: Number
    coverage: Number
    chance_share: Number
    status: Status | None
    """Of repeats the worst; None where it was not logged."""
    verdict: str
    """Whether it has compressed, in words; empty where there is no verdict."""


def layer_rows(run: Run, set_: str, resolution: Resolution) -> list[LayerRow]:
    """One row for each layer of a set, in order of depth.

    Args:
        run: One training, or the mean over repeats.
        set_: Which of its sets.
        resolution: Which of `Run.resolutions`.
    """
    rows = []
    for layer in run.layers("I_XT", set_):

        def of(quantity: str, layer: str = layer) -> Key:
            return Key(resolution.quantity(quantity, layer), set_, layer)

        statuses = run.series.get(of("status"), {})
        latest = [value for value in statuses.values() if math.isfinite(value)][-1:]
        rows.append(
            LayerRow(
                layer,
                course(run, of("I_XT")),
                course(run, of("I_TY")),
                last(run, of("I_TY_chance")),
                last(run, of("I_TY_adjusted")),
                last(run, of("coverage")),
                last(run, of("chance_share")),
                _status(latest[0]) if latest else None,
                run.verdicts.get(set_, {}).get(layer, ""),
            )
        )
    return rows


def _status(value: float) -> Status | None:
    return Status(int(value)) if value in list(Status) else None


def course(run: Run, key: Key) -> Course:
    """First, highest and last finite value of a series, and the epoch of the highest.

    Example:
        >>> at = Key("I_XT", "val", "fc1")
        >>> course(Run("a", {at: {0: 1.0, 10: 3.0, 20: 2.0}}, {10: 1}), at)[1:]
        (Number(value=3.0, spread=nan), 1, Number(value=2.0, spread=nan))
    """
    steps = [step for step, value in run.series.get(key, {}).items() if math.isfinite(value)]
    if not steps:
        nothing = Number(math.nan)
        return Course(nothing, nothing, None, nothing)
    series = run.series[key]
    peak = max(steps, key=lambda step: series[step])
    first, highest, final = (_number(run, key, step) for step in (steps[0], peak, steps[-1]))
    return Course(first, highest, run.epochs.get(peak), final)


def last(run: Run, key: Key) -> Number:
    """The last value of a series, which may be NaN: an older one would be of another point."""
    steps = list(run.series.get(key, {}))
    return _number(run, key, steps[-1]) if steps else Number(math.nan)


def _number(run: Run, key: Key, step: int) -> Number:
    return Number(run.series[key][step], run.spread.get(key, {}).get(step, math.nan))


def write_csv(runs, path):
    pass


def write_json(runs, path):
    pass
