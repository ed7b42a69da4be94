"""Put findings on a page: as a list to read, and as lines of text to take along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from it_callbacks.findings import Finding
from it_callbacks.report.markup import Html, tag


def told(found: Sequence[Finding]) -> Iterator[Html]:
    """A list of the sentences and a button that copies them; nothing where there are none.

    Args:
        found: The most important first.
    """
    if found:
        yield sentences(found)
        yield tag("button", "Copy as text", type="button", hidden="", data_copies="sentences")


def sentences(found: Sequence[Finding]) -> Html:
    """The list alone; what is wrong and what cannot be said are marked."""
    items = (tag("li", each.text, class_=each.tone) for each in found)
    return tag("ul", *items, class_="findings", id="sentences")
