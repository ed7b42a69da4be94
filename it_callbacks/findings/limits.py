"""Say what cannot be read, what is dead, and what to be careful of."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from it_callbacks.findings.curves import curve
from it_callbacks.findings.finding import Finding, Tone, listed, moment
from it_callbacks.findings.planes import Plane, is_training
from it_callbacks.quantities import PLANE
from it_callbacks.records import Status
from it_callbacks.runs import Key, Run

DEAD = 1e-6
"""Share of its largest spread at which a layer gives one output."""
LEAST_DEAD_UNITS = 0.1
"""Share of the units of a layer."""


def readable(plane: Plane) -> Iterator[Finding]:
    """How many layers can be read: a layer whose last point has a value and is not saturated.

    At any width, and how many as binned codes, by the rulers that read most.
    """
    n, n_wide, n_code = len(plane.layers), len(plane.wide_layers), len(plane.code_layers)
    saturated = plane.names(plane.saturated)
    if plane.is_wide:
        text = f"{n_wide} of {n} layers can be read here, at any width"
        if len(saturated) == n:
            text += f"; none as a binned code, since {_SATURATED}"
        elif saturated:
            text += f"; as binned codes {n_code} (not {listed(saturated)}: {_SATURATED})"
    else:
        text = f"{n_code} of {n} layers can be read as binned codes"
        text += f" (not {listed(saturated)}: {_SATURATED})" if saturated else ""
    tone: Tone = "fact" if len(plane.readable) == n else "unknown"
    values = {"layers": float(n), "wide": float(n_wide), "code": float(n_code)}
    yield Finding("readable", f"{text}.", tone, None, values, plane.saturated)


_SATURATED = "nearly every sample has a code of its own"


def begins_late(plane: Plane) -> Iterator[Finding]:
    """That what came before is not in the log: its first point is late, for how close points are.

    The first validation of a training always has a point.
    """
    of_set = (series for key, series in plane.run.series.items() if key.set == plane.set)
    steps = {step for series in of_set for step in series}
    epochs = sorted({plane.run.epochs[step] for step in steps & plane.run.epochs.keys()})
    if len(epochs) > 1 and epochs[0] > max(1, epochs[1] - epochs[0]):
        text = (
            f"The log begins at epoch {epochs[0]}, as that of a resumed training: what changed "
            "before is not in it."
        )
        yield Finding("begins_late", text, "unknown", None, {"epoch": float(epochs[0])})


def dead_layers(plane: Plane) -> Iterator[Finding]:
    """That the output of layers no longer varies: a millionth of its largest spread at most.

    Where the spread was not logged, what the verdict says of it.
    """
    dead: dict[str, str] = {}
    for layer in plane.layers:
        points = curve(plane.run, Key("spread", plane.set, layer))
        largest = max((point.bits for point in points), default=0.0)
        if points and points[-1].bits <= DEAD * largest:
            living = [place for place, point in enumerate(points) if point.bits > DEAD * largest]
            first = points[living[-1] + 1 if living else 0]
            dead[layer] = moment(plane.run, first.step)
    if not dead:
        return
    values = {"layers": float(len(dead))}
    others = f" ({listed(plane.names(dead))} are)" if len(dead) > 1 else ""
    if (last := plane.layers[-1]) in dead:
        text = (
            f"The network is dead since {dead[last]}: the output of its last layer, "
            f"{plane.name(last)}, no longer varies from sample to sample{others}."
        )
        yield Finding("dead_network", text, "warning", last, values, list(dead))
        return
    layer = next(iter(dead))
    text = (
        f"{plane.name(layer)} is dead since {dead[layer]}: its output no longer varies from "
        f"sample to sample{others}."
    )
    yield Finding("dead_layers", text, "warning", layer, values, list(dead))


def dead_units(plane: Plane) -> Iterator[Finding]:
    """Which layer has most units in one state for all samples, from a tenth of them on.

    Of `UnitInformation` among `extra=`; exact for the samples of the set.
    """
    shares = {
        layer: points[-1].bits
        for layer in plane.run.layers("unit_dead", plane.set)
        if (points := curve(plane.run, Key("unit_dead", plane.set, layer)))
    }
    layer = max(shares, key=shares.__getitem__, default="")
    if not shares or shares[layer] < LEAST_DEAD_UNITS or layer not in plane.layers:
        return
    text = (
        f"{shares[layer]:.0%} of the units of {plane.name(layer)} are in one state for all samples."
    )
    yield Finding("dead_units", text, "warning", layer, {"share": shares[layer]})


def uneven(plane: Plane) -> Iterator[Finding]:
    """That one row or one unit holds most of the spread of a layer, as the settings tell."""
    layers = _wide_layers(plane)
    found = {
        layer: text
        for layer in plane.layers
        if isinstance(text := layers.get(layer, {}).get("uneven"), str) and text
    }
    if plane.is_wide and found:
        layer, what = next(iter(found.items()))
        others = f" {len(found) - 1} more layers are like it." if len(found) > 1 else ""
        text = f"In {plane.name(layer)} {what}, so that its x is low.{others}"
        yield Finding("uneven", text, "warning", layer)


def cautions(plane: Plane) -> Iterator[Finding]:
    """Which layers to read with caution at any width at their last point, and why."""
    reasons = plane.run.wide(plane.set).cautions
    careful = []
    for layer in plane.wide_layers:
        points = curve(plane.run, Key("wide_status", plane.set, layer))
        if points and points[-1].bits == Status.CAUTION:
            careful.append(layer)
    if plane.is_wide and careful:
        why = reasons.get(careful[0]) or "the settings tell why"
        text = f"Read {listed(plane.names(careful))} with caution: {why}."
        values = {"layers": float(len(careful))}
        yield Finding("caution", text, "unknown", careful[0], values, careful)


def not_measured(run: Run, said: Container[str]) -> Iterator[Finding]:
    """What cannot be said of a run since no monitor has measured it, and which one would.

    Args:
        run: One training, or the mean over repeats.
        said: Rules that have something to say, of this or of that.
    """
    places = [(root, set_) for root, name in _OF_A_SET.items() for set_ in run.sets(name)]
    n_classes = [n for place in places if (n := run.setting(*place, "n_classes")) is not None]
    missing = []
    if n_classes and max(n_classes) == 0:
        missing.append("anything about a label, since there was none")
    elif max(n_classes, default=0) > 1:
        of_training = [is_training(run, *place) for place in places]
        if not any(of_training) and "rises_again" not in said:
            missing.append('whether it over-fits (a monitor with data="train" would tell)')
        if all(of_training):
            missing.append("whether it over-fits (a monitor of validation would tell)")
        if not run.sets("conditional_entropy/all") and max(n_classes) > 2:
            missing.append("which classes are confused (ConditionalEntropyMonitor would tell)")
    if missing:
        yield Finding("not_measured", f"Not measured: {' and '.join(missing)}.", "unknown")


_OF_A_SET = {
    PLANE: "relative_I_XT",
    "prediction_entropy": "prediction_entropy/mean",
    "conditional_entropy": "conditional_entropy/all",
}
"""A quantity that each set of a monitor has."""


def _wide_layers(plane: Plane) -> Mapping[str, Any]:
    wide = plane.run.settings.get(f"{PLANE}/{plane.set}", {}).get("wide")
    layers = wide.get("layers") if isinstance(wide, Mapping) else None
    given = layers if isinstance(layers, Mapping) else {}
    return {str(name): about for name, about in given.items() if isinstance(about, Mapping)}
