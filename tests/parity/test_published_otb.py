"""OTB's published results score as the official benchmark says."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from harness.publish.submission.reference import Wanted
from harness.publish.submission.scoring import Scored, score_all

pytestmark = pytest.mark.shared


@pytest.fixture
def otb(shared: Path) -> Path:
    return shared / "results" / "otb100"


@functools.cache
def score(otb: Path, tracker: str, split: str | None) -> Scored:
    wanted = Wanted(otb, split, protocols=("ope",))
    return score_all([otb / "results" / "OPE" / tracker], wanted)[0][0]


def published(otb: Path, tracker: str, attribute: str) -> dict:
    return json.loads((otb / "results" / "OPE" / tracker / "scores_cvpr13" / f"{attribute}.json").read_text())


SPLITS = {"STRUCK": "OTB2013", "MEEM": "2013"}
"""The same list by both of its names."""


@pytest.mark.parametrize(("tracker", "auc", "precision"), [("STRUCK", "0.472", "0.653"), ("MEEM", "0.556", "0.800")])
def test_otb2013_scores_equal_the_published_digits(tracker: str, auc: str, precision: str, otb: Path) -> None:
    found = score(otb, tracker, SPLITS[tracker])
    assert f"{found.scores.metrics['auc']:.3f}" == auc
    assert f"{found.scores.metrics['precision20']:.3f}" == precision
    assert len(found.scores.sequences) == 51


@pytest.mark.parametrize("tracker", SPLITS)
def test_each_sequences_overlap_and_each_attributes_auc_are_the_published_ones(tracker: str, otb: Path) -> None:
    found = score(otb, tracker, SPLITS[tracker])
    every = published(otb, tracker, "ALL")
    overlaps = {name.casefold(): value for name, value in zip(every["seqs"], every["overlapScores"], strict=True)}
    for name, row in found.scores.sequences.items():
        assert row["mean_overlap"] == pytest.approx(overlaps[name.casefold()], abs=0.002), name
    assert found.scores.ope is not None
    assert len(found.scores.ope.attributes) == 11
    for name, (curves, names) in found.scores.ope.attributes.items():
        official = published(otb, tracker, name)
        assert {item.casefold() for item in names} == {item.casefold() for item in official["seqs"]}, name
        auc = sum(official["successRateList"]) / 21
        assert curves.scores()["auc"] == pytest.approx(auc, abs=0.002), name


def test_without_a_split_the_largest_list_that_is_there_as_a_whole_is_taken_and_reported(otb: Path) -> None:
    found = score(otb, "MEEM", None)
    assert len(found.scores.sequences) == 51
    assert any("largest of OTB that the results have all of" in note for note in found.warnings)
    whole = score(otb, "STRUCK", None)
    assert len(whole.scores.sequences) == 100
    assert set(whole.lists) == {"2013", "50", "100"}
