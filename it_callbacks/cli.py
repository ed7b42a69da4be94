"""Words of a command line in, an exit code out: `it-callbacks demo`.

Exit codes: 0, done; 2, the command line or the installation is at fault, and standard error says
how; 130, interrupted. Nothing heavy is imported before the command line is understood.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from it_callbacks import __version__

_EPOCHS = {"digits": 60, "szt": 800}
"""Tasks of the demo, and how long each has to train to show what it is there to show."""

_DEMO = """\
Train a small network with all three monitors, write a TensorBoard run, and print what was learnt.

  digits  1797 real handwritten digits from scikit-learn; 10 to 20 seconds
  szt     the 12-bit task of Shwartz-Ziv and Tishby (2017); up to a minute
"""

_DEMO_EXAMPLES = """\
examples:
  it-callbacks demo
  it-callbacks demo --task szt --activation relu --logdir runs/szt-relu
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (by default the process's own) and return its exit code.

    Example:
        ```
        main(["demo", "--task", "digits", "--epochs", "5"])
        ```
    """
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as exit_:  # argparse has said everything there is to say
        return exit_.code if isinstance(exit_.code, int) else 2
    try:
        return _demo(arguments)
    except KeyboardInterrupt:
        print("\nit-callbacks: interrupted", file=sys.stderr)
        return 130


def tensorboard_command(logdir: Path) -> str:
    """The command that shows `logdir`, to be pasted into a shell as it is.

    It names the `tensorboard` of the running environment, with its path where the shell would
    not find it, since only that one has the run's plugins beside it.

    Args:
        logdir: The folder of runs.
    """
    here = Path(sys.executable).parent
    own = shutil.which("tensorboard", path=str(here))
    found = shutil.which("tensorboard")
    if own is None:
        program = "tensorboard" if found else f"{shlex.quote(sys.executable)} -m tensorboard.main"
    elif found is not None and os.path.samefile(own, found):
        program = "tensorboard"
    else:
        program = shlex.quote(_from_here(Path(own)))
    return f"{program} --logdir {shlex.quote(str(logdir))}"


def _from_here(path: Path) -> str:
    """`path` relative to the current folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _demo(arguments: argparse.Namespace) -> int:
    task: str = arguments.task
    if arguments.activation is not None and task != "szt":
        return _wrong("argument --activation: only --task szt has a choice; digits is tanh")
    logdir: Path = arguments.logdir or Path("runs", task)
    try:
        logdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _wrong(f"argument --logdir: cannot make the folder {logdir}: {error.strerror}")
    if not os.access(logdir, os.W_OK | os.X_OK):
        return _wrong(f"argument --logdir: no permission to write into {logdir}")
    epochs = _EPOCHS[task] if arguments.epochs is None else arguments.epochs

    from it_callbacks import demo

    if task == "szt":
        outcome = demo.szt(
            logdir, epochs=epochs, seed=arguments.seed, activation=arguments.activation or "tanh"
        )
    else:
        try:
            outcome = demo.digits(logdir, epochs=epochs, seed=arguments.seed)
        except ImportError as error:
            if not (error.name or "").startswith("sklearn") and "scikit-learn" not in str(error):
                raise
            return _wrong(str(error))
    print(f"\n{outcome}\n\nTo look at it:\n  {tensorboard_command(logdir)}")
    return 0


def _wrong(message: str) -> int:
    print(f"it-callbacks demo: error: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    defaults = ", ".join(f"{epochs} for {task}" for task, epochs in _EPOCHS.items())
    parser = argparse.ArgumentParser(
        prog="it-callbacks",
        description="Watch, in TensorBoard, the information plane of a network while it trains.",
        epilog="example: it-callbacks demo",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"it_callbacks {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="train a small network with all monitors and show what was learnt",
        description=_DEMO,
        epilog=_DEMO_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    demo.add_argument(
        "--task", choices=tuple(_EPOCHS), default="digits", help="what to learn (default: digits)"
    )
    demo.add_argument(
        "--logdir",
        type=Path,
        metavar="DIR",
        help="folder of runs; each gets a new version_N inside (default: runs/<task>)",
    )
    demo.add_argument(
        "--epochs",
        type=_at_least(1),
        metavar="N",
        help=f"how long to train (default: {defaults})",
    )
    demo.add_argument(
        "--seed",
        type=_at_least(0),
        default=0,
        metavar="S",
        help="of the weights and the order of samples (default: 0)",
    )
    demo.add_argument(
        "--activation", choices=("tanh", "relu"), help="of the hidden layers, szt only (tanh)"
    )
    return parser


class _at_least:  # noqa: N801 # used like a type, as argparse names it in no message
    """Reads whole numbers from `least` on, for argparse."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = self.least - 1
        # Seeds beyond 32 bits are refused by NumPy; no demo takes that many epochs.
        if not self.least <= number < 2**32:
            raise argparse.ArgumentTypeError(
                f"need a whole number from {self.least} to {2**32 - 1}, got {text!r}"
            )
        return number


if __name__ == "__main__":
    sys.exit(main())
