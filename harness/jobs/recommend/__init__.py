"""Finds the configuration to deploy: candidates, a race between them, full measurements of finalists, the answer."""
