"""An environment, a network and an agent of the user's own, each one file outside the package, in everything."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.cli.commands import main
from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.sections import PopulationConfig
from jaxrl.errors import ConfigError
from jaxrl.run.evaluate import evaluate
from jaxrl.run.experiment import build, make_actors
from jaxrl.runtime.anakin import make_anakin
from jaxrl.runtime.anakin import run as run_anakin
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep
from tests.support.own_parts import SETTINGS, write_own_parts
from tests.support.parts import CONFIGS, make_sebulba

WORDS = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config; its folder is the current one, and nothing else leads to the files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in ("my_game", "my_network", "my_agent"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return write_own_parts(tmp_path)


def test_they_train_and_are_evaluated_from_the_run_folder(own, capsys):
    assert main(["train", str(own)]) == 0
    (run,) = (own.parent / "runs").iterdir()
    recorded = read_config(run / "config.yaml")
    assert recorded == read_config(own) and recorded.env.rounds == 4
    assert "name: my_game:Pairs" in (run / "config.yaml").read_text()
    result = evaluate(run, episodes=4)
    assert result["env"] == "my_game:Pairs" and result["mean_length"] == 4
    assert evaluate(run, episodes=4, overrides=["--env.rounds", "6"])["mean_length"] == 6
    assert evaluate(run, episodes=4, overrides=["--env.max_episode_steps", "2"])["mean_length"] == 2


def test_the_command_line_alone_names_them(own, capsys):
    config = own.parent / "plain.yaml"
    config.write_text("agent: {name: casa}\nenv_steps: 60\nrecord: {wandb: 'off'}\nevaluation: {episodes: 0}\n")
    words = [*WORDS, "--env.rounds", "2", "--network.width=4", "--agent.hurry", "3"]
    assert main(["train", str(config), *words]) == 0
    (run,) = (own.parent / "runs").iterdir()
    recorded = read_config(run / "config.yaml")
    assert (recorded.env.rounds, recorded.network.width, recorded.agent.hurry) == (2, 4, 3.0)
    assert main(["train", str(config), *words, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--env.rounds ROUNDS steps of an episode. (an integer; default: 2)" in text
    assert "--network.width WIDTH units of the hidden layer. (an integer, at least 1; default: 4)" in text
    assert "--agent.hurry HURRY factor on the learning rate." in text and "--agent.num_epochs" in text


def test_a_sweep_varies_their_settings(own):
    sweep = own.parent / "sweep.yaml"
    command = 'command: ["${env}", "${interpreter}", -m, jaxrl, train, own.yaml, "${args}"]\n'
    parameters = "method: grid\nparameters: {env.rounds: {values: [2, 3]}, agent.hurry: {values: [1.0, 2.0]}}\n"
    sweep.write_text(f"program: jaxrl\n{command}{parameters}")
    runs = expand([read_sweep(sweep)])
    assert len({run.id for run in runs}) == 4 and {run.env for run in runs} == {"my_game:Pairs"}
    sweep.write_text(f"program: jaxrl\n{command}{parameters}".replace("env.rounds", "env.round"))
    with pytest.raises(ConfigError, match=r"environment my_game:Pairs has no setting env\.round; the nearest is env"):
        expand([read_sweep(sweep)])


@pytest.mark.parametrize("kind", ["replay", "population", "anakin"])
def test_observations_of_several_arrays_go_everywhere(own, kind):
    config = read_config(own)
    if kind == "replay":
        config = replace(config, agent=replace(config.agent, replay=ReplayConfig(capacity=2)))
    if kind == "population":
        config = replace(config, population=PopulationConfig(size=2))
    experiment = build(config)
    if kind == "anakin":
        anakin = make_anakin(experiment.agent, experiment.env, num_envs=4, unroll_length=5)
        carry, _ = run_anakin(anakin, anakin.init(*jax.random.split(jax.random.key(0), 3)), 3)
        state = carry.state
    else:
        with make_sebulba(config) as runtime:
            for _ in runtime.updates():
                if runtime.updates_done == 3:
                    break
            state = runtime.state
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


def test_an_actor_sends_every_array(own):
    experiment = build(read_config(own))
    actor, *others = make_actors(experiment)
    params = experiment.agent.publish(experiment.agent.init(jax.random.key(0)))
    trajectory, _ = actor.unroll(params, jax.random.key(1))
    for one in (actor, *others):
        one.close()
    assert trajectory.observation["cards"].shape == (6, 4, 2, 3)
    assert trajectory.observation["flag"].dtype == np.int32 and not trajectory.legal[..., 2].any()
    assert (trajectory.action < 2).all()


def test_a_network_for_one_array_says_so(own):
    with pytest.raises(
        ConfigError, match=r"this network needs an observation of one array.*\['cards'\] float32 \[2, 3\]"
    ):
        build(replace(read_config(own), network=read_config(CONFIGS / "atari" / "pong_cpu.yaml").network))


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        (
            "x = 1 / 0\n",
            "wrong",
            r"wrong cannot be imported: ZeroDivisionError: division by zero \(.*wrong\.py line 1\)",
        ),
        ("import no_such_module\n", "wrong", "wrong imports no_such_module, which is not there"),
        ("", "wrong", "there is no environment 'wrong', and the module wrong has no Config; the nearest is"),
        ("", "wrong:Game", r"wrong\.Game must be a class with @dataclass\(frozen=True\)"),
        ("", "absent:Game", "there is no module absent in"),
        (
            "",
            "cach",
            "there is no environment 'cach'; the nearest is catch, and all are envpool, gymnasium, cartpole, catch",
        ),
        (
            "from jaxrl.envs.catch import Catch as Config\n",
            "wrong",
            r"wrong\.Config is the class of jaxrl\.envs\.catch",
        ),
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Config: pass\n",
            "wrong",
            r"wrong\.Config is no environment: it needs a function make\(config\) beside it",
        ),
    ],
)
def test_what_a_file_lacks_is_one_sentence(own, monkeypatch, text, name, sentence):
    (own.parent / "wrong.py").write_text(text)
    monkeypatch.delitem(sys.modules, "wrong", raising=False)
    with pytest.raises(ConfigError, match=f"^command line: env.name: {sentence}"):
        read_config(own, ["--env.name", name])


def test_the_settings_of_another_part_are_named(own):
    with pytest.raises(
        ConfigError, match=r"own\.yaml line 3: environment recall, which the command line names, has no"
    ):
        read_config(own, ["--env.name", "recall"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("env: {id: recall, backend: jax, protocol: machado, noop_max: null}", "env: {name: recall}"),
        ("env: {id: cartpole, backend: jax, max_episode_steps: 7}", "env: {name: cartpole, max_episode_steps: 7}"),
        ("env: {id: Pong-v5, backend: envpool}", "env: {name: envpool, id: Pong-v5}"),
        ("network: {torso: mlp, hidden_sizes: [8]}", "network: {name: mlp, hidden_sizes: [8]}"),
        ("network: {torso: small}", "network: {name: atari, torso: small}"),
    ],
)
def test_configs_without_names_mean_what_they_did(tmp_path, old, new):
    configs = []
    for text in (old, new):
        path = tmp_path / "config.yaml"
        path.write_text(f"agent: {{name: casa}}\n{text}\n")
        configs.append(read_config(path))
    assert configs[0] == configs[1]
    path.write_text(write_config(configs[0]))
    assert read_config(path) == configs[0]
