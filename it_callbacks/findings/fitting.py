"""Say whether a network over-fits: training against validation, and validation against itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from it_callbacks.findings.curves import Curve, Point, curve, difference, thinned
from it_callbacks.findings.finding import Z_95, Finding, moment, with_error
from it_callbacks.findings.judging import FEWEST, Bar, bars, late_rise, rise, straying_time
from it_callbacks.findings.layers import LEAST
from it_callbacks.findings.planes import Plane, set_in_words
from it_callbacks.runs import Key, Run

GAP, GAP_OF_PREDICTIONS, RISE = 0.015, 0.0025, 0.0025
"""Shares of runs without drift of which a rule may say something; see `layers`."""
GROWN = 1 / 3
"""Share of a gap that must have come up since the first common point: one of the rest may be of
samples that are harder."""
ALIKE = 1.25
"""Times as many samples with which two sets are still read alike: y of fewer samples is lower."""


def gap_of_layers(plane: Plane, training: Plane | None) -> Iterator[Finding]:
    """By how much y of the training set exceeds that of the main set, in which layer most.

    Over-fitting if the gap, over the last three common points, exceeds its error and what it may
    stray, and a third of it has come up since the first. Only at any width, with a y that is of
    samples the reader was not fitted to. Of sets of unequal sizes only what their sizes cannot have
    made: a gap where training has fewer samples, and none where it has more.
    """
    if training is None or not (plane.is_wide and training.is_wide):
        return
    gaps = {
        layer: points
        for layer in plane.readable
        if layer in training.readable
        and (points := difference(training.every_y(layer), plane.every_y(layer)))
    }
    if not gaps:
        return
    over = bars(gaps, GAP, plane.n_runs)
    beyond = [layer for layer, points in gaps.items() if _is_gap(points, over[layer])]
    sizes = _sizes(plane, training, next(iter(gaps)))
    layer = max(beyond or gaps, key=lambda layer: gaps[layer][-1].bits)
    found = _gap_in_words(plane, training, layer, gaps[layer], bool(beyond))
    # y of fewer samples is lower: a gap from fewer training samples is larger than it looks, and
    # one from more of them smaller
    if sizes is None or found.rule == ("gap_of_layers" if sizes[0] < sizes[1] else "no_gap"):
        yield found if sizes is None else _in_spite_of(found, sizes)
        return
    fewer = training if sizes[0] < sizes[1] else plane
    text = (
        f"Whether the layers over-fit is not judged: sets {training.set} and {plane.set} were "
        f"read on {sizes[0]} and {sizes[1]} samples, and fewer give a lower y. Read both on as "
        f"many, wide=WideReading(n_samples={min(sizes)}), or more samples of {fewer.set}."
    )
    yield Finding("gap_unequal", text, "unknown", None, {"training": sizes[0], "main": sizes[1]})


def _in_spite_of(found: Finding, sizes: tuple[int, int]) -> Finding:
    """A finding that holds although one set was read on more samples than the other."""
    more, less = ("fewer", "narrows") if sizes[0] < sizes[1] else ("more", "widens")
    text = (
        f"{found.text} Training was read on {more} samples, {sizes[0]} against {sizes[1]}, which "
        f"{less} a gap."
    )
    return replace(found, text=text)


def _sizes(plane: Plane, training: Plane, layer: str) -> tuple[int, int] | None:
    """The numbers of samples of the training set and the main one, where they differ much."""
    first, second = (
        each.run.n_samples(Key("V_TY", each.set, layer)) or 0 for each in (training, plane)
    )
    if not first or not second or max(first, second) <= ALIKE * min(first, second):
        return None
    return first, second


def _is_gap(points: Curve, over: Bar) -> bool:
    """Whether a gap is there at the end beyond chance, and has come up in training."""
    if len(points) < FEWEST:
        return False
    change, time = rise(points, over), straying_time(points)
    at_end = over.needed(points, time, points[-1].error)
    return change.after > max(LEAST, at_end) and change.bits > GROWN * change.after


def _gap_in_words(
    plane: Plane, training: Plane, layer: str, points: Curve, is_judged: bool
) -> Finding:
    last, name, held_out = points[-1], plane.name(layer), set_in_words(plane.set)
    words = with_error(last.bits, last.error, plane.n_runs)
    values = {"gap": last.bits, "error": last.error}
    if is_judged:
        text = f"Over-fitting: training exceeds {held_out} by {words} bits in {name}."
        return Finding("gap_of_layers", text, "warning", layer, values)
    ends = f"{training.y(layer)[-1].bits:.2f} and {plane.y(layer)[-1].bits:.2f} bits"
    if len(points) < FEWEST:
        text = (
            f"{name} about the {plane.label} in training and {held_out}: {ends}; {len(points)} "
            f"common points are too few for a judgement, {FEWEST} are needed."
        )
        return Finding("gap_few", text, "unknown", layer, values)
    if last.bits > (Z_95 * last.error if math.isfinite(last.error) else LEAST):
        grown = last.bits - points[0].bits > GROWN * last.bits
        but = (
            "not beyond what unsteady curves drift by chance"
            if grown
            else "most of it was there at first"
        )
        text = (
            f"{name} about the {plane.label} in training and {held_out}: {ends}, a difference of "
            f"{words}, beyond its error; but {but}: not called over-fitting."
        )
        return Finding("gap_unsure", text, "unknown", layer, values)
    where = f"above {held_out} by at most {words} bits, in {name}"
    text = (
        "No over-fitting of the layers is seen: training is "
        f"{where if last.bits > 0 else f'not above {held_out} in any layer'}."
    )
    return Finding("no_gap", text, "fact", layer, values)


def gap_of_predictions(run: Run, main: str, training: str | None, n_runs: int) -> Iterator[Finding]:
    """By how much the cross-entropy of the main set exceeds that of the training set.

    Over-fitting by the rule of `gap_of_layers`; both values stand where it does not hold.
    """
    if training is None:
        return
    held_out, seen = cross_entropy(run, main), cross_entropy(run, training)
    points = difference(held_out, seen)
    if not points:
        return
    last = points[-1]
    ends = f"{_at(seen, last):.2f} in training, {_at(held_out, last):.2f} in {set_in_words(main)}"
    values = {"gap": last.bits, "error": last.error}
    if _is_gap(points, bars({"": points}, GAP_OF_PREDICTIONS, n_runs)[""]):
        words = with_error(last.bits, last.error, n_runs)
        text = f"Over-fitting: the cross-entropy is {ends}, a gap of {words} bits."
        yield Finding("gap_of_predictions", text, "warning", None, values)
    else:
        few = f" {FEWEST} common points are needed for a judgement." * (len(points) < FEWEST)
        yield Finding("cross_entropies", f"Cross-entropy: {ends}.{few}", "fact", None, values)


def _at(points: Curve, place: Point) -> float:
    return next(point.bits for point in points if point.step == place.step)


def rises_again(run: Run, main: str, n_runs: int) -> Iterator[Finding]:
    """That the cross-entropy of a set that is not trained on rises again, if beyond chance.

    From its lowest three points in a row to the last three.
    """
    points = thinned(cross_entropy(run, main))
    if not points:
        return
    change = late_rise(points, bars({"": points}, RISE / 2, n_runs)[""])
    if change.is_beyond(LEAST):
        text = (
            f"Over-fitting: the cross-entropy of {main} was lowest at "
            f"{moment(run, change.start)}, {change.before:.2f} bits, and is {change.after:.2f} now."
        )
        ends = {"lowest": change.before, "last": change.after, "needed": change.needed}
        yield Finding("rises_again", text, "warning", None, ends)


def cross_entropy(run: Run, set_: str) -> Curve:
    """Return the cross-entropy of a set, with the error of the label bound, H(Y) - CE."""
    points = curve(run, Key("prediction_entropy", set_, "cross_entropy"))
    if run.spread:
        return points
    errors = run.values(Key("prediction_entropy", set_, "label_bound_se"))
    return tuple(
        point._replace(error=error if math.isfinite(error) else math.nan)
        for point in points
        for error in (errors.get(point.step, math.nan),)
    )
