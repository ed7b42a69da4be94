"""All experiments one after the other, then the table of their signatures.

    python examples/reproduce [--fast] [--data DIR] [--out DIR]

The exit code is 1 when a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import artefacts
import bottleneck
import convolutional
import grokking
import label_information
import memorised
import minimal_model
import quantised
import szt
import transformer
import wide
from signatures import conclude, summarise

SCRIPTS = (
    minimal_model,
    szt,
    artefacts,
    quantised,
    bottleneck,
    convolutional,
    transformer,
    wide,
    memorised,
    grokking,
    label_information,
)

if __name__ == "__main__":
    command = argparse.ArgumentParser(prog="python examples/reproduce", description=__doc__)
    command.add_argument("--fast", action="store_true", help="one short run of each")
    command.add_argument("--data", type=Path, metavar="DIR", help="folder of MNIST's files")
    command.add_argument("--out", type=Path, metavar="DIR", help="write figures into this folder")
    arguments = command.parse_args()
    found = {}
    for script in SCRIPTS:
        settings = script.FAST if arguments.fast else script.USUAL
        if isinstance(settings, (convolutional.Settings, wide.Settings)):
            settings = settings._replace(data=arguments.data)
        found[script.__name__] = script.experiment(settings, arguments.out)
        conclude(script.__doc__ or "", found[script.__name__])
    sys.exit(summarise(found))
