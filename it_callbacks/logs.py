"""Read the runs of monitors out of a TensorBoard log, through its data provider or from a folder.

The tab reads through the data provider of the TensorBoard that shows it, whichever loader that
has; reports and tables read a folder. Strangers' logs are data: what is not of the form that
monitors write is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.context import RequestContext
from tensorboard.data import provider as data

from it_callbacks.quantities import ROOTS
from it_callbacks.runs import Key, Outline, Run, outlines

MOST_POINTS = 1000
"""Of a tag: as many as TensorBoard itself keeps."""

_SUFFIX = "/text_summary"
_ENDS = tuple(f"/{kind}{_SUFFIX}" for kind in ("settings", "warnings", "verdicts"))


class LogError(ValueError):
    """A folder holds no log of a monitor; says what is there instead."""


class Log(NamedTuple):
    """What one request sees of a log.

    Args:
        provider: TensorBoard's data provider.
        context: TensorBoard's context of the request.
        experiment: TensorBoard's number of the experiment.
    """

    provider: data.DataProvider
    context: Any
    experiment: str

    def tags(self) -> dict[str, list[str]]:
        """For each of TensorBoard's runs, the scalar tags that may be a monitor's."""
        listed = self.provider.list_scalars(
            self.context, experiment_id=self.experiment, plugin_name="scalars"
        )
        roots = tuple(f"{root}/" for root in ROOTS)
        found = {
            run: [tag for tag in tags if any(r in tag for r in roots)]
            for run, tags in listed.items()
        }
        return {run: tags for run, tags in found.items() if tags}

    def outlines(self, tags: Mapping[str, Iterable[str]]) -> dict[str, list[Outline]]:
        """For each of TensorBoard's runs, the runs of monitors in it, still without values.

        Their keys, settings and texts show what there is to choose from.

        Args:
            tags: The scalar tags of each, of `tags`.
        """
        texts = self._texts(list(tags))
        found = {run: outlines(run, run_tags, texts.get(run, {})) for run, run_tags in tags.items()}
        return {run: several for run, several in found.items() if several}

    def read(
        self,
        run: str,
        several: Iterable[Outline],
        wanted: Mapping[str, Collection[Key]] | None = None,
        most: int = MOST_POINTS,
    ) -> list[Run]:
        """Return outlines with their values.

        Args:
            run: The one of TensorBoard's runs that they are in.
            several: The outlines.
            wanted: By the name of a run, which series to read, the others stay empty; None for
                all. Epochs are always read.
            most: At most so many points of a tag.
        """
        several = list(several)
        tags = [
            tag
            for outline in several
            for tag, key in outline.tags.items()
            if wanted is None
            or key not in outline.run.series  # an epoch
            or key in wanted.get(outline.run.name, ())
        ]
        read = self.provider.read_scalars(
            self.context,
            experiment_id=self.experiment,
            plugin_name="scalars",
            downsample=most,
            run_tag_filter=data.RunTagFilter(runs=[run], tags=tags),
        ).get(run, {})
        scalars = {tag: [(d.step, float(d.value)) for d in points] for tag, points in read.items()}
        return [outline.filled(scalars, most) for outline in several]

    def _texts(self, runs: list[str]) -> dict[str, dict[str, str]]:
        """For each run, the last text under each tag that a monitor writes texts to."""
        if not runs:
            return {}
        where = {"experiment_id": self.experiment, "plugin_name": "text"}
        listed = self.provider.list_tensors(
            self.context, **where, run_tag_filter=data.RunTagFilter(runs=runs)
        )
        tags = {tag for run_tags in listed.values() for tag in run_tags if tag.endswith(_ENDS)}
        if not tags:
            return {}
        read = self.provider.read_tensors(
            self.context,
            **where,
            downsample=10,
            run_tag_filter=data.RunTagFilter(runs=runs, tags=sorted(tags)),
        )
        return {
            run: {
                tag.removesuffix(_SUFFIX): _as_text(points[-1].numpy)
                for tag, points in by_tag.items()
                if points
            }
            for run, by_tag in read.items()
        }


def _as_text(array: Any) -> str:
    """The first text in an array of any shape; empty if it holds none."""
    first = next(iter(array.ravel()), b"")
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def read_folder(logdir: str | Path) -> list[Run]:
    """Return all runs below a folder, whole, in the order of their names.

    Raises:
        LogError: There is no such folder, no event file in it, or none with a monitor's values.
    """
    folder = Path(logdir)
    if not folder.exists():
        raise LogError(f"no such folder: {folder}")
    if not folder.is_dir():
        raise LogError(f"not a folder but a file: {folder}; name the folder that holds it")
    if not any("tfevents" in name for _, _, names in os.walk(folder) for name in names):
        raise LogError(f"no TensorBoard event file in {folder} or below; is it the log directory?")
    multiplexer = plugin_event_multiplexer.EventMultiplexer(
        size_guidance={"scalars": 0, "tensors": 0},
        tensor_size_guidance={"scalars": 0, "text": 10},
        purge_orphaned_data=True,
    )
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    log = Log(MultiplexerDataProvider(multiplexer, str(folder)), RequestContext(), "")
    runs = [
        found
        for run, several in log.outlines(log.tags()).items()
        for found in log.read(run, several, most=10**9)
    ]
    if not runs:
        raise LogError(
            f"event files below {folder}, but none with a monitor's values (tags such as "
            "information_plane/val/I_XT/<layer>); attach a monitor of it_callbacks to the Trainer"
        )
    return sorted(runs, key=lambda run: run.name)
