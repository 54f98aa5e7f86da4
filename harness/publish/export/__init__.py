"""A run's model with a script that runs it."""
