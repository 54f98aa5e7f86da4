"""Bundles that must be refused: each damage is named, and nothing is left behind."""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core import archives as archive
from harness.core.archives import FORMAT, MANIFEST, VERSION, unpack
from harness.core.errors import ArchiveError, DataError

FILES = {"jobs/one/results.json": b'{"id": "x"}', "jobs/one/plots/a.png": b"\x89PNG" * 50}


def manifest_of(files: dict[str, bytes], **changes: object) -> bytes:
    listed = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    return json.dumps({"format": FORMAT, "version": VERSION, "runs": [], "files": listed, **changes}).encode()


def write(
    path: Path,
    files: dict[str, bytes] | None = None,
    manifest: bytes | None = None,
    more: Callable[[zipfile.ZipFile], None] | None = None,
) -> Path:
    """A bundle of ``files``, with a manifest that fits unless another is given; ``more`` adds what should not be there."""
    files = FILES if files is None else files
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
        made.writestr(MANIFEST, manifest_of(files) if manifest is None else manifest)
        if more:
            more(made)
    return path


def refused(path: Path, words: str) -> None:
    place = path.parent / "place"
    with pytest.raises(ArchiveError, match=words):
        unpack(path, place / "bundle")
    assert list(place.iterdir()) == [], "something was left behind"
    assert not (path.parent.parent / "evil").exists()
    assert not Path("/tmp/evil_by_bundle").exists()


def test_a_whole_bundle_is_unpacked(tmp_path: Path) -> None:
    bundle = unpack(write(tmp_path / "b.zip"), tmp_path / "out")
    assert {name: (bundle.folder / name).read_bytes() for name in FILES} == FILES
    assert bundle.sha256 == hashlib.sha256((tmp_path / "b.zip").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "out"]


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "jobs/../../evil", "/tmp/evil_by_bundle", "jobs\\..\\evil", "C:/evil", "jobs/.hidden", ".git/config",
        "jobs/ /x", "jobs/con\x01trol", "jobs//double",
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path / "b.zip", {**FILES, name: b"x"}), "refused")


def test_a_link(tmp_path: Path) -> None:
    def add(made: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("jobs/one/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, "/etc/passwd")

    data = {**FILES, "jobs/one/link": b"/etc/passwd"}
    refused(write(tmp_path / "b.zip", manifest=manifest_of(data), more=add), "is a link or a special file")


@pytest.mark.parametrize("pair", [("jobs/a", "jobs/A"), ("jobs/a", "jobs/a/b")])
def test_two_entries_for_one_place(tmp_path: Path, pair: tuple[str, str]) -> None:
    refused(write(tmp_path / "b.zip", dict.fromkeys(pair, b"x")), "two entries of one name|lies under a file")


def test_the_same_entry_twice(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write(tmp_path / "b.zip", more=lambda made: made.writestr("jobs/one/results.json", b"other"))
    refused(path, "two entries of one name")


def test_a_bomb_by_ratio(tmp_path: Path) -> None:
    refused(write(tmp_path / "b.zip", {**FILES, "jobs/one/zeros": bytes(8 << 20)}), "zip bomb")


def test_a_bomb_by_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BUNDLE", replace(archive.BUNDLE, total=100))
    refused(write(tmp_path / "b.zip"), "unpacks to more than")


def test_a_bomb_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BUNDLE", replace(archive.BUNDLE, entries=2))
    refused(write(tmp_path / "b.zip"), "at most 2 are accepted")


def test_a_header_that_lies_about_the_size(tmp_path: Path) -> None:
    """More comes out than the header and the manifest say: reading stops there."""
    path = tmp_path / "b.zip"
    data = {"jobs/one/results.json": b"0" * 100}
    manifest = manifest_of({"jobs/one/results.json": b"0" * 10})
    write(path, data, manifest)
    raw = bytearray(path.read_bytes())
    at = raw.find(b"PK\x01\x02")  # the first entry of the central directory: its size is at offset 24
    raw[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(raw)
    refused(path, "not what the manifest says|not a whole zip")


def test_a_changed_file(tmp_path: Path) -> None:
    changed = {**FILES, "jobs/one/results.json": b'{"id": "y"}'}
    refused(write(tmp_path / "b.zip", changed, manifest_of(FILES)), "results.json.*not what the manifest says")


def test_a_file_too_many_and_one_too_few(tmp_path: Path) -> None:
    refused(
        write(tmp_path / "b.zip", {**FILES, "jobs/two": b"x"}, manifest_of(FILES)), "'jobs/two' is not in the manifest"
    )
    fewer = {"jobs/one/results.json": FILES["jobs/one/results.json"]}
    refused(write(tmp_path / "c.zip", fewer, manifest_of(FILES)), "a.png' is missing")


@pytest.mark.parametrize(
    "manifest",
    [b"not json", b"[]", b"\xff\xfe", b"{}", manifest_of(FILES, version=99), manifest_of(FILES, format="x"),
     json.dumps({"format": FORMAT, "version": 1, "files": {"jobs/one/results.json": 3}}).encode(), b"[" * 100_000],
)  # fmt: skip
def test_a_manifest_that_is_not_one(tmp_path: Path, manifest: bytes) -> None:
    refused(write(tmp_path / "b.zip", manifest=manifest), "manifest.json is damaged|not a bundle of version")


def test_no_manifest(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as made:
        made.writestr("results.json", "{}")
    refused(tmp_path / "b.zip", "has no manifest.json")


def test_half_an_archive(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip")
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, "not a whole zip archive")


def test_a_damaged_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip")
    raw = bytearray(path.read_bytes())
    raw[len("jobs/one/results.json") + 32] ^= 0xFF
    path.write_bytes(raw)
    refused(path, "not a whole zip archive|not what the manifest says")


def test_an_encrypted_entry(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip")
    raw = bytearray(path.read_bytes())
    at = raw.find(b"PK\x01\x02")
    raw[at + 8] |= 1
    path.write_bytes(raw)
    refused(path, "is encrypted")


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file; give a bundle"):
        unpack(tmp_path / "none.zip", tmp_path / "out")
