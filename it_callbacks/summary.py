"""Sum runs up for a terminal or a script: findings, last values, what cannot be read, warnings.

Standard library only, as all that reads logs without training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from it_callbacks.figures.readings import READINGS
from it_callbacks.findings import Finding, findings
from it_callbacks.findings.finding import with_error
from it_callbacks.findings.planes import planes
from it_callbacks.records import Status
from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.runs import Run
from it_callbacks.set_order import in_order
from it_callbacks.tables import Number, finite_or_none, layer_rows, wide_rows

SCHEMA = "it_callbacks.report/1"
"""Name and version of the form of `as_json`; another number where a field goes or changes."""
MOST_LINES = 40
"""Of the Markdown, so that it fits a screen."""
_MOST_FINDINGS, _MOST_WARNINGS, _MOST_COLUMNS = 12, 4, 160


def as_json(runs: Sequence[Run]) -> str:
    """Return findings, layers and warnings as JSON; the docs of the command line say of what form.

    A number that is not known is null.

    Args:
        runs: Any number; repeats also get a row of their mean for each layer.
    """
    found = {
        "schema": SCHEMA,
        "runs": [run.name for run in runs],
        "repeats": are_repeats(runs),
        "findings": [finding.as_dict() for finding in findings(runs)],
        "layers": [row for run in _shown(runs) for row in _layers(run)],
        "warnings": [
            {"run": run.name, "text": text} for run in runs for text in (*run.lost, *run.warnings)
        ],
    }
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def as_markdown(runs: Sequence[Run], most: int = MOST_LINES) -> str:
    """Return the same as Markdown for people: findings, a table of layers, warnings.

    What does not fit is left out, and a line says how much.

    Args:
        runs: Any number.
        most: So many lines at most; at least 30.
    """
    found, shown = findings(runs), _shown(runs)
    lines = [f"# {_plain(', '.join(run.name for run in shown[:3]))}{' ...' * (len(shown) > 3)}", ""]
    lines += [_sentence(finding) for finding in found[:_MOST_FINDINGS]] or [
        "- Nothing can be said."
    ]
    lines += _left_out(len(found) - _MOST_FINDINGS, "findings")
    warnings = [text for run in runs for text in (*run.lost, *run.warnings)]
    about = ["", "Warnings:"] if warnings else []
    about += [f"- {_plain(text)}" for text in warnings[:_MOST_WARNINGS]]
    about += _left_out(len(warnings) - _MOST_WARNINGS, "warnings")
    rows = sorted((row for run in shown for row in _layers(run)), key=_is_saturated)
    room = most - len(lines) - len(about) - 4  # a blank, two of the head, what is left out
    n_runs = len(runs) if shown != list(runs) else 1
    table = _table(_kept(rows, room), len(shown) > 1, n_runs) if rows else []
    return (
        "\n".join([*lines, *table, *_left_out(len(rows) - room, "rows of layers"), *about]) + "\n"
    )


def _shown(runs: Sequence[Run]) -> list[Run]:
    return [averaged(runs)] if are_repeats(runs) else list(runs)


def _is_saturated(row: dict[str, Any]) -> bool:
    return bool(row["status"] == Status.SATURATED.name)


def _sentence(finding: Finding) -> str:
    marks = {"warning": "**!** ", "unknown": "? "}
    return f"- {marks.get(finding.tone, '')}{_plain(finding.text)}"


def _left_out(n: int, what: str) -> list[str]:
    return [f"({n} more {what} are left out; --format json has all)"] * (n > 0)


def _layers(run: Run) -> Iterator[dict[str, Any]]:
    """A row for each layer, reading and ruler: its last values, those of the main set first."""
    main, _ = planes(run, (), 1)
    sets = {*run.sets("I_XT"), *run.sets("relative_I_XT")}
    for set_ in sorted(in_order(sets), key=lambda set_: main is None or set_ != main.set):
        for wide in wide_rows(run, set_):
            yield {
                **_place(run, set_, wide.layer, "wide", ""),
                **_numbers("x", wide.i_xt.last, wide.i_xt_se),
                **_numbers("y", wide.v_ty.last, wide.v_ty_se),
                "status": _status(wide.status),
                "why": wide.caution,
            }
        for rulers in run.rulers(set_):
            for code in layer_rows(run, set_, rulers):
                yield {
                    **_place(run, set_, code.layer, "code", rulers.slugs.get(code.layer, "")),
                    **_numbers("x", code.i_xt.last, Number(math.nan)),
                    **_numbers("y", code.adjusted, Number(math.nan)),
                    "status": _status(code.status),
                    "why": code.verdict,
                }


def _place(run: Run, set_: str, layer: str, reading: str, ruler: str) -> dict[str, Any]:
    return {"run": run.name, "set": set_, "layer": layer, "reading": reading, "ruler": ruler}


def _numbers(name: str, value: Number, error: Number) -> dict[str, float | None]:
    """The last value; its standard error, or of repeats its standard deviation over them."""
    spread = value.spread if math.isfinite(value.spread) else error.value
    return {name: finite_or_none(value.value), f"{name}_error": finite_or_none(spread)}


def _status(status: Status | None) -> str | None:
    return None if status is None else status.name


_HEAD = ("layer", "reading", "inputs kept apart, bits", "found about the label, bits", "status")


def _kept(rows: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The first rows, or so many of those that can be read, the first and the last among them."""
    readable = [row for row in rows if not _is_saturated(row)]
    if len(readable) <= most:
        return list(rows[:most])
    return [readable[round(k * (len(readable) - 1) / (most - 1))] for k in range(most)]


def _table(rows: Sequence[dict[str, Any]], has_runs: bool, n_runs: int) -> list[str]:
    """A table of last values, with the run where there are several; or of means over `n_runs`."""
    head = ("run", *_HEAD) if has_runs else _HEAD
    sets = {row["set"] for row in rows}
    lines = []
    for row in rows:
        of = READINGS[row["reading"]].title.lower(), row["ruler"]
        reading = ", ".join(filter(None, (row["set"] * (len(sets) > 1), *of)))
        values = (_value(row[name], row[f"{name}_error"], n_runs) for name in "xy")
        cells = [row["layer"], reading, *values, row["status"] or "-"]
        lines.append([row["run"], *cells] if has_runs else cells)
    return [
        "",
        *(f"| {' | '.join(map(_cell, line))} |" for line in (head, ["---"] * len(head), *lines)),
    ]


def _value(value: float | None, error: float | None, n_runs: int) -> str:
    if value is None:
        return "-"
    return with_error(value, math.nan if error is None else error, n_runs)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text on one line: a name may hold what a terminal or a viewer of Markdown would obey."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = line.replace("<", "\\<").replace("[", "\\[")  # markup and links, where it is shown
    return line if len(line) <= _MOST_COLUMNS * 2 else line[: _MOST_COLUMNS * 2 - 3] + "..."
