"""Legends of Code and Magic as an environment: one episode is a deck stage and a battle for two players.

`Locm` is the game as pure functions of one episode or of a batch of them in the last axes. `LocmBatch`
steps `num_envs` episodes with auto-reset in the way of `jaxrl.envs.base`: the step that ends an
episode returns its true last observation, and the action of the step after it is thrown away.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxrl.envs.locm.actions import NUM_BATTLE_ACTIONS
from jaxrl.envs.locm.arrays import select
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.deck_stage import pick
from jaxrl.envs.locm.observe import Observation, legal_actions, observe
from jaxrl.envs.locm.state import DECK_STEPS, V15, State, Version, empty_state, finished, in_battle

DECK_STAGE, BATTLE_STAGE = 0, 1
# The longest battle of 20,000 recorded ones took 169 actions; the rules give no useful bound.
MAX_BATTLE_STEPS = 512
NUM_ACTIONS = NUM_BATTLE_ACTIONS


class GameStep(NamedTuple):
    """What the player to move is given; leaves `[*batch]` where nothing else is said."""

    observation: Observation
    legal: Array  # bool [145]
    stage: Array  # int32: DECK_STAGE or BATTLE_STAGE, which names the space of the action
    player: Array  # int32: the seat to move
    reward: Array  # float32 [2] by seat, for the previous action; adds up to zero
    discount: Array  # float32: 0 where the game was decided on this step, else 1 (1 on truncation)
    first: Array  # bool: first observation of an episode; the action before it was thrown away
    last: Array  # bool: decided or truncated here
    episode_length: Array  # int32: actions of both players so far


class Episode(NamedTuple):
    """A game and its place in the episode."""

    game: State
    length: Array  # int32 [*]: actions so far
    reward: Array  # float32 [2, *] by seat, of the last action


class Locm:
    """The two-player environment. All chance of an episode is drawn by `init`."""

    num_actions = NUM_ACTIONS

    def __init__(
        self,
        version: Version = V15,
        card_list: Cards | None = None,
        max_battle_steps: int = MAX_BATTLE_STEPS,
    ):
        """Version 1.2 needs a card list (`load_card_list`); 1.5 generates its cards."""
        self.version = version
        self.card_list = card_list
        self.max_steps = DECK_STEPS + max_battle_steps

    def init(self, key: Array, batch: tuple[int, ...] = ()) -> Episode:
        """Episodes before their first pick."""
        return self.begin(new_game(key, self.version, batch, self.card_list))

    def begin(self, game: State) -> Episode:
        """The episode of a game."""
        batch = game.winner.shape
        return Episode(game, jnp.zeros(batch, jnp.int32), jnp.zeros((2, *batch), jnp.float32))

    def step(self, episode: Episode, action: Array, key: Array | None = None) -> Episode:
        """Play `action` `[*batch]`, a pick or a battle action as the stage has it; `key` is not used.

        An action outside the legal ones changes nothing but the length in the battle (the referee
        skips it) and is the first card available in the deck stage.
        """
        before = episode.game
        # Each stage leaves the games of the other alone. The battle goes first, so that the last pick's
        # number is not read as a battle action too.
        game = pick(act(before, action, self.version), action, self.version)
        decided = finished(game) & ~finished(before)
        won = jnp.stack([game.winner == 0, game.winner == 1])
        reward = jnp.where(decided, jnp.where(won, 1.0, -1.0), 0.0)
        running = ~self.last(episode)
        return Episode(game, episode.length + running.astype(jnp.int32), reward)

    def last(self, episode: Episode) -> Array:
        """bool `[*batch]`: decided or truncated."""
        return finished(episode.game) | (episode.length >= self.max_steps)

    def legal(self, episode: Episode) -> Array:
        """bool `[145, *batch]`; never empty."""
        return legal_actions(episode.game, self.version)

    def timestep(self, episode: Episode) -> GameStep:
        """What the player to move sees, batch axes last."""
        game = episode.game
        return GameStep(
            observation=observe(game, self.version),
            legal=self.legal(episode),
            stage=in_battle(game).astype(jnp.int32),
            player=game.player.astype(jnp.int32),
            reward=episode.reward,
            discount=1.0 - finished(game).astype(jnp.float32),
            first=episode.length == 0,
            last=self.last(episode),
            episode_length=episode.length,
        )


class Deal(NamedTuple):
    """What a new game needs from chance: `pool`, `offers` and `place` of a State."""

    pool: Array
    offers: Array
    place: Array


class BatchState(NamedTuple):
    """Episodes `[..., B]` and the deals of the games that will follow them."""

    episode: Episode
    spare: Deal
    age: Array  # int32 []: steps since the spare deals were drawn
    key: Array


class LocmBatch:
    """`num_envs` episodes with auto-reset, as pure functions of a BatchState.

    Cards are too dear to be generated at every step for the few games that end there. Each episode
    has a spare deal for its next game, and all are drawn anew every 60 steps: an episode begins with
    60 picks, so none can end twice in between, and every deal is used at most once.
    """

    def __init__(self, env: Locm, num_envs: int):
        """An environment of `num_envs` games."""
        self.env = env
        self.num_envs = num_envs

    def deal(self, key: Array) -> Deal:
        """Chance for one new game each."""
        game = new_game(key, self.env.version, (self.num_envs,), self.env.card_list)
        return Deal(game.pool, game.offers, game.place)

    def reset(self, key: Array) -> BatchState:
        """All episodes at their beginning."""
        key, first, second = jax.random.split(key, 3)
        episode = self.env.init(first, (self.num_envs,))
        return BatchState(episode, self.deal(second), jnp.int32(0), key)

    def step(self, state: BatchState, action: Array) -> BatchState:
        """One step of every episode with `action` `[B]`; where an episode had ended, a new one begins."""
        over = self.env.last(state.episode)
        played = self.env.step(state.episode, action)
        fresh = empty_state(state.spare.pool, self.env.version)._replace(
            offers=state.spare.offers, place=state.spare.place
        )
        episode = select(over, self.env.begin(fresh), played)

        def redeal(spare: Deal) -> tuple[Deal, Array, Array]:
            key, now = jax.random.split(state.key)
            return self.deal(now), jnp.int32(0), key

        def keep(spare: Deal) -> tuple[Deal, Array, Array]:
            return spare, state.age + 1, state.key

        spare, age, key = lax.cond(state.age >= DECK_STEPS - 1, redeal, keep, state.spare)
        return BatchState(episode, spare, age, key)

    def legal(self, state: BatchState) -> Array:
        """bool `[145, B]`."""
        return self.env.legal(state.episode)

    def timestep(self, state: BatchState) -> GameStep:
        """What the players to move see, batch axis first: leaves `[B, ...]`."""
        step = self.env.timestep(state.episode)
        return jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), step)
