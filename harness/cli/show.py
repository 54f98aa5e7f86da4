"""Hydra's output without running: ``--cfg``, ``--info``, ``--hydra-help``, and the shell's completion."""

from __future__ import annotations

import contextlib
import io
import os
import re
from typing import Any

from harness.cli.words import Words
from harness.core.errors import ConfigError

MODULE = re.compile(r"^\s*\S*python[\d.]*\s+-m\s+harness\b\s*")


def show(words: Words) -> int:
    """Prints what the options request; returns the exit code.

    Raises:
        ConfigError: The overrides cannot be composed.
    """
    from harness.jobs.compose import CONFIG_NAME, hydra_of, our_words

    said = io.StringIO()  # printed at the end: an error of printing is not a fault of the configuration
    with hydra_of(words.config_dir) as (hydra, _), our_words(), contextlib.redirect_stdout(said):
        if words.hydra_help:
            from hydra._internal.utils import get_args_parser

            parser = get_args_parser()
            hydra.hydra_help(CONFIG_NAME, parser, parser.parse_args([]))
        elif words.completion:
            _complete(hydra, CONFIG_NAME, words.overrides)
        else:
            _composed(words)  # reports a mistake in one sentence before Hydra prints part of its own output
            if words.cfg is not None:
                hydra.show_cfg(CONFIG_NAME, words.overrides, words.cfg, words.package, words.resolve)
            else:
                hydra.show_info(words.info, CONFIG_NAME, words.overrides)
    print(said.getvalue(), end="")
    return 0


def _composed(words: Words) -> None:
    from harness.jobs.compose import compose_root

    root = compose_root(words.config_dir, words.overrides)
    if words.package and words.package != "_global_":
        from omegaconf import OmegaConf

        if OmegaConf.select(root, words.package) is None:
            raise ConfigError(f"--package {words.package}: the configuration has no such part; leave it out to see all.")


def _complete(hydra: Any, config_name: str, overrides: list[str]) -> None:
    line = os.environ.get("COMP_LINE", "")
    os.environ["COMP_LINE"] = MODULE.sub("tracker-harness ", line)  # Hydra recognises only applications and scripts
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            hydra.shell_completion(config_name, overrides)
    except ValueError as error:
        complaint = " ".join(str(error).split())
        raise ConfigError(f"--shell-completion: {complaint}; as in: --shell-completion install=bash.") from error
    finally:
        os.environ["COMP_LINE"] = line
    # started as python -m harness, Hydra would complete every call of python
    print(re.sub(r"(complete .*) python\b", r"\1 tracker-harness", said.getvalue()), end="")
