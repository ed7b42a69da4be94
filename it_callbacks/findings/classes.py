"""Say which classes are confused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from it_callbacks.figures.labels import shortened
from it_callbacks.findings.curves import curve
from it_callbacks.findings.finding import Finding
from it_callbacks.findings.planes import set_in_words
from it_callbacks.runs import Key, Run

FEWEST_MISTAKES = 5


def class_name(run: Run, set_: str, number: int) -> str:
    """The name of a class, where the settings hold one for it.

    Example:
        >>> of = {"conditional_entropy/val": {"class_names": ["cat", "dog"]}}
        >>> class_name(Run("a", {}, settings=of), "val", 1), class_name(Run("a", {}), "val", 1)
        ('dog', '1')
    """
    names = run.settings.get(f"conditional_entropy/{set_}", {}).get("class_names")
    if isinstance(names, list) and 0 <= number < len(names) and isinstance(names[number], str):
        return shortened(names[number])
    return str(number)


def confused(runs: Sequence[Run], set_: str) -> Iterator[Finding]:
    """Which two classes are most often taken for each other, from 5 samples on.

    Of repeats the pair that most of them have, with its mean share in these. Exact for the samples
    of the set.
    """
    found = [pair for run in runs if (pair := _pair(run, set_)) is not None]
    if not found:
        return
    (first, second), n_runs = Counter((first, second) for first, second, _ in found).most_common()[
        0
    ]
    share = fmean(share for *pair, share in found if (first, second) == tuple(pair))
    names = " and ".join(class_name(runs[0], set_, number) for number in (first, second))
    n_samples = runs[0].setting("conditional_entropy", set_, "n_samples")
    many = f"{share:.1%} of all samples"
    if n_samples and len(runs) == 1:
        many = f"{share * n_samples:.0f} of {n_samples:.0f} samples"
    of_runs = f", in {n_runs} of {len(runs)} runs" if len(runs) > 1 else ""
    text = (
        f"The classes most often taken for each other in {set_in_words(set_)} are {names}: "
        f"{many}{of_runs}."
    )
    values = {"first": float(first), "second": float(second), "share": share}
    yield Finding("confused", text, "fact", None, values, [str(first), str(second)])


def _pair(run: Run, set_: str) -> tuple[int, int, float] | None:
    """The two classes and their share at the last point; None where mistakes are too few."""
    last = [
        curve(run, Key("label_information", set_, f"confused_{name}"))[-1:]
        for name in ("first", "second", "share")
    ]
    n_samples = run.setting("conditional_entropy", set_, "n_samples")
    if not all(last) or len({point.step for (point,) in last}) > 1 or not n_samples:
        return None
    first, second, share = (point.bits for (point,) in last)
    return (int(first), int(second), share) if share * n_samples >= FEWEST_MISTAKES - 0.5 else None


def scattered(run: Run, set_: str) -> Iterator[Finding]:
    """In which class the predictions scatter most, H(Ŷ|Y=c); exact for the samples of the set."""
    last = {
        int(number): points[-1].bits
        for key in run.series
        if key[:2] == ("conditional_entropy", set_)
        and (number := key.layer.removeprefix("class_")).isdecimal()
        and len(number) < _MOST_DIGITS
        and (points := curve(run, key))
    }
    if len(last) < 3:
        return
    worst, next_ = sorted(last, key=lambda number: -last[number])[:2]
    values = {"class": float(worst), "bits": last[worst]}
    text = (
        f"Predictions scatter most in class {class_name(run, set_, worst)}: {last[worst]:.2f} "
        f"bits; next is {class_name(run, set_, next_)} with {last[next_]:.2f}."
    )
    yield Finding("scattered", text, "fact", None, values, [str(worst), str(next_)])


_MOST_DIGITS = 10
"""Of the number of a class; a stranger's log may hold any."""
