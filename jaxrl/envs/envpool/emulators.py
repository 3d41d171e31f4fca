"""EnvPool's compiled environments: Atari under one of three protocols, classic control and others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from jaxrl.config.conditions import ReadIf
from jaxrl.config.ranges import Between

if TYPE_CHECKING:  # `jaxrl train --help` reads this file, and must not wait for JAX
    from jaxrl.envs.base import BatchedEnv
    from jaxrl.types import EnvSpec, Screen

SCORED_RANDOM_STARTS = 10  # env steps, 0.7 s: enough for as many games as episodes, too few to lose one
MAX_INT32 = 2**31 - 1
MAX_FRAME_SIZE = 1024  # far above the screen's 210x160; EnvPool ends the process on sizes it cannot allocate


class ReadOnAtari(ReadIf):
    """Ids that do not exist have a sentence of their own elsewhere."""

    def holds(self, value: Any) -> bool:
        from envpool.registration import registry

        return registry.specs.get(value, ("envpool.atari",))[0] == "envpool.atari"

    def remedy(self) -> str:
        return f"set {self.setting} to an Atari game"


@dataclass(frozen=True)
class EnvPool:
    """An environment of EnvPool, under which protocol.

    Args:
        id: such as `Pong-v5` or `CartPole-v1`.
        protocol: Atari preset `machado`, `paper` or `cpu`.
        sticky_actions: probability that the previous action is repeated; null keeps the preset's.
        full_action_set: all 18 actions instead of the game's own; null keeps the preset's.
        noop_max: up to so many no-ops start an episode, at least 1; null keeps the preset's.
        random_starts: so many actions at the start of an episode are drawn at random; null is 0 in training, and in
            evaluation 10 where no action is sticky: no-ops alone give a greedy policy 30 different games at most.
        max_episode_steps: cap in env steps, after which an episode is truncated, of any id; null keeps the preset's,
            and outside Atari the game's own.
        frame_size: side of the square frame in pixels; null keeps the preset's.
        parts: the parts of an observation that the agent sees, of an id that shows several; all where there are none.
    """

    id: str = "Pong-v5"
    protocol: Annotated[Literal["machado", "paper", "cpu"], ReadOnAtari("env.id")] = "machado"
    sticky_actions: Annotated[float, Between(0, 1)] | None = None
    full_action_set: bool | None = None
    noop_max: Annotated[int, Between(1, MAX_INT32)] | None = None  # EnvPool crashes on 0
    random_starts: Annotated[int, Between(0, MAX_INT32)] | None = None
    max_episode_steps: Annotated[int, Between(1, MAX_INT32)] | None = None
    frame_size: Annotated[int, Between(1, MAX_FRAME_SIZE)] | None = None
    parts: tuple[str, ...] = ()

    @property
    def spec(self) -> EnvSpec:
        """What an agent must know, found without starting an environment; raises like `make_pool`."""
        from jaxrl.envs.envpool.options import envpool_spec

        return envpool_spec(self)

    def make_pool(self, num_envs: int, num_threads: int, seed: int, stream: tuple[int, ...]) -> BatchedEnv:
        """A pool of `num_envs` emulators.

        Raises:
            EnvError: the environment does not exist, or no agent here could play it.
            ConfigError: a setting of the protocol cannot work.
        """
        from jaxrl.envs.envpool.pool import EnvPoolEnv
        from jaxrl.envs.seeding import EVALUATION, env_seeds

        config = self.scored() if stream[:1] == (EVALUATION,) else self
        return EnvPoolEnv(config, num_envs, num_threads, env_seeds(seed, stream, num_envs))

    def make_screen(self, num_envs: int, seed: int, stream: tuple[int, ...]) -> Screen | None:
        """The console's own picture of environment 0 of such a pool; None where there is no console."""
        from jaxrl.envs.envpool.options import is_atari
        from jaxrl.envs.screen import AtariScreen
        from jaxrl.envs.seeding import EVALUATION, env_seeds

        config = self.scored() if stream[:1] == (EVALUATION,) else self
        return AtariScreen(config, env_seeds(seed, stream, num_envs)[0]) if is_atari(self.id) else None

    def scored(self) -> EnvPool:
        """The rules of evaluations: chance in every Atari game, so that a policy without any plays different ones."""
        from jaxrl.envs.envpool.options import is_atari
        from jaxrl.envs.envpool.protocols import resolve

        if self.random_starts is not None or not is_atari(self.id) or resolve(self).sticky_actions:
            return self
        return replace(self, random_starts=SCORED_RANDOM_STARTS)

    def rules(self) -> dict[str, Any] | None:
        """Every rule of an Atari environment by name, its label first; None elsewhere."""
        from jaxrl.envs.envpool.options import is_atari
        from jaxrl.envs.envpool.protocols import resolve

        return asdict(resolve(self)) if is_atari(self.id) else None
