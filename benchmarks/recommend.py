"""Checks whether `recommend` finds what an exhaustive grid finds, and in what share of its time.

``python -m benchmarks.recommend [--trackers smat_demo nanotrack] [--seeds 5] [--seconds 5] [--sequences 4] [--minutes 10]``

Each of 50 candidates (``conf/search/grid.yaml`` here) is measured in full, then all in turns, as `recommend` does with
its
finalists: this is the grid, measured once. Then each seed races the candidates again, and three sets of requirements
are answered, each with its own finalists and final; each set is charged the whole race. With ``--apart`` each set also
has its own race. Models are prepared before anything is timed. A recommendation is correct if its speed in the grid is
within the 95 % interval of the grid's best candidate that meets the same requirements, or above.

With ``--work DIR`` finished results there are kept: a benchmark that was stopped continues, and further seeds reuse the
grid.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.files import read_json, write_json
from harness.core.results import Results
from harness.jobs import runner, turns
from harness.jobs.recommend import finals
from harness.jobs.recommend.lab import Machine
from harness.jobs.recommend.run import candidates, recommend, run_race
from harness.jobs.recommend.search import Search
from harness.jobs.recommend.state import Entry, Request, State
from harness.jobs.turns import Entrant
from harness.report import choice
from harness.report.comparison import compare
from harness.report.sources import load
from harness.scoring.turns import Ratio, ratio, rounds_of

ROOT = Path(__file__).resolve().parents[1]
CONF = Path(__file__).resolve().parent / "conf"
SETS = (("ao >= -0.01",), ("ao >= -0.02", "latency_ms/p99 <= 0.8x"), ())
"""Requirements on top of `--maximize fps`."""
CALIBRATION = ("otb_Skiing", "vot_ball1", "vot_car1")
EVALUATED = ("otb_Crossing", "vot_zebrafish1", "vot_basketball", "otb_Trans", "otb_Human3", "otb_DragonBaby", "vot_tiger", "vot_bag", "vottir_horse")
REFERENCE = "reference"


@dataclass
class Outcome:
    """One search compared with the grid."""

    tracker: str
    requirements: str
    seed: int
    chosen: str
    best: str
    best_speed: list[float | None]
    chosen_speed: float | None
    within: bool
    search_s: float
    grid_s: float


def words_of(tracker: str, sequences: int) -> list[str]:
    """The settings of all candidates."""
    if tracker == "smat_demo":
        return ["tracker=smat_demo", "dataset=demo", f"dataset.limit={sequences}", "mlflow=off"]
    shared = Path(os.environ.get("HARNESS_SHARED") or ROOT.parent / "shared")
    if not (shared / "real/val").is_dir():
        raise SystemExit(f"{shared} is not here: set HARNESS_SHARED to the folder of shared material, or give --trackers smat_demo")
    return [
        *("tracker=nanotrack", f"tracker.weights={shared / 'nanotrack/v3/nanotrackv3.pth'}", "dataset=folder"),
        *(f"dataset.root={shared / 'real'}", "dataset.split=val", f"dataset.sequences=[{','.join(EVALUATED[:sequences])}]"),
        *(f"quantization.sequences=[{','.join(CALIBRATION)}]", "mlflow=off"),
    ]


# ---------------------------------------------------------------------------------------------- grid


def prepare(search: Search) -> None:
    """Makes every model, so that neither side is charged for it; candidates that cannot be run are dropped."""
    for entry in search.state.alive():
        try:
            search.lab.entrant(str(entry.number), search.compose(entry.overrides), entry.overrides, search.folder / "prepared" / str(entry.number))
        except Exception as error:  # reported, and left out on both sides
            print(f"left out: {entry.name}: {error}", flush=True)


def measure_grid(search: Search, seconds: float) -> dict[str, Any]:
    """Measures every candidate in full, then all in turns; kept in ``grid.json``."""
    path = search.folder / "grid.json"
    if path.is_file():
        return read_json(path)
    begin = time.monotonic()
    jobs = [(REFERENCE, list(finals.TORCH))] + [(str(entry.number), entry.overrides) for entry in sorted(search.state.alive(), key=lambda item: item.number)]
    entrants = []
    for number, (name, overrides) in enumerate(jobs):
        config = {**search.whole(overrides), "resume": str(search.folder)}
        folder = search.folder / "grid" / name
        results = runner.run_job(runner.Job(config, folder, [*search.request.fixed, *overrides], {"candidate": " ".join(overrides)}, True, number))
        print(f"grid {number + 1}/{len(jobs)} {name}: {results.status}", flush=True)
        if results.status == "ok":
            entrants.append(Entrant(results.id, folder, int(config["threads"] or search.lab.threads())))
    found = turns.measure_sweep(entrants, seconds, lambda text: print(text, flush=True))
    made = {"seconds": time.monotonic() - begin, "turns": {**found.plain(), "keys": {}}}
    write_json(path, made)
    return made


class Grid:
    """The results of the grid."""

    def __init__(self, search: Search, record: dict[str, Any]) -> None:
        folder = search.folder / "grid"
        names = [REFERENCE, *sorted((path.parent.name for path in folder.glob("[0-9]*/results.json")), key=int)]
        jobs = [load(folder / name, folder, name) for name in names]
        self.found = compare([job for job in jobs if job.ok])
        self.rounds = rounds_of(record["turns"])
        self.base = Results.load(folder / REFERENCE).id
        self.seconds = float(record["seconds"])
        self.entries = {entry.number: entry for entry in search.state.entries}

    def speed(self, number: str) -> Ratio | None:
        """Returns the speed of a candidate over that of the reference."""
        row = next((row for row in self.found.rows if row.job.folder.name == number), None)
        found = None if row is None else ratio(self.rounds, row.job.id, self.base)
        return found if found is not None and found.low is not None else None

    def best(self, require: tuple[str, ...]) -> tuple[str, Ratio] | None:
        """Returns the fastest candidate that meets the requirements."""
        requirements = choice.requirements(list(require))
        able = [(row.job.folder.name, speed) for row in self.found.well if not choice.unmet(row, requirements) and (speed := self.speed(row.job.folder.name))]
        able = [item for item in able if item[0] != REFERENCE]
        return max(able, key=lambda item: item[1].value, default=None)


# -------------------------------------------------------------------------------------------- searches


def race(lab: Machine, words: list[str], folder: Path, seed: int, minutes: float) -> State:
    """Runs the race that the three sets share: by kind and with tails, as the strictest of them requires."""
    request = Request(tuple(words), "grid", ("fps",), (), tuple(dict.fromkeys(text for item in SETS for text in item)), minutes, seed, str(CONF))
    known = State.load(folder, request)
    folder.mkdir(parents=True, exist_ok=True)
    wanted, requirements = choice.objectives(["fps"], []), choice.requirements(list(request.require))
    search = Search(request, folder, known or State(request.plain(), candidates(request, lab)), lab, lambda text: print(f"  {text}", flush=True), wanted, requirements)
    run_race(search)
    return search.state


def searched(lab: Machine, words: list[str], folder: Path, seed: int, minutes: float, require: tuple[str, ...], raced: State | None) -> tuple[Entry | None, float]:
    """Returns the recommended candidate of one search and its seconds."""
    request = Request(tuple(words), "grid", ("fps",), (), require, minutes, seed, str(CONF))
    if raced is not None and State.load(folder, request) is None:
        folder.mkdir(parents=True, exist_ok=True)
        replace(raced, request=request.plain(), entries=[replace(entry) for entry in raced.entries]).save(folder)
    made = recommend(request, folder, lab, lambda text: print(f"  {text}", flush=True))
    state = State.load(folder, request)
    assert state is not None
    chosen = next((entry for entry in state.entries if made.run and entry.place == made.run and entry.status == "finalist"), None)
    return chosen, state.spent_s


def against(tracker: str, require: tuple[str, ...], seed: int, grid: Grid, chosen: Entry | None, seconds: float) -> Outcome:
    """Compares a recommendation with the grid's best."""
    best = grid.best(require)
    own = grid.speed(str(chosen.number)) if chosen is not None else None
    within = best is None if chosen is None else bool(best and own and best[1].low is not None and own.value >= best[1].low)
    return Outcome(
        tracker, " and ".join(require) or "none", seed, chosen.name if chosen else "nothing fits",
        grid.entries[int(best[0])].name if best else "nothing fits", [best[1].value, best[1].low, best[1].high] if best else [],
        own.value if own else None, within, seconds, grid.seconds,
    )  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    """Returns the results as Markdown."""
    lines = ["| tracker | required | seed | chosen | times torch | grid's best | times torch [95 %] | within | search, s | grid, s | share |", "|" + "---|" * 11]
    for item in outcomes:
        best = "{:.2f} [{:.2f}, {:.2f}]".format(*item.best_speed) if item.best_speed else "-"
        own = f"{item.chosen_speed:.2f}" if item.chosen_speed else "-"
        lines.append(
            f"| {item.tracker} | {item.requirements} | {item.seed} | {item.chosen} | {own} | {item.best} | {best} | "
            f"{'yes' if item.within else '**no**'} | {item.search_s:.0f} | {item.grid_s:.0f} | {item.search_s / item.grid_s:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Prints the table; exits with 1 if a recommendation is wrong, or took more than a third of the grid's time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trackers", nargs="+", default=["smat_demo", "nanotrack"], choices=["smat_demo", "nanotrack"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of turns for each candidate of the grid")
    parser.add_argument("--sequences", type=int, default=4, help="evaluated; int8 is calibrated on others")
    parser.add_argument("--minutes", type=float, default=10.0, help="for one search, at most")
    parser.add_argument("--sets", type=int, default=len(SETS), help="of requirements, the first so many")
    parser.add_argument("--apart", action="store_true", help="a race for each set of requirements")
    parser.add_argument("--fix", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of all candidates: a smaller grid")
    parser.add_argument("--work", type=Path, help="folder that is kept, and gone on with")
    given = parser.parse_args()
    outcomes: list[Outcome] = []
    work = given.work or Path(tempfile.mkdtemp(prefix="recommend-"))
    for tracker in given.trackers:
        words = [*words_of(tracker, given.sequences), *given.fix]
        lab = Machine(lambda: ["cpu"], str(CONF))
        request = Request(tuple(words), "grid", ("fps",), config_dir=str(CONF))
        search = Search(request, work / tracker, State(request.plain(), candidates(request, lab)), lab, print, [], [])
        begin = time.monotonic()
        prepare(search)
        print(f"{tracker}: {len(search.state.alive())} candidates, prepared in {time.monotonic() - begin:.0f} s", flush=True)
        grid = Grid(search, measure_grid(search, given.seconds))
        print(f"{tracker}: the grid took {grid.seconds:.0f} s", flush=True)
        if not any(grid.speed(str(number)) for number in grid.entries):
            print(f"{tracker}: no speed of the grid has an interval: others used the machine, or --seconds is under 4; start anew when it is quiet.")
            return 1
        for seed in range(given.seeds):
            shared = None if given.apart else race(lab, words, work / tracker / f"race{seed}", seed, given.minutes)
            for number, require in enumerate(SETS[: given.sets]):
                print(f"{tracker}, seed {seed}, required: {' and '.join(require) or 'nothing'}", flush=True)
                chosen, seconds = searched(lab, words, work / tracker / f"seed{seed}_{number}", seed, given.minutes, require, shared)
                outcomes.append(against(tracker, require, seed, grid, chosen, seconds))
                print(table(outcomes[-1:]).splitlines()[-1], flush=True)
        (work / "outcomes.json").write_text(json.dumps([asdict(item) for item in outcomes], indent=1))
    print(table(outcomes))
    good = sum(item.within for item in outcomes)
    slow = sum(item.search_s > item.grid_s / 3 for item in outcomes)
    print(f"\n{good} of {len(outcomes)} within the best's interval; {len(outcomes) - slow} of {len(outcomes)} in at most a third of the grid's time. Files: {work}")
    return 0 if good == len(outcomes) and not slow else 1


if __name__ == "__main__":
    sys.exit(main())
