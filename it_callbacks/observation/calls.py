"""The calls of modules in one batch, without the tensors: which tensor was which, and its shape."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from it_callbacks.observation.listening import Firing


@dataclass(frozen=True, eq=False)
class Seen:
    """A tensor that was seen in a batch, known by identity; it may be gone.

    Args:
        shape: Its shape.
        dtype: Its type.
        is_dense: Whether it is neither complex nor sparse nor nested.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    is_dense: bool


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one module.

    Args:
        name: The module's dotted name.
        number: 1 for its first call in the batch, 2 for its second, ...
        module: The module.
        inputs: The tensors it was called with.
        output: The first tensor of what it returned; None if that holds none.
        returned: The type of what it returned, by name.
        is_packed: Whether the steps that it returned were packed; `output` then has rows first.
    """

    name: str
    number: int
    module: nn.Module
    inputs: tuple[Seen, ...]
    output: Seen | None
    returned: str
    is_packed: bool = False

    @property
    def layer_name(self) -> str:
        """The module's dotted name, ``_call2`` behind it for its second call, ..."""
        return self.name if self.number == 1 else f"{self.name}_call{self.number}"


class Tensors:
    """Knows tensors again while they live, and keeps none alive."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[weakref.ref[Tensor], Seen]] = {}

    def seen(self, tensor: Tensor) -> Seen:
        """What stands for a tensor: the same for the same one, another for any other."""
        known = self._by_id.get(id(tensor))
        # The identity of one that is gone may be given to a new one.
        if known is not None and known[0]() is tensor:
            return known[1]
        is_nested = tensor.is_nested
        is_dense = tensor.layout == torch.strided and not tensor.is_complex() and not is_nested
        seen = Seen(() if is_nested else tuple(tensor.shape), tensor.dtype, is_dense)
        self._by_id[id(tensor)] = weakref.ref(tensor), seen
        return seen

    def call(self, firing: Firing, n_steps: int = 0) -> Call:
        """A firing without its tensors; see `first_tensor`."""
        output = first_tensor(firing.output, n_steps)
        return Call(
            firing.name,
            firing.call,
            firing.module,
            tuple(map(self.seen, firing.inputs)),
            None if output is None else self.seen(output),
            type(firing.output).__name__,
            _is_packed(firing.output),
        )


def _is_packed(output: Any) -> bool:
    """Whether steps were returned as a packed sequence: alone, or first, as recurrent layers do."""
    if isinstance(output, tuple) and not isinstance(output, PackedSequence):
        output = next(iter(output), None)
    return isinstance(output, PackedSequence)


def first_tensor(output: Any, n_steps: int = 0) -> Tensor | None:
    """The first tensor of what a module returned: itself, or in a tuple, mapping or dataclass.

    None where there is none. The rows of a packed sequence are those of no sample: it is padded to
    `n_steps`, if the steps are what counts.

    Example:
        >>> first_tensor((None, {"logits": torch.tensor([1.0]), "loss": torch.tensor(2.0)}))
        tensor([1.])
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        parts = list(output.values())
    elif is_dataclass(output) and not isinstance(output, type):
        parts = [getattr(output, field.name) for field in fields(output)]
    elif isinstance(output, PackedSequence):
        if n_steps < len(output.batch_sizes):
            return None
        return pad_packed_sequence(output, batch_first=True, total_length=n_steps)[0]
    elif isinstance(output, (tuple, list)):
        parts = list(output)
    else:
        return None
    return next(
        (found for part in parts if (found := first_tensor(part, n_steps)) is not None), None
    )
