"""Checkpoints: bit for bit, atomic, and proof against every kind of damage."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import threading
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from jaxrl.record import store
from jaxrl.record.checkpoints import Checkpoint, CheckpointError, Checkpoints
from jaxrl.record.rundir import RunDir
from jaxrl.types import Snapshot, TrainState
from tests.support.full_disk import files_of_at_most


class Hypers(NamedTuple):
    learning_rate: Any
    temperature: float


def make_state(seed: int = 0, width: int = 3) -> TrainState:
    rng = np.random.default_rng(seed)
    kernel = jnp.asarray(rng.normal(size=(width, 4)), jnp.float32)
    return TrainState(
        params={"torso": {"kernel": kernel, "a/b.c d": kernel.astype(jnp.bfloat16)}, "head": [kernel, None]},
        opt_state=(Hypers(kernel * 2, 0.1), (), jnp.asarray(7, jnp.int32)),
        hypers=Hypers(jnp.asarray(rng.normal(), jnp.float32), float(rng.normal())),
        agent_state={
            "count": 3 + seed,
            "flag": True,
            "frames": np.asarray(rng.integers(0, 255, (2, 5)), np.uint8),
            "mask": jnp.asarray([True, False]),
            "wide": rng.normal(size=3),
            "nan": np.array([np.nan, -0.0, np.inf], np.float32),
            "none": np.zeros((0, 4), np.int8),
            "scalar": np.float64(rng.normal()),
        },
        key=jax.random.key(seed),
        updates=jnp.asarray(seed, jnp.int32),
    )


def make_standing(seed: int = 0) -> list[Snapshot]:
    keys = jax.random.split(jax.random.key(seed, impl="rbg"), 2)
    return [Snapshot({"board": np.full((2, 2), seed, np.int8), "key": keys}, ()), Snapshot(None, jnp.ones(2) * seed)]


def assert_identical(left: Any, right: Any) -> None:
    leaves, treedef = jax.tree_util.tree_flatten(left, is_leaf=lambda leaf: leaf is None)
    others, other_treedef = jax.tree_util.tree_flatten(right, is_leaf=lambda leaf: leaf is None)
    assert treedef == other_treedef
    for leaf, other in zip(leaves, others, strict=True):
        assert type(leaf) is type(other)
        if leaf is None:
            continue
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            assert leaf.dtype == other.dtype
            leaf, other = jax.random.key_data(leaf), jax.random.key_data(other)
        leaf, other = np.asarray(leaf), np.asarray(other)
        assert (leaf.dtype, leaf.shape, leaf.tobytes()) == (other.dtype, other.shape, other.tobytes())


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path, "test", 0, "seed: 0\n", {})


def opened(run: RunDir) -> Checkpoint:
    """The newest intact checkpoint."""
    found = Checkpoints(run).open()
    assert found is not None
    return found


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 0)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_everything_comes_back_bit_for_bit(run: RunDir) -> None:
    counters = {"env_steps": 10**12, "wall": 0.1 + 0.2, "game": "Pong-v5", "numpy": np.int64(3)}
    Checkpoints(run).save(5, make_state(1), make_standing(1), counters)
    found = opened(run)
    assert_identical(found.state(make_state()), make_state(1))
    assert_identical(found.standing(make_standing()), make_standing(1))
    assert found.counters == counters
    assert found.step == 5


def test_numpy_reads_the_arrays_by_their_paths(run: RunDir) -> None:
    """Whoever wants the parameters needs nothing of this package."""
    with np.load(Checkpoints(run).save(5, make_state(1)) / "arrays.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["state/params/head/0"], make_state(1).params["head"][0])


INTEGERS = ("int8", "int16", "int64", "uint16", "uint32", "uint64", "bool", ml_dtypes.int4)
FLOATS = ("float16", "float32", "float64", "complex64", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_every_dtype(run: RunDir, dtype: Any) -> None:
    random = np.random.default_rng(0).normal(size=(5, 3)) * 4
    state = make_state().replace(agent_state=[random.astype(dtype), random[0, 0].astype(dtype), np.zeros((0,), dtype)])
    Checkpoints(run).save(0, state)
    assert_identical(opened(run).state(state), state)


def test_an_abstract_template_is_enough(run: RunDir) -> None:
    state = TrainState(
        params=jnp.ones(3), opt_state=(), hypers=(), agent_state=None, key=jax.random.key(1), updates=jnp.int32(2)
    )
    Checkpoints(run).save(0, state)
    assert_identical(opened(run).state(jax.eval_shape(lambda: state)), state)


def test_a_schedule_of_an_older_version_goes_on_by_updates(run: RunDir) -> None:
    """It was saved without `progress`, and counted updates; a population has one for each member."""
    state = make_state(6)
    Checkpoints(run).save(6, state)
    for shape in ((), (2,)):
        found = opened(run).state(state.replace(progress=jnp.zeros(shape, jnp.float32)))
        assert_identical(found, state.replace(progress=jnp.full(shape, 6, jnp.float32)))


def test_a_run_without_checkpoints(run: RunDir) -> None:
    assert Checkpoints(run).open() is None
    run.checkpoints.rmdir()
    assert Checkpoints(run).open() is None


def test_the_newest_are_kept(run: RunDir) -> None:
    checkpoints = Checkpoints(run, keep=2)
    for step in (1, 2, 3, 3):
        checkpoints.save(step, make_state(step))
    assert checkpoints.steps() == [3, 3]
    assert len(list(run.checkpoints.iterdir())) == 2
    with pytest.raises(CheckpointError, match="at least one"):
        Checkpoints(run, keep=0)


def test_a_run_that_went_back_goes_on_from_there(run: RunDir) -> None:
    checkpoints = Checkpoints(run, keep=1)
    checkpoints.save(2000, make_state(1))
    checkpoints.save(1500, make_state(2))
    assert opened(run).step == 1500
    assert checkpoints.steps() == [1500]


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir.create(tmp_path_factory.mktemp("runs"), "test", 0, "", {})
    for step in (1, 2):
        Checkpoints(run).save(step, make_state(step), make_standing(step), {"env_steps": step})
    return run


@pytest.mark.parametrize("damage", [truncate, Path.unlink, lambda path: path.write_bytes(bytes(path.stat().st_size))])
def test_any_damaged_file_falls_back(
    two_checkpoints: RunDir, damage: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    count = len(files_of(max(two_checkpoints.checkpoints.iterdir())))
    assert count == 2
    for index in range(count):
        run = RunDir(shutil.copytree(two_checkpoints.path, tmp_path / str(index)))
        newest = max(run.checkpoints.iterdir())
        damage(files_of(newest)[index])
        before = files_of(run.path)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = opened(run)
        assert found.step == 1 and found.counters == {"env_steps": 1}
        assert_identical(found.state(make_state()), make_state(1))
        assert len(caplog.records) == 1 and str(newest) in caplog.text
        assert files_of(run.path) == before


def test_all_files_damaged_at_once_fall_back(two_checkpoints: RunDir, tmp_path: Path) -> None:
    run = RunDir(shutil.copytree(two_checkpoints.path, tmp_path / "run"))
    for path in files_of(max(run.checkpoints.iterdir())):
        truncate(path)
    assert opened(run).step == 1


def test_what_a_run_removes_while_it_is_read_is_not_damaged(
    two_checkpoints: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunDir(shutil.copytree(two_checkpoints.path, tmp_path / "run"))
    read, saved = store.read, []

    def late(path: Path) -> Any:
        """By the time the newest one is read it is gone, and the one before it as well."""
        for step in range(3, 5 if not saved else 3):
            saved.append(Checkpoints(run, keep=1).save(step, make_state(step), make_standing(step)))
        return read(path)

    monkeypatch.setattr(store, "read", late)
    assert opened(run).step == 4 and not caplog.records


def test_a_damaged_one_set_aside_does_not_count_towards_keep(two_checkpoints: RunDir, tmp_path: Path) -> None:
    run = RunDir(shutil.copytree(two_checkpoints.path, tmp_path / "run"))
    for path in files_of(max(run.checkpoints.iterdir())):
        truncate(path)
    checkpoints = Checkpoints(run, keep=2)
    checkpoints.set_aside_newer(1)
    assert checkpoints.steps() == [1] and len(list(run.checkpoints.glob(".damaged*"))) == 1
    path = checkpoints.save(2, make_state(2), make_standing(2))
    assert checkpoints.steps() == [1, 2], "the last intact one before stays"
    truncate(files_of(path)[0])  # again one of that name
    checkpoints.set_aside_newer(1)
    assert checkpoints.steps() == [1] and len(list(run.checkpoints.glob(".damaged*"))) == 2


def test_all_checkpoints_damaged_is_one_sentence(two_checkpoints: RunDir, tmp_path: Path) -> None:
    run = RunDir(shutil.copytree(two_checkpoints.path, tmp_path / "run"))
    for path in files_of(run.checkpoints):
        truncate(path)
    before = {path: path.read_bytes() for path in files_of(run.path)}
    with pytest.raises(CheckpointError, match="damaged") as caught:
        Checkpoints(run).open()
    assert str(run.checkpoints) in str(caught.value) and "--resume" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in files_of(run.path)} == before


def test_another_network_is_one_sentence(run: RunDir) -> None:
    Checkpoints(run).save(1, make_state(width=3), make_standing())
    with pytest.raises(
        CheckpointError, match=r"state/params/head/0 is float32 \[3, 4\] in the checkpoint but float32 \[5, 4\] here"
    ):
        opened(run).state(make_state(width=5))
    with pytest.raises(CheckpointError, match="is missing in the checkpoint"):
        opened(run).state(make_state().replace(agent_state=make_state().agent_state | {"new": 1}))
    with pytest.raises(CheckpointError, match="state/hypers/learning_rate is in the checkpoint but not wanted"):
        opened(run).state(make_state().replace(hypers=()))
    with pytest.raises(CheckpointError, match="is None in the checkpoint but int8"):
        opened(run).standing([make_standing()[0], Snapshot(np.ones(1, np.int8), jnp.ones(2))])
    with pytest.raises(CheckpointError, match="state/key is uint32"):
        Checkpoints(run).save(2, make_state().replace(key=jax.random.PRNGKey(0)))
        opened(run).state(make_state())


def fail_in_the_arrays(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def write(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(np, "savez", write)


def fail_in_manifest(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def write(*args: Any) -> None:
        raise error

    monkeypatch.setattr(store, "write_manifest", write)


def fail_in_rename(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    rename = Path.rename

    def maybe(self: Path, target: Any) -> Path:
        if self.name.startswith(".unfinished"):
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", maybe)


@pytest.mark.parametrize("fail", [fail_in_the_arrays, fail_in_manifest, fail_in_rename])
def test_a_full_disk_keeps_the_previous(run: RunDir, monkeypatch: pytest.MonkeyPatch, fail: Any) -> None:
    checkpoints = Checkpoints(run, keep=1)
    checkpoints.save(1, make_state(1))
    with monkeypatch.context() as patch:
        fail(patch, OSError(28, "No space left on device"))
        with pytest.raises(CheckpointError, match=r"No space left on device.*; .* intact") as caught:
            checkpoints.save(2, make_state(2))
        assert "\n" not in str(caught.value)
    with monkeypatch.context() as patch:
        fail(patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(2, make_state(2))
    assert len(list(run.checkpoints.iterdir())) == 1
    assert opened(run).step == 1
    checkpoints.save(2, make_state(2))
    assert checkpoints.steps() == [2]


def test_a_disk_that_is_really_full_is_one_sentence(run: RunDir) -> None:
    """By the kernel's word, in the middle of the arrays; and nothing is left open that complains later."""
    checkpoints, state = Checkpoints(run), make_state().replace(params=[jnp.ones((128, 128))] * 8)
    checkpoints.save(1, make_state(1))
    with (
        warnings.catch_warnings(),
        files_of_at_most(100_000),
        pytest.raises(CheckpointError, match=r"^cannot save a checkpoint in [^\n]+: File too large; .* intact"),
    ):
        warnings.simplefilter("error")
        checkpoints.save(2, state)
        gc.collect()
    assert opened(run).step == 1 and len(list(run.checkpoints.iterdir())) == 1


@pytest.mark.parametrize("fail", [fail_in_the_arrays, fail_in_manifest, fail_in_rename])
def test_a_crash_leaves_nothing_that_looks_like_a_checkpoint(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, fail: Any
) -> None:
    checkpoints = Checkpoints(run)
    checkpoints.save(1, make_state(1))
    with monkeypatch.context() as patch:
        fail(patch, KeyboardInterrupt())
        patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)  # a killed process cannot tidy up
        with pytest.raises(KeyboardInterrupt):
            checkpoints.save(2, make_state(2))
    assert len(list(run.checkpoints.iterdir())) == 2
    assert opened(run).step == 1
    checkpoints.save(2, make_state(2))
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["000000-1", "000001-2"]


def test_a_leaf_that_cannot_be_saved(run: RunDir) -> None:
    with pytest.raises(CheckpointError, match="state/agent_state holds str"):
        Checkpoints(run).save(1, make_state().replace(agent_state="text"))


def test_saving_leaves_no_thread(run: RunDir) -> None:
    state = make_state()
    checkpoints = Checkpoints(run)
    checkpoints.save(0, state)
    before = {thread.name for thread in threading.enumerate()}
    checkpoints.save(1, state)
    opened(run).state(state)
    assert {thread.name for thread in threading.enumerate()} <= before


def test_restored_arrays_may_be_donated(run: RunDir) -> None:
    Checkpoints(run).save(1, make_state(1))
    kernel = opened(run).state(make_state()).params["torso"]["kernel"]
    assert not kernel.committed
    doubled = jax.jit(lambda x: x * 2, donate_argnums=0)(kernel)
    np.testing.assert_array_equal(doubled, 2 * make_state(1).params["torso"]["kernel"])


def test_a_committed_template_keeps_its_device(run: RunDir) -> None:
    Checkpoints(run).save(1, make_state(1))
    device = jax.devices()[-1]
    template = make_state()
    updates = opened(run).state(template.replace(updates=jax.device_put(template.updates, device))).updates
    assert updates.committed and updates.devices() == {device}
