"""What exporters and quantisers log is not for the person who prepares a model."""

from __future__ import annotations

import logging

import pytest

from harness.prepare.steps import quiet_loggers


def test_warning_logged_while_a_model_is_made_is_not_shown_and_later_ones_are(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_loggers():
        logging.warning("Bias of a node is not constant.")  # as onnxruntime does
    assert not caplog.records
    logging.getLogger("own").warning("told")
    assert [item.message for item in caplog.records] == ["told"]
