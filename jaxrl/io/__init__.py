"""What a run writes and reads: its folder, metrics, episodes and checkpoints. Nothing here starts a JAX backend."""
