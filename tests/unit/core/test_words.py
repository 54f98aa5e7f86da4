"""Words for people, made of lists."""

from __future__ import annotations

from harness.core.words import listed


def test_a_long_list_is_cut_and_counted():
    assert listed(list("abcde")) == "a, b, c and 2 more"
    assert listed(["a"]) == "a"
