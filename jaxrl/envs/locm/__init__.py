"""Legends of Code and Magic, a two-player card game in two stages, as pure JAX functions."""
