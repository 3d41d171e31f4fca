"""`jaxrl bench` of self-play: a whole update takes what its networks take, and more."""

import json

import pytest

from jaxrl.cli.commands import main

CONFIG = """
name: kuhn
env: {name: kuhn}
network: {name: mlp, hidden_sizes: [64, 64]}
agent: {name: impala, reward_transform: identity}
runtime: {kind: selfplay, envs_per_pool: 40, unroll_length: 8}
selfplay: {num_slots: 2, scripts: {calling: 0.2}, evaluate_every: 1, evaluate: [calling]}
record: {wandb: "off"}
evaluation: {episodes: 0}
"""


def test_it_is_measured(tmp_path, capsys):
    path, file = tmp_path / "kuhn.yaml", tmp_path / "bench.json"
    path.write_text(CONFIG)
    assert main(["bench", str(path), "--json", str(file), "--seconds", "0.2"]) == 0
    found = json.loads(file.read_text())
    seconds = found["seconds_per_update"]
    assert found["utilisation"] == pytest.approx(seconds["networks"] / seconds["update"])
    assert found["utilisation"] > 0 and found["rounds"] >= 5
    rates = found["env_steps_per_s"]
    assert rates["train"] == pytest.approx(rates["networks"] * found["utilisation"])
    assert found["config"]["runtime"]["kind"] == "selfplay" and "utilisation" in capsys.readouterr().out
