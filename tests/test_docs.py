"""Every Python block of the README and of the docs runs as printed."""

from __future__ import annotations

import doctest
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?:python|pycon|py)\b[^\n]*\n"
    r"(?P<code>.*?)^(?P=indent)(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A Python block of a page, and the line of the page that its first line is (from 0)."""

    code: str
    line: int


def blocks_of(text: str) -> list[Block]:
    return [
        Block(textwrap.dedent(found["code"]), text.count("\n", 0, found.start("code")))
        for found in FENCE.finditer(text)
    ]


def run_page(text: str, name: str) -> None:
    """Run a page's blocks in order, in one namespace: doctests where they have prompts."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for code, line in blocks_of(text):
        if code.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(code, namespace, name, name, line)
            report: list[str] = []
            doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(
                test, out=report.append, clear_globs=False
            )
            if report:
                pytest.fail("".join(report), pytrace=False)
            namespace = test.globs
        else:
            # The blank lines make a traceback name the line of the page.
            exec(compile("\n" * line + code, name, "exec"), namespace)


PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if blocks_of(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_as_printed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # whatever the page writes, it does not write it here

    run_page(page.read_text(encoding="utf-8"), str(page))


# The runner itself: a finder that found nothing would let every page pass.

PAGE = """
Text.

```python
>>> answer = 40 + 2
>>> answer
42
```

- In a list:

  ```python
  doubled = 2 * answer
  assert doubled == 84
  ```

```text
>>> this is no Python
```

~~~python
>>> doubled
84
~~~
"""


def test_blocks_share_a_namespace_from_one_to_the_next() -> None:
    assert len(blocks_of(PAGE)) == 3
    run_page(PAGE, "page")


def test_a_wrong_output_fails_and_says_where() -> None:
    with pytest.raises(pytest.fail.Exception, match=r'(?s)"page", line 6.*Expected:\n    43'):
        run_page(PAGE.replace("\n42\n", "\n43\n"), "page")


def test_a_block_that_raises_fails_at_its_line() -> None:
    with pytest.raises(AssertionError) as failure:
        run_page(PAGE.replace("== 84", "== 85"), "page")

    assert failure.traceback[-1].lineno == PAGE.splitlines().index("  assert doubled == 84")
