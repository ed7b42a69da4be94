"""One finding: a sentence about a run, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from it_callbacks.findings.rules import RULES
from it_callbacks.runs import Run

Tone: TypeAlias = Literal["fact", "gain", "warning", "unknown"]
"""``fact``: what stands in the log. ``gain``: a change for the better, judged. ``warning``: what is
wrong, judged. ``unknown``: what cannot be said, and why."""


@dataclass(frozen=True)
class Finding:
    """A sentence about a run.

    Attributes:
        rule: Which rule gave it: a row of the docs' page on findings.
        text: The sentence, plain text; names in it are as the run has them.
        tone: How to take it.
        layer: Full name of the layer that it is about; None if it is about none or several.
        values: The numbers that the sentence rests on; infinite what nothing would reach.
        names: What the sentence is about besides `layer`: two findings of one rule with the same
            layer and names say the same, of other numbers.
        runs: Names of the runs of which it is true.
    """

    rule: str
    text: str
    tone: Tone
    layer: str | None = None
    values: Mapping[str, float | str] = field(default_factory=dict)
    names: Sequence[str] = ()
    runs: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, with the rule in a line as ``why``.

        A number that JSON has none for is left out.

        Example:
            >>> Finding("learnt", "1.00 bit.", "fact", "fc", {"bits": 1.0}).as_dict()["values"]
            {'bits': 1.0}
        """
        return {
            "rule": self.rule,
            "text": self.text,
            "why": RULES[self.rule],
            "tone": self.tone,
            "layer": self.layer,
            "values": {
                name: value
                for name, value in self.values.items()
                if isinstance(value, str) or math.isfinite(value)
            },
            "runs": list(self.runs),
        }


def listed(names: Sequence[str], most: int = 4) -> str:
    """Write names as a list, the rest of many as a number.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], most=2), listed(["a"])
        ('a, b and c', 'a, b and 1 more', 'a')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def moment(run: Run, step: int) -> str:
    """Write when a step was: as an epoch where that was logged.

    Example:
        >>> moment(Run("a", {}, {90: 2}), 90), moment(Run("a", {}), 90)
        ('epoch 2', 'step 90')
    """
    return f"epoch {run.epochs[step]}" if step in run.epochs else f"step {step}"


def after(run: Run, step: int) -> str:
    """Write how far a run had come at a step, as a sentence begins.

    Example:
        >>> after(Run("a", {}, {90: 2}), 90), after(Run("a", {}, {0: 0}), 0), after(Run("a", {}), 9)
        ('After 2 epochs', 'Before training', 'At step 9')
    """
    epoch = run.epochs.get(step)
    if epoch is None:
        return f"At step {step}"
    if epoch == 0:
        return "Before training" if step == 0 else f"In the first epoch, at step {step}"
    return f"After {epoch} epoch{'s' if epoch > 1 else ''}"


def with_error(value: float, error: float, n_runs: int) -> str:
    """Write a value with its 95 % error; of repeats in brackets their standard deviation.

    Args:
        value: In bits.
        error: Standard error, or standard deviation over repeats; NaN where unknown.
        n_runs: How many repeats it is the mean of.

    Example:
        >>> with_error(3.0, 0.1, 1), with_error(3.0, 0.1, 5), with_error(3.0, float("nan"), 1)
        ('3.00 ± 0.20', '3.00 (0.10)', '3.00')
    """
    if not math.isfinite(error):
        return f"{value:.2f}"
    return f"{value:.2f} ({error:.2f})" if n_runs > 1 else f"{value:.2f} ± {Z_95 * error:.2f}"


Z_95 = 1.96
"""Standard errors to either side that hold 95 %."""
