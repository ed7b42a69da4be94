"""The one base class that is a callback in both of Lightning's names.

`pytorch_lightning` and `lightning.pytorch` are two copies of one library with two classes
`Callback`. A callback that derives from one of them is refused by the other's command line and
when given to a `Trainer` bare; deriving from every installed one is accepted everywhere.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lightning_utilities.core import rank_zero

if TYPE_CHECKING:
    from pytorch_lightning import Callback
else:

    def _installed_callbacks() -> tuple[type, ...]:
        packages = {"pytorch_lightning": "pytorch_lightning", "lightning": "lightning.pytorch"}
        # Each import points the messages of both at a logger of its own; a user who has silenced
        # the one they use must not get those of the other because of us.
        messages = getattr(rank_zero, "log", None)
        modules = [import_module(path) for package, path in packages.items() if find_spec(package)]
        if messages is not None:
            rank_zero.log = messages
        if not modules:
            raise ImportError(
                "it_callbacks.callbacks needs Lightning: pip install pytorch-lightning"
            )
        return tuple(module.Callback for module in modules)

    Callback: Any = type("Callback", _installed_callbacks(), {"__doc__": "Base in both names."})

__all__ = ["Callback"]
