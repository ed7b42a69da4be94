"""What the reader of a point of the plane should know, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count, islice
from typing import NamedTuple

from it_callbacks.estimators.estimate import Estimate
from it_callbacks.observation.effort import TRAINED_ON, Effort
from it_callbacks.observation.instrument import Cost, Notice
from it_callbacks.observation.layers import HOW
from it_callbacks.observation.readers import Reader
from it_callbacks.observation.set_notices import MOST_REPEATED, few_notices
from it_callbacks.records import Status
from it_callbacks.reductions import Reduction

MOST_GROWTH = 2.0
"""A layer that spreads more times as far as when it was calibrated, or so many times less, is told:
its bins have become finer, or coarser, by more than one octave."""
MOST_OVERHEAD = 0.1
LEAST_SECONDS = 1.0
"""In a run that is over in a moment, nobody minds what share of it went where."""
MOST_LISTED = 5
MOST_NAMED_CLASSES = 100
"""Of the words of a vocabulary, say, many never occur in a set."""


class LayerFacts(NamedTuple):
    """What is known of one layer at one point, under the first ruler.

    Args:
        name: The layer.
        entropy: H(bin T).
        information: I(bin T; Y); None where there is no Y.
        growth: How many times as far as at its first point it spreads; NaN where its bins do not
            depend on that, or it is not known.
        stochastic: Whether one input gives different codes; None if nobody knows.
    """

    name: str
    entropy: Estimate
    information: Estimate | None
    growth: float
    stochastic: bool | None


def saturated_notices(
    set_: str, layers: Sequence[LayerFacts], *, is_read_at_any_width: bool
) -> list[Notice]:
    """What to say of layers that are too wide for their joint code.

    Args:
        set_: What the set is called.
        layers: All that were read.
        is_read_at_any_width: Whether the plane of any width has them.
    """
    n = sum((facts.information or facts.entropy).status == Status.SATURATED for facts in layers)
    if not n:
        return []
    other = (
        "read them at any width (V_TY over relative_I_XT)"
        if is_read_at_any_width
        else "pass wide=WideReading(), which reads any width, or fewer bins="
    )
    text = f"set {set_!r}: too wide for the binned code (SATURATED): {n} of {len(layers)} layers"
    return [Notice("saturated", f"{text}; {other}")]


def scale_notices(set_: str, layers: Iterable[LayerFacts]) -> list[Notice]:
    """What to say of layers whose scale has changed while their bins stayed.

    Args:
        set_: What the set is called.
        layers: All that were read.
    """
    grown = [of for of in layers if of.growth > MOST_GROWTH or 0 < of.growth < 1 / MOST_GROWTH]
    if not grown:
        return []
    found = [f"layer {of.name!r} {_times(of.growth)}" for of in grown]
    more = f" and {len(found) - MOST_LISTED} more layers" if len(found) > MOST_LISTED else ""
    text = (
        f"set {set_!r}: {', '.join(found[:MOST_LISTED])}{more}, while the width of the bins stays, "
        "so that I_XT rises or falls with the scale. relative_I_XT does not depend on it"
    )
    return [Notice("scale", text)]


def _times(growth: float) -> str:
    if growth > 1:
        return f"has grown to {growth:.1f} times its first spread"
    return f"has shrunk to {growth:.2g} of its first spread"


def uneven_notices(set_: str, uneven: Mapping[str, str]) -> list[Notice]:
    """What to say of layers most of whose spread is one row or one unit.

    Args:
        set_: What the set is called.
        uneven: By layer, what holds most of it; empty where nothing does.
    """
    found = [f"layer {tag!r}: {what}" for tag, what in uneven.items() if what]
    if not found:
        return []
    more = f" and {len(found) - MOST_LISTED} more layers" if len(found) > MOST_LISTED else ""
    text = (
        f"set {set_!r}: relative_I_XT is low where one sample or unit outweighs all others: "
        f"{'; '.join(found[:MOST_LISTED])}{more}"
    )
    return [Notice("spread", text)]


def set_notices(
    set_: str, n_samples: int, per_class: Mapping[int, int], repeated: float | None
) -> list[Notice]:
    """What to say of the samples themselves.

    Args:
        set_: What they are called.
        n_samples: How many they are; each distinct input counts once.
        per_class: By class number, samples in each class seen; empty where there is no Y.
        repeated: Share of samples whose input was there before; None if not known.
    """
    shown = (
        "much of what a joint code shows is chance. Pass a larger data=, fewer bins=, or a reduce="
    )
    notices = few_notices(set_, n_samples, per_class.values(), shown)
    notices += _missing_notices(set_, list(per_class))
    if repeated is not None and repeated > MOST_REPEATED:
        text = (
            f"set {set_!r}: {repeated:.0%} of the inputs are repeated and count once: for "
            "coverage, chance, intervals and status. I_XT and I_TY are of all samples"
        )
        notices.append(Notice("repeated", text))
    return notices


def _missing_notices(set_: str, classes: Sequence[int]) -> list[Notice]:
    seen, largest = set(classes), max(classes, default=0)
    n_missing = largest + 1 - len(seen) if seen else 0
    if not n_missing or len(seen) > MOST_NAMED_CLASSES:
        return []
    missing = islice((number for number in count() if number not in seen), MOST_LISTED)
    listed = ", ".join(map(str, islice(missing, n_missing)))
    more = f" and {n_missing - MOST_LISTED} more" if n_missing > MOST_LISTED else ""
    text = f"set {set_!r}: no sample of class {listed}{more}"
    if n_missing > len(classes):
        text += f"; if {largest} marks samples without a label, pass ignore_index={largest}"
    return [Notice("missing", text)]


def labels_notice(set_: str, about: str, *, has_y: bool) -> Notice:
    """What to say where only a part of the labels counts, or there is no Y."""
    alone = "" if has_y else ": I(X;T) alone is measured; pass target= where there are classes"
    return Notice("labels", f"set {set_!r}: {about}{alone}")


def calibration_notice(set_: str, n_rows: int, n_seen: int, n_classes: int) -> Notice:
    """What to say where the first rows, on which rulers were calibrated, lack classes."""
    text = (
        f"set {set_!r}: the first {n_rows} samples, on which layers were calibrated, "
        f"hold {n_seen} of {n_classes} classes. Pass a shuffled data=, or own rulers in bins="
    )
    return Notice("calibration", text)


def left_out_notice(set_: str, n_left_out: Mapping[str, int], n_samples: int) -> Notice:
    """What to say of layers with rows that are not finite."""
    layers = [f"{name!r} {n}" for name, n in n_left_out.items()]
    more = f" and {len(layers) - MOST_LISTED} more layers" if len(layers) > MOST_LISTED else ""
    text = (
        f"set {set_!r}: rows that are NaN or infinite are left out of their layer's values: of "
        f"{n_samples} samples, layer {', '.join(layers[:MOST_LISTED])}{more}"
    )
    return Notice("left out", text)


def unreadable_notice(set_: str, reasons: Mapping[str, str], n_layers: int) -> Notice:
    """What to say where most layers of a network have no row per sample.

    Args:
        set_: What the set is called.
        reasons: Why, by layer.
        n_layers: How many can be read.
    """
    n, first = len(reasons), next(iter(reasons))
    text = (
        f"set {set_!r}: {n} of {n + n_layers} layers cannot be read and are missing from the "
        f"plane: {first!r} {reasons[first]}"
    )
    if "pass layers=" not in text:
        text += f"; pass layers={{{first!r}: <function that picks (n_samples, ...)>}}"
    more = [repr(name) for name in reasons if name != first][: MOST_LISTED - 1]
    return Notice("not rows", f"{text}. The others: {', '.join(more)}" if more else text)


def silent_notice(set_: str, reasons: Mapping[str, str]) -> Notice:
    """What to say of layers that did not fire.

    Args:
        set_: What the set is called.
        reasons: Why, by layer.
    """
    why = " and ".join(dict.fromkeys(reasons.values()))
    names = listed(list(reasons))
    text = f"set {set_!r}: {names} cannot be listened to: each {why}. {HOW} to read them"
    return Notice("silent", text)


def later_notice(set_: str, reasons: Mapping[str, str]) -> Notice:
    """What to say where all layers are calibrated later.

    Args:
        set_: What the set is called.
        reasons: Why, by layer.
    """
    why = " or ".join(dict.fromkeys(reasons.values()))
    text = f"set {set_!r}: no binned values yet of {listed(list(reasons))}: each {why}"
    return Notice("later", text)


def effort_notices(effort: Effort, reduce: Reduction | str) -> list[Notice]:
    """What to say before a reduction is fitted, where that takes more than an epoch."""
    if not effort.is_notable:
        return []
    text = (
        f"reduce: fitting {reduce!r} takes about {effort.calibration:.1g} operations, more than an "
        f"epoch on {TRAINED_ON} rows ({effort.training:.1g}). The reading at any width "
        "does without; for the binned code pass reduce=RandomProjection(2), which has nothing to "
        "fit, or layers= to observe fewer or smaller layers"
    )
    return [Notice("effort", text)]


def unstorable_notices(specs: Iterable[Reader]) -> list[Notice]:
    """What to say of rulers and reductions that a checkpoint cannot keep."""
    parts = dict.fromkeys(repr(part) for spec in specs for part in spec.unstorable)
    if not parts:
        return []
    text = (
        f"bins, reduce: a checkpoint cannot keep what {', '.join(parts)} is calibrated to, so a "
        "resumed run has to calibrate it again; define state() and restored() on it"
    )
    return [Notice("unstorable", text)]


def recalibrated_notices(readers: Iterable[str]) -> list[Notice]:
    """What to say of readers that an earlier run has calibrated, and this one cannot restore."""
    if not (listed := ", ".join(readers)):
        return []
    text = (
        f"bins, reduce: what {listed} was calibrated to is not in the checkpoint, so layers are "
        "recalibrated; values before and after this resume are not comparable"
    )
    return [Notice("unstorable", text)]


_OF_RESUME = {
    "wide": ("other wide", "values at any width before and after this resume are not comparable"),
    "layers": (
        "other layers",
        "earlier points stay in the history; only layers present in both runs continue",
    ),
    "bins, reduce": (
        "other bins",
        "layers are recalibrated; values before and after this resume are not comparable",
    ),
    "max_samples, seed": (
        "other samples",
        "a different subset is measured from here on, so compression verdicts restart",
    ),
}


def changed(arguments: str, now: object, then: object) -> list[Notice]:
    """What to say of arguments that are not those of the checkpoint that a run resumes from.

    Args:
        arguments: Which: a key of the table above.
        now: In words, or what prints as them.
        then: The same in the checkpoint.
    """
    if str(now) == str(then):
        return []
    cause, consequence = _OF_RESUME[arguments]
    return [Notice(cause, f"{arguments}: {now} now, {then} in the checkpoint; {consequence}")]


def cost_notices(cost: Cost) -> list[Notice]:
    """What to say of the time that observing takes."""
    share = min(cost.share, cost.share_in_all)
    if share <= MOST_OVERHEAD or cost.seconds < LEAST_SECONDS:
        return []
    text = (
        f"observing takes {share:.0%} of the time. Pass schedule=LogSpaced() or a "
        "larger number to measure more rarely, max_samples= to measure fewer samples, layers= to "
        "observe fewer layers"
    )
    return [Notice("cost", text)]


def listed(names: Sequence[str]) -> str:
    """The first few names in quotes, and how many more there are."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(map(repr, names[:MOST_LISTED])) + more
