"""ONNX Runtime on prepared ONNX files."""

from harness.backends.onnx.backend import Onnx

__all__ = ["Onnx"]
