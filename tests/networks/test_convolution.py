"""The CPU forms of convolution, pooling and chunking against XLA's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxrl.networks.cpu.chunks import cut, map_in_chunks, side_by_side
from jaxrl.networks.cpu.convolution import (
    Conv,
    ConvSpec,
    convolve,
    cpu_convolution,
    native_convolution,
)
from jaxrl.networks.cpu.pooling import native_max_pool, slice_max_pool

CASES = [  # height, width, channels, features, kernel, stride, padding
    (84, 84, 4, 32, (8, 8), (4, 4), "VALID"),
    (20, 20, 8, 6, (4, 4), (2, 2), "VALID"),
    (9, 9, 8, 8, (3, 3), (1, 1), "VALID"),
    (11, 9, 3, 5, (3, 3), (1, 1), "SAME"),
    (42, 42, 4, 16, (8, 8), (4, 4), ((1, 1), (1, 1))),
    (13, 10, 3, 4, (3, 3), (2, 2), "SAME"),
    (13, 10, 3, 4, (5, 3), (2, 1), "VALID"),
    (7, 15, 2, 3, (2, 5), (3, 2), ((0, 2), (1, 0))),
    (6, 6, 3, 7, (1, 1), (1, 1), "VALID"),
    (9, 9, 3, 7, (1, 1), (2, 2), "VALID"),
]


def relative_error(a: jax.Array, b: jax.Array) -> float:
    return float(jnp.abs(a - b).max() / (jnp.abs(b).max() + 1e-12))


@pytest.mark.parametrize("case", CASES)
def test_cpu_convolution_equals_the_native_one(case: tuple) -> None:
    height, width, channels, features, kernel_size, stride, padding = case
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(3, height, width, channels)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(*kernel_size, channels, features)), jnp.float32)
    pads = ConvSpec(1, kernel_size, stride, padding).pads(height, width)

    def run(form):
        y, pull = jax.vjp(lambda x, kernel: form(x, kernel, stride, pads), x, kernel)
        return (y, *pull(jnp.cos(y)))

    ours, theirs = jax.jit(lambda: run(cpu_convolution))(), jax.jit(lambda: run(native_convolution))()
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert relative_error(a, b) < 1e-5
    spec = ConvSpec(features, kernel_size, stride, padding)
    assert spec.output_size(height, width) == ours[0].shape[1:3]


def test_bytes_give_the_same_result_as_floats_and_take_no_gradient() -> None:
    rng = np.random.default_rng(0)
    frames = jnp.asarray(rng.integers(0, 256, (2, 44, 44, 4)), jnp.uint8)
    kernel = jnp.asarray(rng.normal(size=(8, 8, 4, 16)), jnp.float32)

    def loss(kernel, x):
        return jnp.sin(cpu_convolution(x, kernel, (4, 4), ((0, 0), (0, 0))) / 1000).sum()

    value, gradient = jax.value_and_grad(loss)(kernel, frames)
    value_float, gradient_float = jax.value_and_grad(loss)(kernel, frames.astype(jnp.float32))
    assert float(value) == pytest.approx(float(value_float), rel=1e-5)
    assert relative_error(gradient, gradient_float) < 1e-6


@pytest.mark.parametrize("padding", ["VALID", "SAME", ((1, 2), (0, 1))])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_module_has_the_parameters_and_results_of_flax(padding, stride) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 12, 11, 3)), jnp.float32)
    ours, theirs = Conv(ConvSpec(5, (4, 4), stride, padding)), nn.Conv(5, (4, 4), stride, padding)
    params = theirs.init(jax.random.key(0), x)
    shapes = jax.eval_shape(lambda key: ours.init(key, 3, method="weights"), jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
    for form in (native_convolution, cpu_convolution):
        result = convolve(ours.spec, form, ours.apply(params, 3, method="weights"), x)
        np.testing.assert_allclose(result, theirs.apply(params, x), atol=1e-5)


@pytest.mark.parametrize("size", [(84, 84), (42, 42), (21, 21), (11, 8), (3, 4)])
def test_slice_max_pool_equals_the_native_one(size: tuple[int, int]) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, *size, 3)), jnp.float32)

    def run(form):
        y, pull = jax.vjp(form, x)
        return y, pull(jnp.cos(y))[0]

    ours, theirs = jax.jit(lambda: run(slice_max_pool))(), jax.jit(lambda: run(native_max_pool))()
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)


def test_slice_max_pool_gives_ties_to_the_first_maximum_like_xla() -> None:
    x = jnp.asarray(np.random.default_rng(0).integers(0, 3, (2, 10, 9, 4)), jnp.float32)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 5, 4)), jnp.float32)
    ours, theirs = (jax.grad(lambda x, f=form: (f(x) * weights).sum())(x) for form in (slice_max_pool, native_max_pool))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 4, 7, 12, 13])
def test_chunks_change_neither_values_nor_gradients(rows: int) -> None:
    rng = np.random.default_rng(0)
    x, w = jnp.asarray(rng.normal(size=(rows, 5))), jnp.asarray(rng.normal(size=(5, 3)))

    def loss(w, x, size):
        return (map_in_chunks(lambda part: jnp.tanh(part @ w), x, size) ** 2).sum()

    whole, parts = (jax.value_and_grad(loss, argnums=(0, 1))(w, x, size) for size in (1000, 4))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), whole, parts)


@pytest.mark.parametrize(
    ("rows", "most", "expected"),
    [(640, 8, 8), (264, 64, 44), (264, 8, 8), (258, 8, 8), (36, 32, 12), (296, 8, 8), (1032, 8, 8)],
)
def test_chunks_fill_registers_and_run_side_by_side(rows, most, expected):
    size, chunks = cut(rows, most)
    assert size == expected and size * chunks >= rows
    assert side_by_side(chunks) > 1
    assert size * chunks < 1.4 * rows
