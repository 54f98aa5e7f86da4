"""Words for people, made of lists."""

from __future__ import annotations

import pytest

from harness.core.words import listed, shown


def test_a_long_list_is_cut_and_counted():
    assert listed(list("abcde")) == "a, b, c and 2 more"
    assert listed(["a"]) == "a"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (False, "false"), ("a", "'a'"), (1.5, "1.5"), ([1], "[1]"),
     ("x" * 100, "'" + "x" * 76 + "...")],
)  # fmt: skip
def test_shown_is_a_value_as_yaml_has_it(value: object, text: str) -> None:
    assert shown(value) == text


def test_shown_of_a_number_that_python_does_not_write_out_says_so() -> None:
    assert shown(10**5000) == "a number of thousands of digits"
