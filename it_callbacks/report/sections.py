"""Make the sections of a report: figures, tables, warnings and settings of some runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from it_callbacks import texts
from it_callbacks.figures import KINDS, READINGS, Panel, Request, opening, panels
from it_callbacks.findings import findings
from it_callbacks.quantities import QUANTITIES, Quantity
from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.report import phrases
from it_callbacks.report.drawings import Drawings
from it_callbacks.report.markup import Html, folded, joined, table, tag
from it_callbacks.report.sentences import sentences
from it_callbacks.report.values import has_values, layer_tables, prediction_tables
from it_callbacks.runs import Run

MOST_TOGETHER = 6
"""Panels of one figure, on equal axes and under one slider; more would be slow to move."""


class Section(NamedTuple):
    """A part of the page, under a heading."""

    id: str
    title: str
    content: Sequence[Html]


def sections(runs: Sequence[Run], drawings: Drawings) -> list[Section]:
    """Return all sections that the runs give something for.

    Args:
        runs: Of what.
        drawings: Takes the figures.
    """
    shown = [averaged(runs), *runs] if are_repeats(runs) else list(runs)
    found = [
        Section("findings", "What was found", list(_findings(runs))),
        Section("planes", "Information plane", list(_planes(shown, drawings))),
        Section("layers", "Layers", list(layer_tables(shown))),
        Section("curves", "Curves", list(_curves(shown, drawings))),
        Section(
            "predictions",
            "Predictions",
            [*_of_predictions("predictions", shown, drawings), *prediction_tables(shown)],
        ),
        Section("classes", "Classes", list(_of_predictions("classes", shown, drawings))),
        Section("warnings", "Warnings", list(_warnings(runs))),
        Section("settings", "How it was measured", list(_settings(runs))),
    ]
    return [section for section in found if section.content]


def _findings(runs: Sequence[Run]) -> Iterator[Html]:
    """The sentences, and a button that copies them."""
    if found := findings(runs):
        yield sentences(found)
        yield tag("button", "Copy as text", type="button", hidden="", data_copies="sentences")


def _rows(request: Request, runs: Sequence[Run]) -> list[list[Panel]]:
    """What is drawn as one figure, on equal axes: the sets of a run, and runs, side by side."""
    found = panels(request, runs)
    n_rows = math.ceil(len(found) / MOST_TOGETHER)
    size = math.ceil(len(found) / n_rows) if found else 1  # rather two rows alike than a rest
    return [found[start : start + size] for start in range(0, len(found), size)]


def _of_layers(runs: Sequence[Run]) -> list[list[Panel]]:
    return _rows(Request("curves"), runs)


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
        for name, caption in _OF_LAYERS.items() if there else ():
            title = "" if name == _companion(row) else KINDS[name].title
            yield drawings.place(Request(name), row, caption, title)
        for name in there.keys() - {opened}:
            yield folded(f"Another reading: {READINGS[name].title.lower()}", *there[name])
        shown |= there.keys()
    for name, limits in phrases.LIMITS.items():
        yield from (tag("p", limit) for limit in limits if name in shown)


_OF_LAYERS = {
    "through": "One line for each moment, through the layers from the input to the output.",
    "map": "A row for each layer, the input side on top, and a column for each measurement.",
}
"""Figures beside the plane, and what is below them."""
_DEEP = 13
"""From so many layers on a plane cannot name them all, and the map is open beside it."""


def _companion(row: Sequence[Panel]) -> str:
    """Which figure stands open below the plane; none where it names all layers."""
    n_layers = max(
        len(panel.run.layers(reading.views["linear"].x, panel.set))
        for panel in row
        for reading in READINGS.values()
    )
    return "map" if n_layers >= _DEEP else ""


def _planes_of_any_width(row: Sequence[Panel], drawings: Drawings) -> Iterator[Html]:
    caption = (
        "Layers of any width: information about the input once noise in proportion to the layer's "
        "spread is added, against what a linear reader can predict of the label."
    )
    request = Request(reading="wide", intervals=_has_spread(row))
    yield drawings.place(request, row, caption + _BARS * _has_spread(row))


def _planes_of_the_code(row: Sequence[Panel], drawings: Drawings) -> Iterator[Html]:
    """The plane as counted, open; other bins and other estimates, folded."""
    has_spread = _has_spread(row)
    first = opening(Request(reading="code"), row).resolution

    def plane(caption: str, title: str = "", view: str = "linear", resolution: int = first) -> Html:
        request = Request(
            reading="code",
            view=view,
            resolution=resolution,
            chance=view == "linear",
            intervals=has_spread or view == "corrected",
        )
        return drawings.place(request, row, caption, title)

    yield plane(
        "I(X;T) against I(T;Y), a trajectory for each layer. Empty rings are saturated; the short "
        "mark below a point is what chance alone would give." + _BARS * has_spread
    )
    for number in range(min(len(panel.rulers) for panel in row)):
        if number != first:
            label = row[0].rulers[number].label
            title = f"The same with other bins ({label})"
            yield plane(f"Read with {label}.", title, resolution=number)
    is_adjusted = any(panel.has("I_TY_adjusted") for panel in row)
    if is_adjusted:
        caption = "I(T;Y) on a scale where chance is 0 and H(Y) stays H(Y)."
        yield plane(caption, "Adjusted for chance", "adjusted")
    if is_adjusted and any(panel.has("I_XT_corrected") for panel in row):
        caption = (
            "I(X;T) with what is unseen added (Chao, Wang & Jost 2013), where the samples allow an "
            "interval; I(T;Y) adjusted for chance. Bars are 95 % intervals: they reach further up "
            "than down, as what was not seen can only add."
        )
        # Only the first ruler has these.
        title = "Corrected for the number of samples, with intervals"
        yield plane(caption, title, "corrected", 0)


_BARS = " Bars are standard deviations over the runs."


def _has_spread(row: Sequence[Panel]) -> bool:
    return any(panel.run.spread for panel in row)


def _has(row: Sequence[Panel], quantity: str) -> bool:
    """Whether there is a finite value of `quantity` in any of the panels."""
    return any(has_values(panel.run, quantity, panel.set) for panel in row)


def _curves(runs: Sequence[Run], drawings: Drawings) -> Iterator[Html]:
    own = {name: row for run in runs for name, row in run.own.items()}
    for row in _of_layers(runs):
        opened = READINGS[opening(Request(), row).reading].views["linear"].axes
        for quantity in (*QUANTITIES.values(), *own.values()):
            if "curves" in quantity.figures and _has(row, quantity.name):
                title = (
                    f"{quantity.label}: {quantity.meaning}" if quantity.meaning else quantity.label
                )
                request = Request(
                    "curves", quantity=quantity.name, resolution=_read_by(row, quantity)
                )
                above = "" if quantity.name in opened else title
                yield drawings.place(request, row, f"{title}, by {{axis}}.", above)


def _read_by(row: Sequence[Panel], quantity: Quantity) -> int | None:
    """The ruler to draw curves of; None for that with most readable layers, if it has any."""
    number = opening(Request(reading="code"), row).resolution
    has_values = any(
        any(map(math.isfinite, panel.run.values(panel.key(quantity.name, layer, number)).values()))
        for panel in row
        for layer in panel.run.layers(quantity.name, panel.set)
    )
    return None if has_values else 0


def _of_predictions(name: str, runs: Sequence[Run], drawings: Drawings) -> Iterator[Html]:
    """One of the figures of predictions."""
    for row in _rows(Request(name), runs):
        yield drawings.place(Request(name), row, _OF_PREDICTIONS[name])


_OF_PREDICTIONS = {
    "predictions": (
        "H(Ŷ) = I(Y;Ŷ) + I(X;Ŷ|Y) + H(Ŷ|X): information about the labels, information about the "
        "inputs within a class, and how unsure the predictions are of each sample."
    ),
    "classes": "H(Ŷ|Y=c): how far the predictions scatter inside each class, by {axis}.",
}


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
