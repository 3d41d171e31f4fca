"""A training that begins with the parameters of a trained agent: `init_from` in the config."""

from __future__ import annotations

import jax

from jaxrl.errors import ConfigError
from jaxrl.record import leaves
from jaxrl.run.experiment import INIT_KEY, Experiment, build
from jaxrl.run.trained import restore


def warm(experiment: Experiment) -> Experiment:
    """The experiment whose agent begins as `init_from` says; as it is where that is empty.

    Only parameters are taken: optimiser, moments of observations, exploration and counters begin anew.

    Raises:
        UserError: there is no such agent, or its parameters do not fit the network.
    """
    source = experiment.config.init_from
    if not source:
        return experiment
    trained = restore(source)
    if trained.experiment.config.population.size > 1:
        raise ConfigError(f"init_from {source} is a population; name a file that `jaxrl export --member I` wrote of it")
    if jax.tree.leaves(trained.state.moments):
        raise ConfigError(
            f"init_from {source} saw normalised observations or rewards, whose moments are not taken over"
        )
    wanted = jax.eval_shape(experiment.member.init, experiment.key(INIT_KEY)).params
    try:
        params = leaves.unflatten(wanted, leaves.flatten(trained.state.params))
    except leaves.MismatchError as error:
        raise ConfigError(
            f"init_from {source} is of another network: {error}; give network and env the settings it was trained with"
        ) from error
    print(
        f"beginning with the parameters of {trained.name}, {trained.counters['env_steps']:,.0f} env steps", flush=True
    )
    return build(experiment.config, params)
