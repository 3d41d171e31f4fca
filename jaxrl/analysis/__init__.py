"""After the run: NumPy and files, never JAX. What a notebook needs is here: `from jaxrl.analysis import find_runs`.

A name loads its file when it is asked for, so that nobody waits for matplotlib who draws nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "archives": "opened",
    "runs": "find_runs chosen_agent chosen_runs run_table group_by_setting final_return evaluation_return "
    "read_settings",
    "curves": "RunDataError read_metrics read_episodes learning_curve metric_curve aggregate",
    "scores": "human_normalised score_matrix reference published games agents",
    "statistics": "bootstrap iqm summarise performance_profile probability_of_improvement",
    "comparison": "compare compare_published compare_scores summaries improvements profiles aggregates score_table",
    "tables": "AGAINST Table games_table published_table",
    "inspection": "Inspection entropy_at moments",
    "figures.groups": "plot_comparison metrics_figure",
    "figures.learning": "plot_run",
    "figures.intervals": "interval_figure profile_figure improvement_figure",
    "figures.members": "read_members members_figure final_figure",
    "figures.champion": "learning_figure decks_figure value_figure crossplay_figure exploit_figure",
    "figures.policy": "course_figure moments_figure entropy_figure",
}
_FILES = {name: file for file, names in _NAMES.items() for name in names.split()}
__all__ = [*_FILES]  # pyright: ignore[reportUnsupportedDunderAll]: for a notebook's `import *`


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FILES})
