"""Write settings, warnings and verdicts as text for a reader of a log, and read them back.

A text is Markdown, which TensorBoard shows, and below it the same as JSON in an indented block,
which `from_text` reads. Standard library only, as all that TensorBoard's tab is made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from it_callbacks.wide_settings import wide_settings

_INDENT = "    "
_BELOW = "The same as JSON:"
"""Keeps the block from being part of a list above it."""


def to_text(value: object) -> str:
    """Return settings, warnings or verdicts as Markdown with their JSON below.

    Args:
        value: Settings of a set, with or without layers; a list of warnings; or for each layer its
            verdicts, one for each ruler.

    Raises:
        ValueError: A number in it is not finite.

    Example:
        >>> print(to_text(["few samples"]))
        - few samples
        <BLANKLINE>
        The same as JSON:
        <BLANKLINE>
            [
             "few samples"
            ]
    """
    block = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    block = re.sub(r"\[[\s\d,]+\]", lambda numbers: " ".join(numbers[0].split()), block)
    lines = [_INDENT + line for line in block.split("\n")]
    return "\n".join([*_shown(value), "", _BELOW, "", *lines])


def from_text(text: str, kind: type) -> Any:
    """Return what a text of `to_text` holds; an empty `kind` for any other text.

    A log may be anybody's, so that nothing is taken for granted of a text.

    Args:
        text: The text.
        kind: Of what it should hold: dict or list.

    Example:
        >>> from_text(to_text(["few samples"]), list), from_text("no JSON", list)
        (['few samples'], [])
    """
    _, found, block = text.rpartition(f"\n{_BELOW}\n\n")
    if not found:
        return kind()
    try:
        value = json.loads("\n".join(line.removeprefix(_INDENT) for line in block.split("\n")))
    except (ValueError, RecursionError):
        return kind()
    return value if isinstance(value, kind) else kind()


def _shown(value: object) -> list[str]:
    """The lines of Markdown above the block."""
    if not isinstance(value, Mapping):
        return [f"- {_plain(line)}" for line in _listed(value)]
    if all(isinstance(of_layer, Mapping) for of_layer in value.values()):
        return _verdicts(value)
    shown = _table(("setting", "value"), settings(value))
    layer_rows = layers(value)
    return [*shown, "", *_table(LAYER_HEAD, layer_rows)] if layer_rows else shown


Verdicts = Mapping[str, Mapping[str, str]]
"""By layer and ruler, whether it has compressed, in words; the joint one under `ALL_RULERS`."""

ALL_RULERS = "all rulers"
"""Where the joint verdict stands beside those of rulers; no slug, as it has a blank."""


def verdicts_of(text: str) -> Verdicts:
    """Return the verdicts that a text of `to_text` holds; none for any other text.

    Example:
        >>> verdicts_of(to_text({"fc": {"": "no compression"}}))
        {'fc': {'': 'no compression'}}
    """
    return {
        layer: {str(ruler): str(verdict) for ruler, verdict in by_ruler.items()}
        for layer, by_ruler in from_text(text, dict).items()
        if isinstance(by_ruler, Mapping)
    }


def _verdicts(by_layer: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table with a column for each ruler; in tags the first has no name."""
    rulers = list(dict.fromkeys(ruler for verdicts in by_layer.values() for ruler in verdicts))
    head = ["verdict"] if rulers == [""] else [ruler or "first ruler" for ruler in rulers]
    rows = [
        [layer, *(str(verdicts.get(ruler, "")) for ruler in rulers)]
        for layer, verdicts in by_layer.items()
    ]
    return _table(["layer", *head], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [map(_plain, row) for row in (head, *rows)]
    lines = [cells[0], ["---"] * len(head), *cells[1:]]
    return [f"| {' | '.join(line)} |" for line in lines]


_MARKUP = re.compile(r"[\\`*_{}\[\]#!]|^[-+]|(?<=\d)[.)](?= )")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"})


def _plain(text: str) -> str:
    r"""Text that Markdown shows as it stands, on one line.

    Example:
        >>> _plain("net_1 | <b>")
        'net\\_1 &#124; &lt;b&gt;'
    """
    line = str(text)
    if not line.isprintable():
        line = "".join(char if char.isprintable() else " " for char in line)
    return _MARKUP.sub(r"\\\g<0>", line.strip()).translate(_ENTITIES)


TRAINING_SET = "a fixed set, of the training loader"
"""Under ``measured_on``, what tells a training set, whatever its name is."""

_READABLE = {
    "measured_on": "measured on",
    "n_samples": "samples",
    "n_unlabelled": "samples without a label",
    "labels": "labels are",
    "H_Y": "H(Y), bits",
    "n_classes": "number of classes",
    "classes": "classes",
    "class_names": "names of classes",
    "share_of_repeated_inputs": "share of repeated inputs",
    "exhaustive": "the samples are all there is",
    "predictions": "predictions are",
    "max_samples": "sample limit",
    "wide": "at any width",
    "extra": "further estimators",
    "about_layers": "what they say of layers",
    "seed": "seed",
    "version": "version of it_callbacks",
}
"""Settings in reading order, and in words."""
_MISSING = {
    "max_samples": "none",
    "share_of_repeated_inputs": "not measured",
    "class_names": "none given",
    "H_Y": "there is no Y",
}
"""What None means."""


def settings(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values, in words, of the settings of a set; see `layers` for the rest.

    Example:
        >>> settings({"max_samples": None, "share_of_repeated_inputs": None, "n_samples": 360})
        [('samples', '360'), ('share of repeated inputs', 'not measured'), ('sample limit', 'none')]
    """
    return [
        (words, _MISSING.get(key, "unknown") if values[key] is None else _in_words(key, values))
        for key, words in _READABLE.items()
        if key in values
    ]


def _in_words(key: str, values: Mapping[str, Any]) -> str:
    """A setting in words; how layers of any width were read without what has a table of its own."""
    if key != "wide":
        return in_words(values[key])
    wide = wide_settings(values)
    samples = f"{wide.n_samples} samples" if wide.n_samples else ""
    labels = f"labels {wide.classes}" if wide.classes else ""
    cautions = [f"caution: {layer}: {why}" for layer, why in wide.cautions.items() if why]
    slices = f"sliced I(T;Y) is {wide.slices}" if wide.slices else ""
    return "; ".join(
        filter(None, (wide.reading, wide.schedule, samples, labels, slices, *cautions))
    )


LAYER_HEAD = ("layer", "module", "what is read", "rulers", "H(T|X)")


def layers(values: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of `LAYER_HEAD` for each layer in the settings of a plane."""
    return [
        (
            *(in_words(layer.get(key, "")) for key in ("tag", "module", "estimand")),
            in_words(layer.get("rulers", [])),
            in_words(list(dict.fromkeys(map(in_words, _listed(layer.get("H_T_given_X", [])))))),
        )
        for layer in _listed(values.get("layers", []))
        if isinstance(layer, Mapping)
    ]


def in_words(value: Any) -> str:
    """Return a setting's value in words.

    Example:
        >>> in_words([]), in_words([1, 2]), in_words({"a": 0.123456}), in_words(True)
        ('none', '1, 2', 'a: 0.1235', 'yes')
    """
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {in_words(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
