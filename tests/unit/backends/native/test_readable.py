"""Waiting for a tracker's process: any descriptor, also in a process with more than 1024 open files."""

from __future__ import annotations

import os

import pytest

from harness.backends.native.wires import readable

HIGH = 2000


@pytest.mark.posix
def test_readable_with_a_descriptor_above_1024_sees_data_and_the_end() -> None:
    resource = pytest.importorskip("resource", reason="limits of open files are POSIX")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= HIGH:
        pytest.skip(f"this system allows fewer than {HIGH} open files")
    reader, writer = os.pipe()
    os.dup2(reader, HIGH)
    try:
        assert not readable(HIGH, 0.0)
        os.write(writer, b"1")
        assert readable(HIGH, 1.0) and os.read(HIGH, 10) == b"1" and not readable(HIGH, 0.0)
        os.close(writer)
        assert readable(HIGH, 1.0) and os.read(HIGH, 10) == b""
    finally:
        os.close(reader)
        os.close(HIGH)
