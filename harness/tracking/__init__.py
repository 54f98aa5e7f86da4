"""Tracking a data set: the loop, the clock, serial and parallel modes, prefetch, the store of finished sequences."""
