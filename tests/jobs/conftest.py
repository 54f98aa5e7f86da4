"""What all tests that use the command line have in common."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def begin_ready(ready: None) -> None:
    """Small jobs are mostly imports and the making of a store: both are ready."""
