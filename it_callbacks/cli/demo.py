"""`it-callbacks demo`: train a small network with all monitors, and print how to view its run."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from it_callbacks.cli.command import Commands, Wrong, declare, file_path, whole_number

_EPOCHS = {"digits": 60, "szt": 800}
"""Tasks of the demo, and how long each has to train to show what it is there to show."""

_DESCRIPTION = """\
Train a small network with all three monitors, write a TensorBoard run, and print what was learnt.
The result alone goes to standard output; a progress bar is shown on a terminal only.

  digits  1797 real handwritten digits from scikit-learn; 10 to 20 seconds
  szt     the 12-bit task of Shwartz-Ziv and Tishby (2017); up to a minute
"""

_EXAMPLES = """\
examples:
  it-callbacks demo
  it-callbacks demo --task szt --activation relu --logdir runs/szt-relu
"""


def add_to(commands: Commands) -> None:
    """Declare the command."""
    defaults = ", ".join(f"{epochs} for {task}" for task, epochs in _EPOCHS.items())
    parser = declare(
        commands,
        "demo",
        _run,
        help="train a small network with all monitors and show what was learnt",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--task", choices=tuple(_EPOCHS), default="digits", help="what to learn (default: digits)"
    )
    parser.add_argument(
        "--logdir",
        type=file_path,
        metavar="DIR",
        help="folder of runs; each gets a new version_N inside (default: runs/<task>)",
    )
    # Seeds beyond 32 bits are refused by NumPy; no demo takes that many epochs.
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help=f"how long to train (default: {defaults})",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="S",
        help="of the weights and the order of samples (default: 0)",
    )
    parser.add_argument(
        "--activation", choices=("tanh", "relu"), help="of the hidden layers, szt only (tanh)"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print the result and nothing else, no progress either"
    )


def _run(arguments: argparse.Namespace) -> None:
    task: str = arguments.task
    if arguments.activation is not None and task != "szt":
        raise Wrong("argument --activation: only --task szt has a choice; digits is tanh")
    logdir: Path = arguments.logdir or Path("runs", task)
    try:
        logdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Wrong(
            f"argument --logdir: cannot make the folder {logdir}: {error.strerror}"
        ) from error
    if not os.access(logdir, os.W_OK | os.X_OK):
        raise Wrong(f"argument --logdir: no permission to write into {logdir}")
    epochs = _EPOCHS[task] if arguments.epochs is None else arguments.epochs

    progress = sys.stderr.isatty() and not arguments.quiet

    from it_callbacks import demo

    if task == "szt":
        outcome = demo.szt(
            logdir,
            epochs=epochs,
            seed=arguments.seed,
            activation=arguments.activation or "tanh",
            progress=progress,
        )
    else:
        try:
            outcome = demo.digits(logdir, epochs=epochs, seed=arguments.seed, progress=progress)
        except ImportError as error:
            if not (error.name or "").startswith("sklearn") and "scikit-learn" not in str(error):
                raise
            raise Wrong(str(error)) from error
    print(outcome, flush=True)
    if not arguments.quiet:
        print(f"\nTo look at it:\n  {view_command(logdir)}", file=sys.stderr)


def view_command(logdir: Path) -> str:
    """The command that shows `logdir`, to be pasted into a shell as it is.

    It names the `it-callbacks` of the running environment, with its path where the shell would
    not find it.

    Args:
        logdir: The folder of runs.
    """
    here = Path(sys.executable).parent
    own = shutil.which("it-callbacks", path=str(here))
    found = shutil.which("it-callbacks")
    if own is None:
        program = f"{shlex.quote(sys.executable)} -m it_callbacks.cli"
    elif found is not None and os.path.samefile(own, found):
        program = "it-callbacks"
    else:
        program = shlex.quote(_from_here(Path(own)))
    return f"{program} view {shlex.quote(str(logdir))}"


def _from_here(path: Path) -> str:
    """`path` relative to the current folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
