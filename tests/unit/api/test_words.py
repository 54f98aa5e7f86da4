"""Python's values become words of Hydra's grammar that read back as the same values."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from harness.api import words
from harness.api.words import text_of, words_of
from harness.core.errors import ConfigError
from harness.jobs import ages

VALUES = [
    None, True, False, 0, -3, 2.5, 1e-9, "onnx", "true", "null", "3", "a,b", "a=b", "it's", "two words", "C:\\data\\x", "ends in \\",
    "\\'", "[1]", "{a}", "", " edge ", "ü/%?", [1, 2], ["a", None, [True]], {"a": 1, "b c": [2]},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_read_back_by_hydra_as_it_was(value: object) -> None:
    parsed = OverridesParser.create().parse_override(f"key={text_of(value)}")
    found = parsed.value()
    assert plain(found) == value and type(plain(found)) is type(value)


def plain(value: object) -> object:
    """What Hydra's parser gives, with quoted strings as strings."""
    text = getattr(value, "text", None)
    if text is not None:
        return text
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def test_numbers_and_paths_of_libraries_are_taken() -> None:
    assert [text_of(item) for item in (np.int64(3), np.float32(0.5), np.array([1, 2]), Path("a/b"))] == ["3", "0.5", "[1,2]", "a/b"]


def test_a_list_is_a_sweep_in_a_sweep_alone() -> None:
    assert words_of([], {"dataset__sequences": ["a", "b"]}) == ["dataset.sequences=[a,b]"]
    assert words_of([], {"dataset__sequences": ["a", "b"]}, sweeping=True) == ["dataset.sequences=a,b"]
    assert words_of([], {"dataset__sequences": ("a", "b")}, sweeping=True) == ["dataset.sequences=[a,b]"]
    assert words_of([], {"dataset__sequences": [("a",), ("b",)]}, sweeping=True) == ["dataset.sequences=[a],[b]"]


@pytest.mark.parametrize(
    ("given", "settings", "said"),
    [
        (["backend"], {}, "'backend' is not a setting"),
        ([3], {}, "3 is not a setting"),
        ([], {"seed": object()}, "seed is of type object"),
        ([], {"seed": b"x"}, "seed is of type bytes"),
        ([], {"dataset": {"root": "a\nb"}}, "dataset.root holds a line break"),
    ],
)
def test_what_cannot_be_a_setting_is_told_in_a_sentence(given: list, settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        words_of(given, settings)


def test_an_empty_sweep_is_told() -> None:
    with pytest.raises(ConfigError, match="backend is an empty list"):
        words_of([], {"backend": []}, sweeping=True)


@pytest.mark.parametrize("module", [words, ages], ids=lambda module: module.__name__)
def test_the_examples_in_the_text_hold(module: object) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0 and found.failed == 0
