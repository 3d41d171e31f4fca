"""An environment of Gymnasium whose fifth step takes five minutes."""

import time

import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class Sleepy(CartPoleEnv):
    """A cart-pole that falls asleep."""

    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == 5:
            time.sleep(300)
        return super().step(action)


gymnasium.register("tests/Sleepy-v0", Sleepy)
