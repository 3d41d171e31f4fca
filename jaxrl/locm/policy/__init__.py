"""The card game's policy: what its network stands on, and trained ones as players."""
