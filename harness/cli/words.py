"""The words of a command line: overrides, options, and what to show instead of running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import ConfigError

CFG = ("job", "hydra", "all")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
MULTIRUN = ("-m", "--multirun")
RUN = ("-r", "--run")
CONFIG_DIR = ("--config-dir", "-cd")
SWITCHES = {"--resolve": "resolve", "--hydra-help": "hydra_help", "--shell-completion": "completion", "-sc": "completion"}
VALUES = {"--cfg": "cfg", "-c": "cfg", "--package": "package", "-p": "package"}
INFOS = ("--info", "-i")


@dataclass
class Words:
    """A command line without a command.

    Attributes:
        overrides: The overrides, in order.
        multirun: Whether ``-m`` was given.
        config_dir: The folder of ``--config-dir``, absolute.
        cfg: The part that ``--cfg`` shows.
        package: The section that ``--package`` names.
        resolve: Whether ``--resolve`` was given.
        info: The topic of ``--info``.
        hydra_help: Whether ``--hydra-help`` was given.
        completion: Whether ``--shell-completion`` was given.
    """

    overrides: list[str] = field(default_factory=list)
    multirun: bool = False
    config_dir: str | None = None
    cfg: str | None = None
    package: str | None = None
    resolve: bool = False
    info: str | None = None
    hydra_help: bool = False
    completion: bool = False

    @property
    def shows(self) -> bool:
        """Whether to show something instead of running."""
        return self.cfg is not None or self.info is not None or self.hydra_help or self.completion


def parse(words: Sequence[str]) -> Words:
    """Reads a command line.

    Raises:
        ConfigError: An option is unknown, lacks its value or has a wrong one.
    """
    found, rest = Words(), list(words)
    while rest:
        word, _, given = rest[0].partition("=") if rest[0].startswith("--") else (rest[0], "", "")
        rest.pop(0)
        if word in MULTIRUN:
            found.multirun = True
        elif word in RUN:
            continue
        elif word in CONFIG_DIR:
            found.config_dir = given or _value(word, rest)
        elif word in SWITCHES:
            setattr(found, SWITCHES[word], True)
        elif word in VALUES:
            setattr(found, VALUES[word], given or _value(word, rest))
        elif word in INFOS:
            found.info = given or (rest.pop(0) if rest and rest[0] in INFO else "all")
        elif word.startswith("-"):
            raise ConfigError(
                f"unknown option {word}; options: -m (sweep), -v (tracebacks), --config-dir DIR, --cfg {'|'.join(CFG)}, "
                "--info, --hydra-help, --help."
            )
        else:
            found.overrides.append(word)
    _check(found)
    return found


def _value(word: str, rest: list[str]) -> str:
    if not rest:
        raise ConfigError(f"{word} needs a value after it; python -m harness --help shows the options.")
    return rest.pop(0)


def _check(found: Words) -> None:
    if found.cfg is not None and found.cfg not in CFG:
        raise ConfigError(f"--cfg {found.cfg} is unknown; accepted: {', '.join(CFG)}.")
    if found.info is not None and found.info not in INFO:
        raise ConfigError(f"--info {found.info} is unknown; accepted: {', '.join(INFO)}.")
    if (found.resolve or found.package) and found.cfg is None:
        raise ConfigError("--resolve and --package belong to --cfg; add --cfg job.")
    if found.config_dir is None:
        return
    if not Path(found.config_dir).is_dir():
        raise ConfigError(f"--config-dir {found.config_dir} is not a folder; give the folder that holds your YAML groups.")
    found.config_dir = str(Path(found.config_dir).resolve())
