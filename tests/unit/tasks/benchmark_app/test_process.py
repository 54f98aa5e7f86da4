"""The child process of benchmark_app: command line, report, errors, ending. A script stands in for the app here."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.core.errors import BackendError
from harness.core.interfaces import GraphSpec, TensorSpec
from harness.tasks.benchmark_app import process as app

GRAPH = GraphSpec(
    "search",
    (TensorSpec("template_features", (1, 4, 8, 8)), TensorSpec("search", (1, 64, 64, 3), "uint8")),
    (TensorSpec("score", (1, 1, 4, 4)),),
)
SETTINGS = app.Settings(Path("model.xml"), GRAPH)
LOG = """[Step 4/11] Reading model files
[ INFO ] Model inputs:
[ INFO ]     search (node: search) : f32 / [...] / [1,64,64,3]
[Step 6/11] Configuring input of the model
[ INFO ] Model inputs:
[ INFO ]     template_features (node: template_features) : f32 / [...] / [1,4,8,8]
[ INFO ]     search (node: search) : u8 / [N,H,W,C] / [1,64,64,3]
[ INFO ] Model outputs:
[ INFO ]     score (node: score) : f32 / [...] / [1,1,4,4]
[Step 7/11] Loading the model to the device
[Step 8/11] Querying optimal runtime parameters
[ INFO ] Model:
[ INFO ]   NUM_STREAMS: 2
[ INFO ]   INFERENCE_PRECISION_HINT: <Type: 'float32'>
[Step 9/11] Creating infer requests and preparing input tensors
[ INFO ]   NOT_A_SETTING: 1
"""
REPORT = {
    "configuration_setup": {
        "API": "async",
        "inference_only": True,
        "number of parallel infer requests": "4",
        "number of iterations": "None",
    },
    "execution_results": {
        "read model time (ms)": "10.50",
        "compile model time (ms)": "200.25",
        "first inference time (ms)": "40.75",
        "total execution time (ms)": "2000.00",
        "total number of iterations": "100",
        "latency (90 percentile) (ms)": "44.00",
        "avg latency": "41.00",
        "min latency": "30.00",
        "max latency": "60.00",
        "throughput": "50.00",
    },
}


def words_after(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_command_gives_types_by_name_and_no_threads_beside_a_hint(tmp_path):
    settings = replace(SETTINGS, hint="latency", properties={"INFERENCE_NUM_THREADS": "2"}, inputs=tmp_path, fill=True)
    words = app.command(settings, tmp_path, tmp_path / "config.json")
    assert words_after(words, "-iop") == "template_features:f32,search:u8"
    assert words_after(words, "-hint") == "latency"
    assert words_after(words, "-i") == "template_features:template_features,search:search"
    assert words_after(words, "-inference_only") == "False"
    assert words_after(words, "-load_config") == str(tmp_path / "config.json")
    # the app refuses both beside a hint: they travel in the file
    assert "-nthreads" not in words
    assert "-nstreams" not in words


def test_iterations_replace_seconds(tmp_path):
    words = app.command(replace(SETTINGS, iterations=7), tmp_path, None)
    assert words_after(words, "-niter") == "7"
    assert "-t" not in words
    assert words_after(app.command(SETTINGS, tmp_path, None), "-t") == "10"


def test_report_is_parsed_by_type():
    found = app.parse(REPORT, LOG)
    assert (found.throughput, found.iterations, found.requests, found.filled_once) == (50.0, 100, 4, True)
    assert (found.first_ms, found.read_ms, found.compile_ms, found.percentile_ms) == (40.75, 10.5, 200.25, 44.0)
    assert found.settings == {"NUM_STREAMS": "2", "INFERENCE_PRECISION_HINT": "float32"}
    # the inputs as configured for compiling, not as the file has them
    assert found.inputs == {"template_features": "f32 [1,4,8,8]", "search": "u8 [1,64,64,3]"}


@pytest.mark.parametrize("key", ["throughput", "avg latency", "total number of iterations"])
def test_report_that_lacks_a_figure_is_refused(key):
    results = {name: value for name, value in REPORT["execution_results"].items() if name != key}
    with pytest.raises(BackendError, match=key):
        app.parse({**REPORT, "execution_results": results}, LOG)


def test_report_of_a_list_of_devices_has_no_latencies():
    results = {name: value for name, value in REPORT["execution_results"].items() if "latency" not in name}
    setup = {**REPORT["configuration_setup"], "target device": "MULTI:CPU"}
    found = app.parse({"execution_results": results, "configuration_setup": setup}, LOG)
    assert (found.throughput, found.percentile_ms, found.average_ms, found.min_ms, found.max_ms) == (50.0, None, None, None, None)
    with pytest.raises(BackendError, match="avg latency"):
        app.parse({"execution_results": results, "configuration_setup": {**setup, "target device": "AUTO:CPU"}}, LOG)


def test_error_inside_the_report_is_ours():
    with pytest.raises(BackendError, match="device is lost"):
        app.parse({"execution_results": {"error": "device is lost"}}, "")


@pytest.mark.parametrize(("name", "value"), [("search", "f32 [1,64,64,3]"), ("search", "u8 [1,3,64,64]")])
def test_inputs_other_than_the_sessions_are_refused(name, value):
    found = dict(app.parse(REPORT, LOG).inputs)
    app.check_inputs(found, SETTINGS)
    with pytest.raises(BackendError, match="another graph"):
        app.check_inputs({**found, name: value}, SETTINGS)


def test_complaint_keeps_the_lines_that_tell():
    log = """[Step 4/11] Reading model files
[ INFO ] Loading model files
[ ERROR ] Exception from src/inference/src/cpp/core.cpp:97:
Exception from src/frontends/x.cpp:1:
Unable to read the model: broken.xml
Traceback (most recent call last):
  File "main.py", line 5, in main
    raise Exception
"""
    found = app.complaint(log)
    assert "Unable to read the model: broken.xml" in found
    assert "Traceback" not in found
    assert "core.cpp" not in found


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Makes ``app.program`` a script with ``folder`` (of the report) and ``words`` at hand."""
    script = tmp_path / "stand_in.py"
    head = "import json, sys, time, pathlib\nwords = sys.argv[1:]\n"
    head += "folder = pathlib.Path(words[words.index('-report_folder') + 1])\n"
    script.write_text(head + body)
    monkeypatch.setattr(app, "program", lambda: [sys.executable, str(script)])


def test_run_returns_the_report_and_keeps_it(tmp_path, monkeypatch):
    body = f"print({LOG!r}); (folder / 'benchmark_report.json').write_text({json.dumps(REPORT)!r})\n"
    stand_in(tmp_path, monkeypatch, body)
    found = app.run(replace(SETTINGS, properties={"INFERENCE_NUM_THREADS": "2"}), tmp_path / "out")
    assert found.throughput == 50.0
    assert json.loads((tmp_path / "out/benchmark_report.json").read_text()) == REPORT
    assert json.loads((tmp_path / "out/config.json").read_text()) == {"CPU": {"INFERENCE_NUM_THREADS": "2"}}
    assert "NUM_STREAMS" in (tmp_path / "out/benchmark_app.log").read_text()


def test_run_that_fails_says_why_and_where(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "print('[ ERROR ] no such device'); sys.exit(1)\n")
    with pytest.raises(BackendError, match=r"no such device.*benchmark_app\.log"):
        app.run(SETTINGS, tmp_path / "out")


def test_old_report_of_the_folder_is_not_taken_for_the_runs(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "pass\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/benchmark_report.json").write_text(json.dumps(REPORT))
    with pytest.raises(BackendError, match="failed"):
        app.run(SETTINGS, tmp_path / "out")


def test_child_ends_when_the_task_is_stopped(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "print('[Step 10/11] Measuring', flush=True); time.sleep(60)\n")

    def stop(step: str, seconds: int) -> None:
        if step.startswith(app.MEASURING):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        app.run(SETTINGS, tmp_path / "out", stop)
    time.sleep(0.1)
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    assert not [child for child in running if "stand_in.py" in " ".join(child.cmdline())]


def counters(*requests: list[tuple[str, str]]) -> str:
    """A report of counters as the app writes it: (name, milliseconds) of every node of every request."""
    told = [
        {"nodes": [{"name": name, "node_type": "Convolution", "exec_type": "jit", "real_time": ms} for name, ms in nodes]}
        for nodes in requests
    ]
    return json.dumps({"report_type": "detailed", "detailed_performance": told})


def test_counters_are_means_over_requests_slowest_first(tmp_path):
    assert app.load_counters(tmp_path) == []
    (tmp_path / app.COUNTERS).write_text(counters([("a", "1.000"), ("b", "2.000"), ("c", "0.000")], [("a", "3.000"), ("b", "4.000")]))
    found = app.load_counters(tmp_path)
    assert [(row["name"], row["ms"]) for row in found] == [("b", 3.0), ("a", 2.0)]
    (tmp_path / app.COUNTERS).write_text("{}")
    with pytest.raises(BackendError, match="not a report of counters"):
        app.load_counters(tmp_path)
