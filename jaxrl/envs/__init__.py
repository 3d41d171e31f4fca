"""Environments: EnvPool's compiled ones and pure-JAX ones behind one batched interface."""
