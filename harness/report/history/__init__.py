"""A metric over all earlier runs: its value by time and commit, and where its level changed."""
