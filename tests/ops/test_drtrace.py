"""DR-Trace equals its definition, and every special case that the paper's operator has."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.ops import dr_trace, vtrace
from tests.reference import traces
from tests.reference.sequences import LENGTHS, Sequences, draw, draw_clips, poison, two_episodes

jitted = jax.jit(dr_trace)


def assert_same(result, expected, tolerance=1e-9):
    for a, b in zip(result, expected, strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_slow_sum(length, double):
    rng = np.random.default_rng(length)
    sequences, clips = draw(rng, length), draw_clips(rng)
    expected = traces.columns(traces.dr_trace, *sequences, **clips._asdict())
    assert_same(jitted(*sequences, **clips._asdict()), expected)


def test_default_clips_are_the_authors(double):
    sequences = draw(np.random.default_rng(0), 20)
    assert_same(dr_trace(*sequences), traces.columns(traces.dr_trace, *sequences, rho_clip=1.05, c_clip=1.05))


def test_one_row(double):
    """T = 1: v = V + min(w, rho_clip) (r + gamma V' - Q), q = r + gamma V'; here by hand."""
    row = [np.array(x) for x in ([2.0, 4.0], [1.5], [0.5], [0.5], [3.0], [True])]
    result = dr_trace(*row, rho_clip=2.0, c_clip=1.0)
    np.testing.assert_array_equal(result.value_target, [2.0 + 2.0 * (0.5 + 0.5 * 4.0 - 1.5)])
    np.testing.assert_array_equal(result.q_target, [2.5])


def test_two_rows(double):
    """v_0 = V_0 + rho_0 delta_0 + gamma_0 c_0 rho_1 delta_1; here by hand, with both clips active."""
    row = [np.array(x) for x in ([1.0, 2.0, 3.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5], [8.0, 3.0], [1, 1])]
    result = dr_trace(*row, rho_clip=4.0, c_clip=2.0)  # delta = 2, 1.5; rho = 4, 3; c = 2, 2
    np.testing.assert_array_equal(result.value_target, [1 + 4 * 2 + 0.5 * 2 * 3 * 1.5, 2 + 3 * 1.5])
    np.testing.assert_array_equal(result.q_target, [1 + 0.5 * 6.5, 1 + 0.5 * 3])


def episode(seed: int, length: int = 30, actions: int = 4) -> tuple[Sequences, np.ndarray, np.ndarray, np.ndarray]:
    """One episode [T] in which `V = E_pi[Q]`, with its actions, Q table and policy [T, A]."""
    rng = np.random.default_rng(seed)
    policy, behaviour = rng.dirichlet(np.ones(actions), (2, length))
    table, action = rng.normal(size=(length, actions)), rng.integers(0, actions, length)
    rows = np.arange(length)
    value = np.append((policy * table).sum(1), rng.normal())
    discount = np.where(rng.random(length) < 0.1, 0.0, 0.97)
    ratio = policy[rows, action] / behaviour[rows, action]
    mask = np.ones(length, bool)
    return Sequences(value, table[rows, action], rng.normal(size=length), discount, ratio, mask), action, table, policy


@pytest.mark.parametrize("seed", range(5))
def test_q_equal_to_v_gives_vtrace(seed, double):
    s = draw(np.random.default_rng(seed), 40)
    s = s._replace(q_taken=s.value[:-1])
    for clips in ({"rho_clip": 1.0, "c_clip": 1.0}, {"rho_clip": 2.0, "c_clip": 0.7}):
        result = dr_trace(*s, **clips)
        expected = vtrace(*s.without_q, **clips)
        np.testing.assert_allclose(result.value_target, expected.value_target, rtol=1e-12, atol=1e-12)
        advantage = np.minimum(s.ratio, clips["rho_clip"]) * (result.q_target - s.value[:-1])
        np.testing.assert_allclose(np.where(s.mask, advantage, 0), expected.pg_advantage, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clip", [1.0, 1.05])
def test_equal_clips_give_retrace(seed, clip, double):
    """Retrace(1) (Munos et al. 2016): Q_t + sum_k (prod gamma c) (r_k + gamma_k E_pi Q_{k+1} - Q_k), c from t+1 on."""
    s, *_ = episode(seed)
    expected = s.q_taken.copy()
    for t in range(len(expected)):
        product = 1.0
        for k in range(t, len(expected)):
            if k > t:
                product *= s.discount[k - 1] * min(s.ratio[k], clip)
            expected[t] += product * (s.reward[k] + s.discount[k] * s.value[k + 1] - s.q_taken[k])
    np.testing.assert_allclose(dr_trace(*s, rho_clip=clip, c_clip=clip).q_target, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_policy_as_ratio_gives_tree_backup(seed, double):
    """Tree backup (Precup et al. 2000): actions not taken are backed up by their Q, the one taken by its return."""
    s, action, table, policy = episode(seed)
    expected, follow = np.empty_like(s.reward), s.value[-1]
    for t in reversed(range(len(expected))):
        expected[t] = s.reward[t] + s.discount[t] * follow
        branches = table[t].copy()
        branches[action[t]] = expected[t]
        follow = policy[t] @ branches
    taken = policy[np.arange(len(action)), action]
    np.testing.assert_allclose(dr_trace(*s._replace(ratio=taken)).q_target, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_clipping_gives_doubly_robust(seed, double):
    """Jiang & Li 2016: v_t = V_t + w_t (r_t + gamma v_{t+1} - Q_t)."""
    s, *_ = episode(seed)
    expected = s.value.copy()
    for t in reversed(range(len(s.reward))):
        expected[t] = s.value[t] + s.ratio[t] * (s.reward[t] + s.discount[t] * expected[t + 1] - s.q_taken[t])
    result = dr_trace(*s, rho_clip=np.inf, c_clip=np.inf).value_target
    np.testing.assert_allclose(result, expected[:-1], rtol=1e-9, atol=1e-9)


def n_step_returns(s: Sequences) -> np.ndarray:
    """sum of discounted rewards up to the sequence's end, and the value there."""
    returns = np.zeros_like(s.reward)
    for t in range(len(returns)):
        product = 1.0
        for k in range(t, len(returns)):
            returns[t] += product * s.reward[k]
            product *= s.discount[k]
        returns[t] += product * s.value[-1]
    return returns


@pytest.mark.parametrize("clips", [{}, {"rho_clip": np.inf, "c_clip": np.inf}, {"rho_clip": 1.0, "c_clip": 1.0}])
def test_on_policy_gives_n_step_returns(clips, double):
    s, *_ = episode(7)
    s = s._replace(ratio=np.ones_like(s.ratio))
    returns, flat = n_step_returns(s), s._replace(q_taken=s.value[:-1])
    np.testing.assert_allclose(dr_trace(*flat, **clips).value_target, returns, rtol=0, atol=1e-9)
    # With a Q of its own the n-step return keeps `V - Q` of every row as control variates of mean 0.
    controlled = n_step_returns(s._replace(reward=s.reward + s.value[:-1] - s.q_taken))
    np.testing.assert_allclose(dr_trace(*s, **clips).value_target, controlled, rtol=0, atol=1e-9)


@pytest.mark.parametrize("poisoned", [np.nan, np.inf, 9999.9])
@pytest.mark.parametrize("terminated", [True, False])
def test_nothing_crosses_a_boundary(poisoned, terminated, double):
    boundary = two_episodes(np.random.default_rng(3), terminated)
    before = slice(0, boundary.reset)
    clean = jitted(*boundary.sequences)
    dirty = jitted(*poison(boundary, poisoned, terminated=terminated))
    np.testing.assert_array_equal(clean.value_target[before], dirty.value_target[before])
    np.testing.assert_array_equal(clean.q_target[before], dirty.q_target[before])
    # The sequence is sensitive: without the boundary the same poison would be seen.
    whole = boundary.sequences._replace(mask=np.ones_like(boundary.sequences.mask), discount=np.full((12, 3), 0.9))
    dirty = poison(boundary._replace(sequences=whole), poisoned, terminated=True)._replace(discount=whole.discount)
    assert not np.allclose(jitted(*whole).value_target[before], jitted(*dirty).value_target[before])


def test_a_masked_row_has_its_own_value_as_target_and_hands_it_back(double):
    """v_t = V_t: what a truncated episode bootstraps from is the value of its true last observation."""
    s = draw(np.random.default_rng(5), 50)
    assert (~s.mask).sum() > 100
    result = dr_trace(*s)
    np.testing.assert_array_equal(result.value_target[~s.mask], s.value[:-1][~s.mask])
    before = ~s.mask[1:]
    expected = s.reward[:-1] + s.discount[:-1] * s.value[1:-1]
    np.testing.assert_allclose(result.q_target[:-1][before], expected[before], rtol=1e-12)


def test_concatenated_episodes_equal_separate_ones(double):
    rng = np.random.default_rng(0)
    episodes, rows = [], []
    for i, length in enumerate((5, 1, 9, 3)):
        s = draw(rng, length, 1)
        discount = np.full_like(s.discount, 0.95)
        if i % 2:
            discount[-1] = 0.0  # every second one terminates, the others are truncated
        s = Sequences(*(x[:, 0] for x in s._replace(discount=discount, mask=np.ones_like(s.mask))))
        episodes.append(s)
        ignored = [rng.normal(size=1) for _ in range(4)]
        rows.append(Sequences(s.value, *(np.append(x, y) for x, y in zip(s[1:5], ignored, strict=True)),
                              np.append(s.mask, False)))  # fmt: skip
    joined = Sequences(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))
    joined = Sequences(joined.value, *(x[:-1] for x in joined[1:]))  # the last episode has no reset behind it
    result, start = dr_trace(*joined), 0
    for s in episodes:
        alone, stop = dr_trace(*s), start + len(s.reward)
        np.testing.assert_allclose(result.value_target[start:stop], alone.value_target, rtol=1e-12)
        np.testing.assert_allclose(result.q_target[start:stop], alone.q_target, rtol=1e-12)
        start = stop + 1


def test_batch_shapes_jit_and_vmap_agree(double):
    s = draw(np.random.default_rng(1), 20, 6)
    batch = dr_trace(*s)
    looped = [dr_trace(*(x[:, b] for x in s)) for b in range(6)]  # [T] alone
    assert looped[0].value_target.shape == (20,)
    assert_same(batch, [np.stack(x, 1) for x in zip(*looped, strict=True)], 1e-12)
    assert_same(batch, jitted(*s), 1e-12)
    assert_same(batch, jax.vmap(dr_trace, in_axes=1, out_axes=1)(*s), 1e-12)
    deep = dr_trace(*(x.reshape(*x.shape[:1], 2, 3) for x in s))
    assert_same(batch, [x.reshape(20, 6) for x in deep], 1e-12)


def test_float32_is_close():
    s = draw(np.random.default_rng(2), 50)
    result = jitted(*(x.astype(np.float32) if x.dtype == np.float64 else x for x in s))
    assert result.value_target.dtype == result.q_target.dtype == jnp.float32
    expected = traces.columns(traces.dr_trace, *s)
    np.testing.assert_allclose(result.value_target, expected.value_target, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.int32])
def test_masks_of_any_type(dtype, double):
    s = draw(np.random.default_rng(4), 10)
    assert_same(dr_trace(*s._replace(mask=s.mask.astype(dtype))), dr_trace(*s), 0)


def test_gradients_stop_at_boundaries(double):
    """Of the targets before a boundary, nothing behind it has a gradient; the last value has one where truncated."""
    for terminated in (True, False):
        s, reset = two_episodes(np.random.default_rng(6), terminated)

        def targets_before(*arrays, s=s, reset=reset):
            result = dr_trace(*arrays, s.mask)
            return result.value_target[:reset].sum() + result.q_target[:reset].sum()

        value, *rows = jax.grad(targets_before, argnums=range(5))(*map(jnp.asarray, s[:5]))
        assert not np.any(value[reset + 1 :]) and bool(np.all(value[reset] != 0)) == (not terminated)
        for row in rows:
            assert not np.any(row[reset:])
            assert np.any(row[: reset - 1])


ARGUMENTS = {"value": (5, 2), **dict.fromkeys(("q_taken", "reward", "discount", "importance_ratio", "mask"), (4, 2))}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("shape", [(5, 2), (4, 2), (4,), (4, 1), (4, 2, 1), (1, 2), (0, 2), ()])
def test_shape_errors_are_one_sentence(name, shape):
    if ARGUMENTS[name] == shape:
        return
    shapes = {**ARGUMENTS, name: shape}
    with pytest.raises(ValueError, match="must be") as caught:
        dr_trace(**{n: np.ones(x) for n, x in shapes.items()})
    message = str(caught.value)
    assert "\n" not in message and str(shape) in message
    assert name in message


@pytest.mark.parametrize("operator", [dr_trace, vtrace])
def test_an_infinite_ratio_without_clips_stops_at_a_termination(operator, double):
    """0 times infinity would be NaN, and would reach every row before."""
    value, reward = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0])
    rows = reward, np.array([0.9, 0.0, 0.9]), np.array([1.0, np.inf, 1.0]), np.ones(3, bool)
    q_taken = () if operator is vtrace else (value[:-1],)
    result = operator(value, *q_taken, *rows, rho_clip=5.0, c_clip=np.inf)
    assert np.isfinite(result.value_target).all() and result.value_target[1] == 2.0 + 5.0 * (1.0 - 2.0)


def test_a_wider_clip_widens_the_result(double):
    s = draw(np.random.default_rng(2), 5)
    narrow = [np.asarray(x, np.float32) if x.dtype == np.float64 else x for x in s]
    result = dr_trace(*narrow, rho_clip=1.05, c_clip=jnp.float64(1.05))
    np.testing.assert_allclose(result.value_target, dr_trace(*s).value_target, rtol=1e-5, atol=1e-5)
