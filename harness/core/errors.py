"""The errors that a user sees. Each is one sentence: what is wrong, where, what is accepted, and what to do.

The command line prints the sentence without a traceback (``-v`` shows it) and exits with ``exit_code``:
2 for the user's mistakes, 1 for work that failed.
"""

from __future__ import annotations

import contextlib
import errno
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path


class HarnessError(Exception):
    """Base of all errors that the harness raises on purpose."""

    exit_code = 1


class ConfigError(HarnessError):
    """An invalid configuration: unknown key or value, wrong type, or parts that do not fit each other."""

    exit_code = 2


class DataError(HarnessError):
    """A data set, result folder or archive that is missing, incomplete or damaged."""

    exit_code = 2


class WeightsError(HarnessError):
    """A checkpoint that is missing, is not a checkpoint, or does not fit the network."""

    exit_code = 2


class DeviceError(HarnessError):
    """A device, provider or precision that this machine or this backend does not have."""

    exit_code = 2


class StoreError(HarnessError):
    """A folder, file or MLflow store that cannot be read or written."""

    exit_code = 2


def exit_code_of(error: HarnessError) -> int:
    """Returns the exit code of the error's class, but 1 if the disk is full: the user's call was correct."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, *LIMITS)
    return 1 if full else error.exit_code


PLACES = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EEXIST,
)  # fmt: skip
"""The error numbers that the system gives for a path that the user named wrongly."""


def exit_code_of_system(error: OSError) -> int:
    """Returns the exit code for an error of the system: 2 for an invalid path, 1 for an operation that failed there."""
    return 2 if error.errno in PLACES else 1


LIMITS = {
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "end programs that hold files open",
    errno.ENOMEM: "free memory",
    errno.EAGAIN: "end programs, or raise the limit on processes (ulimit -u)",
}
"""What helps if the system reports an error that is not about the path."""
NO_MEMORY = "there is not enough memory for this; use a smaller data set, model or mode."


def in_words(error: OSError, remedy: str = "choose another folder") -> str:
    """Returns the system's message with the file and what to do: ``No space left on device (x); free space or ...``."""
    where = f" ({error.filename})" if error.filename else ""
    remedy = LIMITS.get(error.errno or 0, remedy)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{error.strerror or error}{where}; {'free space or ' if full else ''}{remedy}."


def in_one_line(text: str) -> str:
    """Returns ``text`` with control characters escaped: line breaks and terminal codes in a name become harmless."""
    return "".join(sign if sign.isprintable() or sign == " " else sign.encode("unicode_escape", "surrogatepass").decode() for sign in text)


def loop_of_links(error: Exception) -> str:
    """Describes a loop of links, which ``Path.resolve`` raises as a RuntimeError; empty for any other error."""
    found = re.match(r"Symlink loop from '(.*)'", str(error)) if isinstance(error, RuntimeError) else None
    return f"{found[1]} is a link that leads back to itself; give the file or folder that is meant." if found else ""


def reason(error: Exception) -> str:
    """Returns any exception as the end of a sentence, in one line; others than the harness's own with their class."""
    if isinstance(error, HarnessError):
        return str(error)
    if isinstance(error, OSError):
        return in_words(error)
    said = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@contextlib.contextmanager
def tolerated(what: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Passes any error inside to ``tell`` as a sentence: a picture that cannot be drawn must not lose a measurement."""
    try:
        yield
    except Exception as error:
        tell(f"{what} ({reason(error)})")


class SkipJob(ConfigError):
    """Settings that do not make sense together: an error in a single run, a skipped job in a sweep."""


@contextlib.contextmanager
def told_as(place: Path, known: str | Path) -> Iterator[None]:
    """Names files of a temporary folder by the user's path: an error about ``place/x`` is reported for ``known/x``."""
    try:
        yield
    except (DataError, ArchiveError) as error:
        said = str(error).replace(str(place), str(known))
        if said == str(error):
            raise
        raise type(error)(said) from error


class PrepareError(HarnessError):
    """Conversion failed, or a converted graph does not reproduce the torch module within tolerance."""


class BackendError(HarnessError):
    """A runtime refused a model or failed while it ran."""


class TrackingError(HarnessError):
    """A tracker could not continue, for example because its box left the image completely."""


class ArchiveError(HarnessError):
    """A bundle that is damaged, foreign or unsafe, or results of which no submission can be made: the input is wrong, not the work."""

    exit_code = 2


def unexpected(error: Exception) -> str:
    """Returns a sentence about an unexpected exception: a fault of the harness itself, or a lack of memory."""
    if isinstance(error, MemoryError) or re.search("cannot allocate memory|failed to map segment|bad_alloc|not enough memory", str(error), re.I):
        return NO_MEMORY
    return (
        f"something went wrong that should not have: {told(error)}; this is a fault of the harness, so please report it with what "
        "the same command prints with -v."
    )


def first_words(error: Exception, most: int = 200) -> str:
    """Returns the first line of a library's message, without the names of its classes: ``disk I/O error``."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("(raised as a result")]  # SQLAlchemy's preface
    said = re.sub(r"\([\w.]*(Error|Exception)\)\s*", "", lines[0] if lines else "").strip()
    return (said if len(said) <= most else f"{said[:most].rpartition(' ')[0]} ...") or type(error).__name__


def telling_line(error: BaseException) -> str:
    """Returns the informative line of a runtime's error, without the source position in front of it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return re.sub(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", (telling or lines or ["unknown error"])[-1])[:300]


def told(error: BaseException) -> str:
    """Describes what a user's own code raised: ``KeyError: 'score' (mytracker.py, line 31)``."""
    message = (str(error).strip().splitlines() or [""])[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({Path(error.filename).name}, line {error.lineno})"
        message = error.msg
    return f"{type(error).__name__}{': ' if message else ''}{message.rstrip('.')}{place}"

