"""Run a module inside a `with` block that leaves no trace.

Trained weights must be equal bit for bit with and without an observer. So whatever a forward
pass may move is put back, also when the block raises: the mode of every module, buffers by value
and by identity, a module's own attributes, the random states of torch, NumPy and Python and of
generators that a module holds, the number of threads, the default dtype. Parameters cannot move:
there are no gradients inside.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """As `traceless`, in eval mode."""
    with traceless(module):
        module.eval()
        yield


@contextmanager
def traceless(module: nn.Module) -> Iterator[None]:
    """Inside, `module` is run without gradients, in the mode it has; afterwards it is as it was.

    Compiled parts run eagerly inside: a hook that comes and goes would make them compile again.
    Plain attributes are restored as far as `attributes_restored` can.

    Raises:
        ValueError: A lazy module has no shape yet; it would get its weights inside, from other
            random numbers than training would have drawn for them.
    """
    _refuse_uninitialised(module)
    with (
        _modes_restored(module),
        _buffers_restored(module),
        attributes_restored(module.modules(), _undo),
        random_states_restored(),
        _process_settings_restored(),
        torch.no_grad(),
        torch.compiler.set_stance("force_eager"),
    ):
        yield


@contextmanager
def random_states_restored() -> Iterator[None]:
    """Inside, anything may be drawn; afterwards every generator stands where it stood."""
    of_torch = torch.get_rng_state()
    # Asking would start CUDA in a process that trains without it.
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call] # torch has no hint
    of_devices = torch.cuda.get_rng_state_all() if started else []
    of_numpy = np.random.get_state()
    of_python = random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(of_torch)
        for device, state in enumerate(of_devices):
            torch.cuda.set_rng_state(state, device)
        np.random.set_state(of_numpy)
        random.setstate(of_python)


Undo = Callable[[Any], "Callable[[], object] | None"]
"""From a value to what puts it back as it is now; None for what cannot change, or is let be."""


@contextmanager
def attributes_restored(owners: Iterable[object], undo: Undo) -> Iterator[None]:
    """Inside, the attributes of `owners` may change; afterwards they are as they were.

    Args:
        owners: Whose attributes; of a module, those that not every module has. Each name refers to
            the same object again.
        undo: Restores the objects themselves; what lies deeper in them is not restored.
    """
    kept = [(owner, _own_attributes(owner)) for owner in owners]
    values = {id(value): value for _, own in kept for value in own.values()}
    put_back = [action for action in map(undo, values.values()) if action is not None]
    try:
        yield
    finally:
        for action in put_back:
            action()
        for owner, own in kept:
            now = _own_attributes(owner)
            for name in now.keys() - own.keys():
                del vars(owner)[name]
            for name, value in own.items():
                if now.get(name, put_back) is not value:
                    vars(owner)[name] = value


def _own_attributes(owner: object) -> dict[str, Any]:
    return {
        name: value
        for name, value in getattr(owner, "__dict__", {}).items()
        if name not in _OF_EVERY_MODULE
    }


_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


_UNCHANGING = frozenset({type(None), bool, int, float, str, tuple, torch.dtype, torch.device})


def undo_draws(value: Any) -> Callable[[], object] | None:
    """An `Undo` of random generators."""
    match value:
        case torch.Generator():
            return partial(value.set_state, value.get_state())
        case np.random.RandomState():
            return partial(value.set_state, value.get_state())
        case np.random.Generator():
            return partial(setattr, value.bit_generator, "state", value.bit_generator.state)
        case random.SystemRandom():  # it has no state
            return None
        case random.Random():
            return partial(value.setstate, value.getstate())
    return None


def _undo(value: Any) -> Callable[[], object] | None:
    """An `Undo` of generators, of tensors and arrays, and of what plain collections hold."""
    if type(value) in _UNCHANGING:  # as most are: asked first, since every pass asks
        return None
    if isinstance(value, Tensor) and not is_lazy(value) and not value.is_inference():
        # A write that is not needed could spoil a graph that training goes back through.
        return partial(_put_back_tensor, value, value.detach().clone(), value._version)
    if isinstance(value, np.ndarray) and value.flags.writeable:
        return partial(np.copyto, value, value.copy())
    if type(value) is list:
        return partial(value.__setitem__, slice(None), list(value))
    if type(value) is set or type(value) is dict:
        return partial(_refill, value, copy(value))
    return undo_draws(value)


def _put_back_tensor(tensor: Tensor, value: Tensor, version: int) -> None:
    if tensor._version == version:
        return
    with torch.no_grad():
        if tensor.shape == value.shape:
            tensor.copy_(value)
        else:
            tensor.data = value


def _refill(container: Any, content: Any) -> None:
    container.clear()
    container.update(content)


@contextmanager
def unfused() -> Iterator[None]:
    """Inside, attention calls all of its parts; a fused path would call none."""
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)


@contextmanager
def silenced(owner: object, names: tuple[str, ...]) -> Iterator[None]:
    """Inside, the methods `names` of `owner` do nothing.

    A forward that logs would mix values of the fixed set into the user's own metrics.
    """

    def nothing(*_: Any, **__: Any) -> None:
        return None

    with ExitStack() as restore:
        for name in names:
            if name in vars(owner):
                restore.callback(object.__setattr__, owner, name, vars(owner)[name])
            else:
                restore.callback(object.__delattr__, owner, name)
            object.__setattr__(owner, name, nothing)
        yield


@contextmanager
def _modes_restored(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, training in modes:
            if part.training != training:
                part.training = training


@contextmanager
def _buffers_restored(module: nn.Module) -> Iterator[None]:
    buffers = [
        (part, name, buffer, None if buffer is None else buffer.detach().clone())
        for part in module.modules()
        for name, buffer in part._buffers.items()
    ]
    try:
        yield
    finally:
        known = {(part, name) for part, name, _, _ in buffers}
        for part in module.modules():
            for name in [name for name, _ in part._buffers.items() if (part, name) not in known]:
                del part._buffers[name]  # made inside
        with torch.no_grad():
            for part, name, buffer, value in buffers:
                if dict(part._buffers.items()).get(name) is not buffer:
                    part._buffers[name] = buffer
                if buffer is None or value is None:
                    continue
                if buffer.shape == value.shape:
                    buffer.copy_(value)
                else:  # resized in place, as observers of quantization do
                    buffer.data = value


def _refuse_uninitialised(module: nn.Module) -> None:
    lazy = [
        name or type(part).__name__
        for name, part in module.named_modules()
        if any(is_lazy(tensor) for _, tensor in (*part._parameters.items(), *part._buffers.items()))
    ]
    if lazy:
        raise ValueError(
            f"data: the lazy module {lazy[0]!r} has no shape yet, and gets it from the first "
            "batch; pass one batch through the model before fit, or leave Lightning's sanity "
            "check on"
        )


@contextmanager
def _process_settings_restored() -> Iterator[None]:
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    try:
        yield
    finally:
        # Even setting the same number again would start a new pool of threads.
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
