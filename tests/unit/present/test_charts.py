"""Parts of charts."""

from __future__ import annotations

from harness.present.charts import wrapped


def test_labels_break_at_signs_before_words_are_cut() -> None:
    assert wrapped("int8_accuracy", 11) == "int8_\naccuracy"
    assert wrapped("OpenVINO with throughput hint", 11) == "OpenVINO\nwith\nthroughput\nhint"
    assert all(len(line) <= 8 for line in wrapped("averyverylongword", 8).splitlines())
