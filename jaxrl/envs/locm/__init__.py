"""Legends of Code and Magic, a two-player card game in two stages, as pure JAX functions."""

from pathlib import Path

# `python -m jaxrl.envs.locm.replay`, `play`, `view` and `speed` go on as commands of `jaxrl`, from a folder of their
# own.
__path__.append(str(Path(__file__).parent / "older"))
