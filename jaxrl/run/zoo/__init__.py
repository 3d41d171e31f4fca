"""Trained agents as files: those that come with the package, and those of your own."""
