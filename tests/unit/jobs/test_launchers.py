"""Which launcher gives a job cores of its own, and what is known of jobs that died."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.core.config import conf_folder
from harness.core.errors import ConfigError
from harness.core.files import write_json
from harness.core.results import Results
from harness.jobs import launchers
from harness.jobs.complaints import in_our_words
from harness.jobs.compose import make_plan
from harness.jobs.sweep import adopt_lost
from harness.machine import environment

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher."


@pytest.mark.parametrize(
    ("launcher", "threads", "count"),
    [
        ({"_target_": JOBLIB, "n_jobs": 1}, None, 8),
        ({"_target_": JOBLIB, "n_jobs": 3}, None, 2),
        ({"_target_": JOBLIB, "n_jobs": -1}, None, 1),
        ({"_target_": JOBLIB, "n_jobs": 4}, 6, 6),  # asked for more than its share: fewer jobs run at once
        ({"_target_": JOBLIB, "n_jobs": 99}, None, 1),
        ({"_target_": SUBMITIT + "LocalLauncher", "cpus_per_task": None}, None, 8),
        ({"_target_": SUBMITIT + "LocalLauncher", "cpus_per_task": 2}, None, 2),
        ({"_target_": SUBMITIT + "SlurmLauncher", "cpus_per_task": 2}, None, None),
        ({"_target_": launchers.BASIC}, None, None),
    ],
)
def test_a_jobs_share_of_the_cores(
    launcher: dict[str, Any], threads: int | None, count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchers, "thread_budget", lambda: 8)
    assert launchers.job_cores(launcher, threads) == count


def test_a_task_of_slurm_takes_what_it_was_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "allowed_cores", lambda: list(range(16)))
    monkeypatch.setattr(environment, "cgroup_cpu_limit", lambda: None)
    for granted, threads in (("4", 4), ("64", 16), ("", 16), ("0", 1)):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
        assert environment.thread_budget() == threads


def test_the_others_are_waited_for(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (tmp_path / ".submitit" / str(child.pid)).mkdir(parents=True)
    done = tmp_path / ".submitit" / "1"  # a process that lives, with a job that has ended
    done.mkdir()
    (done / "1_0_result.pkl").touch()
    threading.Timer(0.7, child.kill).start()
    begin = time.monotonic()
    launchers.wait_for_the_others(SUBMITIT + "LocalLauncher", tmp_path)
    assert 0.6 < time.monotonic() - begin < 20
    child.wait()


def test_a_lost_job_gets_a_result(tmp_path: Path) -> None:
    plan = make_plan(["backend=torch,onnx", "mlflow=off"], True, None, [])
    write_json(tmp_path / "sweep.json", {"count": 2, "varied": ["backend"], "jobs": ["0", "1"]})
    (tmp_path / "0").mkdir()
    Results("a" * 32, "torch", "ok", plan.jobs[0][1]).save(tmp_path / "0")
    adopt_lost(plan, tmp_path, RuntimeError("job 17 was ended: out of memory\n[1/2] its log"))
    assert Results.load(tmp_path / "0").status == "ok"
    lost = Results.load(tmp_path / "1")
    assert (lost.status, lost.name) == ("failed", "onnx")
    assert lost.error is not None
    assert lost.error["kind"] == "Lost"
    assert "out of memory" in lost.error["message"]


def test_a_lost_job_that_a_sweeper_chose_gets_a_result_too(tmp_path: Path) -> None:
    plan = make_plan(["backend=torch", "mlflow=off"], True, None, [])
    config = plan.jobs[0][1]
    plan.jobs, plan.folders, plan.known = [], [], False
    write_json(tmp_path / "sweep.json", {"call": "now", "count": 0, "varied": [], "jobs": [], "open": True, "given": []})
    for name, call in (("deep/5", "now"), ("old", "before")):
        write_json(tmp_path / name / "job.json", {"call": call, "number": 5, "overrides": ["seed=3"], "config": config})
    adopt_lost(plan, tmp_path, RuntimeError("out of memory"))
    lost = Results.load(tmp_path / "deep/5")
    assert (lost.status, lost.name) == ("failed", "seed=3")
    assert not (tmp_path / "old/results.json").exists()  # of another start of this sweep


def test_slurm_preset_reaches_sbatch(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="extra [cluster] is not installed")
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf
    from submitit.slurm.slurm import _make_sbatch_string

    words = ["hydra/launcher=slurm", "hydra.launcher.partition=fast", "hydra.launcher.array_parallelism=3"]
    with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
        composed = compose("config", overrides=words, return_hydra_config=True)
    chosen = OmegaConf.to_container(composed.hydra.launcher, resolve=False)
    assert isinstance(chosen, dict)
    named = {key: chosen[key] for key in ("partition", "cpus_per_task", "array_parallelism", "additional_parameters")}
    text = _make_sbatch_string("true", tmp_path, map_count=8, time=chosen["timeout_min"], **named)
    for line in ("--partition=fast", "--cpus-per-task=8", "--array=0-7%3", "--time=240", "--exclusive", "--hint=nomultithread"):
        assert f"#SBATCH {line}" in text


def test_a_missing_plugin_is_reported_with_what_to_install() -> None:
    with pytest.raises(ConfigError, match="hydra/launcher=slrm is unknown"):
        make_plan(["hydra/launcher=slrm"], True, None, [])
    error = RuntimeError("In 'hydra/launcher/slurm': Could not find 'hydra/launcher/submitit_slurm'")
    assert "tracker-harness[cluster]" in in_our_words(error)


@pytest.mark.parametrize(("key", "value"), [("n_jobs", 0), ("n_jobs", -2), ("n_jobs", "two"), ("cpus_per_task", 0)])
def test_numbers_that_a_launcher_cannot_take(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"hydra\.launcher\.{key} is "):
        launchers.check({"_target_": "x", key: value})
    launchers.check({"n_jobs": -1, "cpus_per_task": None, "nodes": "${oc.env:NODES}"})
