"""Make runs, of which figures, tables and reports are made, of what was logged or kept.

Standard library only, as all that TensorBoard's tab is made of.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from it_callbacks.derived import DERIVABLE, derived, is_derivable, sources
from it_callbacks.derived import Series as Series
from it_callbacks.own_quantities import from_rows
from it_callbacks.quantities import (
    OF_EXTRAS,
    OF_WIDE,
    PLANE,
    QUANTITIES,
    ROOTS,
    Quantity,
    monitor_of,
)
from it_callbacks.records import Record, epoch_of, is_read_by_rulers, split_ruler
from it_callbacks.resumed import resumed
from it_callbacks.set_order import in_order
from it_callbacks.tags import Key as Key
from it_callbacks.tags import parse_tag as parse_tag
from it_callbacks.texts import Verdicts as Verdicts
from it_callbacks.texts import from_text, verdicts_of
from it_callbacks.wide_settings import WideSettings, number, wide_settings

_TEXT = re.compile(
    rf"(?P<prefix>(?:.*-)?)(?P<root>{'|'.join(ROOTS)})/(?P<set>[^/]+)/"
    r"(?P<kind>settings|warnings|verdicts)",
    re.DOTALL,
)


class Rulers(NamedTuple):
    """One of the ways to read a plane that ``bins=[...]`` lists: a ruler for each layer."""

    label: str
    slugs: Mapping[str, str]
    """For each layer, what tags add to a quantity; the empty text for the first ruler."""

    def key(self, quantity: str, set_: str, layer: str) -> Key:
        """Return the key of a quantity of `layer` as its ruler reads it.

        Example:
            >>> Rulers("5 bins", {"fc1": "uniform5"}).key("I_XT", "val", "fc1").ruler
            'uniform5'
        """
        ruler = self.slugs.get(layer, "") if is_read_by_rulers(quantity) else ""
        return Key(quantity, set_, layer, ruler)


@dataclass(frozen=True)
class Run:
    """What one training has logged of itself.

    Args:
        name: What it is called: its folder below the log directory.
        series: The logged values.
        epochs: From steps to finished epochs, where they were logged.
        settings: By ``<root>/<set>``, how the values were measured.
        verdicts: By set, layer and ruler, whether it has compressed, in words.
        warnings: What the monitors warned of, in words.
        lost: What of its files is damaged, and what was dropped on reading them, in words.
        spread: Standard deviations over repeats, where `series` are means over them.
    """

    name: str
    series: Mapping[Key, Series]
    epochs: Mapping[int, int] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    verdicts: Mapping[str, Verdicts] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    spread: Mapping[Key, Series] = field(default_factory=dict)
    lost: Sequence[str] = ()

    @cached_property
    def own(self) -> Mapping[str, Quantity]:
        """The quantities of the run's own estimators, by name."""
        return own_quantities(self.settings)

    def about(self, name: str) -> Quantity:
        """Return the row of the table for a quantity; a row that knows no unit for others."""
        return QUANTITIES.get(name) or self.own.get(name) or Quantity(name, unit="value")

    def around(self, name: str) -> tuple[str, ...]:
        """Return the quantities that an interval is drawn from: its two ends, or standard errors.

        Example:
            >>> run = Run("a", {})
            >>> run.around("noise_I_TY"), run.around("V_TY"), run.around("I_TY")
            (('noise_I_TY_low', 'noise_I_TY_high'), ('V_TY_se',), ())
        """
        error = f"{name}_se"
        known = error in QUANTITIES or error in self.own
        return self.about(name).interval or ((error,) if known else ())

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """Of all that was logged, and of all that can be derived from it."""
        more = dict.fromkeys(
            Key(name, key.set, key.layer, key.ruler)
            for key in self.series
            for name in DERIVABLE
            if key.quantity == sources(name)[0] and self._is_derivable(key, name)
        )
        return tuple({**dict.fromkeys(self.series), **more})

    def _is_derivable(self, key: Key, name: str) -> bool:
        return is_derivable(
            name,
            lambda source: key._replace(quantity=source) in self.series,
            self.label_entropy(key.set),
        )

    def values(self, key: Key) -> Series:
        """Return the values under a key, logged or derived; empty if there are none."""
        if key in self.series or key.quantity not in DERIVABLE:
            return self.series.get(key, {})
        parts = [
            self.series.get(key._replace(quantity=source), {}) for source in sources(key.quantity)
        ]
        entropy = self.label_entropy(key.set)
        if entropy is None or not self._is_derivable(key, key.quantity):
            return {}
        return derived(key.quantity, parts, entropy)

    def label_entropy(self, set_: str) -> float | None:
        """Return H(Y) of a set in bits; None where the settings do not hold it."""
        return self.setting(PLANE, set_, "H_Y")

    def label_symbol(self, set_: str) -> str:
        """Return how axes write Y of a set: ``bin Y`` where it is a regression target.

        Example:
            >>> Run("a", {}, settings={"information_plane/val": {"Y": "bin Y"}}).label_symbol("val")
            'bin Y'
        """
        is_binned = self.settings.get(f"{PLANE}/{set_}", {}).get("Y") == "bin Y"
        return "bin Y" if is_binned else "Y"

    def setting(self, root: str, set_: str, name: str) -> float | None:
        """Return a number from the settings; None where they do not tell it."""
        return number(self.settings.get(f"{root}/{set_}", {}).get(name))

    def wide(self, set_: str) -> WideSettings:
        """Return how the layers of a set were read at any width."""
        return wide_settings(self.settings.get(f"{PLANE}/{set_}", {}))

    def sets(self, quantity: str) -> list[str]:
        """Return the sets that have a quantity of the table, validation first, training last."""
        return in_order(key.set for key in self.keys if key.name == quantity and not key.ruler)

    def layers(self, quantity: str, set_: str) -> list[str]:
        """Return the layers that have `quantity`: in order of depth where the settings give it.

        Layers that the settings do not list come last, numbers in their names in order.
        """
        found = {key.layer for key in self.keys if key[:2] == (quantity, set_) and not key.ruler}
        depth = {layer["tag"]: place for place, layer in enumerate(self._listed(set_))}
        return sorted(found, key=lambda layer: (depth.get(layer, len(depth)), natural(layer)))

    def _listed(self, set_: str) -> list[Mapping[str, Any]]:
        """The settings of each layer; empty where they are of no form that we write."""
        found = self.settings.get(f"{PLANE}/{set_}", {}).get("layers")
        layers = (
            [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
        )
        return [each for each in layers if isinstance(each.get("tag"), str)]

    def rulers(self, set_: str) -> list[Rulers]:
        """Return the ways in which the set's plane was read, as `bins=` listed them; at least one.

        Which layer has which ruler is in the settings; without them every ruler in the tags is a
        way of its own, for the layers that have it.
        """
        by_layer = {
            layer["tag"]: [str(ruler) for ruler in layer["tag_of_ruler"]]
            for layer in self._listed(set_)
            if isinstance(layer.get("tag_of_ruler"), list)
        }
        counts = {len(slugs) for slugs in by_layer.values()}
        if len(counts) != 1 or 0 in counts:
            return self._rulers_in_tags(set_)
        n_rulers = counts.pop()
        named = by_layer | {  # in tags the first ruler has no name
            layer["tag"]: list(map(str, layer["slugs"]))
            for layer in self._listed(set_)
            if isinstance(layer.get("slugs"), list) and len(layer["slugs"]) == n_rulers
        }
        return [
            Rulers(
                _label(number, n_rulers, [slugs[number] for slugs in named.values()]),
                {layer: slugs[number] for layer, slugs in by_layer.items()},
            )
            for number in range(n_rulers)
        ]

    def _rulers_in_tags(self, set_: str) -> list[Rulers]:
        found = {k.ruler for k in self.series if k.set == set_ and is_read_by_rulers(k.quantity)}
        first = "the first ruler" if found - {""} else ""
        return [
            Rulers(slug or first, dict.fromkeys(self.layers("I_TY", set_), slug))
            for slug in sorted(found | {""}, key=natural)
        ]

    def method(self, key: Key) -> str:
        """Return how the values under a key were measured, as far as the settings go.

        Series that were measured in different ways have no mean. What was calibrated differs from
        training to training, and makes no difference here; what it was calibrated to does.
        """
        if key.quantity in OF_WIDE:
            return self.wide(key.set).method
        settings = self.settings.get(f"{monitor_of(key.quantity)}/{key.set}", {})
        layer = next((each for each in self._listed(key.set) if each["tag"] == key.layer), {})
        alike = [settings.get("n_samples"), settings.get("exhaustive")]
        alike += [layer.get("bins"), layer.get("estimand")]
        return json.dumps(alike, default=str)

    def n_samples(self, key: Key) -> int | None:
        """Return how many samples a value is of; None where the settings do not hold it."""
        if key.quantity in OF_WIDE:
            return self.wide(key.set).n_samples_of(key.layer, key.quantity)
        settings = self.settings.get(f"{monitor_of(key.quantity)}/{key.set}", {})
        is_extra = key.quantity in self.own or QUANTITIES.get(key.quantity) in OF_EXTRAS
        n_samples = settings.get("extra_samples" if is_extra else "n_samples")
        return n_samples if isinstance(n_samples, int) else None


def own_quantities(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Quantity]:
    """Return the quantities that the settings of planes declare, by name."""
    return {
        name: row
        for place, values in settings.items()
        if place.startswith(f"{PLANE}/")
        for name, row in from_rows(values.get("quantities")).items()
    }


def _label(number: int, n_rulers: int, slugs: Iterable[str]) -> str:
    """The rulers of all layers, and which of several this is; empty if neither is known."""
    named = ", ".join(dict.fromkeys(slug for slug in slugs if slug))
    place = f"bins[{number}]" if n_rulers > 1 else ""
    return ": ".join(filter(None, (place, named)))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``fc10`` after ``fc2``."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
    ]


def from_records(
    name: str,
    records: Iterable[Record],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    verdicts: Mapping[str, Verdicts] | None = None,
    warnings: Sequence[str] = (),
) -> Run:
    """Return the run that a monitor's history is, as its log would give it.

    Args:
        name: What to call it.
        records: The history.
        settings: By ``<root>/<set>``.
        verdicts: By set, layer and ruler, in words.
        warnings: What the monitor warned of.
    """
    own = own_quantities(settings)
    series: dict[Key, dict[int, float]] = defaultdict(dict)
    epochs: dict[int, int] = {}
    keys: dict[tuple[str, str, str], Key] = {}
    for record in records:
        place = (record.quantity, record.set, record.layer)
        if place not in keys:
            quantity, ruler = split_ruler(record.quantity, own) or (record.quantity, "")
            keys[place] = Key(quantity, record.set, record.layer, ruler)
        epochs[record.step] = record.epoch
        if not _is_epoch(keys[place]):
            series[keys[place]][record.step] = record.bits
    return Run(name, dict(series), epochs, settings, verdicts or {}, warnings)


class Outline(NamedTuple):
    """A run without its values: its keys, settings and texts, and under which tag each key is."""

    run: Run
    tags: Mapping[str, Key]

    def filled(
        self, scalars: Mapping[str, Iterable[tuple[int, float]]], most: float = math.inf
    ) -> Run:
        """Return the run with its values.

        What was logged from a step on before it was logged again, by a resumed training, is
        dropped. What is measured at every point and is missing at one had no finite value there,
        and is NaN.

        Args:
            scalars: For each tag, steps and values as they were logged; a tag that is missing
                stays empty.
            most: So many points of a tag were read at most: of more, which are missing is unknown.
        """
        series = {key: resumed(scalars.get(tag, ())) for tag, key in self.tags.items()}
        times = {key: points for key, points in series.items() if _is_epoch(key)}
        epochs = {
            step: round(epoch)
            for points in times.values()
            for step, epoch in points.items()
            if math.isfinite(epoch)
        }
        values = {key: points for key, points in series.items() if key not in times}
        for key, points in values.items():
            steps = times.get(Key(PLANE, key.set, epoch_of(key.quantity)), {})
            if points and len(steps) < most and points.keys() != steps.keys():
                values[key] = {
                    step: points.get(step, math.nan) for step in sorted({*steps, *points})
                }
        return replace(self.run, series=values, epochs=epochs)


def outlines(name: str, tags: Iterable[str], texts: Mapping[str, str]) -> list[Outline]:
    """Return the outlines of the runs in one log, each tag being taken apart once.

    Args:
        name: What the log is called.
        tags: Of its scalars; those of others are passed over.
        texts: For each tag, the last text.
    """
    found: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for tag, text in texts.items():
        if (match := _TEXT.fullmatch(tag)) is not None:
            found[match["prefix"][:-1]][match["kind"]][f"{match['root']}/{match['set']}"] = text
    settings = {
        prefix: {place: from_text(text, dict) for place, text in by_kind["settings"].items()}
        for prefix, by_kind in found.items()
    }
    own: dict[str, Quantity] = {}
    for by_place in settings.values():
        own |= own_quantities(by_place)
    keys: dict[str, dict[str, Key]] = defaultdict(dict)
    for tag in tags:
        parsed = parse_tag(tag, own)
        if parsed is not None:
            keys[parsed.prefix][tag] = parsed.key
    return [
        Outline(
            Run(
                f"{name} ({prefix})" if prefix else name,
                {key: {} for key in key_of.values() if not _is_epoch(key)},
                settings=settings.get(prefix, {}),
                verdicts={
                    place.partition("/")[2]: verdicts_of(text)
                    for place, text in found[prefix]["verdicts"].items()
                },
                warnings=list(
                    dict.fromkeys(
                        str(line)
                        for text in found[prefix]["warnings"].values()
                        for line in from_text(text, list)
                    )
                ),
            ),
            key_of,
        )
        for prefix, key_of in keys.items()
    ]


def _is_epoch(key: Key) -> bool:
    return key.quantity in ROOTS and key.layer in ("epoch", "wide_epoch")
