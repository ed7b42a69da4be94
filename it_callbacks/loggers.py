"""Give every logger values, texts, pictures and charts, each as far as it takes them.

Loggers are known by what they can do, never by their class: each of Lightning's two names has
classes of its own. TensorBoard's gets all values of a step in one event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary

from it_callbacks.charts import layout
from it_callbacks.quantities import Quantity
from it_callbacks.texts import to_text


class Fault(NamedTuple):
    """What a logger raised: a full disk, a directory that cannot be written, a lost server."""

    logger: str
    error: Exception


class LoggedPoint(NamedTuple):
    """What loggers get of a point.

    Args:
        values: By tag.
        step: Where loggers put them.
    """

    values: Mapping[str, float]
    step: int


def log_points(
    loggers: Iterable[Any],
    points: Sequence[LoggedPoint],
    names_of_others: Callable[[], Collection[str]] = tuple,
) -> list[list[Fault]]:
    """Give all values of some points to every logger, and have them written at once.

    A process that is killed must lose nothing that was measured.

    Args:
        loggers: The Trainer's.
        points: In the order measured.
        names_of_others: What else the loggers get. If one of these names is a folder of a tag,
            MLflow's default store has room for one of the two only: the other one's call raises,
            and that of the user must not.

    Returns:
        For each point what went wrong with it.
    """
    faults = [list[Fault]() for _ in points]
    for logger in loggers:
        for of_point, error in zip(faults, _log(logger, points, names_of_others), strict=True):
            of_point += [] if error is None else [Fault(type(logger).__name__, error)]
    return faults


def _log(
    logger: Any, points: Sequence[LoggedPoint], names_of_others: Callable[[], Collection[str]]
) -> Sequence[Exception | None]:
    """Give points to a logger; returns for each what went wrong with it."""
    errors: list[Exception | None] = [None] * len(points)
    try:
        writer = _summary_writer(logger)
        if writer is None:
            others = set(names_of_others()) if _is_of_mlflow(logger) else set[str]()
            errors = [_log_metrics(logger, point, others) for point in points]
        for step, of_step in groupby(points if writer is not None else (), attrgetter("step")):
            pairs = (pair for point in of_step for pair in point.values.items())
            if values := {_prefixed(logger, tag): value for tag, value in pairs}:
                # Of Lightning's own call for each value, four fifths of the time is overhead.
                writer.add_summary(_summary(values), step)
        flush = getattr(_experiment(logger), "flush", None)
        if callable(flush):
            flush()
        else:
            logger.save()
    except Exception as error:
        return [earlier or error for earlier in errors]
    return errors


def _log_metrics(logger: Any, point: LoggedPoint, others: set[str]) -> Exception | None:
    """Give a point to a logger by its own call; returns what went wrong."""
    clashes = _clashes(point.values, others)
    fit = {tag: value for tag, value in point.values.items() if tag not in clashes}
    try:
        if fit:
            logger.log_metrics(fit, step=point.step)
    except Exception as error:
        return error
    for tag, (name, *_) in clashes.items():
        return ValueError(
            f"it cannot keep {tag!r} where another metric is called {name!r}; rename that one"
        )
    return None


def _summary(values: Mapping[str, float]) -> Summary:
    summary = Summary()
    summary.CopyFrom(_named(tuple(values)))
    for each, value in zip(summary.value, values.values(), strict=True):
        each.simple_value = value
    return summary


@lru_cache(maxsize=16)  # most points have the tags of the one before
def _named(tags: tuple[str, ...]) -> Summary:
    """Values of these tags, which are still to come: naming them is most of the work."""
    return Summary(value=[Summary.Value(tag=tag) for tag in tags])


def _summary_writer(logger: Any) -> Any:
    """What writes event files for Lightning's logger as it is; None where another way is needed.

    Of a user's own `log_metrics`, of another package's writer and of what stands for a writer in
    other processes nothing is known.
    """
    log_metrics = getattr(type(logger), "log_metrics", None)
    package, _, rest = str(getattr(log_metrics, "__module__", "")).partition(".")
    if not package.startswith("lightning") or not rest.endswith("loggers.tensorboard"):
        return None
    experiment = _experiment(logger)
    kind = type(experiment)
    is_torchs = (kind.__module__, kind.__name__) == (
        "torch.utils.tensorboard.writer",
        "SummaryWriter",
    )
    return experiment._get_file_writer() if is_torchs else None


def _is_of_mlflow(logger: Any) -> bool:
    # Asked of the class: what stands for a writer in other processes has every attribute.
    return callable(getattr(type(_experiment(logger)), "log_batch", None))


def _clashes(tags: Iterable[str], others: set[str]) -> dict[str, set[str]]:
    """The tags that lie in a folder with the name of another metric, with these names."""
    return {tag: names for tag in tags if (names := _folders(tag) & others)}


def _folders(tag: str) -> set[str]:
    """``{"a", "a/b"}`` of ``"a/b/c"``."""
    return {tag[:end] for end, letter in enumerate(tag) if letter == "/"}


def log_text(loggers: Iterable[Any], tag: str, value: object, step: int) -> list[Fault]:
    """Give settings, warnings or verdicts to every logger that takes text; see `to_text`."""
    text = to_text(value)

    def log(logger: Any) -> None:
        add_text = getattr(_experiment(logger), "add_text", None)
        if callable(add_text):
            add_text(_prefixed(logger, tag), text, step)

    return _each(loggers, log)


class Picture(Protocol):
    """A picture of a point, in the two forms that loggers take; drawn when asked for."""

    def pixels(self) -> NDArray[np.uint8]:
        """An image ``(height, width, 3)``."""

    def figure(self) -> Any:
        """A `plotly.graph_objects.Figure` of just that type, which W&B asks for."""


def takes_pictures(loggers: Iterable[Any]) -> bool:
    """Whether any of the loggers takes pictures; one that cannot be asked counts as one."""
    try:
        return any(_way_of(logger) is not None for logger in loggers)
    except Exception:  # a logger may raise anything; `log_picture` says then what it was
        return True


def log_picture(loggers: Iterable[Any], tag: str, picture: Picture, step: int) -> list[Fault]:
    """Give a picture to every logger that takes one, and have it written.

    Args:
        loggers: The Trainer's.
        tag: Of the picture.
        picture: Only drawn where a logger takes it.
        step: Where loggers put it.

    Raises:
        Exception: It could not be drawn.
    """
    ways: list[tuple[Any, _Way]] = []

    def ask(logger: Any) -> None:
        way = _way_of(logger)
        if way is not None:
            ways.append((logger, way))

    faults = _each(loggers, ask)
    for logger, (form, log) in ways:
        drawn = picture.pixels() if form == "pixels" else picture.figure()
        faults += _each([logger], partial(log, _prefixed(logger, tag), drawn, step))
    return faults


_Way = tuple[Literal["pixels", "figure"], Callable[[str, Any, int, Any], None]]


def _way_of(logger: Any) -> _Way | None:
    """Which form of a picture a logger takes, and how; None if it takes none."""
    experiment = _experiment(logger)
    if callable(getattr(experiment, "add_image", None)):
        return "pixels", _to_tensorboard
    # Asked of the class: what stands for a writer in other processes has every attribute.
    kind = type(experiment)
    if callable(getattr(kind, "log_batch", None)) and callable(getattr(kind, "log_image", None)):
        return "pixels", _to_mlflow
    if callable(getattr(kind, "log_figure", None)):
        return "figure", _to_comet
    if callable(getattr(kind, "define_metric", None)):
        return "figure", _to_wandb
    return None


def _to_tensorboard(tag: str, image: Any, step: int, logger: Any) -> None:
    experiment = _experiment(logger)
    experiment.add_image(tag, image, step, dataformats="HWC")
    flush = getattr(experiment, "flush", None)
    if callable(flush):
        flush()


def _to_mlflow(tag: str, image: Any, step: int, logger: Any) -> None:
    _experiment(logger).log_image(logger.run_id, image, artifact_file=f"{tag}_step_{step}.png")


def _to_comet(tag: str, figure: Any, step: int, logger: Any) -> None:
    _experiment(logger).log_figure(figure_name=tag, figure=figure, step=step)


def _to_wandb(tag: str, figure: Any, step: int, logger: Any) -> None:
    # As Lightning's logger gives metrics their step.
    _experiment(logger).log({tag: figure, "trainer/global_step": step})


def log_layout(
    loggers: Iterable[Any], tags: Iterable[str], own: Iterable[Quantity] = ()
) -> list[Fault]:
    """Lay out TensorBoard's custom scalars for these tags; see `layout`."""
    tags, own = list(tags), list(own)

    def log(logger: Any) -> None:
        add_custom_scalars = getattr(_experiment(logger), "add_custom_scalars", None)
        if callable(add_custom_scalars):
            add_custom_scalars(layout(tags, _prefixed(logger, ""), own))

    return _each(loggers, log)


def _each(loggers: Iterable[Any], log: Callable[[Any], None]) -> list[Fault]:
    """Call `log` on every logger; one that raises keeps nothing from the others."""
    faults = []
    for logger in loggers:
        try:
            log(logger)
        except Exception as error:
            faults.append(Fault(type(logger).__name__, error))
    return faults


def _experiment(logger: Any) -> Any:
    return getattr(logger, "experiment", None)


def _prefixed(logger: Any, tag: str) -> str:
    prefix = getattr(logger, "_prefix", "")
    return f"{prefix}{getattr(logger, 'LOGGER_JOIN_CHAR', '-')}{tag}" if prefix else tag
