"""Trainings that must show learning in the minutes that are left: Pong and Breakout, 84x84, protocol `machado`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxrl.bench.acceptance.checklist import Task
from jaxrl.bench.acceptance.trial import PRESET, settings
from jaxrl.bench.doctor import Finding

SPARE_S = 25.0  # of a check's time: to save, and to draw


class Game(NamedTuple):
    """What learning it looks like."""

    id: str
    random: float  # mean return of the random policy
    learnt: float  # what chance alone does not reach


GAMES = {"pong": Game("Pong-v5", -20.7, -17.0), "breakout": Game("Breakout-v5", 1.7, 6.0)}


def pong(task: Task) -> Iterator[Finding]:
    """Learn Pong."""
    yield from learn_game("pong", task)


def breakout(task: Task) -> Iterator[Finding]:
    """Learn Breakout."""
    yield from learn_game("breakout", task)


def learn_game(name: str, task: Task) -> Iterator[Finding]:
    """Train as a user would, `jaxrl train`, then read what it wrote and draw it. No JAX in this process."""
    game, runs = GAMES[name], task.folder / "runs"
    minutes = max(0.05, (task.left - SPARE_S) / 60)
    platform = "gpu" if not task.smoke and _accelerated() else "cpu"
    more = {
        "name": name,
        "env.id": game.id,
        "record.runs_dir": str(runs),
        "record.wandb": "off",
        "evaluation.episodes": "0",
        "evaluation.against_random": "false",
        **({"env_steps": "64", "record.report_every": "1"} if task.smoke else {"max_minutes": f"{minutes:.2f}"}),
    }
    words = [sys.executable, "-m", "jaxrl", "train", PRESET, *settings(task.smoke, platform, more)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL)
    if done.returncode:
        yield Finding("fail", name, f"training ended with status {done.returncode}", f"see {name}.log")
        return
    run = max(runs.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
    yield from _judge(name, game, run, task.smoke)
    yield from _draw(name, run, task.folder)


def _accelerated() -> bool:
    """Asked in another process, which leaves the device to the training."""
    code = "import sys, jax; sys.exit(jax.default_backend() == 'cpu')"
    return subprocess.run([sys.executable, "-c", code]).returncode == 0


def _judge(name: str, game: Game, run: Path, smoke: bool) -> Iterator[Finding]:
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    newest = metrics[-1] if metrics else {}
    steps, seconds = newest.get("env_steps", 0), newest.get("progress/wall", 0)
    episodes, final = int(newest.get("episode/count", 0)), newest.get("episode/return", game.random)
    yield Finding("ok", "run", f"{run}: {steps:,.0f} env steps in {seconds:.0f} s, {episodes} episodes")
    if smoke:
        return
    detail = f"mean return of the last 100 episodes {final:.1f}; a random policy has {game.random}"
    learnt = final >= game.learnt
    fix = "" if learnt else f"{game.learnt:g} would show learning: give it more --minutes"
    yield Finding("ok" if learnt else "warn", "learning", detail, fix)


def _draw(name: str, run: Path, folder: Path) -> Iterator[Finding]:
    words = [sys.executable, "-m", "jaxrl", "plot", str(run), "--out", str(folder / f"{name}.png")]
    if subprocess.run(words, stdin=subprocess.DEVNULL).returncode:
        yield Finding("warn", "curve", "not drawn; the numbers are in the run folder", f"see {name}.log")
    else:
        yield Finding("ok", "curve", f"{name}.png")
