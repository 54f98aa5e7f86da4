"""Keeps libraries from reporting their use to their makers: nobody was asked, and each report is a process and a request beside a measurement."""

from __future__ import annotations

import sys

REPORTERS = ("openvino_telemetry",)
"""Packages that only report. OpenVINO (when it is imported, and for each conversion) and NNCF use it where it is there, and do without it elsewhere."""


def keep_quiet() -> None:
    """Lets this process do as if these packages were not installed; to be called before their users are imported.

    It is for processes of our own: in a caller's process nothing is changed.
    """
    for name in REPORTERS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # which makes an import fail as that of a missing package
