"""A sweep file becomes the runs that W&B's agent would start, each checked before the first one starts."""

import itertools

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from jaxrl.config.parsing import read_config
from jaxrl.errors import ConfigError
from jaxrl.sweeps.expand import expand, override
from jaxrl.sweeps.sweep_file import read_sweep

HEAD = """
program: jaxrl
command: ["${env}", python, -m, jaxrl, train, configs/catch.yaml, --env_steps=500, "${args}"]
"""


@pytest.fixture
def runs_of(tmp_path):
    """Expands the text of a sweep file."""

    def make(text, head=HEAD, **options):
        path = tmp_path / "sweep.yaml"
        path.write_text(head + text)
        return expand([read_sweep(path)], **options)

    return make


def test_a_grid_is_every_combination_once(runs_of):
    runs = runs_of(
        "method: grid\nparameters:\n  agent.hypers.temperature: {values: [0.1, 0.2, 0.4]}\n  seed: {values: [0, 1]}\n"
    )
    expected = [
        {"agent.hypers.temperature": temperature, "seed": seed}
        for temperature, seed in itertools.product([0.1, 0.2, 0.4], [0, 1])
    ]
    assert [dict(run.settings) for run in runs] == expected
    assert len({run.id for run in runs}) == 6
    assert [run.seed for run in runs] == [0, 1] * 3 and {run.env_steps for run in runs} == {500}
    for run in runs:
        config = read_config(run.config, run.words)
        assert config.agent.hypers.temperature == run.settings["agent.hypers.temperature"] and config.env_steps == 500


def test_ids_follow_from_the_settings_alone(runs_of):
    """Reordered, extended, or written to another folder: a finished run is found again."""
    few = runs_of("method: grid\nparameters: {seed: {values: [0, 1]}}\n")
    more = runs_of("method: grid\nparameters: {seed: {values: [2, 1, 0]}, record.runs_dir: {value: elsewhere}}\n")
    assert [run.id for run in few] == [run.id for run in reversed(more[1:])]
    other = runs_of("method: grid\nparameters: {seed: {values: [0]}, agent.hypers.q_cost: {value: 2.0}}\n")
    assert other[0].id not in {run.id for run in more}


def test_a_config_may_be_named_as_for_train(runs_of):
    text = "method: grid\nparameters: {seed: {values: [0, 1]}}\n"
    named = runs_of(text, head='command: [jaxrl, train, catch, --env_steps=500, "${args}"]\n')
    assert [run.id for run in named] == [run.id for run in runs_of(text)]
    with pytest.raises(ConfigError, match="there is no file cach; the nearest is catch"):
        runs_of(text, head='command: [jaxrl, train, cach, "${args}"]\n')


def test_random_draws_are_the_same_again_and_can_be_extended(runs_of):
    text = "method: random\nparameters: {agent.hypers.temperature: {min: 0.1, max: 0.5}, seed: {min: 0, max: 99}}\n"
    ids = [run.id for run in runs_of(text, count=8)]
    assert [run.id for run in runs_of(text, count=3)] == ids[:3] and len(set(ids)) == 8
    assert [run.id for run in runs_of(text + "run_cap: 5\n", count=8)] == ids[:5]
    assert runs_of(text, count=3, seed=1)[0].id != ids[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agent.hypers.learning_rate", 3e-05),
        ("evaluation.greedy", True),
        ("env.max_episode_steps", 5),
        ("network.hidden_sizes", [64, 32]),
        ("network.dtype", "bfloat16"),
        ("seed", 7),
    ],
)
def test_the_agent_of_wandb_writes_the_same_command(name, value):
    (theirs,) = create_sweep_command_args({"args": {name: {"value": value}}})["args"]
    assert read_config("configs/catch.yaml", [theirs]) == read_config("configs/catch.yaml", [override(name, value)])
    assert read_config("configs/catch.yaml", [theirs]) != read_config("configs/catch.yaml", [])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "method: grid\nparameters: {agent.hypers.learning_rte: {value: 1.0}}\n",
            "nearest is agent.hypers.learning_rat",
        ),
        ("method: grid\nparameters: {seed: {values: [0, a]}}\n", "seed must be an integer, not 'a'"),
        ("method: grid\nparameters: {agent.num_minibatches: {values: [1, 7]}}\n", "do not divide into 7 minibatches"),
        ("method: grid\nparameters: {seed: {values: [1, 1]}}\n", "is the same run as"),
        ("method: grid\nparameters: {name: {values: [a, b c]}}\n", "the run name 'b c' cannot name a folder"),
        ("method: grid\nparameters: {name: {values: [x/y]}}\n", "the run name 'x/y' cannot name a folder"),
        (
            "method: grid\nparameters: {env.name: {value: envpool}, env.id: {values: [CartPole-v1, CartPol-v1]}}\n",
            "no environment 'CartPol-v1'; the nearest names are CartPole-v1",
        ),
        (
            "method: grid\nparameters: {env.name: {value: envpool}, env.id: {values: [CartPole-v1, BinPack-v2]}}\n",
            "BinPack-v2 has the action space",
        ),
        ("method: anneal\nparameters: {seed: {values: [1]}}\n", "method must be grid, random or bayes"),
        ("method: random\nparameters: {seed: {values: [1]}}\n", "method random has no end; write run_cap"),
        ("method: grid\nparameters: {}\n", "parameters must map settings"),
        ("method: grid\nmetrc: {}\nparameters: {seed: {value: 1}}\n", "no field metrc; the nearest is metric"),
        ("method: grid\nrun_cap: 0\nparameters: {seed: {value: 1}}\n", "run_cap must be a whole number"),
        ("method: grid\nrun_cap: true\nparameters: {seed: {value: 1}}\n", "run_cap must be a whole number"),
        ("method: grid\nname: ../x\nparameters: {seed: {value: 1}}\n", "name must be a word or more without a slash"),
        ("method: grid\nname: ..\nparameters: {seed: {value: 1}}\n", "name must be a word or more without a slash"),
    ],
)
def test_mistakes_are_found_before_anything_starts(runs_of, text, sentence):
    with pytest.raises(ConfigError) as error:
        runs_of(text)
    assert sentence in str(error.value) and "sweep.yaml" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "command",
    ["", "command: [python, -m, jaxrl]\n", "command: [jaxrl, train, '${args}']\n", "command: [jaxrl, train, a.yaml]\n"],
)
def test_a_command_without_a_config_is_refused(runs_of, command):
    with pytest.raises(ConfigError, match=r"command must"):
        runs_of("method: grid\nparameters: {seed: {value: 1}}\n", head=command)
