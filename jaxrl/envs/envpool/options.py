"""What EnvPool offers and how to ask for it: the only file that imports envpool, and only inside functions.

EnvPool ends the process on arguments it does not like, so everything is checked here before it sees them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from jaxrl.envs.base import EnvError
from jaxrl.envs.checks import unknown_id
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.envpool.protocols import overrides, resolve
from jaxrl.envs.envpool.random_starts import RandomStarts
from jaxrl.envs.spaces import Observer, flatten, read_action
from jaxrl.errors import ConfigError
from jaxrl.types import EnvSpec

SCREEN_HEIGHT, SCREEN_WIDTH = 210, 160  # of the console, in pixels


def envpool_spec(config: EnvPool) -> EnvSpec:
    """What an agent must know of `config.id`; raises `EnvError` where no agent here could play it."""
    spec = _pool_spec(config)
    num_actions, bounds = read_action(_space(spec, "action_space"), config.id)
    protocol = resolve(config) if is_atari(config.id) else None
    skip, stack = (protocol.frame_skip, protocol.frame_stack) if protocol else (1, 1)
    return EnvSpec(make_observer(config, spec).spec, num_actions, skip, bounds=bounds, frame_stack=stack)


def make_observer(config: EnvPool, spec: Any) -> Observer:
    """What makes observations of EnvPool's arrays, by the names of `shown_keys`; raises `EnvError`."""
    spaces = flatten(_space(spec, "observation_space"))
    names = shown_keys(spec.state_array_spec).values()
    shown = {name: spaces[name if name in spaces else ""] for name in names}  # the only array may have a name in keys
    return Observer(shown, config.parts, config.id)


def shown_keys(keys: Iterable[str]) -> dict[str, str]:
    """The parts of an observation among EnvPool's `keys`, by key; "" where it has none."""
    return {key: key[4:].replace(":", ".") for key in keys if key == "obs" or key.startswith("obs:")}


def _pool_spec(config: EnvPool) -> Any:
    """EnvPool's own spec, after every check that can be made without starting a pool."""
    import envpool

    options = _options(config)
    try:
        spec: Any = envpool.make_spec(config.id, **options)
    except Exception as error:
        raise EnvError(f"EnvPool cannot make {config.id}: {error}") from error
    if spec.config.max_num_players != 1:
        raise EnvError(f"{config.id} has {spec.config.max_num_players} players; choose an env.id with one.")
    return spec


def _options(config: EnvPool) -> dict[str, Any]:
    """EnvPool's arguments that follow from the config, validated."""
    import envpool

    known = envpool.list_all_envs()
    if config.id not in known:
        raise unknown_id(config.id, known, "EnvPool")
    if not is_atari(config.id):
        for name in overrides(config).keys() - {"max_episode_steps"}:  # that cap is `EnvPoolEnv`'s own
            raise ConfigError(f"env.{name} is an Atari setting and {config.id} is not an Atari game; set it to null")
        return {}
    protocol = resolve(config)
    return {
        "frame_skip": protocol.frame_skip,
        "stack_num": protocol.frame_stack,
        "img_height": protocol.frame_size,
        "img_width": protocol.frame_size,
        "full_action_space": protocol.full_action_set,
        "repeat_action_probability": protocol.sticky_actions,
        "noop_max": protocol.noop_max,
        "max_episode_steps": protocol.max_episode_steps,
        "gray_scale": True,
        "use_fire_reset": False,
        "episodic_life": False,
        "zero_discount_on_life_loss": False,
        "reward_clip": False,
    }


def make_starts(config: EnvPool, seeds: Sequence[int], num_actions: int) -> RandomStarts:
    """What is played in place of an agent's first actions; nothing outside Atari."""
    return RandomStarts(seeds, num_actions, resolve(config).random_starts if is_atari(config.id) else 0)


def make_screen_pool(config: EnvPool, seed: int) -> Any:
    """One emulator that plays as that of `make_pool` with the same seed does, and shows the console's own picture."""
    colour = {"gray_scale": False, "stack_num": 1, "img_height": SCREEN_HEIGHT, "img_width": SCREEN_WIDTH}
    return make_pool(config, 1, 1, [seed], **colour)


def make_pool(config: EnvPool, num_envs: int, num_threads: int, seeds: Sequence[int], **changes: Any) -> Any:
    """A synchronous pool, with `changes` of EnvPool's arguments; raises `EnvError`."""
    import envpool

    options = _options(config) | changes
    try:
        return envpool.make_gymnasium(
            config.id,
            num_envs=num_envs,
            batch_size=num_envs,  # synchronous: rows stay in the order of environments
            num_threads=num_threads,
            seed=[int(seed) for seed in seeds],
            **options,
        )
    except Exception as error:
        raise EnvError(f"EnvPool cannot make {config.id}: {error}") from error


def is_atari(env_id: str) -> bool:
    """Whether EnvPool's `env_id` is a game that has a protocol; False for unknown ids."""
    from envpool.registration import registry

    return env_id in registry.specs and registry.specs[env_id][0] == "envpool.atari"


def _space(spec: Any, name: str) -> Any:
    with warnings.catch_warnings(action="ignore"):  # about the precision of unbounded boxes
        return getattr(spec, name)
