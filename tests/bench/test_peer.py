"""The peer in PyTorch is the same network; skipped where PyTorch is not installed, as in the locked environment."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrl.bench import peer
from jaxrl.errors import ConfigError, UserError
from jaxrl.networks import atari, mlp
from jaxrl.types import ArraySpec, EnvSpec


def spec(side: int) -> EnvSpec:
    return EnvSpec(ArraySpec((4, side, side), "uint8"), 6, 4)


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
    peer.copy_parameters(other, params)
    ours = jax.jit(network.apply)({"params": params}, frames)
    with torch.no_grad():
        policy, value = other(torch.from_numpy(frames), torch.channels_last)
    np.testing.assert_allclose(policy.numpy(), ours.policy, atol=1e-5)
    np.testing.assert_allclose(value.numpy(), ours.value, atol=1e-5)


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
