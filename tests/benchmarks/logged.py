"""How much a point writes: scalars, and bytes of TensorBoard's files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from it_callbacks import (
    ConditionalEntropyMonitor,
    InformationPlaneMonitor,
    PredictionEntropyMonitor,
)
from it_callbacks.quantities import ROOTS

from .data import deep
from .ratios import Ratio
from .shares import clusters
from .training import Classifier, fit

_FRAME, _VALUE = 16, 4
"""Bytes of lengths and checksums around a record, and of a float32."""


class Written(NamedTuple):
    """What stands in event files of the scalars of monitors.

    Args:
        steps: How many points.
        scalars: How many values.
        least: Bytes of all tags and values by themselves.
        bytes: Bytes of all records that hold one.
    """

    steps: int
    scalars: int
    least: int
    bytes: int


def written(folder: str) -> Written:
    """What monitors have written below a folder."""
    steps, scalars, least, n_bytes = set[int](), 0, 0, 0
    for path in Path(folder).rglob("events.out.tfevents.*"):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            tags = [
                value.tag
                for value in event.summary.value
                if value.tag.partition("/")[0] in ROOTS and value.HasField("simple_value")
            ]
            if tags:
                steps.add(event.step)
                scalars += len(tags)
                least += sum(len(tag.encode()) + _VALUE for tag in tags)
                n_bytes += len(record) + _FRAME
    return Written(len(steps), scalars, least, n_bytes)


def points(n_layers: int = 60, epochs: int = 3) -> Iterator[Ratio]:
    """P31: the points of all three monitors on a network of many layers, all of them read."""
    read = [f"net.{2 * number + 1}" for number in range(n_layers)]
    monitors = [
        InformationPlaneMonitor(read, wide=None),
        PredictionEntropyMonitor(),
        ConditionalEntropyMonitor(),
    ]
    with tempfile.TemporaryDirectory() as folder:
        samples = clusters(500, 32)
        net = Classifier(deep(n_layers))
        fit(net, samples, [*monitors], epochs=epochs, validation=samples, folder=folder)
        found = written(folder)
    size = f"all three monitors, {n_layers} layers"
    per_layer = found.scalars / found.steps / n_layers
    yield Ratio("P31", f"scalars over points and layers, {size}", per_layer, 14, 10)
    what = f"bytes of event files over those of tags and values, {size}"
    yield Ratio("P31", what, found.bytes / found.least, 2.5, 1.4)


BENCHMARKS = (points,)
