"""Put findings on a page, as a list of sentences."""

from __future__ import annotations

from collections.abc import Sequence

from it_callbacks.findings import Finding
from it_callbacks.report.markup import Html, tag


def sentences(found: Sequence[Finding]) -> Html:
    """The list; what is wrong and what cannot be said are marked.

    Args:
        found: The most important first.
    """
    items = (tag("li", each.text, class_=each.tone) for each in found)
    return tag("ul", *items, class_="findings", id="sentences")
