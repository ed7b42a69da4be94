"""`python -m it_callbacks` is `it-callbacks`."""

import sys

from it_callbacks.cli import main

if __name__ == "__main__":
    sys.exit(main())
