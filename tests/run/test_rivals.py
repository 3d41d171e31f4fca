"""What is measured of a policy of a game of two players: how exploitable it is, and what it wins of scripts."""

import jax
import numpy as np
import pytest

from jaxrl.config.parsing import read_config
from jaxrl.errors import ConfigError
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.run.rivals import STRETCHES, best_responses, climb
from jaxrl.run.trained import Trained
from jaxrl.selfplay.kuhn import PASS

CONFIG = """
env_steps: 6000
env: {name: kuhn}
network: {name: mlp, hidden_sizes: [8]}
agent: {name: impala, reward_transform: identity, hypers: {learning_rate: 0.02}}
runtime: {kind: selfplay, envs_per_pool: 35, unroll_length: 8}
selfplay: {num_slots: 2, scripts: {calling: 0.25}}
record: {wandb: "off"}
evaluation: {episodes: 0}
"""


@pytest.fixture(scope="module")
def folding(tmp_path_factory):
    """A policy of Kuhn poker that never bets and never calls."""
    path = tmp_path_factory.mktemp("kuhn") / "kuhn.yaml"
    path.write_text(CONFIG)
    experiment = build(read_config(path))
    state = jax.jit(experiment.agent.init)(experiment.key(INIT_KEY))
    params = jax.tree.map(lambda x: x, state.params)
    params["policy"]["bias"] = 50.0 * (np.arange(2) == PASS)
    return Trained("folding", experiment, state.replace(params=params), {}, None)


def test_a_best_response_to_one_who_folds_wins_every_game(folding):
    """It bets, and the frozen policy, which does not change, gives up: from about a half to nearly all."""
    curve = [response for seed, response in best_responses(folding, 12_000, 1, warm=False, sampled=False)]
    assert len(curve) >= STRETCHES - 2 and [row.env_steps for row in curve] == sorted(row.env_steps for row in curve)
    assert all(row.games > 0 for row in curve)
    assert curve[0].share < 0.9 and curve[-1].share > 0.95


def test_a_script_that_always_bets_beats_it(folding):
    result = climb(folding, 39, greedy=True)
    assert result["against_calling"] == 0.0 and result["mean_return"] == -1.0 and result["episodes"] == 40
    assert result["score_against"] == "calling"
    with pytest.raises(ConfigError, match="leave --no-greedy out"):
        climb(folding, 40, greedy=False)
