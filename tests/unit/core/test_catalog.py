"""The catalogue of metrics and of the configuration's groups."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from harness.core.catalog import COMPARED_GROUPS, GROUP_NAMES, KINDS, METRICS, catalog, catalog_with
from harness.core.config import conf_folder
from harness.core.errors import ConfigError
from harness.core.interfaces import Metric
from harness.core.lookup import Catalog

NAMES = (
    "ao",
    "sr50",
    "sr75",
    "mao",
    "auc",
    "op50",
    "op75",
    "precision20",
    "norm_precision20",
    "fps",
    "fps_got10k",
    "pipeline_fps",
    "latency_ms/mean",
    "latency_ms/p50",
    "latency_ms/p90",
    "latency_ms/p99",
    "latency_ms/max",
    "latency_ms/first",
    "stage_ms/decode",
    "stage_ms/preprocess",
    "stage_ms/inference",
    "stage_ms/postprocess",
    "load_ms/read",
    "load_ms/compile",
    "rss_mb/peak",
    "fixed_s/start",
    "model_mb",
    "parity/max_abs_diff",
    "agreement/mean_iou",
    "agreement/identical_boxes",
    "agreement/first_divergent_frame",
    "agreement/confidence_diff",
    "agreement/confidence_flips",
    "confidence/auroc",
    "confidence/threshold",
    "realtime/30/ao",
    "realtime/30/sr50",
    "realtime/30/sr75",
    "realtime/30/auc",
    "realtime/30/precision20",
    "realtime/30/dropped",
    "realtime/30/late",
    "realtime/29.97/age_ms_p50",
    "realtime/30/age_ms_p99",
    "capacity/streams",
    "soak/fps_first",
    "soak/fps_last",
    "soak/slowdown",
    "energy/joules_per_frame",
    "energy/watts",
    "benchmark_app/throughput_fps",
    "benchmark_app/first_inference_ms",
    "benchmark_app/latency_ms/median",
    "benchmark_app/latency_ms/average",
    "benchmark_app/latency_ms/min",
    "benchmark_app/latency_ms/max",
    "int8/size_ratio",
    "int8/free/mean_iou",
    "int8/ao_difference_low",
    "gap/step_ms/around",
    "profile/type_ms/Convolution",
    "cluster/ideal_share",
    "spread/fps",
    "spread/benchmark_app/throughput_fps",
)
ROOT = Path(__file__).resolve().parents[3]
EXTRA = Metric("toy/score", "toy", "points", "lower", 1, "toy", "a figure of a package's own")


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_that_a_task_reports_is_described(name):
    found = catalog().find(name)
    assert found is not None
    assert found.name == name
    assert found.title and "{" not in found.title + found.meaning
    assert found.meaning and not found.meaning.endswith(".")


def test_entries_are_of_known_kinds_and_their_columns_can_be_told_apart():
    assert {entry.kind for entry in METRICS} <= set(KINDS)
    titles = Counter(entry.title for entry in METRICS if entry.places)
    assert [title for title, count in titles.items() if count > 1] == []


def test_a_name_that_no_entry_describes_is_unknown_and_gets_a_plain_entry_on_request():
    assert catalog().find("fsp") is None
    assert catalog().find("realtime/30/ao/more") is None
    assert catalog().get("fsp").title == "fsp"


def test_a_pattern_gives_name_title_and_meaning_of_the_metric_asked_for():
    found = catalog().find("realtime/60/ao")
    assert (found.name, found.title, found.better) == ("realtime/60/ao", "AO at 60 fps", "higher")
    assert found.meaning == "average overlap when frames arrive at 60 per second"


def test_an_exact_entry_wins_over_a_pattern():
    assert catalog().find("benchmark_app/latency_ms/median").title == "app p50"
    assert catalog().find("benchmark_app/latency_ms/min").title == "app min"


def test_names_are_ordered_as_in_the_catalogue_with_numbers_by_size():
    names = ["zzz", "realtime/120/ao", "fps", "realtime/30/ao", "ao", "realtime/29.97/ao"]
    assert catalog().order(names) == ["ao", "fps", "realtime/29.97/ao", "realtime/30/ao", "realtime/120/ao", "zzz"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ao", 0.71664, "0.7166"),
        ("fps", 24.449, "24.4"),
        ("ao_difference", 0.01, "+0.0100"),
        ("ao_difference", -0.00001, "+0.0000"),
        ("agreement/identical_boxes", 0.8225, "82.2%"),
        ("speed_up", 1.523, "1.52x"),
        ("fps", None, "-"),
    ],
)
def test_a_value_is_shown_with_the_digits_and_the_unit_of_its_entry(name, value, text):
    assert catalog().get(name).text(value) == text.replace("%", "")


def test_columns_of_a_place_are_those_that_the_entries_name():
    names = ["model_mb", "fps", "latency_ms/max", "ao"]
    assert [entry.name for entry in catalog().shown("mlflow", names)] == ["ao", "fps", "model_mb"]


def test_metrics_that_need_truth_are_told_from_those_that_need_the_same_machine():
    names = ["fps", "ao", "model_mb", "auc"]
    assert catalog().needing("truth", names) == ["ao", "auc"]
    assert catalog().needing("machine", names) == ["fps"]


def test_entries_of_other_packages_come_behind_and_change_nothing_elsewhere():
    own = catalog_with([EXTRA])
    assert own.find("toy/score") is EXTRA
    assert own.order(["toy/score", "ao"]) == ["ao", "toy/score"]
    assert catalog().find("toy/score") is None


def test_two_entries_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="'toy/score'"):
        Catalog([EXTRA, EXTRA])


def test_the_groups_are_the_folders_of_the_configuration():
    folders = {
        path.name for path in conf_folder().iterdir() if path.is_dir() and not path.name.startswith(("_", "hydra"))
    }
    assert set(GROUP_NAMES) == folders
    assert set(COMPARED_GROUPS) < set(GROUP_NAMES)


def test_the_page_of_metrics_is_what_the_catalogue_says():
    spec = importlib.util.spec_from_file_location("metric_table", ROOT / "tools" / "metric_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.page()
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == made, "run python tools/metric_table.py"
    assert all(f"`{entry.name}`" in made for entry in METRICS)
