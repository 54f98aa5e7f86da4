"""``experiment=hints``, the published Table 2: the formats, and OpenVINO with its throughput hint."""

from __future__ import annotations

from harness.present.section import Section
from harness.report.published import SMAT, Tracked, tracked
from harness.scoring.compared import Comparison

TABLE = {**SMAT, "OpenVINO with throughput hint": Tracked(0.643, 0.745, 0.579, 19.55)}


def sections(found: Comparison) -> list[Section]:
    """Returns Table 2 with our figures next to the published ones."""
    return [tracked(found, "hints", "Table 2: with and without the throughput hint", TABLE)]
