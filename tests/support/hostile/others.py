"""Commands with values that cannot be, places of the wrong kind, names with odd signs, and odd variables of the environment."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile.case import Case, job

BIG = "9" * 40
OPTIONS = (
    "history --last 0", "history --last -5", f"history --last {BIG}", "history --last 1.5", "history --last nan", "history --since nan",
    "history --since -1d", "history --since 1e400d", f"history --since {BIG}d", "history --since ''", "history --since 30", "history --since ٣d",
    "history --metric ''", "history --metric ../../x", "history --metric nothing", "history --metric '\n'", "history foo", "history =", "history =1",
    "history nothing=1", "history backend=", "history backend=nobody", "history ''", "history --nothing",
    "history --root ''", "history --out ''",
    "prune", "prune --older-than", "prune --older-than -1d", "prune --older-than nan", "prune --older-than 0", "prune --older-than ''",
    f"prune --older-than {BIG}w", "prune --older-than 1d --keep nothing", "prune --older-than 1d --keep ''", "prune --older-than 1d --keep",
    "prune --older-than 1d --outputs nowhere --root nowhere", "prune --older-than 1d more",
    "track", "track ''", "track nowhere", "track nowhere.mp4 --json --box 1,2,3,4", "track data/val/seq_1 --json --box ''", "track data/val/seq_1 --json --box 1,2,3",
    "track data/val/seq_1 --json --box nan,1,2,3", "track data/val/seq_1 --json --box 1,1,-3,4", "track data/val/seq_1 --json --box 1,1,0,0",
    "track data/val/seq_1 --json --box a,b,c,d", "track data/val/seq_1 --json --box 1,2,inf,4", f"track data/val/seq_1 --json --box {BIG * 10},1,1,1",
    "track data/val/seq_1 --json --box 1,1,5,5 --frames 0", "track data/val/seq_1 --json --box 1,1,5,5 --frames -1", "track data/val/seq_1 --json --box 1,1,5,5 --frames x",
    "track data/val/seq_1 --json --box 1,1,5,5 --timeout nan", "track data/val/seq_1 --json --box 1,1,5,5 --timeout -1", "track data/val/seq_1 --json --box 1,1,5,5 --timeout 0",
    "track data/val/seq_1 --json --box 1,1,5,5 --timeout inf", "track data/val/seq_1 --out x.avi --box 1,1,5,5", "track data/val/seq_1 --out '' --box 1,1,5,5",
    "track data/val/seq_1 --record data --box 1,1,5,5", "track data/val/seq_1 --record data/val/list.txt --box 1,1,5,5", "track data/val/seq_1 --json --box 1,1,5,5 foo",
    "track data/val/seq_1 --json --box 1,1,5,5 tracker=nobody", "track data/val/seq_1 --json --box 1,1,5,5 backend=torch,onnx",
    "track data/val/seq_1 --json --box 1,1,5,5 --config-dir nowhere", "track data/val/seq_1 --json --box 1,1,5,5 --config-dir data/val/list.txt", "track ftp://x/y --json --box 1,1,5,5",
    "track x:// --json --box 1,1,5,5", "track file:///etc/passwd --json --box 1,1,5,5", "track /dev/zero --json --box 1,1,5,5", "track a b c --json --box 1,1,5,5",
    "doctor --seconds -1", "doctor --seconds 0", "doctor --seconds nan", "doctor --seconds inf", "doctor --seconds x", "doctor more", "devices more", "devices --json=5",
    "export runs -o ''", "export runs -o w --best nothing", "export runs -o w --best ''", "export runs -o w --budget -1", "export runs -o w --budget nan",
    "export runs -o w --budget x", "export runs -o w --budget 0", "export runs/0 -o data", "export runs/0 -o data/val/list.txt", "export nobody -o w",
    "import runs", "import ''", "import nowhere.zip --out ''", "import data --root ''",
    "share runs -o x.txt", "share runs -o ''", "share runs", "share runs -o .zip/x", "share '' -o x.zip", "share data -o x.zip", "share runs runs nobody -o x.zip",
    "score data --dataset data --split ../..", "score runs/0 --dataset ''", "score runs/0 --dataset data --layout foo", "score runs/0 --dataset data --protocol foo",
    "score runs/0 --dataset data --invalid-truth foo", "score runs/0 --dataset data --sequences nobody", "score runs/0 --dataset data --split nowhere",
    "score runs/0 --dataset data/val/list.txt", "score", "score ''",
    "check-dataset data --layout ''", "check-dataset data/val/list.txt", "check-dataset ''", "check-dataset data more",
    "pack runs/0 -o ''", "pack runs/0 --layout foo", "pack runs/0 --dataset nowhere", "pack ''", "validate nowhere --dataset nowhere", "validate runs --split ../../..",
    "convert runs/0 --to pysot -o ''", "convert runs/0 --to otb -o data", "convert runs/0 --to otb -o data/val/list.txt", "convert '' --to otb -o x", "convert runs/0 --to '' -o x",
    "render runs/0 -s", "render runs/0 -s ''", "render '' -s worst", "render data -s worst", "render runs/0 -s 'a\nb'",
    "compare runs --baseline ''", "compare runs --maximize fps", "compare runs --recommend --maximize nothing", "compare runs --recommend --maximize ''",
    "compare runs --recommend --minimize fps", "compare runs --recommend --require ''", "compare runs --recommend --require 'fps >= nan'",
    "compare runs --recommend --require 'fps >='", "compare runs --recommend --require '>= 5'", "compare runs --recommend --require 'fps = 5'",
    "compare runs --fail-if 'fps < infx'", "compare runs --fail-if 'fps < -nan%'", "compare runs --fail-if", "compare 'a\nb'", "compare '\x1b[31mred'", "compare '\\xff'",
    "compare 00000000", "compare ~nobody/x", "compare runs --outputs nowhere 123456", "sync runs/0/results.json", "sync runs --uri 'http://x y'",
    "repair --root ''", "repair more", "ui --root ''", "ui --port 1.5", "ui --port ''", f"ui --port {BIG}", "ui --experiment ''",
    "recommend --minutes 0", "recommend --minutes inf", "recommend --minutes x", f"recommend --seed {BIG}x", "recommend --require ''", "recommend --require 'fps > nan'",
    "recommend --require 'nothing >= 5'", "recommend --maximize fps --minimize fps", "recommend --maximize ''", "recommend foo", "recommend ''", "recommend =", "recommend search=",
    "recommend search=../x", "recommend tracker=nobody", "recommend backend=torch,onnx", "recommend --config-dir nowhere", "recommend --config-dir data/val/list.txt",
    "recommend --folder data/val/list.txt --config-dir conf tracker=nobody", "recommend task=nobody", "recommend dataset.root=nowhere dataset=folder", "recommend -m",
    "tune", "tune ''", "tune nothing", "tune tracker.nothing --on x", "tune tracker=smat_demo", "tune tracker.name --on x", "tune seed --on x",
    "tune tracker.window_influence --trials 0 --on x", "tune tracker.window_influence --trials x --on x", "tune tracker.window_influence --minutes nan --on x",
    "tune tracker.window_influence --minutes -1 --on x", "tune tracker.window_influence --seed -1 --on x", "tune tracker.window_influence --objective foo --on x",
    "tune tracker.window_influence --on", "tune tracker.window_influence", "tune tracker.window_influence --on nobody", "tune tracker.window_influence --on ''",
    "tune tracker.window_influence --on \"a'b\"", "tune tracker.window_influence --range x --on x", "tune tracker.window_influence --range =0:1 --on x",
    "tune tracker.window_influence --range tracker.window_influence=1:0 --on x", "tune tracker.window_influence --range tracker.window_influence=nan:inf --on x",
    "tune tracker.window_influence --range tracker.window_influence=0:1:2 --on x", "tune tracker.window_influence --range tracker.other=0:1 --on x",
    "tune tracker.window_influence tracker=nobody --on x", "tune tracker.window_influence --config-dir nowhere --on x", "tune tracker.window_influence dataset=folder dataset.root=nowhere --on x",
)  # fmt: skip
"""Commands that are all mistakes: exit code 2, whatever lies in ``runs`` and ``data``."""

MAY_END_OTHERWISE = (
    "history --outputs ''", "import data/val/list.txt", "check-dataset data --split ''", "validate ''", "sync ''", "sync runs --uri http://☃", "sync runs --uri http://127.0.0.1:1/☃",
    f"sync runs --uri http://{'a' * 70}", "sync runs --uri http://a..b", "sync runs --uri http://user:pa/ss@127.0.0.1:1", "sync runs --uri mysql://127.0.0.1:1/x",
    "sync runs --uri postgresql://127.0.0.1:1/x", "sync runs --uri databricks://nobody", "sync runs --uri sqlite:///", "sync runs --uri sqlite:///runs/0/results.json",
    "sync runs --uri 'sqlite:///x?mode=foo'", "sync runs --uri sqlite:///nowhere/at/all/x.db", "sync runs --uri http://127.0.0.1:1/?a=b#c", "score runs/0 --mlflow http://127.0.0.1:1",
    "score runs/0 --mlflow foo", "score runs/0 --mlflow ''", "score runs/0 --experiment ''", "import x.zip --uri http://127.0.0.1:1", "sync runs --root x --experiment " + "e" * 600,
)  # fmt: skip
"""Commands with which the folder here, or nothing, may be meant, or whose work fails."""

KINDS: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo, "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"), "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": lambda path: path.mkdir(), "a link to nothing": lambda path: path.symlink_to("nowhere"), "an empty file": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "huge": lambda path: os.truncate(path, 3 << 30) if not path.write_bytes(b"") else None,
}  # fmt: skip
"""What may lie where a file is expected."""
ARGUMENTS = (
    "compare x", "compare runs x", "compare runs --baseline x", "compare runs --out x", "compare runs --outputs x 000000", "export x -o w", "export runs/0 -o x", "import x",
    "import x.zip --no-mlflow", "share x -o b.zip", "share runs -o x.zip", "sync x", "sync runs --root x", "render x -s worst", "render runs -s worst -o x", "score x",
    "score x --dataset data", "score runs/0 --dataset x", "score runs/0 --dataset data --split val --mlflow off --out x", "validate x", "validate x.zip", "pack x -o b.zip", "pack runs/0 -o x",
    "convert x --to otb -o w", "convert runs/0 --to otb -o x", "check-dataset x", "check-dataset data --split x", "repair --root x", "ui --root x --no-browser", "ui x --no-browser",
    "history --outputs x --root x", "history --outputs runs --root x --out x", "prune --older-than 1d --outputs x --root x", "track x --json --box 1,1,5,5",
    "track x.mp4 --json --box 1,1,5,5", "track x --json --box 1,1,5,5 --config-dir x", "recommend --folder x tracker=nobody", "recommend --config-dir x tracker=nobody",
    "tune tracker.window_influence --on a --folder x dataset=folder dataset.root=x", "resume=x", "hydra.run.dir=x resume=x", "--config-dir x dataset.limit=1 mlflow=off",
)  # fmt: skip
"""Commands of which an argument is something else; ``x`` and ``x.zip``, ``x.mp4`` are that."""

INSIDE = ("0/results.json", "0/frames.parquet", "0/mlflow.json", "0/job.json", "sweep.json", "turns.json", "0/tracks", "0/agreement.json", "command.json", "0/verdicts.json", "0/intervals.json")
READERS = ("compare runs --out c", "history --outputs runs --root x", "share runs -o b.zip", "render runs/0 -s worst", "prune --older-than 1h --outputs runs --root x --yes",
           "sync runs --root store", "resume=runs", "convert runs/0 --to pysot -o w", "export runs -o w")  # fmt: skip

SIGNS = ("'", '"', "${x}", "%", "%41", "?", "#", "=", ",", "[x]", "{x}", "a b", "~", "*", "\\", "$HOME", "`x`", "&", ";", "\t", "\n", "\x1b[1m", "\x07", "é", "☃", "\udcff",
         "--x", "-", "..x", "x" * 200, "a:b", "<b>", "|", "!", "(", "+", "@", "null", "1", "true", "on")  # fmt: skip


def others() -> Iterator[Case]:
    """All of them."""
    for text in OPTIONS:
        yield Case("options", text[:90], tuple(shlex.split(text)), needs=("runs", "data"))
    for text in MAY_END_OTHERWISE:
        yield Case("options", text[:90], tuple(shlex.split(text)), needs=("runs", "data"), codes=(0, 1, 2))
    for number, text in enumerate(ARGUMENTS):
        for name, make in KINDS.items():
            yield Case("arguments", f"{text} ({number}) is {name}", tuple(shlex.split(text)), _all_of(make), codes=(0, 1, 2), needs=("runs", "data"))
    for number, place in enumerate(INSIDE):
        for other, (name, make) in enumerate(KINDS.items()):
            text = READERS[(number + other) % len(READERS)]
            yield Case("own places", f"{place} is {name}, {text.partition(' ')[0]}", tuple(shlex.split(text)), _instead(place, make), codes=(0, 1, 2), needs=("runs",))
    yield from _signs()
    yield from _named()
    yield from _ends()
    yield from _pictures()
    yield from _environment()
    yield from _stores()


def _signs() -> Iterator[Case]:
    """Folders, files and sequences with odd signs in their names, met by commands that read and write them: no mistake in itself."""
    for sign in SIGNS:
        name = repr(sign[:20])
        ways = ("compare {runs} --out {new}", "share {runs} -o {new}.zip", "history --outputs {runs} --root x --out {new}", "render {runs} -s worst -o {new}",
                "sync {runs} --root {new}", "convert {runs}/0 --to otb -o {new}", "check-dataset {data} --split val", "score {runs}/0 --dataset {data} --split val --mlflow off --out {new}",
                "export {runs}/0 -o {new}", "prune --older-than 1h --outputs {runs} --root x --yes")  # fmt: skip
        for number in range(3):
            way = ways[(SIGNS.index(sign) * 3 + number) % len(ways)]
            words = tuple(_filled(word, sign) for word in way.split(" "))
            yield Case("signs", f"{name}, {words[0]}", words, _renamed(sign), codes=(0, 1, 2), needs=("runs", "data"))


def _filled(word: str, sign: str) -> str:
    return word.replace("{runs}", f"./{sign}/runs").replace("{data}", f"./{sign}/data").replace("{new}", f"./new{sign}")


def _renamed(sign: str) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        place = folder / sign
        place.mkdir()
        for name in ("runs", "data"):
            (folder / name).rename(place / name)

    return setup


def _named() -> Iterator[Case]:
    """Jobs on sequences, in folders, and of configurations with odd names."""
    from harness.jobs.resume import quoted

    for sign in SIGNS:
        if len(sign) > 100:
            continue
        name = repr(sign)
        yield Case("places", f"a job on a sequence {name}", job("mlflow=local", "task.mode=parallel"), _sequence(sign), codes=(0, 1, 2), needs=("data",))
        yield Case("places", f"a job with data and run in {name}", job(f"dataset.root={quoted(sign + '/data')}", f"hydra.run.dir={quoted(sign + '/out')}", "mlflow=local"), _moved(sign), codes=(0, 1, 2), needs=("data",))


def _sequence(sign: str) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        split = folder / "data/val"
        (split / "seq_1").rename(split / sign)
        (split / "list.txt").write_bytes(os.fsencode(f"{sign}\nseq_2\n"))

    return setup


def _moved(sign: str) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        (folder / sign).mkdir()
        (folder / "data").rename(folder / sign / "data")

    return setup


BLOCKED = ("report.html", "summary.csv", "summary.md", "plots", "verdicts.json", "sweep.json", "multirun.yaml", "turns.json", "0/plots", "0/results.json", "0/tracks", "0/worker.log",
           "0/job.json", "0/frames.parquet", "0/mlflow.json", "0/sequences", "0/agreement.json", "0/.hydra", "0/report.html", "0", ".run.lock", "command.json")  # fmt: skip


def _ends() -> Iterator[Case]:
    """A folder or a file lies where a sweep writes: what can be written is written, and the rest is told."""
    for place in BLOCKED:
        words = ("-m", *job("seed=1,2", "hydra.sweep.dir=swept", "mlflow=local", "dataset.limit=1"))
        words = (*words[1:], words[0])
        yield Case("ends", f"a folder at {place}", words, _blocking(place, True), codes=(0, 1, 2), needs=("data",))
        yield Case("ends", f"a file at {place}", words, _blocking(place, False), codes=(0, 1, 2), needs=("data",))


def _blocking(place: str, as_folder: bool) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        path = folder / "swept" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if as_folder:
            (path / "x").mkdir(parents=True)
        else:
            path.write_text("x")

    return setup


def _pictures() -> Iterator[Case]:
    """Images of odd shapes and depths, as all frames of a sequence or as one of them."""
    import cv2
    import numpy as np

    def image(shape: tuple[int, ...], kind: type = np.uint8) -> np.ndarray:
        return np.full(shape, 7, kind)

    odd = {"1x1": image((1, 1, 3)), "20000x10": image((10, 20000, 3)), "10x20000": image((20000, 10, 3)), "2x2": image((2, 2, 3)), "grey": image((48, 64)),
           "with alpha": image((48, 64, 4)), "of 16 bits": image((48, 64, 3), np.uint16), "grey of 16 bits": image((48, 64), np.uint16), "of floats": image((48, 64, 3), np.float32)}  # fmt: skip
    for name, pixels in odd.items():
        ending = ".tiff" if pixels.dtype == np.float32 else ".png"
        data = cv2.imencode(ending, pixels)[1].tobytes()
        for which in ("all frames", "a frame"):
            for mode in ("serial", "parallel"):
                words = job(f"task.mode={mode}", "mlflow=local")
                yield Case("images", f"{which} {name}, {mode}", words, _painted(data, which == "all frames"), codes=(0, 1, 2), needs=("data",))


def _painted(data: bytes, every: bool) -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        for path in sorted((folder / "data/val/seq_1").glob("*.jpg"))[slice(None) if every else slice(2, 3)]:
            path.write_bytes(data)
        if every:
            (folder / "data/val/seq_1/groundtruth.txt").write_text("0,0,1,1\n" * 4)
            (folder / "data/val/seq_1/meta_info.ini").unlink()

    return setup


VARIABLES: dict[str, dict[str, str]] = {
    "COLUMNS of words": {"COLUMNS": "abc"}, "COLUMNS below 0": {"COLUMNS": "-5"}, "COLUMNS 1": {"COLUMNS": "1"}, "no HOME": {"HOME": ""}, "HOME nowhere": {"HOME": "/nowhere"},
    "an odd HARNESS_PROGRESS": {"HARNESS_PROGRESS": "foo"}, "odd HARNESS_ADDRESSES": {"HARNESS_ADDRESSES": "x"}, "a list as HARNESS_ADDRESSES": {"HARNESS_ADDRESSES": "[1]"},
    "TMPDIR nowhere": {"TMPDIR": "/nowhere"}, "an odd MPLBACKEND": {"MPLBACKEND": "nonsense"}, "MPLBACKEND of a notebook": {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    "TZ of nowhere": {"TZ": "Nowhere/Else"}, "an odd MLFLOW_TRACKING_URI": {"MLFLOW_TRACKING_URI": "foo"}, "an odd OMP_NUM_THREADS": {"OMP_NUM_THREADS": "abc"},
    "no PATH": {"PATH": ""}, "GOT10K_ROOT nowhere": {"GOT10K_ROOT": "/nowhere"}, "an odd LANG": {"LANG": "xx_YY", "LC_ALL": "xx_YY"}, "an odd HYDRA_FULL_ERROR": {"HYDRA_FULL_ERROR": "x"},
    "odd CUDA_VISIBLE_DEVICES": {"CUDA_VISIBLE_DEVICES": "foo"}, "odd HARNESS_VERBOSE": {"HARNESS_VERBOSE": ""}, "an odd MLFLOW_EXPERIMENT_NAME": {"MLFLOW_EXPERIMENT_NAME": ""},
}  # fmt: skip


def _environment() -> Iterator[Case]:
    for name, variables in VARIABLES.items():
        for text in ("compare runs --out c", "sync runs --root store", "check-dataset data --split nowhere"):
            yield Case("environment", f"{name}, {text.partition(' ')[0]}", tuple(text.split(" ")), needs=("runs", "data"), codes=(0, 1, 2), environment=variables)
        yield Case("environment", f"{name}, a job", job("task.mode=nothing"), needs=("data",), environment=variables)


def _stores() -> Iterator[Case]:
    """Places that every command uses: outputs, mlruns, the record of the last run."""
    for place in ("outputs/last.json", "mlruns", "mlruns/mlflow.db", "outputs/comparisons", "outputs/history", "outputs/imported", "outputs/renders"):
        for number, (name, make) in enumerate(KINDS.items()):
            texts = ("compare runs", "history --outputs runs", "ui --no-browser", "repair", "resume=last", "render runs -s worst", "sync runs --root mlruns", "prune --older-than 1h")
            text = texts[(number + len(place)) % len(texts)]
            yield Case("own places", f"{place} is {name}, {text}", tuple(text.split(" ")), _instead(place, make, ""), codes=(0, 1, 2), needs=("runs",))
    for name, record in {"itself": {"words": ["resume=runs"], "overrides": ["resume=runs"], "multirun": False, "config_dir": None},
                         "the last run": {"words": ["resume=last"], "overrides": ["resume=last"], "multirun": True, "config_dir": None},
                         "help": {"words": ["--help"], "overrides": ["--help"], "multirun": False, "config_dir": None},
                         "an option": {"words": ["-m"], "overrides": ["-m", "-m"], "multirun": False, "config_dir": "nowhere"},
                         "lines": {"words": ["a\nb"], "overrides": ["a\nb=1"], "multirun": True, "config_dir": None}}.items():  # fmt: skip
        setup = lambda folder, record=record: (folder / "runs/command.json").write_text(json.dumps(record))  # noqa: E731
        yield Case("own places", f"command.json asks for {name}", ("resume=runs",), setup, needs=("runs",), codes=(0, 2))


def _all_of(make: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [make(folder / name) for name in ("x", "x.zip", "x.mp4")]


def _instead(place: str, make: Callable[[Path], object], below: str = "runs") -> Callable[[Path], object]:
    def setup(folder: Path) -> None:
        import shutil

        path = folder / below / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        make(path)

    return setup
