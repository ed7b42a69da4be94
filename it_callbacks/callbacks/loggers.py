"""Numbers, settings and layouts in; every logger told, each in what it understands.

Loggers are known by what they can do, never by their class: each of Lightning's two names has
classes of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from it_callbacks.records import QUANTITIES, tag_of

Layout = dict[str, dict[str, list[Any]]]
"""TensorBoard's custom scalars: category -> chart -> kind and tags."""


class Fault(NamedTuple):
    """What a logger raised: a full disk, a directory that cannot be written, a lost server."""

    logger: str
    error: Exception


def log_point(
    loggers: Iterable[Any],
    values: Mapping[str, float],
    step: int,
    names_of_others: Collection[str] = (),
) -> list[Fault]:
    """Give all values of a point to every logger, at one step, and have them written at once.

    A process that is killed must lose nothing that was measured.

    Args:
        loggers: The Trainer's.
        values: By tag.
        step: Where loggers put them.
        names_of_others: What else the loggers get. Where one of these names is a folder of a tag,
            MLflow's default store has room for one of the two only: the other one's call raises,
            and that of the user must not.
    """
    in_the_way = {tag: names for tag in values if (names := _folders(tag) & set(names_of_others))}

    def tell(logger: Any) -> None:
        clashes = in_the_way if _is_of_mlflow(logger) else {}
        fit = {tag: value for tag, value in values.items() if tag not in clashes}
        if fit:
            logger.log_metrics(fit, step=step)
        flush = getattr(_experiment(logger), "flush", None)
        if callable(flush):
            flush()
        else:
            logger.save()
        if clashes:
            tag, (name, *_) = next(iter(clashes.items()))
            raise ValueError(
                f"it cannot keep {tag!r} where another metric is called {name!r}; rename that one"
            )

    return _tell_each(loggers, tell)


def _is_of_mlflow(logger: Any) -> bool:
    # Asked of the class: what stands for a writer in other processes has every attribute.
    return callable(getattr(type(_experiment(logger)), "log_batch", None))


def _folders(tag: str) -> set[str]:
    """``{"a", "a/b"}`` of ``"a/b/c"``."""
    return {tag[:end] for end, letter in enumerate(tag) if letter == "/"}


def log_json(loggers: Iterable[Any], tag: str, value: object, step: int) -> list[Fault]:
    """Give settings, warnings or verdicts, as JSON, to every logger that takes text."""
    # Four spaces in front make it a code block in TensorBoard's Markdown and leave it JSON.
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    text = re.sub(r"\[[\s\d,]+\]", lambda numbers: " ".join(numbers[0].split()), text)
    text = "\n".join(f"    {line}" for line in text.splitlines())

    def tell(logger: Any) -> None:
        add_text = getattr(_experiment(logger), "add_text", None)
        if callable(add_text):
            add_text(_prefixed(logger, tag), text, step)

    return _tell_each(loggers, tell)


def log_image(
    loggers: Iterable[Any], tag: str, draw: Callable[[], NDArray[np.uint8]], step: int
) -> list[Fault]:
    """Give an image ``(height, width, 3)`` to every logger that takes one, and have it written.

    Args:
        loggers: The Trainer's.
        tag: Of the image.
        draw: Makes it; only called where a logger takes images.
        step: Where loggers put it.

    Raises:
        Exception: `draw` has failed.
    """
    takers: list[Any] = []

    def ask(logger: Any) -> None:
        if callable(getattr(_experiment(logger), "add_image", None)):
            takers.append(logger)

    faults = _tell_each(loggers, ask)
    if not takers:
        return faults
    image = draw()

    def tell(logger: Any) -> None:
        experiment = _experiment(logger)
        experiment.add_image(_prefixed(logger, tag), image, step, dataformats="HWC")
        flush = getattr(experiment, "flush", None)
        if callable(flush):
            flush()

    return faults + _tell_each(takers, tell)


def log_layout(loggers: Iterable[Any], tags: Iterable[str], own: Any = ()) -> list[Fault]:
    """Lay out TensorBoard's custom scalars for these tags."""
    from it_callbacks.runs import parse_tag

    tags = [tuple(parsed.key) for tag in tags if (parsed := parse_tag(tag)) is not None]

    def tell(logger: Any) -> None:
        add_custom_scalars = getattr(_experiment(logger), "add_custom_scalars", None)
        if callable(add_custom_scalars):
            add_custom_scalars(layout(tags, _prefixed(logger, "")))

    return _tell_each(loggers, tell)


def _tell_each(loggers: Iterable[Any], tell: Callable[[Any], None]) -> list[Fault]:
    """Call `tell` on every logger; one that raises keeps nothing from the others."""
    faults = []
    for logger in loggers:
        try:
            tell(logger)
        except Exception as error:
            faults.append(Fault(type(logger).__name__, error))
    return faults


def layout(tags: Iterable[tuple[str, str, str]], prefix: str = "") -> Layout:
    """The charts for these (quantity, set, layer): all layers in one chart, and interval bands.

    Example:
        >>> layout([("I_XT", "val", "fc1"), ("I_XT", "val", "fc2")])
        {'information plane, val': {'I_XT': ['Multiline', ['information_plane/val/I_XT/.+']]}}
    """
    charts: Layout = {}
    known = set(tags)
    for quantity, base, slug_, set_, layer in sorted(
        ((*_split(quantity), set_, layer) for quantity, set_, layer in known), key=_reading_order
    ):
        if base not in _CHARTED:
            continue
        low, high = (f"{base}_{end}{slug_}" for end in ("low", "high"))
        category = charts.setdefault(
            f"{_CHARTED[base]}{', other rulers' * bool(slug_)}, {set_}", {}
        )
        if {(low, set_, layer), (high, set_, layer)} <= known:
            triple = [prefix + tag_of(part, set_, layer) for part in (quantity, low, high)]
            category[f"{quantity} {layer}, 95 %"] = ["Margin", triple]
        else:
            # One chart per quantity, with all layers under all the other rulers.
            chart = category.setdefault(base, ["Multiline", []])
            pattern = f"{re.escape(prefix + tag_of(quantity, set_, ''))}.+"
            if pattern not in chart[1]:
                chart[1].append(pattern)
    return charts


_CHARTED = {
    "I_XT": "information plane",
    "I_TY": "information plane",
    "I_TY_chance": "information plane",
    "I_TY_adjusted": "information plane",
    "V_TY": "information plane",
    "noise_I_XT": "information plane",
    "noise_I_TY": "information plane",
    "status": "information plane",
    "coverage": "information plane",
    "I_XT_corrected": "information plane, 95 % intervals",
    "I_TY_corrected": "information plane, 95 % intervals",
    "prediction_entropy": "predictions",
    "label_information": "predictions",
    "conditional_entropy": "predictions inside classes",
}
"""Quantities that have charts, in reading order, and under which heading."""


def _split(quantity: str) -> tuple[str, str, str]:
    """A quantity, its name without the ruler, and the ruler's part of it."""
    base = max((known for known in QUANTITIES if _is_part(known, quantity)), key=len, default="")
    return quantity, base, quantity.removeprefix(base)


def _is_part(base: str, quantity: str) -> bool:
    return quantity == base or quantity.startswith(f"{base}_")


def _reading_order(item: tuple[str, str, str, str, str]) -> tuple[int, str, str, str]:
    _, base, slug_, set_, layer = item
    place = list(_CHARTED).index(base) if base in _CHARTED else len(_CHARTED)
    return place, set_, slug_, layer


def _experiment(logger: Any) -> Any:
    return getattr(logger, "experiment", None)


def _prefixed(logger: Any, tag: str) -> str:
    prefix = getattr(logger, "_prefix", "")
    return f"{prefix}{getattr(logger, 'LOGGER_JOIN_CHAR', '-')}{tag}" if prefix else tag
