"""What the card game's method rests on, at equal samples: the pool, one policy for both stages, what the stages share.

    python launch/studies/locm_ablations.py --seeds 3 --env_steps 10_000_000 --out runs/locm-ablations
    python launch/studies/locm_ablations.py --seconds 180 --runtime.envs_per_pool 512 --agent.num_minibatches 8

Every arm of `locm_arms.py` is trained with every seed by `configs/locm/osfp.yaml`, without scripts as opponents;
settings are overridden as in `jaxrl train`. All runs are one program, side by side (`--together` fewer at a time), so
that they see equally many games, make equally many gradient steps, and end together, where `--seconds` of training are
over before `env_steps`.

At `--points` points of the training every policy, taking its likeliest actions, plays the scripts `scored` and `greedy`
in mirrored pairs with the same deals for all. At the end come matches of every arm against every other, all seeds
against all, and of every run's last policy against its own at the earlier points.

`results.json`, `table.md` and `policies/` lie in `--out` and are written anew at every point. Called again the study
trains what is not finished and plays what is not played; `--no-training` plays with the policies that there are.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import locm_ablations_table as tables
import numpy as np
from locm_arms import ARMS, SWITCHES, Rules, StagedNetwork, in_turn, rules_of, stage_params, switches_of

from jaxrl.config import registry
from jaxrl.config.parsing import read_config
from jaxrl.config.plan import make_plan
from jaxrl.config.seating import make_table, unroll_rows
from jaxrl.config.sections import ExperimentConfig
from jaxrl.envs.locm.state import V15
from jaxrl.errors import UserError
from jaxrl.locm.match import play_pairs
from jaxrl.locm.players import PLAYERS, Player
from jaxrl.locm.policy.seated import policy_player
from jaxrl.locm.policy.weights import Weights
from jaxrl.selfplay.period import Carry, make_period
from jaxrl.types import Key, Metrics, PyTree

BEGAN = time.monotonic()
SCRIPTS = "scored", "greedy"
WATCHED = (  # means since the last point
    *(f"selfplay/{name}" for name in ("deck_cost", "entropy_deck", "entropy_battle", "game_length", "meets_pool")),
    *("selfplay/pool_size", "selfplay/lost", "optimiser/grad_norm", "trace/rho_clipped"),
)


class Programs(NamedTuple):
    """All that is compiled; R runs or M matches side by side."""

    init: Callable[[Key, Key, Key], Carry]  # of one run
    update: Callable[[Rules, Carry], tuple[Carry, tuple[Metrics, jax.Array]]]  # metrics and env steps [R]
    scripts: dict[str, Callable[[PyTree, Key], jax.Array]]  # parameters -> share of the games won [R]
    duels: Callable[[PyTree, PyTree, Key], jax.Array]  # parameters of both -> share of the first [M]


class Study:
    """The parts that all runs share.

    Args:
        config: of every run; its arm decides the rest.
        pairs: of games of a match.
        phase: updates for which one stage learns where they learn in turn.
    """

    def __init__(self, config: ExperimentConfig, pairs: int, phase: int):
        if config.network.core_size or not (config.network.shared_embedding and config.network.shared_summary):
            raise UserError(
                "the study's policies remember nothing, and its arms say what is shared; leave network.core_size at 0, "
                "and network.shared_embedding and shared_summary as they are"
            )
        plan, self.config, self.pairs = make_plan(config, 1), config, pairs
        self.game = registry.make("env", config.env)
        self.network = StagedNetwork(config.network)
        agent = registry.make("agent", config.agent, self.network, self.game.spec, plan.num_updates)
        self.agent = in_turn(agent, phase)

    def period(self, temperature: Any) -> Any:
        """Updates of one run with this temperature of softmin."""
        config, steps = self.config, self.config.runtime.unroll_length
        opponents = dataclasses.replace(
            config.selfplay.opponents, distribution="softmin", softmin_temperature=temperature
        )
        selfplay = dataclasses.replace(config.selfplay, opponents=opponents)
        table = make_table(selfplay, config.runtime.envs_per_pool)
        return make_period(self.agent, self.game, selfplay, table, steps, unroll_rows(selfplay, steps))

    def begin(self, programs: Programs, runs: Sequence[tuple[str, int]]) -> Carry:
        """Runs before their first update, leaves [R, ...]; those of one seed are alike but for their switches."""
        by_seed = {
            seed: programs.init(*jax.random.split(jax.random.key(seed), 3)) for seed in {seed for _, seed in runs}
        }

        def switched(arm: str, carry: Carry) -> Carry:
            params = {**carry.state.params, SWITCHES: switches_of(ARMS[arm])}
            return carry._replace(state=carry.state.replace(params=params))

        carries = [switched(arm, by_seed[seed]) for arm, seed in runs]
        return jax.device_put(jax.tree.map(lambda *x: jnp.stack(x), *carries), jax.devices()[0])

    def update(self, rules: Rules, carry: Carry) -> tuple[Carry, tuple[Metrics, jax.Array]]:
        """One update of one run."""
        carry, (metrics, env_steps, _) = self.period(rules.temperature).update(carry)
        ledger = carry.pool.ledger
        ledger = ledger._replace(size=jnp.minimum(ledger.size, rules.members))
        carry = carry._replace(pool=carry.pool._replace(ledger=ledger))
        return carry, ({name: metrics[name] for name in WATCHED}, env_steps)

    def player(self, params: PyTree) -> Player:
        """A run's policy: each stage by its network, the likeliest action."""
        settings = dataclasses.asdict(self.network.config)
        stages = (Weights("policy", settings, stage, 1.0) for stage in stage_params(params))
        deck, battle = (policy_player(weights, V15) for weights in stages)
        return Player("policy", deck.choose_card, battle.choose_action)

    def share(self, players: tuple[Player, Player], key: Key) -> jax.Array:
        """The first player's share of the games of a match; one cut off counts as half."""
        winner, _ = play_pairs(key, players, V15, self.pairs, None)
        seat = (jnp.arange(2 * self.pairs) >= self.pairs).astype(winner.dtype)
        return jnp.mean(jnp.where(winner < 0, 0.5, winner == seat))

    def compile(self, runs: int, duels: int, trains: bool) -> Programs:
        """Every program, all at the same time: compiling is most of a short study."""
        one_device = jax.sharding.SingleDeviceSharding(jax.devices()[0])

        def shapes(tree: PyTree, number: int) -> PyTree:
            return jax.tree.map(lambda x: jax.ShapeDtypeStruct((number, *x.shape), x.dtype, sharding=one_device), tree)

        key = jax.random.key(0)
        carry = jax.eval_shape(self.period(1.0).init, key, key, key)
        rules = jax.eval_shape(lambda: Rules(jnp.float32(0), jnp.int32(0)))
        many, pair = shapes(carry.state.params, runs), shapes(carry.state.params, duels)

        def against(name: str) -> Callable[[PyTree, Key], jax.Array]:
            return lambda params, key: self.share((self.player(params), PLAYERS[name](V15)), key)

        def duel(first: PyTree, second: PyTree, key: Key) -> jax.Array:
            return self.share((self.player(first), self.player(second)), key)

        wanted: dict[str, tuple[Any, ...]] = {
            name: (jax.jit(jax.vmap(against(name), (0, None))), many, key) for name in SCRIPTS
        }
        wanted["duels"] = jax.jit(jax.vmap(duel, (0, 0, None))), pair, pair, key
        if trains:
            update = jax.jit(jax.vmap(self.update), donate_argnums=1)
            wanted["init"] = jax.jit(self.period(1.0).init), key, key, key
            wanted["update"] = update, shapes(rules, runs), shapes(carry, runs)

        def build(name: str) -> Any:
            function, *arguments = wanted[name]
            program = function.lower(*arguments).compile()
            say(f"compiled {name}")
            return program

        with ThreadPoolExecutor(len(wanted)) as threads:
            programs = dict(zip(wanted, threads.map(build, wanted), strict=True))
        scripts = {name: programs[name] for name in SCRIPTS}
        return Programs(
            programs.get("init", _untrained), programs.get("update", _untrained), scripts, programs["duels"]
        )


def _untrained(*_: Any) -> Any:
    raise AssertionError("--no-training compiles nothing to train with")


def say(line: str) -> None:
    """Print at once, with the time since the beginning."""
    print(f"{time.monotonic() - BEGAN:5.0f} s: {line}", flush=True)


def train(
    study: Study, programs: Programs, runs: Sequence[tuple[str, int]], results: tables.Results, seconds: float
) -> None:
    """Train runs side by side to the end of `env_steps`, or of `seconds` of training; every point is written."""
    opponents = study.config.selfplay.opponents
    rules = rules_of([ARMS[arm] for arm, _ in runs], opponents.softmin_temperature, opponents.capacity)
    carry, points = study.begin(programs, runs), results.points
    for run in runs:
        results.begin(run)
    total, updates, spent, done, watched = np.zeros(len(runs), np.int64), 0, 0.0, 0, []
    limit = results.updates
    while done < points:
        began = time.monotonic()
        carry, (metrics, env_steps) = programs.update(rules, carry)
        total += np.asarray(env_steps)
        updates, spent = updates + 1, spent + time.monotonic() - began
        watched.append(metrics)
        if updates in (1, 10):
            say(f"update {updates}, {spent:.1f} s of training")
        progress = updates / limit if limit else max(total.min() / study.config.env_steps, spent / seconds)
        if progress * points >= done + 1:
            done = min(points, int(progress * points))
            params = carry.state.params
            means = {name: np.mean([x[name] for x in jax.device_get(watched)], axis=0) for name in WATCHED}
            shares = {name: np.asarray(play(params, jax.random.key(1000))) for name, play in programs.scripts.items()}
            host = jax.device_get(params)
            columns = {**{name.split("/")[1]: x for name, x in means.items()}, **shares, "env_steps": total}
            alike = {"updates": updates, "seconds": spent}
            told = {
                run: {**alike, **{name: x[number] for name, x in columns.items()}} for number, run in enumerate(runs)
            }
            policies = {run: jax.tree.map(lambda x, i=i: x[i], host) for i, run in enumerate(runs)}
            results.add_point(told, policies, done == points)
            results.write()
            say(
                f"{updates} updates, {total.min():,} env steps a run, {spent:.0f} s of training, "
                f"{total.sum() / spent:,.0f} env steps/s: "
                + ", ".join(f"{n} {x.mean():.1%}" for n, x in shares.items())
            )
            watched = []


def play_duels(programs: Programs, chunk: int, results: tables.Results) -> None:
    """All matches between policies that have not been played."""
    missing = results.missing_duels()
    for start in range(0, len(missing), chunk):
        now = missing[start : start + chunk]
        filled = [*now, *[now[-1]] * (chunk - len(now))]
        first, second = (
            jax.tree.map(lambda *x: jnp.stack(x), *[results.policy(pair[side]) for pair in filled]) for side in (0, 1)
        )
        shares = np.asarray(programs.duels(first, second, jax.random.key(2000)))
        results.add_duels(now, shares[: len(now)])
        results.write()
        say(f"{start + len(now)} of {len(missing)} matches between policies played")


def read_options(arguments: Sequence[str]) -> tuple[argparse.Namespace, ExperimentConfig]:
    """The study's own options, and the config that all others make."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    add("--seeds", type=int, default=3)
    add("--seconds", type=float, default=float("inf"), help="of training, matches and compiling beside")
    add("--points", type=int, default=5, help="at which policies are kept and play the scripts; default: %(default)s")
    add("--games", type=int, default=200, help="of a match, in mirrored pairs; default: %(default)s")
    add("--duels", type=int, default=96, help="matches between policies side by side; default: %(default)s")
    add("--phase", type=int, default=20, help="updates of one stage where they learn in turn; default: %(default)s")
    add("--together", type=int, default=0, help="runs of one program; default: all")
    add("--no-training", action="store_true", help="only matches, with the policies that there are")
    add("--config", default="configs/locm/osfp.yaml")
    add("--out", type=Path, default=Path("runs/locm-ablations"))
    options, overrides = parser.parse_known_args(arguments)
    return options, read_config(options.config, ["--selfplay.scripts={}", *overrides])


def main(arguments: Sequence[str]) -> None:
    """Train, play, and print the table."""
    options, config = read_options(arguments)
    runs = [(arm, seed) for seed in range(options.seeds) for arm in options.arms]
    study = Study(config, max(1, options.games // 2), options.phase)
    settings = tables.describe(config, games=options.games, phase=options.phase, seconds=str(options.seconds))
    results = tables.Results(options.out, settings, options.points)
    say(f"{len(runs)} runs on {jax.devices()[0].device_kind}")
    waiting = [] if options.no_training else [run for run in runs if not results.finished(run)]
    together = min(options.together or len(waiting), len(waiting))
    programs = study.compile(max(together, 1), options.duels, bool(waiting))
    for start in range(0, len(waiting), together or 1):
        group = waiting[start : start + together]
        filled = [*group, *[group[-1]] * (together - len(group))]  # of one size, so that the program is the same
        train(study, programs, filled, results, options.seconds)
    play_duels(programs, options.duels, results)
    print(results.table(), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"locm_ablations: error: {error}")
