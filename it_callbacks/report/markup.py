"""Write HTML in which a text can only be text.

Names in a log are anybody's. A plain `str` is escaped wherever it goes into a tag; only what this
room has made is markup.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence


class Html(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


_VOID = ("img", "meta")


def tag(name: str, /, *content: str, **attributes: str) -> Html:
    """An element; attribute names lose a trailing ``_``, and get ``-`` for every other one.

    Example:
        >>> tag("p", "1 < 2", tag("b", "!"), class_="note")
        '<p class="note">1 &lt; 2<b>!</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(content)}</{name}>")


def joined(parts: Iterable[str]) -> Html:
    """The parts one after the other, those that are not markup escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def json_script(value: object, id_: str) -> Html:
    """Data for a script to read; no name in it can end the element or begin another.

    Raises:
        ValueError: A number in it is not finite.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return Html(f'<script type="application/json" id="{html.escape(id_)}">{text}</script>')


def script(source: str) -> Html:
    """A script; see `script_body` for what stands in it."""
    return Html(f"<script>{script_body(source)}</script>")


def script_body(source: str) -> str:
    r"""A script's source as a page holds it and a browser hashes it.

    In strings and regular expressions, the only places where these can stand, ``<\/`` is ``</``.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Html:
    """A table whose first column names the row."""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else "",
            tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))),
            tag(
                "tbody",
                *(
                    tag("tr", tag("th", row[0], scope="row"), *(tag("td", c) for c in row[1:]))
                    for row in rows
                ),
            ),
        ),
        class_="wide",
    )


def folded(summary: str, *content: str) -> Html:
    """What is only shown when asked for."""
    return tag("details", tag("summary", summary), *content)
