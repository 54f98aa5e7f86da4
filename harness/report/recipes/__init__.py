"""The published experiment's tables in their own form: the module ``<recipe>`` is used if a job has that recipe."""
