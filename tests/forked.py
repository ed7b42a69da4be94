"""Scripts run in processes of their own, without the seconds that importing Lightning takes each.

All are forked from one process that has imported it and done nothing else, so that each begins
as a fresh interpreter does. POSIX only, as are the tests that use this.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

_CONTEXT: Any = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "lightning_fabric",
        "pytorch_lightning",
        "torchmetrics",
        "tensorboard.backend.event_processing.event_accumulator",
        "torch.utils.tensorboard",
        "sklearn.metrics",
        "it_callbacks.callbacks",
    ]
)

_SCRIPT = """
import os, runpy, sys
os.chdir(folder)
os.environ.update(environment)
for stream in (1, 2):
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
sys.argv = arguments
sys.path.insert(0, os.path.dirname(arguments[0]))
runpy.run_path(arguments[0], run_name="__main__")
"""


class Finished(NamedTuple):
    """A script that has ended.

    Args:
        returncode: 0 if all went well; None if it had not ended in time and was killed.
        output: All that it printed.
    """

    returncode: int | None
    output: str


class Running:
    """A script that runs as ``python SCRIPT ARGUMENT ...`` in `folder` would.

    Args:
        script: The file.
        arguments: What follows it.
        folder: Where it runs; what it prints goes to ``output.txt`` there.
        environment: Variables beside those of this process.
        output: What the file of its output is called.
    """

    def __init__(
        self,
        script: Path,
        arguments: Sequence[object],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        output: str = "output.txt",
    ) -> None:
        self.output = folder / output
        given = {
            "arguments": [str(script), *map(str, arguments)],
            "environment": {"OMP_NUM_THREADS": "1", **(environment or {})},
            "folder": str(folder),
            "output": str(self.output),
        }
        self.process: BaseProcess = _CONTEXT.Process(target=exec, args=(_SCRIPT, given))
        self.process.start()

    def wait(self, seconds: float) -> Finished:
        """Its end, or the end that is made of it."""
        self.process.join(seconds)
        in_time = not self.process.is_alive()
        if not in_time:
            self.process.kill()
            self.process.join()
        printed = self.output.read_text(errors="replace") if self.output.exists() else ""
        return Finished(self.process.exitcode if in_time else None, printed)
