"""Laws of states, and of states with labels, whose entropy or information is known.

Each is drawn from with replacement. `CHOSEN_ON` are the families that the constants of the rules
were chosen on, at least in kind; `HELD_OUT` are others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
Generator = np.random.Generator


class States(NamedTuple):
    """A law of states.

    Args:
        family: What it is one of.
        name: What it is called.
        truth: H in bits.
        draw: Generator and number of samples -> a state of each.
    """

    family: str
    name: str
    truth: float
    draw: Callable[[Generator, int], Ints]


class Labelled(NamedTuple):
    """A law of states and labels.

    Args:
        family: What it is one of.
        name: What it is called.
        truth: I(T;Y) in bits.
        left: H(T|Y) in bits.
        n_classes: How many classes are possible.
        draw: Generator and number of samples -> states, labels.
    """

    family: str
    name: str
    truth: float
    left: float
    n_classes: int
    draw: Callable[[Generator, int], tuple[Ints, Ints]]


def shannon(p: Floats) -> float:
    """Entropy in bits of probabilities."""
    p = p[p > 0]
    return -float((p * np.log2(p)).sum())


def of_weights(family: str, name: str, weights: Floats) -> States:
    """States whose probabilities are in proportion to weights."""
    p = weights / weights.sum()
    cumulative = p.cumsum()
    cumulative /= cumulative[-1]

    def draw(rng: Generator, n: int) -> Ints:
        states: Ints = np.searchsorted(cumulative, rng.random(n), side="right")
        return states

    return States(family, name, shannon(p), draw)


def binned(family: str, of: str, law: stats.rv_continuous, width: float, n_units: int) -> States:
    """Independent units of one continuous law, each in bins of one width."""
    k = np.arange(-200_000, 200_000)
    low, high = k * width, (k + 1) * width
    # By the smaller tail, where the difference loses least.
    p = np.where(k < 0, law.cdf(high) - law.cdf(low), law.sf(low) - law.sf(high))

    def draw(rng: Generator, n: int) -> Ints:
        bins = np.floor(law.rvs(size=(n, n_units), random_state=rng) / width)
        bins = bins.clip(-200_000, 199_999).astype(np.int64)
        states: Ints = bins @ 1_000_003 ** np.arange(n_units)  # distinct: bins are below 4e5
        return states

    return States(family, f"{of}, {n_units} units, bins of {width:g}", n_units * shannon(p), draw)


def zipf(exponent: float, n_states: int) -> Floats:
    """Weights that fall as a power of the rank."""
    weights: Floats = np.arange(1, n_states + 1) ** -exponent
    return weights


def spiked(share: float, n_frequent: int, n_rare: int) -> Floats:
    """A share of the mass on few states, the rest on many."""
    frequent, rare = np.full(n_frequent, share / n_frequent), np.full(n_rare, (1 - share) / n_rare)
    return np.concatenate([frequent, rare])


def stick(discount: float, strength: float, seed: int) -> Floats:
    """Shares of a Pitman-Yor process (a Chinese restaurant with a discount), 200 000 of them."""
    k = np.arange(1, 200_001)
    broken = np.random.default_rng(seed).beta(1 - discount, strength + k * discount)
    rest = np.concatenate(([1.0], np.cumprod(1 - broken)[:-1]))
    shares: Floats = broken * rest
    return shares


def cascade(depth: int, share: float) -> Floats:
    """A Cantor-like measure: at each of `depth` halvings one half gets this share."""
    weights = np.ones(1)
    for _ in range(depth):
        weights = np.concatenate([share * weights, (1 - share) * weights])
    return weights


def chain(n_bits: int, flips: float) -> Floats:
    """Binary words whose next bit differs from the last with a probability of `flips`."""
    words = np.arange(2**n_bits)
    changed = (words ^ (words >> 1)) & (2 ** (n_bits - 1) - 1)
    changes = np.stack([(changed >> bit) & 1 for bit in range(n_bits)]).sum(0)
    weights: Floats = flips**changes * (1 - flips) ** (n_bits - 1 - changes)
    return weights


def network(n_units: int, bins: int, seed: int) -> Floats:
    """A random network with two tanh layers on all 2^14 binary inputs, its output in bins."""
    rng = np.random.default_rng(seed)
    inputs = 2.0 * ((np.arange(2**14)[:, None] >> np.arange(14)) & 1) - 1
    hidden = np.tanh(inputs @ rng.standard_normal((14, 12)) / math.sqrt(14) * 1.5)
    outputs = np.tanh(hidden @ rng.standard_normal((12, n_units)) / math.sqrt(12) * 2)
    states = np.floor((outputs + 1) * bins / 2).astype(np.int64) @ bins ** np.arange(n_units)
    counts: Floats = np.unique(states, return_counts=True)[1].astype(np.float64)
    return counts


def chosen_on() -> Iterator[States]:
    """Families that the constants of the rule of H were chosen on."""
    for n_states in (100, 1000, 10_000):
        yield of_weights("uniform", f"{n_states} states", np.ones(n_states))
    for q in (0.5, 0.1, 0.02):
        yield of_weights("geometric", f"{q}", (1 - q) ** np.arange(int(40 / q)))
    for exponent, n_states in ((0.8, 1000), (1.0, 1000), (1.2, 10**6), (1.5, 10**6), (2.0, 10**6)):
        yield of_weights("Zipf", f"{exponent}, {n_states} states", zipf(exponent, n_states))
    fine = "Gaussian, Laplace, t units"
    for width, n_units in ((0.01, 1), (0.3, 3), (1.0, 4)):
        yield binned(fine, "Gaussian", stats.norm(), width, n_units)
    yield binned(fine, "Laplace", stats.laplace(), 0.3, 2)
    yield binned(fine, "t3", stats.t(3), 0.5, 2)
    rng = np.random.default_rng(5)
    mixed = "Dirichlet, log-normal"
    yield of_weights(mixed, "Dirichlet 1, 300 states", rng.dirichlet(np.ones(300)))
    yield of_weights(mixed, "Dirichlet .1, 3000 states", rng.dirichlet(np.full(3000, 0.1)))
    yield of_weights(mixed, "log-normal 2", np.exp(2 * rng.standard_normal(10_000)))
    for share, few, many in ((0.6, 2, 2000), (0.9, 4, 1000), (0.9, 4, 10**5), (0.99, 4, 10**6)):
        yield of_weights("spike and slab", f"{share}, {many} states", spiked(share, few, many))


def held_out() -> Iterator[States]:
    """Families that no constant was chosen on."""
    k = np.arange(20_000)
    for r, mean in ((0.3, 50.0), (2.0, 300.0)):
        law = stats.nbinom(r, r / (r + mean))
        yield of_weights("negative binomial", f"r {r}, mean {mean:g}", law.pmf(k))
    edges = np.linspace(0, 1, 2001)
    for a, b in ((0.3, 2.0), (0.5, 0.5)):
        weights = np.diff(stats.beta(a, b).cdf(edges))
        yield of_weights("Beta in bins", f"{a}, {b}, 2000 bins", weights)
    for depth, share in ((12, 0.6), (16, 0.75), (20, 0.9)):
        yield of_weights("Cantor cascade", f"{depth} halvings, {share}", cascade(depth, share))
    poisson = 0.5 * stats.poisson(4).pmf(k) + 0.3 * stats.poisson(80).pmf(k)
    yield of_weights("mixed Poisson", "4, 80, 2000", poisson + 0.2 * stats.poisson(2000).pmf(k))
    for share, slow in ((0.8, 0.002), (0.95, 0.0005)):
        weights = share * 0.3 * 0.7**k + (1 - share) * slow * (1 - slow) ** k
        yield of_weights("two-scale geometric", f"{share}, .3 and {slow}", weights)
    for exponent, cut in ((0.8, 300), (1.5, 3000)):
        weights = (k + 1.0) ** -exponent * np.exp(-k / cut)
        yield of_weights("power law, cut off", f"{exponent}, {cut}", weights)
    for discount, strength in ((0.0, 100.0), (0.25, 20.0), (0.5, 5.0), (0.75, 1.0)):
        weights = stick(discount, strength, 9)
        yield of_weights("Pitman-Yor", f"discount {discount}, {strength:g}", weights)
    for n_bits, flips in ((12, 0.2), (18, 0.1), (18, 0.3)):
        yield of_weights("correlated bits", f"{n_bits} bits, {flips}", chain(n_bits, flips))
    for n_units, bins in ((2, 30), (4, 8), (8, 4)):
        weights = network(n_units, bins, 3)
        yield of_weights("random networks", f"{n_units} units, {bins} bins", weights)


def labelled(family: str, name: str, p: Floats, given: Floats) -> Labelled:
    """States of probabilities p `(n_states,)`, and labels given the state `(n_states, K)`."""
    p = p / p.sum()
    joint = p[:, None] * given
    h_x, h_y, h_xy = shannon(p), shannon(joint.sum(0)), shannon(joint.ravel())
    states, labels = p.cumsum() / p.sum(), given.cumsum(1)[:, :-1]

    def draw(rng: Generator, n: int) -> tuple[Ints, Ints]:
        x = np.minimum(np.searchsorted(states, rng.random(n), side="right"), len(p) - 1)
        return x, (rng.random(n)[:, None] > labels[x]).sum(1)

    return Labelled(family, name, h_x + h_y - h_xy, h_xy - h_y, given.shape[1], draw)


def _noisy(label: Ints, k: int, wrong: float | Floats) -> Floats:
    """The label, but any of the others with a probability that may depend on the state."""
    wrong = np.broadcast_to(wrong, label.shape)
    given = np.repeat((wrong / (k - 1))[:, None], k, axis=1)
    given[np.arange(len(label)), label] = 1 - wrong
    return given


def chosen_on_with_labels() -> Iterator[Labelled]:
    """Kinds of labels that the constants of the rule of I were chosen on."""
    rng = np.random.default_rng(11)
    states = {
        "uniform 100": np.ones(100),
        "geometric .1": 0.9 ** np.arange(300),
        "Zipf 1.5": zipf(1.5, 3000),
        "Dirichlet .3": rng.dirichlet(np.full(500, 0.3)),
    }
    for (of, p), k in itertools.product(states.items(), (2, 10, 100)):
        p = p / p.sum()
        lot = rng.integers(0, k, len(p))
        even = np.full((len(p), k), 1 / k)
        frequent = (np.argsort(np.argsort(-p)) < len(p) // 10)[:, None]
        sure = _noisy(lot, k, 0.0)
        channels = {
            "independent": even,
            "random tables": rng.dirichlet(np.ones(k), len(p)),
            "20 % noise": _noisy(lot, k, 0.2),
            "determined": sure,
            "frequent ones determined": np.where(frequent, sure, even),
            "rare ones determined": np.where(frequent, even, sure),
        }
        for channel, given in channels.items():
            yield labelled(channel, f"{of}, {k} classes", p, given)


def held_out_with_labels() -> Iterator[Labelled]:
    """Kinds of labels that no constant was chosen on."""
    index = np.arange(1024)
    states = {
        "negative binomial": stats.nbinom(0.3, 0.3 / 50.3).pmf(index),
        "Pitman-Yor .5": np.sort(stick(0.5, 5.0, 9)[:1024])[::-1],
        "cascade": cascade(10, 0.7),
        "correlated bits": chain(10, 0.2),
        "power law, cut off": (index + 1.0) ** -1.2 * np.exp(-index / 200),
    }
    rng = np.random.default_rng(12)
    uneven = np.array([0.9, 0.09, 0.01])
    for of, p in states.items():
        p = p / p.sum()
        order = np.argsort(np.argsort(-p))
        rare = p[np.argsort(-p)].cumsum()[order] > 0.9  # a tenth of the mass
        parity = (index ^ (index >> 3)) & 1
        lot = np.searchsorted(uneven.cumsum(), rng.random(1024)).clip(0, 2)
        one = (rng.random(1024) < 0.01).astype(np.int64)
        of_one = np.full((1024, 100), 1 / 99)
        of_one[:, 0] = one
        of_one[one == 1, 1:] = 0
        decline = 1 / (1 + np.exp((order - 30) / 10))
        channels = {
            "parity of two bits": _noisy(parity, 2, 0.0),
            "classes 90:9:1": _noisy(lot, 3, 0.0),
            "classes 90:9:1, independent": np.tile(uneven, (1024, 1)),
            "rare states only": np.where(rare[:, None], _noisy(index % 10, 10, 0.0), 0.1),
            "one class among 100": of_one,
            "noise by state": _noisy(index % 5, 5, 0.8 * (order / 1024) ** 0.3),
            "logistic in the rank": np.column_stack([decline, 1 - decline]),
            "several labels at once": _noisy(index % 50, 50, 0.1),
        }
        for channel, given in channels.items():
            yield labelled(channel, of, p, given)
