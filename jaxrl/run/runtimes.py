"""What trains, by name: `runtime.kind` chooses from `RUNTIMES`, and `jaxrl.run.train` runs whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from jaxrl.config.registry import env_title
from jaxrl.config.seating import make_table, unroll_rows
from jaxrl.envs.seeding import TRAINING, stream_key
from jaxrl.errors import ConfigError
from jaxrl.run.experiment import (
    ACTOR_KEY,
    INIT_KEY,
    Experiment,
    choose_devices,
    devices_of,
    first_actor,
    make_actors,
    make_pools,
)
from jaxrl.runtime.actor import Actor
from jaxrl.runtime.anakin import AnakinRuntime
from jaxrl.runtime.seam import Runtime
from jaxrl.runtime.sebulba import Sebulba
from jaxrl.selfplay.fictitious import SelfPlay
from jaxrl.selfplay.period import make_period


def make_runtime(experiment: Experiment, restart: int = 0) -> Runtime:
    """The runtime of a run at its beginning.

    Args:
        restart: number of the resumption that it is made for; environments that cannot go on start on fresh seeds.

    Raises:
        ConfigError: `runtime.kind` cannot do what the config asks for; one sentence.
    """
    return RUNTIMES[experiment.config.runtime.kind](experiment, restart)


def make_sebulba(experiment: Experiment, restart: int = 0, actors: Sequence[Actor] | None = None) -> Sebulba:
    """Actor threads and a learner; `actors` are the config's unless given."""
    runtime = experiment.config.runtime
    actor_devices, learner_devices = devices_of(experiment)
    return Sebulba(
        experiment.agent,
        make_actors(experiment, restart) if actors is None else actors,
        experiment.agent.init(experiment.key(INIT_KEY)),
        experiment.key(ACTOR_KEY),
        runtime,
        actor_devices=actor_devices,
        learner_devices=learner_devices,
        first_actor=first_actor(runtime),
    )


def make_anakin(experiment: Experiment, restart: int = 0) -> AnakinRuntime:
    """Everything on one device, without threads."""
    runtime = experiment.config.runtime
    if hasattr(experiment.env, "make_pool"):
        raise ConfigError(
            f"runtime.kind anakin steps environments in JAX on the learner's device, which "
            f"{env_title(experiment.config.env)} cannot; set runtime.kind sebulba"
        )
    (device,) = choose_devices(runtime.learner_devices, 1, "runtime.learner_devices")
    pools: Any = make_pools(experiment, restart)
    return AnakinRuntime(
        experiment.agent,
        pools,
        experiment.agent.init(experiment.key(INIT_KEY)),
        experiment.key(ACTOR_KEY),
        runtime,
        device=device,
    )


def make_selfplay(experiment: Experiment, restart: int = 0) -> SelfPlay:
    """Two seats, one policy; it goes on exactly, so that a `restart` is nothing new."""
    config, game = experiment.config, cast(Any, experiment.env)
    if not hasattr(game, "make_games"):
        raise ConfigError(
            f"runtime.kind selfplay is for games of two players, and {env_title(config.env)} is none; set runtime.kind "
            "sebulba"
        )
    for setting, names in (("scripts", config.selfplay.scripts), ("evaluate", config.selfplay.evaluate)):
        for name in names:
            if name not in game.scripts:
                raise ConfigError(
                    f"selfplay.{setting} names {name}, and {env_title(config.env)} has {', '.join(game.scripts)}"
                )
    indices, steps = config.runtime.learner_devices, config.runtime.unroll_length
    devices = choose_devices(indices, len(indices), "runtime.learner_devices")
    table = make_table(config.selfplay, config.runtime.envs_per_pool // len(devices))
    period = make_period(
        experiment.agent, game, config.selfplay, table, steps, unroll_rows(config.selfplay, steps), devices
    )
    keys = experiment.key(INIT_KEY), stream_key(config.seed, (TRAINING,)), experiment.key(ACTOR_KEY)
    return SelfPlay(experiment.agent, game, period, config.selfplay, keys)


RUNTIMES: dict[str, Callable[[Experiment, int], Runtime]] = {
    "sebulba": make_sebulba,
    "anakin": make_anakin,
    "selfplay": make_selfplay,
}
