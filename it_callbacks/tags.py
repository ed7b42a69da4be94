"""Take the tags of a log apart: which values of what stand under each.

Standard library only, as all that TensorBoard's tab is made of. `it_callbacks.records` puts tags
together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from it_callbacks.quantities import PLANE, QUANTITIES, ROOTS, Quantity
from it_callbacks.records import split_ruler, tag_of


class Key(NamedTuple):
    """Which values a series holds."""

    quantity: str
    """The root of the tag, or below ``information_plane`` the quantity, without its ruler."""
    set: str
    layer: str
    ruler: str = ""
    """Slug of the ruler; empty for the first."""

    @property
    def name(self) -> str:
        """Name of the quantity in the table.

        Example:
            >>> Key("conditional_entropy", "val", "within/class_3").name
            'conditional_entropy/within/class_<c>'
        """
        if self.quantity not in ROOTS:
            return self.quantity
        return f"{self.quantity}/{_NUMBERED.sub(_any_number, self.layer)}"

    @property
    def recorded(self) -> str:
        """The quantity as records and tags name it, with the slug of its ruler."""
        return f"{self.quantity}_{self.ruler}" if self.ruler else self.quantity

    @property
    def tag(self) -> str:
        """The tag, without the prefix of a logger."""
        return tag_of(self.recorded, self.set, self.layer)


_NUMBERED = re.compile(r"(class|label)_\d+\Z")
_TAG = re.compile(
    rf"(?P<prefix>(?:.*-)?)(?P<root>{'|'.join(ROOTS)})/(?P<set>[^/]+)/(?P<rest>.+)", re.DOTALL
)


class Tag(NamedTuple):
    """A tag taken apart."""

    prefix: str
    key: Key


def parse_tag(tag: str, own: Mapping[str, Quantity] | None = None) -> Tag | None:
    """Take a monitor's tag apart; None if it is not a monitor's.

    Args:
        tag: The tag, with the prefix of its logger.
        own: The quantities of the run's own estimators, by name.

    Example:
        >>> parse_tag("mine-information_plane/val/I_XT_uniform5/fc1")
        Tag(prefix='mine', key=Key(quantity='I_XT', set='val', layer='fc1', ruler='uniform5'))
        >>> parse_tag("val_loss")
    """
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    quantity, _, layer = match["rest"].partition("/")
    if match["root"] == PLANE and layer:
        split = split_ruler(quantity, own)
        if split is None or "/" in layer:
            return None
        key = Key(split[0], match["set"], layer, split[1])
    else:
        key = Key(match["root"], match["set"], match["rest"])
        if key.name not in QUANTITIES:
            return None
    return Tag(match["prefix"][:-1], key)


def _any_number(found: re.Match[str]) -> str:
    return {"class": "class_<c>", "label": "label_<k>"}[found[1]]
