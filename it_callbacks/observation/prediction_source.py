"""Find out which output of a model its predictions are, from the calls of modules in one batch.

What the model's own forward returns counts, if the step calls it. Where it does not, only a linear
layer that nothing comes after may give predictions. Nothing is taken that may well be something
else: a hidden layer, an auxiliary head, a reconstruction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from it_callbacks.log_probabilities import Kind
from it_callbacks.observation.listening import ROOT
from it_callbacks.observation.positions import ONE_EACH, Grid
from it_callbacks.observation.selecting import Selector, select

LOGITS = "logits"
"""What a part of an output that holds predictions is usually called."""

HINT = (
    "Pass logits=<name of the module that gives them, or key, index or function of what the "
    "model's forward returns>"
)

_LINEAR = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd)
_MANY_CLASSES = 1000
"""A set need not have all tokens of a vocabulary; a hidden layer seldom has so many units."""
_SLACK = 10
"""So many more columns than twice the classes of the labels may still be predictions."""


class Implausible(ValueError):  # noqa: N818 # said of predictions
    """What a model gives may well be something else than predictions."""


class Undecided(Implausible):
    """Which output is predictions depends on how many classes there are, as later batches show."""


@dataclass(frozen=True)
class Source:
    """Where predictions come from.

    Args:
        name: The dotted name of a module; `ROOT` for the model's forward.
        part: Which part of its output; None for all of it.
        is_guess: Whether it was found, not named by the user.
        kind: What they are, where the module that made them shows it; else None.
    """

    name: str
    part: Selector | None = None
    is_guess: bool = True
    kind: Kind | None = None

    def of(self, output: Any) -> Any:
        """The predictions in an output."""
        return output if self.part is None else select(output, self.part, "logits")

    def __str__(self) -> str:
        module = "the model's forward" if self.name == ROOT else self.name
        of_part = isinstance(self.part, (str, int)) and not isinstance(self.part, bool)
        return f"{self.part!r} of {module}" if of_part else module


def in_forward(output: Any, grid: Grid, n_classes: int) -> Source:
    """The predictions in what the model's own forward has returned.

    Args:
        output: A tensor; or a mapping, a dataclass or a sequence, of which `LOGITS` counts, else
            the only plausible part.
        grid: How the samples of the batch lie in it.
        n_classes: That its labels have at least.

    Raises:
        Implausible: No part can be predictions, or several can.
        Undecided: Several can that differ in the number of columns.
    """
    if isinstance(output, Tensor):
        if fits(output, grid, n_classes):
            return Source(ROOT)
        raise Implausible(
            f"logits: the model's forward gave {in_words(output)} for {grid.n_samples} labels of "
            f"{n_classes} or more classes. {HINT}{_or_ignored(output, grid, n_classes)}"
        )
    parts = dict(_parts(output))
    if isinstance(parts.get(LOGITS), Tensor) and fits(parts[LOGITS], grid, n_classes):
        return Source(ROOT, LOGITS)
    found = {k: p for k, p in parts.items() if fits(p, grid, n_classes)}
    rows = {k: by_sample(p, grid) for k, p in found.items()}
    key = _only(rows, n_classes)
    if key is None:
        shapes = ", ".join(f"{key!r}: {in_words(part)}" for key, part in parts.items())
        what = "several parts that may be predictions" if found else "no predictions"
        raise _refusal(rows)(
            f"logits: the model's forward gave {what} for {grid.n_samples} labels: "
            f"{in_words(output)}{f' of {shapes}' if shapes else ''}. {HINT}"
        )
    return Source(ROOT, key)


def in_modules(
    shapes: Mapping[str, tuple[int, ...]], fitting: Mapping[str, Tensor], grid: Grid, n_classes: int
) -> Source:
    """The predictions where those of the model's own forward do not count.

    Args:
        shapes: Of the outputs of readouts that nothing comes after, by name of the module.
        fitting: Of these the outputs that may be predictions.
        grid: How the samples of the batch lie in them.
        n_classes: That its labels have at least.

    Raises:
        Implausible: No module, or several, may have given them.
        Undecided: Several may that differ in the number of columns.
    """
    rows = {name: by_sample(output, grid) for name, output in fitting.items()}
    name = _only(rows, n_classes)
    if name is None:
        words = ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
        what = "several last layers fit" if fitting else "no last linear layer fits"
        raise _refusal(rows)(
            f"logits: the step takes no predictions from the model's forward, and {what} "
            f"{grid.n_samples} labels of {n_classes} or more classes "
            f"({words or 'no linear layer comes last'}). {HINT}"
        )
    return Source(name)


def fits(output: Any, grid: Grid, n_classes: int) -> bool:
    """Whether an output may be predictions: floats, a row per sample, a column per class.

    Raises:
        ValueError: Either of two axes may count classes.
    """
    rows = by_sample(output, grid)
    return rows is not None and rows.ndim in (1, 2) and n_columns(rows) >= n_classes


def by_sample(output: Any, grid: Grid) -> Tensor | None:
    """The floats of an output with one row per sample; None where it has none."""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return None
    return None if output.layout != torch.strided else grid.predictions(output)


def n_columns(predictions: Tensor) -> int:
    """How many classes predictions have; one number per sample is about two."""
    return max(2, predictions.shape[1] if predictions.ndim == 2 else 1)


def ignored(label: int) -> str:
    """What to do about a class number that no prediction is of."""
    return f"if {label} marks samples without a label, pass ignore_index={label}"


def _or_ignored(output: Any, grid: Grid, n_classes: int) -> str:
    """The same for an output that only lacks columns, or positions."""
    if fits(output, grid, 0):
        return f"; {ignored(n_classes - 1)}"
    return f"; {ONE_EACH}" if grid.axes else ""


def kind_made_by(module: nn.Module) -> Kind | None:
    """What a module gives, where its class shows it.

    Example:
        >>> kind_made_by(nn.Linear(3, 1)), kind_made_by(nn.Sigmoid()), kind_made_by(nn.ReLU())
        ('logits', 'probabilities', None)
    """
    if isinstance(module, _LINEAR):
        return "logits"
    return "probabilities" if isinstance(module, (nn.Sigmoid, nn.Softmax)) else None


def refuse_implausible(source: Source, columns: int, n_classes: int, *, like_inputs: bool) -> None:
    """Raise if what a whole set shows makes it unlikely that these are predictions.

    Args:
        source: Where they come from.
        columns: How many classes they have.
        n_classes: How many classes the labels of the set have.
        like_inputs: Whether they have the shape of the inputs, as reconstructions have.

    Raises:
        Implausible: They have far too many columns, or look like reconstructions.
    """
    if not source.is_guess or columns == n_classes:
        return
    too_many = n_classes < _MANY_CLASSES and columns > 2 * n_classes + _SLACK
    if like_inputs or too_many:
        why = " and the shape of the inputs" if like_inputs else ""
        raise Implausible(
            f"logits: {source} gives {columns} columns{why} for labels of {n_classes} classes, "
            f"which may be no predictions. {HINT}"
        )


def _only(found: Mapping[Any, Tensor | None], n_classes: int) -> Any:
    """The key of the only one; of several, of the only one that has just as many classes."""
    exact = [k for k, part in found.items() if part is not None and n_columns(part) == n_classes]
    several = list(found) if len(found) == 1 else exact
    return several[0] if len(several) == 1 else None


def _refusal(found: Mapping[Any, Tensor | None]) -> type[Implausible]:
    """Why none of these was taken: more labels help only where they differ in columns."""
    columns = {n_columns(part) for part in found.values() if part is not None}
    return Undecided if len(columns) > 1 else Implausible


def tensors_of(output: Any) -> list[Tensor]:
    """An output that is a tensor, or those of its parts that are."""
    parts = [output, *(part for _, part in _parts(output))]
    return [part for part in parts if isinstance(part, Tensor)]


def _parts(output: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(output, Mapping):
        yield from output.items()
    elif is_dataclass(output) and not isinstance(output, type):
        yield from ((field.name, getattr(output, field.name)) for field in fields(output))
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        yield from zip(output._fields, output, strict=True)
    elif isinstance(output, (tuple, list)):
        yield from enumerate(output)


def is_readout(module: nn.Module) -> bool:
    """Whether predictions may come from it: a linear layer, or what gives its output a form."""
    forms = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.Flatten, nn.Identity, torch.jit.ScriptModule)
    return isinstance(module, forms) or is_linear(module)


def is_linear(module: nn.Module) -> bool:
    """Whether a module is a linear layer."""
    # A quantised or low-rank layer is a class of its own that bears the name.
    return isinstance(module, _LINEAR) or "Linear" in type(module).__name__


def in_words(output: Any) -> str:
    """The shape of an output, or its type."""
    return str(tuple(output.shape)) if isinstance(output, Tensor) else f"a {type(output).__name__}"
