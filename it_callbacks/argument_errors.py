"""Let LightningCLI end its errors with the argument that is wrong, and the nearest that is right.

What a monitor in a configuration file gets is checked by jsonargparse, against every type that the
Trainer's ``callbacks`` may have: its message is a page long, and the argument stands in the middle
of it. While jsonargparse is loaded, its parser's errors that concern a class of this package get
one more line. All other errors stay as they are, and so does what is raised.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import re
from collections.abc import Callable
from functools import wraps
from itertools import takewhile
from typing import Any

from it_callbacks.checks import nearest

_PACKAGE = __name__.partition(".")[0]
_MARK = "_names_arguments_of_it_callbacks"


def name_arguments(parser: Any) -> None:
    """Make errors of a parser class of jsonargparse end with `last_line`; twice is once.

    Args:
        parser: ``jsonargparse.ArgumentParser``.
    """
    if _MARK in vars(parser):
        return
    setattr(parser, _MARK, True)
    parser.error = _with_last_line(parser.error)
    # From jsonargparse 5 on, the second name stands for the first.
    making = next(name for name in ("instantiate", "instantiate_classes") if hasattr(parser, name))
    setattr(parser, making, _raising_last_line(getattr(parser, making)))


def _with_last_line(error: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(error)
    def wrapped(self: Any, message: str, *others: Any, **named: Any) -> Any:
        return error(self, _completed(message), *others, **named)

    return wrapped


def _raising_last_line(instantiate: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(instantiate)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        try:
            return instantiate(*arguments, **named)
        except (TypeError, ValueError) as error:
            if "\n" in str(error) and len(error.args) == 1:
                error.args = (_completed(str(error)),)
            raise

    return wrapped


def _completed(message: str) -> str:
    try:
        line = last_line(message)
    except Exception:  # of a message that is not ours; nobody must lose theirs to us
        return message
    return f"{message}\n{line}" if line else message


_OF_CLASS = r"Problem with given class_path '([\w.]+)':\s+"
_NAME = r"""['"]([\w.]+)['"]"""


def last_line(message: str) -> str:
    """Return what a message of jsonargparse says of a class of this package, on one line.

    Args:
        message: The message.

    Returns:
        Empty where it is not about such a class.

    Example:
        >>> message = "Problem with given class_path 'it_callbacks.LogSpaced':"
        >>> last_line(message + "  Option 'unti' is not accepted")
        "LogSpaced has no argument 'unti'; did you mean 'unit'?"
    """
    if f"'{_PACKAGE}." not in message:
        return ""
    for path in re.findall(rf"'({_PACKAGE}[\w.]+)'", message):
        if said := _missing_class(path):
            return said
    for path, name in reversed(re.findall(rf"{_OF_CLASS}[^\n'\"]*{_NAME}", message)):
        kind = _class(path)
        names = [] if kind is None else _arguments(kind)
        first, _, rest = name.partition(".")
        if names and first not in names:
            return f"{path.rpartition('.')[2]} has no argument {name!r}{nearest(first, names)}"
        if kind is not None and not rest and (said := _own_words(kind, path, name, message)):
            return said
    own = re.search(r"^\s*- (\w+: .+)$", message, flags=re.MULTILINE)  # raised by the class itself
    return own[1] if own else ""


def _missing_class(path: str) -> str:
    """What there is instead of a class that is not there."""
    room, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(room)
    except ImportError:
        return ""
    if inspect.ismodule(module) and not hasattr(module, name):
        names = getattr(module, "__all__", dir(module))
        return f"class_path: there is no {path!r}{nearest(name, names)}"
    return ""


def _class(path: str) -> type | None:
    """The class of this package, or a user's own kind of one; None for any other."""
    room, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(room), name, None)
    if not isinstance(kind, type):
        return None
    return kind if any(base.__module__.startswith(_PACKAGE) for base in kind.__mro__) else None


def _arguments(kind: type) -> list[str]:
    """The names of a class's arguments; none where it takes any."""
    parameters = inspect.signature(kind).parameters.values()
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    return [] if takes_any else [each.name for each in parameters]


def _own_words(kind: type, path: str, name: str, message: str) -> str:
    """How the class itself refuses the value that the message says was given to an argument."""
    given = re.search(r"(?:Given value|Got value): (.*)", _block(message, path))
    if given is None:
        return f"{name}: not a value that it takes"
    value = _value(given[1])
    try:
        kind(**{name: value})
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"{name}:"):
            return str(error).splitlines()[0]
    return f"{name}: not a value that it takes, got {value!r}"


def _block(message: str, path: str) -> str:
    """The lines of a message that stand below a class's, further to the right."""
    head, _, below = message.partition(f"'{path}':")
    depth = _depth(head.rpartition("\n")[2])
    return "\n".join(takewhile(lambda line: _depth(line) > depth, below.split("\n")[1:]))


def _depth(line: str) -> float:
    stripped = line.lstrip(" ")
    return len(line) - len(stripped) if stripped else math.inf


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
