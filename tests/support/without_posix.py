"""Hides from the harness, and from it alone, what Windows lacks: calls, signals, modules, /proc and /sys.

Libraries keep what they use, since their Windows versions are others. What is hidden raises what Windows raises: AttributeError,
ImportError, FileNotFoundError. ``sys.platform`` reads ``win32`` in the harness, so that its branches for Windows are taken.
"""

from __future__ import annotations

import builtins
import pathlib
import socket  # noqa: F401 (it is to be there)
import sys
import types
from typing import Any

CALLS: dict[str, frozenset[str]] = {
    "os": frozenset(
        ["chown", "chroot", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority", "getuid", "killpg", "lchown", "major", "memfd_create", "mkfifo", "mknod", "nice", "openpty", "pathconf", "pipe2", "posix_fadvise", "posix_fallocate", "posix_spawn", "posix_spawnp", "pread", "preadv", "pwrite", "readv", "register_at_fork", "sched_getaffinity", "sched_setaffinity", "sched_yield", "sendfile", "setegid", "seteuid", "setgid", "setgroups", "setpgid", "setpgrp", "setpriority", "setsid", "setuid", "statvfs", "sysconf", "tcgetpgrp", "tcsetpgrp", "ttyname", "uname", "wait", "wait3", "wait4", "waitid", "writev", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "SCHED_OTHER", "WNOHANG", "WIFEXITED", "WIFSIGNALED"]
    ),
    "signal": frozenset(
        ["SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait"]
    ),
    "socket": frozenset(["AF_UNIX", "socketpair"]),
    "sys": frozenset(),
}
MODULES = frozenset(["fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"])
FOLDERS = ("/proc", "/sys")
READERS = ("read_text", "read_bytes", "iterdir", "open", "exists", "is_file", "is_dir", "stat")
OURS = "harness."


def _asked_by_us() -> bool:
    """Whether the code that asks, two calls up, is the harness's."""
    return str(_frame(2).f_globals.get("__name__", "")).startswith(OURS)


_frame = sys._getframe


class _Guarded(types.ModuleType):
    """A module whose POSIX part is not there for the harness."""

    def __getattribute__(self, name: str) -> Any:
        get = types.ModuleType.__getattribute__
        module = get(self, "__name__")
        if name == "platform" and module == "sys" and _asked_by_us():
            return "win32"
        if name in CALLS.get(module, ()) and _asked_by_us():
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return get(self, name)


def hide() -> None:
    """Hides it for the rest of this process."""
    for name in CALLS:
        sys.modules[name].__class__ = _Guarded
    found = builtins.__import__

    def importing(name: str, globals: Any = None, *rest: Any, **more: Any) -> Any:
        if name in MODULES and str((globals or {}).get("__name__", "")).startswith(OURS):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found(name, globals, *rest, **more)

    builtins.__import__ = importing
    builtins.open = _guarded_open(builtins.open)
    for name in READERS:
        setattr(pathlib.Path, name, _guarded(getattr(pathlib.Path, name), name))
    pathlib.Path.glob = _guarded_glob(pathlib.Path.glob)  # type: ignore[method-assign]


def _is_hidden(path: object) -> bool:
    return str(path).startswith(FOLDERS)


def _guarded(method: Any, name: str) -> Any:
    def instead(self: pathlib.Path, *arguments: Any, **options: Any) -> Any:
        if _is_hidden(self) and _asked_by_us():
            if name in ("exists", "is_file", "is_dir"):
                return False
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return method(self, *arguments, **options)

    return instead


def _guarded_open(method: Any) -> Any:
    def instead(file: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(file, (str, pathlib.Path)) and _is_hidden(file) and _asked_by_us():
            raise FileNotFoundError(2, "No such file or directory", str(file))
        return method(file, *arguments, **options)

    return instead


def _guarded_glob(method: Any) -> Any:
    def instead(self: pathlib.Path, *arguments: Any, **options: Any) -> Any:
        return iter(()) if _is_hidden(self) and _asked_by_us() else method(self, *arguments, **options)

    return instead
