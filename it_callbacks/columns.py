"""Hold all values of a point in columns, under names that are the same from point to point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from it_callbacks.records import Value, name_of, tag_of


@dataclass(frozen=True, eq=False)
class Names:
    """What the values of a point are called; what follows from it is worked out once.

    Args:
        set: What they were measured on.
        quantities: Of each value.
        layers: Of each value.

    Example:
        >>> names = Names("val", ("I_XT", "information_plane"), ("fc", "epoch"))
        >>> names.tags
        ('information_plane/val/I_XT/fc', 'information_plane/val/epoch')
        >>> list(names.of_tags.values())
        ['I_XT', 'information_plane/epoch']
    """

    set: str
    quantities: tuple[str, ...]
    layers: tuple[str, ...]

    @cached_property
    def keys(self) -> tuple[tuple[str, str, str], ...]:
        """Quantity, set and layer of each value."""
        of_each = zip(self.quantities, self.layers, strict=True)
        return tuple((quantity, self.set, layer) for quantity, layer in of_each)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tag of each value."""
        return tuple(tag_of(*key) for key in self.keys)

    @cached_property
    def of_tags(self) -> dict[str, str]:
        """By tag what is measured, as `Record.name` has it."""
        return {tag_of(*key): name_of(key[0], key[2]) for key in self.keys}


_names_of = lru_cache(maxsize=64)(Names)  # of each set those of a few kinds of points


class Columns(NamedTuple):
    """All values of a point.

    Args:
        names: What they are called.
        bits: The values.
        n_samples: How many samples each was computed from.
        step: Optimizer steps done when they were measured.
        epoch: Finished epochs then.

    Example:
        >>> point = Columns.of([Value("I_XT", "fc", 3.5)], "val", step=120, epoch=2, n_samples=360)
        >>> point.bits, point.n_samples, point.names.layers
        ((3.5,), (360,), ('fc',))
    """

    names: Names
    bits: tuple[float, ...]
    n_samples: tuple[int, ...]
    step: int
    epoch: int

    @classmethod
    def of(
        cls, values: Iterable[Value], set_: str, *, step: int, epoch: int, n_samples: int
    ) -> Columns:
        """The values of a set at a moment; `n_samples` are those of the point."""
        quantities, layers, bits, numbers = tuple(zip(*values, strict=True)) or ((), (), (), ())
        of_each = tuple(n_samples if number is None else number for number in numbers)
        return cls(_names_of(set_, quantities, layers), bits, of_each, step, epoch)
