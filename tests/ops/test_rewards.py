"""Reward transforms against NumPy."""

import numpy as np
import pytest

from jaxrl.ops import transform_reward

REWARD = np.array([-200.0, -1.5, -1.0, -0.3, 0.0, 0.2, 1.0, 7.0, 400.0])
EXPECTED = {
    "identity": REWARD,
    "clip": np.array([-1.0, -1.0, -1.0, -0.3, 0.0, 0.2, 1.0, 1.0, 1.0]),
    "log": np.log(np.abs(REWARD) + 1) * (2 * (REWARD >= 0) - 1 * (REWARD < 0)),
}


@pytest.mark.parametrize("transform", EXPECTED)
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_transforms(transform, scale, double):
    np.testing.assert_allclose(transform_reward(REWARD, transform, scale), scale * EXPECTED[transform], rtol=1e-12)


def test_scale_comes_after_the_transform():
    assert transform_reward(np.array([10.0]), "clip", 3.0)[0] == 3.0


def test_gains_weigh_twice_as_much_as_losses(double):
    gain, loss = transform_reward(np.array([5.0, -5.0]), "log")
    assert gain == -2 * loss > 0


def test_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="identity, clip or log, got 'sqrt'"):
        transform_reward(REWARD, "sqrt")  # type: ignore[arg-type]
