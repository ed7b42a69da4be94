"""Say which classes are confused."""

from __future__ import annotations

from collections.abc import Iterator

from it_callbacks.findings.curves import curve
from it_callbacks.findings.finding import Finding
from it_callbacks.runs import Run


def class_name(run: Run, set_: str, number: int) -> str:
    """The name of a class, where the settings hold one for it.

    Example:
        >>> of = {"conditional_entropy/val": {"class_names": ["cat", "dog"]}}
        >>> class_name(Run("a", {}, settings=of), "val", 1), class_name(Run("a", {}), "val", 1)
        ('dog', '1')
    """
    names = run.settings.get(f"conditional_entropy/{set_}", {}).get("class_names")
    if isinstance(names, list) and 0 <= number < len(names) and isinstance(names[number], str):
        return str(names[number])
    return str(number)


def scattered(run: Run, set_: str) -> Iterator[Finding]:
    """In which class the predictions scatter most, H(Ŷ|Y=c); exact for the samples of the set."""
    last = {}
    for key in run.series:
        number = key.layer.removeprefix("class_")
        is_class = key[:2] == ("conditional_entropy", set_) and number.isdecimal()
        if is_class and (points := curve(run, key)):
            last[int(number)] = points[-1].bits
    if len(last) < 3:
        return
    worst, next_ = sorted(last, key=lambda number: -last[number])[:2]
    text = (
        f"Predictions scatter most in class {class_name(run, set_, worst)}: {last[worst]:.2f} "
        f"bits; next is {class_name(run, set_, next_)} with {last[next_]:.2f}."
    )
    yield Finding("scattered", text, "fact", None, {"class": worst, "bits": last[worst]})
