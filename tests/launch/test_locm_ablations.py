"""The ablations of the card game: arms are what they say, only what learns moves, and tables say what was found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrl.errors import UserError
from jaxrl.locm.policy.network import CardNetwork, Config
from jaxrl.locm.table import view_shapes
from jaxrl.types import Agent, TrainState
from launch.studies.locm_ablations_table import Results, crossed, duel_name, spread
from launch.studies.locm_arms import ARMS, BATTLE, DECK, SWITCHES, StagedNetwork, in_turn, rules_of, switches_of

SMALL = {"embedding": 4, "width": 8, "layers": 1, "core_size": 0}
ROWS = 6


@pytest.fixture(scope="module")
def seen():
    """Rows of random numbers, the deck stage and the battle in turn; each has its own stage's cards alone."""
    rng = np.random.default_rng(0)

    def some(like):
        shape = ROWS, *like.shape
        return rng.integers(0, (8, 2**12), shape) if like.dtype == jnp.int32 else rng.normal(size=shape)

    rows, battle = jax.tree.map(some, view_shapes()), np.arange(ROWS) % 2
    shown = {"cards": (1 - battle, 2), "hand": (battle, 2), "left": (battle, 1)}
    kept = {name: getattr(rows, name) * where.reshape(ROWS, *(1,) * k) for name, (where, k) in shown.items()}
    rows = rows._replace(**kept, in_battle=battle)
    return jax.tree.map(lambda x, like: jnp.asarray(x, like.dtype), rows, view_shapes())


@pytest.fixture(scope="module")
def params(seen):
    """Of two networks that differ, biases included."""
    shapes = jax.eval_shape(StagedNetwork(Config(**SMALL)).init, jax.random.key(0), seen)["params"]
    rng = np.random.default_rng(1)
    return {stage: jax.tree.map(lambda x: rng.normal(0, 0.4, x.shape), shapes[stage]) for stage in (DECK, BATTLE)}


@pytest.fixture(scope="module")
def told(seen, params):
    """What each arm's network says, by name."""
    apply = jax.jit(StagedNetwork(Config(**SMALL)).apply)
    return {name: apply({"params": {**params, SWITCHES: switches_of(arm)}}, seen) for name, arm in ARMS.items()}


def plain(seen, params, **settings):
    """Of one card network of these settings."""
    return jax.jit(CardNetwork(Config(**SMALL, **settings)).apply)({"params": params}, seen)


def assert_says(output, expected, rows=slice(None)):
    np.testing.assert_allclose(output.policy[rows], expected.policy[rows], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(output.value[rows], expected.value[rows], rtol=1e-4, atol=1e-4)


def test_arms_are_the_card_network_with_its_switches(seen, params, told):
    deck, battle = params[DECK], params[BATTLE]
    for name in ("osfp", "latest", "uniform"):
        assert_says(told[name], plain(seen, deck))
    own = {**deck, "battle_embedding": battle["battle_embedding"]}
    assert_says(told["embedding"], plain(seen, own, shared_embedding=False))
    assert_says(told["summary"], plain(seen, deck, shared_summary=False))
    for name in ("separate", "alternating"):
        assert_says(told[name], plain(seen, deck), slice(0, None, 2))
        assert_says(told[name], plain(seen, battle), slice(1, None, 2))
    for name in ("embedding", "summary", "separate"):
        assert np.abs(told[name].policy[1::2] - told["osfp"].policy[1::2]).max() > 0.01
        np.testing.assert_array_equal(told[name].policy[::2], told["osfp"].policy[::2])


@pytest.mark.parametrize("learning", ["deck", "battle"])
def test_no_gradient_reaches_a_stage_that_does_not_learn(seen, params, learning):
    switches = {**switches_of(ARMS["alternating"]), "deck": 0.0, "battle": 0.0, learning: 1.0}
    network = StagedNetwork(Config(**SMALL))

    @jax.jit
    @jax.grad
    def gradient(params):
        output = network.apply({"params": params}, seen)
        return jnp.sum(output.policy**2) + jnp.sum(output.value**2)

    found = gradient({**params, SWITCHES: jax.tree.map(jnp.float32, switches)})
    largest = {stage: max(float(jnp.abs(x).max()) for x in jax.tree.leaves(found[stage])) for stage in found}
    here, other = (DECK, BATTLE) if learning == "deck" else (BATTLE, DECK)
    assert largest[other] == largest[SWITCHES] == 0 and largest[here] > 0.1


def test_stages_learn_in_turn_with_their_moments():
    """The agent inside moves everything by momentum alone, though no gradient is left."""
    adam = optax.adam(0.1)
    params = {DECK: jnp.ones(2), BATTLE: jnp.ones(3), SWITCHES: switches_of(ARMS["alternating"])}
    _, moving = adam.update(jax.tree.map(jnp.ones_like, params), adam.init(params), params)

    def update(state, trajectory, past=()):
        direction, opt_state = adam.update(jax.tree.map(jnp.zeros_like, state.params), state.opt_state, state.params)
        moved = optax.apply_updates(state.params, direction)
        return state.replace(params=moved, opt_state=opt_state, updates=state.updates + 1), {}

    def learnt(arm):
        agent = in_turn(Agent(*[None] * 4, None, update, None), phase=2)
        own = {**params, SWITCHES: switches_of(ARMS[arm])}
        state = TrainState(own, moving, (), (), jax.random.key(0), jnp.int32(0))
        moved = []
        for _ in range(6):
            before = state
            state, _ = agent.update(state, None)
            for stage in (DECK, BATTLE):
                same = [
                    bool((a[stage] == b[stage]).all())
                    for a, b in ((before.params, state.params), *_moments(before, state))
                ]
                assert len(set(same)) == 1, "parameters and moments stay or move together"
                moved.append((stage, not same[0]))
        return [stage for stage, moves in moved if moves]

    assert learnt("alternating") == [BATTLE, BATTLE, DECK, DECK, BATTLE, BATTLE]
    assert learnt("separate") == [DECK, BATTLE] * 6


def _moments(before, after):
    """Adam's first and second moments before and after."""
    one, other = before.opt_state[0], after.opt_state[0]
    return (one.mu, other.mu), (one.nu, other.nu)


def test_rules():
    rules = rules_of([ARMS[name] for name in ("osfp", "latest", "uniform")], 0.1, 16)
    np.testing.assert_allclose(rules.temperature, [0.1, 0.1, 1e6])
    assert rules.members.tolist() == [16, 0, 16]


def test_intervals():
    assert spread([0.4, 0.5, 0.6]) == pytest.approx((0.5, 4.303 * 0.1 / 3**0.5))
    assert np.isnan(spread([0.4])[1])
    shares = np.asarray([[0.4, 0.6], [0.6, 0.8]])  # rows .5 and .7, columns .5 and .7
    assert crossed(shares) == pytest.approx((0.6, 12.706 * (0.02 / 2 + 0.02 / 2) ** 0.5))
    assert crossed(1 - shares)[1] == pytest.approx(crossed(shares)[1])


def point(share):
    names = "updates", "seconds", "deck_cost", "entropy_deck", "entropy_battle", "pool_size", "greedy"
    return {"env_steps": 1e6 * share, "scored": share, **dict.fromkeys(names, share)}


def test_a_folder_says_what_is_left_and_the_table_what_was_found(tmp_path):
    results = Results(tmp_path, {"games": 4}, 2)
    shares = {(arm, seed): share + 0.1 * seed for arm, share in (("osfp", 0.6), ("latest", 0.3)) for seed in (0, 1)}
    for number in (1, 2):
        params = {DECK: {"kernel": np.full(2, number)}, SWITCHES: {"deck": np.float32(1)}}
        results.add_point(
            {run: point(share) for run, share in shares.items()}, dict.fromkeys(shares, params), number == 2
        )
    results.add_point({("uniform", 0): point(0.5)}, {("uniform", 0): {DECK: {"kernel": np.zeros(1)}}}, False)
    results.write()

    again = Results(tmp_path, {"games": 4}, 2)
    assert again.finished(("osfp", 1)) and not again.finished(("uniform", 0)) and not again.finished(("summary", 0))
    for policy, kernel in ((("osfp", 1, 2), [2, 2]), (("osfp", 1, 1), [1, 1]), (("uniform", 0, 1), [0])):
        np.testing.assert_array_equal(again.policy(policy)[DECK]["kernel"], kernel)
    again.begin(("uniform", 0))
    missing = again.missing_duels()
    between = [pair for pair in missing if pair[0][0] != pair[1][0]]
    assert len(between) == 4 and len(missing) == 4 + 4, "all seeds against all, and each against its earlier self"
    again.add_duels(between[:3], [0.7] * 3)
    assert "vs latest" in again.table() and "70.0" not in again.table(), "until all seeds have met"
    shares = {("osfp", 0, "latest", 0): 0.7, ("osfp", 0, "latest", 1): 0.8}
    again.add_duels(missing, [shares.get((*a[:2], *b[:2]), 0.75 if a[0] != b[0] else 0.9) for a, b in missing])
    assert again.missing_duels() == [] and "osfp 0 2 | latest 0 2" in map(duel_name, missing)

    arms, curves, earlier = (
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        for table in again.table().strip().split("\n\n")
    )
    column = {name: number for number, name in enumerate(arms[0])}
    osfp, latest = arms[2:]
    assert osfp[column["scored"]].startswith("65.0 [") and latest[column["scored"]].startswith("35.0 [")
    assert osfp[column["vs latest"]].startswith("75.0 [") and latest[column["vs osfp"]].startswith("25.0 [")
    assert osfp[column["vs osfp"]] == "" and osfp[column["seeds"]] == "2"
    assert curves[2][1:] == [osfp[column["scored"]]] * 2
    assert earlier[2][:2] == ["osfp", "90.0 [90.0, 90.0]"]

    again.begin(("osfp", 1))
    again.add_point({("osfp", 1): point(0.5)}, {("osfp", 1): {DECK: {"kernel": np.zeros(1)}}}, True)
    assert len(again.missing_duels()) == 2, "no match is kept under the name of a run that begins anew"

    with pytest.raises(UserError, match=r"is of other settings \(games\); give another --out"):
        Results(tmp_path, {"games": 6}, 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # nearly all of it is compiling
def test_the_study_from_training_to_table_and_on(tmp_path):
    """As small as it can be: results mean nothing here. Only the battle's turn to learn comes."""
    script = Path(__file__).parents[2] / "launch" / "studies" / "locm_ablations.py"
    sizes = "--runtime.envs_per_pool=12 --runtime.unroll_length=32 --network.embedding=4 --network.width=8"
    rest = "--agent.num_minibatches=1 --selfplay.num_slots=1 --selfplay.period=1 --env_steps=1200"
    study = "--arms osfp latest alternating --games 2 --points 2 --duels 8 --phase 1000 --together 3 --out out"

    def run(seeds):
        command = [sys.executable, str(script), *f"{sizes} {rest} {study} --seeds {seeds}".split()]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, json.loads((tmp_path / "out" / "results.json").read_text())

    _, first = run(1)
    output, found = run(2)
    assert "update 1," in output, "of the second seed"
    assert all(found["runs"][name] == first["runs"][name] for name in first["runs"]), "what is done is left alone"
    last = {name: entry["curve"][-1] for name, entry in found["runs"].items()}
    assert all(entry["finished"] for entry in found["runs"].values()) and len(last) == 6
    assert len({point["updates"] for point in last.values()}) == 1, "as many for the later runs"
    steps = [point["env_steps"] for point in last.values()]
    assert min(steps) >= 1200 and max(steps) < 1.1 * min(steps)
    assert last["latest 1"]["pool_size"] == 0 < last["osfp 1"]["pool_size"]
    assert len(found["duels"]) == 3 * 4 + 6 and set(first["duels"]) < set(found["duels"])
    assert (tmp_path / "out" / "table.md").read_text().strip() in output

    with np.load(tmp_path / "out/policies/1.npz") as one, np.load(tmp_path / "out/policies/2.npz") as two:
        moved = {name.split("/")[0] + "/" + name.split("/")[1] for name in one.files if (one[name] != two[name]).any()}
    assert moved == {f"{name}/{BATTLE if name.startswith('alternating') else DECK}" for name in last}
