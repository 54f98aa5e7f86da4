"""Kinds of measurement: each module is a task that runs in the job's child process."""
