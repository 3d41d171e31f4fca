"""Which stage loses the card game's games, and does a search by the policy's own value win more?
`python launch/studies/locm_stages.py zoo:locm`

Mirrored matches against the script `scored`, or `--against greedy`:

    cards X, battle Y   the picks of one and the battle of the other, of the policy and `scored`
    tilted c            in the battle argmax of log policy(a) + c V(state after a): an own turn holds no chance before
                        its PASS and the engine is exact, so V says how good the state behind every action is; PASS
                        stands for the state as it is
    turns K             K ways to end the own turn, one greedy and the others drawn; the first action of the one behind
                        which V is highest

A game that is won is worth more than any value.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxrl.cli.contenders import read_weights
from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import V15, State, finished
from jaxrl.locm.lookahead import worths
from jaxrl.locm.match import match
from jaxrl.locm.players import PLAYERS, Choice, Player, scored_player
from jaxrl.locm.policy.seated import make_network, policy_player
from jaxrl.locm.policy.weights import Weights
from jaxrl.locm.table import view
from jaxrl.types import Array, Key

SURE = 1.5  # what a won game is worth, where V lies about -1 to 1
CLOSE = 0.002  # a drawn turn must be better than the greedy one by so much
MOST_ACTIONS = 12  # of a turn that is looked at
BLANK_CHOICES = 3  # a battle shows nothing of the pool: no 120 empty cards are embedded
Look = Callable[[State], tuple[Array, Array]]  # battles [n] -> log-probabilities [145, n], -inf if illegal; values [n]


def make_look(weights: Weights) -> Look:
    """The policy's view of battles; its memory, if it has one, is left out."""
    network, params = make_network(weights), jax.tree.map(jnp.asarray, weights.params)

    def look(state: State) -> tuple[Array, Array]:
        seen = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), view(state, V15))
        seen = seen._replace(cards=seen.cards[:, :BLANK_CHOICES], copies=seen.copies[:, :BLANK_CHOICES])
        out = network.apply({"params": params}, seen)
        logits = jnp.where(battle_legal(state), weights.scale * out.policy.T, -jnp.inf)  # pyright: ignore[reportAttributeAccessIssue]
        return jax.nn.log_softmax(logits, axis=0), out.value  # pyright: ignore[reportAttributeAccessIssue]

    return look


def worth(look: Look, state: State, player: Array) -> Array:
    """What battles are worth to their players [n]."""
    return jnp.where(finished(state), jnp.where(state.winner == player, SURE, -SURE), look(state)[1])


def tilted(look: Look, tilt: float) -> Choice:
    """See above."""

    def choose(key: Key, state: State) -> Array:
        gains = worths(state, battle_legal(state), V15, lambda after, player, game: worth(look, after, player))
        return jnp.argmax(look(state)[0] + tilt * gains, axis=0).astype(jnp.int16)

    return choose


def turns(look: Look, number: int) -> Choice:
    """See above."""

    def choose(key: Key, state: State) -> Array:
        games = state.winner.shape[-1]
        every = jax.tree.map(lambda x: jnp.tile(x, (*(1,) * (x.ndim - 1), number)), state)
        greedy, mover = jnp.arange(number * games) < games, every.player

        def step(carry: tuple[State, Array], key: Key) -> tuple[tuple[State, Array], Array]:
            state, ended = carry
            logits, _ = look(state)
            drawn = jax.random.categorical(key, logits, axis=0)
            action = jnp.where(greedy, jnp.argmax(logits, axis=0), drawn).astype(jnp.int16)
            ended = ended | (action == PASS) | finished(state)
            return (act(state, jnp.where(ended, PASS, action), V15, with_turn=False), ended), action

        begin = every, jnp.zeros(number * games, bool)
        (last, _), actions = jax.lax.scan(step, begin, jax.random.split(key, MOST_ACTIONS))
        value = worth(look, last, mover).reshape(number, games)
        best = jnp.argmax(value.at[0].add(CLOSE), axis=0)
        return jnp.take_along_axis(actions[0].reshape(number, games), best[None], axis=0)[0]

    return choose


def main() -> None:
    """Play, and print a line a match."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("policy", help="zoo:locm, a run, or a file of `jaxrl export`")
    add("--against", choices=list(PLAYERS), default="scored")
    add("--games", type=int, default=400)
    add("--seed", type=int, default=5)
    add("--tilts", type=float, nargs="*", default=[5.0, 20.0])
    add("--turns", type=int, nargs="*", default=[8, 32])
    options = parser.parse_args()
    weights = read_weights(options.policy)
    own, scored, look = policy_player(weights, V15), scored_player(V15), make_look(weights)
    players = {
        "cards own, battle own": (own.choose_card, own.choose_action),
        "cards own, battle scored": (own.choose_card, scored.choose_action),
        "cards scored, battle own": (scored.choose_card, own.choose_action),
        **{f"tilted {tilt:g}": (own.choose_card, tilted(look, tilt)) for tilt in options.tilts},
        **{f"turns {number}": (own.choose_card, turns(look, number)) for number in options.turns},
    }
    foe = PLAYERS[options.against](V15)
    for name, choices in players.items():
        played = match((Player(name, *choices), foe), V15, options.games, options.seed)
        low, high = played.interval()
        print(f"{name}: {played.win_rate:.1%} [{low:.1%}, {high:.1%}] of {played.games} against {foe.name}", flush=True)


if __name__ == "__main__":
    main()
