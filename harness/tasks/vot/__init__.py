"""task=vot: the experiment of a VOT challenge, judged by vot-toolkit."""

from harness.tasks.vot.task import VotChallenge

__all__ = ["VotChallenge"]
