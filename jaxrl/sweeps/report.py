"""The report of a study, from whatever has finished so far: curves, aggregates, games, and how it all came about."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from jaxrl.analysis.comparison import (
    Comparison,
    RawScores,
    aggregates,
    compare_scores,
    finished_by_all,
    improvements,
    profiles,
    summaries,
)
from jaxrl.analysis.curves import RunDataError, read_episodes
from jaxrl.analysis.figures.groups import comparison_figure, metrics_figure
from jaxrl.analysis.figures.intervals import improvement_figure, interval_figure, profile_figure
from jaxrl.analysis.figures.wording import spaced
from jaxrl.analysis.page import Page
from jaxrl.analysis.runs import evaluation_return, read_evaluation, read_record
from jaxrl.analysis.scores import Baseline, is_atari
from jaxrl.analysis.tables import AGAINST, Table, games_table
from jaxrl.record.meters import format_duration
from jaxrl.record.rundir import RunDir
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.sweep_folder import State, SweepFolder

EXPLORATION = ("behaviour/entropy", "behaviour/inverse_temperature")
FEW = 10  # runs a game, below which percentile intervals are too narrow
BASELINES = (
    "Two sets of random and human scores are in use, the usual one and that of CASA's authors; they differ in eight of "
    "the 57 games. Compare rows within a table, never between the two."
)
Groups = dict[str, dict[str, list[RunDir]]]  # environment to agent, its sweep file's name, to folders of finished runs


class Result(NamedTuple):
    """What one run of a study came to."""

    run: Run
    state: State
    folder: RunDir | None
    evaluation: Mapping[str, Any]  # evaluation.json; empty where there is none

    @property
    def finished(self) -> bool:
        """Whether it has a score."""
        return bool(self.evaluation) and self.state.status == "finished"


def collect(folder: SweepFolder, runs: Iterable[Run]) -> list[Result]:
    """Every run of the plan, finished or not."""
    made = ((run, folder.made(run.id)) for run in runs)
    return [Result(run, folder.state(run.id), path, (path and read_evaluation(path)) or {}) for run, path in made]


def by_env_and_agent(results: Iterable[Result]) -> Groups:
    """Finished runs, in the order of the plan."""
    groups: Groups = {}
    for result in results:
        if result.finished and result.folder is not None:
            groups.setdefault(result.run.env, {}).setdefault(result.run.sweep, []).append(result.folder)
    return groups


def scores_of(groups: Groups) -> dict[str, dict[str, list[float]]]:
    """Mean returns of the evaluations: agent to environment to one a run."""
    scores: dict[str, dict[str, list[float]]] = {}
    for env, of_agents in groups.items():
        for agent, runs in of_agents.items():
            scores.setdefault(agent, {})[env] = list(map(evaluation_return, runs))
    return scores


def write_report(path: Path, scale: str, command: str, results: Sequence[Result]) -> Path:
    """Write the page, its figures and `tables.md` beside it; returns the page's path."""
    page = Page(f"Reproduction, scale {scale}")
    groups = by_env_and_agent(results)
    done = sum(result.finished for result in results)
    labels = sorted({str(result.evaluation.get("protocol")) for result in results if result.finished})
    label = ", ".join(labels) or "unknown"
    agents, envs = ({getattr(result.run, name) for result in results} for name in ("sweep", "env"))
    page.paragraph(
        f"{done} of {len(results)} runs are finished. Planned: {len(agents)} agents on {len(envs)} games. "
        f"Protocol: {label}."
    )
    if len(labels) > 1:
        page.paragraph("The runs have different protocols; their scores must not be compared with each other.")
    if done:
        _curves(page, groups)
        _exploration(page, groups)
        scores = scores_of(groups)
        atari = {agent: {env: of[env] for env in of if is_atari(env)} for agent, of in scores.items()}
        atari = {agent: of for agent, of in atari.items() if of}
        if atari:
            _aggregates(page, atari, label)
        _games(page, scores, atari, label)
    _runs(page, results)
    _circumstances(page, command, results)
    return page.write(path)


def _curves(page: Page, groups: Groups) -> None:
    page.heading("Learning curves")
    page.paragraph(
        "Mean raw return of the last 100 training episodes, acting policy: the line is the mean over seeds, the band "
        "reaches from the worst seed to the best.",
        note=True,
    )
    for env, of_agents in groups.items():
        drawn = {spaced(agent): _with_episodes(page, folders) for agent, folders in of_agents.items()}
        drawn = {agent: runs for agent, runs in drawn.items() if runs}
        if drawn:
            page.figure(comparison_figure(drawn, env), f"Learning curves on {env}")
        else:
            page.paragraph(f"{env}: no episode finished during training.")


def _exploration(page: Page, groups: Groups) -> None:
    page.heading("Exploration")
    page.paragraph(
        "Entropy of the policy that acted, and 1/temperature of its samples, means over the rows of a report.",
        note=True,
    )
    for env, of_agents in groups.items():
        try:
            page.figure(metrics_figure(of_agents, EXPLORATION, title=env), f"Exploration on {env}")
        except RunDataError as error:
            page.paragraph(f"{env}: {error}.")


def _with_episodes(page: Page, folders: Iterable[RunDir]) -> list[RunDir]:
    """Folders of runs with a curve; of one whose record is damaged the page says so, and the rest is drawn."""
    found = []
    for folder in folders:
        try:
            if read_episodes(folder)["episode_return"].size:
                found.append(folder)
        except RunDataError as error:
            page.paragraph(f"Left out: {error}.")
    return found


def _aggregates(page: Page, scores: RawScores, label: str) -> None:
    """Over the games that every agent has finished: tables with both baselines, intervals, profiles, improvements."""
    page.heading("Aggregate scores")
    shared = finished_by_all(scores)
    games = {env for by_env in scores.values() for env in by_env}
    common = len(next(iter(shared.values()), ()))
    if common < len(games):
        page.paragraph(f"The agents have finished different games; {common} of {len(games)} are common to all of them.")
    if not shared:
        return
    page.paragraph(BASELINES, note=True)
    compared = {baseline: compare_scores(shared, label, baseline) for baseline in get_args(Baseline)}
    for comparison in compared.values():
        page.table(aggregates(comparison, AGAINST))
    few = min(map(len, compared["usual"].scores.values()))
    if few < FEW:
        page.paragraph(
            f"With {few} run{'s' if few > 1 else ''} a game the intervals are too narrow, or missing: read them as an "
            "indication, not as evidence.",
            note=True,
        )
    _comparison_figures(page, compared["usual"])


def _comparison_figures(page: Page, usual: Comparison) -> None:
    label = usual.protocol
    title = "Aggregates with 95 % intervals, usual baselines"
    page.figure(interval_figure(summaries(usual), protocol=label, title=title), "Aggregates with intervals")
    title = "Performance profiles, usual baselines"
    page.figure(profile_figure(profiles(usual), protocol=label, title=title), "Performance profiles")
    try:
        page.figure(improvement_figure(improvements(usual), protocol=label), "Probability of improvement")
    except RunDataError as error:
        page.paragraph(f"Left out: {error}.")


def _games(page: Page, scores: RawScores, atari: RawScores, label: str) -> None:
    page.heading("Games")
    if atari:
        page.table(games_table(atari, protocol=label, against=AGAINST))
    rows = [
        {"environment": env, "agent": agent}
        | {"mean return": sum(runs) / len(runs), "lowest": min(runs), "highest": max(runs), "runs": len(runs)}
        for agent, of in scores.items()
        for env, runs in of.items()
        if not is_atari(env)
    ]
    if rows:
        decimals = dict.fromkeys(("mean return", "lowest", "highest"), 2) | {"runs": 0}
        page.table(Table("Mean return over evaluation episodes.", rows, decimals))


def _runs(page: Page, results: Sequence[Result]) -> None:
    page.heading("Runs")
    counts = Counter(result.state.status for result in results)
    page.paragraph(", ".join(f"{number} {status}" for status, number in counts.items()))
    rows = [
        {
            "agent": result.run.sweep,
            "settings": result.run.label,
            "state": result.state.status,
            "starts": result.state.attempts,
            "time": format_duration(result.state.seconds),
            "score": result.evaluation.get("mean_return"),
            "standard error": result.evaluation.get("standard_error"),
            "policy": result.evaluation.get("policy"),
        }
        for result in results
    ]
    decimals = {"starts": 0, "score": 2, "standard error": 2}
    page.table(Table("One row a run; the standard error is over its evaluation episodes.", rows, decimals))
    for result in results:
        if result.state.status == "failed":
            page.code("\n".join([f"{result.run.sweep} {result.run.label} failed:", *result.state.last_lines]))


def _circumstances(page: Page, command: str, results: Sequence[Result]) -> None:
    page.heading("How this came about")
    page.code(command)
    runs = [result.run for result in reversed(results)]
    examples = {(run.sweep, run.config, run.fixed): run for run in runs}  # the first run of every sweep file
    page.code("\n".join(shlex.join(["jaxrl", "train", run.config, *run.words]) for run in reversed(examples.values())))
    versions = [read_record(result.folder, "versions.json") or {} for result in results if result.folder is not None]
    told: dict[str, Any] = {
        name: _different([version.get(name) for version in versions])
        for name in ("processor", "cores", "devices", "platform", "python", "git", "packages")
    }
    page.code(json.dumps(told, indent=1))


def _different(values: Sequence[Any]) -> Any:
    """The one value, or all different ones."""
    found = [value for i, value in enumerate(values) if value not in values[:i]]
    return found[0] if len(found) == 1 else found
