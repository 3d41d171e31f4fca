"""The same networks and the same update in PyTorch, where it is installed: `jaxrl bench CONFIG --peer torch`.

Both forms that PyTorch offers, images with channels first and last, take turns with ours; the ratio is ours against its
better one. Nothing else of jaxrl knows PyTorch, and it is no dependency.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from jaxrl.bench.networks import prepare_update, time_by_turns
from jaxrl.bench.threads import BenchError
from jaxrl.errors import ConfigError
from jaxrl.networks import atari
from jaxrl.networks.motion import CHANGE_GAIN, NEWEST_GAIN
from jaxrl.networks.torsos import NATURE, RESNET_CHANNELS, SMALL
from jaxrl.types import EnvSpec

REPETITIONS = 7


class PeerSpeed(NamedTuple):
    """Updates of one batch in a second, the best of the repetitions."""

    batch: int
    torch_per_s: float  # of its better layout
    ours_per_s: float
    ratio: float  # ours / torch


def check(config: Any) -> None:
    """Raises a `UserError` of one sentence where there is nothing to compare with."""
    if find_spec("torch") is None:
        raise BenchError("--peer torch needs PyTorch, which jaxrl does not bring along: pip install 'jaxrl[peer]'")
    if not isinstance(config, atari.Config) or config.core != "none" or config.dtype != "float32":
        raise ConfigError(
            "--peer torch compares network.name atari in float32 with core none; set these, or leave it out"
        )


def load() -> Any:
    """PyTorch, which is imported nowhere else."""
    return import_module("torch")


def measure(config: atari.Config, spec: EnvSpec, network: Any, batch: int) -> PeerSpeed:
    """Updates/s of a batch in PyTorch and here, by turns."""
    torch = load()
    runs = [prepare_peer(config, spec, batch, layout) for layout in (torch.contiguous_format, torch.channels_last)]
    first, last, ours = map(min, time_by_turns([*runs, prepare_update(network, spec, batch)], REPETITIONS))
    theirs = min(first, last)
    return PeerSpeed(batch, 1 / theirs, 1 / ours, theirs / ours)


def prepare_peer(config: atari.Config, spec: EnvSpec, batch: int, layout: Any) -> Callable[[], None]:
    """A call that does `jaxrl.bench.networks.prepare_update`'s update on a fixed batch."""
    torch = load()
    F = torch.nn.functional
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.integers(0, 256, (batch, *spec.observation.shape), np.uint8))
    action = torch.from_numpy(rng.integers(0, spec.num_actions, batch))
    target = torch.from_numpy(rng.normal(size=batch).astype(np.float32))
    network = make_peer(config, spec).to(memory_format=layout)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)

    def update() -> None:
        policy, value = network(frames, layout)
        log_policy = F.log_softmax(policy, -1)
        chosen = log_policy.gather(1, action[:, None])[:, 0]
        entropy = -(log_policy.exp() * log_policy).sum(-1)
        error = target - value
        loss = (-error.detach() * chosen + 0.5 * error**2 - 0.01 * entropy).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return update


def make_peer(config: atari.Config, spec: EnvSpec) -> Any:
    """The network as a `torch.nn.Module`: (frames uint8 [N, C, H, W], memory format) -> policy [N, A], value [N]."""
    torch = load()
    nn, F = torch.nn, torch.nn.functional
    (channels, height, width), multiple = spec.observation.shape, 4 if config.torso == "small" else 1
    pads = [(total // 2, total - total // 2) for total in (-height % multiple, -width % multiple)]
    resnet = config.torso == "resnet"

    class Peer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            convolutions, before = [], channels
            if resnet:
                for after in RESNET_CHANNELS:
                    convolutions += [nn.Conv2d(before if i == 0 else after, after, 3, 1, 1) for i in range(5)]
                    before = after
            else:
                for layer in NATURE if config.torso == "nature" else SMALL:
                    convolutions.append(nn.Conv2d(before, layer.features, layer.kernel, layer.stride))
                    before = layer.features
            self.convolutions = nn.ModuleList(convolutions)
            with torch.no_grad():
                features = self.see(torch.zeros(1, *spec.observation.shape)).shape[1]
            widths = [features, *config.hidden_sizes]
            self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
            self.policy, self.value = nn.Linear(widths[-1], spec.num_actions), nn.Linear(widths[-1], 1)

        def see(self, x: Any) -> Any:
            if not resnet:
                x = F.pad(x, (*pads[1], *pads[0]))
                for layer in self.convolutions:
                    x = F.relu(layer(x))
                return x.flatten(1)
            for s in range(len(RESNET_CHANNELS)):
                first, *blocks = self.convolutions[5 * s : 5 * s + 5]
                x = first(x)
                odd = x.shape[2] % 2  # JAX's SAME pads an odd side before and after, an even one after
                x = F.max_pool2d(x, 3, 2, padding=odd, ceil_mode=not odd)
                for one, two in (blocks[:2], blocks[2:]):
                    x = x + two(F.relu(one(F.relu(x))))
            return F.relu(x).flatten(1)

        def forward(self, frames: Any, layout: Any) -> Any:
            x = frames.float()
            if config.input == "motion":
                newest = NEWEST_GAIN * (x[:, -1:] - x.mean((1, 2, 3), keepdim=True))
                x = torch.cat([CHANGE_GAIN * (x[:, 1:] - x[:, :-1]), newest], 1)
            else:
                x = x / 255
            x = self.see(x.contiguous(memory_format=layout))
            for layer in self.dense:
                x = F.relu(layer(x))
            return self.policy(x), self.value(x)[:, 0]

    return Peer()
