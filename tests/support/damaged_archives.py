"""Ways to spoil a submission archive, each with the file that the check must name.

An archive is taken apart into ``{entry: bytes}``; a damage changes that mapping, or the archive's own bytes.
"""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Files = dict[str, bytes]


@dataclass(frozen=True)
class Damage:
    """``change`` spoils the entries in place, given the second sequence's folder name; ``file`` must be named."""

    change: Callable[[Files, str], None]
    file: str = "{name}/{name}_001.txt"
    says: str = ""
    line: int | None = None


def unpacked(archive: Path) -> Files:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files: Files, method: int = zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def damaged(archive: Path, damage: Damage, to: Path) -> str:
    """Writes the damaged copy of ``archive`` to ``to``; returns the file that must be named."""
    files = unpacked(archive)
    name = sorted({entry.split("/")[0] for entry in files})[1]
    damage.change(files, name)
    to.write_bytes(packed(files))
    return damage.file.format(name=name)


# ------------------------------------------------------------------------------------- what to spoil


def box_file(name: str) -> str:
    return f"{name}/{name}_001.txt"


def time_file(name: str) -> str:
    return f"{name}/{name}_time.txt"


def line(file: Callable[[str], str], number: int, text: str | Callable[[str], str]) -> Callable[[Files, str], None]:
    """Replaces line ``number`` (1-based) of a file."""

    def change(files: Files, name: str) -> None:
        lines = files[file(name)].decode().split("\n")
        lines[number - 1] = text if isinstance(text, str) else text(lines[number - 1])
        files[file(name)] = "\n".join(lines).encode()

    return change


def every(file: Callable[[str], str], text: Callable[[str], str]) -> Callable[[Files, str], None]:
    """Changes the whole text of a file."""

    def change(files: Files, name: str) -> None:
        files[file(name)] = text(files[file(name)].decode()).encode()

    return change


def rename(old: Callable[[str], str], new: str) -> Callable[[Files, str], None]:
    def change(files: Files, name: str) -> None:
        files[new.format(name=name)] = files.pop(old(name))

    return change


def add(entry: str, content: bytes = b"1,2,3,4\n") -> Callable[[Files, str], None]:
    def change(files: Files, name: str) -> None:
        files[entry.format(name=name)] = content

    return change


def drop_sequence(files: Files, name: str) -> None:
    for entry in [entry for entry in files if entry.startswith(f"{name}/")]:
        del files[entry]


def nest(files: Files, name: str) -> None:
    del name
    for entry in list(files):
        files[f"results/{entry}"] = files.pop(entry)


def nest_one(files: Files, name: str) -> None:
    for entry in [entry for entry in files if entry.startswith(f"{name}/")]:
        files[f"{name}/{entry}"] = files.pop(entry)


def rename_folder(files: Files, name: str) -> None:
    for entry in [entry for entry in files if entry.startswith(f"{name}/")]:
        files[entry.replace(name, f"{name}_", 1)] = files.pop(entry)


def flatten(files: Files, name: str) -> None:
    del name
    for entry in list(files):
        files[entry.split("/")[1]] = files.pop(entry)


def swap(files: Files, name: str) -> None:
    """Boxes and times under each other's names."""
    boxes, times = files[box_file(name)], files[time_file(name)]
    files[box_file(name)], files[time_file(name)] = times, boxes


def of_another(files: Files, name: str) -> None:
    """Another sequence's boxes under this one's name."""
    other = sorted({entry.split("/")[0] for entry in files} - {name})[-1]
    files[box_file(name)] = files[box_file(other)]


def field(index: int, value: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        words = text.split(",")
        words[index] = value
        return ",".join(words)

    return change


def moved(by: float) -> Callable[[str], str]:
    def change(text: str) -> str:
        words = text.split(",")
        return ",".join([f"{float(words[0]) + by:.3f}", *words[1:]])

    return change


TIME = "{name}/{name}_time.txt"

DAMAGES: dict[str, Damage] = {
    "box file missing": Damage(lambda files, name: files.pop(box_file(name)) and None, says="is missing"),
    "times missing": Damage(lambda files, name: files.pop(time_file(name)) and None, TIME, "is missing"),
    "sequence missing": Damage(drop_sequence, "{name}/", "is missing"),
    "extra file at the root": Damage(add("README.md"), "README.md", "does not belong here"),
    "extra file in a folder": Damage(add("{name}/notes.txt"), "{name}/notes.txt", "does not belong here"),
    "extra sequence": Damage(add("GOT-10k_Test_000999/a.txt"), "GOT-10k_Test_000999/a.txt", "is not a sequence"),
    "finder's litter": Damage(add("__MACOSX/._x"), "__MACOSX/._x", "is not a sequence"),
    "deep file": Damage(add("{name}/old/{name}_001.txt"), "{name}/old/{name}_001.txt", "lies too deep"),
    "box file misnamed": Damage(rename(box_file, "{name}/{name}.txt"), says="is missing"),
    "wrong number of digits": Damage(rename(box_file, "{name}/{name}_0001.txt"), "{name}/{name}_0001.txt", "not belong"),
    "times misnamed": Damage(rename(time_file, "{name}/{name}_times.txt"), TIME, "is missing"),
    "second repetition alone": Damage(rename(box_file, "{name}/{name}_002.txt"), says="is missing"),
    "folder misnamed": Damage(rename_folder, "{name}/", "is missing"),
    "folder around everything": Damage(nest, "results/", "must be at the archive's root"),
    "folder twice nested": Damage(nest_one, "{name}/{name}/{name}_001.txt", "lies too deep"),
    "flat": Damage(flatten, "{name}/", "is missing"),
    "one line short": Damage(every(box_file, lambda text: text.split("\n", 1)[0] + "\n" + text.split("\n", 2)[2]), says="lin"),
    "one line long": Damage(every(box_file, lambda text: text + "1,2,3,4\n"), says="lines for"),
    "empty file": Damage(every(box_file, lambda text: ""), says="has 0 lines"),
    "cut in the middle": Damage(every(box_file, lambda text: text[: len(text) // 2]), says="lines for"),
    "times one short": Damage(every(time_file, lambda text: text.split("\n", 1)[1]), TIME, "lines for"),
    "spaces": Damage(every(box_file, lambda text: text.replace(",", ", ")), says="holds spaces", line=1),
    "blanks alone": Damage(every(box_file, lambda text: text.replace(",", " ")), says="holds spaces", line=1),
    "tabs": Damage(every(box_file, lambda text: text.replace(",", "\t")), says="holds tabs", line=1),
    "semicolons": Damage(line(box_file, 5, lambda text: text.replace(",", ";")), says="has 1 numbers", line=5),
    "trailing comma": Damage(line(box_file, 5, lambda text: text + ","), says="has 5 numbers, 4", line=5),
    "three numbers": Damage(line(box_file, 5, "1,2,3"), says="has 3 numbers, 4 are expected", line=5),
    "a word": Damage(line(box_file, 5, field(2, "ten")), says="not a number", line=5),
    "an underscore": Damage(line(box_file, 5, field(2, "1_0")), says="not a number", line=5),
    "NaN": Damage(line(box_file, 7, field(0, "nan")), says="not finite", line=7),
    "infinity": Damage(line(box_file, 7, field(3, "inf")), says="not finite", line=7),
    "too large a number": Damage(line(box_file, 7, field(3, "1e999")), says="not finite", line=7),
    "negative size": Damage(line(box_file, 9, field(2, "-5.000")), says="must be positive", line=9),
    "no size": Damage(line(box_file, 9, field(3, "0.000")), says="must be positive", line=9),
    "wrong first box": Damage(line(box_file, 1, moved(1.5)), says="the first box must be the given one", line=1),
    "boxes of another": Damage(of_another, says="the first box must be the given one"),
    "empty line": Damage(line(box_file, 5, ""), says="is empty", line=5),
    "header": Damage(every(box_file, lambda text: "x,y,w,h\n" + text), says="not a number", line=1),
    "CR LF": Damage(every(box_file, lambda text: text.replace("\n", "\r\n")), says="CR LF", line=1),
    "byte order mark": Damage(every(box_file, lambda text: "\ufeff" + text), says="not ASCII", line=1),
    "boxes and times swapped": Damage(swap, says="has 1 numbers, 4 are expected"),
    "time of zero": Damage(line(time_file, 3, "0.00000000"), TIME, "must be positive", line=3),
    "negative time": Damage(line(time_file, 3, "-0.01000000"), TIME, "must be positive", line=3),
    "time that is none": Damage(line(time_file, 3, "nan"), TIME, "not finite", line=3),
    "two columns of times": Damage(line(time_file, 3, "0.01,0.01"), TIME, "has 2 numbers, 1 are expected", line=3),
    "path out of the archive": Damage(add("../evil.txt"), "../evil.txt", "leads outside"),
    "absolute path": Damage(add("/etc/evil.txt"), "/etc/evil.txt", "leads outside"),
    "a huge file": Damage(add("{name}/{name}_002.txt", b"0" * (5 << 20)), "{name}/{name}_002.txt", "is larger than"),
}


# --------------------------------------------------------------------------------- spoiled containers


def truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def flipped(data: bytes) -> bytes:
    """One byte of the first entry's content changed: its checksum no longer fits."""
    at = 120
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def with_entry(data: bytes, info: zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    """``data`` with one more entry, of any kind."""
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, content)
    return buffer.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info
