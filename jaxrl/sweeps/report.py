"""The report of a study, from whatever has finished so far: curves, aggregates, games, and how it all came about."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrl.analysis.curves import RunDataError, read_episodes, read_versions
from jaxrl.analysis.figures.learning import metrics_figure, plot_comparison
from jaxrl.analysis.page import Page
from jaxrl.analysis.scores import is_atari
from jaxrl.analysis.study_aggregates import AGAINST, write_aggregates
from jaxrl.analysis.tables import Table, games_table
from jaxrl.record.meters import format_duration
from jaxrl.sweeps.study_results import Result, by_agent_and_env, protocols, raw_scores
from jaxrl.sweeps.sweep_folder import count

EXPLORATION = ("behaviour/entropy", "behaviour/inverse_temperature")


def write_report(path: Path, scale: str, command: str, results: Sequence[Result]) -> Path:
    """Write the page, its figures and `tables.md` beside it; returns the page's path."""
    page = Page(f"Reproduction, scale {scale}")
    groups = by_agent_and_env(results)
    done = sum(result.finished for result in results)
    labels = protocols(results)
    label = ", ".join(labels) or "unknown"
    page.paragraph(
        f"{done} of {len(results)} runs are finished. Planned: {len({result.agent for result in results})} agents on "
        f"{len({result.env for result in results})} games. Protocol: {label}."
    )
    if len(labels) > 1:
        page.paragraph("The runs have different protocols; their scores must not be compared with each other.")
    if done:
        _curves(page, groups)
        _exploration(page, groups)
        scores = {agent: raw_scores(by_env) for agent, by_env in groups.items()}
        write_aggregates(page, scores, label)
        _games(page, scores, label)
    _runs(page, results)
    _circumstances(page, command, results)
    return page.write(path)


def _curves(page: Page, groups: dict[str, dict[str, list[Result]]]) -> None:
    page.heading("Learning curves")
    page.paragraph(
        "Mean raw return of the last 100 training episodes, acting policy: the line is the mean over seeds, the band "
        "reaches from the worst seed to the best.",
        note=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        for env in _envs(groups):
            drawn = {agent: _with_episodes(page, by_env.get(env, [])) for agent, by_env in groups.items()}
            drawn = {agent: runs for agent, runs in drawn.items() if runs}
            if drawn:
                page.figure(plot_comparison(drawn, Path(scratch) / f"{env}.png", env), f"Learning curves on {env}")
            else:
                page.paragraph(f"{env}: no episode finished during training.")


def _exploration(page: Page, groups: dict[str, dict[str, list[Result]]]) -> None:
    page.heading("Exploration")
    page.paragraph(
        "Entropy of the policy that acted, and 1/temperature of its samples, means over the rows of a report.",
        note=True,
    )
    for env in _envs(groups):
        runs = {
            agent: [result.folder for result in by_env[env] if result.folder is not None]
            for agent, by_env in groups.items()
            if env in by_env
        }
        try:
            page.figure(metrics_figure(runs, EXPLORATION, title=env), f"Exploration on {env}")
        except RunDataError as error:
            page.paragraph(f"{env}: {error}.")


def _envs(groups: dict[str, dict[str, list[Result]]]) -> list[str]:
    return list(dict.fromkeys(env for by_env in groups.values() for env in by_env))


def _with_episodes(page: Page, results: Sequence[Result]) -> list[Path]:
    """Folders of runs with a curve; of one whose record is damaged the page says so, and the rest is drawn."""
    found = []
    for folder in (result.folder for result in results if result.folder is not None):
        try:
            if read_episodes(folder)["episode_return"].size:
                found.append(folder)
        except RunDataError as error:
            page.paragraph(f"Left out: {error}.")
    return found


def _games(page: Page, scores: dict[str, dict[str, list[float]]], label: str) -> None:
    page.heading("Games")
    atari = {agent: {env: runs for env, runs in of.items() if is_atari(env)} for agent, of in scores.items()}
    atari = {agent: of for agent, of in atari.items() if of}
    if atari:
        page.table(games_table(atari, protocol=label, against=AGAINST))
    rows = tuple(
        {"environment": env, "agent": agent}
        | {"mean return": sum(runs) / len(runs), "lowest": min(runs), "highest": max(runs), "runs": len(runs)}
        for agent, of in scores.items()
        for env, runs in of.items()
        if not is_atari(env)
    )
    if rows:
        decimals = dict.fromkeys(("mean return", "lowest", "highest"), 2) | {"runs": 0}
        page.table(Table("Mean return over evaluation episodes.", tuple(rows[0]), rows, decimals))


def _runs(page: Page, results: Sequence[Result]) -> None:
    page.heading("Runs")
    counts = count(result.state for result in results)
    page.paragraph(", ".join(f"{number} {status}" for status, number in counts.items()))
    rows = tuple(
        {
            "agent": result.agent,
            "settings": result.run.label,
            "state": result.state.status,
            "starts": result.state.attempts,
            "time": format_duration(result.state.seconds),
            "score": (result.evaluation or {}).get("mean_return"),
            "standard error": (result.evaluation or {}).get("standard_error"),
            "policy": (result.evaluation or {}).get("policy"),
        }
        for result in results
    )
    decimals = {"starts": 0, "score": 2, "standard error": 2}
    page.table(
        Table("One row a run; the standard error is over its evaluation episodes.", tuple(rows[0]), rows, decimals)
    )
    for result in results:
        if result.state.status == "failed":
            page.code("\n".join([f"{result.agent} {result.run.label} failed:", *result.state.last_lines]))


def _circumstances(page: Page, command: str, results: Sequence[Result]) -> None:
    page.heading("How this came about")
    page.code(command)
    runs = [result.run for result in reversed(results)]
    examples = {(run.sweep, run.config, run.fixed): run for run in runs}  # the first run of every sweep file
    page.code("\n".join(f"jaxrl train {run.config} {' '.join(run.words)}" for run in reversed(examples.values())))
    versions = [read_versions(result.folder) for result in results if result.folder is not None]
    told: dict[str, Any] = {
        name: _different([version.get(name) for version in versions])
        for name in ("processor", "cores", "devices", "platform", "python", "git", "packages")
    }
    page.code(json.dumps(told, indent=1))


def _different(values: Sequence[Any]) -> Any:
    """The one value, or all different ones."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found[0] if len(found) == 1 else found
