"""The scored player: cheap decks in pairs, and what the value of a board knows of the actions to come."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.cards import unpack
from jaxrl.envs.locm.state import V15
from jaxrl.locm.match import build_decks, match, mirrored_games
from jaxrl.locm.players import greedy_player, scored_player
from jaxrl.locm.scored import scored_action
from tests.envs.locm.table import FACE, JITTED, Card, Creature, blue, creature, lay, red, strike, use_on, use_on_face

CHOOSE = jax.jit(partial(scored_action, version=V15))


def turn_of(state) -> list[int]:
    """The actions of a turn, up to its end or the game's."""
    actions = []
    while state.winner < 0:
        actions.append(int(CHOOSE(state)))
        if actions[-1] == PASS:
            break
        state = JITTED[V15](state, actions[-1])
    return actions


def test_decks_are_cheap_and_in_pairs():
    players = (scored_player(V15), scored_player(V15))
    state = mirrored_games(jax.random.key(0), V15, 32, None)
    state = jax.jit(lambda s: build_decks(s, players, jax.random.key(1), V15)[0])(state)
    copies, cost = np.asarray(state.copies[0]), np.asarray(unpack(state.pool).cost)
    assert 0.3 < (copies * cost).sum() / copies.sum() < 2.4
    assert set(copies.flat) == {0, 2}


def test_a_winning_turn_is_seen_before_its_first_action():
    """Two attackers and a burn win, but only if none of them is spent on the fat creature."""
    enemy = [Creature(6, 3)]
    state = lay(hand=[blue(-2)], own=[Creature(3, 1), Creature(3, 1)], enemy=enemy, health=[3, 8])
    actions = turn_of(state)
    assert len(actions) == 3 and set(actions) == {strike(FACE, 0, 0), strike(FACE, 0, 1), use_on_face()}


def test_a_guard_is_removed_for_the_attacks_behind_it():
    attackers, guards = [Creature(4, 4), Creature(4, 4)], [Creature(1, 2, "G")]
    state = lay(hand=[red(0, 0, "G")], own=attackers, enemy=guards, health=[30, 8])
    assert turn_of(state) == [use_on(1), strike(FACE, 0, 0), strike(FACE, 0, 1)]


def test_a_threat_to_win_is_answered():
    """The enemy wins next turn; the only guard in the hand must come down in front of him."""
    hand = [creature(1, 3, "G"), Card(0, 3, 3, cost=12)]
    actions = turn_of(lay(hand=hand, enemy=[Creature(9, 9, lane=1)], health=[8, 30], mana=[12, 0]))
    assert actions[0] == 2  # SUMMON hand slot 0 to lane 1


def test_hidden_cards_change_nothing():
    own, enemy = [Creature(2, 3), Creature(5, 1)], [Creature(3, 3), Creature(2, 6, "G", lane=1)]
    state = lay(hand=[red(-1, -3), creature(2, 2)], own=own, enemy=enemy, hidden=4)
    other = state._replace(hand=state.hand.at[1, :4].set(7), deck=state.deck.at[1].set(3), mana=state.mana.at[1].set(9))
    assert int(CHOOSE(state)) == int(CHOOSE(other))


@pytest.mark.slow
def test_scored_beats_greedy_nine_times_in_ten():
    played = match((scored_player(V15), greedy_player(V15)), V15, games=2000)
    assert played.win_rate >= 0.9 and played.interval()[0] > 0.88 and played.truncated == 0
