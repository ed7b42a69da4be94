"""What to say of the samples that a value is of, whichever monitor measures it."""

from __future__ import annotations

from collections.abc import Collection

from it_callbacks.observation.instrument import Notice

FEWEST_SAMPLES = 1024
FEWEST_PER_CLASS = 50
MOST_REPEATED = 0.01


def few_notices(
    set_: str, n_samples: int, class_sizes: Collection[int], consequence: str
) -> list[Notice]:
    """What to say of a set that is too small for its values.

    Args:
        set_: What it is called.
        n_samples: How many samples it has.
        class_sizes: Samples in each class seen; empty where there are none, or where classes do not
            matter.
        consequence: What that means for the values, and what to do about it.

    Example:
        >>> few_notices("val", 5000, [2500, 2500], "so what")
        []
    """
    fewest = min(class_sizes, default=n_samples)
    if n_samples >= FEWEST_SAMPLES and fewest >= FEWEST_PER_CLASS:
        return []
    in_smallest = f", {fewest} in the smallest class," if class_sizes else ""
    text = (
        f"set {set_!r}: {n_samples} samples{in_smallest} are few: "
        f"below {FEWEST_SAMPLES}, or {FEWEST_PER_CLASS} per class, {consequence}"
    )
    return [Notice("few", text)]
