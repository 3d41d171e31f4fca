"""Pure-JAX environments as a batch: vmap plus EnvPool's auto-reset.

`begin`, `look` and `step` are pure, for code that is jitted as a whole; `BatchedJaxEnv` has NumPy in and out, and one
jitted call a step.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.base import BatchedEnv, EnvError, JaxEnv
from jaxrl.envs.checks import Turn, check_action, check_num_envs
from jaxrl.types import Device, EnvSpec, Key, PyTree, TimeStep


class Carry(NamedTuple):
    """All that a batch is: it goes in and out of every jitted call."""

    state: PyTree  # of the JaxEnv, leaves [B, ...]
    key: Key


class BatchedJaxEnv(BatchedEnv):
    """A batch of `num_envs` copies of `env`; deterministic from `key`, saved and loaded exactly.

    Args:
        env: hashable, because it is static to the compiler; equal environments share the compiled step.
        num_envs: B.
        key: from which every random number follows.
        device: where to step; by default the CPU, because the results go to NumPy.
    """

    def __init__(self, env: JaxEnv, num_envs: int, key: Key, device: Device | None = None) -> None:
        check_num_envs(num_envs)
        self.spec: EnvSpec = env.spec
        self.num_envs = num_envs
        self.step_purely = partial(step, env)
        self._device = device or _host()
        self._begin = partial(_begin, env, num_envs)
        self._look = partial(_look, env)
        self._step = partial(_step, env)
        self._turn = Turn()
        self._key = jax.device_put(key, self._device)
        self._carry: Carry | None = None
        self._timestep: TimeStep | None = None

    def reset(self) -> TimeStep:
        """Start new episodes everywhere; a later reset goes on with the random numbers where the last one stopped."""
        self._turn.reset()
        key = self._key if self._carry is None else self._carry.key
        self._carry, self._timestep = self._begin(key)
        return self._current()

    def send(self, action: np.ndarray) -> None:
        action = check_action(action, self.num_envs, self.spec)
        self._turn.send()
        self._carry, self._timestep = self._step(self._carry, jax.device_put(action, self._device))

    def recv(self) -> TimeStep:
        self._turn.recv()
        return self._current()

    def save_state(self) -> dict[str, np.ndarray]:
        """Every leaf of the batch by number; a flat dictionary survives any checkpoint format."""
        self._turn.rest()
        return {_name(i): _to_numpy(leaf) for i, leaf in enumerate(jax.tree.leaves(self._carry))}

    def load_state(self, state: PyTree) -> TimeStep:
        """Go on from what `save_state` returned; raises `EnvError` if it was another batch's."""
        template, _ = self._begin(self._key)
        leaves, treedef = jax.tree.flatten(template)
        names = [_name(i) for i in range(len(leaves))]
        if not isinstance(state, dict) or sorted(state) != sorted(names):
            raise EnvError("The saved state belongs to another kind of environment.")
        restored = [_from_numpy(state[name], leaf) for name, leaf in zip(names, leaves, strict=True)]
        return self.go_on(jax.tree.unflatten(treedef, restored))

    @property
    def carry(self) -> Carry:
        """All that this batch is, for code that steps it with `step_purely`."""
        assert self._carry is not None, "call reset first"
        return self._carry

    def go_on(self, carry: Carry) -> TimeStep:
        """Go on from `carry`."""
        carry = jax.device_put(carry, self._device)
        self._carry, self._timestep = carry, self._look(carry.state)
        self._turn.reset()
        return self._current()

    def close(self) -> None:
        self._turn.close()
        self._carry = self._timestep = None

    def _current(self) -> TimeStep:
        return jax.tree.map(np.asarray, self._timestep)


def look(env: JaxEnv, state: PyTree) -> TimeStep:
    """TimeStep with leaves [B, ...], `last` included where the environment's cap is reached."""
    timestep, cap = jax.vmap(env.timestep)(state), getattr(env, "max_episode_steps", None)
    return timestep if cap is None else timestep._replace(last=timestep.last | (timestep.episode_length >= cap))


def begin(env: JaxEnv, num_envs: int, key: Key) -> tuple[Carry, TimeStep]:
    """`num_envs` new episodes, and what they show first."""
    key, start = jax.random.split(key)
    state = jax.vmap(env.init)(jax.random.split(start, num_envs))
    return Carry(state, key), look(env, state)


def step(env: JaxEnv, carry: Carry, action: jax.Array) -> tuple[Carry, TimeStep]:
    """One step of every environment with `action` int32 [B], or float32 [B, D]; finished ones start anew instead."""
    key, now = jax.random.split(carry.key)
    finished = look(env, carry.state).last
    if env.spec.bounds is not None:
        action = env.spec.bounds.stretch(action)

    def step_one(finished: jax.Array, state: PyTree, action: jax.Array, key: Key) -> PyTree:
        step_key, reset_key = jax.random.split(key)
        # Under vmap both are computed, and on a finished episode the step is thrown away together with its action.
        fresh, stepped = env.init(reset_key), env.step(state, action, step_key)
        return jax.tree.map(partial(jnp.where, finished), fresh, stepped)

    state = jax.vmap(step_one)(finished, carry.state, action, jax.random.split(now, action.shape[0]))
    return Carry(state, key), look(env, state)


# Compiled once for equal environments.
_look = jax.jit(look, static_argnums=0)
_begin = jax.jit(begin, static_argnums=(0, 1))
_step = jax.jit(step, static_argnums=0)


def _host() -> Device | None:
    """The CPU, or None (the default device) in a process that was told to have none."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def _name(index: int) -> str:
    return f"leaf_{index:03d}"


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_numpy(leaf: jax.Array) -> np.ndarray:
    # A copy, because NumPy's view of a JAX array is read-only and keeps the array alive.
    return np.array(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _from_numpy(saved: np.ndarray, template: jax.Array) -> jax.Array:
    leaf = jnp.asarray(saved)
    if _is_key(template):
        leaf = jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(template))
    if leaf.shape != template.shape or leaf.dtype != template.dtype:
        raise EnvError(
            f"The saved state does not fit: {leaf.dtype} {leaf.shape}, not {template.dtype} {template.shape}."
        )
    return leaf
