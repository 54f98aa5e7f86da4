"""backend=example: PyTorch under another name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.backends.torch import Torch


@dataclass
class ExampleBackend(Torch):
    """A backend."""

    name: ClassVar[str] = "example"
