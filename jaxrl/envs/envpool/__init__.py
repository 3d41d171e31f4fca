"""EnvPool's compiled environments."""
