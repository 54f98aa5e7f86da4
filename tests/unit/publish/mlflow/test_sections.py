"""The section ``mlflow`` of a configuration is checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import StoreError
from harness.publish.mlflow.target import target_of


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("off", "mlflow is 'off'"),
        ({"name": "off", "root": 5}, "mlflow.root is 5"),
        ({"name": "off", "root": " "}, "mlflow.root is ' '"),
        ({"name": "off", "experiment": [1]}, r"mlflow.experiment is \[1\]"),
        ({"name": "off", "experiment": ""}, "mlflow.experiment is ''"),
        ({"name": "local", "uri": "http://someone:s3cret@127.0.0.1:5000"}, "mlflow.uri is 'http://127.0.0.1:5000', but mlflow=local .* add mlflow=server"),
    ],
)
def test_target_of_a_wrong_section_is_one_sentence(section: Any, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        target_of({"mlflow": section})
