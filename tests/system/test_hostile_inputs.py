"""Whatever is typed, edited, broken or sent ends within a minute, in one sentence, with the right exit code.

``HARNESS_HOSTILE=all`` runs every input, ``HARNESS_HOSTILE=300:7`` draws 300 by the seed 7; by default 40 are drawn by a fixed seed.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest
from hostile import files, lines, people
from hostile.case import Case, World, fault_of, make_world

SHARES = 10
EACH = 40


def inputs(seed: int = 1) -> list[Case]:
    """All hostile inputs."""
    generators = (lines.values(), lines.settings(), lines.commands(), people.yaml_files(), people.modules(), files.run_files(seed, 150),
                  files.data_sets(), files.archives(), files.weights(), files.places(), files.stores())  # fmt: skip
    return [case for generator in generators for case in generator]


def chosen() -> list[Case]:
    """What this run tries."""
    wanted = os.environ.get("HARNESS_HOSTILE", f"{EACH}:1")
    if wanted == "all":
        return inputs()
    count, _, seed = wanted.partition(":")
    found = inputs(int(seed or 1))
    return random.Random(int(seed or 1)).sample(found, min(int(count), len(found)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> World:
    return make_world(tmp_path_factory.mktemp("world"), prepared)


def test_there_are_at_least_five_hundred_inputs_of_every_kind() -> None:
    found = inputs()
    assert len({case.title for case in found}) == len(found) >= 500
    assert len({case.kind for case in found}) >= 18


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_hostile_inputs_end_in_one_sentence(world: World, tmp_path: Path, share: int) -> None:
    faults = {}
    for number, case in enumerate(chosen()[share::SHARES]):
        folder = tmp_path / str(number)
        folder.mkdir()
        fault = fault_of(case, world, folder)
        if fault:
            faults[case.title] = fault
            print(f"FAULT {case.title} -> {fault}", file=sys.stderr, flush=True)
        files.clean(folder)
    assert not faults
