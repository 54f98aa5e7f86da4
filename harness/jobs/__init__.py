"""Jobs and sweeps: composing, checking, running and finishing them. Can be called without a command line."""
