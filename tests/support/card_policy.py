"""A policy of the card game that has learnt nothing, as a run folder of its training would hold it."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.locm.policy.network import CardNetwork, Config
from jaxrl.locm.policy.weights import Weights, as_weights
from jaxrl.locm.table import view_shapes
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.leaves import flatten
from jaxrl.record.rundir import RunDir
from jaxrl.types import TrainState


def random_state(seed: int = 0, **settings: Any) -> TrainState:
    """With parameters that make probabilities differ."""
    network = CardNetwork(Config(**settings))
    blank = jax.tree.map(lambda x: jnp.zeros((1, *x.shape), x.dtype), view_shapes())

    params = jax.eval_shape(network.init, jax.random.key(0), blank)["params"]
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda x: rng.normal(0, 0.4, x.shape).astype(np.float32), params)
    return TrainState(params, (), (), (), jax.random.key(seed), jnp.int32(3))


def random_weights(**settings: Any) -> Weights:
    """The same without a folder."""
    leaves = flatten({"state": random_state(**settings)})
    arrays = {leaf.path: leaf.array for leaf in leaves if leaf.array is not None}
    return as_weights("unlearnt", {"network": {"name": "cards", **settings}}, arrays)


def random_run(folder: Path, seed: int = 0, **settings: Any) -> RunDir:
    """A run folder with a checkpoint of it."""
    folder.mkdir(parents=True)
    lines = [f"{name}: {str(value).lower()}" for name, value in settings.items()]
    (folder / "config.yaml").write_text(f"network: {{name: cards, {', '.join(lines)}}}\n")
    run = RunDir(folder)
    Checkpoints(run).save(3, random_state(seed, **settings), counters={"env_steps": 7})
    return run
