"""``experiment=formats``, the published Table 1: PyTorch, ONNX, OpenVINO."""

from __future__ import annotations

from harness.present.section import Section
from harness.report.published import SMAT, tracked
from harness.scoring.compared import Comparison


def sections(found: Comparison) -> list[Section]:
    """Returns Table 1 with our figures next to the published ones."""
    return [tracked(found, "formats", "Table 1: accuracy and speed by format", SMAT)]
