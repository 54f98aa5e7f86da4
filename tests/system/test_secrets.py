"""A password in a store's address is used, and stands nowhere: no file, log, database, page, bundle or message has it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_line import harness, process
from fakes import standing_conf, tiny_dataset
from guard import guarded
from ready_children import Ready
from servers import free_port, start_mlflow, stop, wait_for

USER, SECRET = "reader", "hunter2secret"


def places_with(secret: bytes, folders: list[Path]) -> list[str]:
    """Files (databases, archives' entries and names of files too) in which ``secret`` stands."""
    found = []
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place) / name
                data = path.read_bytes()
                if secret in data or secret.decode() in name:
                    found.append(str(path))
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as archive:
                        found += [f"{path}: {entry}" for entry in archive.namelist() if secret in archive.read(entry)]
    return found


@contextlib.contextmanager
def titles_of_children() -> Iterator[set[str]]:
    """The command lines of all processes that the commands start, as ``ps`` shows them to everybody; looked at ten times a second."""
    titles: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            commands = [item for item in psutil.Process().children() if "harness" in " ".join(_command(item))]
            for item in commands:
                with contextlib.suppress(psutil.Error):
                    found = {" ".join(_command(child)) for child in item.children(recursive=True)}
                    titles.update(found - {" ".join(_command(item))})  # which is what was typed, and a child's until it runs its own

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield titles
    finally:
        over.set()
        thread.join()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def shown_by_ui(work: Path, imports: Ready, **environment: str) -> list[str]:
    """What ``ui`` prints, its server's command lines, and what that answers about the store ``mlruns``: the page, runs, their files."""
    port, log = free_port(), work / "ui.log"
    with log.open("wb") as output:
        child = imports.begin("ui", "--root", "mlruns", "--port", port, "--no-browser", cwd=work, stdout=output, stderr=output, **environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", child, log)
        titles = [" ".join(_command(item)) for item in psutil.Process(child.pid).children(recursive=True)]
        return [log.read_text(), *titles, *answers_about_runs(f"http://127.0.0.1:{port}")]
    finally:
        child.terminate()
        child.wait(60)


def answers_about_runs(server: str) -> list[str]:
    """The answers of MLflow's server to what its page asks: experiments, runs, the lists of their files, each file."""
    seen = []

    def ask(path: str, question: dict[str, object] | None = None) -> str:
        data = None if question is None else json.dumps(question).encode()
        request = urllib.request.Request(f"{server}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode("utf-8", "replace")
        seen.append(f"{answer.headers}{text}")
        return str(text)

    ask("")
    homes = [item["experiment_id"] for item in json.loads(ask("ajax-api/2.0/mlflow/experiments/search", {"max_results": 100}))["experiments"]]
    for run in json.loads(ask("ajax-api/2.0/mlflow/runs/search", {"experiment_ids": homes, "max_results": 1000}))["runs"]:
        identity, folders = run["info"]["run_id"], [""]
        while folders:
            listed = json.loads(ask(f"ajax-api/2.0/mlflow/artifacts/list?run_id={identity}&path={folders.pop()}"))
            folders += [item["path"] for item in listed.get("files", []) if item["is_dir"]]
            for item in listed.get("files", []):
                if not item["is_dir"]:
                    ask(f"get-artifact?run_uuid={identity}&path={item['path']}")
    return seen


@pytest.mark.slow
def test_no_file_database_log_or_message_holds_the_password_of_a_server(tmp_path: Path, prepared: Path, common: Path, imports: Ready) -> None:
    work, served = tmp_path / "work", tmp_path / "server"
    work.mkdir()
    served.mkdir()
    conf, data = standing_conf(tmp_path / "conf"), tiny_dataset(tmp_path / "data", 2, 4)
    port = free_port()
    server = start_mlflow(served, port, f"sqlite:///{served}/mlflow.db", str(served / "artifacts"), imports, common)
    said = []

    def ended(done: subprocess.CompletedProcess[str], code: int) -> None:
        said.append(done.stdout + done.stderr)
        assert done.returncode == code, done.stderr

    def call(*words: object, code: int = 0, **environment: str) -> None:
        ended(imports.run(*words, cwd=work, **environment), code)

    def call_here(*words: object, code: int = 0) -> None:
        ended(harness(*words, cwd=work), code)

    try:
        with guarded(port, USER, SECRET) as (gate, answers):
            address = f"http://{USER}:{SECRET}@127.0.0.1:{gate}"
            wrong = f"http://{USER}:x{SECRET}x@127.0.0.1:{gate}"
            job = ["--config-dir", conf, "tracker=standing", "dataset=folder", f"dataset.root={data}", "dataset.split=val", "backend=onnx",
                   f"prepare.cache={prepared}", "task.warmup=1"]  # fmt: skip
            with titles_of_children() as titles:
                ended(process("-m", *job, "mlflow=server", f"mlflow.uri={address}", "seed=1,2", "hydra.sweep.dir=sweep", cwd=work), 0)
            assert answers.count(200) > 10, "the password was not used"
            assert 401 not in answers
            call(*job, "mlflow=server", f"mlflow.uri={wrong}", "hydra.run.dir=refused")
            assert 401 in answers
            call(*job, "mlflow=server", "hydra.run.dir=by-variable", MLFLOW_TRACKING_URI=address)
            call(*job, "mlflow=local", "hydra.run.dir=here")
            call("sync", "here", "--uri", address)
            call("doctor", "--json", MLFLOW_TRACKING_URI=address)
            shown = shown_by_ui(work, imports, MLFLOW_TRACKING_URI=address)
            assert len(shown) > 15, "the user interface was not looked at"
            said += shown
            call("sync", "refused", "--uri", wrong, code=1)
            call("compare", "sweep", "--out", "compared")
            call("share", "sweep", "-o", "bundle.zip")
            call("import", "bundle.zip", "--no-mlflow")
            call("export", "sweep/0", "-o", "exported")
            call_here("--cfg", "job", *job, "mlflow=server", f"mlflow.uri={address}")
            call_here("history", "--outputs", ".", "--out", "history")
            call_here("prune", "--older-than", "1d", "--outputs", ".")
            call_here("ui", "--root", address, "--no-browser", code=2)
            call_here("ui", address, "--root", "mlruns", "--port", free_port(), "--no-browser", code=2)
            call_here("score", "sweep/0", "--mlflow", wrong, "--out", "scored", code=1)
            call_here("track", f"rtsp://{USER}:{SECRET}@127.0.0.1:{free_port()}/x", "--json", "--box", "1,1,5,5", "--timeout", "1", *job[:3], *job[6:8], code=2)
            call_here("recommend", f"mlflow.uri={address}", "tracker=nobody", code=2)
            call("-v", *job, "mlflow=server", f"mlflow.uri={wrong}", "hydra.run.dir=told")
            call("mlflow=server", f"mlflow.uri=nonsense://{USER}:{SECRET}@x", "dataset=folder", f"dataset.root={data}", code=2)
    finally:
        stop(server)
    assert len(list(work.rglob("*"))) > 60
    assert places_with(SECRET.encode(), [work, served, prepared]) == []
    assert SECRET not in "".join(said)
    assert titles  # seen while they ran: short ones can be missed
    assert not [title for title in titles if SECRET in title]
