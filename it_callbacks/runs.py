"""Scalars and texts of a log, by tag, in; a `Run` that figures, tables and reports are made of out.

Standard library only, as all that TensorBoard's tab is made of.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any, NamedTuple

from it_callbacks.records import QUANTITIES, ROOTS, Record

Series = Mapping[int, float]
"""From a step to the value there, in increasing order of steps."""


class Key(NamedTuple):
    """Which numbers a series holds."""

    quantity: str
    """With the slug of the ruler, where it is not the first: ``I_XT_uniform5``."""
    set: str
    layer: str


_OF_LAYERS = "|".join(
    re.escape(name) for name in sorted(QUANTITIES, key=len, reverse=True) if name not in ROOTS
)
_TAG = re.compile(
    r"(?P<prefix>(?:.*-)?)(?P<root>"
    + "|".join(ROOTS)
    + r")/(?P<set>[^/]+)/"
    + rf"(?:(?P<quantity>(?:{_OF_LAYERS})(?:_[^/]+)?)/(?P<layer>[^/]+)"
    + r"|(?P<rest>[^/]+(?:/class_\d+)?))",
    re.DOTALL,
)
_TEXT = re.compile(
    r"(?P<prefix>(?:.*-)?)(?P<group>[a-z_]+)/(?P<set>[^/]+)/(?P<what>settings|warnings|verdicts)",
    re.DOTALL,
)


class Resolution(NamedTuple):
    """One way in which a plane was read."""

    label: str
    rulers: Mapping[str, str]
    """For each layer, what tags add to a quantity; the empty text for the first ruler."""

    def quantity(self, name: str, layer: str) -> str:
        """The quantity as tags of `layer` name it.

        Example:
            >>> Resolution("5 bins", {"fc1": "uniform5"}).quantity("I_XT", "fc1")
            'I_XT_uniform5'
        """
        ruler = self.rulers.get(layer, "")
        return f"{name}_{ruler}" if ruler else name


_DERIVED = "|".join(name.removeprefix("I_TY_") for name in QUANTITIES if name.startswith("I_TY_"))
_WITH_RULER = re.compile(rf"I_TY(?:_(?!(?:{_DERIVED})(?:_|$))(?P<ruler>.+))?")


def _label(number: int, n_ways: int, rulers: Iterable[str]) -> str:
    """The rulers of all layers, and which of several ways this is; empty if nothing tells."""
    named = ", ".join(dict.fromkeys(ruler for ruler in rulers if ruler))
    place = f"bins[{number}]" if n_ways > 1 else ""
    return ": ".join(filter(None, (place, named)))


class Tag(NamedTuple):
    """A tag taken apart."""

    prefix: str
    key: Key


def parse_tag(tag: str) -> Tag | None:
    """The parts of a monitor's tag, with the prefix of its logger; None if it is not a monitor's.

    Example:
        >>> parse_tag("mine-information_plane/val/I_XT_uniform5/fc1")
        Tag(prefix='mine', key=Key(quantity='I_XT_uniform5', set='val', layer='fc1'))
        >>> parse_tag("val_loss")
    """
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    plane = match["root"] == _PLANE
    if plane != bool(match["quantity"]) and match["rest"] not in ("epoch", "overhead"):
        return None
    if match["quantity"]:
        key = Key(match["quantity"], match["set"], match["layer"])
    else:
        key = Key(match["root"], match["set"], match["rest"])
    return Tag(match["prefix"][:-1], key)


@dataclass(frozen=True)
class Run:
    """What one training has logged of itself.

    Args:
        name: What it is called: its folder below the log directory.
        series: The numbers.
        epochs: From steps to finished epochs, where they were logged.
        settings: By ``<group>/<set>``, how the numbers were measured.
        verdicts: By set and layer, whether it has compressed, in words.
        warnings: What the monitors warned of, in words.
        spread: Standard deviations over repeats, where `series` are means over them.
    """

    name: str
    series: Mapping[Key, Series]
    epochs: Mapping[int, int] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    spread: Mapping[Key, Series] = field(default_factory=dict)

    def sets(self, quantity: str) -> list[str]:
        """The sets that `quantity` was measured on, in alphabetical order."""
        return sorted({key.set for key in self.series if key.quantity == quantity})

    def layers(self, quantity: str, set_: str) -> list[str]:
        """The layers that `quantity` was measured of: in order of depth where settings tell it.

        Layers that the settings do not list come last, numbers in their names in order.
        """
        found = {key.layer for key in self.series if key[:2] == (quantity, set_)}
        depth = {layer["tag"]: place for place, layer in enumerate(self._listed(set_))}
        return sorted(found, key=lambda layer: (depth.get(layer, len(depth)), natural(layer)))

    def _listed(self, set_: str) -> list[Mapping[str, Any]]:
        """What the settings say of each layer; empty where they are of no form that we write."""
        layers = self.settings.get(f"information_plane/{set_}", {}).get("layers")
        return [
            layer
            for layer in (layers if isinstance(layers, list) else [])
            if isinstance(layer, Mapping) and isinstance(layer.get("tag"), str)
        ]

    def resolutions(self, set_: str) -> list[Resolution]:
        """The ways in which the set's plane was read, as `bins=` listed them; at least the first.

        Which layer has which ruler is in the settings; without them every ruler is a way of its
        own, for the layers that have it.
        """
        by_layer = {
            layer["tag"]: [str(ruler) for ruler in layer["tag_of_ruler"]]
            for layer in self._listed(set_)
            if isinstance(layer.get("tag_of_ruler"), list)
        }
        counts = {len(rulers) for rulers in by_layer.values()}
        if len(counts) == 1 and 0 not in counts:
            n_ways = counts.pop()
            slugs = {
                layer["tag"]: list(map(str, layer["slugs"]))
                for layer in self._listed(set_)
                if isinstance(layer.get("slugs"), list) and len(layer["slugs"]) == n_ways
            }
            named = {**by_layer, **slugs}  # the first ruler has no name in tags
            return [
                Resolution(
                    _label(number, n_ways, [rulers[number] for rulers in named.values()]),
                    {layer: rulers[number] for layer, rulers in by_layer.items()},
                )
                for number in range(n_ways)
            ]
        found = {
            match["ruler"] or ""
            for key in self.series
            if key.set == set_ and (match := _WITH_RULER.fullmatch(key.quantity)) is not None
        }
        first = "the first ruler" if found - {""} else ""
        return [
            Resolution(ruler or first, dict.fromkeys(self.layers("I_TY", set_), ruler))
            for ruler in sorted(found | {""}, key=natural)
        ]

    def reading(self, key: Key) -> str:
        """How the numbers of a series were measured, as far as the settings tell: alike or not.

        Series that were read in different ways have no mean. What was calibrated differs from
        training to training, and makes no difference here; what it was calibrated to does.
        """
        told = self.settings.get(f"{_group(key.quantity)}/{key.set}", {})
        layer = next((of for of in self._listed(key.set) if of["tag"] == key.layer), {})
        alike = [told.get("n_samples"), told.get("exhaustive")]
        alike += [layer.get("bins"), layer.get("estimand")]
        return json.dumps(alike, default=str)

    @property
    def records(self) -> list[Record]:
        """Every number as a record, point by point; where the epoch was not logged it is -1."""
        rows = [
            Record(*key, value, step, self.epochs.get(step, -1), self._n_samples(key))
            for key, series in self.series.items()
            for step, value in series.items()
        ]
        return sorted(rows, key=lambda record: record.step)

    def _n_samples(self, key: Key) -> int:
        """Of the monitor that logs the quantity; 0 where its settings do not tell."""
        n_samples = self.settings.get(f"{_group(key.quantity)}/{key.set}", {}).get("n_samples")
        return n_samples if isinstance(n_samples, int) else 0


_PLANE = "information_plane"
_GROUPS = {
    "prediction_entropy": "prediction_entropy",
    "conditional_entropy": "conditional_entropy",
    "label_information": "conditional_entropy",
}
"""From how a quantity begins to the settings of its monitor; all others are the plane's."""


def _group(quantity: str) -> str:
    return next((of for start, of in _GROUPS.items() if quantity.startswith(start)), _PLANE)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts ``fc10`` after ``fc2``."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
    ]


def from_records(
    name: str, records: Iterable[Record], settings: Mapping[str, Mapping[str, Any]]
) -> Run:
    """The run that a monitor's history is.

    Args:
        name: What to call it.
        records: The history.
        settings: By ``<group>/<set>``.
    """
    series: dict[Key, dict[int, float]] = defaultdict(dict)
    epochs: dict[int, int] = {}
    for record in records:
        series[Key(record.quantity, record.set, record.layer)][record.step] = record.bits
        epochs[record.step] = record.epoch
    return Run(name, dict(series), epochs, settings)


def from_log(
    name: str,
    scalars: Mapping[str, Iterable[tuple[int, float]]],
    texts: Mapping[str, str],
) -> list[Run]:
    """The runs in one log: one, or one for each prefix of a logger.

    A step that was logged twice, by a resumed training, has its last value.

    Args:
        name: What the log is called.
        scalars: For each tag, steps and values.
        texts: For each tag, the last text.
    """
    series: dict[str, dict[Key, dict[int, float]]] = defaultdict(dict)
    for tag, points in scalars.items():
        parsed = parse_tag(tag)
        if parsed is not None:
            series[parsed.prefix][parsed.key] = dict(sorted(dict(points).items()))
    told: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for tag, text in texts.items():
        match = _TEXT.fullmatch(tag)
        if match is not None:
            told[match["prefix"][:-1]][match["what"]][f"{match['group']}/{match['set']}"] = text
    runs = []
    for prefix, of_prefix in series.items():
        said = told[prefix]
        epochs = {
            step: round(epoch)
            for key, points in of_prefix.items()
            if _is_epoch(key)
            for step, epoch in points.items()
            if math.isfinite(epoch)
        }
        runs.append(
            Run(
                f"{name} ({prefix})" if prefix else name,
                {key: points for key, points in of_prefix.items() if not _is_epoch(key)},
                epochs,
                settings={of: _json(text, dict) for of, text in said["settings"].items()},
                verdicts={
                    of.partition("/")[2]: _texts(_json(text, dict))
                    for of, text in said["verdicts"].items()
                },
                warnings=list(
                    dict.fromkeys(
                        str(line)
                        for text in said["warnings"].values()
                        for line in _json(text, list)
                    )
                ),
            )
        )
    return runs


def _is_epoch(key: Key) -> bool:
    return key.quantity in ROOTS and key.layer == "epoch"


def _json(text: str, kind: type) -> Any:
    """What a text entry holds; empty where it is of no form that the monitors write."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return kind()
    return value if isinstance(value, kind) else kind()


def _texts(mapping: Mapping[Any, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in mapping.items()}


def are_repeats(runs: Sequence[Run]) -> bool:
    """Whether the runs measured the same layers of the same sets alike, so that they have a mean.

    With the same rulers, reductions and numbers of samples, as far as their settings tell; how
    they were trained is not known.
    """
    measured = [
        {(key, run.reading(key)) for key in run.series if key.quantity == "I_XT"} for run in runs
    ]
    return len(runs) > 1 and bool(measured[0]) and all(of == measured[0] for of in measured)


def averaged(runs: Sequence[Run]) -> Run:
    """Mean and standard deviation over repeats, at the steps that all of them measured.

    A step where one run has no finite value is left out: a mean over the others would jump. The
    status of a mean is the worst of those that went into it.

    Args:
        runs: At least two, of the same layers; see `are_repeats`.

    Raises:
        ValueError: Fewer than two runs.
    """
    if len(runs) < 2:
        raise ValueError(f"runs: a spread needs at least 2, got {len(runs)}")
    first = runs[0]
    means: dict[Key, dict[int, float]] = {}
    spread: dict[Key, dict[int, float]] = {}
    for key in first.series:
        several = [run.series.get(key, {}) for run in runs]
        at = {
            step: [series[step] for series in several]
            for step in several[0]
            if all(math.isfinite(series.get(step, math.nan)) for series in several)
        }
        if not at:
            continue
        if key.quantity.partition("_")[0] == "status":
            means[key] = {step: max(values) for step, values in at.items()}
            continue
        means[key] = {step: fmean(values) for step, values in at.items()}
        spread[key] = {step: stdev(values) for step, values in at.items()}
    return Run(
        f"mean of {len(runs)} runs{_cut_off(runs, first.epochs)}",
        means,
        first.epochs,
        first.settings,
        warnings=list(dict.fromkeys(line for run in runs for line in run.warnings)),
        spread=spread,
    )


def _cut_off(runs: Sequence[Run], epochs: Mapping[int, int]) -> str:
    """Where the mean ends, if one of the runs goes on."""
    measured = [
        {step for key, of in run.series.items() if key.quantity == "I_XT" for step in of}
        for run in runs
    ]
    last = max(set.intersection(*measured), default=None)
    if last is None or all(max(steps) == last for steps in measured):
        return ""
    return f", up to epoch {epochs[last]}" if last in epochs else f", up to step {last}"
