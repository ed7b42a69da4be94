"""A TensorBoard log, as its data provider or as a folder, in; its runs out.

The tab reads through the data provider of the TensorBoard that shows it, whichever loader that
has; reports and tables read a folder. Strangers' logs are data: what is not of the form that
monitors write is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.context import RequestContext
from tensorboard.data import provider as data

from it_callbacks.runs import Key, Run, from_log, parse_tag

MOST_POINTS = 1000
"""Of a tag: as many as TensorBoard itself keeps."""

_SUFFIX = "/text_summary"
_KINDS_OF_TEXT = ("settings", "warnings", "verdicts")


class LogError(ValueError):
    """A folder holds no log of a monitor; says what is there instead."""


def tags_of(provider: data.DataProvider, context: Any, experiment: str) -> dict[str, list[str]]:
    """For each run that a monitor has logged to, its scalar tags."""
    found = provider.list_scalars(context, experiment_id=experiment, plugin_name="scalars")
    ours = {run: [tag for tag in tags if parse_tag(tag)] for run, tags in found.items()}
    return {run: tags for run, tags in ours.items() if tags}


def names(run: str, tags: Iterable[str]) -> list[str]:
    """What the runs in one of TensorBoard's are called."""
    return [each.name for each in _outline(run, tags, {})]


def outlines(provider: data.DataProvider, context: Any, experiment: str) -> dict[str, list[Run]]:
    """For each run of TensorBoard's that a monitor has logged to, its runs, still without values.

    Their keys, settings and texts tell what there is to choose from.
    """
    found = tags_of(provider, context, experiment)
    texts = _texts(provider, context, experiment, list(found))
    return {run: _outline(run, tags, texts.get(run, {})) for run, tags in found.items()}


def _outline(run: str, tags: Iterable[str], texts: Mapping[str, str]) -> list[Run]:
    return from_log(run, dict.fromkeys(tags, ()), texts)


def _all_of(run: Run) -> Collection[Key]:
    return run.series.keys()


def read_run(
    provider: data.DataProvider,
    context: Any,
    experiment: str,
    run: str,
    tags: Iterable[str],
    wanted: Callable[[Run], Collection[Key]] = _all_of,
    most: int = MOST_POINTS,
) -> list[Run]:
    """The runs in one of TensorBoard's: one, or one for each prefix of a logger.

    Args:
        provider: Where from.
        context: TensorBoard's context of the request.
        experiment: TensorBoard's number of the experiment.
        run: TensorBoard's name of the run.
        tags: Its scalar tags, of `tags_of`.
        wanted: Which series of an outline to read; the others stay empty. Epochs are always read.
        most: At most so many points of a tag.
    """
    tags = list(tags)
    texts = _texts(provider, context, experiment, [run]).get(run, {})
    outline = _outline(run, tags, texts)
    left_out = {key for each in outline for key in each.series} - {
        key for each in outline for key in wanted(each)
    }
    read = provider.read_scalars(
        context,
        experiment_id=experiment,
        plugin_name="scalars",
        downsample=most,
        run_tag_filter=data.RunTagFilter(
            runs=[run],
            tags=[
                tag
                for tag in tags
                if (parsed := parse_tag(tag)) is not None and parsed.key not in left_out
            ],
        ),
    ).get(run, {})
    scalars = {tag: [(d.step, float(d.value)) for d in read.get(tag, ())] for tag in tags}
    return from_log(run, scalars, texts)


def _texts(
    provider: data.DataProvider, context: Any, experiment: str, runs: Sequence[str]
) -> dict[str, dict[str, str]]:
    """For each run, the last text under each tag that a monitor writes texts to."""
    if not runs:
        return {}
    listed = provider.list_tensors(
        context,
        experiment_id=experiment,
        plugin_name="text",
        run_tag_filter=data.RunTagFilter(runs=runs),
    )
    ends = tuple(f"/{kind}{_SUFFIX}" for kind in _KINDS_OF_TEXT)
    tags = {tag for of_run in listed.values() for tag in of_run if tag.endswith(ends)}
    if not tags:
        return {}
    read = provider.read_tensors(
        context,
        experiment_id=experiment,
        plugin_name="text",
        downsample=10,
        run_tag_filter=data.RunTagFilter(runs=runs, tags=sorted(tags)),
    )
    return {
        run: {
            tag.removesuffix(_SUFFIX): _as_text(points[-1].numpy)
            for tag, points in of_run.items()
            if points
        }
        for run, of_run in read.items()
    }


def _as_text(array: Any) -> str:
    """The first text in an array of any shape; empty if it holds none."""
    first = next(iter(array.ravel()), b"")
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def read_folder(logdir: str | Path) -> list[Run]:
    """All runs below a folder, whole, in the order of their names.

    Raises:
        LogError: There is no such folder, no event file in it, or none with a monitor's numbers.
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
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = RequestContext()
    runs = [
        found
        for run, tags in tags_of(provider, context, "").items()
        for found in read_run(provider, context, "", run, tags, most=10**9)
    ]
    if not runs:
        raise LogError(
            f"event files below {folder}, but none with a monitor's numbers (tags such as "
            "information_plane/val/I_XT/<layer>); attach a monitor of it_callbacks to the Trainer"
        )
    return sorted(runs, key=lambda run: run.name)
