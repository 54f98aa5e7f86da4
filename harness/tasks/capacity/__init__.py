"""``task=capacity``: how many cameras one machine serves."""
