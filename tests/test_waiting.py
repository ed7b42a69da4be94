"""A long read says so on a terminal, and nowhere else."""

from __future__ import annotations

import sys
import threading

import pytest

from it_callbacks.cli import waiting


def test_a_terminal_is_told_what_takes_long_and_the_line_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "AFTER_S", 0.001)
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    written = threading.Event()
    write = sys.stderr.write

    def heard(text: str) -> int:
        if "reading runs" in text:
            written.set()
        return write(text)

    monkeypatch.setattr(sys.stderr, "write", heard)
    with waiting.waiting("reading runs"):
        assert written.wait(10)
    said = capsys.readouterr().err
    assert said.startswith("\rit-callbacks: reading runs, 0 s")
    assert said.endswith(" \r")


def test_what_is_quick_and_what_is_no_terminal_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True)
    with waiting.waiting("reading runs"):
        pass
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: False)
    monkeypatch.setattr(waiting, "AFTER_S", 0.0)
    n_threads = threading.active_count()
    with waiting.waiting("reading runs"):
        assert threading.active_count() == n_threads
    assert capsys.readouterr().err == ""
