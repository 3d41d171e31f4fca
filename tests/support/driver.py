"""The command line with a fault in it: `python -m tests.support.driver FAULT train CONFIG ...`, for failure tests.

FAULT is `raise` or `hang`: what the environment of actor 0 does in its step 1000; or `hang-scoring`: the environments
of the evaluation hang in their step 5; or `hang-learning`: the device hangs in the 30th learner step, which is noticed
after 2 and not 10 times the limit; or `hang-saving`: as `hang`, and what would be saved then never comes.
"""

import sys
import time

import jax

import jaxrl.run.experiment
import jaxrl.run.hosts
import jaxrl.run.train
import jaxrl.runtime.sebulba
from jaxrl.cli.commands import main
from jaxrl.envs.build import make_env

STEP, SCORING_STEP, LEARNER_STEP = 1000, 5, 30


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


def is_over(saver):
    """Whether the run has failed: what is saved then is the last."""
    return saver._runtime.updates_done >= STEP // 8 - 1


def break_down(fault):
    """Where the traceback must point to."""
    if fault == "raise":
        raise ArithmeticError("the emulator crashed")
    time.sleep(3600)


def hang_on_the_device(make):
    """`make_learner_step` with a step that the device never ends."""

    def hang(updates):
        print(f"fault at {time.time()}", file=sys.stderr, flush=True)
        break_down("hang")
        return updates

    @jax.jit
    def never(state):
        late = jax.pure_callback(hang, jax.ShapeDtypeStruct((), "int32"), state.updates)
        return jax.tree.map(lambda x: x + 0 * late.astype(x.dtype), state.params)

    def make_step(agent, mesh):
        step = make(agent, mesh)
        made = iter(range(1, 10**9))

        def hanging_step(state, batch):
            state, metrics = step(state, batch)
            return (state.replace(params=never(state)) if next(made) == LEARNER_STEP else state), metrics

        return hanging_step

    return make_step


def run(fault, arguments):
    """`jaxrl.cli.commands.main` with the fault in the first pool of actor 0, in the evaluation, or in the learner."""
    if fault == "hang-saving":
        fault, save = "hang", jaxrl.run.train.Saver.save
        jaxrl.run.train.Saver.save = lambda self: break_down("hang") if is_over(self) else save(self)
    if fault == "hang-learning":
        jaxrl.run.hosts.PATIENCE = 2
        jaxrl.runtime.sebulba.make_learner_step = hang_on_the_device(jaxrl.runtime.sebulba.make_learner_step)
        return main(arguments)

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
