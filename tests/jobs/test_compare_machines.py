"""The same configurations on three machines stand side by side, grouped by machine."""

from __future__ import annotations

import csv
from pathlib import Path

import make_runs
from command_line import harness

MACHINES = {
    "aaaa": ("Board One", "avx2", 100.0),
    "bbbb": ("Board Two", "avx512_vnni", 50.0),
    "cccc": ("Board Three", "asimddp", 400.0),
}


def test_compare_groups_by_machine(tmp_path: Path) -> None:
    folders = []
    for backend in ("torch", "onnx"):  # backend by backend, so that the order given is not the machines' own
        for machine, (processor, feature, latency) in MACHINES.items():
            environment = {"machine": machine, "processor": processor, "features": [feature], "hostname": machine}
            folder = tmp_path / f"{backend}-{machine}"
            make_runs.make_job(folder, backend, latency_ms=latency, environment=environment, sequences=2, frames=20)
            folders.append(folder)
    done = harness("compare", *folders, "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("\n\n")[0].splitlines()
    letters = [line.split("machine")[0] for line in table if line.startswith("machine ")]
    assert len(letters) == len(MACHINES)
    for letter, (processor, _, _) in zip("ABC", MACHINES.values(), strict=True):
        assert any(line.startswith(f"machine {letter}: {processor}") for line in table)
    start = table[0].index("machine")
    column = [line[start : start + len("machine")].strip() for line in table[2:8]]
    assert column == list("AABBCC")
    rows = {(row["backend"], row["machine"]): row for row in csv.DictReader((tmp_path / "report" / "summary.csv").open())}
    assert len(rows) == 6
    assert rows["onnx", "aaaa"]["speed_up"] != ""  # beside the baseline, on its machine
    for machine in ("bbbb", "cccc"):
        assert rows["onnx", machine]["speed_up"] == ""  # speeds of different machines are not divided
        assert float(rows["onnx", machine]["fps"]) > 0
    page = (tmp_path / "report" / "report.html").read_text()
    for processor, _, _ in MACHINES.values():
        assert processor in page
