"""This computer: its identity, cores, load and child processes, and the display of progress."""
