"""``task=soak``: whether speed lasts, and what a frame costs in joules."""
