"""The arguments that all monitors share in; a word on the first that has no meaning out."""

from __future__ import annotations

from it_callbacks.callbacks.schedules import Schedule, check_schedule, counts_steps
from it_callbacks.records import slug
from it_callbacks.rulers.ruler import as_integer


def check_arguments(
    *,
    data: object,
    schedule: Schedule,
    max_samples: object,
    on_error: object,
    name: object,
    seed: object,
) -> None:
    """Raise unless each is what the monitors' docstrings say, and they go together.

    Raises:
        ValueError: An argument has no meaning.
        TypeError: `schedule` is of the wrong kind.
    """
    check_schedule(schedule)
    if counts_steps(schedule) and data is None:
        raise ValueError(
            "schedule: steps need a data, since a validation loop comes when it comes; pass "
            "data='train', 'val' or a set of your own, or LogSpaced(unit='epochs')"
        )
    if isinstance(data, str) and data not in ("train", "val"):
        raise ValueError(
            f"data: need 'train', 'val', a data set, a loader or tensors, got {data!r}"
        )
    if max_samples is not None and not _is_whole(max_samples, at_least=2):
        raise ValueError(f"max_samples: need a whole number >= 2 or None, got {max_samples!r}")
    if on_error not in ("warn", "raise"):
        raise ValueError(f"on_error: need 'warn' or 'raise', got {on_error!r}")
    if not _is_whole(seed, at_least=0):
        raise ValueError(f"seed: need a whole number >= 0, got {seed!r}")
    if name is not None and (not isinstance(name, str) or slug(name) != name):
        raise ValueError(
            f"name: need letters, digits, '_', '.' and '-' only (it becomes part of tags), "
            f"got {name!r}"
        )


def _is_whole(value: object, *, at_least: int) -> bool:
    number = as_integer(value)
    return number is not None and number >= at_least
