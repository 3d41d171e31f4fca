"""TensorBoard is optional: without it one sentence, with it every metric in its own files."""

import dataclasses
import math

import pytest

from jaxrl.config.sections import RecordConfig
from jaxrl.errors import ConfigError
from jaxrl.record import tensorboard
from jaxrl.record.tensorboard import TensorBoardSink
from jaxrl.run.train import run_training
from tests.support.parts import small_config


def test_without_it_one_sentence_names_the_extra_and_no_folder_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    record = RecordConfig(str(tmp_path), tensorboard=True, wandb="off")
    with pytest.raises(ConfigError, match=r"needs TensorBoard: pip install 'jaxrl\[tensorboard\]'"):
        run_training(dataclasses.replace(small_config(), record=record))
    assert list(tmp_path.iterdir()) == []


def test_every_metric_over_env_steps_also_after_a_resumption(tmp_path):
    pytest.importorskip("tensorboard", reason="make test-extras installs it")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoardSink(tmp_path)
    for step in (100, 200, 300):
        first.write(step, {"episode/return": step / 100, "loss/total": math.nan if step == 200 else 1.0})
    first.close()
    again = TensorBoardSink(tmp_path, resume_at=200)
    again.write(250, {"episode/return": 7.0})
    again.close()
    seen = EventAccumulator(str(tmp_path / "tensorboard"))
    seen.Reload()
    assert [(point.step, point.value) for point in seen.Scalars("episode/return")] == [(100, 1), (200, 2), (250, 7)]
    assert [point.step for point in seen.Scalars("loss/total")] == [100]
