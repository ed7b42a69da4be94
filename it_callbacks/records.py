"""What was measured and under which tag it is logged: one number in, one `Record` out.

The contract between those who write numbers (the monitors) and those who read them (the
TensorBoard tab, the report, a user's own script). Standard library only: TensorBoard imports
this room at every start.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple


class Status(IntEnum):
    """How far a point of the plane can be read as information, logged as ``status/...``."""

    OK = 0
    """Coverage >= 0.95 and chance share <= 0.05."""
    CAUTION = 1
    """Read it as a trend only: between OK and SATURATED."""
    SATURATED = 2
    """Coverage < 0.5 or chance share > 0.5: nearly one symbol per sample, whatever the labels."""


ROOTS = ("prediction_entropy", "conditional_entropy", "label_information", "information_plane")
"""What every tag begins with."""


@dataclass(frozen=True)
class Record:
    """One number of one point: what was measured, where, when.

    Args:
        quantity: First part of the tag, e.g. ``"I_XT"`` or ``"prediction_entropy"``.
        set: What the number was measured on: ``val``, ``train``, ``test``, ``probe`` or the
            monitor's own name.
        layer: Last part of the tag: the layer, the class (``class_3``) or the reading (``mean``).
        bits: The value, in bits unless `QUANTITIES` names another unit.
        step: ``trainer.global_step`` when it was measured: optimizer steps done.
        epoch: Finished epochs when it was measured; 0 is before the end of the first one (of a
            data: before the first step).
        n_samples: Samples that the number was computed from.

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
    def tag(self) -> str:
        """The name under which every logger gets the number."""
        return tag_of(self.quantity, self.set, self.layer)


def tag_of(quantity: str, set_: str, layer: str) -> str:
    """The tag of a number: of a monitor's own root, or below ``information_plane``."""
    if quantity in ROOTS:
        return f"{quantity}/{set_}/{layer}"
    return f"information_plane/{set_}/{quantity}/{layer}"


class Quantity(NamedTuple):
    """What the numbers under a first tag part are."""

    meaning: str
    unit: str = "bits"


class Value(NamedTuple):
    """One number of a point, before it is known where and when."""

    quantity: str
    layer: str
    bits: float
    n_samples: int | None = None
    """From how many samples, where not from all of the point's."""

    def record(self, set_: str, *, step: int, epoch: int, n_samples: int) -> Record:
        """The number with where and when; `n_samples` are the point's."""
        n = n_samples if self.n_samples is None else self.n_samples
        return Record(self.quantity, set_, self.layer, self.bits, step, epoch, n)


def check_slug(slug: str) -> None:
    """Stub"""


QUANTITIES = {
    "prediction_entropy": Quantity("entropies of the predictions, and what they say of the labels"),
    "conditional_entropy": Quantity("H(Ŷ|Y=c): entropy of the predictions inside class c"),
    "label_information": Quantity("what the predictions tell about the labels"),
    "I_XT": Quantity("I(X; bin T): entropy of the binned layer of a deterministic network"),
    "I_XT_corrected": Quantity("I(X; bin T) by Chao, Wang & Jost (2013)"),
    "I_XT_low": Quantity("lower end of its 95 % interval"),
    "I_XT_high": Quantity("upper end of its 95 % interval"),
    "I_TY": Quantity("I(bin T; Y)"),
    "I_TY_chance": Quantity("mean of I(bin T; Y) under permuted labels, exact"),
    "I_TY_adjusted": Quantity("I(bin T; Y) on a scale where chance is 0 and H(Y) stays H(Y)"),
    "I_TY_corrected": Quantity("I(bin T; Y) by Chao, Wang & Jost (2013)"),
    "I_TY_low": Quantity("lower end of its 95 % interval"),
    "I_TY_high": Quantity("upper end of its 95 % interval"),
    "V_TY": Quantity("linear V-information from the layer to the labels"),
    "V_TY_se": Quantity("its standard error"),
    "noise_I_XT": Quantity("I(X; T + noise)"),
    "noise_I_XT_low": Quantity("its lower kernel bound"),
    "noise_I_XT_high": Quantity("its upper kernel bound"),
    "noise_I_TY": Quantity("I(T + noise; Y)"),
    "noise_I_TY_low": Quantity("its lower kernel bound"),
    "noise_I_TY_high": Quantity("its upper kernel bound"),
    "coverage": Quantity("Good-Turing coverage of the symbols, 1 - f1/N", "share"),
    "status": Quantity("0 OK, 1 CAUTION, 2 SATURATED", "code"),
    "information_plane": Quantity("epoch of the point; share of the time spent observing", "mixed"),
}
"""Every first tag part, what stands under it, and its unit."""

# "." and ".." are folders of their own to a file system.
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.\-]+|^\.{1,2}$")


def slug(name: str) -> str:
    """`name` with every character that some logger refuses replaced by ``_``.

    MLflow and file systems refuse more than TensorBoard does; what is left is
    ``[A-Za-z0-9_.-]``, at most 200 characters of it.

    Example:
        >>> slug("encoder.0/<b>")
        'encoder.0_b_'
    """
    return _FORBIDDEN.sub("_", name)[:200] or "_"


def unique_slugs(names: Iterable[str]) -> dict[str, str]:
    """From each name to a slug of its own, in the order given.

    Example:
        >>> unique_slugs(["a b", "a/b"])
        {'a b': 'a_b', 'a/b': 'a_b_2'}
    """
    slugs: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = candidate = slug(name)
        number = 2
        while candidate in taken:
            candidate = f"{base}_{number}"
            number += 1
        taken.add(candidate)
        slugs[name] = candidate
    return slugs


_COLUMNS = ("tag", *(field.name for field in fields(Record)))


def write_csv(records: Sequence[Record], path: str | Path) -> None:
    """One row per record, with a header; values keep all their digits."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows({"tag": record.tag, **asdict(record)} for record in records)


def write_json(
    records: Sequence[Record],
    settings: Mapping[str, object],
    path: str | Path,
    **sections: object,
) -> None:
    """``{"settings": ..., "records": [...]}``; a number that is not finite becomes null.

    Args:
        records: The numbers.
        settings: For each set, how they were measured.
        path: Where to write.
        sections: What else to write, under its own name.
    """
    rows = [
        {"tag": record.tag, **asdict(record), "bits": finite_or_none(record.bits)}
        for record in records
    ]
    text = json.dumps(
        {"settings": settings, **sections, "records": rows}, indent=1, allow_nan=False
    )
    Path(path).write_text(text + "\n", encoding="utf-8")


def finite_or_none(value: float) -> float | None:
    """`value`, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None
