"""Find the parts of a model that `torch.compile` has compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn


def compiled_parts(named: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The modules of `named` that are compiled, or hold a compiled function.

    Only these are seen: a compiled function that is no attribute of a module or its class is not.

    Args:
        named: A model's modules by dotted name, the model itself as "".
    """
    return {name: part for name, part in named.items() if _is_compiled(part) or _holds(part)}


def eager_parts(named: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The modules of `named` that run eagerly for certain, whatever is compiled.

    A module that holds a compiled function may call its parts through it, and runs eagerly itself.
    """
    inside: set[int] = set()
    for part in compiled_parts(named).values():
        within = {id(each) for each in part.modules()}
        inside |= within if _is_compiled(part) else within - {id(part)}
    return {name: part for name, part in named.items() if id(part) not in inside}


def _is_compiled(module: nn.Module) -> bool:
    """Whether it is the result of ``torch.compile(module)`` or had its ``compile()`` called."""
    return (
        getattr(module, "_compiled_call_impl", None) is not None
        or "_orig_mod" in module._modules
        or getattr(module, "_compiler_ctx", None) is not None  # what Lightning unwraps
    )


def _holds(module: nn.Module) -> bool:
    return any(_is_compiled_function(value) for value in _attributes(module))


def _attributes(module: nn.Module) -> Iterator[object]:
    """Its own, and those of its classes but torch's and Lightning's."""
    for name, value in vars(module).items():
        if name not in _OF_EVERY_MODULE:
            yield value
    for kind in type(module).__mro__:
        if kind.__module__.partition(".")[0] not in _PLAIN_PACKAGES:
            yield from vars(kind).values()


def _is_compiled_function(value: object) -> bool:
    return callable(value) and hasattr(value, "_torchdynamo_orig_callable")


_PLAIN_PACKAGES = frozenset(
    ("builtins", "torch", "pytorch_lightning", "lightning", "lightning_fabric")
)
"""Whose classes hold no compiled functions."""

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
