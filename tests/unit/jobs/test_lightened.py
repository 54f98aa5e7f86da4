"""What Hydra keeps of a finished job until the sweep's end holds no configuration."""

from __future__ import annotations

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from harness.jobs.compose import Lightened


def test_a_finished_jobs_configurations_are_let_go_and_its_value_stays() -> None:
    done = JobReturn(overrides=["seed=1"], cfg=OmegaConf.create({"a": 1}), hydra_cfg=OmegaConf.create({"hydra": {}}))
    done.return_value, done.status = 3.5, JobStatus.COMPLETED
    Lightened().on_job_end(config=OmegaConf.create({}), job_return=done)
    assert (done.cfg, done.hydra_cfg) == (None, None)
    assert (done.return_value, done.overrides) == (3.5, ["seed=1"])
