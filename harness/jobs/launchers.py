"""Sweeps whose jobs run in processes of a launcher: which cores they get, and how jobs that died are found.

Imports no launcher: the name of its class and the files that it writes are enough.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from harness.core.errors import ConfigError
from harness.core.words import shown
from harness.machine import cores
from harness.machine.environment import thread_budget

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
SUBMITIT_FOLDER = ".submitit"
POLL_S = 1.0
INSTALL = "pip install 'tracker-harness[cluster]'"


def elsewhere(target: str) -> bool:
    """Whether the launcher of class ``target`` runs jobs in other processes than that of the sweep."""
    return target != BASIC


def job_cores(launcher: Mapping[str, Any], threads: int | None) -> int | None:
    """Returns how many cores a job leases if its launcher may run others here: its share, at least ``threads``.

    None means no lease: the jobs run one after the other, or a scheduler assigns their cores.
    """
    target, budget = str(launcher.get("_target_", "")), thread_budget()
    if target.endswith(".JoblibLauncher"):
        jobs = int(launcher.get("n_jobs") or 1)
        share = budget // jobs if jobs > 0 else 1
    elif target.endswith(".submitit_launcher.LocalLauncher"):
        share = int(launcher.get("cpus_per_task") or budget)
    else:
        return None
    return min(budget, max(1, share, threads or 1))


def check(launcher: Mapping[str, Any]) -> None:
    """Raises ConfigError for a number of jobs or cores that a launcher cannot take."""
    for key, least in (("n_jobs", -1), ("cpus_per_task", 1), ("array_parallelism", 1), ("nodes", 1)):
        value = launcher.get(key)
        if value is None or (isinstance(value, str) and value.startswith("${")):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least or value == 0:
            words = "a whole number from 1, or -1 for as many as there are cores" if least < 0 else "a whole number from 1"
            raise ConfigError(f"hydra.launcher.{key} is {shown(value)}; accepted: {words}.")


@contextmanager
def own_cores(launcher: Mapping[str, Any], threads: int | None, name: str) -> Iterator[None]:
    """Holds the cores of a job while it runs, if its launcher may run others at the same time."""
    count = job_cores(launcher, threads)
    if count is None:
        yield
        return

    def waiting() -> None:
        print(f"{name}: waits for {count} free cores", file=sys.stderr, flush=True)

    with cores.lease(count, wait=True, waiting=waiting):
        yield


def wait_for_the_others(target: str, sweep: Path) -> None:
    """Waits until every submitit job of ``sweep`` has ended: its launcher stops waiting at the first job that died."""
    if "submitit" not in target:
        return
    while any(_running(target, folder) for folder in (sweep / SUBMITIT_FOLDER).glob("[0-9]*") if folder.is_dir()):
        time.sleep(POLL_S)


def _running(target: str, folder: Path) -> bool:
    if list(folder.glob("*_result.pkl")):
        return False
    if not target.endswith("SlurmLauncher"):
        try:
            return psutil.Process(int(folder.name)).status() != psutil.STATUS_ZOMBIE  # the process id
        except psutil.NoSuchProcess:
            return False
    from submitit import SlurmJob

    return not SlurmJob(folder=folder, job_id=folder.name).done()
