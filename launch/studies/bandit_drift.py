"""Does the bandits' vote follow a best temperature that drifts? `python launch/studies/bandit_drift.py`

An episode played at x = log(1 + 1/temperature) returns

    G = exp(-(x - best(t))^2 / (2 width^2)) + noise,    best(t) = middle + span sin(2 pi t / period)

so that its regret is `1 - E[G]`. The vote, which sees G alone, is compared with every fixed temperature, the best of
which is known only in hindsight, and with a uniformly random x. Prints a table and draws
docs/evidence/images/bandit_drift.png.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from jaxrl.analysis.figures.style import COLOURS, banded, canvas, save, style
from jaxrl.ops import bandits

HIGH = float(np.log(51))
SPEC = bandits.BanditSpec(0.0, HIGH, 50)
MIDDLE, SPAN, WIDTH, NOISE = HIGH / 2, 1.5, 0.5, 0.3
PERIODS = (250, 500, 1000, 2000, 4000)  # in episodes; the figure's upper panels show the one before the last
FIXED = np.linspace(0, HIGH, 201)
BLUE, ORANGE = COLOURS[:2]
PALE = "#9aa0a6"


class Result(NamedTuple):
    """Regrets per episode."""

    x: np.ndarray  # [P, S, E] what the vote chose
    vote: np.ndarray  # [P, S, E]
    fixed: np.ndarray  # [P, 201, E]


def best(episode: jax.Array | np.ndarray, period: float | jax.Array) -> jax.Array:
    """The best x of an episode."""
    return MIDDLE + SPAN * jnp.sin(2 * jnp.pi * episode / period)


def regret(x: jax.Array | np.ndarray, episode: jax.Array | np.ndarray, period: float | jax.Array) -> jax.Array:
    """What `x` loses in expectation against the best of the episode."""
    return 1 - jnp.exp(-jnp.square(x - best(episode, period)) / (2 * WIDTH**2))


@partial(jax.jit, static_argnums=2)
def play(period: jax.Array, key: jax.Array, episodes: int) -> tuple[jax.Array, jax.Array]:
    """One vote from the start: x [E] and its regret [E]."""
    init_key, key = jax.random.split(key)

    def step(state: bandits.BanditState, episode: jax.Array) -> tuple[bandits.BanditState, tuple[jax.Array, jax.Array]]:
        draw_key, noise_key = jax.random.split(jax.random.fold_in(key, episode))
        x = bandits.draw(SPEC, state, draw_key)
        loss = regret(x, episode, period)
        returned = 1 - loss + NOISE * jax.random.normal(noise_key)
        return bandits.update(SPEC, state, x, returned), (x, loss)

    _, outcome = jax.lax.scan(step, bandits.init(SPEC, init_key), jnp.arange(episodes))
    return outcome


def run(episodes: int, seeds: int) -> Result:
    """All periods and seeds at once."""
    keys = jax.random.split(jax.random.key(0), seeds)
    periods = jnp.asarray(PERIODS, jnp.float32)
    over_seeds = jax.vmap(play, (None, 0, None))
    x, vote = jax.vmap(over_seeds, (0, None, None))(periods, keys, episodes)
    fixed = regret(FIXED[None, :, None], np.arange(episodes)[None, None], periods[:, None, None])
    return Result(*jax.device_get((x, vote, fixed)))


def table(result: Result) -> str:
    """Mean regret per episode, in Markdown."""
    lines = [
        "| period (episodes) | vote, mean of seeds | vote, worst seed | best fixed temperature | random |",
        "|---|---|---|---|---|",
    ]
    for period, vote, fixed in zip(PERIODS, result.vote.mean(-1), result.fixed.mean(-1), strict=True):
        lines.append(f"| {period} | {vote.mean():.3f} | {vote.max():.3f} | {fixed.min():.3f} | {fixed.mean():.3f} |")
    return "\n".join(lines)


def draw_figure(result: Result, path: Path) -> None:
    """What the vote chose, what that cost, and how both depend on the speed of the drift."""
    figure = canvas((10, 7.6), "The vote follows a best temperature that drifts")
    top, left, right = figure.subplot_mosaic([["x", "x"], ["regret", "speed"]]).values()
    shown = len(PERIODS) - 2
    episode = np.arange(result.x.shape[-1])

    style(top)
    top.plot(episode, result.x[shown, 0], ".", ms=2.5, color=BLUE, alpha=0.5)
    top.plot([], [], "o", ms=5, color=BLUE, label="drawn by the vote for an episode, seed 0")
    top.plot(episode, best(episode, PERIODS[shown]), color=ORANGE, lw=2.5, label="the best there is")
    inverse = np.array([0, 0.5, 1, 2, 5, 10, 20, 50])
    top.set_yticks(np.log1p(inverse), [f"{value:g}" for value in inverse])
    _name(top, f"Temperatures, where the best drifts round once in {PERIODS[shown]:,} episodes", "1 / temperature")
    top.set_xlabel("episode")
    top.legend(loc="upper right", edgecolor="none", framealpha=0.9, fontsize=9)

    style(left)
    total_fixed, total = result.fixed[shown].cumsum(-1), result.vote[shown].cumsum(-1)
    left.plot(episode, total_fixed[::10].T, color=PALE, lw=0.6)
    left.plot([], [], color=PALE, lw=0.6, label="one temperature throughout")
    left.plot(episode, total_fixed[total_fixed[:, -1].argmin()], color="black", label="the best of those in hindsight")
    vote = banded(left, episode, total.mean(0), total.min(0), total.max(0), BLUE, linewidth=2)
    vote.set_label(f"the vote: mean, worst and best of {len(total)} seeds")
    _name(left, "What they lose, of 1 an episode", "return lost so far")
    left.set_xlabel("episode")
    left.set_ylim(0, None)
    left.legend(loc="upper left", edgecolor="none", framealpha=0.9, fontsize=9)

    style(right)
    vote, fixed = result.vote.mean(-1), result.fixed.mean(-1)
    spread = [vote.mean(1) - vote.min(1), vote.max(1) - vote.mean(1)]
    right.plot(PERIODS, fixed.mean(1), "o--", color=PALE, label="a random temperature")
    right.plot(PERIODS, fixed.min(1), "o-", color="black", label="the best one in hindsight")
    right.errorbar(PERIODS, vote.mean(1), spread, fmt="o-", color=BLUE, capsize=3, label="the vote, worst to best seed")
    _name(right, "The slower the drift, the less the vote loses", "return lost per episode")
    right.set(xscale="log", xlabel="episodes that the drift takes to go round", ylim=(0, 1))
    right.set_xticks(PERIODS, [f"{period:,}" for period in PERIODS])
    right.minorticks_off()
    right.legend(loc="lower left", edgecolor="none", framealpha=0.9, fontsize=9)
    save(figure, path)


def _name(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(unit)


def main() -> None:
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("docs/evidence/images/bandit_drift.png"))
    arguments = parser.parse_args()
    result = run(arguments.episodes, arguments.seeds)
    print(table(result))
    draw_figure(result, arguments.out)


if __name__ == "__main__":
    main()
