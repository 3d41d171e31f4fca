"""The front door: `jaxrl COMMAND`."""
