"""``task=realtime``: accuracy at a camera's rate."""
