"""Measures all figures in the README's tables, interleaved, and writes them: ``python -m benchmarks.run``.

Takes about eight minutes on two cores after the models are prepared. Do not use the machine meanwhile: rounds in which
something else ran do not count, and if too few count, the verdict is "inconclusive".
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import jobs, published_way
from benchmarks.bars import LEAST_ROUNDS, Bar, is_quiet, least_ratios, quartiles, ratios, value_of, values_of, verdict
from benchmarks.lanes import Lane, Running
from harness.core.config import conf_folder
from harness.core.errors import HarnessError
from harness.core.files import write_json, write_text
from harness.jobs.children import ensure_prepared
from harness.jobs.compose import make_plan
from harness.jobs.experiment import build_experiment
from harness.jobs.worker import JOB_FILE
from harness.machine import environment
from harness.machine.load import FamilyWatch

ROOT = Path(__file__).resolve().parents[1]
Config = dict[str, Any]
Rounds = list[dict[str, dict[str, float]]]
Load = dict[str, float]

SMAT = ["tracker=smat", "tracker.weights=random"]
INT8 = [  # speed needs few samples
    *("quantization=int8", "quantization.subset_size=32", "quantization.compare_seconds=0"),
    *("quantization.split=calibration", "quantization.sequences=[demo_calibration_01]"),
]
PLAIN = "tracker.rewrites=none"
OWN = "published openvino own precision/fps"
SEQUENCES = (10, 40, 160)
SMALL = [*SMAT, "tracker.width=0.25", "tracker.template_size=64", "tracker.search_size=128", "tracker.head_channels=48"]
REWRITTEN = ("torch", "onnx", "openvino", "openvino int8")
WHOLE = 79
"""Updates of a whole demo sequence: in parallel lanes the end, when a thread has no sequence left, weighs as in use."""
MARKS = ("<!-- measured -->", "<!-- end -->")


class Watch:
    """The load by others in cores: other processes, and time that the host gave to others (steal)."""

    def __init__(self) -> None:
        self._family = FamilyWatch()

    def other(self) -> Load:
        """``cores``, ``waited`` and ``lost`` since the start (``harness.machine.load.Load``)."""
        return self._family.other().plain()


# --------------------------------------------------------------------------------------------- plan


def compose(words: Sequence[str], cache: Path) -> Config:
    """Returns the configuration of a command line."""
    return make_plan([*words, f"prepare.cache={cache}", "mlflow=off"], False, None, []).jobs[0][1]


def shared_material() -> Path | None:
    """Returns NanoTrack's trained weights and real sequences, if they are beside the checkout."""
    folder = Path(os.environ.get("HARNESS_SHARED") or ROOT.parent / "shared")
    return (
        folder.resolve()
        if (folder / "nanotrack/v3/nanotrackv3.pth").is_file() and (folder / "real/val").is_dir()
        else None
    )


def configurations(cache: Path) -> dict[str, Config]:
    """Returns the measured configurations of the harness, by name."""
    words = {
        "torch": [*SMAT, "backend=torch"],
        "onnx": [*SMAT, "backend=onnx"],
        "openvino": [*SMAT, "backend=openvino"],
        "openvino throughput": [*SMAT, "backend=openvino", "hint=throughput"],
        "openvino own precision": [*SMAT, "backend=openvino", "backend.precision=device"],
        "nanotrack": ["tracker=nanotrack", "tracker.weights=random", "backend=openvino"],
    }
    if (conf_folder() / "quantization" / "int8.yaml").is_file():
        words["openvino int8"] = [*SMAT, "backend=openvino", *INT8]
    words |= {f"{name}, no rewrites": [*words[name], PLAIN] for name in REWRITTEN if name in words}
    shared = shared_material()
    if shared is not None:
        weights = shared / "nanotrack/v3/nanotrackv3.pth"
        words["nanotrack real"] = [
            *("tracker=nanotrack", f"tracker.weights={weights}", "backend=openvino"),
            *("dataset=folder", f"dataset.root={shared / 'real'}", "dataset.split=val"),
        ]
    return {name: compose(items, cache) for name, items in words.items()}


def plan_lanes(configs: Mapping[str, Config], model: Path, frames: int) -> list[Lane]:
    """Returns the lanes in the order of the first round."""
    demo = configs["openvino"]
    lanes = [
        Lane(
            f"published {runtime.replace('-', ' ')}",
            "published",
            {"runtime": runtime, "model": str(model), "config": demo, "frames": frames},
        )
        for runtime in ("torch", "onnx", "openvino", "openvino-throughput", "openvino-own-precision")
    ]
    lanes += [Lane(name, "serial", {"config": config, "frames": frames}) for name, config in configs.items()]
    for name in ("openvino", "openvino int8", "onnx"):
        if name in configs:
            lanes.append(
                Lane(
                    f"{name} parallel",
                    "parallel",
                    {"config": configs[name], "frames": WHOLE, "sequences": 8},
                )
            )
        if name in configs and name != "onnx":  # right after its counterpart: the machine changes with time
            lanes.append(Lane(f"benchmark_app {name}", "app", {"config": configs[name], "seconds": 5}))
            lanes.append(Lane(f"bare loop {name}", "bare", {"config": configs[name], "frames": WHOLE, "sequences": 8}))
    return lanes


def prepare(configs: dict[str, Config], work: Path) -> dict[str, str]:
    """Prepares every model and data set in child processes; drops those that fail and returns the reasons."""
    failed = {}
    for name, config in list(configs.items()):
        folder = work / "prepare"
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / JOB_FILE, {"config": config, "overrides": [], "name": name, "varied": {}})
        try:
            experiment = build_experiment(config)
            list(experiment.dataset)
            ensure_prepared(experiment, folder)
        except HarnessError as error:
            failed[name] = str(error)
            del configs[name]
    return failed


# ------------------------------------------------------------------------------------------- rounds


@contextmanager
def running(lanes: Sequence[Lane], warm: dict[str, dict[str, float]]) -> Iterator[list[Running]]:
    """Loads the lanes' processes one after the other; ``warm`` gets the results of their untimed rounds."""
    started: list[Running] = []
    try:
        for lane in lanes:
            say(f"loading {lane.name}")
            started.append(Running(lane))
            warm[lane.name] = started[-1].ready()
        yield started
    finally:
        for item in started:
            item.close()


def interleaved(lanes: Sequence[Running], wanted: int, limit_s: float) -> tuple[Rounds, list[Load]]:
    """Runs rounds until ``wanted`` were quiet or the time is up; each begins with another lane. Records other load."""
    rounds: Rounds = []
    loads: list[Load] = []
    end = time.monotonic() + limit_s
    while len(rounds) < wanted or (sum(is_quiet(load) for load in loads) < wanted and time.monotonic() < end):
        shift = len(rounds) % len(lanes)
        watch = Watch()
        rounds.append({item.lane.name: watched(item) for item in (*lanes[shift:], *lanes[:shift])})
        loads.append(watch.other())
        say(f"round {len(rounds)}: others used {loads[-1]['cores']:.2f} cores, waited {loads[-1]['waited']:.1%}")
    return rounds, loads


def watched(lane: Running) -> dict[str, float]:
    """Runs one round of a lane and records the time lost to others (``lost``)."""
    watch = Watch()
    found = lane.round()
    load = watch.other()
    # benchmark_app's process has ended, so only the load by others is known
    return {**found, "lost": load["cores"] if lane.lane.kind == "app" else load["lost"]}


def counted(rounds: list[Any], loads: list[Load]) -> tuple[list[Any], bool]:
    """Returns the quiet rounds if there are enough, else all; and whether they were quiet."""
    quiet = [item for item, load in zip(rounds, loads, strict=True) if is_quiet(load)]
    return (quiet, True) if len(quiet) >= LEAST_ROUNDS else (rounds, False)


def repeated(count: int, measure: Callable[[], Any]) -> tuple[list[Any], list[Load]]:
    """Calls ``measure`` ``count`` times, and records the other load of each call."""
    found, loads = [], []
    for _ in range(count):
        watch = Watch()
        found.append(measure())
        loads.append(watch.other())
    return found, loads


# --------------------------------------------------------------------------------------------- jobs


def measure_jobs(work: Path, cache: Path, count: int) -> dict[str, Any]:
    """Measures the fixed cost of a job, and memory and time by the number of sequences and frames."""
    words = [*SMAT, "backend=openvino", f"prepare.cache={cache}", "dataset.limit=1"]
    say("fixed cost of a job")
    jobs.fixed_cost(work, words)  # creates the store and fills the runtime's cache
    fixed, fixed_loads = repeated(count, lambda: jobs.fixed_cost(work, words) | jobs.further_job(work, words))
    demo = build_experiment(compose(SMALL, cache)).dataset
    configs = {
        number: compose(
            [*SMALL, "dataset=folder", f"dataset.root={jobs.many_sequences(work, demo, number)}", "task.mode=parallel"],
            cache,
        )
        for number in SEQUENCES
    }
    prepare({str(number): config for number, config in configs.items()}, work)
    say("memory and time against the number of sequences")
    grown, grown_loads = repeated(
        count, lambda: {str(number): jobs.measured(work, config, str(number)) for number, config in configs.items()}
    )
    return {"fixed": fixed, "fixed_loads": fixed_loads, "growth": grown, "growth_loads": grown_loads}


# --------------------------------------------------------------------------------------------- bars


def judge(rounds: Rounds, quiet: bool, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a row per bar of the speed goals."""

    def against(name: str, ours: str, theirs: str, least: float, aim: float | None = None) -> dict[str, Any]:
        worst = least_ratios(rounds, ours, theirs)
        return row(Bar(name, least=least, aim=aim), ratios(rounds, ours, theirs), quiet, worst=worst)

    fixed, calm = counted(found["fixed"], found["fixed_loads"]) if found else ([], False)
    growth = found["growth"] if found else []
    first, last = str(SEQUENCES[0]), str(SEQUENCES[-1])
    memory = [item[last]["peak_mb"] / item[first]["peak_mb"] for item in growth]
    rows = [
        against("OpenVINO / published OpenVINO, both f32", "openvino/fps", "published openvino/fps", 1.25, 1.5),
        against("OpenVINO int8 / published OpenVINO f32", "openvino int8/fps", "published openvino/fps", 1.75, 2.2),
        against("OpenVINO / published OpenVINO, the device's own precision", "openvino own precision/fps", OWN, 1.25, 1.5),
        against("OpenVINO int8 / published OpenVINO, the device's own precision", "openvino int8/fps", OWN, 1.75, 2.2),
        against("OpenVINO / published PyTorch", "openvino/fps", "published torch/fps", 2.5),
        against("OpenVINO int8 / published PyTorch", "openvino int8/fps", "published torch/fps", 3.6),
        against(
            "OpenVINO int8, parallel / published PyTorch",
            "openvino int8 parallel/pipeline_fps",
            "published torch/fps",
            4.3,
        ),
        against(
            "parallel / benchmark_app, fp32",
            "openvino parallel/pipeline_fps",
            "benchmark_app openvino/throughput_fps",
            0.9,
        ),
        against(
            "parallel / benchmark_app, int8",
            "openvino int8 parallel/pipeline_fps",
            "benchmark_app openvino int8/throughput_fps",
            0.9,
        ),
    ]
    for name, title in (("openvino", "fp32"), ("openvino int8", "int8")):
        ours, theirs = f"{name} parallel/pipeline_fps", f"bare loop {name}/pipeline_fps"
        rows.append(against(f"parallel / a bare loop without the harness, {title}", ours, theirs, 0.95))
    around = Bar("", most=1.0, unit="ms", hurt_by_load=True)
    for title, lane in (
        ("SMAT", "openvino"),
        ("NanoTrack", "nanotrack"),
        ("NanoTrack v3, real video", "nanotrack real"),
    ):
        values = values_of(rounds, f"{lane}/around_ms")
        if values or lane != "nanotrack real":
            rows.append(row(around, values, quiet, f"around the network, {title} (p50)"))
    rows.append(row(Bar(f"peak memory, {last} / {first} sequences", most=1.1, needs_quiet=False), memory, True))
    for name, key, most in (
        ("fixed cost of a job, warm cache", "fixed", 1.8),
        ("fixed cost of each further job of a sweep", "further", 1.2),
        ("a whole command beside tracking", "command", 4.0),
    ):
        rows.append(row(Bar(name, most=most, unit="s", hurt_by_load=True), [item[key] for item in fixed if key in item], calm))
    return rows


def row(bar: Bar, values: list[float], quiet: bool, name: str = "", worst: Sequence[float] = ()) -> dict[str, Any]:
    """Returns one line of the table of bars; ``worst`` is ``least`` of ``verdict``."""
    low, middle, high = quartiles(values) if values else (None, None, None)
    found = verdict(bar, values, quiet, worst)
    return {
        **asdict(bar),
        "name": name or bar.name,
        "q1": low,
        "median": middle,
        "q3": high,
        "rounds": len(values),
        "certain_q1": quartiles(worst)[0] if worst else None,
        "verdict": found,
    }


# ------------------------------------------------------------------------------------------- tables


def tables(report: Mapping[str, Any]) -> str:
    """Returns all tables as Markdown."""
    parts = [
        machine_line(report),
        bars_table(report["bars"]),
        speed_table(report),
        rewrites_table(report["rounds"]),
        stage_table(report["rounds"]),
    ]
    parts.append(parallel_table(report))
    if report["jobs"]:
        parts.append(jobs_table(report["jobs"]))
    if report["failed"]:
        parts.append("\n".join(f"Not measured: {name}: {reason}" for name, reason in report["failed"].items()))
    return "\n\n".join(parts) + "\n"


def machine_line(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    versions = machine["versions"]
    named = ", ".join(
        f"{name} {versions[name]}" for name in ("torch", "onnxruntime", "openvino", "nncf") if name in versions
    )
    quiet = (
        "all of them quiet"
        if report["quiet"]
        else "and the machine was not quiet: a verdict stands only where the load cannot have changed it"
    )
    return (
        f"{machine['processor']}, {machine['threads_allowed']} threads, {', '.join(machine['features'])}; {named}. "
        f"{report['date'][:16].replace('T', ' ')} UTC, {len(report['rounds'])} interleaved rounds, {quiet} "
        f"(others used {cell([load['cores'] for load in report['loads']])} cores; our threads waited "
        f"{cell([100 * load['waited'] for load in report['loads']])} % of their time for one)."
    )


def bars_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| bar | wanted | median [quartiles] | rounds | verdict |", "|---|---|---|---|---|"]
    for item in rows:
        unit = " " + item["unit"] if item["unit"] != "x" else ""
        wanted = f"at most {item['most']:g}{unit}" if item["most"] is not None else f"at least {item['least']:g}"
        wanted += f" (aim {item['aim']:g})" if item["aim"] else ""
        lines.append(f"| {item['name']} | {wanted} | {spread(item)} | {item['rounds']} | **{item['verdict']}** |")
    return "\n".join(lines)


def spread(item: Mapping[str, Any]) -> str:
    if item["median"] is None:
        return "not measured"
    return f"{item['median']:.3g} [{item['q1']:.3g}, {item['q3']:.3g}]"


def cell(values: list[float]) -> str:
    """Returns ``median [quartiles]``, or a dash."""
    if not values:
        return "-"
    low, middle, high = quartiles(values)
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]"


def speed_table(report: Mapping[str, Any]) -> str:
    """Returns frames per second of every lane, and ratios to the published method by PyTorch and the same runtime."""
    rounds = report["rounds"]
    lines = [
        "| SMAT, random weights | frames a second | of published PyTorch | of published, same runtime |",
        "|---|---|---|---|",
    ]
    for lane in rounds[0]:
        if lane.startswith("nanotrack") or lane.endswith("no rewrites"):
            continue
        metric = next(key for key in ("fps", "pipeline_fps", "throughput_fps") if key in rounds[0][lane])
        runtime = next((word for word in ("torch", "onnx", "openvino") if word in lane), "")
        same = f"published {runtime}" if not lane.startswith("published") else lane
        lines.append(
            f"| {lane} | {cell(values_of(rounds, f'{lane}/{metric}'))} "
            f"| {cell(ratios(rounds, f'{lane}/{metric}', 'published torch/fps'))} "
            f"| {cell(ratios(rounds, f'{lane}/{metric}', f'{same}/fps'))} |"
        )
    return "\n".join(lines)


def rewrites_table(rounds: Rounds) -> str:
    """Returns the gain of the exact rewrites of SMAT's network for each runtime: time of the search graph, p50."""
    lines = ["| search graph, ms (p50) | as published | rewritten | gain |", "|---|---|---|---|"]
    for name in REWRITTEN:
        before, after = f"{name}, no rewrites/inference_ms", f"{name}/inference_ms"
        gain = cell(ratios(rounds, before, after))
        lines.append(f"| {name} | {cell(values_of(rounds, before))} | {cell(values_of(rounds, after))} | {gain} |")
    return "\n".join(lines)


def stage_table(rounds: Rounds) -> str:
    """Returns the parts of a frame's time, p50 in milliseconds."""
    keys = ("decode_ms", "preprocess_ms", "inference_ms", "postprocess_ms", "call_ms", "around_ms")
    titles = ("decode", "crop", "inference", "postprocess", "call", "around the network")
    lines = [f"| one frame, ms (p50) | {' | '.join(titles)} |", "|---" * (len(keys) + 1) + "|"]
    for lane in rounds[0]:
        if value_of(rounds[0], f"{lane}/preprocess_ms") is not None:
            lines.append(f"| {lane} | {' | '.join(cell(values_of(rounds, f'{lane}/{key}')) for key in keys)} |")
    return "\n".join(lines)


def parallel_table(report: Mapping[str, Any]) -> str:
    """Checks whether decoding is short compared with inference, and whether there are too many runnable threads."""
    lines = [
        "| in parallel | decode, ms | inference, ms | runnable threads: median, p99 | allowed |",
        "|---|---|---|---|---|",
    ]
    for lane, warm in report["warm"].items():
        if "runnable_p50" in warm:
            times = [cell(values_of(report["rounds"], f"{lane}/{key}")) for key in ("decode_ms", "inference_ms")]
            runnable = f"{warm['runnable_p50']:.0f}, {warm['runnable_p99']:.0f}"
            lines.append(f"| {lane} | {times[0]} | {times[1]} | {runnable} | {report['machine']['threads_allowed']} |")
    return "\n".join(lines)


def jobs_table(found: Mapping[str, Any]) -> str:
    """Returns fixed cost, memory and time of whole jobs."""
    lines = ["| one job, seconds | median [quartiles] |", "|---|---|"]
    for key, title in (
        ("start", "spawn to first tracked frame"),
        ("end", "last frame to logged"),
        ("fixed", "both"),
        ("command", "the whole command beside tracking, report included"),
        ("further", "each further job of a sweep, its share of the sweep's end included"),
    ):
        if values := [item[key] for item in found["fixed"] if key in item]:
            lines.append(f"| {title} | {cell(values)} |")
    lines += ["", "| sequences | frames | peak MB | seconds of the measuring process |", "|---|---|---|---|"]
    for number in found["growth"][0]:
        rows = [item[number] for item in found["growth"]]
        peak, seconds = ([item[key] for item in rows] for key in ("peak_mb", "seconds"))
        lines.append(f"| {number} | {rows[0]['frames']:.0f} | {cell(peak)} | {cell(seconds)} |")
    return "\n".join(lines)


# --------------------------------------------------------------------------------------------- main


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def write_readme(path: Path, text: str) -> None:
    """Writes the tables between the markers in the README."""
    before, begin, rest = path.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if begin and end:
        write_text(path, f"{before}{begin}\n\n{text}\n{end}{after}")


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Runs everything and returns what goes into ``latest.json``."""
    cache = Path(options.cache).resolve()
    machine = environment.describe()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        work = Path(scratch)
        configs = configurations(cache)
        failed = prepare(configs, work)
        lanes = plan_lanes(configs, published_model(cache), options.frames)
        warm: dict[str, dict[str, float]] = {}
        with running(lanes, warm) as started:
            rounds, loads = interleaved(started, options.rounds, options.limit)
        found: dict[str, Any] = {}
        try:
            found = {} if options.no_jobs else measure_jobs(work, cache, options.rounds)
        except (RuntimeError, HarnessError) as error:
            failed["jobs"] = str(error)
    rounds, quiet = counted(rounds, loads)
    return {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {key: value for key, value in machine.items() if key not in ("hostname", "kernel")},
        "frames": options.frames,
        "quiet": quiet,
        "loads": loads,
        "bars": judge(rounds, quiet, found),
        "rounds": rounds,
        "warm": warm,
        "jobs": found,
        "failed": failed,
    }


def published_model(cache: Path) -> Path:
    """Makes the published network's ONNX file, once, in a separate process."""
    from multiprocessing import get_context

    path = cache / "benchmarks" / "published.onnx"
    child = get_context("spawn").Process(target=published_way.export, args=(path,))
    child.start()
    child.join()
    if not path.is_file():
        raise SystemExit("the published network could not be exported; the reason is above")
    return path


def main() -> int:
    """Measures, prints the tables, writes ``latest.json`` and the README's tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="quiet rounds wanted")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds for rounds, where more are needed to be quiet"
    )
    parser.add_argument("--frames", type=int, default=25, help="timed frames per lane and round, at most 79")
    parser.add_argument("--cache", default="outputs/cache", help="folder of prepared models")
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "latest.json"))
    parser.add_argument("--no-jobs", action="store_true", help="leave out fixed cost, memory and time of whole jobs")
    options = parser.parse_args()
    report = measure_all(options)
    write_json(Path(options.out), report)
    text = tables(report)
    print(text)
    if Path(options.out).resolve() == ROOT / "benchmarks" / "latest.json":
        write_readme(ROOT / "benchmarks" / "README.md", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
