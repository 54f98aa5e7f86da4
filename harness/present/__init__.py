"""Presentation without knowledge of jobs: tables, sections, pictures and their style."""
