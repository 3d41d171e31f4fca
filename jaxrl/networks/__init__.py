"""Function approximators: an observation in, the policy head and the value out."""
