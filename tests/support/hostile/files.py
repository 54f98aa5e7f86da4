"""Files that were edited, damaged, or were never what they are called: runs, data sets, bundles, weights, stores, places."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hostile.case import PATH, Case, apart, job

Bytes = dict[str, bytes]
NOT_JSON: Bytes = {
    "nothing": b"", "half a file": b'{"id": "abc", "na', "a list": b"[]", "a number": b"5", "null": b"null", "not UTF-8": b'{"id": "\xff"}',
    "NUL bytes": b"\0" * 500, "deep lists": b"[" * 100000, "an archive": b"PK\x03\x04" + b"x" * 100,
}  # fmt: skip
JSON_VALUES: tuple[Any, ...] = (None, [], {}, "x", -1, 1.5, True, [[[]]], {"a": {"b": []}}, "../../etc/passwd", "\ud83d", 10**400)
EDITED = ("id", "name", "status", "config", "schema", "metrics", "metrics.ao", "metrics.fps", "sequences", "environment", "artifact",
          "config.tracker", "config.mlflow", "config.task", "scoring", "dataset", "details", "warnings", "overrides", "started", "files", "error",
          "effective", "config.backend")  # fmt: skip
READERS: dict[str, tuple[str, ...]] = {
    "compare": ("compare", "runs", "--out", "c"), "export": ("export", "runs", "-o", "w"), "share": ("share", "runs", "-o", "b.zip"),
    "sync": ("sync", "runs", "--root", "store"), "render": ("render", "runs/0", "-s", "worst"), "convert": ("convert", "runs/0", "--to", "pysot", "-o", "x"),
}  # fmt: skip


def run_files(seed: int, count: int) -> Iterator[Case]:
    """results.json and its neighbours with one key edited, or with other content; read by a command drawn for each."""
    generator = random.Random(seed)
    for number in range(count):
        key, value = generator.choice(EDITED), generator.choice(JSON_VALUES)
        reader = generator.choice(sorted(READERS))
        yield Case("results.json", f"{number} {key}={str(value)[:12]!r} in {reader}", READERS[reader], _edit(key, value), codes=(0, 1, 2), needs=("runs",))
    for name, data in NOT_JSON.items():
        for file in ("0/results.json", "sweep.json", "0/frames.parquet", "turns.json", "0/mlflow.json", "0/job.json", "0/agreement.json"):
            reader = generator.choice(sorted(READERS))
            yield Case("run files", f"{file}: {name} in {reader}", READERS[reader], _write(f"runs/{file}", data), codes=(0, 1, 2), needs=("runs",))
        yield Case("run files", f"command.json: {name}", ("resume=runs",), _write("runs/command.json", data), needs=("runs",))
        yield Case("run files", f"last.json: {name}", ("resume=last",), _write("outputs/last.json", data))
    for value in JSON_VALUES[:9]:
        data = json.dumps({"words": value, "overrides": value, "multirun": value, "config_dir": value}).encode()
        yield Case("run files", f"command.json with {value!r}", ("resume=runs",), _write("runs/command.json", data), codes=(2,), needs=("runs",))
        yield Case("run files", f"last.json with {value!r}", ("resume=last",), _write("outputs/last.json", json.dumps({"folder": value}).encode()))


def png_header(width: int, height: int) -> bytes:
    """A PNG file of a header alone."""
    import zlib

    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


FRAME = "data/val/seq_1/00000002.jpg"


def data_sets() -> Iterator[Case]:
    """Frames that are no images, first boxes off the image, annotations and lists that are none: in a job and in check-dataset."""
    replace: dict[str, Callable[[Path], object]] = {
        "a FIFO": lambda path: os.mkfifo(path), "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path.name), "a folder": lambda path: path.mkdir(),
        "a link to nothing": lambda path: path.symlink_to("nothing"), "no file": lambda path: None, "an empty file": lambda path: path.write_bytes(b""),
        "text": lambda path: path.write_text("x" * 100), "a huge PNG": lambda path: path.write_bytes(png_header(60000, 60000)),
        "half a JPEG": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 30), "zeros": lambda path: path.write_bytes(b"\0" * 5000),
        "a PNG of no width": lambda path: path.write_bytes(png_header(0, 10)),
    }  # fmt: skip
    for name, make in replace.items():
        for mode in ("serial", "parallel"):
            yield Case("images", f"{name}, {mode}", job(f"task.mode={mode}"), _replace(FRAME, make), codes=(1, 2), needs=("data",))
        yield Case("images", f"{name}, checked", ("check-dataset", "data", "--split", "val"), _replace(FRAME, make), codes=(1, 2), needs=("data",))
    boxes = ("1e9,1e9,5,5", "-500,-500,5,5", "5,5,-3,4", "5,5,0,0", "nan,5,5,5", "inf,5,5,5", "a,b,c,d", "5,5,5", "5,5,5,5,5", "", "1e400,1,1,1", "5;5;5;5",
             "5,5,1e9,1e9", "٣,٣,٣,٣", "\x00")  # fmt: skip
    for text in boxes:
        for name, words in (("run", job()), ("checked", ("check-dataset", "data", "--split", "val"))):
            codes = (0, 1, 2) if text in ("5,5,1e9,1e9", "nan,5,5,5", "٣,٣,٣,٣") else (1, 2)
            yield Case("first boxes", f"{text!r}, {name}", words, _line("data/val/seq_1/groundtruth.txt", text), codes=codes, needs=("data",))
    lists: Bytes = {"binary": bytes(range(256)), "empty": b"", "nobody": b"nobody\n", "above": b"../../etc\n", "absolute": b"/etc\n", "long": b"x" * 5000,
                    "twice": b"seq_1\nseq_1\n", "NUL": b"seq\x001\n"}  # fmt: skip
    for name, data in lists.items():
        for kind, words in (("run", job()), ("checked", ("check-dataset", "data", "--split", "val"))):
            yield Case("lists", f"{name}, {kind}", words, _write("data/val/list.txt", data), codes=(1, 2), needs=("data",))
    for file in ("groundtruth.txt", "absence.label", "cover.label", "meta_info.ini"):
        for name, data in {"binary": bytes(range(256)), "words": b"a b c\n", "too long": b"1,2,3,4\n" * 99}.items():
            codes = (0, 1, 2) if file != "groundtruth.txt" else (1, 2)
            yield Case("annotations", f"{file}: {name}", job(), _write(f"data/val/seq_1/{file}", data), codes=codes, needs=("data",))


def archives() -> Iterator[Case]:
    """Bundles and submissions that are something else, or lead out of their folder."""
    entries: dict[str, Bytes] = {
        "nothing in it": {}, "a path above": {"../x": b"x"}, "an absolute path": {"/tmp/x": b"x"}, "no manifest": {"0/results.json": b"{}"},
        "a list as results": {"0/results.json": b"[]", "bundle.json": b"{}"}, "a list as manifest": {"bundle.json": b"[]"},
        "a word as manifest": {"bundle.json": b'"x"'}, "deep nesting": {"bundle.json": b"[" * 100000}, "not UTF-8": {"bundle.json": b"\xff"},
        "zeros": {"bundle.json": b"\0" * 10_000_000}, "backslashes": {"..\\x": b"x"}, "long names": {"x" * 300: b"x"}, "a device": {"CON": b"x"},
        "null files": {"bundle.json": b'{"schema": 1, "files": null, "runs": null}'}, "a number as files": {"bundle.json": b'{"schema": 1, "files": 5}'},
    }  # fmt: skip
    for name, files in entries.items():
        yield Case("bundles", name, ("import", "x.zip", "--no-mlflow"), _zip(files))
        yield Case("submissions", name, ("validate", "x.zip"), _zip(files), codes=(1, 2))
        yield Case("results", f"{name}, scored", ("score", "x.zip", "--dataset", "data", "--split", "val", "--mlflow", "off"), _zip(files), needs=("data",))
    for name, data in {"text": b"hello", "empty": b"", "half": b"PK\x03\x04" + b"\0" * 40, "an end alone": b"PK\x05\x06" + b"\0" * 18}.items():
        yield Case("bundles", name, ("import", "x.zip", "--no-mlflow"), _write("x.zip", data))
        yield Case("submissions", name, ("validate", "x.zip"), _write("x.zip", data), codes=(1, 2))
    texts = {"words": "a,b,c,d\n", "too few": "1,2,3,4\n", "NaN": "nan,1,1,1\n" * 4, "columns": "1,2\n" * 4, "huge": "1e400,1,1,1\n" * 4, "": "", "NUL": "\0\n"}
    for name, text in texts.items():
        for words in (("score", "res", "--dataset", "data", "--split", "val", "--mlflow", "off"), ("pack", "res", "-o", "p.zip", "--dataset", "data", "--split", "val")):
            setup = _write("res/seq_1/seq_1_001.txt", text.encode())
            yield Case("results", f"{name!r}, {words[0]}", words, setup, needs=("data",))


def weights() -> Iterator[Case]:
    """Weights that are none, by name and by content."""
    contents: Bytes = {"empty": b"", "text": b"hello", "zeros": b"\0" * 4096, "a pickle that runs": b"cos\nsystem\n(S'touch pwned'\ntR.", "half a zip": b"PK\x03\x04" + b"\0" * 50,
                       "a huge header": struct.pack("<Q", 2**62) + b"{}", "an ONNX of nothing": b"\x08\x08"}  # fmt: skip
    for ending in ("pth", "safetensors", "onnx", "txt"):
        for name, data in contents.items():
            for tracker in ("smat", "nanotrack"):
                words = job(f"tracker={tracker}", f"tracker.weights={{here}}/w.{ending}")
                yield Case("weights", f"{name}, .{ending}, {tracker}", words, _write(f"w.{ending}", data), needs=("data",), codes=(1, 2))


def places() -> Iterator[Case]:
    """Names with odd signs and places that are not there; the sign is no mistake, the unknown sequence is."""
    for sign in ("'", '"', "${x}", "%", "?", "#", "é", "☃", " ", "\\", "a=b", "[x]", "~", "*"):
        text = sign.replace("\\", "\\\\").replace("'", "\\'")
        yield Case("places", f"a folder named {sign}", job(f"hydra.run.dir='{text}'", "dataset.sequences=[nobody]"), needs=("data",))
        yield Case("places", f"data under {sign}", job(f"dataset.root='{text}'"), needs=("data",))
    yield Case("places", "a long name", job("hydra.run.dir=" + "x" * 300), needs=("data",))
    yield Case("places", "a long path", job("hydra.run.dir=" + "/".join(["y" * 200] * 30)), needs=("data",))
    yield Case("places", "a long store", job("mlflow=local", "mlflow.root=" + "/".join(["y" * 100] * 6)), needs=("data",), codes=(1, 2))
    yield Case("places", "a deleted folder", ("seed=1",), apart=_deleted)
    yield Case("places", "a deleted folder, command", ("compare", "x"), apart=_deleted)
    yield Case("places", "an ASCII terminal", job("tracker=☃"), needs=("data",), apart=apart(PYTHONIOENCODING="ascii", LC_ALL="C"))
    yield Case("places", "an ASCII terminal, command", ("compare", "é☃"), apart=apart(PYTHONIOENCODING="ascii", LC_ALL="C"))
    for name, words in {"a job": ("tracker=nothing",), "a command": ("compare", "nowhere")}.items():
        yield Case("places", f"closed stderr, {name}", words, apart=_closed)


def stores() -> Iterator[Case]:
    """A database of MLflow that is something else."""
    contents: Bytes = {"text": b"hello " * 100, "zeros": b"\0" * 8192, "half a header": b"SQLite format 3\0" + b"\xff" * 4000}
    for name, data in contents.items():
        for command, words in {"ui": ("ui", "--no-browser", "--port", "0"), "repair": ("repair",)}.items():
            yield Case("stores", f"{name}, {command}", words, _write("mlruns/mlflow.db", data), codes=(1, 2))
    for command, words in {"ui": ("ui", "--no-browser"), "repair": ("repair",)}.items():
        yield Case("stores", f"a folder, {command}", words, lambda here: (here / "mlruns/mlflow.db").mkdir(parents=True), codes=(1, 2))


def _deleted(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    gone = folder / "gone"
    gone.mkdir()
    code = f"import os, subprocess, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.execv(sys.executable, [sys.executable, '-m', 'harness', *{words!r}])"
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True, timeout=60, check=False)


def _closed(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    line = '"$0" -m harness "$@" 2>&-'
    done = subprocess.run(["sh", "-c", line, sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": PATH}, capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    return subprocess.CompletedProcess(words, done.returncode, done.stdout, done.stderr or "error: nothing can be said")


def _edit(key: str, value: Any) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / "runs/0/results.json"
        raw = json.loads(path.read_text())
        *parents, last = key.split(".")
        node = raw
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = value
        path.write_text(json.dumps(raw))

    return edit


def _write(place: str, data: bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(data)

    return write


def _replace(place: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(folder: Path) -> None:
        (folder / place).unlink()
        make(folder / place)

    return replace


def _line(place: str, text: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        lines = (folder / place).read_text().split("\n")
        (folder / place).write_text("\n".join([text, *lines[1:]]))

    return change


def _zip(files: Bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)

    return write


def clean(folder: Path) -> None:
    """Removes a case's folder."""
    shutil.rmtree(folder, ignore_errors=True)
