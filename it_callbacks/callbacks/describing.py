"""A point of the plane in; what its settings say of it, and the cautions that it calls for, out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from it_callbacks.callbacks import cautions
from it_callbacks.callbacks.cautions import Caution
from it_callbacks.callbacks.readings import Point, classes_of, label_entropy, share_repeated
from it_callbacks.observation.layer_observer import LayerObserver
from it_callbacks.observation.layers import NEVER_CALLED
from it_callbacks.observation.passes import Observed
from it_callbacks.rulers import CALIBRATION_ROWS


def settings_of(
    observed: Observed,
    points: Mapping[str, list[Point]],
    observer: LayerObserver,
    tags: Mapping[str, str],
    earlier: Mapping[str, Any],
) -> dict[str, Any]:
    """How a set was measured, as plain values.

    Args:
        observed: What the pass has left.
        points: For each layer that could be read, one point per ruler.
        observer: How layers are read.
        tags: What tags call each layer.
        earlier: What was said before, for layers that are left out at this point.
    """
    plan = observer.plan
    layers = {layer["tag"]: layer for layer in earlier.get("layers", [])}
    for layer in plan.layers if plan else ():
        if layer.name in points:
            layers[tags[layer.name]] = {
                "tag": tags[layer.name],
                "module": layer.module_name,
                "call": layer.call,
                "reduction": repr(observer.reductions[layer.name]),
                "estimand": observer.reductions[layer.name].estimand,
                "rulers": [repr(ruler) for ruler in observer.rulers[layer.name]],
                "bins": [repr(spec) for spec in observer.specs[layer.name]],
                "slugs": list(observer.slugs[layer.name]),
                "tag_of_ruler": ["", *observer.slugs[layer.name][1:]],
                "H_T_given_X": [point.noise.known for point in points[layer.name]],
            }
    return {
        "n_samples": len(observed.labels),
        "n_unlabelled": observed.n_unlabelled,
        "H_Y": label_entropy(observed.labels),
        "classes": classes_of(observed.labels)[0].tolist(),
        "share_of_repeated_inputs": None
        if observed.inputs is None
        else share_repeated(observed.inputs),
        "layers": [layers[tag] for tag in tags.values() if tag in layers],
        "skipped": plan.skipped if plan else {},
        "missed": observed.missed,
        "faults": {name: why for name, why in observed.faults.items() if tags[name] not in layers},
    }


def cautions_of(
    set_: str,
    observed: Observed,
    points: Mapping[str, list[Point]],
    observer: LayerObserver,
    *,
    stochastic: Collection[str],
    exhaustive: bool,
) -> list[Caution]:
    """All that a reader of the point should be told.

    Args:
        set_: What the set is called.
        observed: What the pass has left.
        points: For each layer that could be read, one point per ruler; the first counts.
        observer: How layers are read.
        stochastic: Layers that two passes of one batch gave different symbols.
        exhaustive: Whether the samples are all there is.
    """
    classes, n_in_class = classes_of(observed.labels)
    told: list[Caution] = []
    if not exhaustive:
        missing = sorted(set(range(int(classes.max()))) - set(classes.tolist()))
        repeated = None if observed.inputs is None else share_repeated(observed.inputs)
        told += cautions.of_set(set_, n_in_class.tolist(), missing, repeated)
        n_first = len(classes_of(observed.labels[:CALIBRATION_ROWS])[0])
        if observer.was_calibrated and n_first < len(classes):
            told.append(cautions.calibrated_on_few_classes(set_, n_first, len(classes)))
    skipped = observer.plan.skipped if observer.plan else {}
    never_called = [name for name, reason in skipped.items() if reason == NEVER_CALLED]
    if never_called:
        told.append(cautions.silent(set_, never_called))
    facts = {
        name: cautions.LayerFacts(
            of_layer[0].layer,
            observed.n_units[name],
            of_layer[0].of_layer,
            of_layer[0].with_labels,
            observer.growth(name, observed.reach[name]),
            name in stochastic,
        )
        for name, of_layer in points.items()
    }
    for of_one in facts.values():
        told += cautions.of_layer(of_one)
    follows = observer.plan.follows if observer.plan else {}
    for after, before in follows.items():
        # What a reduction leaves out of one layer the next one may still have.
        if before in facts and after in facts and observer.is_whole(before):
            told += cautions.of_successor(facts[before], facts[after])
    return told
