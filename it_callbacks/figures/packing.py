"""Write a figure in few bytes, for the script beside this room to unpack.

What Plotly reads repeats itself: a layer's points have the epochs of all others, and each frame
the values of a trajectory. So lists are kept once, as columns, numbers in two bytes; `x` and `y` of
traces stay as they are. Numbers keep as many digits as hovering prints, and more where so few
would be seen as steps.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from it_callbacks.figures.axes import Figure
from it_callbacks.figures.frames import played

PRINTED = 1000
"""Hovering shows thousandths."""
_FINER = 10 * PRINTED
"""For what moves by less than a bit: of thousandths there are fewer than a plot has pixels."""
_SHORT = 50
"""So few entries are left as they are, and so few moments are played here."""
_MANY_WORDS = 64
_NUMBER = re.compile(r"\d+\.\d{3}")
_GAP = 2**16 - 1
_HOLE = "\x01"
"""Where a number stands in a text."""

Column = dict[str, Any]


def packed(figure: Figure) -> Figure:
    """Return what `unpacked` in ``static/unpack.js`` makes the figure of, up to digits not seen.

    Example:
        >>> trace = {"x": [0, 1], "y": [0.5, None], "text": ["same"] * 100}
        >>> packed({"data": [trace], "layout": {}, "frames": []})["data"]
        [{'x': [0, 1], 'y': [0.5, None], 'text': {'column': 0}}]
    """
    moments = figure.get("moments")
    if moments is not None and len(moments["names"]) <= _SHORT:
        figure, moments = played(figure), None
    columns = _Columns()
    data = [columns.trace(trace) for trace in figure["data"]]
    rest = {name: of for name, of in figure.items() if name not in ("data", "moments")}
    if moments is not None:
        panels = [
            {**panel, **columns.part({name: panel[name] for name in ("at", "steps", "epochs")})}
            | {"layers": [columns.part(layer) for layer in panel["layers"]]}
            for panel in moments["panels"]
        ]
        names = columns.part({name: moments[name] for name in ("names", "labels")})
        rest["moments"] = {**names, "panels": panels}
    return {"data": data, **rest, "columns": columns.all}


class _Columns:
    """Lists of a figure, each once."""

    def __init__(self) -> None:
        self.all: list[Column] = []
        self._known: dict[tuple[Any, ...], int] = {}

    def trace(self, trace: Mapping[str, Any]) -> dict[str, Any]:
        """A trace whose lists are columns, but for the places of its points."""
        places = {name: rounded(of) for name, of in trace.items() if name in ("x", "y")}
        return {**self.part(trace), **places}

    def part(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """A part of a figure whose lists are columns, as far as they are of numbers or words."""
        return {name: self._value(of) for name, of in part.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.part(value)
        if not isinstance(value, list) or len(value) <= _SHORT:
            return value
        if all(isinstance(row, list) for row in value):
            if any(isinstance(each, list) or len(row) != 3 for row in value for each in row):
                return value
            return {"rows": [self._column(list(of)) for of in zip(*value, strict=True)]}
        return {"column": self._column(value)}

    def _column(self, values: Sequence[Any]) -> int:
        key = tuple(values)
        if key not in self._known:
            is_text = any(isinstance(value, str) for value in values)
            if is_text and all(value.isdecimal() for value in key):
                column = {**_numbers([int(value) for value in key]), "as": "text"}
            else:
                column = self._words(key) if is_text else _numbers(key)
            self._known[key] = len(self.all)
            self.all.append(column)
        return self._known[key]

    def _words(self, values: Sequence[str]) -> Column:
        """Words by number and how often in a row; numbers in many of them are columns as well."""
        column: Column = {}
        if len(set(values)) > _MANY_WORDS:
            numbers = [_NUMBER.findall(value) for value in values]
            values = [_NUMBER.sub(_HOLE, value) for value in values]
            column["numbers"] = [
                self._column([float(row[n]) if n < len(row) else None for row in numbers])
                for n in range(max(map(len, numbers)))
            ]
        words = {word: number for number, word in enumerate(dict.fromkeys(values))}
        runs = [(words[word], len(list(of))) for word, of in groupby(values)]
        return {**column, "words": list(words), "of": [n for run in runs for n in run]}


def _numbers(values: Sequence[float | None]) -> Column:
    """Numbers above their least, in two bytes each; the highest there can be is a gap."""
    scale, whole = _whole(values)
    there = [number for number in whole if number is not None]
    least = min(there, default=0)
    if max(there, default=0) - least >= _GAP:
        return {"scale": scale, "of": whole}
    above = [_GAP if number is None else number - least for number in whole]
    text = b64encode(struct.pack(f"<{len(above)}H", *above)).decode()
    return {"scale": scale, "least": least, "of": text}


def rounded(values: Sequence[float | None]) -> list[float | None]:
    """Return numbers with as many digits as can be seen; a gap stays one.

    Example:
        >>> rounded([0.12349, 4.5, None] * 20)[:3], rounded([0.51234, 0.51249] * 30)[:2]
        ([0.123, 4.5, None], [0.5123, 0.5124])
    """
    scale, whole = _whole(values)
    if scale == 1 or len(values) <= _SHORT:
        return list(values)
    return [None if number is None else number / scale for number in whole]


def _whole(values: Sequence[float | None]) -> tuple[int, list[int | None]]:
    """Numbers in units of their last digit, after one over this digit."""
    there = [value for value in values if value is not None]
    for scale in (1, _FINER):  # places on an axis of time have so many digits
        if all(round(value * scale) / scale == value for value in there):
            return scale, _in_units(values, scale)
    if max(there) - min(there) >= 1:
        return PRINTED, _in_units(values, PRINTED)
    return _FINER, [
        # A five would be rounded once more where it is printed.
        n + (v > n / _FINER) - (v < n / _FINER)
        if n is not None and v is not None and n % 10 == 5
        else n
        for n, v in zip(_in_units(values, _FINER), values, strict=True)
    ]


def _in_units(values: Sequence[float | None], scale: int) -> list[int | None]:
    return [None if value is None else round(value * scale) for value in values]
