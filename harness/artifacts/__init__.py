"""Prepared models: content-addressed storage, loading, and packing for another node."""
