"""TColor-128."""
