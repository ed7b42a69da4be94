"""Put layers of several networks or sets in one order of depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """Return all names, so that each of some orders is kept; where they differ, the last one's is.

    Example:
        >>> merged([["fc1", "fc2", "out"], ["stem", "fc1", "mid", "out"]])
        ['stem', 'fc1', 'mid', 'fc2', 'out']
    """
    found: list[str] = []
    for order in orders:
        at = 0 if set(found).intersection(order) else len(found)
        for name in order:
            if name in found:
                at = max(at, found.index(name) + 1)
            else:
                found.insert(at, name)
                at += 1
    return found


def depths(orders: Iterable[Sequence[str]]) -> dict[str, tuple[int, int]]:
    """Return the number of each layer, and of how many; networks that share none count apart.

    Example:
        >>> depths([["fc1", "fc2"], ["fc0", "fc1"], ["conv"]])
        {'fc0': (0, 3), 'fc1': (1, 3), 'fc2': (2, 3), 'conv': (0, 1)}
    """
    networks: list[list[str]] = []
    for order in orders:
        alike = [network for network in networks if set(network).intersection(order)]
        others = [network for network in networks if network not in alike]
        networks = [*others, merged([*alike, order])]
    return {
        name: (depth, len(network)) for network in networks for depth, name in enumerate(network)
    }
