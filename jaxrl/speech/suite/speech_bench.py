"""How fast a policy of speech trains and generates, as shares of what the machine's plain matrix product does.

Rounds of all parts alternate, and the fastest of each counts, so that the shares say something on a busy machine too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.record.files import check_writable, replace_json
from jaxrl.speech.chat import encode_prompt
from jaxrl.speech.ids import AUDIO
from jaxrl.speech.interleave import BLOCK, BLOCK_MS
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.at_hand import vocabulary_of
from jaxrl.speech.policy.generate import generate, grammar_of
from jaxrl.speech.policy.policy_config import PolicyConfig, make_network
from jaxrl.speech.policy.supervised import Rows, init_policy, update
from jaxrl.speech.scale import Scale, read_scale

SIZE = 1024  # of the matrix product
ASKED, ANSWER = "turn the lamp in the kitchen on please", 60  # tokens of an answer, at most
BATCHES = (1, 32)
ROUNDS = 3


def forward_flops(config: PolicyConfig, size: int, seen: int) -> float:
    """Floating-point operations of one token through the network, which attends to `seen` places: two for each weight
    of a product, and two products with them in every layer."""
    weights = config.layers * 12 * config.width**2 + size * config.width
    return 2.0 * weights + config.layers * 4.0 * seen * config.width


def main(path: Path, json_file: Path | None, seconds: float) -> None:
    """Measure the policy of a scale for at most about `seconds` a part, print it, and write it to `json_file`."""
    if json_file:
        check_writable(json_file)
    told = measure_policy(read_scale(path), seconds)
    if json_file:
        replace_json(json_file, told)
    for name, value in told.items():
        print(f"{name:34}  {value:.4g}" if isinstance(value, float) else f"{name:34}  {value}")


def measure_policy(scale: Scale, seconds: float) -> dict[str, Any]:
    """Rates and shares, by name."""
    config, vocabulary = scale.policy, vocabulary_of(scale)
    shape = (config.rows, config.context)
    rng = np.random.default_rng(0)
    rows = Rows(
        rng.integers(vocabulary.size, size=shape).astype(np.int32),
        np.ones(shape, np.int32),
        np.zeros(shape, np.int32),
        np.ones(shape, bool),
        np.full(shape, -1, np.int32),
    )
    state = [init_policy(config, vocabulary)]
    params = jax.tree.map(jnp.copy, state[0].params)
    matrix = jnp.asarray(rng.normal(size=(SIZE, SIZE)), jnp.float32)
    product = jax.jit(jnp.dot)

    def train() -> Any:
        state[0], metrics = update(state[0], rows, jax.random.key(0), config, vocabulary)
        return metrics

    # An answer that has begun to speak: an untrained policy would end others at once.
    prompt = [*encode_prompt(asking.to_say(ASKED), vocabulary, config.context), AUDIO]

    def say(batch: int) -> Any:
        prompts, lengths = np.tile(np.array(prompt, np.int32), (batch, 1)), np.full(batch, len(prompt), np.int32)
        network, grammar = make_network(config, vocabulary), grammar_of(vocabulary)
        return generate(network, params, prompts, lengths, jax.random.key(0), 1.0, ANSWER, grammar).mask

    parts: dict[str, Callable[[], Any]] = {"product": lambda: product(matrix, matrix), "training": train}
    parts |= {f"generation of {batch}": (lambda batch=batch: say(batch)) for batch in BATCHES}
    fastest = least_seconds(parts, seconds)
    made = {batch: float(np.asarray(say(batch)).sum()) for batch in BATCHES}
    return _rates(fastest, made, len(prompt), config, vocabulary.size)


def least_seconds(parts: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The fastest of some rounds of each, by turns, after one that compiles; none takes much more than `seconds`."""
    spent, fastest = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, np.inf)
    for part in parts.values():
        jax.block_until_ready(part())
    for _ in range(ROUNDS):
        for name, part in parts.items():
            if spent[name] > seconds:
                continue
            start = time.perf_counter()
            jax.block_until_ready(part())
            took = time.perf_counter() - start
            spent[name], fastest[name] = spent[name] + took, min(fastest[name], took)
    return fastest


def _rates(
    fastest: Mapping[str, float], made: Mapping[int, float], prompt: int, config: PolicyConfig, size: int
) -> dict[str, Any]:
    tokens = config.rows * config.context
    peak = 2.0 * SIZE**3 / fastest["product"]
    training = 3 * forward_flops(config, size, config.context) * tokens / fastest["training"]
    told: dict[str, Any] = {
        "parameters": int(config.layers * 12 * config.width**2 + 2 * size * config.width),
        "matrix_product_gflops": peak / 1e9,
        "training_tokens_per_s": tokens / fastest["training"],
        "training_share_of_product": training / peak,
    }
    for batch, count in made.items():
        rate = count / fastest[f"generation of {batch}"]
        read = batch * prompt / fastest[f"generation of {batch}"]
        flops = forward_flops(config, size, prompt + ANSWER) * (rate + read)
        told[f"generation_{batch}_tokens_per_s"] = rate
        told[f"generation_{batch}_share_of_product"] = flops / peak
    told["real_time_factor"] = BLOCK / (BLOCK_MS / 1000) / told["generation_1_tokens_per_s"]
    return told
