"""Causes of noisy measurements on this machine, and how to fix them. Unknown values are not guessed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from harness.machine import environment, load, sensors

SYS = Path("/sys")
WATCH_SECONDS = 1.0
LITTLE_MEMORY_MB = 2048
STEAL_SHARE = 0.01
"""The share of time stolen by the host of a virtual machine above which it is reported."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: The subject, in a word or two.
        level: ``ok``, ``note`` (may disturb) or ``warning`` (does disturb).
        said: The finding.
        mend: What to do; empty if there is nothing to do.
    """

    what: str
    level: str
    said: str
    mend: str = ""

    def plain(self) -> dict[str, str]:
        """Returns the finding as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Moment:
    """The counters over a second: other load in cores, and the share of time stolen by the host."""

    others: load.Load
    steal: float


def watch(seconds: float = WATCH_SECONDS) -> Moment:
    """Watches the machine for a while without using it."""
    family, before = load.FamilyWatch(), psutil.cpu_times()
    time.sleep(seconds)
    after = psutil.cpu_times()
    whole = sum(after) - sum(before)
    stolen = getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)
    return Moment(family.other(), max(0.0, stolen) / whole if whole > 0 else 0.0)


def findings(moment: Moment, root: Path = SYS) -> list[Finding]:
    """Checks everything that is known to disturb measurements.

    Args:
        moment: The result of ``watch``.
        root: The tree of ``/sys``.
    """
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _load(moment),
        lambda: _virtual(moment),
        lambda: _governor(root),
        lambda: _turbo(root),
        lambda: _threads(root),
        _quota,
        lambda: _heat(root),
        _battery,
        _memory,
    )
    return [found for check in checks for found in check()]


def _load(moment: Moment) -> Iterator[Finding]:
    others = moment.others
    if others.quiet:
        yield Finding("other load", "ok", f"{others.cores:.1f} cores")
        return
    names = ", ".join(busiest())
    yield Finding(
        "other load", "warning", f"other processes use {others.cores:.1f} cores{f' ({names})' if names else ''}",
        "end them, or measure when they have ended; a sweep's measurement in turns leaves out disturbed rounds",
    )  # fmt: skip


def busiest(count: int = 3) -> list[str]:
    """Returns the names of the visible other processes that recently used most CPU time."""
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    watched = []
    for process in psutil.process_iter(["name"]):
        if process.pid not in own:
            try:
                process.cpu_percent()
                watched.append(process)
            except psutil.Error:
                continue
    time.sleep(0.2)
    found = []
    for process in watched:
        try:
            found.append((process.cpu_percent(), str(process.info["name"])))
        except psutil.Error:
            continue
    return list(dict.fromkeys(name for share, name in sorted(found, reverse=True) if share >= 10))[:count]


def _virtual(moment: Moment) -> Iterator[Finding]:
    if not environment.cpu_info()["virtual"]:
        return
    if moment.steal > STEAL_SHARE:
        yield Finding(
            "virtual machine", "warning", f"the host took {moment.steal:.0%} of the time for others (steal)",
            "use a machine of its own, or one with dedicated cores; trust ratios of one sweep more than single speeds",
        )  # fmt: skip
    else:
        yield Finding(
            "virtual machine", "note", f"the processor is shared with machines that cannot be seen ({moment.steal:.1%} stolen now)",
            "compare within one sweep, whose jobs are measured in turns; speeds of different days may differ",
        )  # fmt: skip


def _governor(root: Path) -> Iterator[Finding]:
    governors = {_text(path) for path in (root / "devices/system/cpu/cpufreq").glob("policy*/scaling_governor")} - {""}
    if not governors:
        yield Finding("frequency governor", "ok" if environment.cpu_info()["virtual"] else "note", "not shown by this system")
    elif governors == {"performance"}:
        yield Finding("frequency governor", "ok", "performance")
    else:
        yield Finding(
            "frequency governor", "warning", f"{', '.join(sorted(governors))}: the clock follows the load, so short measurements are slow",
            "sudo cpupower frequency-set --governor performance",
        )  # fmt: skip


def _turbo(root: Path) -> Iterator[Finding]:
    cpu = root / "devices/system/cpu"
    switches = ((cpu / "intel_pstate/no_turbo", "0", "1"), (cpu / "cpufreq/boost", "1", "0"))
    for path, on, off in switches:
        if (state := _text(path)) in ("0", "1"):
            if state == on:
                yield Finding(
                    "turbo", "note", "on: the clock depends on heat and on how many cores work",
                    f"for speeds that repeat (and are lower): echo {off} | sudo tee {path}",
                )  # fmt: skip
            else:
                yield Finding("turbo", "ok", "off")
            return


def _threads(root: Path) -> Iterator[Finding]:
    cores = psutil.cpu_count(logical=False) or 0
    allowed = environment.thread_budget()
    if _text(root / "devices/system/cpu/smt/active") == "1" and cores and allowed > cores:
        yield Finding(
            "hyper-threads", "note", f"{allowed} threads are allowed on {cores} cores: two share a core's arithmetic",
            f"threads={cores} gives each thread a core of its own; try both",
        )  # fmt: skip
    else:
        yield Finding("threads", "ok", f"{allowed} allowed, {cores or 'unknown'} cores")
    usable, there = len(environment.allowed_cores()), os.cpu_count() or 1
    if usable < there:
        yield Finding("affinity", "note", f"this process may use {usable} of {there} logical cores", "others may use the same ones")


def _quota() -> Iterator[Finding]:
    limit = environment.cgroup_cpu_limit()
    if limit is None:
        yield Finding("control group", "ok", "no limit on the processor")
        return
    waited = sensors.throttling().quota_s
    said = f"{limit:g} cores" + (f"; its threads were stopped for {waited:.0f} s so far" if waited else "")
    whole = limit == int(limit)
    yield Finding(
        "control group", "note" if whole and not waited else "warning", said,
        "give the container whole cores (--cpuset-cpus) instead of a quota (--cpus): a used-up quota stops all threads at once",
    )  # fmt: skip


def _heat(root: Path) -> Iterator[Finding]:
    count, degrees = sensors.throttling(root).thermal, sensors.temperature_c(root)
    warm = f", {degrees:.0f} °C now" if degrees is not None else ""
    if count:
        yield Finding(
            "heat", "warning", f"cores slowed down for heat {count} times since the start{warm}",
            "better cooling; task=soak shows when speed changes",
        )  # fmt: skip
    elif count is not None or degrees is not None:
        yield Finding("heat", "ok", f"no slowing for heat recorded{warm}" if count is not None else f"{degrees:.0f} °C now")


def _battery() -> Iterator[Finding]:
    try:
        found = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    except (OSError, NotImplementedError):
        found = None
    if found is not None and found.power_plugged is False:
        yield Finding("battery", "warning", "on battery: systems lower the clock", "connect the power supply")
    elif found is not None:
        yield Finding("battery", "ok", "connected to power")


def _memory() -> Iterator[Finding]:
    free = psutil.virtual_memory().available / 2**20
    if free < LITTLE_MEMORY_MB:
        yield Finding("memory", "warning", f"{free:.0f} MB are free: files may be read anew from disk, or swapped", "end other programs")
    else:
        yield Finding("memory", "ok", f"{free:.0f} MB free")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
