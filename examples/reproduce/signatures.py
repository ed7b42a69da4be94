"""Values of each seed in; whether a signature of the literature is there, as a table, out."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Trained = TypeVar("Trained")


class Signature(NamedTuple):
    """One number that has to lie within bounds in every seed.

    Args:
        what: What it is, with its unit.
        values: From each seed to its value; a seed that is set apart has none.
        low: The least that it may be.
        high: The most that it may be.
    """

    what: str
    values: Mapping[int, float]
    low: float = -math.inf
    high: float = math.inf

    @property
    def bound(self) -> str:
        """The bounds in words."""
        below, above = self.low == -math.inf, self.high == math.inf
        if below or above:
            return "" if below and above else f"<= {self.high:g}" if below else f">= {self.low:g}"
        return f"{self.low:g} to {self.high:g}"

    @property
    def holds(self) -> bool:
        """Whether all seeds are within the bounds, and there is at least one."""
        return bool(self.values) and all(
            self.low <= value <= self.high for value in self.values.values()
        )


def of_each(runs: Mapping[int, Trained], value: Callable[[Trained], float]) -> dict[int, float]:
    """A value of the training with each seed."""
    return {seed: value(run) for seed, run in runs.items()}


def drop(bits: Sequence[float]) -> float:
    """How far a curve ends below its peak."""
    return max(bits) - bits[-1]


def keep(bits: Sequence[float]) -> float:
    """Share of its peak that a curve ends with."""
    return bits[-1] / max(bits)


def parser(doc: str, usual: Any, **others: Any) -> argparse.ArgumentParser:
    """The command line of a script: which settings, and where figures go.

    Args:
        doc: The script's docstring.
        usual: The settings of a plain run.
        others: Settings by the name of the flag that asks for them.
    """
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    modes = made.add_mutually_exclusive_group()
    for name, settings in others.items():
        modes.add_argument(
            f"--{name}", dest="settings", action="store_const", const=settings, default=usual
        )
    made.add_argument("--out", type=Path, metavar="DIR", help="write figures into this folder")
    return made


def conclude(doc: str, signatures: Sequence[Signature]) -> int:
    """Print the table of all seeds and whether it passes; 1 if a bound is missed, else 0.

    Args:
        doc: The script's docstring, whose first line is the title.
        signatures: What was found.
    """
    seeds = sorted({seed for signature in signatures for seed in signature.values})
    rows = [["", *(f"seed {seed}" for seed in seeds), "bound", ""]]
    rows += [
        [
            one.what,
            *(f"{one.values[seed]:.3f}" if seed in one.values else "apart" for seed in seeds),
            one.bound,
            _word(one),
        ]
        for one in signatures
    ]
    print(doc.splitlines()[0], *_aligned(rows), _verdict(signatures), "", sep="\n", flush=True)
    return _status(signatures)


def summarise(of_script: Mapping[str, Sequence[Signature]]) -> int:
    """Print the bounded signatures of all scripts, from least to most; 1 if one is missed."""
    rows = [["script", "signature", "least", "most", "bound", ""]]
    rows += [
        [
            script,
            one.what,
            *(f"{end(one.values.values()):.3f}" if one.values else "-" for end in (min, max)),
            one.bound,
            _word(one),
        ]
        for script, signatures in of_script.items()
        for one in signatures
        if one.bound
    ]
    every = [one for signatures in of_script.values() for one in signatures]
    print("All signatures", *_aligned(rows), _verdict(every), sep="\n", flush=True)
    return _status(every)


def _status(signatures: Iterable[Signature]) -> int:
    return 0 if all(one.holds for one in signatures if one.bound) else 1


def _word(one: Signature) -> str:
    return "" if not one.bound else "ok" if one.holds else "MISSED"


def _verdict(signatures: Sequence[Signature]) -> str:
    bounded = [one for one in signatures if one.bound]
    missed = [one.what for one in bounded if not one.holds]
    if missed:
        return f"FAIL: {len(missed)} of {len(bounded)} bounds missed: {', '.join(missed)}"
    return f"PASS: {len(bounded)} of {len(bounded)} bounds hold in every seed"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in padded]
