"""Torch modules of the trackers, their graphs, and a safe reader of checkpoints."""
