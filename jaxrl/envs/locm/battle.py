"""One battle action, from its number to the next state: the rules of `rules.py` in the referee's order.

All kinds of action are computed for every game and masked (under a batch a branch would compute them
all too), so `act` is one straight program.
"""

import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.actions import USE_TARGETS, Move, decode
from jaxrl.envs.locm.arrays import both, flat_places, iota, read, select, take, total
from jaxrl.envs.locm.cards import Cards, unpack
from jaxrl.envs.locm.rules import Effects, attack, bury, check_win, end_turn, modify_health, summon, use_item
from jaxrl.envs.locm.state import HAND_SLOTS, LANES, LOG_SLOTS, State, Version, finished, in_battle


def words_at(state: State, numbers: Array) -> Array:
    """The packed cards int32 `[2, K, *batch]` of pool numbers `[K, *batch]`; number -1 gives some card or other."""
    index = jnp.maximum(numbers, 0).astype(jnp.int32)
    return jnp.stack([take(state.pool[0], index), take(state.pool[1], index)])


def card_at(state: State, numbers: Array) -> Cards:
    """The cards of pool numbers `[K, *batch]`; number -1 gives some card or other."""
    return unpack(words_at(state, numbers))


def played_card(state: State, hand_slot: Array) -> tuple[Array, Cards]:
    """The pool number `[*batch]` (-1 if the slot is empty) and the card in a slot of the hand."""
    here = iota(HAND_SLOTS, hand_slot) == hand_slot
    number = total(jnp.where(here, state.hand[0] + 1, 0)) - 1
    card = card_at(state, number[None])
    return number, Cards(*(field[0].astype(jnp.int16) for field in card))


def act(state: State, action: Array, version: Version, with_turn: bool = True) -> State:
    """Play one battle action `[*batch]`; finished games and illegal actions change nothing.

    Without `with_turn`, PASS changes nothing either: for players who try out the other actions.
    """
    move: Move = decode(action)
    going = in_battle(state) & ~finished(state)
    number, card = played_card(state, move.hand_slot)
    payable = going & (card.cost <= state.mana[0])
    state1, summoned, did_summon = summon(state, number, card, move.lane, payable & move.summons)
    state1, used, did_use = use_item(state1, number, card, move.use_target, payable & move.uses)
    state1, hit, did_attack = attack(state1, move.attacker, move.attack_target, going & move.attacks)
    played = did_summon | did_use
    state1 = pay(state1, move.hand_slot, card.cost, played)
    state1 = write_log(state1, action, move, number, played, did_attack)
    state1 = state1._replace(board=bury(state1.board))
    effects = Effects(*(x + y + z for x, y, z in zip(summoned, used, hit, strict=True)))
    state1 = modify_health(state1, both(effects.own_health, effects.opponent_health), version)
    earned = both(effects.draw, jnp.zeros_like(effects.draw))
    state1 = state1._replace(next_draw=state1.next_draw + earned)
    if not with_turn:
        return check_win(state1)
    passes = going & move.ends_turn
    return check_win(select(passes, end_turn(state1, version), state1))


def pay(state: State, hand_slot: Array, cost: Array, when: Array) -> State:
    """Take the card out of the hand, the later ones moving up, and pay its cost."""
    hand = state.hand[0]
    behind = jnp.concatenate([hand[1:], jnp.full_like(hand[:1], -1)])
    moves = when & (iota(HAND_SLOTS, hand_slot) >= hand_slot)
    own = iota(2, hand_slot) == 0
    return state._replace(
        hand=jnp.where(own[:, None], jnp.where(moves, behind, hand), state.hand),
        mana=jnp.where(own & when, state.mana - cost, state.mana),
    )


def write_log(state: State, action: Array, move: Move, number: Array, played: Array, attacked: Array) -> State:
    """Note the action and its card for the opponent to read in his turn (the first 16 of a turn).

    The slot the card had in the hand is nobody else's business: it is written as slot 0.
    """
    action = jnp.asarray(action).astype(jnp.int16)
    width = jnp.where(move.summons, LANES, jnp.where(move.uses, USE_TARGETS, 0)).astype(jnp.int16)
    shown = action - width * move.hand_slot
    count = total(state.log_action[0] >= 0)
    own = (iota(2, count) == 0)[:, None]
    here = own & (iota(LOG_SLOTS, count) == count) & (played | attacked)
    striker = read(state.board.card, flat_places(count) == move.attacker) >> 1
    card = jnp.where(attacked, striker, number)
    return state._replace(
        log_action=jnp.where(here, shown, state.log_action),
        log_card=jnp.where(here, card, state.log_card),
    )
