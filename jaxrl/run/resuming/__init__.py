"""A run that goes on: from where, with which settings, and what more env steps do to its learning rate."""
