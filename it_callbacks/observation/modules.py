"""Name the modules of a model, and tell layers from losses and metrics."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import torchmetrics
from torch import nn
from torch.nn.modules import loss

from it_callbacks.observation.provenance import is_leaf


def named_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules of `model` by dotted name, wrappers' parts left out, itself left out."""
    return {plain_name(name): module for name, module in model.named_modules() if plain_name(name)}


def by_every_name(model: nn.Module) -> dict[str, nn.Module]:
    """As `named_modules`, with the further names of modules that have several."""
    every: dict[str, nn.Module] = {}
    first: dict[nn.Module, str] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if plain := plain_name(name):
            every[plain] = module
            first.setdefault(module, plain)
    # What is wrapped goes by the name of its wrapper, and counts.
    return {**every, **{name: module for module, name in first.items()}}


def plain_name(name: str) -> str:
    """A dotted name without the parts that wrappers add to it."""
    if "_orig_mod" not in name and "_wrapped_module" not in name:
        return name  # as most often, asked of every module at every loop
    return _WRAPPERS.sub("", name).lstrip(".")


_WRAPPERS = re.compile(r"(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.|$)")


def class_path(module: nn.Module) -> str:
    """Where the class of a module was defined, as users write it."""
    cls = type(module)
    # torch.nn.Linear is how users write what lives in torch.nn.modules.linear.
    if getattr(nn, cls.__name__, None) is cls:
        return f"torch.nn.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def is_heard(name: str, named: Mapping[str, nn.Module]) -> bool:
    """Whether a module is one layer, and no part of one."""
    within = (named[part] for part in parents(name) if part in named)
    inside = any(is_leaf(module) and not hasattr(module, "parametrizations") for module in within)
    return is_leaf(named[name]) and not inside and not is_bookkeeping(name, named)


def is_inside_fused(name: str, named: Mapping[str, nn.Module]) -> bool:
    """Whether a module is part of one whose fused path calls none of its parts."""
    return any(isinstance(named.get(part), nn.TransformerEncoderLayer) for part in parents(name))


def blocks(named: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The outermost modules that stand beside another one of their class, and are no leaves.

    A stage or a list of blocks is a plain container, and counts as a block only where a plain
    container holds it: ``layer1`` to ``layer4`` of a ResNet are none, ``layer1.0`` is one.
    """
    found: dict[str, nn.Module] = {}
    below: dict[str, list[str]] = {}
    for name in named:
        below.setdefault(name.rpartition(".")[0], []).append(name)

    def search(around: str) -> None:
        in_plain = type(named.get(around)) in _PLAIN
        parts = [part for part in below.get(around, ()) if not is_leaf(named[part])]
        kinds = Counter(type(named[part]) for part in parts)
        for part in parts:
            kind = type(named[part])
            if kinds[kind] > 1 and (in_plain or kind not in _PLAIN):
                found[part] = named[part]
            else:
                search(part)

    search("")
    return found


_PLAIN = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def padding_of(model: nn.Module) -> int | None:
    """The token number that stands for padding, if all embeddings that have one agree."""
    of_all = (part.padding_idx for part in model.modules() if isinstance(part, nn.Embedding))
    found = {number for number in of_all if number is not None}
    return found.pop() if len(found) == 1 else None


def is_bookkeeping(name: str, named: Mapping[str, nn.Module]) -> bool:
    """Whether a module is a loss, a metric or part of one, or what makes another's parameters."""
    if "parametrizations" in name.split("."):
        return True
    kinds = (torchmetrics.Metric, torchmetrics.MetricCollection, loss._Loss)
    return any(isinstance(named.get(part), kinds) for part in [*parents(name), name])


def parents(name: str) -> list[str]:
    """The dotted names of all modules that a module lies in."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
