"""Choose what findings are about: the run or the mean of its repeats, the set, the reading."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from it_callbacks.figures.labels import short_names
from it_callbacks.findings.curves import Curve, curve, is_there, last_known
from it_callbacks.quantities import PLANE
from it_callbacks.records import Status
from it_callbacks.runs import Key, Rulers, Run
from it_callbacks.set_order import is_named_training, rank
from it_callbacks.texts import TRAINING_SET


def is_training(run: Run, root: str, set_: str) -> bool:
    """Whether a set is of the training samples, by its settings or else by its name.

    Example:
        >>> of = {"information_plane/seen": {"measured_on": TRAINING_SET}}
        >>> is_training(Run("a", {}, settings=of), "information_plane", "seen")
        True
        >>> is_training(Run("a", {}), "information_plane", "train")
        True
    """
    measured_on = run.settings.get(f"{root}/{set_}", {}).get("measured_on")
    if measured_on == TRAINING_SET:
        return True
    return is_named_training(set_)


def main_set(run: Run, root: str, sets: Iterable[str]) -> str | None:
    """Return the set that findings are about; None where there is none.

    ``val`` before others that begin so, before all others, before those of training.

    Example:
        >>> main_set(Run("a", {}), "information_plane", ["data", "train", "val_1"])
        'val_1'
    """
    return min(
        sets, key=lambda set_: rank(set_, is_training=is_training(run, root, set_)), default=None
    )


def training_set(run: Run, root: str, sets: Iterable[str]) -> str | None:
    """Return the training set among some; None where there is none."""
    return next((set_ for set_ in sorted(sets) if is_training(run, root, set_)), None)


def set_in_words(set_: str) -> str:
    """Write what a set that is not trained on is called in a sentence.

    Example:
        >>> set_in_words("val_iid"), set_in_words("mine")
        ('validation', 'set mine')
    """
    return "validation" if set_.startswith("val") else f"set {set_}"


_OF_Y = "V_TY", "I_TY_adjusted"


@dataclass(frozen=True)
class Plane:
    """The layers of one set of a run, in the reading in which more of them can be read.

    Args:
        run: One training, or the mean over repeats.
        set: Which set.
        n_runs: How many repeats the run is the mean of.
        n_sets: Sets of planes that the run has.
    """

    run: Run
    set: str
    n_runs: int = 1
    n_sets: int = 1

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """All layers in order of depth, by their full names."""
        of_both = [self.run.layers(name, self.set) for name in ("I_XT", "relative_I_XT")]
        return tuple(
            dict.fromkeys(name for some in sorted(of_both, key=len)[::-1] for name in some)
        )

    @cached_property
    def _short(self) -> dict[str, str]:
        return dict(zip(self.layers, short_names(self.layers), strict=True))

    def name(self, layer: str) -> str:
        """The short name of a layer, as figures write it."""
        return self._short[layer]

    def names(self, layers: Iterable[str]) -> list[str]:
        """The short names of some layers."""
        return [self._short[layer] for layer in layers]

    @cached_property
    def wide_layers(self) -> tuple[str, ...]:
        """Those that can be read at any width: whose last point has y, or x where there is no Y."""
        quantity = "V_TY" if self.has_labels else "relative_I_XT"
        return tuple(
            layer for layer in self.layers if is_there(self.run, Key(quantity, self.set, layer))
        )

    @cached_property
    def has_labels(self) -> bool:
        """Whether there is anything about the label."""
        return bool(self.run.layers("V_TY", self.set) or self.run.layers("I_TY", self.set))

    @cached_property
    def rulers(self) -> Rulers:
        """The rulers with which most layers can be read as binned codes."""
        return max(self.run.rulers(self.set), key=lambda each: len(self._readable(each)))

    @cached_property
    def code_layers(self) -> tuple[str, ...]:
        """Those that can be read as binned codes: their last point is not saturated."""
        return self._readable(self.rulers)

    def _readable(self, rulers: Rulers) -> tuple[str, ...]:
        return tuple(
            layer
            for layer in self.layers
            if is_there(
                self.run, rulers.key("I_XT", self.set, layer), self._saturated(rulers, layer)
            )
        )

    def _saturated(self, rulers: Rulers, layer: str) -> Collection[int]:
        status = self.run.values(rulers.key("status", self.set, layer))
        return {step for step, value in status.items() if value == Status.SATURATED}

    @property
    def saturated(self) -> tuple[str, ...]:
        """Those whose last point as a binned code is saturated."""
        return tuple(
            layer
            for layer in self.layers
            if last_known(self.run, self.rulers.key("I_XT", self.set, layer))
            in self._saturated(self.rulers, layer)
        )

    @cached_property
    def is_wide(self) -> bool:
        """Whether any width is the reading with most readable layers; it wins a tie."""
        return bool(self.wide_layers) and len(self.wide_layers) >= len(self.code_layers)

    @property
    def readable(self) -> tuple[str, ...]:
        """The layers that can be read in this reading."""
        return self.wide_layers if self.is_wide else self.code_layers

    def x(self, layer: str) -> Curve:
        """What the layer keeps apart of the inputs, where it is not saturated."""
        return self._curve("relative_I_XT", "I_XT", layer)

    def y(self, layer: str) -> Curve:
        """What can be found in the layer about the label, where it is not saturated."""
        return self._curve(*_OF_Y, layer)

    def every_y(self, layer: str) -> Curve:
        """The same, all points of it: to be compared with that of another set."""
        return self._curve(*_OF_Y, layer, is_thinned=False)

    def _curve(self, wide: str, code: str, layer: str, *, is_thinned: bool = True) -> Curve:
        of = self.rulers.key(code, self.set, layer)
        if self.is_wide:
            of = Key(wide, self.set, layer)
        key = of, is_thinned
        if key not in self._curves:
            without = () if self.is_wide else self._saturated(self.rulers, layer)
            self._curves[key] = curve(self.run, of, without, is_thinned=is_thinned)
        return self._curves[key]

    @cached_property
    def _curves(self) -> dict[tuple[Key, bool], Curve]:
        """Those that were asked for, since many rules ask for the same."""
        return {}

    @property
    def label_entropy(self) -> float:
        """H(Y) of the samples that y is of, in bits; NaN where unknown."""
        wide = self.run.wide(self.set).label_entropy if self.is_wide else None
        found = self.run.label_entropy(self.set) if wide is None else wide
        return math.nan if found is None else found

    @property
    def label(self) -> str:
        """What y is about, in words."""
        among = self.run.wide(self.set).classes if self.is_wide else ""
        is_binned = self.run.label_symbol(self.set) == "bin Y"
        label = "binned target" if is_binned else "label"
        return f"{label} ({among})" if among else label

    @property
    def where(self) -> str:
        """Of which set a sentence is, where there are several or it is of training."""
        if is_training(self.run, PLANE, self.set):
            return ", on training samples"
        return f", on set {self.set}" if self.n_sets > 1 else ""


def planes(run: Run, sets: Collection[str], n_runs: int) -> tuple[Plane | None, Plane | None]:
    """Return the plane that findings are about, and that of the training set.

    Args:
        run: One training, or the mean over repeats.
        sets: Only these; all if empty.
        n_runs: How many repeats the run is the mean of.
    """
    there = {*run.sets("I_XT"), *run.sets("relative_I_XT")}
    there = {set_ for set_ in there if not sets or set_ in sets}
    main, training = main_set(run, PLANE, there), training_set(run, PLANE, there)
    found = [
        None if set_ is None else Plane(run, set_, n_runs, len(there)) for set_ in (main, training)
    ]
    return found[0], (None if training == main else found[1])
