"""An ONNX file has the numbers of the network to 1e-5, for any number of rows; what cannot be one is one sentence."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import ppo
from jaxrl.cli.commands import main
from jaxrl.config.parsing import read_config
from jaxrl.networks import mlp
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.run.onnx_export import policy_file
from jaxrl.run.onnx_export.graph import BATCH, UntranslatableError
from jaxrl.run.onnx_export.policy_file import write_onnx
from tests.support.parts import CONFIGS, small_config

REASON = "the extra onnx is not installed; make test-extras installs it"
CARD = {"name": "a card"}


def configs():
    """Of every torso, core and kind of action one."""
    atari = read_config(CONFIGS / "atari" / "pong_cpu.yaml", ["--network.hidden_sizes", "[16]"])
    for torso in ("small", "nature", "resnet"):
        shown = "plain" if torso == "nature" else "motion"
        network = dataclasses.replace(atari.network, torso=torso, input=shown)
        yield torso, dataclasses.replace(atari, network=network)
    yield "lstm", dataclasses.replace(small_config(), network=mlp.Config((8,), core="lstm", core_size=6))
    yield "bfloat16", dataclasses.replace(small_config(), network=mlp.Config((8,), dtype="bfloat16"))
    hypers = ["--network.separate_value", "true", "--agent.normalise_observations", "true"]
    yield "continuous", read_config(CONFIGS / "continuous" / "halfcheetah.yaml", hypers)


@pytest.mark.parametrize(("name", "config"), list(configs()), ids=lambda x: x if isinstance(x, str) else "")
def test_the_file_has_the_numbers_of_the_network(name, config, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason=REASON)
    experiment = build(config)
    agent, state = experiment.agent, experiment.agent.init(experiment.key(INIT_KEY))
    assert write_onnx(tmp_path / "x.onnx", experiment, state, CARD) <= 1e-5
    session = runtime.InferenceSession(tmp_path / "x.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["card"]) == CARD
    shape = (3, *experiment.spec.observation.shape)
    noise = np.random.default_rng(1).integers(0, 256, shape).astype(experiment.spec.observation.dtype)
    recurrent = [each.name for each in session.get_inputs()][1:]
    assert recurrent == (["first", "memory/hidden", "memory/cell"] if name == "lstm" else [])
    memory = {"first": np.array([True, False, False])} if recurrent else {}
    memory |= {each: np.full((3, 6), 0.5, np.float32) for each in recurrent[1:]}
    preferences, value, *then = session.run(None, {"observation": noise, **memory})
    if name == "bfloat16":  # there JAX rounds to 8 bits
        float32 = dataclasses.replace(config, network=dataclasses.replace(config.network, dtype="float32"))
        agent = build(float32).agent
    acting = agent.initial_actor_state(3)
    if recurrent:
        assert not np.any(then[0][0] == then[0][1]), "where an episode begins nothing is remembered"
        half = jax.tree.map(lambda x: jnp.full_like(x, 0.5), acting.memory)
        acting = acting._replace(memory=half)
    zeros, never = np.zeros(3, np.float32), np.zeros(3, bool)
    first = memory.get("first", never)
    timestep = policy_file.TimeStep(noise, zeros, zeros, first, never, None, zeros, zeros.astype(np.int32))
    expected = agent.look(agent.publish(state), acting, timestep)
    for ours, theirs in zip((preferences, value), expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_network_is_computed_once_though_two_functions_ask_for_it(tmp_path):
    onnx = pytest.importorskip("onnx", reason=REASON)
    config = dataclasses.replace(small_config(), network=mlp.Config((8,), core="lstm", core_size=6))
    experiment = build(config)
    write_onnx(tmp_path / "x.onnx", experiment, experiment.agent.init(experiment.key(INIT_KEY)), CARD)
    operators = [node.op_type for node in onnx.load(tmp_path / "x.onnx").graph.node]
    assert operators.count("MatMul") == 5, "torso, two of the LSTM, policy, value"
    assert "RandomUniform" not in operators


FUNCTIONS = {
    "clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "gelu": jax.nn.gelu,
    "layer_norm": lambda x: (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5),
    "softmax": jax.nn.softmax,
    "elu": jax.nn.elu,
    "softplus": jax.nn.softplus,
    "attention": lambda x: jnp.einsum("nij,nkj->nik", x.reshape(-1, 3, 4), x.reshape(-1, 3, 4)).reshape(-1, 9),
    "scan": lambda x: jax.lax.scan(lambda c, row: (c + row, c * row), x[:, 0], x.T, reverse=True)[1].T,
    "positions": lambda x: jax.nn.relu(x.reshape(-1, 3, 4) + jnp.arange(3)[:, None]).max((1, 2))[:, None],
    "logic": lambda x: jnp.where((x > 0) & (x != 1) | ~(x >= -1), x**3, jnp.pad(x[:, ::2], ((0, 0), (4, 2)))),
    "any_and_all": lambda x: jnp.stack([(x > 1).any(-1), (x > -2).all(-1)], -1).astype(jnp.float32),
    "split": lambda x: jnp.concatenate([-part for part in jnp.split(x, 3, -1)], -1),
    "pool": lambda x: jax.lax.reduce_window(
        x.reshape(-1, 3, 4, 1), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 1, 2, 1), "SAME"
    ).reshape(-1, 6),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_networks_of_your_own_compute(name):
    runtime = pytest.importorskip("onnxruntime", reason=REASON)
    from jaxrl.run.onnx_export.translation import to_model

    inputs = {"x": jax.ShapeDtypeStruct((BATCH, 12), jnp.float32)}
    model = to_model(lambda x: (FUNCTIONS[name](x),), inputs, ["y"], {})
    x = np.random.default_rng(2).standard_normal((5, 12)).astype(np.float32)
    (found,) = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    expected = FUNCTIONS[name](x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_has_no_translation_is_one_sentence(monkeypatch):
    pytest.importorskip("onnx", reason=REASON)
    from jaxrl.run.onnx_export.translation import to_model

    inputs = {"x": jax.ShapeDtypeStruct((BATCH, 12), jnp.float32)}
    with pytest.raises(UntranslatableError, match=r"computes 'sort', which has no translation into ONNX"):
        to_model(lambda x: (jnp.sort(x),), inputs, ["y"], {})
    with pytest.raises(UntranslatableError, match="numbers the rows of its batch"):
        to_model(lambda x: (x + jnp.arange(BATCH, dtype=jnp.float32)[:, None],), inputs, ["y"], {})
    with pytest.raises(UntranslatableError, match="a loop of 12 steps; at most 4"):
        monkeypatch.setattr("jaxrl.run.onnx_export.translation.LONGEST_SCAN", 4)
        to_model(lambda x: (FUNCTIONS["scan"](x),), inputs, ["y"], {})


def test_a_file_with_other_numbers_is_not_written(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason=REASON)
    experiment = build(small_config())
    monkeypatch.setattr(policy_file, "_distance", lambda a, b: float("nan"))
    with pytest.raises(UntranslatableError, match="would differ from JAX by nan, so none is written"):
        write_onnx(tmp_path / "x.onnx", experiment, experiment.agent.init(experiment.key(INIT_KEY)), CARD)
    assert list(tmp_path.iterdir()) == []


def test_without_the_packages_one_sentence_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(policy_file, "find_spec", lambda name: None)
    assert main(["export", "zoo:catch", str(tmp_path / "x.onnx")]) == 2
    assert "needs onnx and onnxruntime: pip install 'jaxrl[onnx]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_takes_an_agent_of_the_zoo(tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason=REASON)
    assert main(["export", "zoo:catch", str(tmp_path / "x.onnx"), "--note", "From the zoo."]) == 0
    printed = capsys.readouterr().out
    assert "From the zoo." in printed and "onnxruntime and JAX differ by" in printed
    assert (tmp_path / "x.onnx").stat().st_size > 4 * 7684, "its parameters alone"
    assert main(["export", "zoo:catch", str(tmp_path / "y.onnx"), "--episodes", "9"]) == 2
    assert "--episodes: zoo:catch is exported already, with what it scored" in capsys.readouterr().err


def test_an_agent_that_remembers_otherwise_is_told(tmp_path):
    pytest.importorskip("onnxruntime", reason=REASON)
    experiment = build(dataclasses.replace(small_config(), agent=ppo.Config()))
    strange = experiment.member._replace(initial_actor_state=lambda num_envs: jnp.zeros(num_envs))
    with pytest.raises(UntranslatableError, match=r"export it as \.npz"):
        write_onnx(
            tmp_path / "x.onnx", experiment._replace(member=strange), experiment.agent.init(jax.random.key(0)), {}
        )
