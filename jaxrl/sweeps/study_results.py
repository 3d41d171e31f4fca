"""What the runs of a study came to: scores by agent and game, and the folders they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxrl.analysis.runs import read_evaluation
from jaxrl.sweeps.attempt import run_folder
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.sweep_folder import State, SweepFolder


@dataclass(frozen=True)
class Result:
    """One run of a study; `agent` is the name of its sweep file."""

    agent: str
    env: str
    seed: int
    run: Run
    state: State
    folder: Path | None
    evaluation: dict[str, Any] | None  # evaluation.json of a finished run

    @property
    def finished(self) -> bool:
        return self.evaluation is not None and self.state.status == "finished"


def collect(folder: SweepFolder, runs: Iterable[Run]) -> list[Result]:
    """Every run of the plan, finished or not."""
    results = []
    for run in runs:
        made = run_folder(folder, run)
        evaluation = None if made is None else read_evaluation(made)
        results.append(Result(run.sweep, run.env, run.seed, run, folder.state(run.id), made, evaluation))
    return results


def by_agent_and_env(results: Iterable[Result]) -> dict[str, dict[str, list[Result]]]:
    """Finished results: agent to environment to its seeds, in the order of the plan."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        if result.finished:
            groups.setdefault(result.agent, {}).setdefault(result.env, []).append(result)
    return groups


def raw_scores(groups: dict[str, list[Result]]) -> dict[str, list[float]]:
    """Environment to the mean returns of its runs, from one agent's part of `by_agent_and_env`."""
    return {env: [float((result.evaluation or {})["mean_return"]) for result in runs] for env, runs in groups.items()}


def protocols(results: Sequence[Result]) -> list[str]:
    """The different protocols of the finished runs; one, unless a study mixes what must not be mixed."""
    finished = [result.evaluation for result in results if result.finished and result.evaluation]
    return sorted({str(evaluation.get("protocol")) for evaluation in finished})
