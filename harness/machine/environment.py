"""The machine, its limits and the versions in use: everything that readers need to judge a speed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from harness.core.catalog import PACKAGES
from harness.machine import cards

# CPU features that decide the speed of float and int8 arithmetic on x86 and Arm, by the kernel's names.
FEATURES = (
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512bw",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
)


def describe() -> dict[str, Any]:
    """Returns the environment for results.json; ``machine`` is a digest of the machine's properties."""
    found = _machine_facts()
    found |= {
        "machine": machine(),
        **({"card_driver": driver} if (driver := cards.driver()) else {}),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "governor": governor(),
        "cpu_limit": cgroup_cpu_limit(),
        "threads_allowed": thread_budget(),
        "memory_available_mb": round(psutil.virtual_memory().available / 2**20),
        "load_1min": round(psutil.getloadavg()[0], 2),
        "versions": versions(),
        **git_state(),
    }
    return found


def machine() -> str:
    """Returns a digest of the machine's properties: it is stable, and differs for other hardware or limits."""
    # in containers the host name changes with every run; memory varies by the system's own share
    facts = _machine_facts()
    identity = {key: value for key, value in facts.items() if key not in ("memory_mb", "hostname")}
    identity |= {"memory_class": memory_class(facts["memory_mb"]), "cpu_limit": cgroup_cpu_limit()}
    return hashlib.sha256(repr(sorted(identity.items())).encode()).hexdigest()[:12]


def _machine_facts() -> dict[str, Any]:
    cpu = cpu_info()
    return {
        "processor": cpu["model"],
        "architecture": platform.machine(),
        "features": cpu["features"],
        "cores": psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        "logical_cores": os.cpu_count() or 1,
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "virtual": cpu["virtual"],
        "system": platform.system(),
        "hostname": platform.node(),
        **({"cards": found} if (found := cards.names()) else {}),  # machines without a card keep their digest
    }


def memory_class(megabytes: float) -> int:
    """Returns memory in GiB, rounded up to a usual size: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ..."""
    gib, size = megabytes / 1024, 1
    while size < gib:
        size = size * 3 // 2 if size & (size - 1) == 0 and size > 1 else (size * 4 // 3 if size > 1 else 2)
    return size


@lru_cache(maxsize=1)
def cpu_info() -> dict[str, Any]:
    """Returns model name, features that affect speed, and whether this is a virtual machine."""
    model, flags = platform.processor() or platform.machine(), set[str]()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            if key.strip() in ("flags", "Features"):
                flags = set(value.split())
                break
    except OSError:
        pass
    return {"model": model, "features": [name for name in FEATURES if name in flags], "virtual": "hypervisor" in flags}


def has_wide_int8() -> bool:
    """Whether OpenVINO's oneDNN can use AVX-512's int8 dot products here; ``ONEDNN_MAX_CPU_ISA`` may forbid them."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if allowed and not allowed.startswith(("ALL", "DEFAULT", "AVX10", "AVX512_CORE_")):
        return False
    return bool({"avx512_vnni", "amx_int8", "asimddp"} & set(cpu_info()["features"]))


def governor() -> str:
    """Returns the frequency governor of the first core, or ``unknown`` (virtual machines have none)."""
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return "unknown"


def cgroup_cpu_limit() -> float | None:
    """Returns the cores that the control group allows (quota / period), or None if there is no limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota_us = int(Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text())
        period_us = int(Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 else None
    except (OSError, ValueError):
        return None


def thread_budget() -> int:
    """Returns the number of threads allowed here: the affinity mask, limited by control group and Slurm; at least 1."""
    allowed = len(allowed_cores())
    limit = cgroup_cpu_limit()
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")  # not every cluster limits a task to its granted cores
    return max(1, min(allowed, int(limit) if limit else allowed, int(granted) if granted.isdigit() else allowed))


def allowed_cores() -> list[int]:
    """Returns the processors that the affinity mask allows, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    read = getattr(psutil.Process(), "cpu_affinity", None)  # Windows has masks too, macOS has none
    return sorted(read()) if read else list(range(os.cpu_count() or 1))


def pin_thread(cores: list[int]) -> None:
    """Keeps the calling thread on ``cores``; does nothing if the system has no affinity."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def versions() -> dict[str, str]:
    """Returns installed versions of the packages that decide results, without importing them."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def git_state() -> dict[str, Any]:
    """Returns ``commit`` and ``dirty`` of this package's checkout; empty if no repository tracks its files."""
    folder = Path(__file__).resolve().parent
    try:
        _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)  # a venv may be inside another repository
        commit = _git(folder, "rev-parse", "HEAD")
        dirty = bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {"commit": "", "dirty": False}
    return {"commit": commit, "dirty": dirty}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def peak_rss_mb() -> float:
    """This process's peak resident memory in MiB (VmHWM: unlike ru_maxrss it is not inherited from the parent)."""
    try:
        status = Path("/proc/self/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if found:
            return int(found.group(1)) / 1024
    except OSError:
        pass
    info = psutil.Process().memory_info()
    return float(getattr(info, "peak_wset", info.rss)) / 2**20


def limit_threads(environment: dict[str, str], threads: int) -> dict[str, str]:
    """Adds the variables by which libraries read their thread count when they load."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "TBB_NUM_THREADS")
    return {**environment, **{name: str(threads) for name in names}}


def keep_freed_memory() -> bool:
    """Asks glibc to keep freed memory for itself; returns whether it will (False if there is no glibc).

    A frame's image is freed when the next one is decoded. If its memory were returned to the system, its pages would be
    cleared and mapped again for every frame.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((trim_threshold, 512 << 20), (top_pad, 16 << 20), (mmap_threshold, 32 << 20))  # the last at its maximum
    taken = [mallopt(name, value) for name, value in wanted]
    return all(taken)


class LoadWatch:
    """Measures how much of the machine other processes used between ``start`` and ``stop``."""

    def __init__(self) -> None:
        self._busy = self._wall = self._own = 0.0

    def start(self) -> None:
        """Takes the counters from which ``stop`` measures."""
        self._busy, self._wall, self._own = self._read()

    def stop(self, more_s: float = 0.0) -> float:
        """Returns the average number of cores used by processes other than this one and its ended children.

        Args:
            more_s: Processor seconds of further processes that count as this one's.
        """
        busy, wall, own = self._read()
        own += more_s
        elapsed = (wall - self._wall) / max(1, os.cpu_count() or 1)
        if elapsed <= 0:
            return 0.0
        return max(0.0, (busy - self._busy) - (own - self._own)) / elapsed

    @staticmethod
    def _read() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        wall = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        steal = getattr(times, "steal", 0.0)
        own = os.times()
        return wall - idle - steal, wall, own.user + own.system + own.children_user + own.children_system
