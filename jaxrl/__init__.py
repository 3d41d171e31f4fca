"""jaxrl: CASA and its kin, trained at high throughput on Atari. Importing it starts no JAX backend."""

__version__ = "0.1.0"
