"""Of what a runtime says, the line that tells is kept, without the names of its classes."""

from __future__ import annotations

import pytest

from harness.core.errors import telling_line


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: patch", "Got invalid dimensions for input: patch"),
        ("Exception from src/inference.cpp:1:\nCheck 'x' failed at y:\nthe shape does not fit", "the shape does not fit"),
        ("", "unknown error"),
    ],
)
def test_the_telling_line_of_a_runtime(said: str, told: str) -> None:
    assert telling_line(RuntimeError(said)) == told
