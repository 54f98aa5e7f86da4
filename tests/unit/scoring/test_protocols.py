"""Scores by one protocol or several in one record."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.core.interfaces import Sequence, Track
from harness.core.protocols import protocol_names
from harness.scoring.protocols import score_by

TRUTH = np.repeat([[10.0, 10.0, 10.0, 10.0]], 4, axis=0)
SEQUENCE = Sequence("s", (), TRUTH[0], truth=TRUTH, visible=np.array([True, True, True, False]))
TRACK = Track("s", TRUTH + np.array([1.0, 0, 0, 0]), np.full(4, 0.5))


@pytest.mark.parametrize(
    ("protocols", "there", "absent"),
    [(("ope",), {"auc", "fps"}, {"ao", "sr50"}), (("got10k",), {"ao", "fps"}, {"auc"}), (("ope", "got10k"), {"auc", "ao"}, set())],
)
def test_metrics_are_those_of_the_protocols(protocols: tuple[str, ...], there: set[str], absent: set[str]) -> None:
    found = score_by(protocols, "otb", [TRACK], [SEQUENCE])
    assert there <= found.metrics.keys()
    assert not absent & found.metrics.keys()
    assert not absent & found.sequences["s"].keys()
    assert ("ope" in found.details()) == ("ope" in protocols)
    assert ("success_curve" in found.details()) == ("got10k" in protocols)


def test_record_says_the_rule_and_how_many_frames_it_concerns() -> None:
    how = score_by(("ope",), "otb", [TRACK], [SEQUENCE]).scoring()
    assert (how["protocol"], how["truth_rule"], how["invalid_truth"]) == ("ope", "otb", 1)
    assert "truth_rule" not in score_by(("got10k",), "otb", [TRACK], [SEQUENCE]).scoring()


def test_warnings_are_those_of_the_protocols_asked_for() -> None:
    assert all("under OPE" in warning for warning in score_by(("ope",), "otb", [TRACK], [SEQUENCE]).warnings)


def test_without_truth_there_is_speed_alone() -> None:
    found = score_by(("ope", "got10k"), "otb", [TRACK], [Sequence("s", (), TRUTH[0])])
    assert found.ope is None
    assert set(found.metrics) == {"fps", "fps_got10k"}


@pytest.mark.parametrize(
    ("given", "chosen"), [(None, ("ope",)), ("got10k", ("got10k",)), (["got10k", "ope", "ope"], ("got10k", "ope"))]
)
def test_protocols_are_chosen_by_name(given: str | list[str] | None, chosen: tuple[str, ...]) -> None:
    assert protocol_names(given, ("ope", "got10k")) == chosen


@pytest.mark.parametrize("given", ["eao", [], ["ope", "x"]])
def test_protocols_that_are_unknown_are_refused(given: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="accepted: ope, got10k"):
        protocol_names(given, ("ope", "got10k"))
