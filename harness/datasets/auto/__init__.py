"""Whichever data set a folder holds."""
