"""Make the sections of a report: figures, tables, warnings and settings of some runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from it_callbacks import texts
from it_callbacks.figures import READINGS, Figure, Panel, Request, draw, opening, panels, play
from it_callbacks.quantities import QUANTITIES, Quantity
from it_callbacks.records import Status
from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.report import phrases
from it_callbacks.report.markup import Html, folded, joined, table, tag
from it_callbacks.runs import Key, Run
from it_callbacks.tables import STATUSES, LayerRow, Number, WideRow, course, layer_rows, wide_rows

MOST_TOGETHER = 12
"""Panels of one figure, on equal axes and under one slider; more would be slow to move."""


class Section(NamedTuple):
    """A part of the page, under a heading."""

    id: str
    title: str
    content: Sequence[Html]


@dataclass
class Drawings:
    """The figures of a page, each under an id, and the places that are kept for them."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def place(self, figure: Figure, caption: str) -> Html:
        """Where `figure` is drawn, as high as its rows of panels need."""
        id_ = f"figure-{len(self.figures)}"
        self.figures[id_] = figure
        axes = [of for name, of in figure["layout"].items() if name.startswith("yaxis")]
        n_rows = len({tuple(axis["domain"]) for axis in axes})
        height = (28 if "sliders" in figure["layout"] else 22) * n_rows + 6
        return tag(
            "figure",
            tag("div", class_="drawing", data_figure=id_, style=f"height: {height}rem"),
            tag("figcaption", caption),
        )


def sections(runs: Sequence[Run], drawings: Drawings) -> list[Section]:
    """Return all sections that the runs give something for.

    Args:
        runs: Of what.
        drawings: Takes the figures.
    """
    shown = [averaged(runs), *runs] if are_repeats(runs) else list(runs)
    found = [
        Section("planes", "Information plane", list(_planes(shown, drawings))),
        Section("layers", "Layers", list(_layers(shown))),
        Section("curves", "Curves", list(_curves(shown, drawings))),
        Section("predictions", "Predictions", list(_predictions(shown, drawings))),
        Section("classes", "Classes", list(_classes(shown, drawings))),
        Section("warnings", "Warnings", list(_warnings(runs))),
        Section("settings", "How it was measured", list(_settings(runs))),
    ]
    return [section for section in found if section.content]


def _rows(request: Request, runs: Sequence[Run]) -> list[list[Panel]]:
    """What is drawn as one figure, on equal axes: the sets of a run, and runs, side by side."""
    found = panels(request, runs)
    return [found[start : start + MOST_TOGETHER] for start in range(0, len(found), MOST_TOGETHER)]


def _of_layers(runs: Sequence[Run]) -> list[list[Panel]]:
    return _rows(Request("curves", quantity="I_XT"), runs)


def _planes(runs: Sequence[Run], drawings: Drawings) -> Iterator[Html]:
    """The reading that opens, and the other one folded."""
    shown: set[str] = set()
    for row in _of_layers(runs):
        there = {
            name: drawn
            for name, drawn in (
                ("code", _planes_of_the_code(row, drawings)),
                ("wide", _planes_of_any_width(row, drawings)),
            )
            if _has(row, READINGS[name].views["linear"].y)  # else there is no Y
        }
        opened = opening(Request(), row).reading
        yield from there.get(opened, ())
        for name in there.keys() - {opened}:
            yield folded(f"Another reading: {READINGS[name].title.lower()}", *there[name])
        shown |= there.keys()
    for name, limits in phrases.LIMITS.items():
        yield from (tag("p", limit) for limit in limits if name in shown)


def _planes_of_any_width(row: Sequence[Panel], drawings: Drawings) -> Iterator[Html]:
    caption = (
        "Layers of any width: information about the input once noise in proportion to the layer's "
        "spread is added, against what a linear reader can predict of the label."
    )
    drawn = play(draw(Request(reading="wide", intervals=_has_spread(row)), row))
    yield drawings.place(drawn, caption + _BARS * _has_spread(row))


def _planes_of_the_code(row: Sequence[Panel], drawings: Drawings) -> Iterator[Html]:
    """The plane as counted, open; other bins and other estimates, folded."""
    has_spread = _has_spread(row)

    def plane(caption: str, view: str = "linear", resolution: int = 0) -> Html:
        request = Request(
            reading="code",
            view=view,
            resolution=resolution,
            chance=view == "linear",
            intervals=has_spread or view == "corrected",
        )
        return drawings.place(play(draw(request, row)), caption)

    yield plane(
        "I(X;T) against I(T;Y), a line for each layer. Hollow points are saturated; the small mark "
        "below a point is what chance alone would give." + _BARS * has_spread
    )
    for number in range(1, min(len(panel.rulers) for panel in row)):
        label = row[0].rulers[number].label
        drawn = plane(f"Read with {label}.", resolution=number)
        yield folded(f"The same with other bins ({label})", drawn)
    if _has(row, "I_TY_adjusted"):
        caption = "I(T;Y) on a scale where chance is 0 and H(Y) stays H(Y)."
        yield folded("Adjusted for chance", plane(caption, view="adjusted"))
    if _has(row, "I_XT_corrected") and _has(row, "I_TY_adjusted"):
        caption = (
            "I(X;T) with what is unseen added (Chao, Wang & Jost 2013), where the samples allow an "
            "interval; I(T;Y) adjusted for chance. Bars are 95 % intervals: they reach further up "
            "than down, as what was not seen can only add."
        )
        yield folded(
            "Corrected for the number of samples, with intervals", plane(caption, view="corrected")
        )


_BARS = " Bars are standard deviations over the runs."


def _has_spread(row: Sequence[Panel]) -> bool:
    return any(panel.run.spread for panel in row)


def _has(row: Sequence[Panel], quantity: str) -> bool:
    """Whether there is a finite value of `quantity` in any of the panels."""
    return any(
        key.quantity == quantity
        and key.set == panel.set
        and any(map(math.isfinite, panel.run.values(key).values()))
        for panel in row
        for key in panel.run.keys
    )


def _layers(runs: Sequence[Run]) -> Iterator[Html]:
    seen = set()
    for run in runs:
        for set_ in run.sets("I_XT"):
            settings = run.settings.get(f"information_plane/{set_}", {})
            yield tag("h3", f"{run.name} · {set_}")
            for rulers in run.rulers(set_):
                rows = layer_rows(run, set_, rulers)
                seen |= {row.status for row in rows}
                caption = ". ".join(filter(None, [rulers.label, phrases.facts(settings)]))
                yield _table(_HEAD, map(_cells, rows), caption, _has([Panel(run, set_)], "I_TY"))
            joint = {
                layer: of_layer[texts.ALL_RULERS]
                for layer, of_layer in run.verdicts.get(set_, {}).items()
                if texts.ALL_RULERS in of_layer
            }
            if joint:
                yield table(("layer", "verdict of all rulers together"), joint.items(), "")
            if found := wide_rows(run, set_):
                caption, has_y = phrases.wide_facts(run.wide(set_)), run.sets("V_TY")
                yield _table(_WIDE_HEAD, map(_wide_cells, found), caption, set_ in has_y)
    notes = [tag("li", note) for status, note in STATUSES.items() if status in seen]
    if notes:
        yield tag("ul", *notes, class_="faint")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, has_y: bool) -> Html:
    """A table of layers; without the columns of Y where there is none."""
    shown, *cells = (
        [cell for column, cell in zip(head, line, strict=True) if has_y or not _is_of_y(column)]
        for line in (head, *rows)
    )
    return table(shown, cells, caption)


def _is_of_y(column: str) -> bool:
    return "Y)" in column or column == "chance share"


_HEAD = (
    "layer",
    "status",
    *(f"{of} {when}" for of in ("I(X;T)", "I(T;Y)") for when in ("first", "peak", "last", "95 %")),
    "I(T;Y) by chance",
    "I(T;Y) adjusted",
    "coverage",
    "chance share",
    "verdict",
)


_WIDE_HEAD = (
    "layer",
    "status",
    *(
        f"{of} {what}"
        for of in ("I(X;T+σZ)", "V(T→Y)")
        for what in ("first", "peak", "last", "SE of last")
    ),
    "why caution",
)


def _wide_cells(row: WideRow) -> list[str]:
    numbers = [
        text
        for values, error in ((row.i_xt, row.i_xt_se), (row.v_ty, row.v_ty_se))
        for text in (
            *(phrases.number(values.first), phrases.peak(values), phrases.number(values.last)),
            phrases.number(error),
        )
    ]
    return [row.layer, _status(row.status), *map(_steady, numbers), row.caution or "–"]


def _status(status: Status | None) -> str:
    return "–" if status is None else tag("span", status.name, class_=status.name.lower())


def _steady(number: str) -> str:
    return tag("span", number, class_="steady")


def _cells(row: LayerRow) -> list[str]:
    numbers = [
        *(phrases.number(row.i_xt.first), phrases.peak(row.i_xt), phrases.number(row.i_xt.last)),
        phrases.interval(row.i_xt_interval),
        *(phrases.number(row.i_ty.first), phrases.peak(row.i_ty), phrases.number(row.i_ty.last)),
        phrases.interval(row.i_ty_interval),
        *map(phrases.number, (row.chance, row.adjusted, row.coverage, row.chance_share)),
    ]
    return [row.layer, _status(row.status), *map(_steady, numbers), row.verdict or "–"]


def _curves(runs: Sequence[Run], drawings: Drawings) -> Iterator[Html]:
    own = {name: row for run in runs for name, row in run.own.items()}
    for row in _of_layers(runs):
        opened = READINGS[opening(Request(), row).reading].views["linear"].axes
        for quantity in (*QUANTITIES.values(), *own.values()):
            if "curves" in quantity.figures and _has(row, quantity.name):
                figure = draw(Request("curves", quantity=quantity.name), row)
                title = (
                    f"{quantity.label}: {quantity.meaning}" if quantity.meaning else quantity.label
                )
                drawn = drawings.place(figure, f"{title}, over the epochs.")
                yield drawn if quantity.name in opened else folded(title, drawn)


def _predictions(runs: Sequence[Run], drawings: Drawings) -> Iterator[Html]:
    for row in _rows(Request("predictions"), runs):
        yield drawings.place(
            draw(Request("predictions"), row),
            "H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X): information about the labels, information about "
            "the inputs within a class, and how unsure the predictions are of each sample.",
        )
    for run in runs:
        for set_ in run.sets("prediction_entropy/mean"):
            rows = [
                [f"{row.symbol}, {row.meaning}", *(_of_predictions(row, value) for value in ends)]
                for row in QUANTITIES.values()
                if (key := _key(row.name, set_)) in run.series
                for ends in [(course(run, key).first, course(run, key).last)]
            ]
            settings = run.settings.get(f"prediction_entropy/{set_}", {})
            yield tag("h3", f"{run.name} · {set_}")
            yield table(("bits", "first", "last"), rows, phrases.facts(settings))


def _of_predictions(row: Quantity, value: Number) -> str:
    """A value; of a status the word for it."""
    if row.unit == "code" and value.value in list(Status):
        return Status(int(value.value)).name
    return phrases.number(value, 3)


def _key(name: str, set_: str) -> Key:
    """The key of a quantity of predictions; of one of layers none that there is."""
    root, _, rest = name.partition("/")
    return Key(root, set_, rest)


def _classes(runs: Sequence[Run], drawings: Drawings) -> Iterator[Html]:
    for row in _rows(Request("classes"), runs):
        yield drawings.place(
            draw(Request("classes"), row),
            "H(Ŷ|Y=c): how far the predictions scatter inside each class, over the epochs.",
        )


def _warnings(runs: Sequence[Run]) -> Iterator[Html]:
    for run in runs:
        if lines := [*run.lost, *run.warnings]:
            yield tag("h3", run.name)
            yield tag("ul", *(tag("li", line) for line in lines), class_="warnings")
    if not any(run.lost or run.warnings for run in runs):
        yield tag("p", "None was logged.")


def _settings(runs: Sequence[Run]) -> Iterator[Html]:
    for run in runs:
        for place, settings in run.settings.items():
            root, _, set_ = place.partition("/")
            yield tag("h3", f"{run.name} · {set_} · {root.replace('_', ' ')}")
            entries = (
                joined([tag("dt", name), tag("dd", value)])
                for name, value in texts.settings(settings)
            )
            yield tag("dl", *entries)
            layers = texts.layers(settings)
            if layers:
                yield table(texts.LAYER_HEAD, layers)
            for key, title in _LEFT_OUT.items():
                if settings.get(key):
                    yield folded(title, tag("p", texts.in_words(settings[key])))
            yield folded("All settings as JSON", tag("pre", json.dumps(settings, indent=1)))


_LEFT_OUT = {
    "skipped": "Not read",
    "missed": "Not called in every batch",
    "faults": "Could not be read",
}
"""Settings that list layers without values."""
