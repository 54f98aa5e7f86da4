"""Scores: protocols, agreement, intervals. The only place that computes a score."""
