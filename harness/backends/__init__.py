"""Runtimes: each module opens an artifact's graphs as sessions. Runtimes are imported only when opened."""
