"""``mlflow server`` in one process: ``python serve_mlflow.py WORDS`` takes the words of the command.

The command itself starts a second process for the server, which imports everything once more.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from unittest import mock

import uvicorn  # first: by it mlflow knows that it is a server


def here(command: list[str], extra_env: dict[str, str], **options: Any) -> None:
    """Stands for the start of the second process: serves, and ends this one afterwards."""
    del options
    os.environ.update(extra_env)
    uvicorn.main.main(args=command[command.index("uvicorn") + 1 :])


if __name__ == "__main__":
    from mlflow import cli, server

    with mock.patch.object(server, "_exec_cmd", here):
        cli.cli(["server", *sys.argv[1:]])
