"""Write runs as tables: every value as a tidy row, and what each layer came to in one.

Standard library only, as all that reads logs without training.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from it_callbacks.quantities import QUANTITIES
from it_callbacks.records import Status
from it_callbacks.repeats import Mean, means
from it_callbacks.runs import Key, Rulers, Run, Series

Cell = str | int | float | None
Row = dict[str, Cell]

COLUMNS = (
    *("run", "tag", "quantity", "set", "layer", "bits", "unit", "step", "epoch", "n_samples"),
)
OVER_RUNS = ("mean", "sd", "n_runs")
"""What rows of several runs have besides; see `tidy`."""


def tidy(runs: Sequence[Run]) -> list[Row]:
    """Return one row per logged value of each run, with `COLUMNS`.

    An epoch or a number of samples that was not logged is None. ``bits`` is the value, whatever
    its unit is. Rows of several runs also have `OVER_RUNS`: mean and standard deviation over all
    runs that measured this in the same way, where each of them has a finite value, else None;
    and how many of them have one.

    Args:
        runs: The runs, each under a name of its own.
    """
    alike: dict[tuple[str, Key], list[Series]] = defaultdict(list)
    for run in runs:
        for key, series in run.series.items():
            alike[run.method(key), key].append(series)
    over = {place: means(place[1], several) for place, several in alike.items()}
    rows: list[Row] = []
    for run in runs:
        places = {key: (run.method(key), key) for key in run.series}
        points = [(step, key) for key, series in run.series.items() for step in series]
        for step, key in sorted(points, key=itemgetter(0)):
            row = _row(run, key, step)
            if len(runs) > 1:
                row |= _over_runs(step, alike[places[key]], over[places[key]])
            rows.append(row)
    return rows


def _row(run: Run, key: Key, step: int) -> Row:
    return {
        "run": run.name,
        "tag": key.tag,
        "quantity": key.recorded,
        "set": key.set,
        "layer": key.layer,
        "bits": run.series[key][step],
        "unit": run.about(key.name).unit,
        "step": step,
        "epoch": run.epochs.get(step),
        "n_samples": run.n_samples(key),
    }


def _over_runs(step: int, alike: Sequence[Series], over: Mapping[int, Mean]) -> Row:
    mean = over.get(step, Mean(math.nan, math.nan))
    n_runs = sum(math.isfinite(series.get(step, math.nan)) for series in alike)
    return {"mean": finite_or_none(mean.value), "sd": finite_or_none(mean.sd), "n_runs": n_runs}


def write_csv(runs: Sequence[Run], path: str | Path) -> None:
    """Write the rows of `tidy` to a file, with a header."""
    _write(as_csv(tidy(runs)), path)


def write_json(runs: Sequence[Run], path: str | Path) -> None:
    """Write the rows of `tidy` to a file, with settings, verdicts and warnings; see `as_json`."""
    _write(as_json(runs, tidy(runs)), path)


def _write(text: str, path: str | Path) -> None:
    # A name on disk may hold bytes that are no text.
    Path(path).write_bytes(text.encode("utf-8", "replace"))


def as_csv(rows: Sequence[Row]) -> str:
    """Return the rows as CSV with a header; None is an empty cell, values keep all their digits."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else list(COLUMNS))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(runs: Sequence[Run], rows: Sequence[Row]) -> str:
    """Return ``{"runs": {name: {"settings", "verdicts", "warnings"}}, "rows": [...]}`` as JSON.

    A value that is not finite becomes null.
    """
    about = {
        run.name: {
            "settings": _finite(run.settings),
            "verdicts": run.verdicts,
            "warnings": list(run.warnings),
        }
        for run in runs
    }
    return json.dumps({"runs": about, "rows": _finite(rows)}, indent=1, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    """`value` with every number that JSON has none for as None, however deep."""
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return finite_or_none(value) if isinstance(value, float) else value


def finite_or_none(value: float) -> float | None:
    """Return `value`, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


STATUSES = {
    Status.OK: "OK: mostly information; of many rare codes read the adjusted value",
    Status.CAUTION: "CAUTION: chance or rare codes have a part in the value; read its trend",
    Status.SATURATED: "SATURATED: nearly one code per sample; any labels would give this I(T;Y)",
}
"""What a status means for a value."""


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
    peak_step: int | None = None
    """Its step, where the epoch alone does not tell: it has several values or was not logged."""


class Interval(NamedTuple):
    """The 95 % interval of a value; NaN where an end is not known."""

    low: float
    high: float


class LayerRow(NamedTuple):
    """What one layer came to, under one ruler: its course, and the last point's quality."""

    layer: str
    i_xt: Course
    i_ty: Course
    i_xt_interval: Interval
    """Of the last I(X;T)."""
    i_ty_interval: Interval
    """Of the last I(T;Y)."""
    chance: Number
    adjusted: Number
    coverage: Number
    chance_share: Number
    status: Status | None
    """Of repeats the worst; None where it was not logged."""
    verdict: str
    """Whether it has compressed, as this ruler tells, in words; empty where there is no verdict."""


def layer_rows(run: Run, set_: str, rulers: Rulers) -> list[LayerRow]:
    """Return one row for each layer of a set, in order of depth.

    Args:
        run: One training, or the mean over repeats.
        set_: Which of its sets.
        rulers: Which of `Run.rulers`.
    """
    rows = []
    for layer in run.layers("I_XT", set_):

        def key(quantity: str, layer: str = layer) -> Key:
            return rulers.key(quantity, set_, layer)

        rows.append(
            LayerRow(
                layer,
                course(run, key("I_XT")),
                course(run, key("I_TY")),
                _interval(run, key("I_XT"), "I_XT_corrected"),
                _interval(run, key("I_TY"), "I_TY_adjusted"),
                last(run, key("I_TY_chance")),
                last(run, key("I_TY_adjusted")),
                last(run, key("coverage")),
                last(run, key("chance_share")),
                _status(run, key("status")),
                run.verdicts.get(set_, {}).get(layer, {}).get(key("I_XT").ruler, ""),
            )
        )
    return rows


def _interval(run: Run, key: Key, name: str) -> Interval:
    """The last interval of a layer; none of a further ruler."""
    if key.ruler:
        return Interval(math.nan, math.nan)
    ends = QUANTITIES[name].interval
    return Interval(*(last(run, key._replace(quantity=end)).value for end in ends))


class WideRow(NamedTuple):
    """What one layer came to, read at any width."""

    layer: str
    i_xt: Course
    """Of I(X;T+σZ)."""
    i_xt_se: Number
    """Standard error of its last value."""
    v_ty: Course
    """Of V(T→Y)."""
    v_ty_se: Number
    status: Status | None
    caution: str
    """Why to read it with caution; empty where there is no reason."""


def wide_rows(run: Run, set_: str) -> list[WideRow]:
    """Return one row for each layer of a set that was read at any width, in order of depth.

    Args:
        run: One training, or the mean over repeats.
        set_: Which of its sets.
    """
    cautions = run.wide(set_).cautions
    rows = []
    for layer in run.layers("relative_I_XT", set_):
        key = Key("", set_, layer)
        status = _status(run, key._replace(quantity="wide_status"))
        rows.append(
            WideRow(
                layer,
                course(run, key._replace(quantity="relative_I_XT")),
                last(run, key._replace(quantity="relative_I_XT_se")),
                course(run, key._replace(quantity="V_TY")),
                last(run, key._replace(quantity="V_TY_se")),
                status,
                cautions.get(layer, "") if status == Status.CAUTION else "",
            )
        )
    return rows


def _status(run: Run, key: Key) -> Status | None:
    """The last status that was logged; None where there is none."""
    latest = [value for value in run.values(key).values() if math.isfinite(value)][-1:]
    return Status(int(latest[0])) if latest and latest[0] in list(Status) else None


def course(run: Run, key: Key) -> Course:
    """Return first, highest and last finite value of a series, and the epoch of the highest.

    Example:
        >>> at = Key("I_XT", "val", "fc1")
        >>> course(Run("a", {at: {0: 1.0, 10: 3.0, 20: 2.0}}, {0: 0, 10: 1, 20: 1}), at)[2:]
        (1, Number(value=2.0, spread=nan), 10)
    """
    series = run.values(key)
    steps = [step for step, value in series.items() if math.isfinite(value)]
    if not steps:
        missing = Number(math.nan)
        return Course(missing, missing, None, missing)
    peak = max(steps, key=series.__getitem__)
    spread = run.spread.get(key, {})
    first, highest, final = (
        Number(series[step], spread.get(step, math.nan)) for step in (steps[0], peak, steps[-1])
    )
    epoch = run.epochs.get(peak)
    is_alone = epoch is not None and Counter(map(run.epochs.get, series))[epoch] == 1
    return Course(first, highest, epoch, final, None if is_alone else peak)


def last(run: Run, key: Key) -> Number:
    """Return the last value of a series; it may be NaN, as an older one is of another point."""
    series = run.values(key)
    step = next(iter(list(series)[-1:]), None)
    if step is None:
        return Number(math.nan)
    return Number(series[step], run.spread.get(key, {}).get(step, math.nan))
