"""Repeatable measurements: ``python -m benchmarks.run`` (``make bench``)."""
