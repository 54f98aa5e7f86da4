"""A small sweeper that optimises."""
