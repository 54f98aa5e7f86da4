"""The published experiment's tables in their own form: the module ``<recipe>`` is asked where a job has that recipe."""
