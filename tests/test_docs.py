"""Every block of the README and of the docs is as true as printed: code, YAML, commands, links."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.demos.boring_classes import BoringModel

from it_callbacks import cli

from .toys import MONITORS
from .warned import warned

ROOT = Path(__file__).parents[1]
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>\w*)[^\n]*\n"
    r"(?P<code>.*?)^(?P=indent)(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)
PYTHON = ("python", "pycon", "py")


class Block(NamedTuple):
    """A block of a page, and the line of the page that its first line is (from 0)."""

    code: str
    line: int


def blocks_of(text: str, *languages: str) -> list[Block]:
    return [
        Block(textwrap.dedent(found["code"]), text.count("\n", 0, found.start("code")))
        for found in FENCE.finditer(text)
        if found["language"] in (languages or PYTHON)
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


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# What `make docs` has built holds no pages of its own.
PAGES = [
    ROOT / "README.md",
    *sorted(
        page
        for page in (ROOT / "docs").rglob("*.md")
        if "_build" not in page.relative_to(ROOT).parts
    ),
]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(TEXTS[page])], ids=named)
def test_a_page_runs_as_printed(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # whatever the page writes, it does not write it here
    with warned():  # pages show small sets, and what monitors say of them
        run_page(TEXTS[page], str(page))


COMMANDS = {
    f"{named(page)}: {line}": shlex.split(line, comments=True)[1:]
    for page in PAGES
    for block in blocks_of(TEXTS[page], "", "text", "console", "sh", "bash")
    for line in block.code.splitlines()
    if line.startswith("it-callbacks ")
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_line_is_understood(words: list[str]) -> None:
    assert cli._parser().parse_args(words).command == words[0]


YAML = {
    f"{named(page)}:{block.line + 1}": block.code
    for page in PAGES
    for block in blocks_of(TEXTS[page], "yaml")
}


@pytest.mark.parametrize("written", YAML.values(), ids=YAML)
def test_a_configuration_makes_the_monitors_that_it_names(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])  # LightningCLI does not want both
    configuration: dict[str, Any] = yaml.safe_load(written)
    names = [
        callback["class_path"].removeprefix("it_callbacks.")
        for callback in configuration["trainer"]["callbacks"]
    ]
    configuration["trainer"] |= {"accelerator": "cpu", "logger": False}

    made = LightningCLI(
        BoringModel, args=configuration, run=False, seed_everything_default=False
    ).trainer.callbacks

    assert [type(one).__name__ for one in made if isinstance(one, MONITORS)] == names


LINK = re.compile(r"\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")


def anchors_of(text: str) -> set[str]:
    """What headings are called in addresses, by GitHub and by the site alike."""
    outside = FENCE.sub("", text)
    headings = re.findall(r"^#+ +(.*?) *$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.finditer(FENCE.sub("", TEXTS[page])):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), link[0]
        if link["anchor"]:
            assert link["anchor"] in anchors_of(TEXTS[target]), link[0]


def test_every_page_of_the_docs_is_in_a_table_of_contents() -> None:
    docs = ROOT / "docs"
    listed = {
        (page.parent / entry).relative_to(docs).as_posix()
        for page in PAGES
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", TEXTS[page], re.MULTILINE | re.DOTALL)
        for entry in tree.splitlines()
        if entry and not entry.startswith(":")
    }
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in PAGES[1:]}
    assert listed == pages - {"index"}


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


CITED = re.compile(
    r"\b(?P<first>[A-Z][a-zéøö]+)(?:, [A-Z][a-zéøö]+)*(?: & [A-Z][a-zéøö]+| et al\.)? ?\(?"
    r"(?P<year>(?:19|20)\d\d)\b"
)
NO_AUTHORS = {"MIT", "Version", "Since", "Python", "Lightning"}


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "it_callbacks").rglob("*.py")),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_every_paper_that_a_docstring_names_is_in_the_references(path: Path) -> None:
    listed = (ROOT / "docs/references.md").read_text(encoding="utf-8")
    entries = [" ".join(entry.split()) for entry in re.split(r"^- ", listed, flags=re.MULTILINE)]
    for found in CITED.finditer(" ".join(path.read_text(encoding="utf-8").split())):
        if found["first"] not in NO_AUTHORS:
            assert any(
                found["first"] in entry.partition(".")[0] and found["year"] in entry
                for entry in entries
            ), found[0]


def test_a_reading_has_one_name_in_pages_and_messages() -> None:
    """The tab calls it "any width"; `wide` is what code, options and tags call it."""
    root = Path(__file__).parents[1]
    texts = [root / "README.md", *root.glob("docs/**/*.md"), *root.glob("it_callbacks/**/*.py")]
    assert len(texts) > 200
    named = [path.name for path in texts if "wide plane" in path.read_text("utf-8").lower()]
    assert named == []
