"""Real bundles with one thing changed: an entry's name, kind, packing or bytes, the manifest, what a run in it says."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hostile.case import Case

Entries = dict[str, bytes]
Change = Callable[[Entries], None]
READERS = {
    "import": ("import", "x.zip", "--no-mlflow"), "compare": ("compare", "x.zip", "--out", "c"), "render": ("render", "x.zip", "-s", "worst"),
    "export": ("export", "x.zip", "-o", "w"),
}  # fmt: skip


MADE: dict[bytes, bytes] = {}
"""The bundle of a sweep, by the sweep's record: all folders have copies of the same runs."""


def bundle(folder: Path) -> Entries:
    """The files of a bundle of the world's runs, by name; the bundle is ``x.zip``."""
    from harness.publish.bundle import write_bundle
    from harness.report.sources import jobs_of

    record = (folder / "runs/sweep.json").read_bytes()
    if record not in MADE:
        with contextlib.chdir(folder):  # whose cache the cases share: the demo data set, whose truth is asked for, is drawn once
            write_bundle(jobs_of(folder / "runs"), folder / "x.zip")
        MADE[record] = (folder / "x.zip").read_bytes()
    (folder / "x.zip").write_bytes(MADE[record])
    with zipfile.ZipFile(folder / "x.zip") as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def pack(folder: Path, entries: Entries, honest: bool = True) -> None:
    """Writes a bundle; ``honest``: with the digests of what is in it."""
    if honest and isinstance(entries.get("manifest.json"), bytes):
        try:
            manifest = json.loads(entries["manifest.json"])
            manifest["files"] = {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in entries.items() if name != "manifest.json"
            }
            entries["manifest.json"] = json.dumps(manifest).encode()
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


def _results(change: Callable[[dict[str, Any]], object]) -> Change:
    def edit(entries: Entries) -> None:
        name = next(name for name in entries if name.endswith("results.json"))
        raw = json.loads(entries[name])
        change(raw)
        entries[name] = json.dumps(raw).encode()

    return edit


def _manifest(change: Callable[[dict[str, Any]], object]) -> Change:
    def edit(entries: Entries) -> None:
        raw = json.loads(entries["manifest.json"])
        change(raw)
        entries["manifest.json"] = json.dumps(raw).encode()

    return edit


def _set(*path: str | int, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(raw: Any) -> None:
        for key in path[:-1]:
            raw = raw[key]
        raw[path[-1]] = value

    return change


ODD: tuple[Any, ...] = (None, [], {}, "x", -1, 1.5, True, "../..", "a\x00b", {"a": {"b": []}}, [[]], 10**400)
RESULT_KEYS = ("id", "name", "status", "config", "schema", "metrics", "sequences", "environment", "artifact", "scoring", "dataset", "details", "overrides", "error")
NESTED: tuple[tuple[str, ...], ...] = (
    ("metrics", "ao"), ("metrics", "fps"), ("dataset", "frames"), ("dataset", "digest"), ("environment", "memory_mb"), ("environment", "versions"),
    ("environment", "machine"), ("config", "tracker"), ("config", "dataset"), ("artifact", "files"), ("details", "other_load_cores"), ("scoring", "protocol"),
)  # fmt: skip
RUN_KEYS = ("folder", "id", "truth", "name", "status")


def bundles() -> Iterator[Case]:
    """Bundles with one thing changed."""
    readers = sorted(READERS)
    number = 0

    def case(name: str, change: Change, honest: bool = True, judged: bool = False) -> Case:
        nonlocal number
        number += 1

        def setup(folder: Path) -> None:
            entries = bundle(folder)
            change(entries)
            pack(folder, entries, honest)

        reader = readers[number % len(readers)]
        codes = (0, 1, 2) if judged and reader == "import" else (0, 2)  # scores that the boxes do not give are the import's verdict
        return Case("real bundles", f"{name}, {reader}", READERS[reader], setup, codes=codes, needs=("runs",))

    for key in RESULT_KEYS:
        for value in ODD:
            yield case(f"results {key}={str(value)[:10]!r}", _results(_set(key, value=value)), judged=True)
    for path in NESTED:
        for value in ODD:
            yield case(f"results {'.'.join(path)}={str(value)[:10]!r}", _results(lambda raw, path=path, value=value: raw.setdefault(path[0], {}) is None or _deep(raw, path, value)), judged=True)
    for key in RUN_KEYS:
        for value in ODD:
            yield case(f"manifest runs.0.{key}={str(value)[:10]!r}", _manifest(_set("runs", 0, key, value=value)))
    for key in ("format", "version", "runs", "files", "created", "holds"):
        for value in ODD:
            yield case(f"manifest {key}={str(value)[:10]!r}", _manifest(_set(key, value=value)), honest=False)
    for ending in ("results.json", "frames.parquet", "manifest.json", "sweep.json"):
        for name, data in {"empty": b"", "text": b"x" * 99, "a list": b"[]", "deep": b"[" * 100000, "not UTF-8": b'{"id": "\xff"}'}.items():
            yield case(f"{ending}: {name}", _replace(ending, data))
        yield case(f"{ending}: dropped", _drop(ending))
        yield case(f"{ending}: other bytes than the manifest says", _replace(ending, b"{}"), honest=False)
    for name in ("../x", "/tmp/x", "a/../../x", "a\\b", "x" * 300, "CON", ".hidden", "a/./b", "a//b", " x", "x ", "a\nb", "a:b", "☃", "jobs", "manifest.json/x"):
        yield case(f"an entry {name[:20]!r}", lambda entries, name=name: entries.__setitem__(name, b"x"))
    for name, spoil in SPOILED.items():
        reader = readers[len(name) % len(readers)]
        yield Case("real bundles", f"{name}, {reader}", READERS[reader], _spoilt(spoil), codes=(0, 2), needs=("runs",))


def _deep(raw: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    raw[path[0]][path[1]] = value


def _replace(ending: str, data: bytes) -> Change:
    def change(entries: Entries) -> None:
        for name in entries:
            if name.endswith(ending):
                entries[name] = data
                return

    return change


def _drop(ending: str) -> Change:
    def change(entries: Entries) -> None:
        for name in [name for name in entries if name.endswith(ending)]:
            del entries[name]

    return change


def _raw(change: Callable[[bytes], bytes]) -> Callable[[Path, Entries], None]:
    def spoil(folder: Path, entries: Entries) -> None:
        del entries
        (folder / "x.zip").write_bytes(change((folder / "x.zip").read_bytes()))

    return spoil


def _written(write: Callable[[zipfile.ZipFile], object]) -> Callable[[Path, Entries], None]:
    def spoil(folder: Path, entries: Entries) -> None:
        with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
            write(archive)

    return spoil


def _link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def _fifo(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("pipe")
    info.external_attr = 0o010644 << 16
    archive.writestr(info, b"")


def _bomb() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 50_000_000)
    return inner.getvalue()


SPOILED: dict[str, Callable[[Path, Entries], None]] = {
    "cut in half": _raw(lambda data: data[: len(data) // 2]),
    "cut by a byte": _raw(lambda data: data[:-1]),
    "a byte before": _raw(lambda data: b"x" + data),
    "bytes after": _raw(lambda data: data + b"x" * 70000),
    "a flipped byte": _raw(lambda data: data[:200] + bytes([data[200] ^ 255]) + data[201:]),
    "a flipped byte in the middle": _raw(lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :]),
    "marked as encrypted": _raw(lambda data: data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")),
    "a link": _written(_link),
    "a pipe": _written(_fifo),
    "an entry twice": _written(lambda archive: archive.writestr("manifest.json", b"{}")),
    "a bomb inside": _written(lambda archive: archive.writestr("bomb.zip", _bomb())),
    "zeros inside": _written(lambda archive: archive.writestr("zeros", b"\0" * 50_000_000)),
    "packed by bzip2": _written(lambda archive: archive.writestr("b", b"x" * 1000, zipfile.ZIP_BZIP2)),
    "packed by LZMA": _written(lambda archive: archive.writestr("l", b"x" * 1000, zipfile.ZIP_LZMA)),
    "thousands of entries": _written(lambda archive: [archive.writestr(f"e/{n}", b"") for n in range(5000)]),
}


def _spoilt(spoil: Callable[[Path, Entries], None]) -> Callable[[Path], None]:
    def setup(folder: Path) -> None:
        spoil(folder, bundle(folder))

    return setup
