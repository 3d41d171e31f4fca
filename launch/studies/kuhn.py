"""Does fictitious play settle where plain self-play goes round, from games? `python launch/studies/kuhn.py`

Kuhn poker learnt from games alone, by IMPALA with a learning rate that falls to 0 and without UPGO, whose returns are
too hopeful where a policy must be mixed. As in smooth fictitious play the temperature, here the cost of entropy, falls,
geometrically: where it is low from the beginning, an action that was bad against the first policies is never tried
again. NashConv, what two best responses win together of a policy, is exact. Last policies lie about the equilibrium, as
gradients of few games leave them; the mean of late ones lies in their middle. `--game pennies` is the same for two-step
matching pennies.
Ways to choose opponents at equal samples: `osfp` with p = 0.6 and softmin, `uniform` with the same p, and `latest`, the
policy against itself alone. Prints a table; `--out FILE` also writes the curves as JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.agents import impala
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.config.seating import make_table
from jaxrl.config.sections import OpponentConfig, SelfPlayConfig
from jaxrl.networks.heads import PolicyValueNetwork
from jaxrl.networks.mlp import MLPTorso
from jaxrl.selfplay import kuhn, pennies
from jaxrl.selfplay.games import TwoPlayerGame
from jaxrl.selfplay.period import Carry, make_period

OPPONENTS = {
    "osfp": OpponentConfig(self_play=0.6, distribution="softmin", patience=3, capacity=64),
    "uniform": OpponentConfig(self_play=0.6, distribution="uniform", patience=3, capacity=64),
    "latest": OpponentConfig(self_play=1.0),
}
GAMES: dict[str, tuple[Any, TwoPlayerGame, int]] = {  # its file, itself, and the action whose probabilities are scored
    "kuhn": (kuhn, kuhn.Kuhn(), kuhn.BET),
    "pennies": (pennies, pennies.Pennies(), pennies.HEADS),
}
STEPS, ROWS = 8, 6  # of every game in an update, and room for one seat's share of them
STRETCH = 100  # updates of one call
SETTLED = 5  # stretches, over whose last policies' NashConv the table averages
LATE = 0.25  # of the stretches, whose last policies are averaged to one


def make_training(
    opponents: OpponentConfig, options: argparse.Namespace
) -> tuple[Callable[[int], Carry], Callable[[Carry], tuple[Carry, tuple[jax.Array, jax.Array]]]]:
    """A seed's beginning, and a stretch of training: its env steps and the last policy's probabilities of the
    action that is scored, in the order of the game's observations."""
    known, game, scored = GAMES[options.game]
    network = PolicyValueNetwork(MLPTorso((64,), jnp.dtype("float32")), known.NUM_ACTIONS)
    hypers = impala.Hypers(discount_factor=1.0, learning_rate=options.learning_rate)
    optimiser = OptimiserConfig(beta1=0.0, schedule="linear")
    config = impala.Config(hypers=hypers, optimiser=optimiser, reward_transform="identity")
    agent = impala.make(config, network, game.spec, options.updates)
    selfplay = SelfPlayConfig(period=20, num_slots=16, seat_every=1, opponents=opponents)
    period = make_period(agent, game, selfplay, make_table(selfplay, options.games), STEPS, ROWS)
    seen = jnp.asarray(known.all_observations())

    def update(carry: Carry, _: None) -> tuple[Carry, jax.Array]:
        carry, told = period.update(carry)
        return carry, told[1]

    @jax.jit
    def stretch(carry: Carry) -> tuple[Carry, tuple[jax.Array, jax.Array]]:
        done = carry.state.updates / options.updates
        entropy_cost = options.entropy_from ** (1 - done) * options.entropy_to**done
        hypers = dataclasses.replace(carry.state.hypers, entropy_cost=entropy_cost)
        carry = carry._replace(state=carry.state.replace(hypers=hypers))
        carry, env_steps = jax.lax.scan(update, carry, None, length=STRETCH)
        output: Any = network.apply({"params": carry.state.params}, seen.reshape(-1, seen.shape[-1]))
        bets = jax.nn.softmax(output.policy)[:, scored].reshape(seen.shape[:2])
        return carry, (jnp.sum(env_steps), bets)

    return lambda seed: period.init(*jax.random.split(jax.random.key(seed), 3)), stretch


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--game", choices=list(GAMES), default="kuhn")
    add("--opponents", nargs="+", choices=list(OPPONENTS), default=list(OPPONENTS))
    add("--seeds", type=int, default=3)
    add("--updates", type=int, default=16000, help=f"of a seed, a multiple of {STRETCH}; default: %(default)s")
    add("--games", type=int, default=2048, help="side by side; default: %(default)s")
    add("--learning-rate", type=float, default=5e-4, help="at the beginning; default: %(default)s")
    add("--entropy-from", type=float, default=0.3, help="cost at the beginning; default: %(default)s")
    add("--entropy-to", type=float, default=0.03, help="and at the end; default: %(default)s")
    add("--out", type=Path)
    options = parser.parse_args()
    found = {}
    print("NashConv of the last policy, mean of the last few, and of the mean policy of the last quarter")
    print(f"{'opponents':10} {'seed':>4} {'env steps':>12} {'last':>7} {f'last {SETTLED}':>7} {'mean':>7}")
    for name in options.opponents:
        begin, stretch = make_training(OPPONENTS[name], options)
        for seed in range(options.seeds):
            carry, total, curve, policies = begin(seed), 0, [], []
            for _ in range(options.updates // STRETCH):
                carry, (env_steps, bets) = stretch(carry)
                total += int(env_steps)
                policies.append(np.asarray(bets, np.float64))
                curve.append((total, GAMES[options.game][0].nash_conv(policies[-1])))
            settled = float(np.mean([gap for _, gap in curve[-SETTLED:]]))
            late = policies[-max(1, round(LATE * len(policies))) :]
            mean = GAMES[options.game][0].nash_conv(np.mean(late, axis=0))
            found[f"{name} {seed}"] = {"curve": curve, "mean policy": mean}
            print(f"{name:10} {seed:>4} {total:>12,} {curve[-1][1]:7.4f} {settled:7.4f} {mean:7.4f}", flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
