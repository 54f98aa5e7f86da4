"""PyTorch, eager."""

from harness.backends.torch.backend import Torch

__all__ = ["Torch"]
