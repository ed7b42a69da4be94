"""A module in; a `with` block out in which it can be run without leaving a trace.

Trained weights must be equal bit for bit with and without an observer. So whatever a forward
pass may move is put back, also when the block raises: the mode of every module, buffers by value
and by identity, the random states of torch, NumPy and Python, the number of threads, the default
dtype. Parameters cannot move: there are no gradients inside.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Inside, `module` is in eval mode without gradients; afterwards it is as it was.

    Compiled parts run eagerly inside: a hook that comes and goes would make them compile anew.
    State that a module keeps in plain Python attributes is out of reach.

    Raises:
        ValueError: A lazy module has no shape yet; it would get its weights inside, from other
            random numbers than training would have drawn for them.
    """
    _refuse_uninitialised(module)
    with (
        _modes_restored(module),
        _buffers_restored(module),
        random_states_restored(),
        _process_settings_restored(),
        torch.no_grad(),
        torch.compiler.set_stance("force_eager"),
    ):
        module.eval()
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


@contextmanager
def silenced(owner: object, names: tuple[str, ...]) -> Iterator[None]:
    """Inside, the methods `names` of `owner` do nothing.

    A forward that logs would mix the probe's values into the user's own metrics.
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
            f"probe: the lazy module {lazy[0]!r} has no shape yet, and gets it from the first "
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
