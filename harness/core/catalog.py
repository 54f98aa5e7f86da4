"""The definition of every metric and of every group of the configuration; this is the only place for them.

Tables, gates, pages, pictures, MLflow's columns, the check of bundles, ``score``, ``export --best`` and the table in the
documentation read these entries. A new metric is one more entry: below, or in an installed package that names a list of
``Metric`` under the entry point group ``harness.metrics``.

A ``*`` in a name matches one part between slashes (``realtime/*/ao``); in the title and the meaning ``{}`` is that part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from harness.core import plugins
from harness.core.errors import ConfigError
from harness.core.interfaces import Better, Metric, Need, Place
from harness.core.lookup import Catalog

# --------------------------------------------------------------------------------- the configuration's groups


@dataclass(frozen=True)
class Group:
    """A group of the configuration: a folder of choices under ``conf/``.

    ``measured``: the choice is part of what a job measures, so it is a column of the CSV and a tag. ``compared``: a
    comparison of runs that a user selects is about this choice; any other difference between them is a warning.
    """

    name: str
    measured: bool = True
    compared: bool = False


GROUPS = (
    Group("tracker", compared=True),
    Group("backend", compared=True),
    Group("device", compared=True),
    Group("hint", compared=True),
    Group("quantization", compared=True),
    Group("dataset"),
    Group("task"),
    Group("mlflow", measured=False),
    Group("experiment", measured=False),
    Group("search", measured=False),
)
GROUP_NAMES = tuple(group.name for group in GROUPS)
MEASURED_GROUPS = tuple(group.name for group in GROUPS if group.measured)
COMPARED_GROUPS = tuple(group.name for group in GROUPS if group.compared)


PACKAGES = (
    "torch", "onnx", "onnxruntime", "onnxruntime-gpu", "openvino", "nncf", "numpy", "opencv-python", "mlflow", "hydra-core", "pandas",
)  # fmt: skip
"""The packages whose versions every record keeps: they decide the results, or how results are stored."""


# ---------------------------------------------------------------------------------------------- metrics

SPEEDS = ("fps", "pipeline_fps", "benchmark_app/throughput_fps")
"""Speeds that runs are compared by, in order of preference; only the same metric is compared."""

KINDS = {
    "accuracy": "Accuracy",
    "speed": "Speed",
    "latency": "Latency of a frame",
    "start": "Start",
    "memory": "Memory and size",
    "conversion": "Conversion",
    "agreement": "Agreement with the baseline",
    "confidence": "Confidence",
    "realtime": "Accuracy at a camera's rate",
    "capacity": "Capacity",
    "soak": "Endurance",
    "vot": "VOT challenge",
    "energy": "Energy",
    "int8": "int8 against fp32",
    "benchmark_app": "benchmark_app",
    "gap": "From benchmark_app to the tracker",
    "profile": "Layers",
    "cluster": "Cluster",
    "spread": "Noise",
}
"""Kind -> its heading. A package may add metrics of a kind of its own."""

TABLE: tuple[Place, ...] = ("figures", "terminal")
MAIN: tuple[Place, ...] = ("main", "terminal")
WIDE: tuple[Place, ...] = ("figures",)
POOLED = "frames pooled"
MEANS = "mean over sequences"


def _accuracy(
    name: str, title: str, meaning: str, places: tuple[Place, ...] = (), sequences: str = POOLED, unit: str = "0 to 1"
) -> Metric:
    return Metric(
        name, title, unit, "higher", 4, "accuracy", meaning, sequences=sequences, places=places, needs=("truth",)
    )


def _timing(
    kind: str, name: str, title: str, meaning: str, places: tuple[Place, ...] = (), *, unit: str = "ms",
    better: Better = "lower", digits: int = 1, sequences: str = POOLED, label: str = "",
) -> Metric:  # fmt: skip
    return Metric(
        name, title, unit, better, digits, kind, meaning, sequences=sequences, places=places, needs=("machine",), label=label
    )


def _speed(name: str, title: str, label: str, meaning: str, places: tuple[Place, ...] = ()) -> Metric:
    return _timing("speed", name, title, meaning, places, unit="frames/s", better="higher", label=label)


def _other(
    kind: str, name: str, title: str, unit: str, better: Better, digits: int, meaning: str, *, sequences: str = POOLED,
    places: tuple[Place, ...] = (), needs: tuple[Need, ...] = (), factor: float = 1.0,
) -> Metric:  # fmt: skip
    return Metric(
        name, title, unit, better, digits, kind, meaning, sequences=sequences, places=places, needs=needs, factor=factor
    )


def _realtime(
    name: str, title: str, unit: str, better: Better, digits: int, meaning: str, needs: Need, main: bool = False
) -> Metric:
    places = MAIN if main else ()
    return Metric(f"realtime/*/{name}", title, unit, better, digits, "realtime", meaning, places=places, needs=(needs,))


METRICS: tuple[Metric, ...] = (
    _accuracy("ao", "AO", "average overlap of box and truth over all scored frames of all sequences, first frames left out",
              (*MAIN, "mlflow")),
    _accuracy("sr50", "SR0.50", "share of scored frames with overlap above 0.5", (*MAIN, "mlflow")),
    _accuracy("sr75", "SR0.75", "share of scored frames with overlap above 0.75", MAIN),
    _accuracy("mao", "mAO", "mean over the classes of objects of the mean AO of a class's sequences",
              sequences="mean over classes of means over sequences"),
    _accuracy("auc", "AUC", "area under the success curve: mean success rate over 21 overlap thresholds from 0 to 1",
              (*MAIN, "mlflow"), MEANS),
    _accuracy("op50", "OP0.50", "share of frames with overlap above 0.5, mean over sequences", WIDE, MEANS),
    _accuracy("op75", "OP0.75", "share of frames with overlap above 0.75, mean over sequences", WIDE, MEANS),
    _accuracy("precision20", "P20", "share of frames whose box centre lies at most 20 pixels from the truth's",
              (*MAIN, "mlflow"), MEANS),
    _accuracy("norm_precision20", "P0.2 norm.",
              "share of frames whose box centre lies at most 0.2 of the truth's size from the truth's", WIDE, MEANS),

    _speed("fps", "fps", "Tracking speed", "frames over the sum of their times: crop, inference, postprocessing; no decoding, one sequence at a time",
           (*MAIN, "mlflow")),
    _speed("pipeline_fps", "pipeline", "With decoding", "frames over wall clock time, decoding included", (*WIDE, "mlflow")),
    _speed("fps_got10k", "fps (GOT-10k)", "", "mean over frames of 1 / time, as the GOT-10k toolkit and server compute it"),
    _timing("latency", "latency_ms/p50", "p50", "half of the frames took less than this", (*TABLE, "mlflow")),
    _timing("latency", "latency_ms/p90", "p90", "nine of ten frames took less", TABLE),
    _timing("latency", "latency_ms/p99", "p99", "99 of 100 frames took less", (*TABLE, "mlflow")),
    _other("latency", "budget/over", "over budget", "%", "lower", 1, "share of frames that took longer than target_fps leaves",
           places=TABLE, needs=("machine",), factor=100.0),
    _timing("latency", "latency_ms/mean", "mean", "mean time of a frame"),
    _timing("latency", "latency_ms/max", "max", "the slowest frame"),
    _timing("latency", "latency_ms/first", "first", "the first frame that was tracked, before anything is warm"),
    _timing("latency", "stage_ms/decode", "decode", "median time to read and decode a frame, which is not part of fps", digits=2),
    _timing("latency", "stage_ms/preprocess", "preprocess", "median time before the first inference of a frame", digits=2),
    _timing("latency", "stage_ms/inference", "inference", "median time inside the runtime", digits=2),
    _timing("latency", "stage_ms/postprocess", "postprocess", "median time after the inference of a frame", digits=2),
    _timing("latency", "stage_ms/tracker", "tracker", "median time of a frame by the clock of a tracker that runs as it is", digits=2),
    _timing("start", "load_ms/read", "read", "time to read the model files", sequences=""),
    _timing("start", "load_ms/compile", "compile", "time to compile the graphs for the device", sequences=""),
    _timing("start", "fixed_s/start", "start", "from the moment when its process gets the job to the first tracked frame",
            unit="s", digits=2, sequences=""),
    _timing("start", "fixed_s/*", "{}", "fixed cost of a job, part '{}'", unit="s", digits=2, sequences=""),

    _other("memory", "rss_mb/peak", "peak", "MB", "lower", 0, "most resident memory of the measuring process (MiB)",
           sequences="", places=(*TABLE, "mlflow"), needs=("machine",)),
    _other("memory", "card_mb/peak", "card", "MB", "lower", 0,
           "most memory that the runtime took on the card (MiB): weights, activations and what it keeps for reuse; CUDA's own context is not in it",
           sequences="", places=(*WIDE, "mlflow"), needs=("machine",)),
    _other("memory", "model_mb", "model", "MB", "lower", 1, "size of the model files", sequences="", places=(*WIDE, "mlflow")),
    _other("conversion", "parity/max_abs_diff", "parity", "", "lower", 7,
           "largest difference of any output of the converted graphs from the source's, on seeded inputs", sequences=""),

    _timing("benchmark_app", "benchmark_app/throughput_fps", "app fps",
            "inferences of the search graph per second, by OpenVINO's benchmark_app", TABLE, unit="inf./s", better="higher", label="benchmark_app"),
    _timing("benchmark_app", "benchmark_app/first_inference_ms", "app first", "benchmark_app's first inference", TABLE),
    _timing("benchmark_app", "benchmark_app/latency_ms/median", "app p50", "benchmark_app's median latency", TABLE),
    _timing("benchmark_app", "benchmark_app/latency_ms/average", "app mean", "benchmark_app's mean latency", TABLE),
    _timing("benchmark_app", "benchmark_app/latency_ms/*", "app {}", "benchmark_app's latency: {}"),
    _timing("benchmark_app", "benchmark_app/read_ms", "app read", "time benchmark_app took to read the model"),
    _timing("benchmark_app", "benchmark_app/compile_ms", "app compile", "time benchmark_app took to compile the model"),
    _timing("benchmark_app", "benchmark_app/total_ms", "app total", "how long benchmark_app ran", better=""),
    _other("benchmark_app", "benchmark_app/iterations", "app iterations", "", "", 0, "inferences that benchmark_app made"),
    _other("benchmark_app", "benchmark_app/requests", "app requests", "", "", 0, "inference requests in flight"),
    _other("benchmark_app", "benchmark_app/streams", "app streams", "", "", 0, "streams that the device used"),
    _other("benchmark_app", "benchmark_app/threads", "app threads", "", "", 0, "threads that the device used"),

    Metric("speed_up", "speed-up", "times", "higher", 2, "speed", "speed divided by the baseline's", suffix="x",
           sequences=POOLED, places=MAIN, needs=("machine", "baseline")),
    Metric("ao_difference", "AO diff.", "", "higher", 4, "accuracy", "AO minus the baseline's, paired by sequence",
           sequences=POOLED, places=("main",), needs=("truth", "baseline"), signed=True),
    _other("agreement", "agreement/mean_iou", "mean IoU", "0 to 1", "", 4,
           "overlap of the run's boxes with the baseline's, frame 0 left out; 1 means the same boxes",
           places=(*MAIN, "mlflow"), needs=("baseline",)),
    _other("agreement", "agreement/identical_boxes", "identical", "%", "", 1,
           "share of boxes that equal the baseline's in all four shipped numbers", places=("main",), needs=("baseline",),
           factor=100.0),
    _other("agreement", "agreement/first_divergent_frame", "first other frame", "frame", "", 0,
           "the first frame (0-based) at which the boxes of any sequence differ; absent if none does",
           sequences="least over sequences", needs=("baseline",)),
    _other("agreement", "agreement/confidence_diff", "conf. diff.", "", "", 4,
           "mean absolute difference of the confidence from the baseline's", needs=("baseline",)),
    _other("agreement", "agreement/confidence_flips", "conf. flips", "%", "", 1,
           "share of frames whose confidence lies on the other side of the baseline's threshold", needs=("baseline",),
           factor=100.0),

    _other("confidence", "confidence/auroc", "AUROC", "0 to 1", "higher", 4,
           "how well the confidence tells frames with overlap above 0.5 from the rest: 0.5 is chance, 1 is perfect",
           places=WIDE, needs=("truth",)),
    _other("confidence", "confidence/threshold", "conf. threshold", "", "", 4,
           "the confidence at and above which a frame is best taken as tracked (largest F1)", needs=("truth",)),

    _realtime("ao", "AO at {} fps", "0 to 1", "higher", 4, "average overlap when frames arrive at {} per second", "truth", True),
    _realtime("sr50", "SR0.50 at {} fps", "0 to 1", "higher", 4,
              "share of frames with overlap above 0.5 when frames arrive at {} per second", "truth"),
    _realtime("sr75", "SR0.75 at {} fps", "0 to 1", "higher", 4,
              "share of frames with overlap above 0.75 when frames arrive at {} per second", "truth"),
    _realtime("auc", "AUC at {} fps", "0 to 1", "higher", 4,
              "area under the success curve when frames arrive at {} per second", "truth", True),
    _realtime("precision20", "P20 at {} fps", "0 to 1", "higher", 4,
              "share of frames whose box centre is at most 20 pixels off when frames arrive at {} per second", "truth"),
    Metric("realtime/*/dropped", "dropped at {} fps", "%", "lower", 1, "realtime",
           "share of the frames that the tracker never saw at {} frames per second", sequences=POOLED, places=WIDE,
           needs=("machine",), factor=100.0),
    Metric("realtime/*/late", "late at {} fps", "%", "lower", 1, "realtime",
           "share of the boxes that were ready only after the next frame had arrived, at {} frames per second",
           sequences=POOLED, needs=("machine",), factor=100.0),
    _realtime("age_ms_p50", "age p50 at {} fps", "ms", "lower", 1,
              "median age of the newest box at {} frames per second", "machine"),
    _realtime("age_ms_p99", "age p99 at {} fps", "ms", "lower", 1,
              "99 of 100 times the newest box was younger than this, at {} frames per second", "machine"),
    _other("capacity", "capacity/streams", "streams", "", "higher", 0,
           "the largest number of sequences tracked at once, each at the camera's rate and within the deadline",
           sequences="", places=TABLE, needs=("machine",)),
    _other("capacity", "capacity/low", "streams, sure", "", "higher", 0,
           "the largest number of streams that passed at 99 % confidence", sequences="", needs=("machine",)),
    _other("capacity", "capacity/high", "streams, at most", "", "higher", 0,
           "the largest number of streams that did not fail at 99 % confidence", sequences="", needs=("machine",)),
    _timing("capacity", "capacity/p99_ms", "p99 at capacity", "99 of 100 frames were finished this soon after they arrived",
            WIDE, sequences=""),
    _other("vot", "vot/accuracy", "VOT accuracy", "0 to 1", "higher", 4, "mean overlap while the tracker has not failed, by vot-toolkit",
           sequences=MEANS, places=TABLE, needs=("truth",)),
    _other("vot", "vot/robustness", "VOT robustness", "", "", 4,
           "by vot-toolkit: failures (supervised, lower is better) or the share of frames before failure (multistart, higher is better)",
           sequences=MEANS, places=TABLE, needs=("truth",)),
    _other("vot", "vot/eao", "EAO", "0 to 1", "higher", 4, "expected average overlap, by vot-toolkit", sequences=MEANS, places=TABLE,
           needs=("truth",)),
    _timing("soak", "soak/fps_first", "fps first", "speed in the first minute", WIDE, unit="frames/s", better="higher"),
    _timing("soak", "soak/fps_last", "fps last", "speed in the last minute", WIDE, unit="frames/s", better="higher"),
    _timing("soak", "soak/slowdown", "slowdown", "how much slower the last minute was than the first: 0.1 means 10 %",
            WIDE, unit="", digits=3),
    _timing("energy", "energy/joules_per_frame", "J per frame", "energy by the machine's counters, divided by frames",
            TABLE, unit="J", digits=3),
    _timing("energy", "energy/watts", "power", "mean power by the machine's counters", WIDE, unit="W"),

    _other("int8", "int8/size_ratio", "size", "times", "lower", 3, "size of all files divided by fp32's", sequences=""),
    _other("int8", "int8/weights_ratio", "weights", "times", "lower", 3,
           "size of the weights of the graph that shrank most, divided by fp32's", sequences=""),
    _timing("int8", "int8/fps_ratio", "int8 speed-up", "fp32's time divided by int8's, of all frames",
            unit="times", better="higher", digits=2),
    _timing("int8", "int8/latency_ratio", "int8 latency gain", "fp32's time divided by int8's, of the median frame",
            unit="times", better="higher", digits=2),
    _timing("int8", "int8/latency_ms/p50", "int8 p50", "median time of a frame in int8, beside fp32"),
    _timing("int8", "int8/fp32_latency_ms/p50", "fp32 p50", "median time of a frame in fp32, beside int8"),
    _other("int8", "int8/max_output_diff_share", "output diff.", "", "lower", 4,
           "largest difference of an output from fp32's on the same inputs, as a share of that output's range"),
    _other("int8", "int8/*/mean_iou", "mean IoU ({})", "0 to 1", "higher", 4, "overlap with fp32's boxes, {} running"),
    _other("int8", "int8/*/first_divergent_frame", "first other frame ({})", "frame", "higher", 0,
           "the first frame whose box overlaps fp32's less than 0.5, {} running; absent if none", sequences="least over sequences"),
    Metric("int8/ao_difference", "int8 AO diff.", "", "higher", 4, "int8", "AO minus fp32's on the same frames",
           sequences=POOLED, needs=("truth",), signed=True),
    Metric("int8/ao_difference_*", "int8 AO diff. ({})", "", "higher", 4, "int8",
           "end '{}' of the 95 % interval of the AO difference", sequences=POOLED, needs=("truth",), signed=True),
    _other("int8", "int8/layers_share", "int8 layers", "%", "higher", 1,
           "share of convolutions and matrix products that the runtime executed in int8", sequences="", factor=100.0),
    _other("int8", "int8/*", "int8 {}", "", "", 4, "int8 against fp32: {}"),

    _timing("gap", "gap/ms/*", "{} ms", "time of a frame at step '{}' between benchmark_app and the tracker", digits=2),
    _timing("gap", "gap/fps/*", "{} fps", "frames per second at step '{}'", unit="frames/s", better="higher", digits=2),
    _timing("gap", "gap/step_ms/*", "{} adds", "time that step '{}' adds to a frame", digits=2),
    _timing("gap", "gap/unexplained_ms", "unexplained", "time of a frame that no step explains", digits=2),
    _timing("gap", "gap/disagreement_ms", "disagreement", "steps and the loop's own timers differ by this", digits=2),
    _timing("gap", "gap/disagreement_share", "disagreement share", "the same as a share of a frame's time", unit="", digits=3),
    _timing("gap", "gap/spread", "gap spread", "(largest - smallest) / median of a step over the rounds", unit="", digits=3),
    _timing("profile", "profile/plain_ms", "graph", "median time of an inference without a profiler", digits=2),
    _timing("profile", "profile/total_ms", "layers", "sum over all layers, with the profiler on", digits=2),
    _timing("profile", "profile/limit_ms", "limit", "least time of all layers by what this machine reached in large products and copies", digits=2),
    _timing("profile", "profile/type_ms/*", "{}", "time of an inference in layers of type {}", digits=3),

    _other("cluster", "cluster/workers", "workers", "", "", 0, "worker processes that tracked", sequences=""),
    _other("cluster", "cluster/lost_workers", "lost workers", "", "lower", 0, "workers that were lost and replaced", sequences=""),
    _timing("cluster", "cluster/speedup", "cluster speed-up", "seconds of tracking done over seconds passed",
            unit="times", better="higher", digits=2, sequences=""),
    _timing("cluster", "cluster/ideal_share", "of ideal", "speed-up as a share of the ideal one", unit="",
            better="higher", digits=3, sequences=""),
    _timing("cluster", "cluster/ideal_share_open", "of ideal, opened", "the same, from when the models were open", unit="",
            better="higher", digits=3, sequences=""),
    _timing("cluster", "cluster/open_s", "open", "time until the workers' models were open", unit="s", digits=2, sequences=""),
    _timing("cluster", "cluster/shard_overhead_ms", "overhead", "median time around the tracking of a shard", sequences=""),
    Metric("spread/*", "spread of {}", "%", "lower", 1, "spread", "(largest - smallest) / median of {} over the rounds",
           rounds="over rounds", needs=("machine",), factor=100.0),
    Metric("spread/*/*", "spread of {}/{}", "%", "lower", 1, "spread",
           "(largest - smallest) / median of {}/{} over the rounds", rounds="over rounds", needs=("machine",), factor=100.0),
)  # fmt: skip
"""If several patterns fit a name, the earliest entry is used; tables show columns in this order."""


def catalog_with(extra: Iterable[Metric] = ()) -> Catalog:
    """Returns the shipped entries followed by ``extra``. Raises ConfigError if a name is already taken."""
    return Catalog([*METRICS, *extra])


def catalog() -> Catalog:
    """Returns the catalogue: the shipped entries and those of installed packages.

    A package's entry point names a ``Metric`` or several. Raises ConfigError if it names something else.
    """
    return _with_plugins(plugins.found("metrics"))


@lru_cache(maxsize=4)
def _with_plugins(found: tuple[plugins.Plugin, ...]) -> Catalog:
    extra: list[Metric] = []
    for plugin in found:
        named = plugin.load()
        entries = [named] if isinstance(named, Metric) else list(named) if isinstance(named, Iterable) else [named]
        if not all(isinstance(entry, Metric) for entry in entries):
            raise ConfigError(
                f"the plug-in {plugin.name!r} (harness.metrics) of package {plugin.package} names {plugin.target}, which is "
                "neither a harness.core.interfaces.Metric nor a list of them."
            )
        extra += entries
    return catalog_with(extra)
