"""Say what the layers have learnt: how much, which most, which last, and which lost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from it_callbacks.findings.curves import Curve, negative
from it_callbacks.findings.finding import Z_95, Finding, after, listed, moment, with_error
from it_callbacks.findings.judging import FEWEST, Bar, Change, bars, early_fall, late_rise, rise
from it_callbacks.findings.planes import Plane
from it_callbacks.wandering import unsteadiness

GAIN, LOSS, FALL = 0.02, 0.0025, 0.0075
"""Shares of runs without drift of which a rule may say something. The lowest of a blind curve lies
as far off as two ends do, so that a loss or a fall counts as two changes."""
LEAST = 0.1
"""Bits below which no change of y is said, however small its error."""
LEAST_FALL = 0.3
"""The same of x."""
REACHED = 0.9
"""Share of its gain with which a layer has learnt."""


def learnt(plane: Plane) -> Iterator[Finding]:
    """What is found about the label in the last layer that can be read, at its last point.

    Always said where there is such a value; no judgement.
    """
    known = [layer for layer in plane.readable if plane.y(layer)]
    if not known:
        return
    layer = known[-1]
    last = plane.y(layer)[-1]
    which = "last layer" if layer == plane.layers[-1] else "deepest layer that can be read"
    who = "a linear reader of" if plane.is_wide else "the binned code of"
    entropy = plane.label_entropy
    of = f" of the {entropy:.2f} bits" if math.isfinite(entropy) else " bits"
    chance = "" if plane.is_wide else ", chance taken off"
    repeats = f": means of {plane.n_runs} runs, in brackets their spread"
    yield Finding(
        "learnt",
        f"{after(plane.run, last.step)}{plane.where}, {who} the {which}, {plane.name(layer)}, "
        f"finds {with_error(last.bits, last.error, plane.n_runs)}{of} of the {plane.label}"
        f"{chance}{repeats if plane.n_runs > 1 else ''}.",
        "fact",
        layer,
        {"bits": last.bits, "error": last.error, "H_Y": entropy, "step": last.step},
    )


class Gains(NamedTuple):
    """How y of each layer has changed since its first point."""

    over: Mapping[str, Bar]
    """By layer, what its gain must exceed."""
    of: Mapping[str, Change]
    """By layer, those that can be read."""

    @property
    def judged(self) -> list[str]:
        """The layers that gained beyond chance."""
        return [layer for layer, change in self.of.items() if change.is_beyond(LEAST)]


def gains(plane: Plane) -> Gains:
    """Return how y of each layer has changed since its first point."""
    curves = {layer: points for layer in plane.readable if len(points := plane.y(layer)) > 1}
    share = GAIN / (2 if plane.n_runs == 1 else 1)  # one run has two ways to be beyond chance
    over = bars(curves, share, plane.n_runs)
    return Gains(over, {layer: rise(points, over[layer]) for layer, points in curves.items()})


def gained(plane: Plane, found: Gains) -> Iterator[Finding]:
    """Which layer gained most about the label, if beyond chance; else both ends of the last one.

    From the first point to the mean of the last three; both ends are quoted as logged. Beyond
    chance is more than the error, and more than the curve may stray or by steps of which so many
    hardly go up blindly.
    """
    if not found.of:
        return
    judged = found.judged
    layer = max(judged, key=lambda layer: found.of[layer].bits) if judged else [*found.of][-1]
    points, change = plane.y(layer), found.of[layer]
    ends = {"first": points[0].bits, "last": points[-1].bits, "needed": change.needed}
    words = f"{points[0].bits:.2f} → {points[-1].bits:.2f} bits"
    if judged:
        others = (
            f" {len(judged)} of {len(plane.layers)} layers gained more than their errors and their "
            "ups and downs."
        ) * (len(judged) > 1)
        text = f"{plane.name(layer)} gained most about the {plane.label}: {words}.{others}"
        yield Finding("gained", text, "gain", layer, ends)
    elif len(points) < FEWEST:
        text = (
            f"{plane.name(layer)} about the {plane.label}: {words}; {len(points)} points are too "
            f"few for a judgement, {FEWEST} are needed."
        )
        yield Finding("ends", text, "unknown", layer, ends)
    else:
        text = f"{plane.name(layer)} about the {plane.label}: {words} from first to last point."
        yield Finding("ends", text, "fact", layer, ends)


def learns_last(plane: Plane, found: Gains, training: Plane | None = None) -> Iterator[Finding]:
    """Which layer was the last to reach 90 % of its gain, of those that gained beyond chance.

    To have reached it is to stay there. Said if at the moment when all others had, it lacked more
    than its error and than it strays in the time that it took longer; else that they learn
    together. Where fewer than two gained so, of the training set, which is read before training,
    too; where they did not there, either, when each layer had come to its end, without a judgement.
    """
    if len(_judged(plane, found)) > 1:
        yield _last_of(plane, found, _judged(plane, found), "")
        return
    if training is not None:
        of_training = gains(training)
        if len(judged := _judged(training, of_training)) > 1:
            yield _last_of(training, of_training, judged, "in training ")
            return
    yield from _learns_unsure(plane, found)


def _judged(plane: Plane, found: Gains) -> list[str]:
    """The layers that gained beyond chance, with errors."""
    return [layer for layer in found.judged if all(math.isfinite(p.error) for p in plane.y(layer))]


def _learns_unsure(plane: Plane, found: Gains) -> Iterator[Finding]:
    if len(found.of) < 2:
        return
    n_points = min(len(plane.y(layer)) for layer in found.of)
    n_judged = len(_judged(plane, found))
    if n_points < FEWEST:
        why = f"{n_points} points are too few, {FEWEST} are needed"
    else:
        n_gained = f"{n_judged or 'none'} of {len(found.of)} layers"
        why = f"{n_gained} gained more than their errors and their ups and downs"
    arrivals, named = _arrivals(plane, [*found.of])
    text = f"Which layer learns last cannot be told: {why}.{arrivals}"
    # Names of layers stand in it that differ from run to run, and may be numbers.
    yield Finding("learns_unsure", text, "unknown", None, {"gained": float(n_judged)}, named)


def _arrivals(plane: Plane, layers: Sequence[str]) -> tuple[str, list[str]]:
    """When each layer was within the error of its last value, and stayed, as the log has it.

    With the layers that are named.
    """
    curves = {layer: plane.y(layer) for layer in layers}
    if not all(math.isfinite(points[-1].error) for points in curves.values()):
        return "", []
    error = "error" if plane.n_runs == 1 else "spread"
    at = {layer: _arrived(points) for layer, points in curves.items()}
    if all(at[layer] == points[0].step for layer, points in curves.items()):
        return f" Each was within the {error} of its last value from its first point on.", []
    step = max(at.values())
    last = [layer for layer in layers if at[layer] == step]
    before = [at[layer] for layer in layers if layer not in last]
    verb = "was" if len(last) == 1 else "were"
    others = f"; all others by {moment(plane.run, max(before))}" if before else ""
    return (
        f" {listed(plane.names(last))} {verb} within the {error} of the last value from "
        f"{moment(plane.run, step)} on{others}.",
        last,
    )


def _arrived(points: Curve) -> int:
    """The step from which on a curve is within the error of its last value."""
    last = points[-1]
    beyond = [
        place
        for place, point in enumerate(points)
        if abs(point.bits - last.bits) > Z_95 * last.error
    ]
    return points[beyond[-1] + 1 if beyond else 0].step


def _last_of(plane: Plane, found: Gains, judged: Sequence[str], where: str) -> Finding:
    """Of layers that gained, which one was clearly the last, or that none was."""
    reached = {layer: _reached(plane.y(layer), found.of[layer]) for layer in judged}
    last = max(judged, key=lambda layer: (reached[layer], judged.index(layer)))
    others = [layer for layer in judged if layer != last]
    before = max(reached[layer] for layer in others)
    points, change = plane.y(last), found.of[last]
    level = change.before + REACHED * change.bits
    then = [point for point in points if point.step <= before][-1:]
    size = unsteadiness([point.bits for point in points], [point.step for point in points])
    strays = size * math.sqrt(max(0, reached[last] - before))
    error = points[-1].error if math.isfinite(points[-1].error) else 0.0
    at = {"step": reached[last], "others": before}
    of = "" if len(judged) == len(found.of) else " that gained beyond chance"
    if then and level - then[0].bits > math.hypot(strays, found.over[last].errors * error):
        text = (
            f"{plane.name(last)} learnt last: {where}it reached 90 % of its gain at "
            f"{moment(plane.run, reached[last])}, the other layers{of} by "
            f"{moment(plane.run, before)}."
        )
        return Finding("learns_last", text, "fact", last, at)
    if len(set(reached.values())) == 1:
        when = (
            f"{listed(plane.names(judged))} had 90 % of their gains by {moment(plane.run, before)}"
        )
    else:
        first, *rest = ((plane.name(of), moment(plane.run, reached[of])) for of in judged)
        when = listed(
            [f"{first[0]} reached 90 % of its gain at {first[1]}"]
            + [f"{name} at {at}" for name, at in rest]
        )
    text = f"No layer clearly learnt last: {where}{when}."
    return Finding("learn_together", text, "fact", None, at, judged)


def _reached(points: Curve, change: Change) -> int:
    """The step from which on a curve has 90 % of its gain."""
    level = change.before + REACHED * change.bits
    below = [place for place, point in enumerate(points) if point.bits < level]
    return points[min(below[-1] + 1, len(points) - 1) if below else 0].step


def _beyond(changes: Mapping[str, Change], least: float) -> list[str]:
    """The layers that changed beyond chance, the largest change first."""
    found = [layer for layer, change in changes.items() if change.is_beyond(least)]
    return sorted(found, key=lambda layer: -changes[layer].bits)


def lost(plane: Plane) -> Iterator[Finding]:
    """Which layer lost most about the label since its highest three points, if beyond chance."""
    curves = {layer: negative(plane.y(layer)) for layer in plane.readable if plane.y(layer)}
    over = bars(curves, LOSS / 2, plane.n_runs)
    changes = {layer: late_rise(points, over[layer]) for layer, points in curves.items()}
    layers = _beyond(changes, LEAST)
    if not layers:
        return
    layer, change = layers[0], changes[layers[0]]
    text = (
        f"{plane.name(layer)} lost about the {plane.label}: {-change.before:.2f} bits at "
        f"{moment(plane.run, change.start)}, {-change.after:.2f} at the end."
    )
    ends = {"highest": -change.before, "last": -change.after, "needed": change.needed}
    yield Finding("lost", text, "warning", layer, ends)


def fell(plane: Plane) -> Iterator[Finding]:
    """Which layer kept fewer inputs apart than at its first point, most of all layers.

    At any width: from the first point to the lowest three in a row, if beyond chance and .3 bit.
    In the binned code, which also changes with the scale of a layer: where the verdict of all
    rulers tells it.
    """
    if not plane.is_wide:
        yield from _fell_by_verdict(plane)
        return
    curves = {layer: points for layer in plane.readable if (points := plane.x(layer))}
    over = bars(curves, FALL / 2, plane.n_runs)
    changes = {layer: early_fall(points, over[layer]) for layer, points in curves.items()}
    layers = _beyond(changes, LEAST_FALL)
    if not layers:
        return
    layer = layers[0]
    change, last = changes[layer], curves[layer][-1]
    others = f" {len(layers)} of {len(plane.layers)} layers did." if len(layers) > 1 else ""
    words = f"{change.after:.2f} → {change.before:.2f} bits"
    came_back = last.bits - change.before
    if came_back > LEAST_FALL / 2:
        text = (
            f"{plane.name(layer)} kept fewer inputs apart at first: {words} by "
            f"{moment(plane.run, change.start)}, {last.bits:.2f} at the end.{others}"
        )
    else:
        text = f"{plane.name(layer)} keeps fewer inputs apart than at first: {words}.{others}"
    ends = {"first": change.after, "lowest": change.before, "last": last.bits}
    yield Finding("fell", text, "fact", layer, {**ends, "needed": change.needed})


def _fell_by_verdict(plane: Plane) -> Iterator[Finding]:
    verdicts = plane.run.verdicts.get(plane.set, {})
    for layer in plane.readable:
        of_layer = verdicts.get(layer, {})
        said = of_layer.get("all rulers", of_layer.get("", ""))
        points = plane.x(layer)
        if said.startswith("compressed by") and points:
            highest = max(points, key=lambda point: point.bits)
            text = (
                f"The binned code of {plane.name(layer)} keeps fewer inputs apart than at "
                f"{moment(plane.run, highest.step)}: {highest.bits:.2f} → {points[-1].bits:.2f} "
                "bits, which neither its scale nor its wandering explains."
            )
            ends = {"highest": highest.bits, "last": points[-1].bits}
            yield Finding("fell_by_verdict", text, "fact", layer, ends)
            return


def agree(plane: Plane) -> Iterator[Finding]:
    """That at least 3 layers have nearly the same y: they lie within one error of a difference.

    Of the lowest and the highest, taken as independent; with repeats the error is their spread.
    """
    last = [plane.y(layer)[-1] for layer in plane.readable if plane.y(layer)]
    if len(last) < 3 or not all(math.isfinite(point.error) for point in last):
        return
    low, high = (pick(last, key=lambda point: point.bits) for pick in (min, max))
    if high.bits - low.bits > math.hypot(low.error, high.error):
        return
    text = (
        f"About the {plane.label} all {len(last)} layers lie within one error of each other, "
        f"between {low.bits:.2f} and {high.bits:.2f} bits."
    )
    yield Finding("agree", text, "unknown", None, {"lowest": low.bits, "highest": high.bits})
