"""Settings as configs and run folders had them before environments and networks had names."""

from __future__ import annotations

from typing import Any

from jaxrl.errors import ConfigError

# What was written for every environment, and means something for those of EnvPool only.
OF_EMULATORS = ("protocol", "sticky_actions", "full_action_set", "noop_max", "frame_size")


def translate(settings: dict[str, Any]) -> None:
    """`env: {id: catch, backend: jax}` is `env: {name: catch}`, and `network: {torso: mlp}` is `network: {name: mlp}`.

    Args:
        settings: by dotted name, each with `value` and `where`; changed in place.
    """
    backend = settings.pop("env.backend", None)
    if backend is not None and backend.value not in ("envpool", "jax"):
        raise ConfigError(f"{backend.where}: env.backend has become env.name, which names the environment")
    if backend is not None and backend.value == "jax":
        _rename(settings, "env.id", "env.name")
        for name in OF_EMULATORS:
            value = getattr(settings.get(f"env.{name}"), "value", None)
            if value is None or name == "protocol":
                settings.pop(f"env.{name}", None)
    if getattr(settings.get("network.torso"), "value", None) == "mlp":
        torso = settings.pop("network.torso")
        settings.setdefault("network.name", torso)


def _rename(settings: dict[str, Any], old: str, new: str) -> None:
    """What the command line says goes before what a file says."""
    if old in settings:
        setting = settings.pop(old)
        if new not in settings or setting.where == "command line":
            settings[new] = setting
