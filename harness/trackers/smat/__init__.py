"""SMAT (Gopal and Amer, WACV 2024)."""

from harness.trackers.smat.tracker import Smat

__all__ = ["Smat"]
