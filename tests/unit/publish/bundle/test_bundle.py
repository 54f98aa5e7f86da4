"""What goes into a bundle and comes out of it: the same runs, scores recomputed, twice the same."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from scored_jobs import give_model, scored_sweep

from harness.core.archives import MANIFEST, unpack
from harness.core.errors import ArchiveError, DataError
from harness.core.results import Results
from harness.publish.bundle import import_bundle, write_bundle
from harness.publish.mlflow.models import model_files
from harness.report import sources


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared_out")
    sweep = scored_sweep(folder)
    for number in range(3):
        give_model(sweep / str(number), folder / "cache")
    (sweep / "0/.hydra").mkdir()
    (sweep / "0/.hydra/config.yaml").write_text("secret")
    (sweep / "0/worker.log").write_text("said")
    (sweep / "0/away").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module")
def bundle(made: Path) -> Path:
    written = write_bundle(sources.resolve(str(made / "sweep")), made / "bundle.zip", models=True, tracks=True)
    assert written.warnings == []
    return written.path


def rewritten(path: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The bundle with changed files and a manifest that fits them: what someone with skill would send."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop(MANIFEST))
    change(files)
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }
    with zipfile.ZipFile(to, "w") as archive:
        for name, data in {**files, MANIFEST: json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return to


def test_it_holds_what_is_needed_and_nothing_of_this_machine(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read(MANIFEST))
    base = manifest["runs"][0]["folder"]
    for name in ("results.json", "frames.parquet", "worker.log", "model/search.onnx", "tracks/seq_1/seq_1_001.txt"):
        assert f"{base}/{name}" in names, name
    assert f"{base.rpartition('/')[0]}/sweep.json" in names
    assert any(name.startswith("truth/") for name in names)
    assert not any("/." in name or name.endswith(("mlflow.json", "/away", "/id")) for name in names)
    assert set(manifest["files"]) == set(names) - {MANIFEST}


def test_models_and_tracks_only_on_request(made: Path) -> None:
    written = write_bundle(sources.resolve(str(made / "sweep/1")), made / "plain.zip")
    with zipfile.ZipFile(written.path) as archive:
        assert not any("/model/" in name or "/tracks/" in name for name in archive.namelist())
        assert any(name.startswith("jobs/") and name.endswith("/results.json") for name in archive.namelist())


def test_scores_are_recomputed_from_the_boxes(bundle: Path, tmp_path: Path) -> None:
    imported = import_bundle(bundle, tmp_path / "out")
    assert imported.new
    assert [check.outcome for check in imported.checks] == ["same"] * 3


def test_twice_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    first = import_bundle(bundle, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    second = import_bundle(bundle, tmp_path / "out")
    assert not second.new
    assert second.folder == first.folder
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == [first.folder.name]


def test_a_file_changed_after_the_import_is_noticed(bundle: Path, tmp_path: Path) -> None:
    folder = import_bundle(bundle, tmp_path / "out").folder
    next(folder.rglob("results.json")).write_text("{}")
    with pytest.raises(DataError, match="was changed since"):
        import_bundle(bundle, tmp_path / "out")


def test_a_score_that_the_boxes_do_not_give(bundle: Path, tmp_path: Path) -> None:
    def lie(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("/1/results.json"))
        raw = json.loads(files[name])
        raw["metrics"]["ao"] += 0.01
        files[name] = json.dumps(raw).encode()

    imported = import_bundle(rewritten(bundle, tmp_path / "b.zip", lie), tmp_path / "out")
    assert [check.outcome for check in imported.checks] == ["same", "differs", "same"]
    assert "ao is stated as" in imported.checks[1].notes[0]
    note = json.loads((imported.folder / next(imported.folder.rglob("1/imported.json"))).read_text())
    assert note["recomputed"] == "differs"


def test_boxes_that_were_moved(bundle: Path, tmp_path: Path) -> None:
    def move(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("/0/frames.parquet"))
        (tmp_path / "frames.parquet").write_bytes(files[name])
        frames = pd.read_parquet(tmp_path / "frames.parquet")
        frames.loc[frames["frame"] == 5, "x"] += 3
        frames.to_parquet(tmp_path / "frames.parquet", index=False)
        files[name] = (tmp_path / "frames.parquet").read_bytes()

    imported = import_bundle(rewritten(bundle, tmp_path / "b.zip", move), tmp_path / "out")
    assert [check.outcome for check in imported.checks] == ["differs", "same", "same"]


def test_an_identity_that_is_not_the_manifests(bundle: Path, tmp_path: Path) -> None:
    def swap(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("/1/results.json"))
        files[name] = files[name].replace(json.loads(files[name])["id"].encode(), b"f" * 32)

    with pytest.raises(ArchiveError, match="another identity"):
        import_bundle(rewritten(bundle, tmp_path / "b.zip", swap), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_truth_that_is_gone_or_changed_is_reported(made: Path, tmp_path: Path) -> None:
    jobs = sources.resolve(str(made / "sweep/1"))
    jobs[0].results.dataset = {**jobs[0].results.dataset, "digest": "0" * 64}
    written = write_bundle(jobs, tmp_path / "b.zip")
    assert "was changed since the run" in written.warnings[0]
    assert [check.outcome for check in import_bundle(written.path, tmp_path / "out").checks] == ["not checked"]
    jobs[0].results.config["dataset"]["root"] = str(tmp_path / "none")
    assert "nobody can recompute" in write_bundle(jobs, tmp_path / "c.zip").warnings[0]


def test_a_model_of_zeros_survives(made: Path, tmp_path: Path) -> None:
    """What shrinks like a bomb is stored, so that our own reader takes it."""
    folder = made / "sweep/2"
    for path in Results.load(folder).artifact["files"].values():
        Path(path).write_bytes(bytes(4 << 20))
    written = write_bundle(sources.resolve(str(folder)), tmp_path / "b.zip", models=True)
    imported = import_bundle(written.path, tmp_path / "out")
    assert next(imported.folder.rglob("model/search.onnx")).stat().st_size == 4 << 20


def test_a_strangers_results_name_no_file_of_ours(bundle: Path, made: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.onnx"
    secret.write_text("not theirs")

    def name_it(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith("/1/results.json"))
        raw = json.loads(files[name])
        raw["artifact"]["files"] = {"search": str(secret)}
        files[name] = json.dumps(raw).encode()

    imported = import_bundle(rewritten(bundle, tmp_path / "b.zip", name_it), tmp_path / "out")
    folder = next(imported.folder.rglob("1/results.json")).parent
    assert model_files(folder, Results.load(folder)) == {}
    assert model_files(made / "sweep/1", Results.load(made / "sweep/1")) != {}


def test_track_files_with_names_that_bundles_refuse_stay_behind_and_are_named(made: Path, tmp_path: Path) -> None:
    odd = made / "sweep/0/tracks/12:30"
    odd.mkdir(parents=True)
    (odd / "12:30_001.txt").write_text("1,2,3,4\n")
    try:
        written = write_bundle(sources.jobs_of(made / "sweep"), tmp_path / "odd.zip", tracks=True)
        assert any("the track files of 12:30 have names" in warning for warning in written.warnings)
        unpack(tmp_path / "odd.zip", tmp_path / "there")
    finally:
        shutil.rmtree(odd)


@pytest.mark.parametrize(("file", "data"), [("sweep.json", b""), ("sweep.json", b"[]"), ("0/results.json", b'{"id": "\xff"}')])
def test_a_bundle_with_a_damaged_record_is_told_by_its_name_and_leaves_nothing(bundle: Path, tmp_path: Path, file: str, data: bytes) -> None:
    def damage(files: dict[str, bytes]) -> None:
        files[next(name for name in files if name.endswith(file))] = data

    edited = rewritten(bundle, tmp_path / "x.zip", damage)
    with pytest.raises(DataError, match=rf"x\.zip/sweeps/\w+/{file}"):
        import_bundle(edited, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("files", [1.5, "x", [[]], None, {"a": 5}, {"a": {"sha256": 5, "bytes": 1}}])
def test_a_manifest_that_lists_no_files_is_told_in_our_words(bundle: Path, tmp_path: Path, files: object) -> None:
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read(MANIFEST))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(MANIFEST, json.dumps({**manifest, "files": files}))
    with pytest.raises(ArchiveError, match="does not list files with their sizes and digests"):
        import_bundle(tmp_path / "x.zip", tmp_path / "out")
