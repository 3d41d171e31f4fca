"""Battles laid out by hand: the cards in the hand and the creatures of both sides, for one rule at a time."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.locm.actions import attack_action, summon_action, use_action
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import BLUE, CREATURE, GREEN, RED, from_rows, keyword_bits, pack
from jaxrl.envs.locm.deck_stage import with_decks
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import V12, V15, Board, State, Version, empty_state

PASS, FACE = 0, -1
# Compiled without optimisation, in half the time: for tests of a few steps.
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
JITTED = {version: quick_jit(lambda s, a, v=version: act(s, a, v)) for version in (V12, V15)}
LEGAL = quick_jit(battle_legal)


@dataclass(frozen=True)
class Card:
    """A card of a hand; `kind` 0 creature, 1 green, 2 red, 3 blue."""

    kind: int = CREATURE
    attack: int = 1
    defense: int = 1
    keywords: str = ""
    cost: int = 1
    own: int = 0
    opponent: int = 0
    draw: int = 0
    area: int = 0

    def row(self) -> tuple[int, ...]:
        """Its numbers in the order of `Cards`."""
        bits = keyword_bits(self.keywords)
        return (self.kind, self.cost, self.attack, self.defense, bits, self.own, self.opponent, self.draw, self.area)


@dataclass(frozen=True)
class Creature:
    """A creature on the board."""

    attack: int = 1
    defense: int = 1
    keywords: str = ""
    lane: int = 0
    ready: bool = True
    attacked: bool = False


def creature(attack: int, defense: int, keywords: str = "", **more) -> Card:
    """A creature card."""
    return Card(CREATURE, attack, defense, keywords, **more)


def green(attack: int, defense: int, keywords: str = "", **more) -> Card:
    """A green item."""
    return Card(GREEN, attack, defense, keywords, **more)


def red(attack: int, defense: int, keywords: str = "", **more) -> Card:
    """A red item."""
    return Card(RED, attack, defense, keywords, **more)


def blue(defense: int, **more) -> Card:
    """A blue item."""
    return Card(BLUE, 0, defense, **more)


def lay(
    *,
    hand: list[Card] | None = None,
    own=(),
    enemy=(),
    hidden: int = 0,
    version: Version = V15,
    left: tuple[int, int] = (20, 20),
    **state,
) -> State:
    """A battle in which seat 0 is to move with 12 mana and 30 health on both sides.

    `hidden` cards are in the opponent's hand, `left` in each deck; `state` sets further fields of State, by side.
    """
    hand = hand or []
    rows = [card.row() for card in hand] + [Card().row()] * (version.pool_size - len(hand))
    base = with_decks(empty_state(pack(from_rows(rows)), version), jnp.full((2, 30), version.pool_size - 1, jnp.int16))
    numbers = np.full((2, 8), -1, np.int16)
    numbers[0, : len(hand)] = np.arange(len(hand))
    numbers[1, :hidden] = version.pool_size - 1
    board = {
        name: np.zeros((2, 2, 3), np.bool_ if name in ("ready", "attacked") else np.int16) for name in Board._fields
    }
    board["card"][:] = -1
    for side, creatures in enumerate((own, enemy)):
        for number, one in enumerate(creatures):
            slot = int((board["card"][side, one.lane] >= 0).sum())
            at = (side, one.lane, slot)
            board["card"][at] = 2 * (20 + 10 * side + number)
            board["attack"][at], board["defense"][at] = one.attack, one.defense
            board["keywords"][at] = keyword_bits(one.keywords)
            board["ready"][at] = side == 0 and one.ready and not one.attacked
            board["attacked"][at] = one.attacked
    fields = {
        "hand": numbers,
        "mana": [12, 0],
        "max_mana": [12, 12],
        "bonus_mana": np.array([False, False]),
        "drawn": [30 - left[0], 30 - left[1]],
        "turn": 20,
        **state,
    }
    arrays = {
        name: jnp.asarray(value, jnp.bool_ if name == "bonus_mana" else jnp.int16) for name, value in fields.items()
    }
    return base._replace(board=Board(**{name: jnp.asarray(x) for name, x in board.items()}), **arrays)


def play(state: State, *actions: int, version: Version = V15) -> State:
    """Play legal actions one after the other."""
    for action in actions:
        assert bool(LEGAL(state)[action]), f"action {action} is not legal"
        state = JITTED[version](state, jnp.int32(action))
    return state


def legal(state: State) -> set[int]:
    """The legal actions of a battle."""
    return {int(action) for action in np.flatnonzero(np.asarray(LEGAL(state)))}


def bodies(state: State, side: int, lane: int = 0) -> list[tuple[int, int]]:
    """Attack and defense of the creatures of a lane."""
    board = state.board
    there = np.flatnonzero(np.asarray(board.card[side, lane]) >= 0)
    return [(int(board.attack[side, lane, i]), int(board.defense[side, lane, i])) for i in there]


def keywords(state: State, side: int, lane: int = 0, slot: int = 0) -> int:
    """Keyword bits of a creature."""
    return int(state.board.keywords[side, lane, slot])


def numbers(values) -> list[int]:
    """An array by side as a list."""
    return [int(value) for value in values]


def hand_size(state: State) -> int:
    """Cards in the hand of the player to move."""
    return int((state.hand[0] >= 0).sum())


def summon(slot: int = 0, lane: int = 0) -> int:
    """SUMMON."""
    return summon_action(slot, lane)


def use_on(side: int, lane: int = 0, slot: int = 0, hand: int = 0) -> int:
    """USE on a creature."""
    return use_action(hand, 6 * side + 3 * lane + slot)


def use_on_face(hand: int = 0) -> int:
    """USE on the opponent."""
    return use_action(hand, FACE)


def strike(target: int = FACE, lane: int = 0, slot: int = 0) -> int:
    """ATTACK with an own creature on an enemy of its lane, or on the face."""
    return attack_action(lane, slot, target)
