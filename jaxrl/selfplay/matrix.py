"""Two-player zero-sum matrix games: exact fictitious play, its duality gap, and the practical loop with exact payoffs.

With payoffs `A` to the row player, `F_t` what each action was worth against the other's t-th policy, and
`SBR(F) = softmax(F)`, the answer that is best after the negative entropy is taken off:

    fp            pi_{k+1} = argmax sum_{t<=k} F_t                  the average converges, the last iterate goes round
    smooth        pi_{k+1} = SBR(eta sum_{t<=k} F_t)                likewise
    optimistic    pi_{k+1} = SBR(eta (sum_{t<=k} F_t + F_k))        newest payoff twice: the last iterate converges
    fixed         pi_{k+1} = SBR((sum_{t<=k} F_t + F_k) / (tau (k + 2)))   to the logit equilibrium, about tau away

What is exact here shows what `jaxrl.selfplay` can and cannot do where payoffs are estimated from games.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.selfplay.opponents import (
    OpponentConfig,
    empty_ledger,
    end_period,
    opponent_distribution,
    record_games,
)

Iteration = Literal["fp", "smooth", "optimistic", "fixed"]

ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
# Equilibrium (0.2, 0.6, 0.2).
BIASED_ROCK_PAPER_SCISSORS = np.array([[0.0, -1 / 3, 1.0], [1 / 3, 0.0, -1 / 3], [-1.0, 1 / 3, 0.0]])


def duality_gap(payoff: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """What the two players could gain together by best responses [...]; 0 at an equilibrium only.

    Args:
        payoff: [..., m, n] to the row player.
        row: [..., m], its policy.
        column: [..., n], the other's.
    """
    values, costs = _payoffs(payoff, row, column)
    return values.max(-1) + costs.max(-1)


def iterate(
    payoff: np.ndarray, kind: Iteration, num_iterations: int, *, eta: float = 0.1, tau: float = 0.1
) -> np.ndarray:
    """The duality gap of the iterates [num_iterations + 1, ...], in float64.

    The row player begins with its first action and the other with its second.

    Args:
        payoff: [..., m, n].
        kind: see above.
        num_iterations: steps of both players at once.
        eta: the weight of a payoff in `smooth` and `optimistic`.
        tau: temperature of `fixed`.
    """
    payoff = np.asarray(payoff, np.float64)
    *batch, m, n = payoff.shape
    row, column = (np.broadcast_to(np.eye(k)[start], (*batch, k)) for k, start in ((m, 0), (n, 1)))
    sums = [np.zeros((*batch, m)), np.zeros((*batch, n))]
    gaps = [duality_gap(payoff, row, column)]
    for k in range(num_iterations):
        newest = _payoffs(payoff, row, column)
        sums = [total + values for total, values in zip(sums, newest, strict=True)]
        match kind:
            case "fp":
                row, column = (np.eye(total.shape[-1])[total.argmax(-1)] for total in sums)
            case "smooth":
                row, column = (_softmax(eta * total) for total in sums)
            case "optimistic":
                row, column = (_softmax(eta * (total + new)) for total, new in zip(sums, newest, strict=True))
            case "fixed":
                weight = 1 / (tau * (k + 2))
                row, column = (_softmax(weight * (total + new)) for total, new in zip(sums, newest, strict=True))
        gaps.append(duality_gap(payoff, row, column))
    return np.stack(gaps)


def practical(
    result: Callable[[jax.Array, jax.Array], jax.Array],
    logits: jax.Array,
    config: OpponentConfig,
    *,
    num_periods: int,
    steps: int = 100,
    step_size: float = 1.0,
    entropy_cost: float = 0.01,
) -> jax.Array:
    """The loop of `jaxrl.selfplay.fictitious` with exact gradients: the policies [num_periods, ..., A] behind periods.

    One policy sits on either side. Results against members are expectations.

    Args:
        result: of a policy against another [..., A], in [-1, 1], the mean over both seats.
        logits: [..., A], of the first policy: one softmax for each state of either seat.
        config: the opponents.
        num_periods: learning periods.
        steps: gradient steps of a period.
        step_size: of plain gradient ascent in the logits.
        entropy_cost: of the mean over the states, fixed as in the contest's system.
    """

    def objective(logits: jax.Array, members: jax.Array, share: jax.Array) -> tuple[jax.Array, jax.Array]:
        log_policy = jax.nn.log_softmax(logits)
        policy = jnp.exp(log_policy)
        results = jax.vmap(partial(result, policy))(members)
        with_itself = (1 - jnp.sum(share)) * result(policy, jax.lax.stop_gradient(policy))
        bonus = -entropy_cost * jnp.mean(jnp.sum(policy * log_policy, axis=-1))
        return with_itself + share @ results + bonus, results

    def step(carry, _):
        logits, members, ledger = carry
        share = (1 - config.self_play) * opponent_distribution(config, ledger)
        (_, results), gradient = jax.value_and_grad(objective, has_aux=True)(logits, members, share)
        ledger = record_games(ledger, jnp.arange(config.capacity), share * results, share)
        return (logits + step_size * gradient, members, ledger), None

    def period(carry, _):
        (logits, members, ledger), _ = jax.lax.scan(step, carry, None, length=steps)
        ledger, freeze, place = end_period(config, ledger)
        policy = jax.nn.softmax(logits)
        members = jnp.where(freeze, members.at[place].set(policy), members)
        return (logits, members, ledger), policy

    start = logits, jnp.zeros((config.capacity, *logits.shape)), empty_ledger(config.capacity)
    return jax.lax.scan(period, start, None, length=num_periods)[1]


def mean_result(payoff: jax.Array, policy: jax.Array, other: jax.Array) -> jax.Array:
    """What `policy` [2, k], by seat, wins of `other` on average over the seats; payoff [k, k] to the row player."""
    return (policy[0] @ payoff @ other[1] - other[0] @ payoff @ policy[1]) / 2


def _payoffs(payoff: np.ndarray, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each action of either player is worth to it against the other's policy."""
    values = np.einsum("...ij,...j->...i", payoff, column)
    costs = -np.einsum("...ij,...i->...j", payoff, row)
    return values, costs


def _softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)
