"""LaSOT."""
