"""What fits on a machine, and that no two runs get the same place where there is room."""

import pytest

from jaxrl.errors import ConfigError
from jaxrl.sweeps.slots import make_slots, visible_gpus


@pytest.mark.parametrize(("cores", "per_run", "expected"), [(8, 2, 4), (9, 2, 4), (2, 2, 1), (1, 4, 1)])
def test_cores_are_dealt_out_without_overlap(cores, per_run, expected):
    slots = make_slots(None, per_run, 1, range(10, 10 + cores), [])
    dealt = [core for slot in slots for core in slot.cores]
    assert len(slots) == expected and sorted(dealt) == list(range(10, 10 + cores))
    assert all(slot.environment == {} for slot in slots)


def test_more_jobs_than_cores_share_them():
    slots = make_slots(5, 2, 1, [0, 1], [])
    assert len(slots) == 5 and {core for slot in slots for core in slot.cores} == {0, 1}
    assert all(len(slot.cores) == 1 for slot in slots)


def test_runs_on_one_gpu_share_its_memory():
    slots = make_slots(None, 2, 2, range(8), ["3", "5"])
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["3", "5", "3", "5"]
    shares = [float(slot.environment["XLA_PYTHON_CLIENT_MEM_FRACTION"]) for slot in slots]
    assert sum(shares[::2]) <= 0.91 and len({core for slot in slots for core in slot.cores}) == 8
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in make_slots(None, 2, 1, range(8), ["0"])[0].environment


def test_gpus_are_those_that_the_user_shows():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1, 2"}) == ["1", "2"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert visible_gpus({"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "0"}) == []


def test_impossible_numbers_are_one_sentence():
    with pytest.raises(ConfigError, match="--jobs must be at least 1, not 0"):
        make_slots(0, 2, 1, [0], [])
