"""Name and keep values: the record of one value, its tag, and the slugs that tags are made of.

This is the contract between what writes values (the monitors) and what reads them (the TensorBoard
tab, the report, the command line, a user's own script). Standard library only: TensorBoard imports
this room at every start.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from it_callbacks.quantities import OF_WIDE, PER_RULER, PLANE, ROOTS, SUFFIXES
from it_callbacks.quantities import QUANTITIES as QUANTITIES
from it_callbacks.quantities import Quantity as Quantity


class Status(IntEnum):
    """How far a point can be read as information, logged as ``status``."""

    OK = 0
    """Coverage >= 0.95 and chance share <= 0.05; chance still has its part in I(T;Y)."""
    CAUTION = 1
    """Read it as a trend only: between OK and SATURATED."""
    SATURATED = 2
    """Coverage < 0.5 or chance share > 0.5: nearly one symbol per sample, whatever the labels."""


@dataclass(frozen=True)
class Record:
    """One value of one point: what was measured, where, when.

    Args:
        quantity: The root of the tag, or below ``information_plane`` the quantity: ``"I_XT"``,
            with the slug of a further ruler ``"I_XT_uniform5"``.
        set: What the value was measured on: ``val``, ``train``, ``test``, ``data`` or the
            monitor's own name.
        layer: Last part of the tag: the layer, the class (``class_3``) or the kind (``mean``).
        bits: The value, in bits unless `QUANTITIES` names another unit.
        step: ``trainer.global_step`` when it was measured: optimizer steps done.
        epoch: Finished epochs when it was measured; 0 is before the end of the first one (of a
            fixed set: before the first step).
        n_samples: Samples that the value was computed from.

    Example:
        >>> Record("I_XT", "val", "encoder", 3.5, step=120, epoch=2, n_samples=360).tag
        'information_plane/val/I_XT/encoder'
    """

    quantity: str
    set: str
    layer: str
    bits: float
    step: int
    epoch: int
    n_samples: int

    @property
    def name(self) -> str:
        """What is measured: the quantity of a layer, or the root with what follows the set.

        Example:
            >>> Record("information_plane", "val", "epoch", 2, step=0, epoch=2, n_samples=1).name
            'information_plane/epoch'
        """
        return name_of(self.quantity, self.layer)

    @property
    def tag(self) -> str:
        """The name under which every logger gets the value."""
        return tag_of(self.quantity, self.set, self.layer)


class Value(NamedTuple):
    """One value of a point, before it is known where and when.

    Example:
        >>> Value("I_XT", "encoder", 3.5)
        Value(quantity='I_XT', layer='encoder', bits=3.5, n_samples=None)
    """

    quantity: str
    layer: str
    bits: float
    n_samples: int | None = None
    """How many samples it was computed from, where that is not all samples of the point."""


def name_of(quantity: str, layer: str) -> str:
    """Return what a value measures; see `Record.name`."""
    return f"{quantity}/{layer}" if quantity in ROOTS else quantity


@lru_cache(maxsize=1 << 14)  # the same ones in each run, and asked for by all who read one
def tag_of(quantity: str, set_: str, layer: str) -> str:
    """Return the tag of a value: of a monitor's own root, or below ``information_plane``.

    Example:
        >>> tag_of("prediction_entropy", "val", "mean"), tag_of("I_XT", "val", "fc1")
        ('prediction_entropy/val/mean', 'information_plane/val/I_XT/fc1')
    """
    if quantity in ROOTS:
        return f"{quantity}/{set_}/{layer}"
    return f"{PLANE}/{set_}/{quantity}/{layer}"


# "." and ".." are folders of their own to a file system.
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]+|^\.{1,2}$")


def slug(name: str) -> str:
    """Return `name` with every character that some logger refuses replaced by ``_``.

    MLflow and file systems refuse more than TensorBoard does; what is left is
    ``[A-Za-z0-9_.-]``, at most 200 characters of it.

    Example:
        >>> slug("encoder.0/<b>")
        'encoder.0_b_'
    """
    return _FORBIDDEN.sub("_", name)[:200] or "_"


def unique_slugs(names: Iterable[str]) -> dict[str, str]:
    """Return for each name a slug of its own, in the order given.

    Example:
        >>> unique_slugs(["a b", "a/b"])
        {'a b': 'a_b', 'a/b': 'a_b_1'}
    """
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = candidate = slug(name)
        number = 1
        while candidate in taken:
            candidate = f"{base}_{number}"
            number += 1
        taken.add(candidate)
        slugs[name] = candidate
    return slugs


def split_ruler(name: str, own: Mapping[str, Quantity] | None = None) -> tuple[str, str] | None:
    """Take a quantity as tags of layers name it apart; None if it is no quantity.

    Args:
        name: The quantity, with the slug of a further ruler behind it if there is one.
        own: The run's own quantities, by name.

    Returns:
        The name in the table, and the slug; empty for the first ruler.

    Example:
        >>> split_ruler("I_XT_uniform5"), split_ruler("I_TY_low"), split_ruler("loss")
        (('I_XT', 'uniform5'), ('I_TY_low', ''), None)
    """
    row = QUANTITIES.get(name) or (own or {}).get(name)
    if row is not None:
        return (name, "") if row.is_logged and "/" not in name else None
    for base in PER_RULER:
        ruler = name.removeprefix(f"{base}_")
        if ruler != name:
            known = QUANTITIES[base].is_logged and _is_free(ruler)
            return (base, ruler) if known else None
    return None


def is_read_by_rulers(name: str) -> bool:
    """Whether a quantity is of a binned layer, so that each ruler has its own; not that of extras.

    Example:
        >>> is_read_by_rulers("I_TY_adjusted"), is_read_by_rulers("linear_V_TY")
        (True, False)
    """
    return any(name == base or name.startswith(f"{base}_") for base in PER_RULER)


def epoch_of(quantity: str) -> str:
    """Return what is logged wherever a quantity of layers is due; empty where nothing is.

    Example:
        >>> epoch_of("I_TY"), epoch_of("V_TY"), epoch_of("linear_V_TY")
        ('epoch', 'wide_epoch', '')
    """
    if quantity in OF_WIDE:
        return "wide_epoch"
    return "epoch" if is_read_by_rulers(quantity) else ""


def _is_free(slug_: str) -> bool:
    return bool(slug_) and slug_.partition("_")[0] not in SUFFIXES


def check_slug(slug_: str) -> None:
    """Raise unless a ruler's slug is safe in tags, and no tag with it is another quantity's.

    Raises:
        ValueError: It is not; the message says why.

    Example:
        >>> check_slug("uniform5")
        >>> check_slug("adjusted")
        Traceback (most recent call last):
        ValueError: slug: 'adjusted' begins like the end of a quantity (adjusted, chance, ...
    """
    if slug(slug_) != slug_:
        raise ValueError(f"slug: need letters, digits, '_', '-' and '.', got {slug_!r}")
    if not _is_free(slug_):
        raise ValueError(
            f"slug: {slug_!r} begins like the end of a quantity ({', '.join(sorted(SUFFIXES))}), "
            f"so that 'I_TY_{slug_}' could be either; begin it with another word"
        )
