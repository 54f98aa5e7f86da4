"""Writes docs/reference/configuration.md from conf/, and docs/reference/commands.md from the commands: python tools/reference_pages.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from harness.cli.main import command_module  # noqa: E402
from harness.core.catalog import GROUP_NAMES  # noqa: E402
from harness.core.options import keys_of, summary_of  # noqa: E402
from harness.core.plugins import modules_in  # noqa: E402

CONF = ROOT / "conf"
PAGES = ROOT / "docs" / "reference"
CONFIGURATION = """# Configuration

Made from the YAML files of `conf/` (`python tools/reference_pages.py`). A choice is made by `group=choice`, a key is set by `group.key=value`; what is
not named has its default. `python -m harness --help` prints the same, with what installed plug-ins add.
"""
COMMANDS = """# Commands

Made from the commands themselves (`python tools/reference_pages.py`). `python -m harness COMMAND --help` prints the same. Words with `=` instead of
a command run jobs: [configuration](configuration.md).
"""
HEAD = "| key | default | meaning |\n| --- | --- | --- |\n"
RECIPES = ("experiment", "search")


def configuration() -> str:
    """The whole page on settings."""
    parts = [CONFIGURATION, "## Every job\n\n" + _table(keys_of(CONF / "config.yaml", stop="hydra:"))]
    for group in GROUP_NAMES:
        parts.append(f"## {group}\n")
        for path in sorted((CONF / group).glob("*.yaml")):
            title = f"### {group}={path.stem}\n\n{_cell(summary_of(path))}\n"
            keys = [] if group in RECIPES else keys_of(path)
            parts.append(title + ("\n" + _table([f"{group}.{line}" for line in keys]) if keys else ""))
    return "\n".join(parts)


def _table(lines: list[str]) -> str:
    rows = []
    for line in lines:
        key, _, rest = line.partition("=")
        default, _, meaning = rest.partition("  ") if "  " in rest else rest.partition(" ")
        rows.append(f"| `{key}` | {_code(default)} | {_cell(meaning)} |\n")
    return HEAD + "".join(rows)


def _code(text: str) -> str:
    return f"`{text.strip()}`".replace("|", "\\|") if text.strip() else ""


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def commands() -> str:
    """The whole page on commands."""
    parts = [COMMANDS]
    for word in sorted(name.strip("_").replace("_", "-") for name in modules_in("harness.cli.commands")):
        module = command_module(word)
        parser = argparse.ArgumentParser(prog=f"python -m harness {word}", add_help=False)
        module.add_arguments(parser)
        described = (module.__doc__ or module.SUMMARY).strip()
        rows = "".join(_option(action) for action in parser._actions)
        parts.append(
            f"## {word}\n\n{described}\n\n<!-- not run: an example -->\n```bash\n{module.EXAMPLE}\n```\n\n"
            f"| option | meaning |\n| --- | --- |\n{rows}"
        )
    return "\n".join(parts)


def _option(action: argparse.Action) -> str:
    values = action.metavar if action.metavar is not None else action.dest.upper()
    value = "" if action.nargs == 0 else values if isinstance(values, str) else " ".join(values)
    names = ", ".join(action.option_strings)
    shown = f"{names} {value}".strip() if names else value or action.dest
    return f"| {_code(shown)} | {_cell(str(action.help or '').replace('%%', '%'))} |\n"


def main() -> None:
    """Writes both pages."""
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / "configuration.md").write_text(configuration(), encoding="utf-8")
    (PAGES / "commands.md").write_text(commands(), encoding="utf-8")


if __name__ == "__main__":
    main()
