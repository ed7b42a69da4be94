"""Say what the predictions are like: collapsed, over-confident, or how much they tell."""

from __future__ import annotations

import math
from collections.abc import Iterator

from it_callbacks.findings.curves import curve
from it_callbacks.findings.finding import Z_95, Finding, after, moment, with_error
from it_callbacks.findings.fitting import cross_entropy
from it_callbacks.findings.judging import WINDOW
from it_callbacks.runs import Key, Run

COLLAPSED = 0.5
"""Share of H(Y) below which the marginal entropy is a collapse."""
SAME = 0.01
"""Share of H(Y) below which predictions do not depend on the input."""
ONE_CLASS = 0.1
"""Bits of the predicted classes below which nearly all samples are given one."""
LEAST_EXCESS = 0.05
"""Bits below which confidence is not spoken of."""


def _last(run: Run, set_: str, name: str) -> tuple[int, float]:
    """The last finite value of a quantity of predictions, and its step."""
    points = curve(run, Key("prediction_entropy", set_, name))
    return (points[-1].step, points[-1].bits) if points else (-1, math.nan)


def _n_samples(run: Run, set_: str) -> float:
    found = run.setting("prediction_entropy", set_, "n_samples") or 0
    return found if found > 0 else math.nan


def tells(run: Run, set_: str, n_runs: int) -> Iterator[Finding]:
    """What the predictions tell of the label at least, H(Y) - CE, where no layer tells it."""
    points = curve(run, Key("prediction_entropy", set_, "label_bound"))
    cost = _last(run, set_, "cross_entropy")[1]
    if not points or not math.isfinite(cost):
        return
    last = points[-1]
    words = with_error(last.bits, last.error, n_runs)
    text = (
        f"{after(run, last.step)}, the predictions tell at least {words} of the "
        f"{last.bits + cost:.2f} bits of the label (H(Y) - cross-entropy)."
    )
    yield Finding("tells", text, "fact", None, {"bits": last.bits, "error": last.error})


def collapse(run: Run, set_: str) -> Iterator[Finding]:
    """That predictions use few classes, or are the same for all samples.

    Few classes: H(Ŷ) is less than half of H(Y), which is the label bound and the cross-entropy
    together. The difference must exceed 3 standard errors of an entropy of as many classes at most,
    log2 K / (2 root N). The same for all: over the last three points or more, I(X;Ŷ) is less than a
    hundredth of H(Y), and the entropy of the predicted classes less than a tenth of a bit.
    """
    _, marginal = _last(run, set_, "marginal")
    entropy = _last(run, set_, "label_bound")[1] + _last(run, set_, "cross_entropy")[1]
    n_classes = run.setting("prediction_entropy", set_, "n_classes") or 0
    if n_classes < 2:
        return
    error = math.log2(n_classes) / (2 * math.sqrt(_n_samples(run, set_)))
    values = {"marginal": marginal, "H_Y": entropy}
    if marginal < COLLAPSED * entropy and entropy - marginal > 3 * error:
        labels = run.settings.get(f"prediction_entropy/{set_}", {}).get("labels")
        used = f" use about {2**marginal:.1f} of {n_classes:.0f} classes" * (labels == "classes")
        text = (
            f"Collapse: the predictions{used or ' hardly differ between samples'}; their marginal "
            f"entropy is {marginal:.2f} bits where the labels have {entropy:.2f}."
        )
        yield Finding("collapse", text, "warning", None, values)
    elif (since := _same_since(run, set_, entropy)) is not None:
        text = (
            f"Collapse: since {moment(run, since)} all samples have nearly the same prediction, "
            f"and one predicted class. It tells 0.00 of the {entropy:.2f} bits of the label."
        )
        yield Finding("collapse", text, "warning", None, values)


def _same_since(run: Run, set_: str, entropy: float) -> int | None:
    """The step from which on all samples have one prediction, for three points at least."""
    of = {
        name: {
            point.step: point.bits for point in curve(run, Key("prediction_entropy", set_, name))
        }
        for name in ("mean", "marginal", "hard")
    }
    steps = sorted(set(of["mean"]) & set(of["marginal"]) & set(of["hard"]))
    is_one = [
        of["marginal"][step] - of["mean"][step] < SAME * entropy and of["hard"][step] < ONE_CLASS
        for step in steps
    ]
    n = next((n for n, same in enumerate(reversed(is_one)) if not same), len(is_one))
    return steps[-n] if n >= WINDOW else None


def confidence(run: Run, set_: str, n_runs: int) -> Iterator[Finding]:
    """That predictions are surer than they are right, or less sure: CE against H(Ŷ|X).

    The mean entropy of calibrated predictions is their cross-entropy. Said if both differ by more
    than 1.96 standard errors of H(Y) - CE; of repeats by 1.96 standard deviations of CE.
    """
    points = cross_entropy(run, set_)
    step, unsure = _last(run, set_, "mean")
    if not points or points[-1].step != step or not math.isfinite(points[-1].error):
        return
    cost, error = points[-1].bits, points[-1].error
    excess = cost - unsure
    if not abs(excess) > max(LEAST_EXCESS, Z_95 * error):
        return
    values = {"cross_entropy": cost, "mean": unsure, "error": error}
    words = (
        f"their mean entropy is {unsure:.2f} bits, their cross-entropy "
        f"{with_error(cost, error, n_runs)}"
    )
    if excess > 0:
        text = f"The predictions are over-confident: {words}."
        yield Finding("over_confident", text, "warning", None, values)
    else:
        text = f"The predictions are less sure than they are right: {words}."
        yield Finding("under_confident", text, "fact", None, values)
