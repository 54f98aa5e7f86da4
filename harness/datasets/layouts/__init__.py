"""Folder layouts of benchmarks: reading and checking, shared by the data sets."""
