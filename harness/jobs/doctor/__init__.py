"""What is installed here and works, what makes measurements noisy, and how to mend it."""
