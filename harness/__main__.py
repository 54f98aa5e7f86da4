"""``python -m harness``."""

from __future__ import annotations

import sys


def main() -> int:
    """Entry of the console script too."""
    from harness.cli.main import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
