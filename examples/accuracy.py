"""How far each estimator is from the truth, on tasks whose truth is known. Prints Markdown.

You learn which estimator to believe at how many samples, and what none of them can do. Run it
with ``python examples/accuracy.py``; ``--fast`` stops at 1024 samples. The tables of a full run,
and what to make of them, are in docs/accuracy.md. No result is stored here: every number is drawn
anew, from fixed seeds, on one thread.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.special import gammainc
from scipy.stats import norm

from it_callbacks.codes import encode
from it_callbacks.estimators import (
    Estimate,
    Estimator,
    LinearVInformation,
    NoiseInjected,
    chao_wang_jost,
    entropy,
    grassberger,
    jackknife,
    miller_madow,
    mle,
    mutual_information,
)
from it_callbacks.rulers import Uniform
from it_callbacks.tasks import szt_task

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Measure = Callable[..., Estimate]
Draw = Callable[[np.random.Generator, int], tuple[NDArray[np.generic], Ints]]

ESTIMATORS: tuple[Estimator, ...] = (mle, miller_madow, grassberger, jackknife, chao_wang_jost)

# Samples, and how often each task is drawn at them.
REPEATS = {256: 20, 1024: 20, 10_000: 10, 100_000: 5}
# For wide fits and pairwise distances, up to the samples that a monitor gives them at most.
FEW = {256: 10, 2048: 5}
LINEAR = {256: 10, 1024: 10, 10_000: 5, 100_000: 2}
# Often enough to tell 90 % from 95 %.
MANY = {512: 300, 1024: 300, 1400: 300, 2000: 300, 4000: 300}


class Task(NamedTuple):
    """A source of samples (what is measured, labels), and the bits that there are to find.

    Args:
        name: As in the tables.
        truth: H of the first, or I of both, in bits.
        draw: Generator and number of samples -> what is measured, labels.
        repeats: Samples -> draws.
    """

    name: str
    truth: float
    draw: Draw
    repeats: dict[int, int] = REPEATS


class Row(NamedTuple):
    """A line of a table: a task at a number of samples, and a cell under each heading."""

    task: str
    n_samples: int
    truth: float
    cells: dict[str, str]


# --- symbols ------------------------------------------------------------------------------------


def shannon(p: Floats) -> float:
    """Entropy in bits of probabilities."""
    p = p[p > 0]
    return -math.fsum((p * np.log2(p)).tolist())


def shared(p: Floats) -> float:
    """Mutual information in bits of a table of joint probabilities."""
    return shannon(p.sum(1)) + shannon(p.sum(0)) - shannon(p.ravel())


def from_table(name: str, p: Floats) -> Task:
    """Pairs drawn from a table of joint probabilities."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
        x, y = np.divmod(rng.choice(p.size, n, p=p.ravel()), p.shape[1])
        return x, y

    return Task(name, shared(p), draw)


def floored_normal(width: float) -> Task:
    """A standard normal number in bins of one width."""
    edges = np.arange(-math.ceil(9 / width), math.ceil(9 / width) + 1) * width

    def draw(rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
        return np.floor(rng.standard_normal(n) / width).astype(np.int64), np.zeros(n, np.int64)

    return Task(f"normal, bins of {width}", shannon(np.diff(norm.cdf(edges))), draw)


def zipf(n_states: int) -> Task:
    """States whose probability falls as one over their rank."""
    p = 1 / np.arange(1, n_states + 1)
    p /= p.sum()

    def draw(rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
        return rng.choice(n_states, n, p=p), np.zeros(n, np.int64)

    return Task(f"Zipf, {n_states} states", shannon(p), draw)


def tanh_symbols(n_units: int) -> tuple[Ints, Ints]:
    """The 12-bit task, all 4096 patterns, through a fixed layer and 30 bins: symbols, labels."""
    patterns, labels = szt_task()
    weights = torch.cos(torch.arange(1.0, 12 * n_units + 1) ** 2).reshape(12, n_units)
    return encode(
        torch.tanh((2 * patterns - 1) @ weights), Uniform(30, -1, 1)
    ).numpy(), labels.numpy()


def twelve_bits(n_units: int, of: str) -> Task:
    """Patterns of the 12-bit task read through a tanh layer; the truth is that of all 4096."""
    symbols, labels = tanh_symbols(n_units)
    table = np.zeros((len(np.unique(symbols)), 2))
    np.add.at(table, (np.unique(symbols, return_inverse=True)[1], labels), 1 / 4096)
    truths = {"H": shannon(table.sum(1)), "I": shared(table), "coin": 0.0}
    names = {"H": "", "I": "", "coin": ", labels by lot"}

    def draw(rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
        chosen = rng.integers(0, 4096, n)
        return symbols[chosen], rng.integers(0, 2, n) if of == "coin" else labels[chosen]

    return Task(f"12 bits, {n_units} tanh units{names[of]}", truths[of], draw)


def symmetric_channel(n_classes: int, error: float) -> Task:
    """The label, replaced by one of the others now and then."""
    p = np.full((n_classes, n_classes), error / (n_classes - 1) / n_classes)
    np.fill_diagonal(p, (1 - error) / n_classes)
    return from_table(f"symmetric channel, {n_classes} classes", p)


def gao(n_classes: int) -> Task:
    """Y uniform, T uniform between Y and Y + 2, in unit bins (Gao et al. 2017)."""
    p = np.zeros((n_classes + 1, n_classes))
    for y in range(n_classes):
        p[y : y + 2, y] = 1 / (2 * n_classes)
    return from_table(f"Gao mixture, {n_classes} classes", p)


def zero_inflated_poisson(width: float = 0.25, zeros: float = 0.15) -> Task:
    """X exponential and in bins, Y Poisson(X) but 0 in a share of the cases (Gao et al. 2017).

    Not of the 1 - `zeros` of the Poisson's information that is often given: that would need to be
    told which zeros are Poisson's.
    """
    edges, counts = np.append(np.arange(0, 10, width), np.inf), np.arange(40)
    upper = gammainc(counts + 1, 2 * edges[1:, None])
    lower = gammainc(counts + 1, 2 * edges[:-1, None])
    p = (1 - zeros) * (upper - lower) / 2.0 ** (counts + 1)
    p[:, 0] += zeros * -np.diff(np.exp(-edges))
    return from_table(f"zero-inflated Poisson, bins of {width}", p / p.sum())


def binned_binormal(correlation: float = 0.75) -> Task:
    """Two correlated normal numbers in 12 bins each, the outer ones open."""
    edges = np.linspace(-3, 3, 13)
    edges[[0, -1]] = -np.inf, np.inf

    def column(x: float) -> Floats:
        rest = math.sqrt(1 - correlation**2)
        p: Floats = np.diff(norm.cdf((edges - correlation * x) / rest)) * norm.pdf(x)
        return p

    nodes, weights = np.polynomial.legendre.leggauss(40)
    p = np.zeros((12, 12))
    for i, (low, high) in enumerate(
        zip(np.clip(edges[:-1], -9, 9), np.clip(edges[1:], -9, 9), strict=True)
    ):
        for node, weight in zip(nodes, weights, strict=True):
            p[i] += (high - low) / 2 * weight * column((low + high) / 2 + (high - low) / 2 * node)
    return from_table("binormal, 12 x 12 bins", p / p.sum())


def flipped_states(n_states: int, error: float) -> Task:
    """Equally likely states, half of each class, with labels flipped now and then."""
    p = np.full((n_states, 2), error / n_states)
    p[np.arange(n_states), np.arange(n_states) % 2] = (1 - error) / n_states
    return from_table(f"{n_states} states, {error:.0%} of labels flipped", p)


def entropy_tasks() -> list[Task]:
    """What has an entropy to find."""
    return [
        floored_normal(0.5),
        floored_normal(0.07),
        zipf(1000),
        twelve_bits(2, "H"),
        twelve_bits(10, "H"),
    ]


def information_tasks() -> list[Task]:
    """What has a mutual information to find."""
    return [
        symmetric_channel(2, 0.1),
        symmetric_channel(10, 0.2),
        *(gao(n_classes) for n_classes in (2, 5, 10)),
        zero_inflated_poisson(),
        binned_binormal(),
        flipped_states(500, 0.25),
        twelve_bits(2, "I"),
        twelve_bits(10, "coin"),
    ]


# --- activations --------------------------------------------------------------------------------


def separated(distance: float) -> float:
    """I(T;Y) in bits of two equally likely unit Gaussians at this distance."""
    return float(
        quad(
            lambda t: (
                norm.pdf(t, distance / 2)
                * (1 - np.logaddexp2(0, -distance * t * math.log2(math.e)))
            ),
            -10,
            10 + distance,
        )[0]
    )


def two_gaussians(distance: float, n_units: int, width: float = 1.0) -> Draw:
    """Two classes whose means differ along the diagonal of all units."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Floats, Ints]:
        y = rng.integers(0, 2, n)
        shift = distance / math.sqrt(n_units) * y[:, None]
        return width * rng.standard_normal((n, n_units)) + shift, y

    return draw


def xor(rng: np.random.Generator, n: int) -> tuple[Floats, Ints]:
    """Two units, and whether they differ."""
    bits = rng.integers(0, 2, (n, 2))
    return bits.astype(np.float64), bits[:, 0] ^ bits[:, 1]


def linear_tasks() -> list[Task]:
    """What a linear reader can find; XOR holds one bit, none of it for a linear reader."""
    return [
        Task("two Gaussians, 1 unit", separated(2), two_gaussians(2, 1), LINEAR),
        Task("two Gaussians, 32 units", separated(2), two_gaussians(2, 32), FEW),
        Task("two Gaussians, 512 units", separated(2), two_gaussians(2, 512), {256: 5, 2048: 3}),
        Task("512 units of noise", 0.0, two_gaussians(0, 512), {256: 5, 2048: 3}),
        Task("XOR", 0.0, xor, FEW),
    ]


def noise_tasks(of: str) -> list[Task]:
    """Normal units, read at the noise of .5: T and T + σZ are binormal, so I is known."""
    if of == "I_XT":
        per_unit = 0.5 * math.log2(1 + 1 / 0.5**2)
        sizes = (1, 3, 10)
        return [
            Task(f"normal, {k} unit{'s' * (k > 1)}", k * per_unit, two_gaussians(0, k), FEW)
            for k in sizes
        ]
    # The layer's width .5 and the noise's .5 add up to the root of a half.
    truth = separated(2 / math.sqrt(0.5))
    return [
        Task(f"two Gaussians, {k} unit{'s' * (k > 1)}", truth, two_gaussians(2, k, 0.5), FEW)
        for k in (1, 3, 10)
    ]


# --- tables -------------------------------------------------------------------------------------


def draws(task: Task, n: int) -> Iterator[tuple[NDArray[np.generic], Ints]]:
    """The task's samples of this size, the same ones in every run."""
    rng = np.random.default_rng([zlib.crc32(task.name.encode()), n])
    for _ in range(task.repeats[n]):
        yield task.draw(rng, n)


def error_of(values: Sequence[float], truth: float) -> str:
    """Mean error, or that there is none to speak of."""
    return "none" if np.isnan(values).all() else f"{np.nanmean(values) - truth:+.3f}"


def scatter(values: Sequence[float]) -> str:
    """Standard deviation of a single value."""
    return f"{np.std(values, ddof=1):.3f}"


def held(intervals: Sequence[tuple[float, float]], truth: float) -> str:
    """How many of the intervals drawn hold the truth."""
    drawn = [(low, high) for low, high in intervals if not math.isnan(high)]
    return f"{sum(a <= truth <= b for a, b in drawn)} of {len(drawn)}" if drawn else "not drawn"


def entropy_of(x: ArrayLike, _: ArrayLike, *, estimator: Estimator = mle) -> Estimate:
    """H of the first, so that it can be asked like I of both."""
    return entropy(x, estimator=estimator)


def symbol_rows(tasks: Sequence[Task], most: int, measure: Measure) -> Iterator[Row]:
    """Errors of the estimators that count symbols, in bits."""
    for task in tasks:
        for n in (n for n in task.repeats if n <= most):
            drawn = list(draws(task, n))
            found = {
                estimator.__name__: [measure(x, y, estimator=estimator) for x, y in drawn]
                for estimator in ESTIMATORS
            }
            cells = {name: error_of([e.bits for e in es], task.truth) for name, es in found.items()}
            plain = found["mle"]
            if measure is mutual_information:
                cells["adjusted"] = error_of([e.adjusted for e in plain], task.truth)
            cells["mle scatters by"] = scatter([e.bits for e in plain])
            cells |= trust(plain)
            cells["status"] = Counter(e.status.name for e in plain).most_common(1)[0][0]
            cells["interval holds"] = held([(e.low, e.high) for e in plain], task.truth)
            yield Row(task.name, n, task.truth, cells)


def interval_rows(tasks: Sequence[Task], most: int, measure: Measure) -> Iterator[Row]:
    """How often the 95 % intervals hold the truth, down to where they are no longer drawn."""
    for task in tasks:
        for n in (n for n in MANY if n <= most):
            found = [measure(x, y) for x, y in draws(task._replace(repeats=MANY), n)]
            ends = [(e.low, e.high) for e in found]
            yield Row(task.name, n, task.truth, trust(found) | {"holds": held(ends, task.truth)})


def trust(estimates: Sequence[Estimate]) -> dict[str, str]:
    """Mean coverage, and mean chance share where there is one."""
    cells = {"coverage": f"{np.mean([e.coverage for e in estimates]):.2f}"}
    if not math.isnan(estimates[0].chance_share):
        cells["chance share"] = f"{np.mean([e.chance_share for e in estimates]):.2f}"
    return cells


def linear_rows(most: int) -> Iterator[Row]:
    """Errors of linear V-information, in bits."""
    for task in linear_tasks():
        for n in (n for n in task.repeats if n <= most):
            found = [LinearVInformation()(x, y) for x, y in draws(task, n)]
            bits, errors = [[f[f"linear_V_TY{end}"] for f in found] for end in ("", "_se")]
            ends = [(v - 1.96 * e, v + 1.96 * e) for v, e in zip(bits, errors, strict=True)]
            cells = {
                "V_TY": error_of(bits, task.truth),
                "scatters by": scatter(bits),
                "V_TY_se": f"{np.mean(errors):.3f}",
                "1.96 SE hold": held(ends, task.truth),
            }
            yield Row(task.name, n, task.truth, cells)


def noise_rows(of: str, most: int) -> Iterator[Row]:
    """Errors of noise-injected information and of its bounds, in bits."""
    for task in noise_tasks(of):
        for n in (n for n in task.repeats if n <= most):
            found = [NoiseInjected(sigma=0.5)(x, y) for x, y in draws(task, n)]
            value, low, high = (
                [f[f"noise_{of}{end}"] for f in found] for end in ("", "_low", "_high")
            )
            cells = {
                f"noise_{of}": error_of(value, task.truth),
                "scatters by": scatter(value),
                "low": error_of(low, task.truth),
                "high": error_of(high, task.truth),
                "bounds hold": held(list(zip(low, high, strict=True)), task.truth),
            }
            yield Row(task.name, n, task.truth, cells)


def tables(most: int) -> Iterator[tuple[str, list[Row]]]:
    """Each table's title and rows, up to so many samples."""
    h, i = entropy_tasks(), information_tasks()
    yield "Entropy H(T)", list(symbol_rows(h, most, entropy_of))
    yield "Intervals of H(T)", list(interval_rows(h[2:4], most, entropy_of))
    yield "Information I(T;Y)", list(symbol_rows(i, most, mutual_information))
    yield "Intervals of I(T;Y)", list(interval_rows([i[1], i[6]], most, mutual_information))
    yield "Linear V-information V(T→Y)", list(linear_rows(most))
    yield "Noise-injected I(X; T+σZ), σ = 0.5", list(noise_rows("I_XT", most))
    yield "Noise-injected I(T+σZ; Y), σ = 0.5", list(noise_rows("I_TY", most))


def markdown(rows: Sequence[Row]) -> str:
    """A table of Markdown."""
    header = ["task", "N", "truth", *rows[0].cells]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    lines += [[r.task, str(r.n_samples), f"{r.truth:.4f}", *r.cells.values()] for r in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description="Errors of all estimators against known truths.")
    parser.add_argument("--fast", action="store_true", help="stop at 1024 samples")
    most = 1024 if parser.parse_args(arguments).fast else max(REPEATS)
    torch.set_num_threads(1)
    for title, rows in tables(most):
        print(f"### {title}\n\n{markdown(rows)}\n")


if __name__ == "__main__":
    main()
