"""Read the runs of monitors out of a TensorBoard log, through its data provider or from a folder.

The tab reads through the data provider of the TensorBoard that shows it, whichever loader that
has; reports and tables read a folder. Strangers' logs are data: what is not of the form that
monitors write is passed over.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from tensorboard.data import provider as data

from it_callbacks.event_logs import SUFFIX, as_text, read_files
from it_callbacks.log_folders import LogError as LogError
from it_callbacks.log_folders import as_place, found_below
from it_callbacks.quantities import ROOTS
from it_callbacks.runs import Key, Outline, Run, outlines

MOST_POINTS = 10_000
"""Of a tag: as many as `it-callbacks view` lets TensorBoard keep, which alone keeps 1000."""

Stamp = tuple[int, float]
"""Of a tag, its last step and when it was logged: another one once there is another value."""

_STEP_AND_VALUE = attrgetter("step", "value")
_ROOT = re.compile("|".join(f"{root}/" for root in ROOTS))
_ENDS = tuple(f"/{kind}{SUFFIX}" for kind in ("settings", "warnings", "verdicts"))


class LogWarning(UserWarning):
    """Something of a log was lost or passed over; the rest was read."""


class Log(NamedTuple):
    """What one request sees of a log.

    Args:
        provider: TensorBoard's data provider.
        context: TensorBoard's context of the request.
        experiment: TensorBoard's number of the experiment.
        known: Keeps outlines from request to request, as long as tags and texts are the same.
    """

    provider: data.DataProvider
    context: Any
    experiment: str
    known: dict[str, tuple[Any, list[Outline]]] | None = None

    def tags(self) -> dict[str, dict[str, Stamp]]:
        """For each of TensorBoard's runs, the scalar tags that may be a monitor's, with stamps."""
        listed = self.provider.list_scalars(
            self.context, experiment_id=self.experiment, plugin_name="scalars"
        )
        found = {
            run: {
                tag: (of.max_step, of.max_wall_time)
                for tag, of in tags.items()
                if _ROOT.search(tag)
            }
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
        known = {} if self.known is None else self.known
        for run, run_tags in tags.items():
            told = tuple(run_tags), texts.get(run, {})
            if run not in known or known[run][0] != told:
                known[run] = told, outlines(run, *told)
        return {run: known[run][1] for run in tags if known[run][1]}

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
        scalars = {tag: map(_STEP_AND_VALUE, points) for tag, points in read.items()}
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
                tag.removesuffix(SUFFIX): as_text(points[-1].numpy)
                for tag, points in by_tag.items()
                if points
            }
            for run, by_tag in read.items()
        }


class Found(NamedTuple):
    """A run, and where it was found."""

    run: Run
    place: str
    """The folder that was given."""
    identity: Hashable
    """The same for all runs of the same files and prefix."""
    is_link: bool


def read_folder(logdir: str | os.PathLike[str]) -> list[Run]:
    """Return all runs below a folder, whole, in the order of their names.

    Links are followed; a run that several names lead to is read once. What is lost of damaged
    files or dropped is warned of, and is in `Run.lost`.

    Args:
        logdir: The folder, or a URL that TensorBoard can read: ``"s3://bucket/runs"``.

    Raises:
        LogError: There is no such folder, no event file in it, or none with a monitor's values.

    Warns:
        LogWarning: Something was lost or passed over.
    """
    found, notes = read_folders([as_place(logdir)])
    runs = [each.run for each in once(found, notes)]
    for note in notes:
        warnings.warn(note, LogWarning, stacklevel=2)
    return runs


def read_folders(places: Sequence[str]) -> tuple[list[Found], list[str]]:
    """Return all runs below folders, by every name that leads to them, and what is to be said.

    Args:
        places: Folders or URLs.

    Raises:
        LogError: One of them is no folder, or holds nothing of ours.
    """
    notes: list[str] = []
    runs_of: dict[Hashable, list[Run]] = {}
    found: list[Found] = []
    for place in places:
        here, begun = len(found), len(notes)
        folders = found_below(place, notes)
        for folder in folders:
            if folder.identity not in runs_of:
                logged = read_files(folder.files)
                notes += logged.lost
                runs_of[folder.identity] = [
                    replace(outline.filled(logged.scalars), lost=logged.lost)
                    for outline in outlines("", logged.scalars, logged.texts)
                ]
            found += [
                Found(
                    replace(run, name=f"{folder.name}{run.name}"),
                    place,
                    (folder.identity, run.name),
                    folder.is_link,
                )
                for run in runs_of[folder.identity]
            ]
        if len(found) == here:
            why = f" ({'; '.join(notes[begun:])})" if notes[begun:] else ""
            if not folders:
                raise LogError(
                    f"no TensorBoard event file in {place} or below; is it the log directory?{why}"
                )
            raise LogError(
                f"event files below {place}, but none with a monitor's values (tags such as "
                "information_plane/val/I_XT/<layer>); attach a monitor of it_callbacks to the "
                f"Trainer{why}"
            )
    return found, notes


def once(found: Sequence[Found], notes: list[str]) -> list[Found]:
    """Return each run under one name: its folder's own rather than a link's, else the first.

    Args:
        found: Runs, some of them perhaps the same.
        notes: Gets which names were dropped.
    """
    kept: dict[Hashable, Found] = {}
    for each in sorted(found, key=lambda each: each.is_link):
        first = kept.setdefault(each.identity, each)
        name, other = each.run.name, first.run.name
        if name == other and first is not each:
            notes.append(f"{name} is given twice, and read once")
        elif first is not each:
            notes.append(f"{name} is the same run as {other}, and is left out")
    return [each for each in found if kept[each.identity] is each]
