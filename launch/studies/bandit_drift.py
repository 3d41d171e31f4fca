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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxrl.ops import bandits

HIGH = float(np.log(51))
SPEC = bandits.BanditSpec(0.0, HIGH, 50)
MIDDLE, SPAN, WIDTH, NOISE = HIGH / 2, 1.5, 0.5, 0.3
PERIODS = (250, 500, 1000, 2000, 4000)  # in episodes; the figure's upper panels show the one before the last
FIXED = np.linspace(0, HIGH, 201)
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#9aa0a6"


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
    figure = Figure(figsize=(10, 7), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic([["x", "x"], ["regret", "speed"]])
    shown = len(PERIODS) - 2
    episode = np.arange(result.x.shape[-1])

    axes = panels["x"]
    axes.plot(episode, result.x[shown, 0], ".", ms=2, color=BLUE, alpha=0.5, label="drawn by the vote, seed 0")
    axes.plot(episode, best(episode, PERIODS[shown]), color=ORANGE, lw=2, label="best")
    inverse = np.array([0, 0.5, 1, 2, 5, 10, 20, 50])
    axes.set_yticks(np.log1p(inverse), [f"{value:g}" for value in inverse])
    axes.set(
        ylabel="1 / temperature", xlabel="episode", title=f"A best temperature that drifts, period {PERIODS[shown]}"
    )
    axes.legend(loc="upper right", framealpha=0.9, markerscale=4)

    axes = panels["regret"]
    total_fixed, total = result.fixed[shown].cumsum(-1), result.vote[shown].cumsum(-1)
    axes.plot(episode, total_fixed[::10].T, color=GREY, lw=0.6, alpha=0.7)
    axes.plot([], [], color=GREY, lw=0.6, label="fixed temperatures")
    axes.plot(episode, total_fixed[total_fixed[:, -1].argmin()], color="black", label="best of them in hindsight")
    axes.plot(episode, total.mean(0), color=BLUE, lw=2, label=f"vote, mean and range of {len(total)} seeds")
    axes.fill_between(episode, total.min(0), total.max(0), color=BLUE, alpha=0.3, lw=0)
    axes.set(ylabel="cumulative regret", xlabel="episode", ylim=(0, None))
    axes.legend(loc="upper left")

    axes = panels["speed"]
    vote, fixed = result.vote.mean(-1), result.fixed.mean(-1)
    axes.plot(PERIODS, fixed.min(1), "o-", color="black", label="best fixed temperature in hindsight")
    axes.plot(PERIODS, fixed.mean(1), "o--", color=GREY, label="random temperature")
    axes.errorbar(PERIODS, vote.mean(1), [vote.mean(1) - vote.min(1), vote.max(1) - vote.mean(1)],
                  fmt="o-", color=BLUE, capsize=3, label="vote, range of seeds")  # fmt: skip
    axes.set(xscale="log", xlabel="period of the drift, episodes", ylabel="regret per episode", ylim=(0, 1))
    axes.set_xticks(PERIODS, [str(period) for period in PERIODS])
    axes.minorticks_off()
    axes.legend(loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


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
