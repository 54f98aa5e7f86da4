"""This computer: its identity, cores, load, child processes and the progress shown on it."""
