"""Gather what monitors have logged in the event files of one run.

A training that was interrupted and begins again writes another file, at a step that the first one
had passed. What the first logged from that step on is of a training that is no more.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # it ships none
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.util.tensor_util import make_ndarray

from it_callbacks.event_files import Lost, records
from it_callbacks.log_folders import LogError, opened, readable
from it_callbacks.quantities import ROOTS
from it_callbacks.resumed import resumed

SUFFIX = "/text_summary"
_OURS = re.compile(rf"(?:.*-)?(?:{'|'.join(ROOTS)})/.+", re.DOTALL)
_MAY_BE_OURS = re.compile("|".join(f"{root}/" for root in ROOTS).encode())
_LONGEST_START = 40
"""Bytes of the event that says that a writer begins again, which names no tag."""

Points = list[tuple[int, float]]


class Logged(NamedTuple):
    """What the files of one run hold of monitors."""

    scalars: dict[str, Points]
    """For each tag of a monitor, steps and values, as they were logged."""
    texts: dict[str, str]
    """For each tag, the last text."""
    lost: list[str]
    """What of the files is lost, and what was dropped, in words."""


def read_files(files: Sequence[str]) -> Logged:
    """Return what the files of a run hold, the first one begun first.

    Args:
        files: Paths, or URLs.
    """
    log = _Log()
    lost: list[str] = []
    for path in files:
        spans: list[Lost] = []
        n_foreign = 0
        try:
            with opened(path) as read:
                for record in records(read, spans):
                    if len(record) > _LONGEST_START and not _MAY_BE_OURS.search(record):
                        continue
                    try:
                        log.take(Event.FromString(record))
                    except DecodeError:
                        n_foreign += 1
        except (OSError, LogError) as error:
            lost.append(f"{readable(path)}: cannot be read ({_reason(error)}); passed over")
        lost += [f"{readable(path)}: {words}" for words in _in_words(spans, n_foreign)]
    scalars = {tag: points for tag, points in log.scalars.items() if _OURS.fullmatch(tag)}
    dropped = log.dropped + [step for points in scalars.values() for step in _dropped(points)]
    if dropped:
        lost.append(
            f"{readable(os.path.dirname(files[0]))}: dropped, as later values took their place: "
            f"{_counted(len(dropped), 'value')} from step {min(dropped)} on"
        )
    return Logged(scalars, log.texts, lost)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _in_words(spans: Iterable[Lost], n_foreign: int) -> Iterable[str]:
    inside = [span for span in spans if not span.is_end]
    if inside:
        n_bytes = sum(span.n_bytes for span in inside)
        places = "" if len(inside) == 1 else f"in {len(inside)} places, first "
        yield (
            f"damaged {places}at byte {inside[0].start}: lost {_counted(n_bytes, 'byte')}; all "
            "else is read"
        )
    for span in spans:
        if span.is_end:
            yield (
                f"the last record is incomplete ({_counted(span.n_bytes, 'byte')}): it is being "
                "written, or was cut off; all before it is read"
            )
    if n_foreign:
        yield f"passed over {_counted(n_foreign, 'record')} of no event"


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


class _Log:
    """The scalars and texts of monitors, as events come."""

    def __init__(self) -> None:
        self.scalars: dict[str, Points] = defaultdict(list)
        self.texts: dict[str, str] = {}
        self.plugins: dict[str, str] = defaultdict(str)
        self.dropped: list[int] = []
        """Steps of values that a writer said it would write again."""

    def take(self, event: Any) -> None:
        """Add what an event holds of ours."""
        step = event.step
        if event.session_log.status == SessionLog.START:
            for tag, points in self.scalars.items():
                self.scalars[tag] = [point for point in points if point[0] < step]
                self.dropped += [at for at, _ in points if at >= step]
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                self.scalars[value.tag].append((step, value.simple_value))
            elif (number := self._other(value)) is not None:
                self.scalars[value.tag].append((step, number))

    def _other(self, value: Any) -> float | None:
        """The number in a tensor; None where it is none, a text is noted."""
        tag = value.tag
        # Only the first value of a tag says what it is.
        self.plugins[tag] = self.plugins[tag] or value.metadata.plugin_data.plugin_name
        if value.WhichOneof("value") != "tensor" or self.plugins[tag] not in ("scalars", "text"):
            return None
        try:
            array = make_ndarray(value.tensor)
            if self.plugins[tag] == "scalars":
                return float(array.ravel()[0])
            self.texts[tag.removesuffix(SUFFIX)] = as_text(array)
        except (ValueError, TypeError, IndexError):  # of a form that we do not write
            pass
        return None


def _dropped(points: Points) -> list[int]:
    """The steps of values that a later, smaller step took away and that were not logged again."""
    kept = resumed(points)
    if len(kept) == len(points):
        return []
    return [step for step, value in points if value == value and kept.get(step) != value]


def as_text(array: Any) -> str:
    """Return the first text in an array of any shape; empty if it holds none."""
    first = next(iter(array.ravel()), b"")
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
