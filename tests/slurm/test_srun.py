"""One training of several processes, started by `srun`: the same as one started by hand."""

import subprocess

import pytest

from tests.support.host_runs import ROOT, assert_same_end, command, environment, length, train_in_one_process

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]


@pytest.mark.parametrize("num_hosts", [2, 4])
def test_srun_trains_as_one_job(tmp_path, cluster, num_hosts):
    """Nothing but `auto` says how many processes there are, which is which, and where host 0 is."""
    words = [*command(tmp_path / "many", length(num_hosts), 1), "--hosts.coordinator", "auto"]
    done = subprocess.run(
        ["srun", "--overcommit", f"--ntasks={num_hosts}", *words],
        cwd=ROOT, env=environment(1), text=True, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("run folder:") == 1 and len(list((tmp_path / "many").iterdir())) == 1, done.stdout
    train_in_one_process(tmp_path / "one", num_hosts, 1)
    assert_same_end(tmp_path / "many", tmp_path / "one")
