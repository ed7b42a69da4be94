"""`it-callbacks view`: TensorBoard at the tab, until it is stopped."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from it_callbacks import cli
from it_callbacks.cli import view

from .known_run import write_plane
from .written_logs import plane, settings, write


@contextmanager
def viewing(logdir: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The command as a user starts it, what it says until it serves, and the address it gives."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "it_callbacks.cli", "view", str(logdir), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        said = ""
        for line in server.stdout:  # ends with the server, if it never serves
            said += line
            if line.startswith("Ctrl-C"):
                break
        found = re.search(r"^  (http://\S+)$", said, flags=re.MULTILINE)
        assert found is not None, said
        yield server, said, found[1]
    finally:
        server.kill()
        server.communicate()


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as response:
        return str(response.read().decode())


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_tab_at_the_printed_address_until_stopped(
    stop: signal.Signals, tmp_path: Path
) -> None:
    """Stopping a server is its proper end: code 0, and no traceback."""
    write_plane(tmp_path / "first")
    with viewing(tmp_path) as (server, said, address):
        base, _, tab = address.partition("#")
        assert "Nothing is logged" not in said
        assert tab == "information_plane"
        assert tab in json.loads(fetched(f"{base}data/plugins_listing"))
        server.send_signal(stop)
        _, errors = server.communicate(timeout=60)
        assert server.returncode == 0
        assert "Traceback" not in errors


def test_an_empty_folder_is_served_and_said_to_be_empty(tmp_path: Path) -> None:
    """Of a training that is about to start."""
    with viewing(tmp_path) as (_, said, address):
        assert f"Nothing is logged below {tmp_path} yet" in said
        assert json.loads(fetched(f"{address.partition('#')[0]}data/runs")) == []


def test_a_file_is_no_log_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["view", str(tmp_path / "file")]) == 2
    assert "not a folder but a file" in capsys.readouterr().err


def test_no_more_points_are_left_out_than_a_report_leaves_out(tmp_path: Path) -> None:
    """TensorBoard alone keeps 1000 of a scalar."""
    points = {step: (1.0 + step / 4096, 0.5) for step in range(1500)}
    write(tmp_path / "run", plane({"layer": points}), settings(["layer"]))
    with viewing(tmp_path) as (_, _, address):
        base = f"{address.partition('#')[0]}data/plugin/information_plane"
        give_up = time.monotonic() + 60
        while '"newest":"run"' not in fetched(f"{base}/state"):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        table = fetched(f"{base}/csv?run=run&name=curves&quantity=I_TY")
    rows = [row for row in csv.DictReader(io.StringIO(table)) if row["quantity"] == "I_TY"]
    assert [int(row["step"]) for row in rows] == list(range(1500))


@pytest.fixture
def _not_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_wait", lambda: None)
    monkeypatch.setattr(view, "_serve", lambda *_: "http://localhost:6006/")


@pytest.mark.usefixtures("_not_waiting")
@pytest.mark.parametrize(
    ("words", "opened"), [([], []), (["--open"], ["http://localhost:6006/#information_plane"])]
)
def test_a_browser_is_opened_only_if_asked_for(
    words: list[str], opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", found.append)
    assert cli.main(["view", str(tmp_path), *words]) == 0
    assert found == opened


def refused(logdir: Path, *words: str) -> str:
    """What the command says of itself when it ends in 2.

    In a process of its own, since TensorBoard keeps what it has opened until its process ends.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "it_callbacks.cli", "view", str(logdir), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_a_port_in_use_is_said_and_ends_in_2(tmp_path: Path) -> None:
    with viewing(tmp_path) as (_, _, address):
        port = re.findall(r":(\d+)/", address)[0]
        said = refused(tmp_path, "--port", port)
    assert f"argument --port: TensorBoard could not bind to port {port}" in said


def test_a_host_that_is_not_this_machine_is_said_and_ends_in_2(tmp_path: Path) -> None:
    said = refused(tmp_path, "--port", "0", "--host", "no host.invalid")
    assert "it-callbacks view: error: argument --host" in said


def test_no_permission_to_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read anything
    assert cli.main(["view", str(tmp_path)]) == 2
    assert f"argument LOGDIR: no permission to read {tmp_path}" in capsys.readouterr().err
