"""Command-line values and words that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

from hostile.case import Case, job

WHOLE = ("threads", "seed", "task.warmup", "task.repeats", "task.repetitions", "task.serial_sequences", "task.requests", "task.workers",
         "dataset.limit", "prepare.opset")  # fmt: skip
NUMBERS = ("prepare.tolerance", "prepare.tolerance_fp16", "target_fps", "turns.seconds")
SWITCHES = ("backend.spinning", "turns.again")
WORDS = ("dataset.root", "dataset.split", "dataset.cache", "prepare.cache", "prepare.exporter", "task.mode", "task.feedback",
         "task.executor", "backend.optimization", "mlflow.experiment", "mlflow.root")  # fmt: skip
CHOICES = ("prepare.exporter", "task.mode", "task.feedback", "task.executor", "backend.optimization", "recipe")
GROUPS = ("tracker", "backend", "device", "hint", "quantization", "dataset", "task", "mlflow", "experiment")

NO_WHOLE = ("-1", "1.5", "abc", "[1]", "{a:1}", "''", "true", "nan", "inf", "-9999999999999999999999")
NO_NUMBER = ("-1", "abc", "[1]", "{a:1}", "''", "true", "nan", "-inf")
NO_SWITCH = ("2", "abc", "[true]", "{a:1}", "1.5")
NO_WORD = ("5", "1.5", "[a]", "{a:b}", "true")
NO_CHOICE = ("foo", "''", "Serial ", "ﬀ", "-", "9")
NO_GROUP = ("5", "0", "foo", "''", "null", "..", "../backend/onnx", "/etc/passwd", "[torch,onnx]", "{a:1}", "a.b", "true", "'a b'")


def values() -> Iterator[Case]:
    """A key with a value of the wrong type or out of its range."""
    tables = ((WHOLE, NO_WHOLE), (NUMBERS, NO_NUMBER), (SWITCHES, NO_SWITCH), (WORDS, NO_WORD), (CHOICES, NO_CHOICE))
    for keys, wrong in tables:
        for key in keys:
            for value in wrong:
                yield Case("values", f"{key}={value}", job(f"{key}={value}"), needs=("data",))
    for group in GROUPS:
        for value in NO_GROUP:
            if (group, value) not in (("experiment", "null"), ("hint", "null")):
                yield Case("groups", f"{group}={value}", job(f"{group}={value}"), needs=("data",), codes=(0, 2) if value.startswith("../") else (2,))


SETTINGS = (
    "prepare.opset=-1", "prepare.opset=0", "prepare.opset=999", "recipe=foo", "prepare.cache=''", "hydra.run.dir=''", "backend.optimization=9",
    "backend.target=.x.Y", "backend.target=x", "backend.target=''", "backend.target=os.path", "backend.target=..", "backend.target=5",
    "tracker.target=a..b.C", "dataset.target=harness", "task.target=json.JSONDecoder", "dataset.cache=''", "dataset.split=../..",
    "dataset.root=''", "dataset.root=/dev/null", "dataset.root=/proc/self/mem", "dataset.sequences=[]", "dataset.sequences=[nobody]",
    "dataset.sequences=[5]", "dataset.sequences=5", "dataset.exclude=['*']", "dataset.protocol=[]", "dataset.protocol=vot",
    "dataset.limit=0", "objective=5", "objective=[[a]]", "objective=''", "resume=nowhere", "resume=''", "resume=5", "resume=/", "threads=100000",
    "mlflow=server", "mlflow.uri=5", "mlflow.root=''", "mlflow.experiment=''", "mlflow.experiment=" + "e" * 600, "target_fps=0", "backend.provider=5", "backend.provider=Nothing",
    "backend.pinning=7", "hydra.run.dir=/dev/null/x", "hydra.run.dir=/proc/x", "hydra.mode=foo", "hydra.job.chdir=5", "hydra=foo",
    "hydra.run.dir=null", "hydra/launcher=foo", "hydra.job.num=x", "quantization=int8 quantization.subset_size=0",
    "quantization=int8 quantization.subset_size=-5", "quantization=int8 quantization.smooth_quant=7", "quantization=int8 quantization.preset=foo",
    "quantization=int8 quantization.graphs=foo", "quantization=int8 quantization.sequences=[nobody]", "quantization=int8 quantization.root=nowhere",
    "quantization=int8 quantization.compare_seconds=-1", "quantization=int8 quantization.ignored_names=5",
    "quantization=int8 quantization.ignored_patterns=['(']", "quantization=int8_accuracy quantization.max_drop=-1",
    "quantization=int8_accuracy quantization.blocks=0", "quantization=int8_accuracy quantization.minutes=-1",
    "task=realtime task.fps=[]", "task=realtime task.fps=[0]", "task=realtime task.fps=30fps", "task=realtime task.fps=[-1]",
    "task=realtime task.clock=fixed", "task=realtime task.clock=recorded", "task=realtime task.clock=recorded task.recording=nowhere",
    "task=realtime task.grace=-1", "task=realtime task.latency_ms=-1", "task=realtime task.convention=foo", "task=capacity task.fps=0",
    "task=capacity task.fps=-1", "task=capacity task.arrivals=foo", "task=capacity task.most=0", "task=capacity task.least_s=-1",
    "task=capacity task.memory_mb=0", "task=capacity task.workers=0", "task=soak task.minutes=0", "task=soak task.minutes=-1",
    "task=soak task.window_s=0", "task=soak task.least_change=-1", "task=profile task.runs=0", "task=profile task.graph=foo",
    "task=profile task.top=-1", "task=benchmark_app task.seconds=0", "task=benchmark_app task.graph=foo", "task=benchmark_app task.api=foo",
    "task=benchmark_app task.batch=0", "task=benchmark_app task.percentiles=[101]", "task=benchmark_app task.inputs=foo",
    "task=benchmark_app task.counters=foo", "task=explain_gap task.rounds=1", "task=explain_gap task.frames=0", "task=vot task.stack=nowhere",
    "backend=openvino backend.streams=0", "backend=openvino backend.streams=-1", "backend=openvino backend.requests=0",
    "backend=openvino backend.precision=fp7", "backend=openvino backend.weights=int4", "backend=openvino backend.source=foo",
    "backend=openvino +backend.properties.NOTHING=1", "backend=openvino backend.properties=5", "backend=torch hint=throughput",
    "backend=openvino device=cuda", "device=cuda", "device=npu", "device.name=cpu:7", "task.executor=ray task.ray_address=5",
    "dataset=video", "dataset=video dataset.path=nowhere.mp4 dataset.init_box=[1,2,3,4]", "dataset=video dataset.path=/dev/zero dataset.init_box=[1,2,3,4]",
    "dataset=got10k dataset.root=''", "dataset=otb dataset.root=nowhere", "dataset=auto dataset.root=nowhere", "dataset=auto dataset.root={here}/conf",
    "tracker=smat", "tracker=smat tracker.weights=nowhere.pth", "tracker=nanotrack tracker.version=v9", "tracker=nanotrack tracker.weights=[a,b,c]",
    "tracker=smat tracker.weights=random tracker.width=0", "tracker=smat tracker.weights=random tracker.search_size=-1",
    "tracker=smat tracker.weights=random tracker.search_size=7", "tracker=smat tracker.weights=random tracker.template_factor=0",
    "tracker=nanotrack tracker.weights=random tracker.window_influence=5", "tracker=native", "tracker.tremble=9", "tracker.nothing=1",
    "seed=99999999999999999999999999",
)  # fmt: skip


GRAMMAR = (
    "backend=", "=", "==", "a=b=c", "backend=[", "backend=]", "backend={", "backend='", 'backend="', "backend=(", "backend=)", "+=1", "~", "~backend",
    "+backend=onnx", "++backend", "backend=${x}", "backend=${oc.env:NOTHING}", "threads=${threads}", "threads=${seed", "dataset.root=${", "threads=???",
    "threads=1,2", "threads=range(1,3)", "threads=choice(", "threads=sort(3,1)", "threads=glob(*)", "threads=int(abc)", "backend.name.x=1", "seed.x=1",
    "nothing=1", "nothing.at.all=1", "backnd=onnx", "task.mod=serial", "dataset.rooot=x", "+x=1 +x=2", "~nothing", "~task.mode=foo",
    "backend@x=onnx", "backend@:x=onnx", "\u0000=1", "ключ=1", "threads=٣", "🙂=1", "a b=1", "a\nb=1", "threads=\t", "-z", "--nothing", "--cfg=foo",
    "--info=", "--config-dir=nowhere", "--config-dir=/dev/null", "--config-dir=", "--package=x", "--resolve", "x" * 5000 + "=1", "threads=" + "9" * 5000,
    "threads=" + "[" * 300 + "]" * 300, "backend=" + "a" * 3000, "-m backend=onnx,", "-m backend=,", "-m threads=1,1.5,abc seed=x",
    "-m backend=foo,bar", "-m hydra.sweep.subdir=same seed=1,2", "-m hydra/sweeper=foo seed=1,2", "-m hydra.sweeper._target_=5 seed=1,2",
)  # fmt: skip


def settings() -> Iterator[Case]:
    """Settings that no job can have, and words that Hydra's grammar does not know."""
    for text in SETTINGS:
        codes = (1, 2) if "+backend.properties" in text else (0, 2) if text in ("resume=''", "hydra.job.chdir=5") else (2,)  # what a runtime alone knows is told when it opens the model
        yield Case("settings", text, job(*text.split(" ")), needs=("data",), codes=codes)
    for text in GRAMMAR:
        added = [text] if "\n" in text or text == "a b=1" else text.split(" ")
        yield Case("grammar", repr(text[:50]), job(*added), needs=("data",), codes=(0, 2) if text == "--info=" else (2,))


COMMANDS = (
    "nothing", "Compare", "compare", "compare nowhere", "compare /", "compare ''", "compare /dev/null", "export nowhere -o w", "export", "import nowhere.zip",
    "import /dev/null", "import conf", "share nowhere -o b.zip", "share nowhere", "sync nowhere --root x", "sync --nothing", "render nowhere -s worst",
    "render", "score nowhere --dataset nowhere", "score conf --dataset nowhere", "score conf", "validate nowhere.zip", "validate /dev/zero", "validate conf",
    "pack nowhere -o x.zip", "pack conf -o x.zip", "pack conf -o /dev/null/x.zip", "convert nowhere --to pysot -o x", "convert conf --to pysot -o x",
    "convert conf --to foo -o x", "check-dataset nowhere", "check-dataset conf", "check-dataset /dev/null", "check-dataset conf --layout foo",
    "check-dataset conf --split foo", "repair --root nowhere", "repair --root /dev/null", "ui --root nowhere --no-browser", "ui --port abc",
    "ui --port 999999 --no-browser", "ui --port -1 --no-browser", "recommend --minutes -1", "recommend --minutes nan", "recommend --maximize foo",
    "recommend --require 'fps'", "recommend --seed x", "recommend search=foo", "recommend foo=1", "devices --nothing", "compare conf conf",
)  # fmt: skip


EVERYWHERE = (
    "sync / --root x", "check-dataset /", "share / -o b.zip", "score / --dataset /", "validate /", "pack / -o x.zip", "render / -s worst",
    "convert / --to pysot -o x", "export / -o w", "import /", "ui --root / --no-browser", "repair --root /", "compare /proc", "check-dataset /proc",
    "score /proc --dataset /proc", "--config-dir / tracker=standing", "--config-dir /proc tracker=standing", "compare 000000 --outputs /proc",
)  # fmt: skip
ON_RUNS = (
    "render runs -s ''", "render runs -s ../../x", "render runs -s nobody", "render runs -s worst -o /dev/null", "compare runs --fail-if x",
    "compare runs --fail-if 'ao <'", "compare runs --fail-if 'ao < nan'", "compare runs --fail-if 'ao < 1e999x'", "compare runs --fail-if ''",
    "compare runs --fail-if 'nothing < 1'", "compare runs --baseline nobody", "compare runs --out /dev/null", "compare runs --out runs/0/results.json",
    "export runs -o /dev/null/x", "export runs -o runs", "share runs -o /", "share runs -o /dev/full/x.zip", "share runs -o /proc/x.zip",
    "sync runs --uri ''", "sync runs --uri foo", "sync runs --uri http://127.0.0.1:1", "sync runs --uri http://[::1", "sync runs --uri http://x:99999999",
    "sync runs --uri http://", "sync runs --uri ftp://x", "sync runs --uri sqlite:////dev/null", "sync runs --uri sqlite:////proc/x.db",
    "sync runs --root /dev/null", "sync runs --root /proc/x", "sync runs --root ''", "sync runs --root x --experiment ''", "convert runs --to pysot -o x",
    "convert runs/0 --to pysot -o runs", "convert runs/0 --to pysot -o /dev/null", "pack runs/0 -o x.zip", "validate runs/0", "score runs --dataset runs",
    "score runs/0 --dataset nowhere", "ui runs --no-browser", "ui nobody --no-browser", "repair --root runs", "import runs", "resume=runs/0", "resume=runs",
    "resume=runs/0/results.json", "hydra.run.dir=runs", "hydra.run.dir=runs/0/results.json", "-m hydra.sweep.dir=runs seed=1,2", "dataset=folder dataset.root=runs",
)  # fmt: skip


def commands() -> Iterator[Case]:
    """Commands with arguments that are not there, or are something else."""
    import shlex

    for text in COMMANDS:
        yield Case("commands", text, tuple(shlex.split(text)), codes=(1, 2) if text.startswith("validate") else (2,))
    for text in EVERYWHERE:
        yield Case("everywhere", text, tuple(shlex.split(text)), codes=(1, 2))
    for text in ON_RUNS:
        yield Case("commands on runs", text, tuple(shlex.split(text)), needs=("runs",), codes=(0, 1, 2))
