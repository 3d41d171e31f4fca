"""What was trained is saved whole, and other settings or damage are one sentence."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.speech.fitting import curves_of, fit, load, save
from jaxrl.speech.speech_error import SpeechError


def test_a_finished_training_is_read_and_not_trained_again(tmp_path):
    steps = []

    def update(state, key):
        steps.append(1)
        return {"x": state["x"] + 1}, {"loss": state["x"]}

    first = fit(tmp_path, {"x": jnp.zeros(())}, update, 5, 0, lambda *_: None, every=2)
    again = fit(tmp_path, {"x": jnp.zeros(())}, update, 5, 0, lambda *_: None, every=2)
    assert float(first["x"]) == float(again["x"]) == 5 and len(steps) == 5
    assert len((tmp_path / "curve.jsonl").read_text().splitlines()) == 3


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(SpeechError, match="train it again"):
        load(tmp_path / "state", {"x": np.zeros(2)})
    save(tmp_path / "state", 3, {"x": np.zeros(2)})
    assert load(tmp_path / "state", {"x": np.zeros(2)})[0] == 3
    with pytest.raises(SpeechError, match=r"x is float64 \[2\] in the checkpoint but float64 \[3\] here"):
        load(tmp_path / "state", {"x": np.zeros(3)})
    arrays = tmp_path / "state" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-3])
    with pytest.raises(SpeechError, match="damaged"):
        load(tmp_path / "state", {"x": np.zeros(2)})


def test_killed_in_the_midst_of_saving_it_goes_on_with_what_was_saved(tmp_path):
    done = []

    def update(state, key):
        done.append(1)
        return state, {}

    for steps in (3, 5):
        fit(tmp_path, {"x": jnp.zeros(())}, update, steps, 0, lambda *_: None)
        assert len(done) == steps
        (tmp_path / "state").rename(tmp_path / ".state.old")


def test_readers_find_what_was_saved_before_a_save_that_was_killed(tmp_path):
    save(tmp_path / "state", 3, {"x": np.zeros(2)})
    (tmp_path / "state").rename(tmp_path / ".state.old")
    assert load(tmp_path / "state", {"x": np.zeros(2)})[0] == 3
    save(tmp_path / "state", 4, {"x": np.zeros(2)})
    assert load(tmp_path / "state", {"x": np.zeros(2)})[0] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_curve_that_cannot_be_read_is_one_sentence(tmp_path):
    def train():
        fit(tmp_path, {"x": jnp.zeros(())}, lambda state, key: (state, {}), 3, 0, lambda *_: None)

    train()
    for damaged in (b"{", b"\xff\n"):
        (tmp_path / "curve.jsonl").write_bytes(damaged)
        with pytest.raises(SpeechError, match=r"curve\.jsonl cannot be used"):
            train()
    (tmp_path / "curve.jsonl").unlink()
    with pytest.raises(SpeechError, match=r"curve\.jsonl cannot be used"):
        train()


def test_curves_of_several_parts_lack_what_a_line_lacks(tmp_path):
    for part, lines in (("a", [{"step": 1, "x": 2.0}, {"step": 2}]), ("b", [{"step": 1, "x": 3.0, "y": 4.0}])):
        (tmp_path / part).mkdir()
        (tmp_path / part / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = curves_of(tmp_path, ("a", "b"), ("x", "y"))
    assert told == [{"step": 1, "a: x": 2.0}, {"step": 2}, {"step": 1, "b: x": 3.0, "b: y": 4.0}]
