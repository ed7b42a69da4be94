"""The page of questions names tags that exist, so that no answer leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

from it_callbacks.quantities import QUANTITIES, ROOTS

DOCS = Path(__file__).parents[1] / "docs"
TEXTS = {f"{root}/<set>/{text}" for root in ROOTS for text in ("settings", "warnings", "verdicts")}
TAGS = {row.tag for row in QUANTITIES.values() if row.is_logged} | TEXTS


def tags_in(page: str) -> set[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return set(re.findall(rf"`((?:{'|'.join(ROOTS)})/<[^`]*)`", text))


def test_every_tag_that_a_page_of_questions_names_is_in_the_table_of_quantities() -> None:
    for page in ("which_number.md", "language_models.md"):
        found = tags_in(page)
        assert len(found) > 4, page
        assert found <= TAGS, page


def test_every_kind_of_question_has_a_tag_of_each_monitor() -> None:
    assert {tag.partition("/")[0] for tag in tags_in("which_number.md")} == set(ROOTS)
