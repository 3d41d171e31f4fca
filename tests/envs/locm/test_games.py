"""Whole games: invariants under random play, and the same game however it is computed."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from jaxrl.envs.locm.arrays import present, total
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import CREATURE, Cards, unpack
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.deck_stage import deck_legal, deck_seat, pick
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS
from jaxrl.envs.locm.generator import generate_pool
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.observe import legal_actions, observe
from jaxrl.envs.locm.sampling import nth_true, random_action
from jaxrl.envs.locm.state import DECK_SIZE, V12, V15, State, Version, finished
from tests.envs.locm.table import JITTED, quick_jit

VERSIONS = [V15, V12]
# Jitted once for all tests; called eagerly, every small operation would be compiled for itself.
ACT = {version: quick_jit(lambda s, a, v=version: act(s, a, v)) for version in VERSIONS}
PICK = {version: quick_jit(lambda s, c, v=version: pick(s, c, v)) for version in VERSIONS}
OBSERVE = {version: quick_jit(lambda s, v=version: observe(s, v)) for version in VERSIONS}
LEGAL_ACTIONS = {version: quick_jit(lambda s, v=version: legal_actions(s, v)) for version in VERSIONS}
RANDOM_BATTLE = quick_jit(lambda key, s: random_action(key, battle_legal(s)))
LEGAL = quick_jit(battle_legal)


@cache
def card_list() -> Cards:
    """160 cards in place of the competition's list."""
    with jax.ensure_compile_time_eval():  # also where the first to ask is a trace, whose values must not be kept
        pools = [quick_jit(generate_pool)(jax.random.key(seed)) for seed in (1, 2)]
        return Cards(*(jnp.concatenate(columns)[:160] for columns in zip(*pools, strict=True)))


def random_decks(key: Array, version: Version, games: int) -> State:
    """Games with random decks, at the start of their battles."""

    def step(state: State, key: Array):
        return pick(state, random_action(key, deck_legal(state, version)), version), None

    deal_key, deck_key = jax.random.split(key)
    state = new_game(deal_key, version, (games,), card_list() if version == V12 else None)
    return lax.scan(step, state, jax.random.split(deck_key, 2 * DECK_SIZE))[0]


GAMES = 48  # of the tests that share compiled functions


@cache
def deal(version: Version):
    """Jitted: new games, with nothing picked."""
    return quick_jit(lambda key: new_game(key, version, (GAMES,), card_list() if version == V12 else None))


@cache
def middle(version: Version, steps: int = 24) -> State:
    """Games after random picks and some random actions: most in the middle, some finished."""
    state = deal(version)(jax.random.key(3))
    for number in range(2 * DECK_SIZE):
        state = PICK[version](state, np.random.default_rng(number).integers(version.choices, size=GAMES))
    for number in range(steps):
        state = ACT[version](state, RANDOM_BATTLE(jax.random.key(number), state))
    return state


def same(first, second) -> bool:
    """Bit-equal trees."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


def problems(state: State, legal: Array, played: Array, mass: Array) -> dict[str, Array]:
    """What must never be true of a state; bool `[B]` each.

    `played` counts by seat the cards taken from the hand by actions, `mass` adds up their checksums:
    every card that was drawn is in the hand or was played.
    """
    there = present(state.board)
    seats = jnp.where(state.player == 0, 0, 1)
    hand_count = total(state.hand >= 0, 1)
    sums = jnp.sum(jnp.where(state.hand >= 0, checksum(state.hand), 0), axis=1)
    position = jnp.arange(DECK_SIZE).reshape(1, DECK_SIZE, 1)
    by_side = jnp.where(seats == 0, state.deck, jnp.flip(state.deck, 0))
    drawn = jnp.sum(jnp.where(position < state.drawn[:, None], checksum(by_side), 0), axis=1)
    order = [jnp.flip(x, 0) for x in (played, mass)]
    played, mass = (jnp.where(seats == 0, x, y) for x, y in zip((played, mass), order, strict=True))
    empty = ~there
    return {
        "no legal action": ~legal.any(0),
        "cards lost": (state.drawn != hand_count + played).any(0) | (drawn != sums + mass).any(0),
        "gap in a lane": (there[:, :, 1:] & ~there[:, :, :-1]).any((0, 1, 2)),
        "gap in a hand": ((state.hand[:, 1:] >= 0) & (state.hand[:, :-1] < 0)).any((0, 1)),
        "dead creature": (there & (state.board.defense <= 0)).any((0, 1, 2)),
        "negative attack": (there & (state.board.attack < 0)).any((0, 1, 2)),
        "ghost": (empty & ((state.board.attack != 0) | (state.board.keywords != 0) | state.board.ready)).any((0, 1, 2)),
        "ready enemy": state.board.ready[1].any((0, 1)),
        "mana": (state.mana < 0).any(0) | (state.mana > state.max_mana).any(0) | (state.max_mana > 13).any(0),
        "alive after the end": finished(state) & (state.health > 0).all(0),
        "dead but going on": ~finished(state) & (state.health <= 0).any(0),
        "draws": (state.next_draw < 1).any(0) | (state.drawn > DECK_SIZE).any(0),
    }


def checksum(numbers: Array) -> Array:
    """A number for each card that makes equal sums of different cards unlikely."""
    n = numbers.astype(jnp.int32)
    return n * n * n + 7 * n + 3


def run_games(version: Version, games: int, key: Array) -> tuple[dict[str, Array], State, Array]:
    """Random games to the end: the number of bad states by kind, the last states, and their lengths."""

    def step(carry):
        state, played, mass, bad, length, number = carry
        legal = battle_legal(state)
        action = random_action(jax.random.fold_in(key, number), legal)
        slot = jnp.where(action < 17, (action - 1) >> 1, (action - 17) // 13)
        uses_card = (action >= 1) & (action < 121) & ~finished(state)
        card = jnp.take_along_axis(state.hand[0], jnp.clip(slot, 0, 7)[None], axis=0)[0]
        seat = jnp.arange(2)[:, None] == state.player
        played = played + (seat & uses_card)
        mass = mass + jnp.where(seat & uses_card, checksum(card), 0)
        after = act(state, action, version)
        frozen = [
            ((a != b) & finished(state)).any()
            for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True)
        ]
        found = problems(after, battle_legal(after), played, mass) | {"changed after the end": jnp.stack(frozen)}
        bad = {name: bad[name] + jnp.sum(found[name], dtype=jnp.int32) for name in bad}
        return after, played, mass, bad, length + ~finished(state), number + 1

    def going(carry):
        return ~finished(carry[0]).all() & (carry[-1] < MAX_BATTLE_STEPS)

    state = random_decks(key, version, games)
    zero = jnp.zeros((2, games), jnp.int32)
    kinds = [*problems(state, battle_legal(state), zero, zero), "changed after the end"]
    bad = {name: jnp.int32(0) for name in kinds}
    carry = (state, zero, zero, bad, jnp.zeros(games, jnp.int32), jnp.int32(0))
    state, _, _, bad, length, _ = lax.while_loop(going, step, carry)
    return bad, state, length


def check_games(version: Version, games: int, batches: int) -> tuple[np.ndarray, np.ndarray]:
    """Run batches of random games; returns the winners and lengths."""
    run = jax.jit(lambda key: run_games(version, games, key))
    winners, lengths = [], []
    for number in range(batches):
        bad, state, length = jax.device_get(run(jax.random.key(number)))
        assert not any(bad.values()), bad
        assert (state.winner >= 0).all()
        winners.append(state.winner)
        lengths.append(length)
    return np.concatenate(winners), np.concatenate(lengths)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_random_games_keep_every_invariant(version):
    winners, lengths = check_games(version, 512, 2)
    assert 0.44 < (winners == 0).mean() < 0.60  # the referee's random play: the first player wins 51 to 53 %
    if version == V15:  # the referee's random play takes 50 actions a game on average
        assert 44 < lengths.mean() < 56


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_100000_random_games_keep_every_invariant(version):
    check_games(version, 5000, 10)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_the_mask_and_the_rules_agree_on_every_action(version):
    """The rules change a state exactly where the mask calls the action legal (PASS aside)."""
    state = middle(version)

    def changes(action: int) -> np.ndarray:
        after = ACT[version](state, jnp.full(state.winner.shape, action, jnp.int32))
        leaves = zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True)
        pairs = [(np.asarray(a), np.asarray(b)) for a, b in leaves]
        return np.stack([(a != b).reshape(-1, a.shape[-1]).any(0) for a, b in pairs if a.size]).any(0)

    changed = np.stack([changes(action) for action in range(145)])
    legal = np.asarray(LEGAL(state))
    going = np.asarray(state.winner) < 0
    assert np.array_equal(changed[1:], legal[1:])
    assert np.array_equal(changed[0], going) and legal[0].all()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_batch_a_vmap_and_single_games_play_alike(version):
    state = middle(version)
    actions = RANDOM_BATTLE(jax.random.key(8), state)
    batched = ACT[version](state, actions)
    mapped = quick_jit(jax.vmap(lambda s, a: act(s, a, version), in_axes=-1, out_axes=-1))(state, actions)
    assert same(batched, mapped)
    for i in range(0, GAMES, 8):
        one = jax.tree.map(lambda x, i=i: x[..., i], (state, actions))
        assert same(JITTED[version](*one), jax.tree.map(lambda x, i=i: x[..., i], batched))
    assert same(LEGAL(state), quick_jit(jax.vmap(battle_legal, in_axes=-1, out_axes=-1))(state))
    mapped = jax.vmap(lambda s: observe(s, version), in_axes=-1, out_axes=-1)
    assert same(OBSERVE[version](state), quick_jit(mapped)(state))


@pytest.mark.parametrize("version", [V15, pytest.param(V12, marks=pytest.mark.slow)], ids=lambda version: version.name)
def test_jit_changes_nothing(version):
    state = jax.tree.map(lambda x: x[..., :8], middle(version))
    action = RANDOM_BATTLE(jax.random.key(0), state)
    with jax.disable_jit():
        plain = act(state, action, version)
    assert same(plain, ACT[version](state, action))


def test_random_actions_are_legal_and_uniform():
    rng = np.random.default_rng(1)
    nth = quick_jit(nth_true)
    mask = jnp.asarray(rng.random((145, 4)) < 0.2)
    for i in range(4):
        indices = np.flatnonzero(np.asarray(mask[:, i]))
        found = [int(nth(mask[:, i], jnp.int16(n))) for n in range(len(indices))]
        assert found == indices.tolist()
    wide = jnp.broadcast_to(mask[:, :1], (145, 200_000))
    drawn = np.asarray(quick_jit(random_action)(jax.random.key(0), wide))
    counts = np.bincount(drawn, minlength=145)
    legal = np.asarray(mask[:, 0])
    assert counts[~legal].sum() == 0
    expected = 200_000 / legal.sum()
    chi2 = ((counts[legal] - expected) ** 2 / expected).sum()
    freedom = legal.sum() - 1
    assert abs(chi2 - freedom) < 4.5 * np.sqrt(2 * freedom)


def swap_undrawn(state: State, seat: int) -> State:
    """The last two cards of a seat's deck change places: another order of the same cards."""
    deck = state.deck.at[seat, 28].set(state.deck[seat, 29]).at[seat, 29].set(state.deck[seat, 28])
    place = state.place[seat]
    moved = jnp.where(place == 28, 29, jnp.where(place == 29, 28, place))
    return state._replace(deck=deck, place=state.place.at[seat].set(moved.astype(place.dtype)))


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_hidden_information_does_not_reach_the_battle_observation(version):
    state = middle(version)
    drawn, player = np.asarray(state.drawn), np.asarray(state.player)
    keep = np.flatnonzero((drawn.max(0) <= 28) & (np.asarray(state.winner) < 0) & (player == 0))
    assert len(keep) >= 5
    hand = jnp.where(state.hand[1] >= 0, (state.hand[1] + 31) % version.pool_size, -1)
    hidden = swap_undrawn(state, 0)
    hidden = hidden._replace(
        hand=hidden.hand.at[1].set(hand.astype(jnp.int16)),
        deck=hidden.deck.at[1].set(jnp.flip(hidden.deck[1], 0)),
        place=hidden.place.at[1].set(jnp.flip(hidden.place[1], 0)),
        next_draw=hidden.next_draw.at[1].add(2),
        health_lost=hidden.health_lost.at[1].add(3),
        mana=hidden.mana.at[1].add(1),
        copies=hidden.copies.at[1].set(0),
        offers=hidden.offers * 0,
    )
    assert not same(hidden, state)

    def seen(state: State):
        """What is seen in the games in which seat 0 is to move and nobody's deck is empty."""
        shown = OBSERVE[version](state), LEGAL_ACTIONS[version](state)
        return jax.tree.map(lambda x: np.asarray(x)[..., keep], shown)

    assert same(seen(hidden), seen(state))
    # And what is to be seen does reach it.
    assert not same(seen(state._replace(health=state.health - 1)), seen(state))
    assert not same(seen(state._replace(hand=jnp.flip(hidden.hand, 0))), seen(state))


def half_built(version: Version, picks: int, key: int = 0) -> State:
    """Games in the middle of their deck stage."""
    state = deal(version)(jax.random.key(key))
    for number in range(picks):
        state = PICK[version](state, np.arange(GAMES) * (number + 3) % version.choices)
    return state


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("picks", [6, 7])
def test_hidden_information_does_not_reach_the_deck_observation(version, picks):
    state = half_built(version, picks)
    other = 1 - picks % 2
    hidden = state._replace(
        deck=state.deck.at[other].set(jnp.where(state.deck[other] >= 0, 1, -1).astype(jnp.int16)),
        place=state.place.at[other].set(jnp.flip(state.place[other], 0)),
        copies=state.copies.at[other].set(0),
    )
    if version == V12:  # the pool and the coming triples; those on offer and the own picks stay
        hidden = hidden._replace(offers=hidden.offers.at[picks // 2 + 1 :].set(0))
    assert same(OBSERVE[version](hidden), OBSERVE[version](state))
    # The own shuffle is hidden too: the same picks at other places.
    own = 1 - other
    place = jnp.flip(state.place[own], 0)
    deck = jnp.full_like(state.deck[own], -1)
    for i in range((picks + 1 - own) // 2):
        card = jnp.take_along_axis(state.deck[own], state.place[own, i][None].astype(jnp.int32), 0)[0]
        deck = jnp.where(jnp.arange(DECK_SIZE)[:, None] == place[i], card, deck)
    shuffled = state._replace(deck=state.deck.at[own].set(deck), place=state.place.at[own].set(place))
    assert same(OBSERVE[version](shuffled), OBSERVE[version](state))


def test_construction_does_not_tell_the_seat():
    """With the same picks made, both seats see the same."""
    state = half_built(V15, 0)
    for choice in (5, 5, 17, 17):
        before, state = state, PICK[V15](state, np.full(GAMES, choice))
    assert int(deck_seat(before)[0]) == 1 and int(deck_seat(state)[0]) == 0
    first = PICK[V15](half_built(V15, 0), np.full(GAMES, 5))  # seat 1 with no pick
    assert same(OBSERVE[V15](first), OBSERVE[V15](half_built(V15, 0)))


def test_the_log_shows_the_actions_of_the_last_turn_without_hand_slots():
    state = middle(V15)
    log = np.asarray(state.log_action)
    seen = log[log >= 0]
    summons, uses = seen[(seen >= 1) & (seen < 17)], seen[(seen >= 17) & (seen < 121)]
    assert len(seen) and (summons <= 2).all() and (uses < 30).all()
    cards = np.asarray(unpack(state.pool).type)
    for slot, side, game in zip(*np.nonzero(np.moveaxis(log, 1, 0) >= 0), strict=True):
        number = int(state.log_card[side, slot, game])
        assert (cards[number, game] == CREATURE) == (not 17 <= log[side, slot, game] < 121)
