"""What surrounds a call of a module: whether it is a plain one, and what our own work may change.

Both are asked in the hook of every call, so that they are cheap where there is nothing unusual.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import lru_cache

import torch


def is_plain_call() -> bool:
    """Whether a call computes what it seems to, once, on tensors that can be read.

    Not asked of code that is being compiled.
    """
    return not (
        torch._C._get_tracing_state() is not None
        or torch._C._functorch.peek_interpreter_stack() is not None  # vmap, grad, jacrev
        or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None
        # Activation checkpointing runs the forward a second time from inside the backward pass.
        or torch._C._current_graph_task_id() != -1
    )


def at_full_precision() -> AbstractContextManager[object]:
    """Inside, our arithmetic keeps no gradients and is in full precision, with autocast or not."""
    off = [device for device in _devices() if torch.is_autocast_enabled(device)]
    dtype = torch.get_default_dtype()
    is_half = dtype.itemsize < torch.float32.itemsize
    if not off and not is_half and not torch.is_grad_enabled():
        return _NOTHING_TO_DO  # as in most validation loops
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for device in off:
            stack.enter_context(torch.autocast(device, enabled=False))
        if is_half:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        return stack.pop_all()


_NOTHING_TO_DO = nullcontext()


@lru_cache(maxsize=1)
def _devices() -> tuple[str, ...]:
    """The kinds of devices that a model may run on here."""
    accelerator = torch.accelerator.current_accelerator()
    return ("cpu",) if accelerator is None else ("cpu", accelerator.type)
