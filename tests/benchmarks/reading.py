"""What it takes to read a log, to write its report, and to show it in the tab."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.data import provider as data
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from torch.utils.tensorboard.summary import text
from werkzeug.test import Client

from it_callbacks.logs import read_folder
from it_callbacks.report import report
from it_callbacks.tensorboard_plugin.plugin import InformationPlanePlugin
from it_callbacks.texts import to_text

from .ratios import Ratio, seconds

QUANTITIES = (
    *("I_XT", "I_TY", "I_TY_chance", "I_TY_adjusted", "I_XT_corrected", "I_XT_low", "I_XT_high"),
    *("I_TY_low", "I_TY_high", "coverage", "status"),
)
_SET = "information_plane/val"

Points = Mapping[int, Mapping[str, float]]
"""For each step, values by tag."""


def points(n_layers: int, n_epochs: int) -> Points:
    """Walks of layers that wander and are noisy, as those of trainings are."""
    random = Random(0)
    found = {}
    for epoch in range(n_epochs):
        values = {f"{_SET}/epoch": float(epoch)}
        for layer in range(n_layers):
            for number, name in enumerate(QUANTITIES):
                at = 6 + 3 * math.sin(epoch / 100 + layer + number) + random.gauss(0, 0.05)
                values[f"{_SET}/{name}/net.hidden{layer}.tanh"] = 0.0 if name == "status" else at
        found[12 * epoch] = values
    return found


def _settings(n_layers: int) -> str:
    layers = [{"tag": f"net.hidden{n}.tanh", "tag_of_ruler": [""]} for n in range(n_layers)]
    return to_text({"n_samples": 10_000, "H_Y": 3.32, "layers": layers})


def write(folder: str, logged: Points, n_layers: int, *, together: bool) -> None:
    """Write an event file: an event of each point, or one of each value as older versions did."""
    writer = EventFileWriter(folder)
    writer.add_event(Event(step=0, summary=text(f"{_SET}/settings", _settings(n_layers))))
    for step, of in logged.items():
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in of.items()]
        for event in [values] if together else [[value] for value in values]:
            writer.add_event(Event(step=step, summary=Summary(value=event)))
    writer.close()


def plainly(folder: str) -> int:
    """Take the records apart as TensorBoard does, and keep nothing of them."""
    files = Path(folder).glob("*tfevents*")
    events = (RawEventFileLoader(str(path)).Load() for path in files)
    return sum(Event.FromString(record).step for each in events for record in each)


def of_files(n_layers: int = 20, n_epochs: int = 1000, rounds: int = 3) -> Iterator[Ratio]:
    """P21 and P22: runs from event files, over a plain reading of their records; their report."""
    for together, n in ((True, n_epochs), (False, n_epochs // 5)):
        with tempfile.TemporaryDirectory() as folder:
            write(folder, points(n_layers, n), n_layers, together=together)
            runs = read_folder(folder)
            actions = [lambda f=folder: read_folder(f), lambda f=folder: plainly(f)]
            actions += [lambda r=runs: report(r)] if together else []
            read, plain, *reported = seconds(rounds, *actions)
        what = "an event a point" if together else "an event a value"
        size = f"{n_layers} layers × {n} epochs"
        yield Ratio(
            "P21", f"`read_folder` over plain records, {size}, {what}", read / plain, 1.5, 1
        )
        for took in reported:
            yield Ratio("P22", f"report over reading, {size}", took / read, 3, 2)


class InMemory:
    """A data provider of TensorBoard's that has all it is asked for at hand."""

    def __init__(self, logged: Points, n_layers: int) -> None:
        self.scalars: dict[str, list[data.ScalarDatum]] = {}
        for step, of in logged.items():
            for tag, value in of.items():
                self.scalars.setdefault(tag, []).append(data.ScalarDatum(step, float(step), value))
        words = np.array([_settings(n_layers).encode()], object)
        self.texts = {f"{_SET}/settings/text_summary": [data.TensorDatum(0, 0.0, words)]}

    def list_scalars(self, *_: Any, **__: Any) -> dict[str, dict[str, data.ScalarTimeSeries]]:
        """Of each tag where it ends."""
        return {
            "run": {
                tag: data.ScalarTimeSeries(
                    max_step=of[-1].step,
                    max_wall_time=of[-1].wall_time,
                    plugin_content=b"",
                    description="",
                    display_name="",
                )
                for tag, of in self.scalars.items()
            }
        }

    def read_scalars(self, *_: Any, run_tag_filter: Any, **__: Any) -> dict[str, dict[str, Any]]:
        """The points of some tags."""
        return {"run": {tag: self.scalars[tag] for tag in run_tag_filter.tags}}

    def list_tensors(self, *_: Any, **__: Any) -> dict[str, dict[str, None]]:
        """The tags of texts."""
        return {"run": dict.fromkeys(self.texts)}

    def read_tensors(self, *_: Any, **__: Any) -> dict[str, dict[str, Any]]:
        """The texts."""
        return {"run": self.texts}


def ask(provider: Any, query: str) -> Client:
    """A client of the tab over a provider, that has asked for a figure once."""
    plugin = InformationPlanePlugin(SimpleNamespace(data_provider=provider))
    client = Client(plugin.get_plugin_apps()["/figure"])
    answer = client.get(f"/figure?{query}")
    if answer.status_code != 200:
        raise ArithmeticError(f"the tab says {answer.status_code}: {answer.text}")
    return client


_FIGURES: Sequence[tuple[str, str]] = (
    ("plane", "run=run&set=val"),
    ("plane with chance", "run=run&set=val&chance=1"),
    ("corrected plane with intervals", "run=run&set=val&view=corrected&intervals=1"),
    ("curves", "run=run&set=val&name=curves&quantity=I_XT"),
)
_MOST_BYTES = 300_000


def of_tab(n_layers: int = 20, n_epochs: int = 1000, rounds: int = 5) -> Iterator[Ratio]:
    """P23 and P24: the figures of the tab: how long they take, and how large they are."""
    provider, size = InMemory(points(n_layers, n_epochs), n_layers), f"{n_layers} × {n_epochs}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, query in _FIGURES:
            client = ask(provider, query)
            sent = client.get(f"/figure?{query}").data
            share = len(sent) / _MOST_BYTES
            yield Ratio("P24", f"bytes of the tab's {name}, {size}, over 300 kB", share, 1, 0.7)
    name, query = _FIGURES[0]
    client = ask(provider, query)
    figure = json.loads(client.get(f"/figure?{query}").data)
    again, first, encoded = seconds(
        rounds,
        lambda: client.get(f"/figure?{query}"),
        lambda: ask(provider, query),
        lambda: json.dumps(figure),
    )
    what = f"request of the tab's {name}, {size}, over its JSON"
    yield Ratio("P23", f"{what}, the log as it was", again / encoded, 2, 1)
    yield Ratio("", f"{what}, the first", first / encoded)


BENCHMARKS = (of_files, of_tab)
