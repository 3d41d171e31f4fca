"""After the run: NumPy and files, never JAX."""
