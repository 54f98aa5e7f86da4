"""``python -m harness``."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def main() -> int:
    """Entry of the console script too."""
    open_streams()
    from harness.machine.collection import collect_seldom

    collect_seldom()
    from harness.cli.main import main as run

    return let_go(run(sys.argv[1:], alone=True))


def let_go(code: int) -> int:
    """Flushes the standard streams; Python itself would print an error for a closed pipe or a full disk.

    Args:
        code: The exit code so far.

    Returns:
        The exit code: 1 if the output could not be written although the work was done.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            stream.flush()
        except BrokenPipeError:  # a reader such as head has closed the pipe
            _to_nowhere(stream)
        except (OSError, ValueError) as error:
            _to_nowhere(stream)
            if name == "stdout" and isinstance(error, OSError):
                code = code or 1
                with contextlib.suppress(OSError):
                    print(f"error: standard output cannot be written ({error.strerror}); send it elsewhere.", file=sys.stderr)
    return code


def _to_nowhere(stream: TextIO) -> None:
    """Redirects a stream to a sink for the rest of its buffer."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_streams() -> None:
    """Opens closed standard streams, so that no file gets their numbers, and makes any name printable."""
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
            stream.reconfigure(errors="backslashreplace")  # a terminal may not support the characters of a name


if __name__ == "__main__":
    sys.exit(main())
