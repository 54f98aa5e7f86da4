"""The check of archives: what is accepted, and each of many damages named with its file and line."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from damaged_archives import DAMAGES, damaged, flipped, link, packed, truncated, unpacked, with_entry
from got10k_folders import standing_tracks

from harness.core.errors import DataError
from harness.publish.submission import SplitFacts, pack_tracks, shipped_test_facts, validate
from harness.publish.submission.entries import LIMITS, Fault


@pytest.fixture(scope="session")
def facts() -> SplitFacts:
    """Three sequences of the test split: damages need no more."""
    whole = shipped_test_facts()
    return replace(whole, sequences=dict(list(whole.sequences.items())[:3]))


@pytest.fixture(scope="session")
def archive(facts, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    pack_tracks(standing_tracks(folder / "tracks", facts), facts, folder / "whole.zip")
    return folder / "whole.zip"


def faults(path: Path, facts: SplitFacts) -> list[Fault]:
    return validate(path, facts).faults


def test_the_whole_archive_is_accepted(archive, facts):
    report = validate(archive, facts)
    assert report.ok
    assert (report.sequences, report.frames, report.repetitions) == (3, facts.frames, 1)


def test_a_folder_is_checked_like_an_archive(archive, facts, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "folder")
    assert validate(tmp_path / "folder", facts).ok
    name = list(facts.sequences)[1]
    (tmp_path / "folder" / name / f"{name}_time.txt").unlink()
    (tmp_path / "folder/link.txt").symlink_to("/etc/hostname")
    found = {fault.file: fault.message for fault in faults(tmp_path / "folder", facts)}
    assert found.keys() == {f"{name}/{name}_time.txt", "link.txt"}
    assert "is a link" in found["link.txt"]


def test_three_repetitions_are_accepted(facts, tmp_path):
    pack_tracks(standing_tracks(tmp_path / "tracks", facts, repetitions=3), facts, tmp_path / "three.zip")
    report = validate(tmp_path / "three.zip", facts)
    assert report.ok
    assert report.repetitions == 3
    files = unpacked(tmp_path / "three.zip")
    name = next(iter(facts.sequences))
    del files[f"{name}/{name}_002.txt"]
    (tmp_path / "gap.zip").write_bytes(packed(files))
    found = [str(fault) for fault in faults(tmp_path / "gap.zip", facts)]
    assert f"{name}/{name}_002.txt: is missing" in found
    assert any(f"{name}_time.txt" in fault and "has 3 numbers, 2 are expected" in fault for fault in found)


def test_there_are_damages_enough():
    assert len(DAMAGES) >= 30


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_is_found_where_it_is(archive, facts, tmp_path, name):
    damage = DAMAGES[name]
    file = damaged(archive, damage, tmp_path / "damaged.zip")
    found = faults(tmp_path / "damaged.zip", facts)
    hits = [fault for fault in found if fault.file == file and damage.says in fault.message]
    assert hits, [str(fault) for fault in found]
    if damage.line is not None:
        assert any(damage.line in fault.lines for fault in hits), [str(fault) for fault in found]
    others = {other for other in facts.sequences if other != list(facts.sequences)[1]}
    if name not in ("flat", "boxes of another"):
        assert not any(fault.file.split("/")[0] in others for fault in found), "a whole sequence is blamed"


def test_all_faults_are_reported_together(archive, facts, tmp_path):
    files = unpacked(archive)
    for number, damage in enumerate(("NaN", "negative time", "extra file at the root")):
        DAMAGES[damage].change(files, list(facts.sequences)[number])
    (tmp_path / "three.zip").write_bytes(packed(files))
    assert len(faults(tmp_path / "three.zip", facts)) == 3


def test_lines_of_one_kind_of_fault_are_one_fault():
    assert str(Fault("a/b.txt", "holds tabs", (1, 2, 3, 7))) == "a/b.txt, lines 1-3, 7: holds tabs"
    assert str(Fault("a/b.txt", "holds tabs", (4,))) == "a/b.txt, line 4: holds tabs"
    assert str(Fault("a/b.txt", "is missing")) == "a/b.txt: is missing"


# ---------------------------------------------------------------------------------------- containers


@pytest.mark.parametrize("spoil", [truncated, lambda data: b"", lambda data: b"not a zip" * 99], ids=["cut", "0", "text"])
def test_what_is_not_a_whole_archive(archive, facts, tmp_path, spoil):
    path = tmp_path / "broken.zip"
    path.write_bytes(spoil(archive.read_bytes()))
    (found,) = faults(path, facts)
    assert found.file == "broken.zip"
    assert "is not a whole zip archive" in found.message


def test_a_damaged_entry_is_named(archive, facts, tmp_path):
    path = tmp_path / "flipped.zip"
    path.write_bytes(flipped(archive.read_bytes()))
    first = next(iter(unpacked(archive)))
    assert [fault.file for fault in faults(path, facts)] == [first]
    assert "is damaged in the archive" in faults(path, facts)[0].message


def test_links_are_refused(archive, facts, tmp_path):
    path = tmp_path / "link.zip"
    path.write_bytes(with_entry(archive.read_bytes(), link("passwd"), b"/etc/passwd"))
    assert [str(fault) for fault in faults(path, facts)] == [
        "passwd: is a link or a special file; only files and folders are allowed"
    ]


def test_entries_twice_are_refused(archive, facts, tmp_path):
    path = tmp_path / "twice.zip"
    name = next(iter(unpacked(archive)))
    with pytest.warns(UserWarning, match="Duplicate"):
        path.write_bytes(with_entry(archive.read_bytes(), zipfile.ZipInfo(name)))
    assert [str(fault) for fault in faults(path, facts)] == [f"{name}: is in the archive twice"]


def test_unusual_compression_is_refused(archive, facts, tmp_path):
    info = zipfile.ZipInfo("x.txt")
    info.compress_type = zipfile.ZIP_BZIP2
    path = tmp_path / "bzip2.zip"
    path.write_bytes(with_entry(archive.read_bytes(), info))
    assert "compressed by method 12" in str(faults(path, facts)[0])


def test_a_bomb_is_not_unpacked(archive, facts, tmp_path):
    """An entry whose header says little and whose content is much; and many large ones."""
    name = list(facts.sequences)[1]
    files = unpacked(archive)
    files[f"{name}/{name}_001.txt"] = b"0" * (LIMITS.file * 2)
    data = packed(files, zipfile.ZIP_DEFLATED)
    true_size, said = (LIMITS.file * 2).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert data.count(true_size) == 2  # local and central header
    (tmp_path / "liar.zip").write_bytes(data.replace(true_size, said))
    assert [fault.file for fault in faults(tmp_path / "liar.zip", facts)] == [f"{name}/{name}_001.txt"]
    many = {f"{number}.txt": b"0" * LIMITS.file for number in range(65)}
    (tmp_path / "many.zip").write_bytes(packed(many, zipfile.ZIP_DEFLATED))
    assert "unpacks to more than 256 MiB" in str(faults(tmp_path / "many.zip", facts)[0])


def test_too_many_entries_are_not_read(facts, tmp_path):
    (tmp_path / "many.zip").write_bytes(packed({f"{number}.txt": b"" for number in range(5001)}))
    assert "has 5001 entries" in str(faults(tmp_path / "many.zip", facts)[0])


def test_nothing_there_is_the_users_mistake(facts, tmp_path):
    with pytest.raises(DataError, match=r"none\.zip does not exist"):
        validate(tmp_path / "none.zip", facts)


# ------------------------------------------------------------------------------------------- facts


def test_the_shipped_list():
    facts = shipped_test_facts()
    assert list(facts.sequences) == [f"GOT-10k_Test_{number:06d}" for number in range(1, 181)]
    assert facts.frames == 22834
    assert all((known.first_box[2:] > 0).all() for known in facts.sequences.values())


@pytest.mark.parametrize(("by", "accepted"), [(0.999, True), (1.0, True), (1.01, False), (-1.01, False)])
def test_first_box_within_a_pixel(archive, facts, tmp_path, by, accepted):
    files = unpacked(archive)
    name = next(iter(facts.sequences))
    rows = files[f"{name}/{name}_001.txt"].decode().split("\n")
    x, *rest = rows[0].split(",")
    rows[0] = ",".join([f"{float(x) + by:.3f}", *rest])
    files[f"{name}/{name}_001.txt"] = "\n".join(rows).encode()
    (tmp_path / "moved.zip").write_bytes(packed(files))
    assert validate(tmp_path / "moved.zip", facts).ok is accepted
