"""The monitors: Lightning callbacks that decide when to measure, and publish the values."""

from it_callbacks.callbacks.information_plane import InformationPlaneMonitor
from it_callbacks.callbacks.predictions import ConditionalEntropyMonitor, PredictionEntropyMonitor
from it_callbacks.schedules import LogSpaced

__all__ = [
    "ConditionalEntropyMonitor",
    "InformationPlaneMonitor",
    "LogSpaced",
    "PredictionEntropyMonitor",
]
