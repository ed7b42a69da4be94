"""Listen to modules: every output that they give in a batch, with nothing attached to the model.

A hook on a module changes what a model computes: `torch.nn.TransformerEncoderLayer` leaves its
fused path when any module in it has one. A forward hook of the process changes nothing. There is
one for all listeners, and only during batches that are listened to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as of_the_process
from torch.utils.hooks import RemovableHandle

from it_callbacks.observation.compiled import compiled_parts, inside_compiled
from it_callbacks.observation.gathering import GATHERED
from it_callbacks.observation.surroundings import at_full_precision, is_plain_call
from it_callbacks.observation.weak import Weak

MOST_COPIED: Final = GATHERED // 2
"""Numbers of an output up to which it is copied for later, where that is wanted."""
ROOT = ""
"""The name of the model itself among its modules."""


class Firing(NamedTuple):
    """One call of one module.

    Args:
        name: The module's dotted name; `ROOT` for the model itself.
        call: 1 for its first call in the batch, 2 for its second, ...
        module: The module.
        given: What it was called with, by position and by keyword; nothing beside a copy.
        output: What it returned. It belongs to the model: read it now or copy it, since a later
            layer may overwrite it in place.
        is_copy: Whether `output` is a copy already, which may be kept.
    """

    name: str
    call: int
    module: nn.Module
    given: tuple[Any, ...]
    output: Any
    is_copy: bool = False

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors it was called with."""
        return tuple(value for value in self.given if isinstance(value, Tensor))


class Listener:
    """Listens to modules between `begin` and `end` of a batch, while it is attached to a model.

    Only plain calls count, in the thread that has begun the batch: nothing that is compiled,
    exported, traced, transformed by `torch.func`, or computed again in a backward pass. The model
    never sees an exception of ours: the first one that `receive` raises is kept in `error`, and
    nothing more is received in that batch.

    Args:
        modules: What to listen to, by name; `ROOT` for the model.
        receive: Called with each firing, in the order in which the calls end; with copies when the
            batch has ended. Autocast is off.
    """

    def __init__(self, modules: Mapping[str, nn.Module], receive: Callable[[Firing], None]) -> None:
        self.modules = dict(modules)
        self.error: Exception | None = None
        self.seconds = 0.0
        """Time spent during calls of modules so far."""
        self.compiled: frozenset[str] = frozenset()
        """Which of `modules` lie in compiled parts and were not listened to in this batch."""
        self._receive = receive
        self._model = Weak[nn.Module]()
        self._runs_eagerly = False
        self._table: _Table | None = None
        """What is heard of the model in this loop; None until its first batch."""
        self._thread = 0
        self._calls: dict[str, int] = {}
        self._nested: list[Firing] = []
        self._copied: list[tuple[str, int, nn.Module, Tensor]] = []
        self._copies = False
        """Whether small outputs are copied, to be received when the batch has ended."""
        self._local: list[RemovableHandle] = []

    def attach(self, model: nn.Module, now: Mapping[str, nn.Module], *, eager: bool) -> None:
        """From now on listen to the modules that now go by the names listened to.

        Args:
            model: The model that runs.
            now: Its modules by every name that they have.
            eager: Whether even compiled parts run eagerly; if not, nothing in them is heard.
        """
        self.modules = {name: now.get(name, part) for name, part in self.modules.items()}
        self._model, self._runs_eagerly = Weak(model), eager
        self._table = None

    def detach(self) -> None:
        """Listen no more. Safe to call twice."""
        self._stop()
        self._model, self._table = Weak(), None

    def listen_to(
        self, modules: Mapping[str, nn.Module], receive: Callable[[Firing], None]
    ) -> None:
        """From the next batch on listen to these modules only, and give their calls to `receive`.

        Args:
            modules: By name.
            receive: Called with each firing.
        """
        self.modules, self._receive = dict(modules), receive
        self._table = None

    def begin(self, *, copies: bool = False) -> None:
        """A batch begins, in this thread.

        Args:
            copies: Whether to copy small outputs, and have them received when the batch has ended.
                Between two layers of a model, each call of ours finds the processor's caches full
                of other things, and takes several times as long as after another one.
        """
        self._stop()
        self._copies = copies
        self._calls.clear()
        self.error = None
        model = self._model()
        if model is None:
            return
        if self._table is None:
            self._table = _table_of(model, self.modules, is_eager=self._runs_eagerly)
        table, self._thread = self._table, threading.get_ident()
        self.compiled = table.compiled
        # Compiled code warns of a hook of the process, and is compiled once more because of it.
        # A module's own hooks run behind it, and may replace what the next layer gets.
        shared = table.wanted
        local = [n for n, part in shared.items() if table.is_compiled or part._forward_hooks]
        if local:
            shared = {n: part for n, part in shared.items() if n not in local}
        for number in local:
            tap = _Tap(self)
            self._local.append(table.wanted[number].register_forward_hook(tap, with_kwargs=True))
        _PROCESS.open(self, shared)

    def end(self) -> None:
        """The batch has ended; what fires now is none of ours. Safe to call twice."""
        copied, self._copied = self._copied, []
        nested, self._nested = self._nested, []
        if self.error is None and (copied or nested):
            try:
                with at_full_precision():
                    for name, call, module, output in copied:
                        self._receive(Firing(name, call, module, (), output, is_copy=True))
                    for firing in nested:
                        self._receive(_padded(firing))
            except Exception as error:  # as in the batch
                self.error = error
        self._stop()

    def _stop(self) -> None:
        _PROCESS.close(self)
        while self._local:
            self._local.pop().remove()
        self._nested.clear()
        self._copied.clear()

    def fired(
        self, module: nn.Module, given: tuple[Any, ...], output: Any, copy: Tensor | None
    ) -> Tensor | None:
        """A module was called.

        Args:
            module: Which module.
            given: What it was called with.
            output: What it returned.
            copy: A copy of that, which another listener has made.

        Returns:
            The copy, if one was made by now.
        """
        table = self._table
        if table is None or self.error is not None or threading.get_ident() != self._thread:
            return copy
        try:
            number = id(module)
            if number in table.inside:
                self._pad(table.inside[number], output)
            is_small = self._copies and _is_small(output)
            for name in table.names.get(number, ()):
                self._calls[name] = call = self._calls.get(name, 0) + 1
                if is_small:
                    copy = output.detach().clone() if copy is None else copy
                    self._copied.append((name, call, module, copy))
                elif isinstance(output, Tensor) and output.is_nested:
                    self._nested.append(Firing(name, call, module, given, output))
                else:
                    self._give(Firing(name, call, module, given, output))
        except Exception as error:  # the user's forward must not fail because of an observer
            self.error = error
        return copy

    def _pad(self, inside: frozenset[int], whole: Any) -> None:
        """Pad what parts of an encoder have left nested with zeros, to the length of its output."""
        n_steps = whole.shape[1] if isinstance(whole, Tensor) and whole.ndim == 3 else 0
        waiting, self._nested = self._nested, []
        for firing in waiting:
            if id(firing.module) in inside:
                self._give(_padded(firing, n_steps))
            else:
                self._nested.append(firing)

    def _give(self, firing: Firing) -> None:
        with at_full_precision():
            self._receive(firing)


class _Table(NamedTuple):
    """What is heard of a model.

    Args:
        names: From the identity of a module to the names that it is heard under.
        inside: From an encoder to its parts, whose outputs were as long as its own before.
        wanted: The modules heard, and the encoders, by their identity.
        is_compiled: Whether parts of the model are compiled.
        compiled: Which modules lie in compiled parts and are not heard, by name.
    """

    names: Mapping[int, Sequence[str]]
    inside: Mapping[int, frozenset[int]]
    wanted: Mapping[int, nn.Module]
    is_compiled: bool
    compiled: frozenset[str]


def _table_of(model: nn.Module, modules: Mapping[str, nn.Module], *, is_eager: bool) -> _Table:
    """What is heard of `model` where these modules are listened to.

    Args:
        model: The model.
        modules: By name.
        is_eager: Whether compiled parts run eagerly.
    """
    parts = list(model.modules())
    compiled, heard = compiled_parts(parts), modules
    if compiled and not is_eager:
        unheard = inside_compiled(compiled)
        heard = {name: part for name, part in modules.items() if part not in unheard}
    encoders = [part for part in parts if isinstance(part, nn.TransformerEncoder)]
    names: dict[int, list[str]] = {}
    for name, part in heard.items():
        names.setdefault(id(part), []).append(name)
    return _Table(
        names,
        {id(one): frozenset(map(id, one.modules())) for one in encoders},
        {id(part): part for part in (*heard.values(), *encoders)},
        bool(compiled),
        frozenset(modules.keys() - heard.keys()),
    )


def _padded(firing: Firing, n_steps: int = 0) -> Firing:
    """The firing with its nested output padded with zeros, to `n_steps` where that is more."""
    padded = torch.nested.to_padded_tensor(firing.output, 0.0)
    if padded.ndim == 3 and padded.shape[1] < n_steps:
        padded = nn.functional.pad(padded, (0, 0, 0, n_steps - padded.shape[1]))
    return firing._replace(output=padded)


class _Process:
    """The one forward hook of the process, in place while a listener is open."""

    def __init__(self) -> None:
        self._open: dict[Listener, Mapping[int, nn.Module]] = {}
        self._hook: RemovableHandle | None = None
        self._lock = threading.Lock()  # several Trainers may run in threads

    def open(self, listener: Listener, modules: Mapping[int, nn.Module]) -> None:
        """Give `listener` the calls of these modules, by their identity."""
        if not modules:
            return
        with self._lock:
            self._open = {**self._open, listener: modules}
            if self._hook is None:
                self._hook = of_the_process.register_module_forward_hook(
                    self._called, with_kwargs=True
                )

    def close(self, listener: Listener) -> None:
        """Give it no more calls. Safe to call twice."""
        if listener not in self._open:
            return
        with self._lock:
            self._open = {one: of for one, of in self._open.items() if one is not listener}
            if self._hook is not None and not self._open:
                self._hook.remove()
                # torch forgets this entry, and warns of it wherever a module is compiled.
                of_the_process._global_forward_hooks_with_kwargs.pop(self._hook.id, None)
                self._hook = None

    def _called(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if torch.compiler.is_compiling():
            return
        number = id(module)
        hearing = [one for one, of in self._open.items() if of.get(number) is module]
        if hearing:
            tell(hearing, module, args, kwargs, output)


_PROCESS = _Process()


class _Tap:
    """A forward hook on a module that holds its listener weakly and is inert in copies.

    A user may deepcopy or pickle the model in a batch; the copy must neither drag the listener
    along nor report to it. It returns None, since what a hook returns replaces the module's output.
    """

    __slots__ = ("__weakref__", "_listener")

    def __init__(self, listener: Listener | None) -> None:
        self._listener = Weak(listener)

    def __call__(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        listener = self._listener()
        if listener is not None and not torch.compiler.is_compiling():
            tell([listener], module, args, kwargs, output)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Tap:
        return _Tap(None)

    def __reduce__(self) -> tuple[type[_Tap], tuple[None]]:
        return _Tap, (None,)


def tell(
    listeners: Sequence[Listener],
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    output: Any,
) -> None:
    """Tell of a call of a module, if it is a plain one: what is asked for that is asked once."""
    if not is_plain_call():
        return
    given = (*args, *kwargs.values()) if kwargs else args
    started, copy = time.perf_counter(), None
    for listener in listeners:
        copy = listener.fired(module, given, output, copy)
        listener.seconds += (ended := time.perf_counter()) - started
        started = ended


def _is_small(output: Any) -> bool:
    """Whether an output is a tensor of few numbers, in memory as they are."""
    is_plain = isinstance(output, Tensor) and output.layout == torch.strided
    return is_plain and not output.is_nested and output.numel() <= MOST_COPIED
