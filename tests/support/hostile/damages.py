"""What can be wrong with a data set's folder: each damage is done to ``data/val`` of a case's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.case import Case, job

Damage = Callable[[Path], object]
"""Called with the folder of the split."""

TRUTH, LIST, META, COVER = "seq_1/groundtruth.txt", "list.txt", "seq_1/meta_info.ini", "seq_1/cover.label"
CHECK = ("check-dataset", "data", "--split", "val")


def put(name: str, data: bytes) -> Damage:
    """Replaces a file's content."""
    return lambda split: (split / name).write_bytes(data)


def line(name: str, number: int, text: str) -> Damage:
    """Replaces a line (from 0) of a file."""

    def change(split: Path) -> None:
        lines = (split / name).read_text().split("\n")
        lines[number] = text
        (split / name).write_text("\n".join(lines))

    return change


def special(name: str, make: Callable[[Path], object]) -> Damage:
    """Puts something else than a file in a file's place."""

    def change(split: Path) -> None:
        (split / name).unlink()
        make(split / name)

    return change


FIRST_BOXES = ("1e9,1e9,5,5", "-500,-500,5,5", "64,0,5,5", "0,48,5,5", "-5,-5,5,5", "5,5,-3,4", "5,5,3,-4", "5,5,0,0", "5,5,0,4", "nan,5,5,5", "nan,nan,nan,nan",
               "inf,5,5,5", "a,b,c,d", "5,5,5", "5,5,5,5,5", "", "1e400,1,1,1", "5;5;5;5", "5 5 5", "0x1,0x1,0x5,0x5", "1_0,5,5,5", "--5,5,5,5", "5,,5,5", "5,5,5,",
               "\u0663,\u0663", "5,5,5,5\x00")  # fmt: skip
LATER_BOXES = ("nan,5,5,5", "inf,5,5,5", "1e400,1,1,1", "x", "5,5", "5,5,5,5,5", "-inf,-inf,-inf,-inf", "1,2,3,4 5")
FIT = ("\u0663,\u0663", "5,5,5,")
"""What may be read as numbers after all."""

DAMAGES: dict[str, Damage] = {
    **{f"first box {text!r}": line(TRUTH, 0, text) for text in FIRST_BOXES},
    **{f"third box {text!r}": line(TRUTH, 2, text) for text in LATER_BOXES},
    "an empty truth": put(TRUTH, b""),
    "a truth of blank lines": put(TRUTH, b"\n\n\n"),
    "a binary truth": put(TRUTH, bytes(range(256))),
    "a truth in UTF-16": put(TRUTH, "8,10,20,16\n".encode("utf-16") * 4),
    "a truth too short": put(TRUTH, b"8,10,20,16\n"),
    "a truth too long": put(TRUTH, b"8,10,20,16\n" * 99),
    "no truth": lambda split: (split / TRUTH).unlink(),
    "a truth that is a folder": special(TRUTH, lambda path: path.mkdir()),
    "a truth that is a pipe": special(TRUTH, os.mkfifo),
    "a truth that is /dev/zero": special(TRUTH, lambda path: path.symlink_to("/dev/zero")),
    "a truth that links to itself": special(TRUTH, lambda path: path.symlink_to(path.name)),
    "an empty list": put(LIST, b""),
    "a list of blank lines": put(LIST, b"\n \n"),
    "a binary list": put(LIST, bytes(range(256))),
    "a list of nobody": put(LIST, b"nobody\n"),
    "a list with a name above": put(LIST, b"../../etc\n"),
    "a list with an absolute name": put(LIST, b"/etc\n"),
    "a list with a dot": put(LIST, b".\n"),
    "a list with a long name": put(LIST, b"x" * 5000),
    "a list with a name twice": put(LIST, b"seq_1\nseq_1\n"),
    "a list with a zero byte": put(LIST, b"seq\x001\n"),
    "a list with backslashes": put(LIST, b"a\\b\n"),
    "a list that is a folder": special(LIST, lambda path: path.mkdir()),
    "a list that is a pipe": special(LIST, os.mkfifo),
    "a list that is /dev/zero": special(LIST, lambda path: path.symlink_to("/dev/zero")),
    "a sequence that is a file": lambda split: (shutil.rmtree(split / "seq_1"), (split / "seq_1").write_text("x")),
    "a sequence without images": lambda split: [path.unlink() for path in (split / "seq_1").glob("*.jpg")],
    "a sequence of one frame": lambda split: [path.unlink() for path in sorted((split / "seq_1").glob("*.jpg"))[1:]],
    "a missing frame in the middle": lambda split: (split / "seq_1/00000002.jpg").unlink(),
    "a missing first frame": lambda split: (split / "seq_1/00000001.jpg").unlink(),
    "a frame of another name": lambda split: (split / "seq_1/00000002.jpg").rename(split / "seq_1/frame.jpg"),
    "a frame twice": lambda split: shutil.copy(split / "seq_1/00000002.jpg", split / "seq_1/2.jpg"),
    "a frame of a huge number": lambda split: (split / "seq_1/00000004.jpg").rename(split / f"seq_1/{'9' * 30}.jpg"),
    "a frame numbered 999999999": lambda split: (split / "seq_1/00000004.jpg").rename(split / "seq_1/999999999.jpg"),
    "a GIF called JPEG": put("seq_1/00000002.jpg", b"GIF89a" + b"\0" * 50),
    "an SVG called JPEG": put("seq_1/00000002.jpg", b"<svg/>"),
    "a first frame that is a pipe": special("seq_1/00000001.jpg", os.mkfifo),
    "a first frame that is /dev/zero": special("seq_1/00000001.jpg", lambda path: path.symlink_to("/dev/zero")),
    "a first frame that is a folder": special("seq_1/00000001.jpg", lambda path: path.mkdir()),
    "a first frame that links to itself": special("seq_1/00000001.jpg", lambda path: path.symlink_to(path.name)),
    "meta data that is a pipe": special(META, os.mkfifo),
    "labels that are a pipe": special(COVER, os.mkfifo),
    "labels that are /dev/zero": special(COVER, lambda path: path.symlink_to("/dev/zero")),
    "a split that links to itself": lambda split: (shutil.rmtree(split), split.symlink_to(split.name)),
    "a sequence that links to itself": lambda split: (shutil.rmtree(split / "seq_1"), (split / "seq_1").symlink_to("seq_1")),
    "a sequence that links to its split": lambda split: (shutil.rmtree(split / "seq_1"), (split / "seq_1").symlink_to(split)),
    "a sequence that is a pipe": lambda split: (shutil.rmtree(split / "seq_1"), os.mkfifo(split / "seq_1")),
    "a first frame that is text": put("seq_1/00000001.jpg", b"x" * 100),
    "a last frame cut": lambda split: (split / "seq_1/00000004.jpg").write_bytes((split / "seq_1/00000004.jpg").read_bytes()[:300]),
    "frames of two sizes": lambda split: shutil.copy(split / "seq_1/00000002.jpg", split / "seq_1/00000003.jpg"),
    "meta data without a size": put(META, b"[METAINFO]\nurl: none\n"),
    "meta data with a wrong size": put(META, b"[METAINFO]\nresolution: (1, 1)\n"),
    "meta data with a size of words": put(META, b"[METAINFO]\nresolution: (a, b)\n"),
    "meta data with a size of zero": put(META, b"[METAINFO]\nresolution: (0, 0)\n"),
    "meta data with a huge size": put(META, b"[METAINFO]\nresolution: (" + b"9" * 5000 + b", 5)\n"),
    "binary meta data": put(META, bytes(range(256))),
    "labels of words": put(COVER, b"a\nb\nc\nd\n"),
    "labels too long": put(COVER, b"8\n" * 99),
    "labels out of range": put(COVER, b"9\n-1\n8\n8\n"),
    "labels of two columns": put(COVER, b"8 8\n" * 4),
    "labels of NaN": put(COVER, b"nan\n" * 4),
    "binary labels": put(COVER, bytes(range(256))),
}  # fmt: skip


def damaged() -> Iterator[Case]:
    """Each damage met by a job and by ``check-dataset``."""
    for name, damage in DAMAGES.items():
        for how, words in (("run", job()), ("checked", CHECK), ("checked without decoding", (*CHECK, "--no-decode"))):
            yield Case("damages", f"{name}, {how}", words, lambda folder, damage=damage: damage(folder / "data/val"), codes=(0, 1, 2), needs=("data",))
