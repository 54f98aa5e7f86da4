"""The command line: overrides run jobs, a bare first word is a command. It parses and prints; ``jobs`` does the work."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from harness.cli.words import parse
from harness.core import plugins, secrets
from harness.core.errors import (
    NO_MEMORY,
    ConfigError,
    HarnessError,
    exit_code_of,
    exit_code_of_system,
    in_one_line,
    in_words,
    loop_of_links,
    unexpected,
)

if TYPE_CHECKING:
    from harness.jobs.recorder import Recorder

LOGS_NOTHING = ("mlflow=off", "mlflow='off'", 'mlflow="off"', "+mlflow=off")
VERBOSE = "HARNESS_VERBOSE"


# --------------------------------------------------------------------------------------------- entry


def main(words: Sequence[str], alone: bool = False) -> int:
    """Runs a command line; returns the exit code: 0, 1 failed work, 2 the user's mistake, 130 Ctrl-C.

    Args:
        words: The words after ``python -m harness``.
        alone: Whether this process is there for the command alone, as ``python -m harness`` is.
    """
    verbose = "-v" in words
    with verbosity(verbose):
        return _told(secrets.hidden_words(word for word in words if word != "-v"), verbose, alone)


@contextmanager
def verbosity(verbose: bool) -> Iterator[None]:
    """Makes this process and its children print tracebacks while the command runs."""
    before = os.environ.get(VERBOSE)
    if verbose:
        os.environ[VERBOSE] = "1"
    try:
        yield
    finally:
        if verbose and before is None:
            del os.environ[VERBOSE]
        elif verbose and before is not None:
            os.environ[VERBOSE] = before


def _told(words: list[str], verbose: bool, alone: bool) -> int:
    """Runs the words; reports any error in one sentence."""
    try:
        check_place()
        return dispatch(words, alone)
    except HarnessError as error:
        if verbose:
            print(secrets.masked(traceback.format_exc()), end="", file=sys.stderr)
        tell(str(error))
        return exit_code_of(error)
    except KeyboardInterrupt:
        print("\ninterrupted; finished sequences are kept, and resume=last continues the run.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # a reader such as head has closed the pipe
        return 1
    except OSError as error:
        if verbose:
            print(secrets.masked(traceback.format_exc()), end="", file=sys.stderr)
        tell(in_words(error))
        return exit_code_of_system(error)
    except MemoryError:
        tell(NO_MEMORY)
        return 1
    except Exception as error:
        if verbose:
            print(secrets.masked(traceback.format_exc()), end="", file=sys.stderr)
        looped = loop_of_links(error)
        tell(looped or unexpected(error))
        return 2 if looped else 1


def tell(sentence: str) -> None:
    """Prints an error in one line, without secrets and with control characters escaped."""
    with contextlib.suppress(OSError):  # nothing can be printed if stderr is a full disk or a closed pipe
        print(f"error: {in_one_line(secrets.masked(sentence))}", file=sys.stderr)


def check_place() -> None:
    """Raises ConfigError if the current folder is gone, which every relative path needs."""
    try:
        os.getcwd()
    except OSError as error:
        raise ConfigError(f"the current folder cannot be used ({error.strerror}); was it removed? Change to another one.") from error


def dispatch(words: list[str], alone: bool = False) -> int:
    """A command, the help, or jobs (``alone`` as of ``main``)."""
    if any(word in ("-h", "--help") for word in words) and not _is_command(words):
        from harness.cli.help import manual

        print(manual(command_summaries()))
        return 0
    if _is_command(words):
        return run_command(words[0], words[1:])
    return run_jobs(words, alone)


def _is_command(words: list[str]) -> bool:
    return bool(words) and not words[0].startswith("-") and "=" not in words[0] and words[0][:1] not in "+~"


# ------------------------------------------------------------------------------------------ commands


class _Parser(argparse.ArgumentParser):
    """A parser that raises ConfigError instead of printing the usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.rpartition(' ')[2]}: {message.rstrip('.')}; {self.prog} --help tells what it takes.")


def command_names() -> dict[str, str]:
    """Returns command -> module or plug-in package: ``check-dataset`` -> ``harness.cli.commands.check_dataset``."""
    own = {name.strip("_").replace("_", "-"): module for name, module in plugins.modules_in("harness.cli.commands").items()}
    return own | {plugin.name: plugin.package for plugin in plugins.found("commands") if plugin.name not in own}


def command_module(word: str) -> Any:
    """Returns a command's module: ``SUMMARY``, ``EXAMPLE``, ``add_arguments(parser)``, ``run(arguments) -> exit code``.

    Raises:
        ConfigError: A plug-in cannot be loaded.
    """
    plugin = plugins.find("commands", word)
    own = plugins.modules_in("harness.cli.commands")
    module = own.get(word.replace("-", "_")) or own.get(f"{word.replace('-', '_')}_")
    return plugin.load() if module is None and plugin is not None else importlib.import_module(str(module))


def command_summaries() -> list[tuple[str, str, str]]:
    """Returns (command, summary, example) of every command.

    For a plug-in that cannot be loaded, the summary says so.
    """
    found = []
    for word in command_names():
        try:
            module = command_module(word)
            found.append((word, str(module.SUMMARY), str(module.EXAMPLE)))
        except (ConfigError, AttributeError) as error:
            found.append((word, f"not usable: {error}", f"python -m harness {word} --help"))
    return found


def run_command(word: str, rest: list[str]) -> int:
    """Runs ``python -m harness WORD ...``."""
    names = command_names()
    if word not in names:
        close = difflib.get_close_matches(word, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"unknown command {word!r}; {hint}Commands: {', '.join(names)}. Settings are given as key=value "
            "(python -m harness --help)."
        )
    module = command_module(word)
    parser = _Parser(
        prog=f"python -m harness {word}",
        description=module.__doc__ or module.SUMMARY,
        epilog=f"example: {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    try:
        arguments = parser.parse_intermixed_args(rest)
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    return int(module.run(arguments))


# ------------------------------------------------------------------------------------------- running


def run_jobs(words: list[str], alone: bool = False) -> int:
    """Runs what the words ask for and prints its end; returns the exit code.

    In a process of its own MLflow is loaded beside it, from the first moment on; others have or get it in their process.
    """
    parsed = parse(words)
    if parsed.shows:
        from harness.cli.show import show

        return show(parsed)
    with _recorder(alone and not any(word in LOGS_NOTHING for word in parsed.overrides)) as recorder:
        from harness.jobs import calls
        from harness.jobs.resume import Call

        call = Call(tuple(parsed.overrides), parsed.multirun, parsed.config_dir, tuple(words))
        found = calls.execute(call, print_summary, recorder, alone)
    if found.error:
        tell(found.error)
    if isinstance(found, calls.SweepRecord) and found.target.kind != "off":
        where = "python -m harness ui" if found.target.kind == "local" else found.target.tracking_uri
        print(f"\nlook at it: {where}", file=sys.stderr)
    return found.exit_code


@contextmanager
def _recorder(wanted: bool) -> Iterator[Recorder | None]:
    """A process that logs for this one, if it is wanted."""
    if not wanted:
        yield None
        return
    from harness.jobs.recorder import Recorder

    recorder = Recorder()
    try:
        yield recorder
    finally:
        recorder.close()


def print_summary(folder: Path, table: str, warnings: Sequence[str]) -> None:
    """Prints the table of a run or sweep, its warnings, and the place of its page."""
    print(table)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"report: {folder / 'report.html'}", file=sys.stderr)


__all__ = ["main"]
