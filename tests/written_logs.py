"""Writes small TensorBoard logs as monitors do, without a training, and opens folders of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensorboard import program
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.context import RequestContext
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from tensorboard.summary.writer import event_file_writer
from tensorboard.summary.writer.event_file_writer import AtomicCounter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import text

from it_callbacks.texts import from_text, to_text

Values = Mapping[str, Mapping[int, float]]
"""For each tag, values at steps."""


# TensorBoard numbers the event files of a second and reads them in the order of their letters: the
# tenth before the ninth. No test has to wait for the next second.
event_file_writer._global_uid = AtomicCounter(10**6)


def write(folder: Path, values: Values, texts: Mapping[str, str] | None = None) -> None:
    """One more event file in `folder`; all values of a step in one event."""
    with SummaryWriter(folder) as writer:
        for tag, words in (texts or {}).items():
            writer.file_writer.add_summary(text(tag, words), 0)
        for step in sorted({step for series in values.values() for step in series}):
            at = [
                Summary.Value(tag=tag, simple_value=series[step])
                for tag, series in values.items()
                if step in series
            ]
            writer.file_writer.add_summary(Summary(value=at), step)


def read_text(text: str) -> Any:
    """What a text entry of a monitor holds."""
    return from_text(text, dict) or from_text(text, list)


def plane(
    points: Mapping[str, Mapping[int, tuple[float, float]]], set_: str = "val", first_epoch: int = 1
) -> dict[str, dict[int, float]]:
    """The tags of a plane with no word of caution: for each layer I(X;T) and I(T;Y) at steps."""
    steps = sorted({step for series in points.values() for step in series})
    tags = {
        f"information_plane/{set_}/epoch": {
            step: float(first_epoch + number) for number, step in enumerate(steps)
        }
    }
    for layer, series in points.items():
        tags[f"information_plane/{set_}/I_XT/{layer}"] = {
            step: x for step, (x, _) in series.items()
        }
        tags[f"information_plane/{set_}/I_TY/{layer}"] = {
            step: y for step, (_, y) in series.items()
        }
        tags[f"information_plane/{set_}/status/{layer}"] = dict.fromkeys(series, 0.0)
    return tags


def settings(
    layers: Sequence[str], set_: str = "val", rulers: Sequence[str] = ("",), prefix: str = ""
) -> dict[str, str]:
    """What a monitor writes of how it measured: the layers in order of depth, and their rulers."""
    words = {
        "n_samples": 1024,
        "H_Y": 2.0,
        "layers": [{"tag": layer, "tag_of_ruler": list(rulers)} for layer in layers],
    }
    return {f"{prefix}information_plane/{set_}/settings": to_text(words)}


@contextmanager
def provided(folder: Path, fast: str) -> Iterator[Any]:
    """TensorBoard's data provider over a folder, as ``--load_fast`` says, once all is read."""
    board = program.TensorBoard(plugins=[CorePluginLoader()])
    once = ["--reload_interval", "0", "--reload_task", "blocking"]
    board.configure(argv=["", "--logdir", str(folder), "--load_fast", fast, *once])
    with warnings.catch_warnings():
        # TensorBoard leaves the process and the folder of its data server to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        ingester = board._make_data_ingester()
    found = ingester.data_provider
    homes = {path.parent for path in folder.rglob("*tfevents*")}
    give_up = time.monotonic() + 20
    context = RequestContext()
    while time.monotonic() < give_up:
        if len(found.list_scalars(context, experiment_id="", plugin_name="scalars")) == len(homes):
            break
        time.sleep(0.02)
    yield found
    if fast == "true":
        ingester._stdin_handle.close()  # which is how the data server is told to end
