"""Put the values of runs into tables: of layers, with statuses and verdicts, and of predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from it_callbacks import texts
from it_callbacks.quantities import QUANTITIES, Quantity
from it_callbacks.records import Status
from it_callbacks.report import phrases
from it_callbacks.report.markup import Html, table, tag
from it_callbacks.runs import Key, Run
from it_callbacks.set_order import in_order
from it_callbacks.tables import (
    STATUSES,
    Course,
    LayerRow,
    Number,
    WideRow,
    course,
    layer_rows,
    wide_rows,
)

_COURSE = "first → peak → last"
_HEAD = (
    "layer",
    "status",
    f"I(X;T) {_COURSE}",
    "I(X;T) 95 %",
    f"I(T;Y) {_COURSE}",
    "I(T;Y) 95 %",
    "I(T;Y) by chance",
    "I(T;Y) adjusted",
    "coverage",
    "chance share",
)
_WIDE_HEAD = (
    "layer",
    "status",
    f"I(X;T+σZ) {_COURSE}",
    "SE of last",
    f"V(T→Y) {_COURSE}",
    "SE of last V(T→Y)",
    "why caution",
)


def layer_tables(runs: Sequence[Run]) -> Iterator[Html]:
    """Tables of every set of each run: by ruler, at any width, and what each ruler's verdict is."""
    seen = set()
    for run in runs:
        for set_ in in_order([*run.sets("I_XT"), *run.sets("relative_I_XT")]):
            settings = run.settings.get(f"information_plane/{set_}", {})
            yield tag("h3", f"{run.name} · {set_}")
            for rulers in run.rulers(set_) if run.layers("I_XT", set_) else ():
                rows = layer_rows(run, set_, rulers)
                seen |= {row.status for row in rows}
                caption = ". ".join(filter(None, [rulers.label, phrases.facts(settings)]))
                yield _table(_HEAD, map(_cells, rows), caption, has_values(run, "I_TY", set_))
            if verdicts := list(_verdicts(run, set_)):
                yield table(("layer", "read with", "has it compressed?"), verdicts)
            if found := wide_rows(run, set_):
                caption, has_y = phrases.wide_facts(run.wide(set_)), run.sets("V_TY")
                yield _table(_WIDE_HEAD, map(_wide_cells, found), caption, set_ in has_y)
    notes = [tag("li", note) for status, note in STATUSES.items() if status in seen]
    if notes:
        yield tag("ul", *notes, class_="faint")


def _verdicts(run: Run, set_: str) -> Iterator[tuple[str, str, str]]:
    """Layer by layer the verdict of each ruler, and the one of all together."""
    several = run.rulers(set_)
    by_layer = run.verdicts.get(set_, {})
    for layer in run.layers("I_XT", set_):
        of_layer = by_layer.get(layer, {})
        for rulers in several:
            if verdict := of_layer.get(rulers.key("I_XT", set_, layer).ruler):
                yield layer, rulers.label or "its bins", verdict
        if joint := of_layer.get(texts.ALL_RULERS):
            yield layer, texts.ALL_RULERS, joint


def prediction_tables(runs: Sequence[Run]) -> Iterator[Html]:
    """A table of every set of each run whose predictions were measured."""
    for run in runs:
        for set_ in in_order(key.set for key in run.keys if key.quantity in _OF_PREDICTIONS):
            rows = [
                [f"{row.symbol}, {row.meaning}", *(_of_predictions(row, value) for value in ends)]
                for row in QUANTITIES.values()
                if (key := _key(row.name, set_)) in run.series
                for ends in [(course(run, key).first, course(run, key).last)]
            ]
            settings = run.settings.get(f"prediction_entropy/{set_}", {})
            yield tag("h3", f"{run.name} · {set_}")
            yield table(("bits", "first", "last"), rows, phrases.facts(settings))


_OF_PREDICTIONS = ("prediction_entropy", "conditional_entropy", "label_information")


def has_values(run: Run, quantity: str, set_: str) -> bool:
    """Whether a set has a finite value of a quantity."""
    return any(
        any(map(math.isfinite, run.values(key).values()))
        for key in run.keys
        if key.quantity == quantity and key.set == set_
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, has_y: bool) -> Html:
    """A table of layers; without the columns of Y where there is none."""
    shown, *cells = (
        [cell for column, cell in zip(head, line, strict=True) if has_y or not _is_of_y(column)]
        for line in (head, *rows)
    )
    return table(shown, cells, caption)


def _is_of_y(column: str) -> bool:
    return "Y)" in column or column == "chance share"


def _cells(row: LayerRow) -> list[str]:
    numbers = map(phrases.number, (row.chance, row.adjusted, row.coverage, row.chance_share))
    return [
        *(row.layer, status_word(row.status)),
        *(_course(row.i_xt), _steady(phrases.interval(row.i_xt_interval))),
        *(_course(row.i_ty), _steady(phrases.interval(row.i_ty_interval))),
        *map(_steady, numbers),
    ]


def _wide_cells(row: WideRow) -> list[str]:
    return [
        *(row.layer, status_word(row.status)),
        *(_course(row.i_xt), _steady(phrases.number(row.i_xt_se))),
        *(_course(row.v_ty), _steady(phrases.number(row.v_ty_se))),
        row.caution or "–",
    ]


def _course(values: Course) -> Html:
    """First, highest and last value; a line may end at an arrow only."""
    if not math.isfinite(values.last.value):
        return _steady("–")
    highest, when = phrases.number(values.peak), phrases.when(values)
    parts = [_steady(phrases.number(values.first)), _steady(f"→ {highest}")]
    parts += [_steady(f"({when})")] if when else []
    parts += [_steady(f"→ {phrases.number(values.last)}")]
    return Html(" ".join(parts))


def status_word(status: Status | None) -> str:
    """The word for a status, marked as such; a dash where there is none."""
    return "–" if status is None else tag("span", status.name, class_=status.name.lower())


def _steady(number: str) -> Html:
    return tag("span", number, class_="steady")


def _of_predictions(row: Quantity, value: Number) -> str:
    """A value; of a status the word for it."""
    if row.unit == "code" and value.value in list(Status):
        return Status(int(value.value)).name
    return phrases.number(value, 3)


def _key(name: str, set_: str) -> Key:
    """The key of a quantity of predictions; of one of layers none that there is."""
    root, _, rest = name.partition("/")
    return Key(root, set_, rest)
