from __future__ import annotations

import math
from typing import Any

import pytest
from section_rows import compared, row

from harness.present.picture import png
from harness.scoring.compared import Row
from harness.tasks.realtime.section import sections


def configuration(name: str, scores: dict[float, list[float]], convention: str = "latency", **told: Any) -> Row:
    """A run with two sequences of 100 scored frames each: their AO at each rate."""
    rates = [{"fps": rate, "ao": sum(own) / len(own), "dropped": 0.25} for rate, own in scores.items()]
    sequences = {
        f"seq_{number}": {"scored_frames": 100.0, **{f"realtime/{rate:g}/ao": own[number] for rate, own in scores.items()}}
        for number in range(len(next(iter(scores.values()))))
    }
    about = {"convention": convention, "grace": 3, "clock": "measured", "latency_ms": None, "recording": None}
    details = {"realtime": {**about, "count_decoding": False, "rates": rates, **told}}
    return row(name, details=details, sequences=sequences)


FAST = configuration("fast", {15.0: [0.60, 0.62], 60.0: [0.60, 0.62]})
STRONG = configuration("strong", {15.0: [0.65, 0.66], 60.0: [0.55, 0.59]})


def test_the_table_has_a_column_a_rate_and_the_shares_dropped() -> None:
    [section] = sections(compared(FAST, STRONG))
    assert section.head == ["run", "15 fps", "60 fps", "dropped at 15", "dropped at 60"]
    assert section.body == [["fast", "0.6100", "0.6100", "25.0%", "25.0%"], ["strong", "0.6550", "0.5700", "25.0%", "25.0%"]]


def test_the_best_configuration_at_each_rate_is_named_with_its_lead() -> None:
    [section] = sections(compared(FAST, STRONG))
    assert "At 15 fps strong is best (0.6550), by 0.0450 [0.0400, 0.0500] before fast." in section.notes
    assert "At 60 fps fast is best (0.6100), by 0.0400 [0.0300, 0.0500] before strong." in section.notes


def test_the_crossing_is_where_straight_lines_over_the_logarithm_of_the_rate_cross() -> None:
    [section] = sections(compared(FAST, STRONG))
    # leads of 0.045 and 0.040: after 45 / 85 of the way from 15 to 60 fps on the logarithm
    rate = math.exp(math.log(15) + 45 / 85 * math.log(4))
    assert f"fast overtakes strong between 15 and 60 fps, at about {rate:.0f} fps." in section.notes
    assert rate == pytest.approx(31.25, abs=0.01)


def test_a_lead_that_sequences_disagree_on_is_within_noise() -> None:
    shaky = configuration("shaky", {15.0: [0.50, 0.85], 60.0: [0.4, 0.4]})
    [section] = sections(compared(FAST, shaky))
    assert any(note.startswith("At 15 fps shaky is best") and note.endswith("which is within noise.") for note in section.notes)
    assert any("overtakes shaky" in note and note.endswith("one of the leads is within noise.") for note in section.notes)


def test_configurations_that_never_change_places_are_reported_as_such() -> None:
    weak = configuration("weak", {15.0: [0.5, 0.5], 60.0: [0.3, 0.3]})
    [section] = sections(compared(FAST, weak))
    assert section.notes[-1] == "No two configurations change places between these rates."


def test_equal_scores_are_level_and_do_not_cross() -> None:
    twin = configuration("twin", {15.0: [0.60, 0.62], 60.0: [0.60, 0.62]})
    [section] = sections(compared(FAST, twin))
    assert "At 15 fps fast and twin are level (0.6100)." in section.notes
    assert section.notes[-1] == "No two configurations change places between these rates."


def test_conventions_are_not_mixed() -> None:
    by_vot = configuration("voted", {15.0: [0.6, 0.6], 60.0: [0.6, 0.6]}, convention="vot")
    first, second = sections(compared(FAST, by_vot))
    assert first.key != second.key
    assert "by VOT's real-time rule, 3 grace frames a sequence" in second.notes[0]


def test_a_clock_that_was_assumed_is_reported() -> None:
    [section] = sections(compared(configuration("whatif", {15.0: [0.6, 0.6]}, clock="fixed", latency_ms=40.0)))
    assert "whatif: every update took 40 ms by assumption (task.clock=fixed)." in section.notes


def test_random_weights_have_a_table_without_accuracy_and_no_picture() -> None:
    about = {"convention": "latency", "grace": None, "clock": "measured", "count_decoding": True}
    plain = row("random", details={"realtime": {**about, "rates": [{"fps": 30.0, "dropped": 0.5}]}})
    [section] = sections(compared(plain))
    assert section.body == [["random", "-", "50.0%"]]
    assert section.pictures == []


def test_the_picture_draws_a_line_a_configuration() -> None:
    [section] = sections(compared(FAST, STRONG))
    [picture] = section.pictures
    axis = picture.figure.axes[0]
    assert [line.get_label() for line in axis.get_lines()] == ["fast", "strong"]
    assert list(axis.get_lines()[1].get_ydata()) == pytest.approx([0.655, 0.57])
    assert png(picture.figure)[:4] == b"\x89PNG"


def test_other_jobs_have_no_section() -> None:
    assert sections(compared(row("plain"))) == []
