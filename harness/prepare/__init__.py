"""Makes the files that a backend opens from a tracker's source; each step is cached by the content it depends on."""
