"""What a folder keeps of its call is checked on reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DataError
from harness.jobs.resume import Call, continued

KEPT = {"words": [], "overrides": ["seed=1"], "multirun": False, "config_dir": None}


def test_a_kept_call_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "command.json").write_text(json.dumps(KEPT))
    assert "seed=1" in continued(Call((f"resume={tmp_path}",))).overrides


@pytest.mark.parametrize("edit", [{"overrides": {"a": 1}}, {"overrides": [1]}, {"overrides": None}, {"multirun": "x"}, {"config_dir": {"a": 1}}])
def test_an_edited_call_is_one_sentence(tmp_path: Path, edit: dict[str, Any]) -> None:
    (tmp_path / "command.json").write_text(json.dumps(KEPT | edit))
    with pytest.raises(DataError, match=r"command\.json is not as a run writes it"):
        continued(Call((f"resume={tmp_path}",)))
