"""Checks what is installed and works here, what makes measurements noisy, and how to fix it."""
