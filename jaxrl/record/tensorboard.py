"""Reports to TensorBoard, by its own writer (extra `tensorboard`): event files in the run folder's `tensorboard`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from jaxrl.errors import ConfigError
from jaxrl.record.rundir import write_error


def check_installed() -> None:
    """Raises `ConfigError` where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise ConfigError("record.tensorboard needs TensorBoard: pip install 'jaxrl[tensorboard]', or set it to false")


class TensorBoardSink:
    """A scalar a metric, over env steps.

    Args:
        run_dir: `tensorboard --logdir RUN` shows it, and that of its parent several.
        resume_at: env step of the checkpoint from which the run goes on; TensorBoard hides what it has of later ones.

    Raises:
        ConfigError: TensorBoard is not installed.
        RunDirError: the disk is full or not writable; from `write` and `close` too.
    """

    def __init__(self, run_dir: Path, resume_at: int | None = None):
        check_installed()
        from tensorboard.compat.proto import event_pb2, summary_pb2  # pyright: ignore[reportMissingImports]
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore[reportMissingImports]

        self._event, self._summary, self._folder = event_pb2, summary_pb2, run_dir / "tensorboard"
        try:
            self._writer = EventFileWriter(str(self._folder))
            if resume_at is not None:
                start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
                self._add(resume_at + 1, session_log=start)
        except OSError as error:
            raise write_error(self._folder, error) from error

    def write(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Add one point a metric, and flush; NaN and infinity are left out."""
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        points = [self._summary.Summary.Value(tag=name, simple_value=value) for name, value in finite.items()]
        try:
            self._add(env_steps, summary=self._summary.Summary(value=points))
            self._writer.flush()
        except OSError as error:
            raise write_error(self._folder, error) from error

    def close(self) -> None:
        self._writer.close()

    def _add(self, step: int, **content: object) -> None:
        self._writer.add_event(self._event.Event(wall_time=time.time(), step=step, **content))
