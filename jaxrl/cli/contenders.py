"""Players of the card game by what a user calls them: a script, the champion, a run or an exported file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from jaxrl.errors import UserError
from jaxrl.locm.bot import PlayerChooser
from jaxrl.locm.players import PLAYERS, Player
from jaxrl.locm.policy.chooser import PolicyChooser
from jaxrl.locm.policy.weights import Weights, as_weights
from jaxrl.locm.rulebook import Rules, read_rules
from jaxrl.run.zoo.card import CONFIG, exported_file, read_card, read_member

if TYPE_CHECKING:
    from jaxrl.record.rundir import RunDir

POOL = "standing/pool/"


def read_weights(word: str) -> Weights:
    """A trained policy: `champion`, `zoo:NAME`, a file of `jaxrl export`, a run folder or `latest`.

    Raises:
        UserError: there is none, or it is of another game.
    """
    file = exported_file(word)
    if file is not None:
        config, steps = yaml.safe_load(read_member(file, CONFIG)), read_card(file).get("env_steps")
        with np.load(file, allow_pickle=False) as arrays:
            return as_weights(word, config, {name: arrays[name] for name in arrays.files if "/" in name}, steps)
    from jaxrl.record.rundir import RunDir

    run = RunDir.find(word)
    config, arrays, env_steps = _read_run(run)
    return as_weights(run.path.name, config, arrays, env_steps)


def _read_run(run: RunDir) -> tuple[dict[str, Any], dict[str, np.ndarray], Any]:
    """The settings of a run, the arrays of its checkpoint, and the env steps of its training."""
    from jaxrl.record.checkpoints import CheckpointError, Checkpoints  # a bot of an exported file starts without these

    found = Checkpoints(run).open()
    if found is None:
        raise CheckpointError(f"{run} has no checkpoint to play with; train it first")
    arrays = {leaf.path: leaf.array for leaf in found.saved if leaf.array is not None}
    return yaml.safe_load(run.config.read_text(encoding="utf-8")), arrays, found.counters.get("env_steps")


def read_periods(run: RunDir) -> tuple[list[Weights], Rules]:
    """The policies in a run's pool, in the order of their places, and the newest one; and the rules of its games.

    As long as the pool is not full that is the order of their periods.

    Raises:
        UserError: the run has no pool, is of another game, or its list of cards is gone.
    """
    config, arrays, _ = _read_run(run)
    if (size := arrays.get(f"{POOL}ledger/size")) is None:
        raise UserError(f"{run} has no pool of earlier policies; name a run with runtime.kind selfplay")
    policies = []
    for number in range(int(size)):
        own = {
            f"state/{path.removeprefix(f'{POOL}members/')}": array[number]
            for path, array in arrays.items()
            if path.startswith(f"{POOL}members/params/")
        }
        policies.append(as_weights(f"member {number + 1}", config, own))
    policies.append(as_weights("last", config, arrays))
    env = config["env"]
    return policies, read_rules(str(env.get("version", "1.5")), env.get("card_list"), "env.")


def make_player(word: str, rules: Rules, sampled: bool = False) -> Player:
    """A player of batches of games; raises `UserError` like `read_weights`."""
    if word in PLAYERS:
        return PLAYERS[word](rules.version)
    weights = read_weights(word)
    from jaxrl.locm.policy.seated import policy_player

    return policy_player(weights, rules.version, sampled)


def make_chooser(word: str, rules: Rules, sampled: bool = False) -> PlayerChooser | PolicyChooser:
    """A player of one game at a time; raises `UserError` like `read_weights`."""
    if word in PLAYERS:
        return PlayerChooser(PLAYERS[word](rules.version))
    return PolicyChooser(read_weights(word), rules.version, sampled)
