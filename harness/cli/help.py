"""``python -m harness --help``: made from the shipped configuration and the commands, so that it is always current."""

from __future__ import annotations

from harness.core.catalog import GROUP_NAMES
from harness.core.config import conf_folder
from harness.core.options import choices, keys_of, summary_of

RECIPES = ("experiment", "search")
"""Groups whose choices only set keys of other groups."""

HEAD = """\
python -m harness [-m] [-v] [--config-dir DIR] [group=choice] [key=value] ...
python -m harness COMMAND ...

Runs a visual object tracker through an inference backend and measures it: accuracy, speed, latency, memory.

  python -m harness                                          the default job: demo tracker, demo data, OpenVINO
  python -m harness backend=openvino device=cpu hint=latency one job
  python -m harness -m backend=torch,onnx,openvino           a sweep: one job per value, compared with the first
  python -m harness tracker=nanotrack tracker.weights=nanotrackv3.pth dataset=folder dataset.root=DIR

-m sweeps over all values given with commas; -v shows tracebacks; --config-dir adds a folder of your own YAML groups.
--cfg job shows the configuration instead of running it; --info and --hydra-help show what Hydra knows.
Completion of keys and choices in bash: eval "$(tracker-harness -sc install=bash)".
Results go to outputs/<date>/<time>/, the record of all runs to mlruns/ (look: python -m harness ui).
Exit codes: 0 done, 1 a job or gate failed, 2 a mistake in the call, 130 Ctrl-C.
"""


def manual(commands: list[tuple[str, str, str]]) -> str:
    """Returns the whole help text."""
    parts = [HEAD, "COMMANDS"]
    width = max((len(word) for word, _, _ in commands), default=0)
    for word, summary, example in commands:
        parts.append(f"  {word:<{width}}  {summary}\n  {'':<{width}}  e.g. {example}")
    parts.append("\nKEYS OF EVERY JOB (conf/config.yaml)")
    parts += [f"  {line}" for line in keys_of(conf_folder() / "config.yaml", stop="hydra:")]
    parts.append("\nGROUPS: choose with group=choice; set a key with group.key=value")
    for group in GROUP_NAMES:
        parts += [f"\n{group}=", *_choices_of(group)]
    return "\n".join(parts) + "\n"


def _choices_of(group: str) -> list[str]:
    """Returns a line per choice, and its keys; a key with the same explanation as above is only named."""
    lines: list[str] = []
    explained: dict[str, str] = {}
    for path in choices(group):
        lines.append(f"  {path.stem:<14} {summary_of(path)}")
        if group in RECIPES:
            continue
        again = []
        for line in keys_of(path):
            key, comment = line.partition("=")[0], line.partition(" ")[2].strip()
            if explained.get(key) == comment:
                again.append(f"{group}.{line.partition(' ')[0]}")
            else:
                lines.append(f"      {group}.{line}")
                explained[key] = comment
        if again:
            lines.append(f"      as above: {', '.join(again)}")
    return lines
