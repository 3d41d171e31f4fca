"""From an environment to what a run needs of it: pools, and the rules that its scores carry."""

from __future__ import annotations

from typing import Any, cast

from jaxrl.envs.base import BatchedEnv, EnvError, JaxEnv, PoolEnv
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.seeding import stream_key


def make_env(
    env: JaxEnv | PoolEnv, num_envs: int, *, num_threads: int = 1, seed: int, stream: tuple[int, ...]
) -> BatchedEnv:
    """A batch of `num_envs` environments.

    Args:
        env: of which kind.
        num_envs: B.
        num_threads: that step it; JAX environments have no use for it.
        seed: of the run.
        stream: words that name this batch among all of the run, such as (purpose, actor, pool, restart): different
            words give different random numbers.

    Raises:
        EnvError, ConfigError: the environment cannot be made.
    """
    if hasattr(env, "make_games"):
        raise EnvError("this is a game of two players, which agents learn with runtime.kind selfplay; set that")
    if hasattr(env, "make_pool"):
        return cast(PoolEnv, env).make_pool(num_envs, num_threads, seed, stream)
    return BatchedJaxEnv(cast(JaxEnv, env), num_envs, stream_key(seed, stream))


def protocol_rules(env: Any) -> dict[str, Any] | None:
    """Every rule of an environment that is played by several, its `label` first; None where there is but one."""
    return env.rules() if hasattr(env, "rules") else None


def scored(env: Any) -> Any:
    """`env` under the rules of evaluations, which are those of training where it says nothing else."""
    return env.scored() if hasattr(env, "scored") else env


def protocol_label(env: Any) -> str | None:
    """The label that every figure of such an environment must carry; None elsewhere."""
    rules = protocol_rules(env)
    return None if rules is None else rules["label"]
