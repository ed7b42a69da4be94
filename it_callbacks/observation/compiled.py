"""Find the parts of a model that `torch.compile` has compiled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from torch import nn


def compiled_parts(parts: Sequence[nn.Module]) -> list[nn.Module]:
    """Those of `parts` that are compiled, or hold a compiled function.

    Only these are seen: a compiled function that is no attribute of a module or its class is not.

    Args:
        parts: All modules of a model, itself included.
    """
    return [part for part in parts if _is_compiled(part) or _holds(part)]


def inside_compiled(compiled: Sequence[nn.Module]) -> set[nn.Module]:
    """The modules that may run in a compiled function; all others run eagerly for certain.

    A module that holds a compiled function may call its parts through it, and runs eagerly itself.

    Args:
        compiled: As `compiled_parts` finds them.
    """
    return {
        each
        for part in compiled
        for each in part.modules()
        if each is not part or _is_compiled(part)
    }


def _is_compiled(module: nn.Module) -> bool:
    """Whether it is the result of ``torch.compile(module)`` or had its ``compile()`` called."""
    return (
        getattr(module, "_compiled_call_impl", None) is not None
        or "_orig_mod" in module._modules
        or vars(module).get("_compiler_ctx") is not None  # what Lightning unwraps
    )


def _holds(module: nn.Module) -> bool:
    """Whether one of its attributes is compiled, or of its classes' but torch's and Lightning's."""
    for name, value in vars(module).items():
        if name not in _OF_EVERY_MODULE and _is_compiled_function(value):
            return True
    kinds = _not_plain(type(module).__mro__)
    return any(_is_compiled_function(value) for kind in kinds for value in vars(kind).values())


@lru_cache(maxsize=1024)  # asked of every module at every loop
def _not_plain(kinds: tuple[type, ...]) -> tuple[type, ...]:
    """Those that may hold compiled functions."""
    return tuple(one for one in kinds if one.__module__.partition(".")[0] not in _PLAIN_PACKAGES)


def _is_compiled_function(value: object) -> bool:
    return callable(value) and hasattr(value, "_torchdynamo_orig_callable")


_PLAIN_PACKAGES = frozenset(
    ("builtins", "torch", "pytorch_lightning", "lightning", "lightning_fabric")
)
"""Whose classes hold no compiled functions."""

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
