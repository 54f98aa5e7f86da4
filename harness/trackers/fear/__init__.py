"""FEAR-XS (Borsuk and others, ECCV 2022)."""
