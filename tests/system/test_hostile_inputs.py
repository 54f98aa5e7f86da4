"""Whatever is typed, edited, broken or sent ends within a minute, in one sentence, with the right exit code.

``HARNESS_HOSTILE=all`` runs every input, ``HARNESS_HOSTILE=20:7`` draws up to 20 of each kind by the seed 7; by default 7 of each are
drawn by a fixed seed, those that cost no process of their own first. A kind is a test, so that ``-k bundles`` runs bundles alone.
"""

from __future__ import annotations

import functools
import os
import random
import sys
from pathlib import Path

import pytest
from hostile import bundles, damages, files, keys, lines, models, others, people, samples
from hostile.case import Case, World, fault_of, make_world

EACH = 7
DEAR = 3
"""Of a kind of which few are cheap so many start processes, which cost seconds; of another one does."""
SETTINGS_TRIED = 15
"""Keys of each group with a value each."""


@functools.cache
def inputs(seed: int) -> list[Case]:
    """All hostile inputs; making them takes a second."""
    generators = (lines.values(), lines.settings(), lines.commands(), people.yaml_files(), people.modules(), files.run_files(seed, 150),
                  files.data_sets(), files.archives(), files.weights(), files.places(), files.stores(), bundles.bundles(), models.models(),
                  samples.samples(), damages.damaged(), others.others())  # fmt: skip
    return [case for generator in generators for case in generator]


KINDS = sorted({case.kind for case in inputs(1)})


def chosen(kind: str) -> list[Case]:
    """What this run tries of a kind."""
    wanted = os.environ.get("HARNESS_HOSTILE", "")
    count, _, seed = wanted.partition(":")
    found = [case for case in inputs(int(seed or 1)) if case.kind == kind]
    if wanted == "all":
        return found
    random.Random(int(seed or 1)).shuffle(found)
    if wanted:
        return found[: int(count)]
    cheap, dear = [case for case in found if not case.dear], [case for case in found if case.dear]
    return [*cheap[: EACH - 1], *dear[: 1 if len(cheap) >= EACH - 1 else DEAR]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> World:
    return make_world(tmp_path_factory.mktemp("world"), prepared)


def test_there_are_at_least_five_hundred_inputs_of_every_kind() -> None:
    found = inputs(1)
    titles = [case.title for case in found]
    assert not {title for title in titles if titles.count(title) > 1}
    assert len(found) >= 500
    assert len(KINDS) >= 18


def test_at_least_150_inputs_are_tried_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_HOSTILE", raising=False)
    assert sum(len(chosen(kind)) for kind in KINDS) >= 150


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_end_in_one_sentence(world: World, tmp_path: Path, kind: str) -> None:
    faults = {}
    found = chosen(kind)
    for number, case in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        fault = fault_of(case, world, folder)
        if fault:
            faults[case.title] = fault
            print(f"FAULT {case.title} -> {fault}", file=sys.stderr, flush=True)
        files.clean(folder)
    print(f"{kind}: {len(found)} inputs, {len(faults)} faults", file=sys.stderr, flush=True)
    assert not faults


@pytest.mark.slow
@pytest.mark.parametrize("group", keys.GROUPS)
def test_every_key_refuses_what_it_cannot_take_in_one_sentence(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, group: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "support"))
    found = [setting for setting in keys.settings() if keys.group_of(setting) == group]
    if os.environ.get("HARNESS_HOSTILE") != "all":
        found = random.Random(1).sample(found, min(len(found), SETTINGS_TRIED))
    base = keys.base_words(world.folder / "data")
    faults = {}
    for setting in found:
        if said := keys.fault(setting, base, str(world.folder / "conf")):
            faults[" ".join(setting.words)] = said
            print(f"FAULT {' '.join(setting.words)} -> {said}", file=sys.stderr, flush=True)
    print(f"keys of {group}: {len(found)} inputs, {len(faults)} faults", file=sys.stderr, flush=True)
    assert not faults
