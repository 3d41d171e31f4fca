"""Networks as the agents see them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.config.registry import make
from jaxrl.errors import ConfigError
from jaxrl.networks import atari, mlp
from jaxrl.networks.cpu import stacks
from jaxrl.networks.family import FamilyConfig
from jaxrl.networks.heads import NetworkOutput
from jaxrl.networks.torsos import make_torso
from jaxrl.types import ArraySpec, EnvSpec

ATARI, CPU = EnvSpec(ArraySpec((4, 84, 84), "uint8"), 18, 4), EnvSpec(ArraySpec((4, 42, 42), "uint8"), 6, 4)
VECTOR = EnvSpec(ArraySpec((4,), "float32"), 2, 1)
SETTINGS: dict[str, tuple[FamilyConfig, EnvSpec]] = {
    "nature": (atari.Config((512,), torso="nature"), ATARI),
    "resnet": (atari.Config((256,), torso="resnet"), EnvSpec(ArraySpec((4, 24, 24), "uint8"), 18, 4)),
    "small": (atari.Config((256,), torso="small"), CPU),
    "mlp": (mlp.Config((64, 64)), VECTOR),
}
PARAMETERS = {"nature": 1693875, "resnet": 176611, "small": 145463, "mlp": 4675}


def observations(spec: EnvSpec, rows: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (rows, *spec.observation.shape)
    return rng.integers(0, 256, shape, np.uint8) if spec.observation.dtype == "uint8" else rng.normal(size=shape)


@cache
def built(name: str) -> tuple[Any, Any, np.ndarray]:
    config, spec = SETTINGS[name]
    network, observation = make("network", config, spec), observations(spec, 13)
    return network, jax.jit(network.init)(jax.random.key(0), observation[:1])["params"], observation


@pytest.mark.parametrize("name", SETTINGS)
def test_shapes_names_and_number_of_parameters(name: str) -> None:
    network, params, observation = built(name)
    output = jax.jit(network.apply)({"params": params}, observation)
    assert isinstance(output, NetworkOutput)
    assert output.policy.shape == (13, SETTINGS[name][1].num_actions)
    assert output.value.shape == (13,)
    assert output.policy.dtype == output.value.dtype == jnp.float32
    assert set(params) == {"torso", "policy", "value"}
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name]


def test_names_inside_the_torsos() -> None:
    assert set(built("nature")[1]["torso"]) == {"conv_0", "conv_1", "conv_2", "dense_0"}
    assert set(built("small")[1]["torso"]) == {"conv_0", "conv_1", "dense_0"}
    assert len(built("resnet")[1]["torso"]) == 16
    assert built("nature")[1]["torso"]["conv_0"]["kernel"].shape == (8, 8, 4, 32)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_does_not_depend_on_its_batch(name: str) -> None:
    network, params, observation = built(name)
    apply = jax.jit(network.apply)
    whole, one = apply({"params": params}, observation), apply({"params": params}, observation[4:5])
    np.testing.assert_allclose(whole.policy[4], one.policy[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(whole.value[4], one.value[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_jit_changes_nothing(name: str) -> None:
    network, params, observation = built(name)
    jitted = jax.jit(network.apply)({"params": params}, observation[:2])
    plain = network.apply({"params": params}, observation[:2])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), jitted, plain)


def loss_and_gradient(network: Any, params: Any, observation: np.ndarray) -> tuple[jax.Array, Any]:
    def loss(params):
        output = network.apply({"params": params}, observation)
        return (jnp.sin(100 * output.policy).sum() + (output.value**2).sum()) / len(observation)

    return jax.jit(jax.value_and_grad(loss))(params)


@pytest.mark.parametrize("name", ["nature", "small", "resnet"])
def test_fast_form_equals_native_form_through_the_whole_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, params, observation = built(name)
    observation = observation[:3]
    monkeypatch.setattr(stacks, "CHUNK_ROWS", 2)
    monkeypatch.setattr(stacks, "CHUNK_BYTES", 0)
    fast = loss_and_gradient(network, params, observation)
    monkeypatch.setattr(stacks.lax, "platform_dependent", lambda *operands, cpu, default: default(*operands))
    native = loss_and_gradient(network, params, observation)
    for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(native), strict=True):
        assert float(jnp.abs(a - b).max() / (jnp.abs(b).max() + 1e-12)) < 1e-4


@pytest.mark.parametrize("name", SETTINGS)
def test_bfloat16_is_close_and_keeps_float32_parameters(name: str) -> None:
    network, params, observation = built(name)
    config, spec = SETTINGS[name]
    half = make("network", replace(config, dtype="bfloat16"), spec)
    half_params = jax.eval_shape(lambda key: half.init(key, observation[:1]), jax.random.key(0))["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(half_params)} == {jnp.dtype("float32")}
    exact, rounded = (jax.jit(net.apply)({"params": params}, observation[:4]) for net in (network, half))
    assert rounded.policy.dtype == rounded.value.dtype == jnp.float32
    for a, b in ((rounded.policy, exact.policy), (rounded.value, exact.value)):
        assert float(jnp.abs(a - b).max()) < 0.05 * float(jnp.abs(b).max())


@pytest.mark.parametrize("name", SETTINGS)
def test_heads_are_not_rounded_to_bfloat16(name: str) -> None:
    """The neighbours of a bfloat16 near 40 are 0.25 away: a value of 40.03 must not be 40."""
    _, params, observation = built(name)
    config, spec = SETTINGS[name]
    half = make("network", replace(config, dtype="bfloat16"), spec)
    shifted = {
        **params,
        **{head: {**params[head], "bias": params[head]["bias"] + 40.03} for head in ("policy", "value")},
    }
    output, plain = (jax.jit(half.apply)({"params": p}, observation[:4]) for p in (shifted, params))
    for after, before in ((output.policy, plain.policy), (output.value, plain.value)):
        np.testing.assert_allclose(after - before, 40.03, atol=1e-4)


def test_initial_weights() -> None:
    _, params, _ = built("small")
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key == "bias":
            assert not leaf.any()
            continue
        gain = {"policy": 0.01, "value": 1.0}.get(path[0].key, 2**0.5)
        matrix = np.asarray(leaf, np.float64).reshape(-1, leaf.shape[-1]) / gain
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-5)


def test_small_torso_is_the_documented_function() -> None:
    """Padded to 44x44 with one pixel on every side, 8x8/4 and 4x4/2 convolutions, pixels in [0, 1]."""
    network, params, observation = built("small")
    torso = params["torso"]
    x = jnp.pad(jnp.asarray(observation, jnp.float32) / 255, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for i, stride in enumerate((4, 2)):
        x = jax.lax.conv_general_dilated(x, torso[f"conv_{i}"]["kernel"], (stride,) * 2, "VALID",
                                         dimension_numbers=("NCHW", "HWIO", "NCHW"))  # fmt: skip
        x = jax.nn.relu(x + torso[f"conv_{i}"]["bias"][:, None, None])
    x = x.transpose(0, 2, 3, 1).reshape(len(observation), -1)
    x = jax.nn.relu(x @ torso["dense_0"]["kernel"] + torso["dense_0"]["bias"])
    output = network.apply({"params": params}, observation)
    np.testing.assert_allclose(output.policy, x @ params["policy"]["kernel"], atol=1e-5)
    np.testing.assert_allclose(output.value, (x @ params["value"]["kernel"])[:, 0], atol=1e-5)


def test_mlp_takes_boards_and_frames() -> None:
    for spec in (EnvSpec(ArraySpec((10, 5, 2), "float32"), 3, 1), CPU):
        network, observation = mlp.make(mlp.Config((32,)), spec), observations(spec, 2)
        params = network.init(jax.random.key(0), observation)
        assert network.apply(params, observation).policy.shape == (2, spec.num_actions)


@pytest.mark.parametrize(
    ("config", "shape", "words"),
    [
        (atari.Config(torso="nature"), (4, 35, 84), ["network.torso 'nature'", "36x36", "35x84"]),
        (atari.Config(torso="small"), (4, 12, 12), ["network.torso 'small'", "env.frame_size"]),
        (atari.Config(torso="resnet"), (4,), ["network.torso 'resnet'", "[4]", "mlp"]),
        (mlp.Config(()), (4,), ["network.hidden_sizes"]),
        (atari.Config(torso="vgg"), (4, 84, 84), ["'vgg'", "nature"]),  # type: ignore[arg-type]
    ],
)
def test_misfits_are_one_sentence(config: FamilyConfig, shape: tuple[int, ...], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make("network", config, EnvSpec(ArraySpec(shape, "uint8"), 6, 4))
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


FRAMES = [("nature", 36), ("nature", 47), ("small", 17), ("small", 41), ("resnet", 1)]


@pytest.mark.parametrize(("torso", "side"), FRAMES)
def test_smallest_and_odd_frames_work(torso: str, side: int) -> None:
    spec = EnvSpec(ArraySpec((4, side, side), "uint8"), 6, 4)
    network, observation = atari.make(atari.Config((8,), torso=torso), spec), observations(spec, 2)  # type: ignore[arg-type]
    output = jax.jit(lambda key: network.apply(network.init(key, observation), observation))(jax.random.key(0))
    assert output.policy.shape == (2, 6)


@pytest.mark.parametrize("torso", atari.SMALLEST_FRAME)
def test_the_smallest_frame_is_the_smallest_that_works(torso):
    """Of smaller ones nothing is left behind the convolutions, and the policy would not see what it is shown."""
    features = {}
    for side in range(1, 40):
        frames = jax.ShapeDtypeStruct((2, 4, side, side + 3), jnp.uint8)
        shape, _ = jax.eval_shape(make_torso(torso, (), "float32").init_with_output, jax.random.key(0), frames)
        features[side] = shape.shape[1]
    smallest = atari.SMALLEST_FRAME[torso]
    assert min(side for side, count in features.items() if count) == smallest
    make("network", atari.Config(torso=torso), EnvSpec(ArraySpec((4, smallest, smallest), "uint8"), 6, 4))
    if smallest > 1:
        small = EnvSpec(ArraySpec((4, smallest - 1, 84), "uint8"), 6, 4)
        with pytest.raises(ConfigError, match=f"at least {smallest}x{smallest} pixels, not {smallest - 1}x84"):
            make("network", atari.Config(torso=torso), small)
