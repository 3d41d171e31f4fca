"""A sweep as SLURM job arrays, by submitit: a job a run, requeued until it has finished.

What ends a job early, and what follows:

- The time limit is near: SLURM sends SIGUSR2 (submitit's choice; `signal_delay_s` before) or the SIGUSR1 of a job
  script of your own. The training saves, and the job puts itself back into the queue.
- Preemption, `scontrol requeue`, a drained node: SLURM sends SIGTERM, the training saves, SLURM puts the job back.
- A host that dies: SLURM puts the job back; what came after the last checkpoint is lost.

Whenever the job starts again, it goes on from the newest checkpoint. Only the job writes its run's state while SLURM
has it, and only the launcher writes which job that is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxrl.analysis.runs import read_record
from jaxrl.record.files import replace_json
from jaxrl.run.signals import StopRequests, stop_requests
from jaxrl.sweeps.attempt import Attempt
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.sweep_folder import SweepError, SweepFolder

MAX_ARRAY = 1000  # SLURM's MaxArraySize is 1001 unless the cluster says otherwise
LOCKED_S = 1.0  # between two looks whether the run folder is free
LOOK_S = 5.0  # between two questions to the scheduler
TAKEN_AWAY = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}  # SLURM puts the job back, or somebody wants its end
MAX_ATTEMPTS = 1000  # a job whose time limit is shorter than its start-up must not come back for ever


class Job(NamedTuple):
    """What submitit runs on the node; unpickled, as it was submitted, after every requeue."""

    folder: SweepFolder
    run: Run

    def __call__(self) -> str:
        """Train to the end, or until preempted; the exit status is the training's, so that SLURM shows it too."""
        folder, run = self
        with stop_requests() as stop:
            told = False
            while not stop.number and (who := folder.writer(run.id)):  # it saves, after a lost job, and ends
                if not told:
                    print(f"waiting for {who}, which still writes in {folder.of(run.id)}", flush=True)
                told = True
                time.sleep(LOCKED_S)
            if stop.number:  # nothing was begun, and what the other writes is its own
                attempts = folder.state(run.id).attempts + 1
                folder.change(run.id, attempts=attempts)
                self._come_back(stop, attempts)
                raise SystemExit(128 + stop.number)
            attempt = Attempt(folder, run, job=job_id())
            while (state := attempt.poll()) is None:
                if stop.number:
                    attempt.stop()
                time.sleep(0.1)
            if state.status == "finished":
                return state.status
            if state.status == "interrupted":
                self._come_back(stop, state.attempts)
            raise SystemExit(abs(state.exit_status or 1) % 256)

    def _come_back(self, stop: StopRequests, attempts: int) -> None:
        """Have SLURM start the job again, unless it does so itself or somebody wanted its end."""
        if not stop.received & TAKEN_AWAY and attempts < MAX_ATTEMPTS:
            self.folder.change(self.run.id, status="queued")
            subprocess.run(["scontrol", "requeue", str(job_id())], check=True, timeout=60)


def job_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """The job that this process belongs to, as `squeue` and `scontrol` write it."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID")


def jobs_alive() -> set[str] | None:
    """Ids of the user's jobs that are queued or running; None where the scheduler does not answer just now."""
    command = ["squeue", "--noheader", "--array", "--me", "--format=%i"]
    try:
        return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())
    except (OSError, subprocess.SubprocessError):
        return None


def run_slurm(
    folder: SweepFolder,
    runs: Sequence[Run],
    parameters: Mapping[str, Any],
    tick: Callable[[], None] = lambda: None,
    wait: bool = True,
) -> int:
    """Submit every run that has no job yet, and wait for all of them.

    The launcher may be killed and started again: jobs that still exist are waited for, not submitted twice.

    Args:
        parameters: of submitit's executor, such as `timeout_min`, `cpus_per_task`, `slurm_partition`.
        wait: for the end; False returns 0 once all are submitted.

    Returns:
        0 if all finished, else 1.

    Raises:
        SweepError: submitit or SLURM is missing, or refuses the parameters.
    """
    jobs: dict[str, str] = read_record(folder.path / "slurm", "jobs.json") or {}
    alive = jobs_alive()
    if alive is None:
        raise SweepError("squeue does not answer; start this on a SLURM login node, or use --on local")
    missing = [run for run in runs if jobs.get(run.id) not in alive]
    if missing:
        for run in missing:
            folder.change(run.id, status="queued")
        for submitted in submit(folder, missing, parameters):
            jobs |= submitted
            replace_json(folder.path / "slurm" / "jobs.json", jobs, indent=1)  # at once: SLURM has them
            alive |= set(submitted.values())
    looked = time.monotonic()
    while wait and any(jobs[run.id] in alive for run in runs):
        tick()
        time.sleep(0.2)
        if time.monotonic() > looked + LOOK_S:
            now = jobs_alive()
            alive, looked = alive if now is None else now, time.monotonic()
    if not wait:
        return 0
    for run in runs:
        if folder.state(run.id).status in ("queued", "running"):  # cancelled, or killed with the job
            folder.change(run.id, status="interrupted")
    return 0 if all(folder.state(run.id).status == "finished" for run in runs) else 1


def submit(folder: SweepFolder, runs: Sequence[Run], parameters: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One job array, or several where there are more runs than one may have: of each its runs' ids, and their jobs'."""
    try:
        import submitit  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        raise SweepError(
            "submitit is not installed: pip install 'jaxrl[slurm]', or in a clone pip install -e '.[slurm]'"
        ) from None
    if shutil.which("sbatch") is None:
        raise SweepError("there is no sbatch here; start this on a SLURM login node, or use --on local")
    try:
        executor = submitit.AutoExecutor(folder.path.resolve() / "slurm", cluster="slurm")
        executor.update_parameters(slurm_additional_parameters={"requeue": True}, **parameters)
        for start in range(0, len(runs), MAX_ARRAY):
            part = runs[start : start + MAX_ARRAY]
            with executor.batch():
                jobs = [executor.submit(Job(folder, run)) for run in part]
            yield {run.id: job.job_id for run, job in zip(part, jobs, strict=True)}
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        raise SweepError(f"SLURM did not take the jobs: {' '.join(str(error).split())}") from None
