"""How often the 95 % intervals of H, H(T|Y) and I(T;Y) hold a truth that is known.

You learn where an interval is drawn, how often it holds, and what ± 1.96 standard errors around the
value of Chao, Wang & Jost would have held in its place (at a coverage of at least .8, a chance
share of at most .05: the rule of the first version). The families of `laws.py` are in two parts:
kinds that the constants of the rules were chosen on, and kinds that they were not.

    python examples/reproduce/intervals.py [--fast]

Prints the tables of docs/accuracy.md, as Markdown. A plain run takes some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from laws import (
    Labelled,
    States,
    chosen_on,
    chosen_on_with_labels,
    held_out,
    held_out_with_labels,
)

from it_callbacks.estimators import (
    Estimate,
    chao_wang_jost,
    conditional_entropy,
    entropy,
    mutual_information,
)

ENOUGH = 0.2
"""Share of the samples from which on those drawn can be said to hold so often."""

AGAIN = 1000
"""Samples of those regimes that are drawn again."""
ROUNDING = 1e-9
"""Bits that a truth may be off by, and an end at it."""


class Settings(NamedTuple):
    """Trials at each number of samples."""

    trials: dict[int, int]
    trials_with_labels: dict[int, int]


USUAL = Settings(
    {256: 300, 512: 300, 2048: 300, 10_240: 200, 40_960: 100}, {512: 200, 2048: 200, 10_240: 100}
)
FAST = Settings({512: 40, 2048: 40}, {1024: 20})


class Regime(NamedTuple):
    """What was found of a law at one number of samples.

    Args:
        family: Of the law.
        name: Of the law.
        n_samples: N.
        old_drawn: Share of samples in which the first version's interval was drawn.
        old_held: Share of those that held the truth; NaN if there are none.
        drawn: Share of samples in which an interval is drawn.
        held: Share of those that hold the truth; NaN if there are none.
        half_width: Mean of those, in bits.
        least: Share of all samples whose lower end is below the truth.
    """

    family: str
    name: str
    n_samples: int
    old_drawn: float
    old_held: float
    drawn: float
    held: float
    half_width: float
    least: float

    @property
    def is_told(self) -> bool:
        """Whether it is drawn often enough for a share of those drawn."""
        return self.drawn >= ENOUGH


Found = tuple[Estimate, float]
"""An estimate, and the value of Chao, Wang & Jost."""


def regime(law: Any, truth: float, n: int, found: Sequence[Found], limit: str) -> Regime:
    """Sum up the samples of one law.

    Args:
        law: Of which they are.
        truth: In bits.
        n: Samples in each.
        found: Of each sample.
        limit: What decided in the first version: ``"coverage"`` or ``"chance_share"``.
    """
    inside, drawn, old_inside, widths, least = [], 0, [], [], []
    for estimate, centre in found:
        least.append(estimate.low <= truth + ROUNDING)
        if math.isfinite(estimate.high):
            drawn += 1
            inside.append(estimate.low - ROUNDING <= truth <= estimate.high + ROUNDING)
            widths.append((estimate.high - estimate.low) / 2)
        is_old = estimate.coverage >= 0.8 if limit == "coverage" else estimate.chance_share <= 0.05
        if is_old:
            reach = 1.96 * estimate.standard_error + ROUNDING
            old_inside.append(abs(centre - truth) <= reach)
    return Regime(
        law.family,
        law.name,
        n,
        len(old_inside) / len(found),
        _mean(old_inside),
        drawn / len(found),
        _mean(inside),
        _mean(widths),
        _mean(least),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def generator(law: States | Labelled, n: int, seed: int) -> np.random.Generator:
    """Of the law's samples of this size, the same ones in every run."""
    return np.random.default_rng([zlib.crc32(f"{law.family}, {law.name}".encode()), n, seed])


def of_states(laws: Iterable[States], trials: dict[int, int], seed: int = 0) -> Iterator[Regime]:
    """Intervals of H."""
    for law, (n, times) in itertools.product(laws, trials.items()):
        rng = generator(law, n, seed)
        found = []
        for _ in range(times):
            estimate = entropy(law.draw(rng, n), estimator=chao_wang_jost)
            found.append((estimate, estimate.bits))
        yield regime(law, law.truth, n, found, "coverage")


def of_labels(
    laws: Iterable[Labelled], trials: dict[int, int], seed: int = 0
) -> Iterator[tuple[Regime, Regime, Regime]]:
    """Intervals of I(T;Y) at a chance share up to .05, at all that are drawn, and of H(T|Y)."""
    for law, (n, times) in itertools.product(laws, trials.items()):
        rng = generator(law, n, seed)
        found, left = [], []
        for _ in range(times):
            x, y = law.draw(rng, n)
            about = mutual_information(x, y, estimator=chao_wang_jost, n_classes=law.n_classes)
            found.append((about, about.bits))
            rest = conditional_entropy(x, y, estimator=chao_wang_jost)
            left.append((rest, rest.bits))
        trusted = [each for each in found if each[0].chance_share <= 0.05]
        every = regime(law, law.truth, n, found, "chance_share")
        if trusted:
            first = regime(law, law.truth, n, trusted, "chance_share")
            first = first._replace(drawn=len(trusted) / times, old_drawn=len(trusted) / times)
        else:
            first = every._replace(drawn=0.0, held=math.nan, half_width=math.nan)
        yield first, every, regime(law, law.left, n, left, "coverage")


def table(regimes: Sequence[Regime], key: Callable[[Regime], str] = attrgetter("family")) -> str:
    """Markdown: a row for each family, and one for all.

    Held is the mean over laws and numbers of samples at which an interval is drawn in at least
    `ENOUGH` of the samples, and the worst of them.
    """
    head = ["family", "regimes", "first version: drawn", "held, mean (worst)"]
    head += ["drawn", "held, mean (worst)", "below .93", "half-width", "low alone holds"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    families = list(dict.fromkeys(map(key, regimes)))
    for name in families:
        lines.append(_row(name, [each for each in regimes if key(each) == name]))
    if len(families) > 1:
        lines.append(_row("all", regimes))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(name: str, regimes: Sequence[Regime]) -> list[str]:
    told = [each for each in regimes if each.is_told]
    old = [each.old_held for each in regimes if each.old_drawn >= ENOUGH]
    return [
        name,
        str(len(regimes)),
        f"{_mean([each.old_drawn for each in regimes]):.2f}",
        _held(old),
        f"{_mean([each.drawn for each in regimes]):.2f}",
        _held([each.held for each in told]),
        str(sum(each.held < 0.93 for each in told)),
        f"{np.median([each.half_width for each in told]):.3f}" if told else "–",
        f"{min(each.least for each in regimes):.2f}",
    ]


def _held(shares: Sequence[float]) -> str:
    return f"{np.mean(shares):.2f} ({min(shares):.2f})" if shares else "–"


def weak(regimes: Sequence[Regime], again: Callable[[Regime], Regime]) -> str:
    """A line of Markdown for each regime that is told and held less than .93: it is drawn again.

    Of a hundred regimes that hold .95, some hold less than .93 of their 100 to 300 samples.

    Args:
        regimes: All of a table.
        again: The same from more samples, and other ones.
    """
    lines = []
    for first in (each for each in regimes if each.is_told and each.held < 0.93):
        second = again(first)
        lines.append(
            f"- {first.family}, {first.name}, N = {first.n_samples}: held {first.held:.3f}, "
            f"of {AGAIN} other samples {second.held:.3f}; drawn in {second.drawn:.2f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all tables."""
    command = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--fast", action="store_true", help="few samples, for a first look")
    settings = FAST if command.parse_args(arguments).fast else USUAL
    for part, states, labels in (
        ("families the rules were chosen on", chosen_on, chosen_on_with_labels),
        ("other families", held_out, held_out_with_labels),
    ):
        _show_states(part, list(states()), settings.trials)
        _show_labels(part, list(labels()), settings.trials_with_labels)


def _show_states(part: str, laws: Sequence[States], trials: dict[int, int]) -> None:
    def again(first: Regime) -> Regime:
        (law,) = (law for law in laws if law[:2] == first[:2])
        return next(of_states([law], {first.n_samples: AGAIN}, seed=1))

    _show(f"H, {part}", list(of_states(laws, trials)), again)


def _show_labels(part: str, laws: Sequence[Labelled], trials: dict[int, int]) -> None:
    columns = zip(*of_labels(laws, trials), strict=True)
    for number, (what, column) in enumerate(zip(_WITH_LABELS, columns, strict=True)):

        def again(first: Regime, number: int = number) -> Regime:
            (law,) = (law for law in laws if law[:2] == first[:2])
            return next(of_labels([law], {first.n_samples: AGAIN}, seed=1))[number]

        _show(f"{what}, {part}", column, again)


_WITH_LABELS = (
    "I(T;Y) at a chance share up to .05",
    "I(T;Y) at a chance share up to .25",
    "H(T|Y)",
)


def _show(title: str, regimes: Sequence[Regime], again: Callable[[Regime], Regime]) -> None:
    print(f"**{title}**", table(regimes), sep="\n\n", flush=True)
    print("", *filter(None, [weak(regimes, again)]), sep="\n", flush=True)


if __name__ == "__main__":
    main()
