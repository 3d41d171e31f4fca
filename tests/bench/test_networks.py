"""The benchmark counts what the network does and runs both forms."""

from __future__ import annotations

from jaxrl.bench.networks import ATARI, NATURE, PlainNatureNetwork, forward_flops, measure, update_flops
from jaxrl.networks import atari


def test_flops_of_the_nature_network_by_hand() -> None:
    by_hand = [
        2 * 20 * 20 * 32 * 8 * 8 * 4,
        2 * 9 * 9 * 64 * 4 * 4 * 32,
        2 * 7 * 7 * 64 * 3 * 3 * 64,
        2 * 7 * 7 * 64 * 512,
        2 * 512 * 18,
        2 * 512,
    ]
    network = atari.make(NATURE, ATARI)
    assert forward_flops(network, ATARI) == by_hand
    assert forward_flops(PlainNatureNetwork(18), ATARI) == by_hand
    assert update_flops(network, ATARI) == 3 * sum(by_hand) - by_hand[0]


def test_measure_returns_rates_of_both_forms() -> None:
    speed = measure(batch=8, repetitions=1)
    assert min(speed) > 0
    assert speed.ratio == speed.ours_samples_per_s / speed.plain_samples_per_s
