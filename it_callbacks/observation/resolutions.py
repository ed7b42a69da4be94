"""Choose how each layer is read, from `bins=` and `reduce=`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from it_callbacks.checks import ArgumentValueError, nearest, whole
from it_callbacks.observation.layers import Layer
from it_callbacks.observation.readers import Reader
from it_callbacks.records import check_slug
from it_callbacks.reductions import Joint, MeanPool, Reduction
from it_callbacks.rulers import Calibrated, Moving, Ruler, of_activation

Resolution: TypeAlias = int | Ruler | Mapping[str, int | Ruler]
"""One way to read all layers: a number of bins, a ruler, or either by layer name or glob."""

_DEFAULT_BINS = 30


def check_resolution(bins: Any, argument: str = "bins") -> None:
    """Raise unless `bins` is a `Resolution`."""
    if isinstance(bins, Mapping):
        for name, ruler in bins.items():
            check_resolution(ruler, f"{argument}[{name!r}]")
    elif isinstance(bins, Moving):
        raise TypeError(f"{argument}: {bins.refusal}")
    elif isinstance(bins, Ruler):
        check_slug(bins.slug)
    elif isinstance(bins, type) and issubclass(bins, Ruler):
        raise TypeError(f"{argument}: got the class {bins.__name__}; make one of it first")
    else:
        whole(argument, bins, at_least=2)


def readers_for(
    layers: Sequence[Layer], resolutions: Sequence[Resolution], reduce: Reduction | str
) -> dict[str, Reader]:
    """The reader of each layer, before anything is calibrated.

    Args:
        layers: The layers to read.
        resolutions: How to read them, once each.
        reduce: A reduction for all layers, or ``"auto"``: maps and sequences are averaged over
            their positions.

    Raises:
        ArgumentValueError: A name or glob of `resolutions` matches no layer, or two rulers of one
            layer would share a tag.
    """
    names = [layer.name for layer in layers]
    for resolution in resolutions:
        for pattern in resolution if isinstance(resolution, Mapping) else ():
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ArgumentValueError(
                    f"bins[{pattern!r}]: matches none of the layers {names}"
                    f"{nearest(pattern, names)}"
                )
    readers = {layer.name: reader_for(layer, resolutions, reduce) for layer in layers}
    for reader in readers.values():
        if len({ruler.slug for ruler in reader.rulers}) < len(reader.rulers):
            raise ArgumentValueError(
                f"bins: two of the rulers {list(reader.rulers)} would share one tag; drop one"
            )
    return readers


def reader_for(layer: Layer, resolutions: Sequence[Resolution], reduce: Reduction | str) -> Reader:
    """The reader of one layer, before it is calibrated; arguments as in `readers_for`."""
    if not isinstance(reduce, Reduction):
        reduce = MeanPool(layer.units_axis) if layer.n_axes > 2 else Joint()
    return Reader(reduce, tuple(_ruler(each, layer, reduce) for each in resolutions))


def _ruler(resolution: Resolution, layer: Layer, reduction: Reduction) -> Ruler:
    if isinstance(resolution, Mapping):
        by_glob = (ruler for name, ruler in resolution.items() if fnmatchcase(layer.name, name))
        resolution = resolution.get(layer.name, next(by_glob, _DEFAULT_BINS))
    if isinstance(resolution, Ruler):
        return resolution
    bins = whole("bins", resolution, at_least=2)
    if layer.made_by is None or not reduction.keeps_range:
        return Calibrated(bins)
    return of_activation(layer.made_by, bins)
