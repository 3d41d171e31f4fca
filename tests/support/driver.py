"""The command line with a fault in it: `python -m tests.support.driver FAULT train CONFIG ...`, for failure tests.

FAULT is `raise` or `hang`: what the environment of actor 0 does in its step 1000; or `hang-scoring`: the environments
of the evaluation hang in their step 5.
"""

import sys
import time

import jaxrl.run.experiment
from jaxrl.cli.commands import main
from jaxrl.envs.build import make_env

STEP, SCORING_STEP = 1000, 5


class FaultyEnv:
    """A real environment until the fault."""

    def __init__(self, env, fault, step):
        self._env = env
        self._fault, self._fault_step = fault, step
        self._steps = 0

    def send(self, action):
        self._steps += 1
        if self._steps == self._fault_step:
            print(f"fault at {time.time()}", file=sys.stderr, flush=True)
            break_down(self._fault)
        self._env.send(action)

    def step(self, action):
        self.send(action)
        return self._env.recv()

    def __getattr__(self, name):
        return getattr(self._env, name)


def break_down(fault):
    """Where the traceback must point to."""
    if fault == "raise":
        raise ArithmeticError("the emulator crashed")
    time.sleep(3600)


def run(fault, arguments):
    """`jaxrl.cli.commands.main` with the fault in the first pool of actor 0, or in the evaluation."""

    def make_faulty_env(config, num_envs, *, stream, **options):
        env = make_env(config, num_envs, stream=stream, **options)
        if fault == "hang-scoring":
            return FaultyEnv(env, fault, SCORING_STEP) if stream[0] == jaxrl.run.experiment.EVALUATION else env
        is_first = stream[:3] == (jaxrl.run.experiment.TRAINING, 0, 0)
        return FaultyEnv(env, fault, STEP) if is_first else env

    jaxrl.run.experiment.make_env = make_faulty_env
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
