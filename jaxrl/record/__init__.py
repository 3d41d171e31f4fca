"""What a run writes while it runs."""
