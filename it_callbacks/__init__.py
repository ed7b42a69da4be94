"""Watch, in TensorBoard, a truthful information plane of your own network while it trains.

This is the front door: every public name, loaded on first use, so that importing the package
costs neither torch nor Lightning (TensorBoard imports it at every start).
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from it_callbacks._version import __version__ as __version__

if TYPE_CHECKING:
    from it_callbacks.callbacks import (
        ConditionalEntropyMonitor,
        InformationPlaneMonitor,
        LogSpaced,
        PredictionEntropyMonitor,
    )
    from it_callbacks.records import Record
    from it_callbacks.rulers import Ruler

_ROOM_OF = {
    "ConditionalEntropyMonitor": "callbacks",
    "InformationPlaneMonitor": "callbacks",
    "LogSpaced": "callbacks",
    "PredictionEntropyMonitor": "callbacks",
    "Record": "records",
    "Ruler": "rulers",
}

__all__ = [
    "ConditionalEntropyMonitor",
    "InformationPlaneMonitor",
    "LogSpaced",
    "PredictionEntropyMonitor",
    "Record",
    "Ruler",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room when it is used (PEP 562)."""
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if "jsonargparse" in sys.modules:  # it may be what asks, for LightningCLI
        from it_callbacks.argument_errors import name_arguments

        name_arguments(sys.modules["jsonargparse"].ArgumentParser)
    # Not kept: whoever asks again may be the first to ask for LightningCLI.
    return getattr(importlib.import_module(f"{__name__}.{room}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
