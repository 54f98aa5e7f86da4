"""A person's own YAML files and Python modules."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.case import Case, job

OWN = "name: standing\ntarget: standing_tracker.Standing\n"
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))

YAML: dict[str, bytes] = {
    "a syntax error": b"name: [standing\ntarget: x\n",
    "a tab": b"name: standing\n\ttarget: x\n",
    "an unclosed quote": b"name: 'standing\n",
    "not UTF-8": b"name: standing\ntarget: \xff\xfe\n",
    "UTF-16": OWN.encode("utf-16"),
    "NUL bytes": b"name: standing\x00\ntarget: x\n",
    "control characters": b"name: \x01\x02\n",
    "a word alone": b"standing\n",
    "a number alone": b"5\n",
    "a list": b"- standing\n- x\n",
    "null": b"null\n",
    "two documents": b"name: a\n---\nname: b\n",
    "an unknown tag": b"name: !python/object:os.system [x]\n",
    "a Python tag": b"!!python/object/apply:os.system ['touch pwned']\n",
    "nested aliases": ALIASES.encode() + OWN.encode(),
    "an alias to itself": b"name: &x [*x]\n",
    "an unknown alias": b"name: *nothing\n",
    "deep nesting": b"name: " + b"[" * 3000 + b"]" * 3000 + b"\n",
    "a key twice": b"name: a\nname: b\ntarget: standing_tracker.Standing\n",
    "an interpolation of nothing": OWN.encode() + b"tremble: ${nothing.at.all}\n",
    "an interpolation of itself": OWN.encode() + b"tremble: ${tracker.tremble}\n",
    "a resolver of nothing": OWN.encode() + b"tremble: ${foo:1}\n",
    "an unset variable": OWN.encode() + b"tremble: ${oc.env:NO_SUCH_VARIABLE}\n",
    "a broken interpolation": OWN.encode() + b"tremble: ${\n",
    "a number as a name": b"name: 5\ntarget: 5\n",
    "no target": b"name: somebody\n",
    "a target that is a list": b"name: standing\ntarget: [a]\n",
    "a target in no module": b"name: standing\ntarget: nowhere.Nobody\n",
    "a target that begins with a dot": b"name: standing\ntarget: .x.Y\n",
    "a target of another role": b"name: standing\ntarget: harness.backends.onnx.Onnx\n",
    "a key that nobody knows": OWN.encode() + b"tremle: true\n",
    "a value of the wrong type": OWN.encode() + b"tremble: [1, 2]\n",
    "keys that are numbers": OWN.encode() + b"1: 2\n",
    "keys that are lists": OWN.encode() + b"? [a, b]\n: 2\n",
    "a date": OWN.encode() + b"tremble: 2026-01-01\n",
    "defaults that name nothing": b"defaults:\n  - nothing: at_all\n" + OWN.encode(),
    "defaults that are a word": b"defaults: foo\n" + OWN.encode(),
    "defaults that name itself": b"defaults:\n  - standing\n" + OWN.encode(),
    "a wrong package": b"# @package [[\n" + OWN.encode(),
    "a binary file": bytes(range(256)) * 20,
    "an empty file": b"",
    "a billion of spaces less nine zeros": b" " * 100000,
}

TRACKER = """
from standing_tracker import Standing, StandingTracker
{top}
class Own(Standing):
    {body}
    def start(self, sessions):
        {start}
        return OwnTracker(sessions["search"], False)

class OwnTracker(StandingTracker):
    def init(self, image, box):
        {init}
        super().init(image, box)
    def update(self, image):
        {update}
        return super().update(image)
"""
BROKEN_LATER = {
    "KeyError": "raise KeyError('score')",
    "IndexError": "[][3]",
    "ZeroDivisionError": "1 / 0",
    "an empty exception": "raise Exception",
    "a message of lines": "raise ValueError('a\\nb\\nc')",
    "sys.exit": "import sys; sys.exit(0)",
    "StopIteration": "next(iter([]))",
    "recursion": "f = lambda: f(); f()",
    "an assertion": "assert False",
    "a warning as an error": "raise Warning('w')",
    "no Exception at all": "raise BaseException('end')",
    "a Unicode message": "raise ValueError('\\u2603\\ud800'.encode('utf-8', 'replace').decode())",
}
BROKEN_BOXES = {
    "None": "return None",
    "a word": "return 'box'",
    "three numbers": "return [1, 2, 3]",
    "NaN": "return [float('nan')] * 4",
    "infinity": "return [0, 0, float('inf'), 1]",
    "a dictionary": "return {}",
    "an array of two rows": "import numpy as np; return np.zeros((2, 4))",
    "words": "return ['a', 'b', 'c', 'd']",
    "complex numbers": "return [1j, 1, 1, 1]",
}
BROKEN_MODULES = {
    "a SyntaxError": "def (:\n",
    "an ImportError": "from standing_tracker import Nothing\n",
    "a missing module": "import no_such_module_at_all\n",
    "a ValueError": "raise ValueError('no')\n",
    "an exit": "import sys; sys.exit(3)\n",
    "not UTF-8": "x = '\udcff'\n",
    "no class": "x = 1\n",
    "an IndentationError": "if True:\nx = 1\n",
    "a class that is a function": "def Own(): pass\n",
    "an abstract class": "from harness.core.interfaces import TrackerSpec\nclass Own(TrackerSpec): pass\n",
    "a NUL": "x = 1\x00\n",
    "an endless recursion": "def f(): f()\nf()\n",
}


def yaml_files() -> Iterator[Case]:
    """YAML below ``--config-dir``: as a tracker's file, as another group's, and as the root."""
    for name, data in YAML.items():
        yield Case("yaml", f"tracker, {name}", job("tracker=own"), _file("conf/tracker/own.yaml", data), needs=("data",), codes=_codes(name))
        if name in ("a key twice", "a key that nobody knows", "a value of the wrong type", "keys that are numbers"):
            continue
        yield Case("yaml", f"mlflow, {name}", job("mlflow=own"), _file("conf/mlflow/own.yaml", data), needs=("data",), codes=(0, 2))
    for name in ("a syntax error", "not UTF-8", "a word alone", "a list", "nested aliases", "a binary file", "an empty file"):
        yield Case("yaml", f"config, {name}", job(), _file("conf/config.yaml", YAML[name]), needs=("data",), codes=(0, 2))
        yield Case("yaml", f"search, {name}", ("recommend", "search=own", "--config-dir", "conf"), _file("conf/search/own.yaml", YAML[name]))
    yield Case("yaml", "a folder instead of a file", job("tracker=own"), lambda here: (here / "conf/tracker/own.yaml").mkdir(), needs=("data",))
    yield Case("yaml", "a link to itself", job("tracker=own"), lambda here: (here / "conf/tracker/own.yaml").symlink_to("own.yaml"), needs=("data",))


    for name, make in {"a pipe": os.mkfifo, "a device": lambda path: path.symlink_to("/dev/zero"), "a link to nothing": lambda path: path.symlink_to("gone")}.items():
        setup = lambda here, make=make: make(here / "conf/tracker/own.yaml")  # noqa: E731
        yield Case("yaml", f"{name} instead of a file", job("tracker=own"), setup, needs=("data",))
        yield Case("yaml", f"{name} that nobody asks for", job(), setup, needs=("data",), codes=(0, 2))


def _codes(name: str) -> tuple[int, ...]:
    return (0, 2) if name == "defaults that name itself" else (2,)  # under another name it builds on a tracker that is there


def modules() -> Iterator[Case]:
    """Modules that cannot be imported, and trackers that raise."""
    own = b"name: own\ntarget: own_module.Own\n"
    for name, text in BROKEN_MODULES.items():
        setup = _files({"conf/tracker/own.yaml": own, "own_module.py": text.encode("utf-8", "surrogateescape")})
        yield Case("modules", name, job("tracker=own"), setup, needs=("data",), own_code=True)
    for part in ("init", "update"):
        for name, line in BROKEN_LATER.items():
            yield _tracker(f"{name} in {part}", **{part: line})
    for name, line in BROKEN_LATER.items():
        yield _tracker(f"{name} in start", codes=(1, 2), start=line)
    for name, line in BROKEN_BOXES.items():
        yield _tracker(f"update returns {name}", update=line)
    yield _tracker("a crash", codes=(1,), update="import ctypes; ctypes.string_at(0)")
    yield _tracker("death by its own hand", codes=(1,), update="import os; os._exit(0)")
    yield _tracker("graphs that are none", body="graphs = 5", codes=(1, 2))
    yield _tracker("no name", body="__slots__ = ()", top="raise SystemError", codes=(2,))


def _tracker(name: str, codes: tuple[int, ...] = (1,), **parts: str) -> Case:
    text = TRACKER.format(**{"top": "", "body": "pass", "start": "pass", "init": "pass", "update": "pass", **parts})
    setup = _files({"conf/tracker/own.yaml": b"name: own\ntarget: own_module.Own\n", "own_module.py": text.encode()})
    return Case("trackers", name, job("tracker=own"), setup, codes=codes, needs=("data",), own_code=True)


def _file(place: str, data: bytes) -> Callable[[Path], object]:
    return _files({place: data})


def _files(files: dict[str, bytes]) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        for place, data in files.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(data)

    return write
