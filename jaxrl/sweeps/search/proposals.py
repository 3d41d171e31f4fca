"""`method: bayes`: what is tried next follows from what was reached so far, by Optuna's TPE (extra `search`).

Nothing of the search is kept but the runs themselves: their settings and values, from the sweep's folder, are told to a
new study whenever something is proposed, so that a sweep goes on where it stopped.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

from jaxrl.errors import ConfigError
from jaxrl.sweeps.distributions import Parameter
from jaxrl.sweeps.expand import Run, checked_run
from jaxrl.sweeps.progress import read_progress
from jaxrl.sweeps.sweep_file import SweepFile
from jaxrl.sweeps.sweep_folder import SweepError, SweepFolder

TRIES = 100  # proposals that were run already, before the search counts as exhausted


class Proposals:
    """Gives one run after another until the cap.

    Args:
        folder: its runs so far are what the next ones are proposed from.

    Raises:
        ConfigError: Optuna is not installed, or there is no cap.
    """

    def __init__(self, sweep: SweepFile, folder: SweepFolder, cap: int | None, seed: int) -> None:
        if find_spec("optuna") is None:
            raise ConfigError("method bayes needs Optuna: pip install 'jaxrl[search]', or write `method: random`")
        if cap is None:
            raise ConfigError(f"{sweep.path}: method bayes has no end; write run_cap, or give --count")
        if weighted := [name for name, entry in sweep.parameters.items() if entry.weights is not None]:
            raise ConfigError(f"{sweep.path}: {weighted[0]}: method bayes does not read probabilities; leave them out")
        self._sweep, self._folder, self._cap, self._seed = sweep, folder, cap, seed
        try:
            self.runs = folder.plan()  # grows; others may hold it
        except SweepError:
            self.runs = []

    def next(self) -> Run | None:
        """Another run, which is in the plan from now on; None when all were given."""
        if len(self.runs) >= self._cap:
            return None
        known = {run.id for run in self.runs}
        study = self._study()
        for _ in range(TRIES):
            trial = study.ask(self._spaces())
            run = checked_run(self._sweep, self._settings(trial.params))
            if run.id not in known:
                self.runs.append(run)
                self._folder.write_plan(self.runs)
                return run
        self._cap = len(self.runs)  # few values, and all of them tried
        return None

    def _study(self) -> Any:
        """What has been tried: finished runs with their values, failed ones as such, others as still running."""
        import optuna  # pyright: ignore[reportMissingImports]

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(
            seed=(self._seed + len(self.runs)) % 2**32, constant_liar=True, multivariate=True
        )
        study = optuna.create_study(direction=self._sweep.goal, sampler=sampler)
        for run in self.runs:
            study.add_trial(self._trial(run))
        return study

    def _trial(self, run: Run) -> Any:
        from optuna.trial import TrialState, create_trial  # pyright: ignore[reportMissingImports]

        status, value = self._folder.state(run.id).status, self._value(run)
        ended = TrialState.FAIL if status in ("failed", "finished") else TrialState.RUNNING
        known = {"state": ended} if status != "finished" or value is None else {"value": value}
        try:
            return create_trial(params=self._params(run), distributions=self._spaces(), **known)
        except (KeyError, ValueError):  # a setting, a value or a bound that the file no longer has
            raise ConfigError(
                f"{self._sweep.path} sweeps other settings than {self._folder.path} has; choose another --out"
            ) from None

    def _value(self, run: Run) -> float | None:
        value = read_progress(self._folder, run, self._sweep.metric).value
        return value if value is not None and math.isfinite(value) else None

    def _spaces(self) -> dict[str, Any]:
        return {name: space(entry) for name, entry in self._sweep.parameters.items()}

    def _settings(self, params: dict[str, Any]) -> dict[str, Any]:
        """A listed value goes by its index, since Optuna takes no lists."""
        entries = self._sweep.parameters
        return {name: entries[name].values[value] if entries[name].values else value for name, value in params.items()}

    def _params(self, run: Run) -> dict[str, Any]:
        entries: dict[str, Parameter] = dict(self._sweep.parameters)
        return {
            name: list(entry.values).index(run.settings[name]) if entry.values else run.settings[name]
            for name, entry in entries.items()
        }


def space(entry: Parameter) -> Any:
    """Optuna's distribution for one parameter."""
    from optuna.distributions import (  # pyright: ignore[reportMissingImports]
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if entry.values:
        return CategoricalDistribution(range(len(entry.values)))
    if entry.distribution == "int_uniform":
        return IntDistribution(int(entry.low), int(entry.high))
    return FloatDistribution(entry.low, entry.high, log=entry.distribution == "log_uniform_values")
