"""Say in plain sentences what runs have come to: what was learnt, what is wrong, what is unknown.

Each sentence has a rule, which its function states; nothing is said inside its error. Standard
library only, as all that TensorBoard's tab is made of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from it_callbacks.findings import classes, fitting, layers, limits, predictions
from it_callbacks.findings.agreeing import agreeing
from it_callbacks.findings.finding import Finding as Finding
from it_callbacks.findings.planes import main_set, planes, training_set
from it_callbacks.findings.rules import RULES as RULES
from it_callbacks.quantities import ROOTS
from it_callbacks.repeats import are_repeats, averaged
from it_callbacks.runs import Key, Run


def findings(runs: Sequence[Run], sets: Collection[str] = ()) -> list[Finding]:
    """Return what runs have come to, most important first.

    Repeats are summed up as means, with their spread in brackets; other runs as by
    `findings_of_each`.

    Args:
        runs: Any number, with the series of `needed` at least.
        sets: Only these sets; all if empty.

    Example:
        >>> findings([Run("a", {})])
        []
    """
    if are_repeats(runs):
        return _of_one(averaged(runs), runs, sets)
    return findings_of_each(runs, sets)


def findings_of_each(runs: Sequence[Run], sets: Collection[str] = ()) -> list[Finding]:
    """Return what each run has come to, most important first; of several runs warnings first.

    Of several runs, each sentence begins with those of which it is true: what runs have come to
    alike is said once, as by `agreeing`.

    Args:
        runs: Any number, with the series of `needed` at least.
        sets: Only these sets; all if empty.
    """
    if len(runs) == 1:
        return _of_one(runs[0], runs, sets)
    found = agreeing({run.name: _of_one(run, [run], sets) for run in runs})
    order = list(RULES)
    return sorted(
        found,
        key=lambda each: (each.tone != "warning", order.index(each.rule), -len(each.runs)),
    )


def _of_one(run: Run, repeats: Sequence[Run], sets: Collection[str]) -> list[Finding]:
    """Of one run, or of a mean over repeats."""
    found = chain(
        _of_layers(run, len(repeats), sets),
        _of_predictions(run, len(repeats), sets),
        _of_classes(run, repeats, sets),
    )
    by_rule = {finding.rule: finding for finding in found}
    for rule, others in _SILENCES.items():
        if rule in by_rule:
            by_rule = {each: of for each, of in by_rule.items() if each not in others}
    by_rule |= {finding.rule: finding for finding in limits.not_measured(run, by_rule)}
    names = [each.name for each in repeats]
    return [replace(by_rule[rule], runs=names) for rule in RULES if rule in by_rule]


def _of_layers(run: Run, n_runs: int, sets: Collection[str]) -> Iterator[Finding]:
    plane, training = planes(run, sets, n_runs)
    if plane is None:
        return
    gains = layers.gains(plane)
    yield from layers.learnt(plane)
    yield from layers.gained(plane, gains)
    yield from layers.learns_last(plane, gains, training)
    yield from layers.lost(plane)
    yield from layers.fell(plane)
    yield from layers.agree(plane)
    yield from fitting.gap_of_layers(plane, training)
    yield from limits.begins_late(plane)
    yield from limits.readable(plane)
    yield from limits.dead_layers(plane)
    yield from limits.dead_units(plane)
    yield from limits.uneven(plane)
    yield from limits.cautions(plane)


def _of_predictions(run: Run, n_runs: int, sets: Collection[str]) -> Iterator[Finding]:
    main, training = _sets(run, "prediction_entropy", "mean", sets)
    if main is None:
        return
    yield from predictions.tells(run, main, n_runs)
    yield from predictions.collapse(run, main)
    yield from predictions.confidence(run, main, n_runs)
    if main != training:
        yield from fitting.gap_of_predictions(run, main, training, n_runs)
        yield from fitting.rises_again(run, main, n_runs)


def _of_classes(run: Run, repeats: Sequence[Run], sets: Collection[str]) -> Iterator[Finding]:
    main, _ = _sets(run, "conditional_entropy", "all", sets)
    if main is not None:
        yield from classes.confused(repeats, main)
        yield from classes.scattered(run, main)


def _sets(run: Run, root: str, name: str, sets: Collection[str]) -> tuple[str | None, str | None]:
    """The main set of predictions, and the training set."""
    there = [set_ for set_ in run.sets(f"{root}/{name}") if not sets or set_ in sets]
    return main_set(run, root, there), training_set(run, root, there)


_OF_CONSTANTS = ("gap_of_layers", "no_gap", "learns_unsure", "ends", "agree")
_OF_ONE_PREDICTION = ("confused", "scattered", "over_confident", "under_confident")
_SILENCES = {
    "learnt": ("tells",),
    "collapse": _OF_ONE_PREDICTION,
    "dead_network": (*_OF_CONSTANTS, *_OF_ONE_PREDICTION, "collapse"),
}
"""By rule, those that say nothing more, or nothing of worth, where it holds."""

_QUANTITIES = frozenset(
    (
        *("V_TY", "V_TY_se", "relative_I_XT", "relative_I_XT_se", "wide_status", "spread"),
        *("I_XT", "I_TY", "I_TY_chance", "I_TY_adjusted", "I_TY_low", "I_TY_high", "status"),
        "unit_dead",
    )
)
_OF_PREDICTIONS = (
    "mean",
    "marginal",
    "hard",
    "cross_entropy",
    "label_bound",
    "label_bound_se",
    "all",
)


def needed(run: Run) -> set[Key]:
    """Return the series that findings are made of, of those that a run has.

    Example:
        >>> keys = [Key("V_TY", "val", "fc"), Key("coverage", "val", "fc")]
        >>> needed(Run("a", {key: {} for key in keys})) == {keys[0]}
        True
    """
    return {
        key
        for key in run.series
        if key.quantity in _QUANTITIES
        or (
            key.quantity in ROOTS
            and (key.layer in _OF_PREDICTIONS or key.layer.startswith(("class_", "confused_")))
        )
    }
