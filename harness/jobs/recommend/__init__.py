"""Which configuration to deploy: candidates, a race between them, the finalists measured whole, and the answer."""
