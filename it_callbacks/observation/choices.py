"""Resolve a user's choice of layers against a model: names, globs, classes, types, functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import Tensor, nn

from it_callbacks.checks import ArgumentTypeError, ArgumentValueError
from it_callbacks.observation.modules import (
    blocks,
    by_every_name,
    class_path,
    is_bookkeeping,
    is_heard,
    named_modules,
    parents,
)

LayerChoice: TypeAlias = (
    str
    | type[nn.Module]
    | Sequence[str | type[nn.Module]]
    | Mapping[str, Callable[[Any], Any]]
    | None
)
"""Names, globs, dotted classes, module types, or names with a function that picks the output."""

_LISTED = 20

_OF_SEQUENCES = (
    nn.RNNBase,
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.MultiheadAttention,
)
"""Modules whose ``batch_first``, or that of a part, says which axis counts samples."""


@dataclass(frozen=True)
class Choice:
    """The user's `layers` argument, resolved against a model.

    Args:
        modules: What to listen to while the plan is made: chosen modules, or by default blocks;
            and all leaves.
        chosen: Names that the user asked for, with their `pick`; None takes the default.
        time_major: Names of the modules that are, or belong to, a module that is known to take
            sequences as ``(n_steps, n_samples, ...)``.
        blocks: Names of the modules that may stand for the leaves in them, where there are many.
        by_name: Those of `chosen` that the user named as they are, by no pattern.
    """

    modules: dict[str, nn.Module]
    chosen: dict[str, Callable[[Any], Tensor] | None] | None
    time_major: frozenset[str]
    blocks: tuple[str, ...] = ()
    by_name: tuple[str, ...] = ()


def resolve(model: nn.Module, layers: LayerChoice) -> Choice:
    """Find what `layers` names in `model`: a shared module by any of its names.

    Raises:
        ArgumentError: A name or pattern matches nothing, or `layers` is of another kind.
    """
    named, every = named_modules(model), by_every_name(model)
    leaves = {name: module for name, module in named.items() if is_heard(name, named)}
    time_major = frozenset(name for name in every if _is_time_major(name, every))
    if layers is None:
        standing_for = blocks(named)
        return Choice({**leaves, **standing_for}, None, time_major, tuple(standing_for))
    chosen: dict[str, Callable[[Any], Tensor] | None] = {}
    wanted: Collection[Any]
    if isinstance(layers, Mapping):
        wanted = layers
        for name, pick in layers.items():
            if not callable(pick):
                raise ArgumentTypeError(
                    f"layers[{name!r}]: need a function of the layer's output, got {pick!r}"
                )
            chosen.update(dict.fromkeys(_matches(name, named, every), pick))
    else:
        wanted = [layers] if isinstance(layers, (str, type)) else layers
        if not isinstance(wanted, Sequence):
            raise ArgumentTypeError(
                "layers: need names, module types or a mapping from names to functions, got "
                f"{type(layers).__name__}"
            )
        for choice in wanted:
            chosen.update(dict.fromkeys(_matches(choice, named, every)))
    if not chosen:
        raise ArgumentValueError(
            "layers: an empty choice observes nothing; leave it out for the default"
        )
    asked = {name: every[name] for name in chosen}
    # A shared module is observed under the requested names only: one call is one firing.
    others = {name: leaf for name, leaf in leaves.items() if leaf not in asked.values()}
    by_name = tuple(name for name in chosen if name in wanted)
    return Choice({**others, **asked}, chosen, time_major, by_name=by_name)


def _matches(
    choice: str | type[nn.Module], named: Mapping[str, nn.Module], every: Mapping[str, nn.Module]
) -> list[str]:
    if isinstance(choice, type):
        found = [name for name, module in named.items() if isinstance(module, choice)]
        if not found:
            raise ArgumentValueError(f"layers: no module of type {choice.__name__} in the model")
        return found
    if not isinstance(choice, str):
        raise ArgumentTypeError(f"layers: need names or module types, got {choice!r}")
    if choice in every:
        return [choice]
    # A pattern takes a shared module once, unless it is of further names only.
    found = (
        _globbed(choice, named)
        or [name for name, module in named.items() if class_path(module) == choice]
        or _globbed(choice, every)
    )
    if not found:
        near = get_close_matches(choice, every, 1, 0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ArgumentValueError(
            f"layers: no module named {choice!r}.{hint} The model has {listing(list(named))}"
        )
    return found


def _globbed(pattern: str, named: Mapping[str, nn.Module]) -> list[str]:
    # A pattern is no wish for a loss or a metric that it happens to match.
    ours = [name for name in named if not is_bookkeeping(name, named)]
    return [name for name in ours if fnmatchcase(name, pattern)]


def _is_time_major(name: str, named: Mapping[str, nn.Module]) -> bool:
    """Whether a module is, or belongs to, one that takes ``(n_steps, n_samples, ...)``."""
    around = [named[part] for part in [*parents(name), name] if part in named]
    return any(
        getattr(part, "batch_first", None) is False
        for module in around
        if isinstance(module, _OF_SEQUENCES)
        for part in module.modules()
    )


def listing(names: Sequence[str]) -> str:
    """Names in quotes, the first twenty of them."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def choice_in_words(layers: LayerChoice) -> str:
    """A choice of layers as text, alike in every process: no addresses, and no order.

    Functions are known by name only: two lambdas of one place are one.

    Example:
        >>> choice_in_words(["fc2", nn.Linear])
        'fc2, torch.nn.modules.linear.Linear'
    """
    if layers is None:
        return "the default"
    if isinstance(layers, Mapping):
        return ", ".join(sorted(f"{name} by {_dotted(pick)}" for name, pick in layers.items()))
    several = [layers] if isinstance(layers, (str, type)) else layers
    return ", ".join(sorted(one if isinstance(one, str) else _dotted(one) for one in several))


def _dotted(named: Any) -> str:
    """Where a class or a function was defined; of a callable object, where its class was."""
    named = named if hasattr(named, "__qualname__") else type(named)
    return f"{named.__module__}.{named.__qualname__}"
