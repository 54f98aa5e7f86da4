"""The demo data set: layout, truth, seeds, generation once and whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.core.errors import ConfigError, DataError, StoreError
from harness.datasets.demo import choreography, dataset as demo
from harness.datasets.demo.choreography import (
    FRAMES,
    HEIGHT,
    SCRIPTS,
    WIDTH,
    Scene,
    Script,
    cover_level,
    smooth_path,
    step_lengths,
    visible_share,
)
from harness.datasets.demo.dataset import Demo, write_sequence
from harness.datasets.demo.drawing import draw
from harness.datasets.demo.maps import affine, generator
from harness.datasets.layouts.got10k import read_sequence

SHORT = Script("short", "ellipse", covers=1)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(SHORT, "test", 1, 20)


Writer = Callable[[Path, Script, str, int], None]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """Writes a sequence of three frames; whoever asks for the same again gets a copy, since drawing is what it costs."""
    place = tmp_path_factory.mktemp("drawn")

    def write(folder: Path, script: Script, space: str, seed: int) -> None:
        kept = place / f"{script.name}-{seed}"
        if not kept.is_dir():
            write_sequence(kept, script, "test", seed, 3)
        shutil.copytree(kept, folder)

    return write


@pytest.fixture
def short_split(short: Writer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A split of two sequences of three frames; returns the names in the order of their making."""
    made: list[str] = []

    def write_short(folder: Path, script: Script, space: str, seed: int) -> None:
        made.append(folder.name)
        short(folder, script, space, seed)

    monkeypatch.setattr(demo, "contents", lambda split: [("a", SHORT, 1), ("b", SHORT, 2)])
    monkeypatch.setattr(demo, "write_sequence", write_short)
    return made


def test_a_sequence_is_written_in_the_layout(tmp_path: Path) -> None:
    demo.write_sequence(tmp_path / "one", SHORT, "test", 1, 4)
    sequence = read_sequence(tmp_path / "one")
    assert [path.name for path in sequence.frames] == [f"{n:08d}.jpg" for n in range(1, 5)]
    assert sequence.size == (WIDTH, HEIGHT)
    assert sequence.meta["object_class"] == "ellipse"
    assert sequence.truth is not None
    assert sequence.truth.shape == (4, 4)
    np.testing.assert_allclose(sequence.truth[2], Scene(SHORT, "test", 1, 4).box(2), atol=1e-4)
    assert cv2.imread(str(sequence.frames[0])).shape == (HEIGHT, WIDTH, 3)
    for label in ("absence", "cover", "cut_by_image"):
        assert len((tmp_path / "one" / f"{label}.label").read_text().split()) == 4


def test_a_scene_is_a_function_of_its_seed(scene: Scene) -> None:
    again, other = Scene(SHORT, "test", 1, 20), Scene(SHORT, "test", 2, 20)
    np.testing.assert_array_equal(scene.render(3).image, again.render(3).image)
    assert not np.array_equal(scene.render(3).image, other.render(3).image)


def test_frames_can_be_drawn_in_any_order(scene: Scene) -> None:
    last = scene.render(19).image
    scene.render(0)
    np.testing.assert_array_equal(scene.render(19).image, last)


def test_the_truth_is_the_box_of_the_drawn_target(scene: Scene) -> None:
    for number in (0, 7, 19):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        layer = scene._layer(scene.target, number)
        still = choreography.Layer(layer.figure, layer.pose, layer.phase)
        draw(np.zeros((HEIGHT, WIDTH, 3), np.uint8), still, affine(), mask)
        x, y, w, h = cv2.boundingRect((mask >= 128).astype(np.uint8))
        bx, by, bw, bh = scene.box(number)
        np.testing.assert_allclose([bx, by, bx + bw, by + bh], [x, y, x + w, y + h], atol=1.5)


def test_something_passes_before_the_target(scene: Scene) -> None:
    seen = [frame.visible for frame in scene]
    assert min(seen) < 0.95
    assert min(seen) > 0


def test_visible_share_and_cover_levels() -> None:
    target, cover = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    target[2:6, 2:6] = 255
    assert visible_share(target, cover) == 1
    cover[:, :4] = 255
    assert visible_share(target, cover) == pytest.approx(0.5)
    assert visible_share(cover * 0, cover) == 0
    assert [cover_level(v) for v in (0.0, 0.01, 0.125, 0.13, 0.5, 0.88, 1.0)] == [0, 1, 1, 2, 4, 8, 8]


def test_paths_stay_in_bounds_at_the_speed_asked_for() -> None:
    for seed in range(8):
        rng = generator("test", 20, seed)
        steps = step_lengths(rng, 80, 9.0, 1.0)
        path = smooth_path(rng, steps, (30, 40), (600, 300))
        assert (path >= [30, 40]).all()
        assert (path <= [600, 300]).all()
        moved = np.linalg.norm(np.diff(path, axis=0), axis=1)
        assert (moved <= steps[1:] + 1e-6).all()  # a chord is no longer than its arc
        assert moved.sum() > 0.7 * steps.sum()
        assert steps.min() < 0.15 * steps.max()  # it all but stops somewhere


def test_the_evaluated_split_covers_every_challenge() -> None:
    assert len(SCRIPTS) >= 8
    assert FRAMES >= 60
    field = {name: [getattr(script, name) for script in SCRIPTS] for name in Script.__dataclass_fields__}
    assert max(field["camera"]) > 200
    assert max(field["scale"]) > 1.9
    assert max(field["spin"]) * FRAMES > 3
    assert max(field["soft"]) > 2
    assert max(field["shutter"]) > 0.8
    assert max(field["light"]) > 0.5
    assert max(field["doubles"]) >= 3
    assert max(field["covers"]) >= 3


def test_a_demo_is_made_without_drawing_and_names_its_sequences(tmp_path: Path) -> None:
    dataset = Demo(cache=str(tmp_path), limit=3)
    assert dataset.names == ["demo_01_camera", "demo_02_scale", "demo_03_rotation"]
    assert len(dataset) == 3
    assert not list(tmp_path.iterdir())
    assert Demo(cache=str(tmp_path), sequences=["*_noise"]).names == ["demo_11_noise"]
    assert Demo(cache=str(tmp_path), split="calibration").names[0] == "demo_calibration_01"


def test_wrong_words_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.split is 'train'.*val and calibration"):
        Demo(split="train")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="matches none of the 12"):
        Demo(sequences=["nothing"], cache=str(tmp_path))


def test_it_is_generated_once_and_read_as_a_folder(tmp_path: Path, short_split: list[str]) -> None:
    first = Demo(cache=str(tmp_path))
    assert [len(sequence) for sequence in first] == [3, 3]
    again = Demo(cache=str(tmp_path))
    assert again.digest() == first.digest()
    assert sorted(short_split) == ["a", "b"]
    assert first.folder == tmp_path / "demo" / demo.version() / "val"


def test_several_at_once_generate_once(tmp_path: Path, short_split: list[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(lambda _: Demo(cache=str(tmp_path)).digest(), range(4)))
    assert len(digests) == 1
    assert len(short_split) == 2


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "write_sequence", fail)
    dataset = Demo(cache=str(tmp_path))
    with pytest.raises(StoreError, match="No space left"):
        dataset.load()
    assert [p.name for p in dataset.folder.parent.iterdir() if not p.name.endswith(".lock")] == []


def test_a_cache_that_is_not_a_folder_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"dataset\.cache"):
        Demo(cache=str(tmp_path / "file")).load()


def test_the_cache_depends_on_the_code_that_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = demo.version()
    changed = tmp_path / "drawing.py"
    changed.write_text("other")
    monkeypatch.setattr(demo.drawing, "__file__", str(changed))
    assert demo.version() != before


def test_an_image_overwritten_at_equal_size_is_drawn_anew_and_reported(
    tmp_path: Path, short: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "contents", lambda split: [("demo_a", SHORT, 1)])
    monkeypatch.setattr(demo, "write_sequence", short)
    dataset = Demo(cache=str(tmp_path))
    digest = dataset.digest()
    image = dataset.folder / "demo_a/00000002.jpg"
    whole = image.read_bytes()
    image.write_bytes(whole[:-40] + bytes(38) + whole[-2:])
    again = Demo(cache=str(tmp_path))
    assert again.digest() == digest
    assert image.read_bytes() == whole
    assert "00000002.jpg holds other bytes than were written" in capsys.readouterr().err


def test_the_digest_follows_the_bytes_of_the_images(tmp_path: Path, short: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "contents", lambda split: [("demo_a", SHORT, 1)])
    digests = set()
    for seed in (1, 2):
        monkeypatch.setattr(demo, "write_sequence", lambda folder, script, space, _, seed=seed: short(folder, script, space, seed))
        digests.add(Demo(cache=str(tmp_path / str(seed))).digest())
    assert len(digests) == 2


def test_a_persons_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "val/mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"is not the demo data set as it was drawn .*remove this one"):
        Demo(root=str(tmp_path)).load()
    assert (tmp_path / "val/mine.txt").is_file()


def test_only_the_sequences_of_a_job_are_read_and_held_against_what_was_drawn(
    tmp_path: Path, short_split: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Demo(cache=str(tmp_path))
    whole.load()
    image = whole.folder / "b/00000002.jpg"
    image.write_bytes(image.read_bytes()[::-1])
    Demo(sequences=["a"], cache=str(tmp_path)).load()
    assert len(short_split) == 2 and "drawn again" not in capsys.readouterr().err
    Demo(sequences=["b"], cache=str(tmp_path)).load()
    assert len(short_split) == 4 and "drawn again" in capsys.readouterr().err
