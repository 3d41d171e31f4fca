"""Scores of runs: who plays how many episodes, what may differ from the training, and what must not be lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxrl.cli.commands import main
from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.sections import EvaluationConfig, PopulationConfig
from jaxrl.envs.base import EnvError
from jaxrl.envs.cartpole import CartPole
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.rundir import RunDir, RunDirError
from jaxrl.run import evaluate
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.run.trained import restore
from jaxrl.runtime.actor import make_act
from jaxrl.runtime.episodes import Played
from tests.support.full_disk import files_of_at_most
from tests.support.parts import small_config


def untrained(folder, config):
    """A run folder with the parameters of the beginning, and without a curve."""
    run = RunDir.create(folder, config.name, config.seed, write_config(config), {})
    experiment = build(config)
    Checkpoints(run).save(1, experiment.agent.init(experiment.key(INIT_KEY)))
    return run


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("single"), small_config())


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    config = small_config(num_actors=1, pools_per_actor=1, envs_per_pool=6)
    return untrained(tmp_path_factory.mktemp("three"), replace(config, population=PopulationConfig(3)))


@pytest.fixture
def constant(monkeypatch):
    """Nothing is played: every policy has return 1 in every episode, and the random one 0."""
    rewards = {"random policy": 0.0}

    def play(experiment, act, params, initial_state, episodes, title, film=None, share=1.0):
        returns = np.full(episodes, rewards.get(title, 1.0), np.float32)
        return Played(returns, np.full(episodes, 9, np.int32), np.arange(episodes))

    monkeypatch.setattr(evaluate, "_play", play)


@pytest.mark.parametrize("greedy", [False, True])
def test_an_evaluation_compiles_act_once(three, monkeypatch, greedy):
    """For all members of a population, and for the state that `act` returns as for the first one."""
    compiled = []
    monkeypatch.setattr(evaluate, "make_act", lambda act: compiled.append(make_act(act)) or compiled[-1])
    evaluate.evaluate(three, episodes=6, greedy=greedy)
    assert [act._cache_size() for act in compiled] == [1]


@pytest.mark.parametrize("episodes", [3, 7, 100])
def test_members_play_as_many_episodes_as_were_asked_for(three, constant, episodes):
    result = evaluate.evaluate(three, episodes=episodes)
    assert result["episodes"] == episodes and len(result["member_returns"]) == 3
    shares = evaluate._shares(small_config(), episodes, 3)
    assert sum(shares) == episodes and shares == sorted(shares, reverse=True) and shares[0] - shares[-1] <= 1


def test_fewer_episodes_than_members(three, constant):
    """Asked for, they are refused; a config's must not end a training with an error, so that each plays one."""
    with pytest.raises(ConfigError, match=r"--episodes 2 are too few for 3 members.*set 3 or more.*--member"):
        evaluate.evaluate(three, episodes=2)
    assert evaluate.evaluate(three, episodes=2, member=1)["episodes"] == 2
    assert evaluate.evaluate(three, overrides=["--evaluation.episodes", "2"])["episodes"] == 3


@pytest.mark.parametrize("content", [None, "", "no JSON\n{}\n"])
def test_a_score_needs_no_curve(single, constant, content):
    if content is not None:
        single.metrics.write_text(content)
    result = evaluate.evaluate(single, episodes=5)
    assert result["mean_return"] == 1 and "training_return" not in result


def test_no_distance_in_units_of_an_error_that_is_zero(single, constant, monkeypatch, capsys):
    against = ["--evaluation.against_random", "true"]
    result = evaluate.evaluate(single, episodes=5, overrides=against)
    assert result["random_return"] == 0 and "standard_errors_above_random" not in result
    monkeypatch.setattr(evaluate, "evaluate", lambda run, **_: result)
    monkeypatch.setattr("jaxrl.analysis.figures.learning.plot_run", lambda run: run / "curve.png")
    evaluate.finish(replace(small_config(), evaluation=EvaluationConfig(5)), single)
    assert "random      0.00\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--agent.hypers.temperature", "0.01"], "agent.hypers.temperature"),
        (["--seed", "4", "--agent.num_epochs=9"], "agent.num_epochs"),
        (["--network.hidden_sizes", "[9]"], "network.hidden_sizes"),
        (["--env_steps", "5"], "env_steps"),
        (["--population.size", "2"], "population.size"),
    ],
)
def test_what_was_trained_cannot_be_changed(single, words, name):
    with pytest.raises(ConfigError, match=f"{name} is part of what was trained.* env, evaluation, runtime and seed"):
        restore(single, words)


def test_other_rules_may_be_set(single):
    """Also what is as it was."""
    temperature = str(small_config().agent.hypers.temperature)
    words = ["--env.max_episode_steps", "4", "--evaluation.greedy", "true", "--runtime.timeout_s", "9", "--seed", "8"]
    _, experiment, *_ = restore(single, [*words, "--agent.hypers.temperature", temperature])
    assert experiment.config.seed == 8 and experiment.config.env.max_episode_steps == 4


def test_a_full_disk_leaves_the_result_that_was_there(single, monkeypatch, tmp_path, capsys):
    score = {"mean_return": 1.5, "standard_error": 0.1, "episodes": 5, "games": 5, "cut_episodes": 0}
    score |= {"missing_episodes": 0, "env": "catch", "protocol": None, "policy": "greedy", "returns": list(range(1000))}
    monkeypatch.setattr(evaluate, "evaluate", lambda run, **options: dict(score))
    there, asked = single.path / "evaluation.json", tmp_path / "result.json"
    for path in (there, asked):
        path.write_text('{"old": 1}')
    with files_of_at_most(2048):
        with pytest.raises(RunDirError, match=r"cannot write .*evaluation\.json"):
            evaluate.finish(replace(small_config(), evaluation=EvaluationConfig(5)), single)
        assert "return      1.50 +- 0.10 over 5 episodes" in capsys.readouterr().out, "the score is said before"
        status = main(["evaluate", str(single), "--json", str(asked)])
    assert status == 1 and "cannot write" in capsys.readouterr().err
    assert all(json.loads(path.read_text()) == {"old": 1} for path in (there, asked))
    assert list(tmp_path.iterdir()) == [asked]


def test_a_result_goes_into_a_file(single, monkeypatch, tmp_path, capsys):
    """Through a link into what it names; nothing is played for a folder, or for a device, which would be replaced."""
    monkeypatch.setattr(evaluate, "evaluate", lambda run, **options: {"episodes": 1})
    (tmp_path / "link.json").symlink_to(tmp_path / "result.json")
    assert main(["evaluate", str(single), "--json", str(tmp_path / "link.json")]) == 0
    assert (tmp_path / "link.json").is_symlink() and json.loads((tmp_path / "result.json").read_text())
    for path in (tmp_path, "/dev/null"):
        assert main(["evaluate", str(single), "--json", str(path)]) == 2
        assert "is a folder or a device; name a file" in capsys.readouterr().err


def test_an_environment_of_vectors_is_filmed(tmp_path):
    run = untrained(tmp_path, small_config(CartPole()))
    result = evaluate.evaluate(run, episodes=1, video=tmp_path / "episode.gif")
    with Image.open(tmp_path / "episode.gif") as film:
        assert film.n_frames > 1
    assert result["video_return"] == result["mean_return"]


def test_a_film_that_cannot_be_drawn_or_written_costs_no_score(single, monkeypatch, tmp_path):
    def refuse(*_):
        raise EnvError("the emulator plays another game")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate.Film, "__iter__", refuse)  # as `write_video` raises where the disk is full
        assert evaluate.evaluate(single, episodes=1, video=tmp_path / "a.gif")["film_lost"]
    screen = evaluate.make_evaluation_screen(evaluate.restore(single)[1], 1)
    monkeypatch.setattr(type(screen), "draw", refuse)
    result = evaluate.evaluate(single, episodes=1, video=tmp_path / "a.gif")
    assert result["episodes"] == 1 and "video" not in result and not list(tmp_path.iterdir())
    assert "there is no film, since the emulator plays another game; the score" in result["film_lost"]
    with pytest.raises(RunDirError, match=r"cannot write /proc/a\.gif"):
        evaluate.evaluate("nothing is read before", video=Path("/proc/a.gif"))


def test_a_policy_that_circles_ends_and_says_so(tmp_path, monkeypatch, capsys):
    """EnvPool gives CliffWalking no end but the goal, and a greedy policy may never come there."""
    config = small_config(EnvPool(id="CliffWalking-v1"))
    bounds = EvaluationConfig(episodes=4, num_envs=2, greedy=True, steps_per_episode=20)
    run = untrained(tmp_path, replace(config, evaluation=bounds))
    monkeypatch.setattr("jaxrl.analysis.figures.learning.plot_run", lambda run: run / "curve.png")
    evaluate.finish(read_config(run.config), run)
    output = capsys.readouterr()
    assert "of 4 episodes 2 were cut" in output.err and "2 were not begun" in output.err
    assert "evaluation.steps_per_episode 20" in output.err and "env.max_episode_steps" in output.err
    assert "over 2 episodes, only 1 of them different games, 2 of them cut, 2 not begun (" in output.out
    result = json.loads((run.path / "evaluation.json").read_text())
    assert (result["episodes"], result["games"], result["cut_episodes"], result["missing_episodes"]) == (2, 1, 2, 2)
    assert result["mean_length"] == 40
    in_time = evaluate.evaluate(
        run, overrides=["--evaluation.steps_per_episode", "1000000", "--evaluation.max_minutes", "1e-3"]
    )
    assert in_time["cut_episodes"] == 2
    capped = evaluate.evaluate(run, overrides=["--env.max_episode_steps", "7"])
    assert (capped["episodes"], capped["cut_episodes"], capped["mean_length"]) == (4, 0, 7)


@pytest.mark.parametrize(
    ("distance", "share", "sentence"),
    [
        (3.2, {}, "random      0.00, so the policy is 3 standard errors above it\n"),
        (-2.8, {"trained_share": 0.05}, "; after 5.0% of its training the policy is 3 standard errors below it so far"),
    ],
)
def test_a_policy_that_is_not_trained_to_the_end_gets_no_verdict(
    single, monkeypatch, capsys, distance, share, sentence
):
    score = {"mean_return": 1.0, "standard_error": 0.1, "episodes": 5, "games": 5, "cut_episodes": 0, **share}
    compared = {"missing_episodes": 0, "random_return": 0.0, "standard_errors_above_random": distance}
    names = {"env": "catch", "protocol": None, "policy": "sampled"}
    monkeypatch.setattr(evaluate, "evaluate", lambda run, **_: {**score, **compared, **names})
    monkeypatch.setattr("jaxrl.analysis.figures.learning.plot_run", lambda run: run / "curve.png")
    evaluate.finish(replace(small_config(), evaluation=EvaluationConfig(5)), single)
    assert sentence in capsys.readouterr().out


def test_a_log_says_what_is_played_while_it_is_played(single, capsys):
    evaluate.evaluate(single, episodes=2, overrides=["--evaluation.against_random", "true"])
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["evaluating: policy, 2 episodes", "evaluating: random policy, 2 episodes"]
