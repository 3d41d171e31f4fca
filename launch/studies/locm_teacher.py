"""Is the card game's policy mended by its own value? `python launch/studies/locm_teacher.py zoo:locm --out FILE`

In the battle an own turn holds no chance before its PASS, and the engine is exact: so the policy's value V says of
every legal action how good the state behind it is. The teacher is the policy tilted by that,

    target(a)  ~  policy(a) exp(c (V(state after a) - V(state)))        and PASS stands for the state as it is

It plays, against itself in half of the games and against the script `scored` in the others, and the policy learns its
choices by cross-entropy, and the games' results by its value. The draft is held where it was, by the divergence from
the beginning's policy on drafts of its own. What is written is the running mean of the parameters, as an exported
agent: `jaxrl play locm FILE scored`. Says after every round how often the teacher has won against `scored`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl.config.parsing import write_config
from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.deck_stage import deck_legal, pick, with_decks
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import DECK_STEPS, V15, State, finished
from jaxrl.locm.lookahead import worths
from jaxrl.locm.players import scored_player
from jaxrl.locm.table import CardView, view
from jaxrl.run.trained import restore
from jaxrl.run.zoo.card import exported_file, read_card
from jaxrl.run.zoo.exported import write_exported
from jaxrl.types import Array, Key, Params

BLANK_CHOICES = 3  # a battle shows nothing of the pool, so that no 120 empty cards need be embedded
DRAFTS = 64  # games whose drafts hold the draft where it was
DRAFT_ROWS = 128  # of a gradient step
MEAN = 0.995  # decay of the running mean of parameters, per gradient step


class Lessons(NamedTuple):
    """Battle actions of the teacher; leaves [N, ...]."""

    view: CardView
    legal: Array
    target: Array  # float32 [N, 145]
    result: Array  # float32: of the game, for the seat that moved
    counts: Array  # bool: the policy moved here, in a game that came to its end


class Student:
    """The network of an exported agent, and its lessons."""

    def __init__(self, network: Any, options: argparse.Namespace):
        """`network` is the agent's; options as on the command line."""
        self.network, self.options = network, options
        self.scored = scored_player(V15)
        self.optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(options.learning_rate))

    def look(self, params: Params, seen: CardView) -> tuple[Array, Array]:
        """Logits [N, 145] and values [N]."""
        out = self.network.apply({"params": params}, seen)
        return out.policy, out.value

    def battle_view(self, state: State) -> CardView:
        """What the seats to move see of battles [n], batch axis first."""
        seen = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), view(state, V15))
        return seen._replace(cards=seen.cards[:, :BLANK_CHOICES], copies=seen.copies[:, :BLANK_CHOICES])

    def drafts(self, params: Params, games: State, key: Key) -> tuple[State, tuple[CardView, Array, Array]]:
        """The 60 picks, drawn; and the views, legal choices and logits of them."""

        def one(state: State, key: Key) -> tuple[State, tuple[CardView, Array, Array]]:
            seen = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), view(state, V15))
            logits = self.look(params, seen)[0][:, : V15.choices]
            legal = deck_legal(state, V15).T
            logits = jnp.where(legal, logits, -jnp.inf)
            choice = jax.random.categorical(key, logits).astype(jnp.int16)
            return pick(state, choice, V15), (seen, legal, logits)

        return jax.lax.scan(one, games, jax.random.split(key, DECK_STEPS))

    def teach(self, params: Params, state: State) -> tuple[CardView, Array, Array]:
        """Views, legal actions bool [n, 145] and the teacher's probabilities [n, 145] of battles."""

        def value(after: State, player: Array, game: Array) -> Array:
            seen = jnp.clip(self.look(params, self.battle_view(after))[1], -0.95, 0.95)
            return jnp.where(finished(after), jnp.where(after.winner == player, 1.0, -1.0), seen)

        legal, seen = battle_legal(state), self.battle_view(state)
        logits = jax.nn.log_softmax(jnp.where(legal.T, self.look(params, seen)[0], -jnp.inf))
        gain = worths(state, legal, V15, value)
        gain = jnp.where(legal, gain - gain[PASS], 0).T
        return seen, legal.T, jax.nn.softmax(logits + self.options.tilt * gain)

    def play(self, params: Params, key: Key) -> tuple[Lessons, Array]:
        """Games of the teacher; its lessons, and its share of those against `scored`."""
        number, options = self.options.games, self.options
        deal_key, deck_key, key = jax.random.split(key, 3)
        games = new_game(deal_key, V15, (number,), None)
        every = jnp.arange(number)
        # In the first half seat 0 of every other game, and seat 1 of the rest, is the script's.
        theirs = jnp.where(every < number // 2, every % 2, -1)
        half = jax.tree.map(lambda x: x[..., : number // 2], games)
        decks = self.drafts(params, games, deck_key)[0].deck
        script = jax.lax.scan(
            lambda state, _: (pick(state, self.scored.choose_card(key, state), V15), None), half, None, DECK_STEPS
        )[0].deck
        script = jnp.concatenate([script, decks[..., number // 2 :]], axis=-1)
        seat = jnp.arange(2)[:, None, None]
        games = with_decks(games, jnp.where(seat == theirs, script, decks))

        def step(state: State, key: Key) -> tuple[State, tuple]:
            seen, legal, target = self.teach(params, state)
            action = jax.random.categorical(key, jnp.log(target)).astype(jnp.int16)
            first = jax.tree.map(lambda x: x[..., : number // 2], state)
            scripted = self.scored.choose_action(key, first)
            is_theirs = state.player == theirs
            action = action.at[: number // 2].set(jnp.where(is_theirs[: number // 2], scripted, action[: number // 2]))
            told = seen, legal, target, state.player, ~finished(state) & ~is_theirs
            return act(state, action, V15), told

        last, told = jax.lax.scan(step, games, jax.random.split(key, options.actions))
        seen, legal, target, player, moved = told
        result = jnp.where(last.winner == player, 1.0, -1.0)
        rows = Lessons(seen, legal, target, result, moved & finished(last))
        won = jnp.where(last.winner[: number // 2] == theirs[: number // 2], 0.0, 1.0)
        over = finished(last)[: number // 2]
        share = jnp.sum(won * over) / jnp.maximum(jnp.sum(over), 1)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows), share

    def loss(self, params: Params, lessons: Lessons, drafts: tuple[CardView, Array, Array]) -> tuple[Array, Array]:
        """Cross-entropy, the value's regression, and the draft's divergence."""
        logits, value = self.look(params, lessons.view)
        log_policy = jax.nn.log_softmax(jnp.where(lessons.legal, logits, -1e9))
        policy = -jnp.sum(jnp.where(lessons.legal, lessons.target * log_policy, 0), axis=1)
        regression = jnp.mean((lessons.result - value) ** 2)
        seen, legal, before = drafts
        now = jax.nn.log_softmax(jnp.where(legal, self.look(params, seen)[0][:, : V15.choices], -1e9))
        was = jax.nn.log_softmax(jnp.where(legal, before, -1e9))
        draft = jnp.mean(jnp.sum(jnp.where(legal, jnp.exp(was) * (was - now), 0), axis=1))
        parts = jnp.stack([jnp.mean(policy), regression, draft])
        return parts @ jnp.array([1.0, self.options.value_cost, 1.0]), parts

    def round(self, learnt: tuple, drafts: tuple, key: Key) -> tuple[tuple, tuple]:
        """Games, and gradient steps on their lessons; (params, optimiser's state, mean params) before and after."""
        play_key, key = jax.random.split(key)
        lessons, share = self.play(learnt[0], play_key)
        there = lessons.counts / jnp.sum(lessons.counts)

        def descend(learnt: tuple, key: Key) -> tuple[tuple, Array]:
            params, state, mean = learnt
            rows = jax.random.choice(key, len(there), (self.options.batch,), p=there)
            few = jax.random.randint(key, (DRAFT_ROWS,), 0, len(drafts[1]))
            batch, anchor = (jax.tree.map(lambda x, i=i: x[i], y) for i, y in ((rows, lessons), (few, drafts)))
            gradient, parts = jax.grad(self.loss, has_aux=True)(params, batch, anchor)
            change, state = self.optimiser.update(gradient, state, params)
            params = optax.apply_updates(params, change)
            mean = jax.tree.map(lambda a, b: MEAN * a + (1 - MEAN) * b, mean, params)
            return (params, state, mean), parts

        learnt, parts = jax.lax.scan(descend, learnt, jax.random.split(key, self.options.steps))
        return learnt, (jnp.mean(parts, axis=0), share, jnp.sum(lessons.counts))


def main() -> None:
    """Teach, and write what was learnt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("policy", help="zoo:locm, or a file of `jaxrl export`")
    add("--out", type=Path, required=True)
    add("--rounds", type=int, default=200)
    add("--games", type=int, default=256, help="of a round; default: %(default)s")
    add("--actions", type=int, default=96, help="of both seats, after which a battle is left; default: %(default)s")
    add("--steps", type=int, default=8, help="gradient steps of a round; default: %(default)s")
    add("--batch", type=int, default=1024, help="battle actions of a gradient step; default: %(default)s")
    add("--tilt", type=float, default=20.0, help="c; default: %(default)s")
    add("--value_cost", type=float, default=0.5)
    add("--learning_rate", type=float, default=2e-4)
    add("--every", type=int, default=10, help="rounds between two files; default: %(default)s")
    add("--seed", type=int, default=0)
    options = parser.parse_args()
    trained = restore(options.policy)
    student = Student(trained.experiment.network, options)
    params, root = trained.state.params, jax.random.key(options.seed)
    games = new_game(jax.random.fold_in(root, 1), V15, (DRAFTS,), None)
    drafts = jax.jit(student.drafts)(params, games, jax.random.fold_in(root, 2))[1]
    drafts = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), drafts)
    learnt, work = (params, student.optimiser.init(params), params), jax.jit(student.round)
    samples, began = 0, time.monotonic()
    card = dict(read_card(exported_file(options.policy)))
    for number in range(1, options.rounds + 1):
        learnt, (parts, share, rows) = work(learnt, drafts, jax.random.fold_in(root, 10 + number))
        samples += int(rows)
        told = ", ".join(f"{name} {float(x):.4f}" for name, x in zip(("policy", "value", "draft"), parts, strict=True))
        print(
            f"round {number}: {samples} actions, {told}, teacher against scored {float(share):.3f}, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        if number % options.every == 0:
            mean = trained.state.replace(params=learnt[2])
            write_exported(options.out, write_config(trained.experiment.config), card, mean)


if __name__ == "__main__":
    main()
