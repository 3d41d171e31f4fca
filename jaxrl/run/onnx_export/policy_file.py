"""`jaxrl export RUN FILE.onnx`: what an agent prefers and expects as an ONNX file, compared with JAX before it is kept.

    inputs   the observation, or its parts by name; of a recurrent network also `first` and what it remembers
    outputs  preferences [N, A], value [N], and what it remembers next

The most probable action is the argmax of the preferences, and sampling draws from their softmax at the temperature of
the config. Of a continuous action they are D means and D logarithms of standard deviations.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.agents.acting import Acting
from jaxrl.config.parsing import write_config
from jaxrl.errors import ConfigError
from jaxrl.record.files import replacing
from jaxrl.run.experiment import Experiment, build, make_evaluation_env
from jaxrl.run.onnx_export.graph import BATCH, UntranslatableError
from jaxrl.run.onnx_export.translation import to_model
from jaxrl.run.zoo.card import Card
from jaxrl.types import EnvSpec, TimeStep, TrainState

MOST_DIFFERENCE = 1e-4  # in the larger of 1 and a result: rounding is 1e-6, which gates that are shut make 1e-5
CHECKED_ENVS, CHECKED_STEPS = 8, 8
OUTPUTS = ("preferences", "value")
Inputs = dict[str, jax.ShapeDtypeStruct]


def check_installed() -> None:
    """Raises `ConfigError` where the extra `onnx` is not installed."""
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise ConfigError(
            f"an .onnx file needs {' and '.join(missing)}: pip install 'jaxrl[onnx]', or export to a file that ends in "
            ".npz"
        )


def write_onnx(path: Path, experiment: Experiment, state: TrainState, card: Card) -> float:
    """Write the file; returns the largest difference from JAX in a few steps of the environment.

    A network that computes in bfloat16 computes in float32 there.

    Raises:
        ConfigError: the extra is not installed.
        UntranslatableError: the network does what has no translation, or comes out different.
    """
    check_installed()
    if getattr(experiment.config.network, "dtype", "float32") != "float32":
        network = dataclasses.replace(experiment.config.network, dtype="float32")
        experiment = build(dataclasses.replace(experiment.config, network=network))
    function, inputs, outputs = _seen_from_outside(experiment, state)
    metadata = {"card": json.dumps(card), "config": write_config(experiment.config)}
    content = to_model(function, inputs, outputs, metadata).SerializeToString()
    difference = _difference(experiment, content, function, inputs)
    if not difference <= MOST_DIFFERENCE:
        raise UntranslatableError(f"the ONNX file would differ from JAX by {difference:.1g}, so none is written")
    with replacing(path) as scratch:
        scratch.write_bytes(content)
    return difference


def _seen_from_outside(
    experiment: Experiment, state: TrainState
) -> tuple[Callable[..., tuple[jax.Array, ...]], Inputs, list[str]]:
    """A function of arrays, the shapes of these by name, and the names of its results."""
    agent, spec = experiment.member, experiment.spec
    params = jax.device_get(agent.publish(state))
    fresh = jax.eval_shape(lambda: agent.initial_actor_state(BATCH))
    if not isinstance(fresh, Acting):
        raise UntranslatableError(
            "ONNX takes agents whose actors carry `jaxrl.agents.acting.Acting`; export it as .npz"
        )
    parts = _parts(spec)
    blank = _named("observation", spec.observation)
    memory = _named("memory", fresh.memory)
    inputs = {name: jax.ShapeDtypeStruct((BATCH, *leaf.shape), leaf.dtype) for name, leaf in blank.items()}
    if memory:
        inputs |= {"first": jax.ShapeDtypeStruct((BATCH,), jnp.bool_), **memory}

    def function(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        rows = arrays[0].shape[0]
        observation = jax.tree.unflatten(jax.tree.structure(spec.observation), arrays[:parts])
        acting, zeros, never = agent.initial_actor_state(rows), jnp.zeros(rows), jnp.zeros(rows, bool)
        first = arrays[parts] if memory else never
        remembered = jax.tree.unflatten(jax.tree.structure(fresh.memory), arrays[parts + 1 :])
        acting = acting._replace(memory=remembered) if memory else acting
        legal = jnp.ones((rows, spec.num_actions), bool) if spec.masks_actions else None
        steps = jnp.zeros(rows, jnp.int32)
        timestep = TimeStep(observation, zeros, zeros, first, never, legal, zeros, steps)
        preferences, value = agent.look(params, acting, timestep)
        then = agent.act(params, acting, timestep, jax.random.key(0))[0].memory if memory else ()
        return preferences, value, *jax.tree.leaves(then)

    return function, inputs, [*OUTPUTS, *(f"next_{name}" for name in memory)]


def _parts(spec: EnvSpec) -> int:
    return len(jax.tree.leaves(spec.observation))


def _named(prefix: str, tree: Any) -> dict[str, Any]:
    """Leaves by names such as `memory/0`; the only one by `prefix`."""
    leaves = jax.tree.leaves_with_path({prefix: tree})
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _difference(experiment: Experiment, content: bytes, function: Callable[..., Any], inputs: Inputs) -> float:
    """The largest between onnxruntime and JAX over `CHECKED_STEPS` steps of `CHECKED_ENVS` environments."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    spec, compiled = experiment.spec, jax.jit(function)
    memory = [np.zeros((CHECKED_ENVS, *each.shape[1:]), each.dtype) for each in [*inputs.values()][_parts(spec) + 1 :]]
    distances = []
    with closing(make_evaluation_env(experiment, CHECKED_ENVS)) as env:
        timestep = env.reset()
        for _ in range(CHECKED_STEPS):
            arrays = [*jax.tree.leaves(timestep.observation), *((timestep.first, *memory) if memory else ())]
            found = session.run(None, dict(zip(inputs, map(np.asarray, arrays), strict=True)))
            expected = [np.asarray(x) for x in compiled(*arrays)]
            distances += [_distance(a, b) for a, b in zip(expected, found, strict=True)]
            memory = expected[2:]
            timestep = env.step(_best(expected[0], timestep.legal, spec))
    return float(np.max(distances))  # which, unlike `max`, is NaN where one is


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(np.abs(a - b) / np.maximum(1, np.abs(a)))) if a.shape == b.shape else np.inf


def _best(preferences: np.ndarray, legal: np.ndarray | None, spec: EnvSpec) -> np.ndarray:
    if spec.bounds is not None:
        return preferences[:, : spec.num_actions]
    return np.where(True if legal is None else legal, preferences, -np.inf).argmax(-1).astype(np.int32)
