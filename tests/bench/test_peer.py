"""The peer in PyTorch is the same network; skipped where PyTorch is not installed, as in the locked environment."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxrl.bench import peer
from jaxrl.errors import ConfigError, UserError
from jaxrl.networks import atari, mlp
from jaxrl.types import ArraySpec, EnvSpec


def spec(side: int) -> EnvSpec:
    return EnvSpec(ArraySpec((4, side, side), "uint8"), 6, 4)


def copy_parameters(peer: Any, params: Any) -> None:
    """Give a peer the parameters of our network, in the order of both."""
    torch = pytest.importorskip("torch")
    torso = params["torso"]
    names = sorted((name for name in torso if not name.startswith("dense")), key=_order)
    pairs = [
        (layer, np.transpose(torso[n]["kernel"], (3, 2, 0, 1)), n)
        for layer, n in zip(peer.convolutions, names, strict=True)
    ]
    kernels = [np.asarray(torso[f"dense_{i}"]["kernel"]) for i in range(len(peer.dense))]
    channels = peer.convolutions[-1].out_channels
    # Ours flattens channels last, a peer channels first.
    kernels[0] = kernels[0].reshape(-1, channels, kernels[0].shape[1]).swapaxes(0, 1).reshape(kernels[0].shape)
    pairs += [
        (layer, kernel.T, f"dense_{i}") for i, (layer, kernel) in enumerate(zip(peer.dense, kernels, strict=True))
    ]
    heads = [(peer.policy, "policy"), (peer.value, "value")]
    for layer, kernel, bias in [
        *((layer, kernel, torso[name]["bias"]) for layer, kernel, name in pairs),
        *((layer, np.asarray(params[name]["kernel"]).T, params[name]["bias"]) for layer, name in heads),
    ]:
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.array(jax.device_get(kernel))))
            layer.bias.copy_(torch.from_numpy(np.array(jax.device_get(bias))))


def _order(name: str) -> tuple[int, ...]:
    """A section's first convolution comes before those of its blocks."""
    return tuple(int(word) for word in name.split("_") if word.isdigit())


@pytest.mark.parametrize(
    ("torso", "side", "input_"), [("nature", 84, "plain"), ("small", 42, "motion"), ("resnet", 42, "plain")]
)
def test_the_peer_computes_the_same(torso, side, input_) -> None:
    torch = pytest.importorskip("torch")
    config = atari.Config((32,), torso=torso, input=input_)
    network = atari.make(config, spec(side))
    frames = np.random.default_rng(0).integers(0, 256, (3, 4, side, side), np.uint8)
    params = jax.device_get(jax.jit(network.init)(jax.random.key(0), frames[:1])["params"])
    other = peer.make_peer(config, spec(side))
    copy_parameters(other, params)
    ours = jax.jit(network.apply)({"params": params}, frames)
    with torch.no_grad():
        policy, value = other(torch.from_numpy(frames), torch.channels_last)
    np.testing.assert_allclose(policy.numpy(), ours.policy, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(value.numpy(), ours.value, rtol=1e-5, atol=1e-5)


def test_a_ratio() -> None:
    pytest.importorskip("torch")
    config = atari.Config((8,), torso="small")
    found = peer.measure(config, spec(42), atari.make(config, spec(42)), 4)
    assert found.ratio == pytest.approx(found.ours_per_s / found.torch_per_s)


def test_what_cannot_be_compared_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'jaxrl\[peer\]'"):
        peer.check(atari.Config())
    monkeypatch.setattr(peer, "find_spec", lambda name: object())
    for config in (mlp.Config((8,)), atari.Config(core="lstm"), atari.Config(dtype="bfloat16")):
        with pytest.raises(ConfigError, match="float32 with core none"):
            peer.check(config)
    peer.check(atari.Config())
