"""`it-callbacks view`: TensorBoard of this environment, at the tab, until it is interrupted."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from it_callbacks.cli.command import Commands, Wrong, declare, whole_number
from it_callbacks.log_folders import LogError, as_place, found_below, is_url

TAB = "information_plane"
"""What TensorBoard calls the tab in addresses."""

_DESCRIPTION = """\
Start TensorBoard at the tab "Information plane", and print its address. It is the TensorBoard of
this environment, the only one that is sure to have the tab. Runs may still be writing, and new
ones appear by themselves. Ctrl-C stops it.
"""

_EXAMPLES = """\
examples:
  it-callbacks view runs/digits
  it-callbacks view runs --port 8008 --open
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = declare(
        commands,
        "view",
        _run,
        help="start TensorBoard at the information plane",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="folder of runs, or one run's; or its URL")
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        metavar="N",
        help="where to serve; 0 takes any free port (default: the first free one from 6006)",
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        help="to whom: 0.0.0.0 serves the whole network (default: this machine only)",
    )
    parser.add_argument("--open", action="store_true", help="open the address in a browser")


def _run(arguments: argparse.Namespace) -> None:
    logdir = as_place(arguments.logdir)
    try:
        folders = found_below(logdir, [])
    except LogError as error:
        raise Wrong(f"argument LOGDIR: {error}") from error
    address = f"{_serve(logdir, arguments.port, arguments.host)}#{TAB}"
    if not folders:
        print(f"Nothing is logged below {logdir} yet; what comes will be shown.")
    print(f"Information plane of {logdir}:\n  {address}\nCtrl-C stops it.", flush=True)
    if arguments.open:
        import webbrowser

        webbrowser.open(address)
    _wait()


def _serve(logdir: str, port: int | None, host: str | None) -> str:
    """TensorBoard's address, once it serves `logdir` from a thread of this process."""
    from tensorboard import program

    from it_callbacks.logs import MOST_POINTS

    tensorboard = program.TensorBoard()
    words = ["tensorboard", f"--logdir={logdir if is_url(logdir) else os.path.realpath(logdir)}"]
    words += [f"--samples_per_plugin=scalars={MOST_POINTS}"]
    words += [] if port is None else [f"--port={port}"]
    words += [] if host is None else [f"--host={host}"]
    tensorboard.configure(words)
    try:
        return str(tensorboard.launch())
    except program.TensorBoardServerException as error:
        raise Wrong(f"argument --port: {error.msg}") from error
    except SystemExit as exit_:  # how its server ends at an address that is not this machine's
        raise Wrong(f"argument --host: TensorBoard cannot serve at {host!r}; see above") from exit_


def _wait() -> None:
    """Return at the interrupt or the end signal that stops a server: both are its proper end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        # In pieces: on Windows a wait without an end would not hear the interrupt.
        while not threading.Event().wait(3600):
            pass
    except KeyboardInterrupt:
        print()
