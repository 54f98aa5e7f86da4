"""``python -m harness --help``: made from the shipped configuration and the commands, so that it cannot fall behind."""

from __future__ import annotations

import re
from pathlib import Path

from harness.config import conf_folder

GROUPS = ("backend", "device", "hint", "quantization", "tracker", "dataset", "task", "mlflow", "experiment")

HEAD = """\
python -m harness [-m] [-v] [--config-dir DIR] [group=choice] [key=value] ...
python -m harness COMMAND ...

Runs a visual object tracker through an inference backend and measures it: accuracy, speed, latency, memory.

  python -m harness                                          the default job: demo tracker, demo data, OpenVINO
  python -m harness backend=openvino device=cpu hint=latency one job
  python -m harness -m backend=torch,onnx,openvino           a sweep: one job per value, compared with the first
  python -m harness tracker=nanotrack tracker.weights=nanotrackv3.pth dataset=folder dataset.root=DIR

-m sweeps over all values given with commas; -v shows tracebacks; --config-dir adds a folder of your own YAML groups.
Results go to outputs/<date>/<time>/, the record of all runs to mlruns/ (look: python -m harness ui).
Exit codes: 0 done, 1 a job or gate failed, 2 a mistake in the call, 130 Ctrl-C.
"""


def manual(commands: list[tuple[str, str, str]]) -> str:
    """The whole help text."""
    parts = [HEAD, "COMMANDS"]
    width = max((len(word) for word, _, _ in commands), default=0)
    for word, summary, example in commands:
        parts.append(f"  {word:<{width}}  {summary}\n  {'':<{width}}  e.g. {example}")
    parts.append("\nKEYS OF EVERY JOB (conf/config.yaml)")
    parts += [f"  {line}" for line in _keys(conf_folder() / "config.yaml", stop="hydra:")]
    parts.append("\nGROUPS: choose with group=choice; set a key with group.key=value")
    for group in GROUPS:
        parts.append(f"\n{group}=")
        for path in sorted((conf_folder() / group).glob("*.yaml")):
            parts.append(f"  {path.stem:<14} {_summary(path)}")
            parts += [f"      {group}.{line}" for line in _keys(path)] if group != "experiment" else []
    return "\n".join(parts) + "\n"


def _summary(path: Path) -> str:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ").strip()


def _keys(path: Path, stop: str = "") -> list[str]:
    """``key: default   # comment`` of a YAML file; nested keys dotted; name, target and defaults left out."""
    lines, prefix = [], ""
    skipping = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if stop and line.startswith(stop):
            break
        found = re.match(r"^(\s*)([A-Za-z_]\w*):\s*(.*)$", line)
        if not found:
            continue
        indent, key, value = found.groups()
        if not indent:
            prefix, skipping = "", key in ("defaults", "name", "target")
            if not value.split("#")[0].strip():
                prefix = f"{key}."
                continue
        if skipping:
            continue
        default, _, comment = value.partition("#")
        lines.append(f"{prefix if indent else ''}{key}={default.strip()}".ljust(34) + f" {comment.strip()}".rstrip())
    return lines


def choices_with(key: str) -> list[str]:
    """The choices of ``key``'s group that have it: ``backend.streams`` -> ``["openvino", ...]``."""
    group, _, own = key.partition(".")
    if group not in GROUPS or not own:
        return []
    paths = sorted((conf_folder() / group).glob("*.yaml"))
    return [path.stem for path in paths if own in {line.partition("=")[0] for line in _keys(path)}]


def open_tables() -> list[str]:
    """Keys whose default is an empty table, dotted: entries are added by name."""
    paths = [(group, path) for group in GROUPS for path in (conf_folder() / group).glob("*.yaml")]
    lines = [(group, line.partition("=")) for group, path in paths for line in _keys(path)]
    return sorted({f"{group}.{key}" for group, (key, _, rest) in lines if rest.split()[:1] == ["{}"]})


def known_keys() -> list[str]:
    """Every key and group that the shipped configuration knows, dotted."""
    keys = [line.partition("=")[0] for line in _keys(conf_folder() / "config.yaml", stop="hydra:")]
    keys += list(GROUPS)
    for group in GROUPS:
        for path in (conf_folder() / group).glob("*.yaml"):
            keys += [f"{group}.{line.partition('=')[0]}" for line in _keys(path)]
    return sorted(set(keys))
