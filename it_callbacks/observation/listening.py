"""Listen to modules: every output that they give in a batch, with nothing left behind."""

from __future__ import annotations

import time
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

ROOT = ""
"""The name of the model itself among its modules."""


class Firing(NamedTuple):
    """One call of one module.

    Args:
        name: The module's dotted name; `ROOT` for the model itself.
        call: 1 for its first call in the batch, 2 for its second, ...
        module: The module.
        inputs: The tensors it was called with, by position and by keyword.
        output: What it returned. It belongs to the model: read it now or copy it, since a later
            layer may overwrite it in place.
    """

    name: str
    call: int
    module: nn.Module
    inputs: tuple[Tensor, ...]
    output: Any


class Listener:
    """Listens to modules while it is attached, and between `begin` and `end` of a batch only.

    The model never sees an exception of ours: the first one that `receive` raises is kept in
    `error`, and nothing more is received in that batch.

    Args:
        modules: What to listen to, by name. With `ROOT`, of nested calls of the model (a
            strategy may route a whole step through it) only the innermost counts.
        receive: Called with each firing.
    """

    def __init__(self, modules: Mapping[str, nn.Module], receive: Callable[[Firing], None]) -> None:
        self.modules = dict(modules)
        self._receive = receive
        self._handles: list[RemovableHandle] = []
        self._calls: Counter[str] = Counter()
        self._open_root_calls: list[bool] = []
        self._listening = False
        self.error: Exception | None = None
        self.seconds = 0.0
        """Time spent in `receive` so far."""

    @property
    def attached(self) -> bool:
        """Whether the hooks are on."""
        return bool(self._handles)

    def attach(self) -> None:
        """Put the hooks on. Safe to call twice."""
        if self._handles:
            return
        for name, module in self.modules.items():
            if name == ROOT:
                self._handles.append(module.register_forward_pre_hook(_RootTap(self)))
            hook = _Tap(self, name)
            self._handles.append(module.register_forward_hook(hook, with_kwargs=True))

    def detach(self) -> None:
        """Take the hooks off. Safe to call twice."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._listening = False

    def narrow(self, names: Collection[str], receive: Callable[[Firing], None]) -> None:
        """From now on listen to the modules `names` only, and give their firings to `receive`."""
        attached = self.attached
        self.detach()
        self.modules = {name: part for name, part in self.modules.items() if name in names}
        self._receive = receive
        if attached:
            self.attach()

    def replace(self, modules: Mapping[str, nn.Module]) -> None:
        """Listen to the modules that now go by the names listened to, where there are any."""
        self.modules = {name: modules.get(name, part) for name, part in self.modules.items()}

    def begin(self) -> None:
        """A batch begins."""
        self._calls.clear()
        self._open_root_calls.clear()
        self.error = None
        self._listening = True

    def end(self) -> None:
        """The batch has ended; what fires now is none of ours."""
        self._listening = False

    def _root_called(self) -> None:
        self._open_root_calls.append(False)

    def _fired(
        self, name: str, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any
    ) -> None:
        if name == ROOT and self._open_root_calls:
            had_inner_call = self._open_root_calls.pop()
            if self._open_root_calls:
                self._open_root_calls[-1] = True
            if had_inner_call:
                return
        if not self._listening or self.error is not None or _is_recomputation():
            return
        self._calls[name] += 1
        given = (*args, *kwargs.values())
        inputs = tuple(value for value in given if isinstance(value, Tensor))
        started = time.perf_counter()
        try:
            with torch.no_grad():
                self._receive(Firing(name, self._calls[name], module, inputs, output))
        except Exception as error:  # the user's forward must not fail because of an observer
            self.error = error
        finally:
            self.seconds += time.perf_counter() - started


class _Tap:
    """A forward hook that holds its listener weakly and is inert in copies.

    A user may deepcopy or pickle the model while it is observed (weight averaging does); the
    copy must neither drag the listener along nor report to it. It returns None, since what a
    hook returns replaces the module's output.
    """

    __slots__ = ("__weakref__", "_listener", "_name")

    def __init__(self, listener: Listener | None, name: str) -> None:
        self._listener = weakref.ref(listener) if listener is not None else None
        self._name = name

    def __call__(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        listener = self._listener() if self._listener is not None else None
        if listener is not None:
            listener._fired(self._name, module, args, kwargs, output)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Tap:
        return _Tap(None, self._name)

    def __reduce__(self) -> tuple[type[_Tap], tuple[None, str]]:
        return _Tap, (None, self._name)


class _RootTap:
    """A forward pre-hook on the model; as `_Tap`, it is inert in copies."""

    __slots__ = ("__weakref__", "_listener")

    def __init__(self, listener: Listener | None) -> None:
        self._listener = weakref.ref(listener) if listener is not None else None

    def __call__(self, module: nn.Module, args: Any) -> None:
        listener = self._listener() if self._listener is not None else None
        if listener is not None:
            listener._root_called()

    def __deepcopy__(self, memo: dict[int, Any]) -> _RootTap:
        return _RootTap(None)

    def __reduce__(self) -> tuple[type[_RootTap], tuple[None]]:
        return _RootTap, (None,)


def _is_recomputation() -> bool:
    # Activation checkpointing runs the forward a second time from inside the backward pass.
    return torch._C._current_graph_task_id() != -1
