"""hydra/sweeper=climbing: raises one key by one, job after job, for as long as the objective rises."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class ClimbingConf:
    """Keys of the sweeper."""

    _target_: str = "hydra_plugins.harness_example_sweeper.climbing.Climbing"
    key: str = "tracker.step"
    most: int = 10


ConfigStore.instance().store(group="hydra/sweeper", name="climbing", node=ClimbingConf, provider="harness-example")


class Climbing(Sweeper):
    """The sweeper."""

    def __init__(self, key: str, most: int) -> None:
        self.key, self.most = key, most
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        assert self.launcher is not None
        best, returns = float("-inf"), []
        for value in range(self.most):
            (done,) = self.launcher.launch([[*arguments, f"{self.key}={value}"]], initial_job_idx=value)
            returns.append(done.return_value)
            if not done.return_value > best:
                break
            best = done.return_value
        (Path(self.config.hydra.sweep.dir) / "climbed.txt").write_text(" ".join(map(str, returns)))
        return returns
