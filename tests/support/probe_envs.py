"""Five MDPs of two lines each that tell an agent's errors apart, as pure-JAX environments.

In order, each adds one thing that can be wrong; the first probe that fails points at it. With at most two observations
and two actions, any network learns each of them in seconds, so a miss is an error and no lack of training.

| probe            | the agent must                    | if only this one fails, look at            |
|------------------|-----------------------------------|--------------------------------------------|
| `ConstantValue`  | predict 1 after a constant        | value loss, its sign, optimiser            |
| `ObservedValue`  | predict +-1 from the observation  | gradients through torso and value head     |
| `DelayedReward`  | predict the discount factor, 1    | discounting, bootstrapping, the alignment  |
| `BestAction`     | take action 1                     | policy loss, its sign, behaviour logits    |
| `ObservedAction` | take the action observed          | advantages that depend on the observation  |

Use: train on `BatchedJaxEnv(probe, num_envs, key)` through the real actor and learner, then compare the network with
`probe.answers(discount_factor)`: values within 0.1, the greedy action equal wherever one is given. The last two give
values of the best policy, which a policy with some entropy left does not quite reach; keep entropy costs low there.
Rewards are within [-1, 1], so clipping changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.episode import Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec, Key, TimeStep


class Answer(NamedTuple):
    """What a trained agent must say."""

    observation: tuple[float, ...]  # [1]
    value: float
    action: int | None  # None where both are as good


class ProbeState(NamedTuple):
    observation: jax.Array  # float32 [1]
    episode: Episode


@dataclass(frozen=True)
class Probe:
    """`JaxEnv` of `length` steps with observation float32 [1]; the observation grows by 1 with every step."""

    spec: ClassVar[EnvSpec] = EnvSpec(ArraySpec((1,), "float32"), num_actions=2, frame_skip=1)
    length: ClassVar[int] = 1

    def start(self, key: Key) -> jax.Array:
        """The first observation, a scalar."""
        raise NotImplementedError

    def pay(self, observation: jax.Array, action: jax.Array) -> jax.Array | float:
        """The reward, from the scalar observation before the action."""
        raise NotImplementedError

    def answers(self, discount_factor: float) -> list[Answer]:
        """One per observation that the agent acts on."""
        raise NotImplementedError

    def init(self, key: Key) -> ProbeState:
        return ProbeState(jnp.reshape(jnp.float32(self.start(key)), 1), begin())

    def step(self, state: ProbeState, action: jax.Array, key: Key) -> ProbeState:
        del key
        ended = state.episode.episode_length + 1 >= self.length
        reward = self.pay(state.observation[0], action)
        return ProbeState(state.observation + 1.0, advance(state.episode, reward, ended))

    def timestep(self, state: ProbeState) -> TimeStep:
        return to_timestep(state.episode, state.observation)


class ConstantValue(Probe):
    """Always the same observation, always 1."""

    def start(self, key):
        return jnp.float32(1.0)

    def pay(self, observation, action):
        return 1.0

    def answers(self, discount_factor):
        return [Answer((1.0,), 1.0, None)]


class ObservedValue(Probe):
    """The reward is the observation, 1 or -1."""

    def start(self, key):
        return _sign(key)

    def pay(self, observation, action):
        return observation

    def answers(self, discount_factor):
        return [Answer((1.0,), 1.0, None), Answer((-1.0,), -1.0, None)]


class DelayedReward(Probe):
    """Two steps; the second pays 1."""

    length = 2

    def start(self, key):
        return jnp.float32(0.0)

    def pay(self, observation, action):
        return observation

    def answers(self, discount_factor):
        return [Answer((0.0,), discount_factor, None), Answer((1.0,), 1.0, None)]


class BestAction(Probe):
    """Always the same observation; action 1 pays 1, action 0 pays -1."""

    def start(self, key):
        return jnp.float32(1.0)

    def pay(self, observation, action):
        return jnp.where(action == 1, 1.0, -1.0)

    def answers(self, discount_factor):
        return [Answer((1.0,), 1.0, 1)]


class ObservedAction(Probe):
    """Action 1 is right where the observation is 1, action 0 where it is -1; right pays 1, wrong -1."""

    def start(self, key):
        return _sign(key)

    def pay(self, observation, action):
        return jnp.where((action == 1) == (observation > 0), 1.0, -1.0)

    def answers(self, discount_factor):
        return [Answer((1.0,), 1.0, 1), Answer((-1.0,), 1.0, 0)]


PROBES: tuple[Probe, ...] = (ConstantValue(), ObservedValue(), DelayedReward(), BestAction(), ObservedAction())


def _sign(key: Key) -> jax.Array:
    return jnp.where(jax.random.bernoulli(key), 1.0, -1.0)
