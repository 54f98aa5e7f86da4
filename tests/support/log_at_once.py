"""Logs jobs' folders by a process each, all at once: ``python log_at_once.py STORE FOLDER ...`` (STORE: address or folder).

The processes are forked after mlflow was imported, so that they start together and not one import after the other.
"""

from __future__ import annotations

import multiprocessing
import sys
import traceback
from pathlib import Path

from harness.publish.mlflow import Target, log_folder


def log(folder: Path, target: Target, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    try:
        log_folder(folder, parent=folder.parent, target=target)
    except BaseException:
        traceback.print_exc()
        raise SystemExit(1) from None


def main(store: str, folders: list[Path]) -> int:
    import mlflow  # noqa: F401

    target = Target("server", uri=store) if store.startswith("http") else Target(root=store)
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(len(folders))
    children = [context.Process(target=log, args=(folder, target, ready)) for folder in folders]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return max(abs(child.exitcode or 0) for child in children)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], [Path(word) for word in sys.argv[2:]]))
