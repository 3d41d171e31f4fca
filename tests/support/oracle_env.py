"""An environment that shows its own solution: the observation holds the true value and the true advantages.

A network that copies the observation to its heads is a perfect critic, so everything that should vanish at the solution
must vanish exactly, through the real actor, queue and loss. One row shifted, one boundary crossed, one discount
forgotten, and it does not. No training is involved, so the test takes milliseconds.

**How.** Each state draws a value `V` and advantages `A` with `E_pi[A] = 0`, free of what came before. The reward makes
them true: `r = V(s) + A(s, a) - discount_factor * discount * V(s')`. Hence for every single transition, whatever the
behaviour policy was:

    r + discount_factor * discount * V(s') - Q(s, a) = 0,   with Q = V + A

- DR-Trace: `q = Q` and `v = V` in every unmasked row, for all clips and any behaviour policy. CASA's losses for Q and V
  are 0. Construct with CASA's temperature: `pi = softmax(A / temperature)`, and its re-centring changes nothing.
- V-trace: with `advantage_scale=0`, `v = V` and the policy-gradient advantage is 0 in every unmasked row, for all clips
  and any behaviour policy. With other scales this holds in the mean only.

Episodes end at random, half by termination and half by truncation. The observation after termination holds `POISON` as
its value, which shows wherever a discount of 0 was not respected. The values of two episodes have nothing to do with
each other, so a trace that leaks over the ignored reset row shows as well.

**Exactness.** With `temperature=None` and the default discount factor every number is a small multiple of 1/8, so
float32 makes no error and tests may ask for exactly 0. With a temperature, `A` is rounded: allow 1e-5.

The agent under test must use the same discount factor and leave the reward as it is: no clipping, no transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.episode import Episode, advance, begin, to_timestep
from jaxrl.types import Array, ArraySpec, EnvSpec, Key, TimeStep

POISON = 64.0


def read_value(observation: Array) -> Array:
    """[..., 1 + A] -> [...]: V."""
    return observation[..., 0]


def read_advantages(observation: Array) -> Array:
    """[..., 1 + A] -> [..., A]: advantages with mean 0 under the target policy."""
    return observation[..., 1:]


class OracleState(NamedTuple):
    value: jax.Array  # float32 []
    advantages: jax.Array  # float32 [A]
    episode: Episode


@dataclass(frozen=True)
class OracleEnv:
    """`JaxEnv` with observation float32 [1 + A] = (V, A).

    Args:
        num_actions: A.
        discount_factor: the agent's; powers of two keep the arithmetic exact.
        advantage_scale: distance between the advantages of two actions; 0 makes all actions alike.
        temperature: of the target policy `softmax(A / temperature)`; None is the uniform policy.
        end_probability: of an episode's end in each step.
    """

    num_actions: int = 3
    discount_factor: float = 0.5
    advantage_scale: float = 1.0
    temperature: float | None = None
    end_probability: float = 0.25

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(ArraySpec((1 + self.num_actions,), "float32"), self.num_actions, frame_skip=1)

    def init(self, key: Key) -> OracleState:
        value, advantages = self._draw(key)
        return OracleState(value, advantages, begin())

    def step(self, state: OracleState, action: jax.Array, key: Key) -> OracleState:
        draw_key, end_key, kind_key = jax.random.split(key, 3)
        value, advantages = self._draw(draw_key)
        ended = jax.random.bernoulli(end_key, self.end_probability)
        terminated = ended & jax.random.bernoulli(kind_key)
        bootstrap = jnp.where(terminated, 0.0, self.discount_factor * value)
        reward = state.value + state.advantages[action] - bootstrap
        episode = advance(state.episode, reward, terminated, truncated=ended & ~terminated)
        return OracleState(jnp.where(terminated, POISON, value), advantages, episode)

    def timestep(self, state: OracleState) -> TimeStep:
        return to_timestep(state.episode, jnp.append(state.value, state.advantages))

    def _draw(self, key: Key) -> tuple[jax.Array, jax.Array]:
        """A value in quarters from -2 to 2, and advantages in random order."""
        value_key, order_key = jax.random.split(key)
        value = jax.random.randint(value_key, (), -8, 9) / 4.0
        ladder = (jnp.arange(self.num_actions) - (self.num_actions - 1) / 2) * self.advantage_scale
        advantages = jax.random.permutation(order_key, ladder.astype(jnp.float32))
        if self.temperature is not None:
            advantages -= jax.nn.softmax(advantages / self.temperature) @ advantages
        return value, advantages
