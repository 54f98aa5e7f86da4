"""A metric over all runs that were ever made: value against time and commit, and where its level changed."""
