"""What the reader of a point of predictions should know, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from it_callbacks.observation.instrument import Notice, shift_notice
from it_callbacks.observation.prediction_pass import Predicted
from it_callbacks.observation.set_notices import MOST_REPEATED, few_notices
from it_callbacks.predictions.defined import DefinedRows


def taken(found: Predicted[DefinedRows]) -> str:
    """Which output was found to be predictions; the user has not named it."""
    metric, source = found.metric.metric, found.source
    if not source.is_guess:
        return ""
    return (
        f"takes the {metric.kind} of {metric.num_classes} classes from {source} as predictions; "
        "logits= names another output"
    )


def notices(
    set_: str, found: Predicted[DefinedRows], who: str, missing: Sequence[int]
) -> list[Notice]:
    """What to say of a point.

    Args:
        set_: What its set is called.
        found: What the pass has left.
        who: Whose metric it is told by, where several feed on the pass.
        missing: Classes without a sample.
    """
    said = []
    if found.is_shifted:
        said.append(shift_notice(set_))
    if found.is_kind_a_guess:
        text = (
            f"set {set_!r}: predictions are single numbers, all in [0, 1], and are read as "
            "probabilities; if they are logits, "
            "pass logits=lambda z: torch.stack([-z.flatten(), z.flatten()], 1) / 2"
        )
        said.append(Notice("logits", text))
    if found.metric.n_left_out:
        text = (
            f"set {set_!r}: {found.metric.n_left_out} of {found.n_samples} rows of predictions are "
            "NaN or infinite and are left out"
        )
        said.append(Notice("left out", text))
    if missing:
        classes = ", ".join(map(str, missing))
        text = f"set {set_!r}: no sample of class {classes}, so it has no point"
        said.append(Notice("missing", text))
    return said + _of_samples(set_, found, who)


def _of_samples(set_: str, found: Predicted[DefinedRows], who: str) -> list[Notice]:
    rows = found.metric
    once = rows.once(who)  # that of another may be empty by now
    # Of many positions, many are of rare words, say, which is no reason for a warning.
    said = few_notices(
        set_,
        once.n_counted,
        () if found.by_position else once.class_sizes,
        "what predictions tell about labels is chance in part: see the chance levels beside it. "
        "Pass a larger data=",
    )
    if rows.is_mixed:
        text = (
            f"set {set_!r}: processes have met the same inputs, so that nobody has counted each "
            "once: no chance level, adjusted value, status and standard error. Pass data= of "
            "distinct inputs, or measure in one process"
        )
        said.append(Notice("repeated", text))
    elif (share := rows.share_repeated) is not None and share > MOST_REPEATED:
        text = (
            f"set {set_!r}: {share:.0%} of the inputs are repeated; each counts once for chance, "
            "status and standard errors"
        )
        said.append(Notice("repeated", text))
    return said
