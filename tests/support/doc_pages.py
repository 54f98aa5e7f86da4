"""Pages of the documentation as a reader follows them: their files are written, their commands run, word for word."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from command_line import PATH, ROOT, with_cache
from ready_children import Ready

PIP = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""pip without a network: with 0, of all values, the variable says that there is no isolation."""


def files_of(page: str) -> list[tuple[str, str]]:
    """The files of a page in their order: name and text of each block that begins with a comment ``# file: NAME``."""
    return re.findall(r"```\w+\n# file: (\S+)\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def commands_of(page: str) -> list[str]:
    """The command lines of a page's ``bash`` blocks; lines that end in a backslash are joined with the next."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def write_files(page: str, folder: Path) -> None:
    """Writes the files of a page under ``folder``."""
    for name, content in files_of(page):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def follow(page: str, folder: Path, prepared: Path, python: Ready, *more: str) -> list[subprocess.CompletedProcess[str]]:
    """Writes a page's files to ``folder`` and runs its commands there, with ``more`` words added to those that run jobs.

    Prepared models are those of ``prepared``; commands of the harness are forked from ``python``.

    ``pip install`` puts packages into ``folder/site``, which is on the import path. Returns each command's outcome; the first
    that fails is the last.
    """
    write_files(page, folder)
    if not (folder / "outputs/cache").exists():
        with_cache(folder, prepared)
    path, outcomes = f"{PATH}{os.pathsep}{folder / 'site'}", []
    for command in commands_of(page):
        words = shlex.split(command)
        if words[:3] == ["python", "-m", "harness"]:
            jobs = [] if words[3] in ("compare",) else list(more)
            done = python.run(*words[3:], *jobs, cwd=folder, PYTHONPATH=path)
        else:
            words = [sys.executable, "-m", "pip", *words[1:]] if words[0] == "pip" else [sys.executable, *words[1:]]
            variables = {**os.environ, **PIP, "PIP_TARGET": str(folder / "site"), "PYTHONPATH": path}
            done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        outcomes.append(done)
        if done.returncode != 0:
            break
    return outcomes
