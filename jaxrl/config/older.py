"""Settings as configs and run folders had them before environments and networks had names, and other settings came."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxrl.errors import ConfigError

# What was written for every environment, and means something for those of EnvPool only.
OF_EMULATORS = ("protocol", "sticky_actions", "full_action_set", "noop_max", "frame_size")

WHOLE = ("agent.temperature_factor", "hosts.process_id")  # of the config that a run folder has, and nobody types
# Where a setting has a value, another meant something before there was such a one, which is not its default.
MEANT = (
    ("agent.name", "casa", "agent.trace_q", "head"),
    ("agent.exploration.family", "mixture", "agent.exploration.mixture_learnt_at", "temperature"),
)


def translate(settings: dict[str, Any]) -> None:
    """`env: {id: catch, backend: jax}` is `env: {name: catch}`, and `network: {torso: mlp}` is `network: {name: mlp}`.

    A run folder's config that lacks a setting was written before there was one, and goes on without it.

    Args:
        settings: by dotted name, each with `value` and `where`; changed in place.
    """
    backend = settings.pop("env.backend", None)
    if backend is not None and backend.value not in ("envpool", "jax"):
        raise ConfigError(f"{backend.where}: env.backend has become env.name, which names the environment")
    if backend is not None and backend.value == "jax":
        name = settings.pop("env.id", None)  # what the command line says goes before what a file says
        if name is not None and ("env.name" not in settings or name.where == "command line"):
            settings["env.name"] = name
        for setting in OF_EMULATORS:
            value = getattr(settings.get(f"env.{setting}"), "value", None)
            if value is None or setting == "protocol":
                settings.pop(f"env.{setting}", None)
    if getattr(settings.get("network.torso"), "value", None) == "mlp":
        torso = settings.pop("network.torso")
        settings.setdefault("network.name", torso)
    if all(name in settings for name in WHOLE):
        for setting, chosen, name, meant in MEANT:
            if (there := settings.get(setting)) is not None and there.value == chosen:
                settings.setdefault(name, replace(there, name=name, value=meant))
