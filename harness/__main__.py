"""``python -m harness``."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Entry of the console script too."""
    open_streams()
    from harness.cli.main import main as run

    return run(sys.argv[1:])


def open_streams() -> None:
    """Opens standard streams that were closed, so that no file gets their numbers, and lets any name be printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process
        else:
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack the letters of a name


if __name__ == "__main__":
    sys.exit(main())
