"""Jobs and sweeps: composing, checking, running, and their ends. Can be called without a command line."""
