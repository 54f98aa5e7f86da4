"""A helper (``harness.jobs.helper``) that loads for ``SLOW_HELPER_SECONDS`` of processor time and then obeys by writing what it is told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from harness.jobs.helper import serve


def load() -> None:
    end = time.process_time() + float(os.environ["SLOW_HELPER_SECONDS"])
    while time.process_time() < end:
        pass


def obey(order: dict[str, Any]) -> dict[str, Any]:
    time.sleep(order["seconds"])
    Path(order["file"]).write_text("done")
    return {"file": order["file"]}


if __name__ == "__main__":
    sys.exit(serve(load, obey))
