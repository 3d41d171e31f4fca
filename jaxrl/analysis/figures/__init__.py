"""Pictures of runs, in one style."""
