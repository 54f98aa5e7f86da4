"""One product of every kind."""
