"""OpenVINO on prepared IR."""

from harness.backends.openvino.backend import OpenVino

__all__ = ["OpenVino"]
