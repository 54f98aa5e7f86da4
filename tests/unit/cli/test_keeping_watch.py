"""``history`` and ``prune`` as a user types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import harness
from make_runs import make_job

from harness.core.results import Results


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six nights of one configuration, slower from the fourth on, and one run of another."""
    folder = tmp_path_factory.mktemp("nights")
    for day in range(1, 8):
        late, other = day >= 4, day == 7
        make_job(
            folder / f"outputs/2026-01-{day:02d}", "torch" if other else "onnx", latency_ms=15 if late else 10, sequences=2, frames=60,
            environment={"commit": ("b" if late else "a") * 40},
        )  # fmt: skip
        results = Results.load(folder / f"outputs/2026-01-{day:02d}")
        results.ended = f"2026-01-{day:02d}T03:00:00.000+00:00"
        results.save(folder / f"outputs/2026-01-{day:02d}")
    return folder


def test_history_tells_each_configuration_apart_and_names_the_change(place: Path) -> None:
    done = harness("history", "--metric", "fps", "--last", "4", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "fps of backend=onnx, machine A" in done.stdout and "fps of backend=torch, machine A" in done.stdout
    assert "2026-01-04 03:00: fps fell from " in done.stdout and "between commits aaaaaaa and bbbbbbb" in done.stdout
    assert "The 2 runs before are left out here." in done.stdout and "Report: outputs/history/fps/history.html" in done.stdout
    assert (place / "outputs/history/fps/history.csv").read_text().count("\n") == 8


def test_history_of_chosen_runs(place: Path) -> None:
    done = harness("history", "--metric", "latency_ms/p99", "backend=torch", "--out", "out", cwd=place)
    assert done.returncode == 0 and "One run: nothing to compare it with." in done.stdout and "onnx" not in done.stdout
    assert (place / "out/history.html").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["history", "--metric", "fsp"], "did you mean 'fps'"),
        (["history", "backend=tensorflow"], "no finished run below outputs and mlruns fits"),
        (["history", "--since", "1h"], "no finished run"),
        (["history", "--last", "0"], "--last is 0"),
        (["history", "--outputs", "none", "--root", "nor"], "do not exist"),
        (["prune", "--older-than", "soon"], "--older-than is 'soon'"),
        (["prune", "--older-than", "1d", "--keep", "film"], "--keep film is unknown"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_code_2(place: Path, words: list[str], said: str) -> None:
    done = harness(*words, cwd=place)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and said in done.stderr and done.stdout == ""


def test_prune_tells_first_and_removes_when_told(place: Path) -> None:
    before = harness("history", "--metric", "fps", cwd=place).stdout
    told = harness("prune", "--older-than", "1d", cwd=place)
    assert told.returncode == 0 and "Nothing was changed: add --yes to remove." in told.stdout
    assert "frames" in told.stdout and len(list(place.rglob("frames.parquet"))) == 7
    done = harness("prune", "--older-than", "1d", "--yes", cwd=place)
    assert "Removed from 7 runs; their numbers are kept." in done.stdout and not list(place.rglob("frames.parquet"))
    assert harness("history", "--metric", "fps", cwd=place).stdout == before
    assert "Nothing to remove" in harness("prune", "--older-than", "1d", "--yes", cwd=place).stdout
