"""What a folder keeps of its call is checked on reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from harness.core.errors import DataError
from harness.jobs.resume import Call, continued, last_folder, quoted, unquoted, varied_keys

KEPT = {"words": [], "overrides": ["seed=1"], "multirun": False, "config_dir": None}


def test_a_kept_call_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "command.json").write_text(json.dumps(KEPT))
    assert "seed=1" in continued(Call((f"resume={tmp_path}",))).overrides


@pytest.mark.parametrize("edit", [{"overrides": {"a": 1}}, {"overrides": [1]}, {"overrides": None}, {"multirun": "x"}, {"config_dir": {"a": 1}}])
def test_an_edited_call_is_one_sentence(tmp_path: Path, edit: dict[str, Any]) -> None:
    (tmp_path / "command.json").write_text(json.dumps(KEPT | edit))
    with pytest.raises(DataError, match=r"command\.json is not as a run writes it"):
        continued(Call((f"resume={tmp_path}",)))


@pytest.mark.parametrize("content", ["[]", "{}", '{"folder": null}', '{"folder": 5}', '{"folder": ""}', '{"folder": "a\\u0000b"}'])
def test_an_edited_note_of_the_last_run_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "last.json").write_text(content)
    with pytest.raises(DataError, match=r"last\.json"):
        last_folder(tmp_path / "last.json")


def test_varied_keys_are_those_whose_values_differ_in_the_order_given() -> None:
    assert varied_keys([["b=1", "a=1", "+c=1"], ["b=2", "a=1", "+c=2"]]) == ["b", "c"]


@pytest.mark.parametrize("path", ["it's", "a\\b", "a\\'b", "end\\", "two\\\\", "a\\\\'b", "'", "\\", "plain", "a=b,[c] {d}", "%?#~"])
def test_a_quoted_path_is_what_hydra_reads_and_is_given_back(path: str) -> None:
    assert OverridesParser.create().parse_override(f"resume={quoted(path)}").value() == path
    assert unquoted(quoted(path)) == path
    assert Call((f"resume={quoted(path)}",)).value("resume") == path


def test_a_word_without_quotes_is_itself() -> None:
    assert unquoted("last") == "last"
    assert unquoted("'") == "'"
    assert unquoted("") == ""
