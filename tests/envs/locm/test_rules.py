"""The corner cases of the rules, each laid out by hand."""

import jax
import numpy as np
import pytest

from jaxrl.envs.locm.cards import CHARGE, WARD
from jaxrl.envs.locm.state import V12, V15
from tests.envs.locm.table import (
    JITTED,
    PASS,
    Creature,
    blue,
    bodies,
    creature,
    green,
    hand_size,
    keywords,
    lay,
    legal,
    numbers,
    play,
    red,
    strike,
    summon,
    use_on,
    use_on_face,
)

OWN, ENEMY = 0, 1


def test_attack_0_leaves_a_ward_standing_on_both_sides():
    state = play(lay(own=[Creature(0, 3, "W")], enemy=[Creature(0, 2, "W")]), strike(0))
    assert keywords(state, OWN) == WARD and keywords(state, ENEMY) == WARD
    assert bodies(state, OWN) == [(0, 3)] and bodies(state, ENEMY) == [(0, 2)]


def test_ward_takes_one_hit_and_breaks():
    state = play(lay(own=[Creature(5, 2, "W")], enemy=[Creature(4, 3, "W")]), strike(0))
    assert keywords(state, OWN) == 0 and keywords(state, ENEMY) == 0
    assert bodies(state, OWN) == [(5, 2)] and bodies(state, ENEMY) == [(4, 3)]


def test_lethal_does_not_kill_through_a_ward():
    state = play(lay(own=[Creature(2, 9, "L")], enemy=[Creature(1, 9, "W")]), strike(0))
    assert bodies(state, ENEMY) == [(1, 9)] and keywords(state, ENEMY) == 0


def test_lethal_kills_whatever_it_damages_and_defends_too():
    state = play(lay(own=[Creature(1, 9)], enemy=[Creature(1, 9, "L"), Creature(2, 2)]), strike(0))
    assert bodies(state, OWN) == [] and bodies(state, ENEMY) == [(1, 8), (2, 2)]
    state = play(lay(own=[Creature(0, 9, "L")], enemy=[Creature(0, 9)]), strike(0))
    assert bodies(state, ENEMY) == [(0, 9)]  # no damage, no death


def test_breakthrough_does_not_pass_a_ward():
    state = play(lay(own=[Creature(9, 9, "B")], enemy=[Creature(1, 2, "W")]), strike(0))
    assert numbers(state.health) == [30, 30] and bodies(state, ENEMY) == [(1, 2)]


def test_drain_does_not_heal_on_a_ward_and_heals_the_full_attack_otherwise():
    state = play(lay(own=[Creature(6, 9, "D")], enemy=[Creature(1, 2, "W")]), strike(0))
    assert numbers(state.health) == [30, 30]
    state = play(lay(own=[Creature(6, 9, "D")], enemy=[Creature(1, 2)]), strike(0))
    assert numbers(state.health) == [36, 30]
    state = play(lay(own=[Creature(6, 9, "D")]), strike())
    assert numbers(state.health) == [36, 24]


def test_drain_does_not_heal_when_defending():
    state = play(lay(own=[Creature(1, 9)], enemy=[Creature(3, 9, "D")]), strike(0))
    assert numbers(state.health) == [30, 30]


def test_breakthrough_carries_over_what_is_left_and_nothing_on_an_exact_kill():
    state = play(lay(own=[Creature(7, 9, "B")], enemy=[Creature(1, 4)]), strike(0))
    assert numbers(state.health) == [30, 27] and bodies(state, ENEMY) == []
    state = play(lay(own=[Creature(4, 9, "B")], enemy=[Creature(1, 4)]), strike(0))
    assert numbers(state.health) == [30, 30] and bodies(state, ENEMY) == []


def test_a_kill_by_lethal_alone_does_not_trample():
    state = play(lay(own=[Creature(2, 9, "BL")], enemy=[Creature(1, 5)]), strike(0))
    assert numbers(state.health) == [30, 30] and bodies(state, ENEMY) == []
    state = play(lay(own=[Creature(6, 9, "BL")], enemy=[Creature(1, 5)]), strike(0))
    assert numbers(state.health) == [30, 29]


def test_a_red_item_removes_ward_and_damages_in_one_use():
    state = play(lay(hand=[red(0, -2, "W")], enemy=[Creature(1, 5, "W")]), use_on(ENEMY))
    assert keywords(state, ENEMY) == 0 and bodies(state, ENEMY) == [(1, 3)]
    state = play(lay(hand=[red(-9, -2)], enemy=[Creature(1, 5, "W")]), use_on(ENEMY))
    assert keywords(state, ENEMY) == 0 and bodies(state, ENEMY) == [(0, 5)]  # the Ward takes the damage only


def test_a_red_item_without_damage_leaves_a_ward_standing():
    state = play(lay(hand=[red(-1, 0, "G")], enemy=[Creature(3, 5, "GW")]), use_on(ENEMY))
    assert keywords(state, ENEMY) == WARD and bodies(state, ENEMY) == [(2, 5)]


def test_green_charge_readies_a_fresh_creature_but_not_one_that_has_attacked():
    item = green(1, 1, "C")
    fresh = play(lay(hand=[item], own=[Creature(2, 2, ready=False)]), use_on(OWN))
    assert keywords(fresh, OWN) == CHARGE and strike() in legal(fresh)
    tired = play(lay(hand=[item], own=[Creature(2, 2, attacked=True)]), use_on(OWN))
    assert keywords(tired, OWN) == CHARGE and strike() not in legal(tired)


def test_guards_bind_their_own_lane_only():
    enemies = [Creature(1, 1, lane=0), Creature(1, 1, "G", lane=1), Creature(1, 1, lane=1)]
    state = lay(own=[Creature(2, 2), Creature(2, 2, lane=1)], enemy=enemies)
    assert legal(state) == {PASS, strike(), strike(0), strike(0, lane=1)}


def test_items_ignore_guards():
    state = lay(hand=[blue(-2)], enemy=[Creature(1, 5, "G"), Creature(1, 5)])
    assert {use_on_face(), use_on(ENEMY, 0, 0), use_on(ENEMY, 0, 1)} < legal(state)


def test_a_lane1_copy_needs_room_in_the_same_lane():
    card = creature(4, 4, area=1, own=1, opponent=-1, draw=1)
    state = play(lay(hand=[card], own=[Creature(), Creature()]), summon())
    assert len(bodies(state, OWN)) == 3 and bodies(state, OWN, 1) == []
    assert numbers(state.health) == [31, 29] and int(state.next_draw[0]) == 2
    state = play(lay(hand=[card], own=[Creature()]), summon())
    assert bodies(state, OWN) == [(1, 1), (4, 4), (4, 4)]
    assert numbers(state.health) == [32, 28] and int(state.next_draw[0]) == 3
    assert numbers(state.board.card[0, 0, 1:]) == [0, 1]  # the second one is the copy


def test_a_lane2_copy_needs_room_in_the_other_lane():
    card = creature(4, 4, area=2, opponent=-2)
    full = [Creature(lane=1)] * 3
    state = play(lay(hand=[card], own=full), summon())
    assert bodies(state, OWN) == [(4, 4)] and len(bodies(state, OWN, 1)) == 3 and int(state.health[1]) == 28
    state = play(lay(hand=[card], own=full[:2]), summon())
    assert bodies(state, OWN, 1)[2] == (4, 4) and int(state.health[1]) == 26
    assert summon(lane=1) not in legal(lay(hand=[card], own=full))


def test_a_summoned_creature_waits_unless_it_has_charge():
    state = lay(hand=[creature(1, 1), creature(2, 2, "C", area=2)])
    state = play(state, summon(), summon(0, 0))
    assert legal(state) == {PASS, strike(slot=1), strike(lane=1)}
    assert int(state.mana[0]) == 10


def test_an_area_item_counts_its_effects_once_for_each_creature_it_hits():
    item = red(-1, -2, own=1, opponent=-2, draw=1, area=1)
    enemies = [Creature(3, 3), Creature(3, 2), Creature(3, 3, lane=1)]
    state = play(lay(hand=[item], enemy=enemies), use_on(ENEMY))
    assert bodies(state, ENEMY) == [(2, 1)] and bodies(state, ENEMY, 1) == [(3, 3)]
    assert numbers(state.health) == [32, 26] and int(state.next_draw[0]) == 3
    state = play(lay(hand=[red(-1, -2, own=1, opponent=-2, draw=1, area=2)], enemy=enemies), use_on(ENEMY))
    assert bodies(state, ENEMY, 1) == [(2, 1)]
    assert numbers(state.health) == [33, 24] and int(state.next_draw[0]) == 4
    assert int(state.next_draw[1]) == 2  # six health lost at once: one card


def test_a_blue_area_item_on_the_face_counts_once():
    item = blue(-3, own=2, opponent=-1, draw=2, area=2)
    enemies = [Creature(1, 9), Creature(1, 9, lane=1)]
    state = play(lay(hand=[item], enemy=enemies), use_on_face())
    assert numbers(state.health) == [32, 26] and int(state.next_draw[0]) == 3
    assert bodies(state, ENEMY) == [(1, 9)]
    state = play(lay(hand=[item], enemy=enemies), use_on(ENEMY))
    assert numbers(state.health) == [34, 28] and bodies(state, ENEMY, 1) == [(1, 6)]


def test_dead_creatures_leave_and_the_others_close_ranks():
    enemies = [Creature(1, 1), Creature(2, 5), Creature(3, 1)]
    state = play(lay(hand=[red(0, -1, area=1)], enemy=enemies), use_on(ENEMY))
    assert bodies(state, ENEMY) == [(2, 4)] and numbers(state.board.card[1, 0]) == [62, -1, -1]


def test_the_bonus_mana_is_lost_once_a_turn_has_spent_everything():
    # Side 1 has the bonus and spent everything last turn: its mana grows by one, and the bonus goes.
    state = play(lay(max_mana=[4, 5], mana=[0, 0], bonus_mana=np.array([False, True])), PASS)
    assert numbers(state.max_mana)[0] == 5 and numbers(state.mana)[0] == 5 and not bool(state.bonus_mana[0])


def test_the_bonus_mana_is_kept_while_some_mana_was_left():
    state = play(lay(max_mana=[4, 5], mana=[0, 1], bonus_mana=np.array([False, True])), PASS)
    assert numbers(state.max_mana)[0] == 6 and bool(state.bonus_mana[0])


@pytest.mark.parametrize(
    ("max_mana", "left", "bonus", "after", "kept"),
    [(12, 1, True, 13, True), (13, 1, True, 13, True), (13, 0, True, 12, False), (12, 0, False, 12, False)],
)
def test_mana_caps_at_12_and_at_13_with_the_bonus(max_mana, left, bonus, after, kept):
    state = play(lay(max_mana=[12, max_mana], mana=[0, left], bonus_mana=np.array([False, bonus])), PASS)
    assert int(state.max_mana[0]) == after and bool(state.bonus_mana[0]) == kept


def test_a_full_hand_wastes_draws_without_damage_even_from_an_empty_deck():
    state = play(lay(hidden=8, left=(20, 0), next_draw=[1, 3]), PASS)
    assert numbers(state.health) == [30, 30] and int(state.next_draw[0]) == 1
    assert hand_size(state) == 8 and int(state.last_draw[0]) == 0


def test_a_hand_filled_by_the_last_cards_takes_no_damage_either():
    state = play(lay(hidden=6, left=(20, 2), next_draw=[1, 4]), PASS)
    assert numbers(state.health) == [30, 30] and hand_size(state) == 8


def test_draws_beyond_the_last_card_cost_10_health_each():
    state = play(lay(hidden=2, left=(20, 1), next_draw=[1, 3]), PASS)
    assert numbers(state.health) == [10, 30] and hand_size(state) == 3
    assert int(state.drawn[0]) == 30 and int(state.last_draw[0]) == 1
    # It earns no card and does not count as lost health.
    assert int(state.next_draw[0]) == 1 and int(state.health_lost[0]) == 0


def test_health_lost_adds_up_over_hits_and_healing_does_not_take_it_back():
    state = play(lay(own=[Creature(4, 1), Creature(1, 1)]), strike())
    assert int(state.next_draw[1]) == 1
    assert int(play(state, strike(slot=1)).next_draw[1]) == 2
    healed = lay(hand=[creature(1, 1, opponent=3)], own=[Creature(4, 1), Creature(1, 1)])
    assert int(play(healed, strike(), summon(), strike(slot=1)).next_draw[1]) == 2


def test_health_lost_begins_anew_with_the_own_turn_and_lasts_over_the_other_one():
    state = play(lay(own=[Creature(4, 1)], health_lost=[4, 0]), strike(), PASS)
    assert numbers(state.health_lost) == [0, 4]  # side 1, who lost 4 in the turn before, moves now
    own_loss = play(lay(hand=[creature(1, 1, own=-2)], health_lost=[0, 0]), summon(), PASS)
    assert numbers(own_loss.health_lost) == [0, 2]


def test_ten_health_lost_in_one_hit_are_two_cards():
    assert int(play(lay(own=[Creature(11, 1)]), strike()).next_draw[1]) == 3


def test_the_51st_own_turn_costs_10_health_and_draws_go_on():
    # Turn 99 is player 1's 50th (index 49); turn 101 its 51st.
    before = play(lay(turn=98), PASS)
    assert numbers(before.health) == [30, 30] and hand_size(before) == 1
    after = play(lay(turn=100, next_draw=[1, 2]), PASS)
    assert numbers(after.health) == [20, 30] and hand_size(after) == 2


def test_death_in_the_draw_step_ends_the_game_for_the_other_player():
    state = play(lay(left=(20, 0), health=[30, 10]), PASS)
    assert int(state.winner) == 0 and int(state.player) == 1 and numbers(state.health) == [0, 30]
    assert legal(state) == {PASS}


def test_a_finished_game_stops_in_the_middle_of_a_turn_and_never_changes():
    state = play(lay(hand=[creature(1, 1)], own=[Creature(30, 1), Creature(1, 1)]), strike())
    assert int(state.winner) == 0 and legal(state) == {PASS}
    for action in range(145):
        after = JITTED[V15](state, np.int32(action))
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True))


def test_ending_a_turn_changes_the_sides_and_readies_creatures():
    state = lay(own=[Creature(1, 1), Creature(2, 2, attacked=True)], enemy=[Creature(3, 3)])
    state = play(state, PASS)
    assert int(state.player) == 1 and int(state.turn) == 21
    assert bodies(state, OWN) == [(3, 3)] and bodies(state, ENEMY) == [(1, 1), (2, 2)]
    assert not np.asarray(state.board.ready[1]).any() and bool(state.board.ready[0, 0, 0])
    back = play(state, PASS)
    assert strike(0, slot=1) in legal(back)


def test_attack_0_on_the_face_is_legal_and_uses_up_the_attack():
    state = play(lay(own=[Creature(0, 1)]), strike())
    assert numbers(state.health) == [30, 30] and legal(state) == {PASS}


def test_cards_cost_mana_and_leave_the_hand_in_order():
    state = lay(hand=[creature(1, 1, cost=13), creature(2, 2, cost=7), green(1, 1, cost=5)])
    assert summon(0) not in legal(state)
    state = play(state, summon(1, 1), use_on(OWN, 1, 0, hand=1))
    assert numbers(state.hand[0]) == [0] + [-1] * 7 and int(state.mana[0]) == 0
    assert bodies(state, OWN, 1) == [(3, 3)]


def test_items_have_their_own_targets():
    hand = [green(1, 1), red(0, -1), blue(-1)]
    state = lay(hand=hand, own=[Creature(ready=False)], enemy=[Creature()])
    assert legal(state) == {PASS, use_on(OWN, hand=0), use_on(ENEMY, hand=1), use_on(ENEMY, hand=2), use_on_face(2)}


def test_a_red_item_lowers_attack_to_0_at_least():
    assert bodies(play(lay(hand=[red(-5, 0)], enemy=[Creature(3, 3, "G")]), use_on(ENEMY)), ENEMY) == [(0, 3)]


def test_an_illegal_action_changes_nothing():
    state = lay(hand=[creature(1, 1, cost=13)], own=[Creature(ready=False)], enemy=[Creature(1, 1, "G"), Creature()])
    for action in sorted(set(range(145)) - legal(state)):
        after = JITTED[V15](state, np.int32(action))
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True))


# Version 1.2


def test_runes_give_a_card_each_and_health_can_pass_several():
    state = play(lay(own=[Creature(11, 1)], version=V12), strike(), version=V12)
    assert numbers(state.health) == [30, 19] and numbers(state.runes) == [5, 3] and int(state.next_draw[1]) == 3


def test_a_rune_breaks_at_its_value_and_does_not_come_back():
    state = lay(own=[Creature(5, 1), Creature(1, 1)], hand=[creature(1, 1, opponent=4)], version=V12)
    state = play(state, strike(), summon(), strike(slot=1), version=V12)
    assert numbers(state.runes) == [5, 4] and int(state.next_draw[1]) == 2 and int(state.health[1]) == 28


def test_an_empty_deck_takes_a_rune_before_the_hand_is_asked():
    state = play(lay(hidden=8, left=(20, 0), next_draw=[1, 2], version=V12), PASS, version=V12)
    assert numbers(state.health) == [20, 30] and numbers(state.runes) == [3, 5] and int(state.next_draw[0]) == 1


def test_one_card_left_and_more_draws_take_runes():
    state = play(lay(left=(20, 1), next_draw=[1, 3], version=V12), PASS, version=V12)
    assert hand_size(state) == 1 and numbers(state.health) == [20, 30]


def test_a_full_hand_stops_the_draws_while_the_deck_lasts():
    state = play(lay(hidden=7, left=(20, 9), next_draw=[1, 4], version=V12), PASS, version=V12)
    assert hand_size(state) == 8 and numbers(state.health) == [30, 30] and numbers(state.runes) == [5, 5]


def test_an_empty_deck_without_runes_is_death():
    state = play(lay(left=(20, 0), runes=[5, 0], health=[30, 3], version=V12), PASS, version=V12)
    assert int(state.winner) == 0 and int(state.health[0]) == 0


def test_the_51st_own_turn_takes_a_rune_for_every_draw():
    state = play(lay(turn=100, next_draw=[1, 2], version=V12), PASS, version=V12)
    assert hand_size(state) == 0 and numbers(state.health) == [20, 30]


def test_the_player_to_move_wins_a_double_death():
    card = creature(1, 1, own=-2, opponent=-2)
    state = play(lay(hand=[card], health=[2, 1], version=V12), summon(), version=V12)
    assert numbers(state.health) == [0, -1] and int(state.winner) == 0
    state = play(lay(hand=[card], health=[2, 9], version=V12), summon(), version=V12)
    assert int(state.winner) == 1
