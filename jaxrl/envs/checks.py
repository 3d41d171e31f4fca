"""Refusals that all batched environments share: wrong actions, calls out of order, unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np

from jaxrl.envs.base import EnvError
from jaxrl.types import EnvSpec


def check_action(action: np.ndarray, num_envs: int, spec: EnvSpec) -> np.ndarray:
    """`action` as contiguous int32 [B], or where it is continuous float32 [B, D], not stretched to its bounds.

    EnvPool accepts an action out of range silently and aborts the process on a short array.

    Raises:
        EnvError: a wrong shape, dtype or range; of a continuous action what is not finite.
    """
    action, num_actions = np.asarray(action), spec.num_actions
    shape = (num_envs,) if spec.bounds is None else (num_envs, num_actions)
    if action.shape != shape:
        raise EnvError(f"The action must have the shape {shape}, one per environment, got {action.shape}.")
    if spec.bounds is not None:
        if action.dtype.kind != "f" or not np.isfinite(action).all():
            raise EnvError(f"The action must be an array of finite floats, got {action.dtype} {action.tolist()}.")
        return np.ascontiguousarray(action, np.float32)
    if action.dtype.kind not in "iu":
        raise EnvError(f"The action must be an array of integers, got {action.dtype}.")
    if action.min() < 0 or action.max() >= num_actions:
        raise EnvError(f"Actions must be 0 to {num_actions - 1}, got {action.min()} to {action.max()}.")
    return np.ascontiguousarray(action, np.int32)


def check_num_envs(num_envs: int) -> None:
    """Raises `EnvError` unless there is at least one environment."""
    if num_envs < 1:
        raise EnvError(f"A batch needs at least 1 environment, got {num_envs}.")


def unknown_id(env_id: str, known: Iterable[str], source: str) -> EnvError:
    """The error for an id that `source` lacks, with the nearest ones that it has."""
    nearest = difflib.get_close_matches(env_id, sorted(known), n=3, cutoff=0.0)
    return EnvError(f"{source} has no environment {env_id!r}; the nearest names are {', '.join(nearest)}.")


class Turn:
    """Holds callers to the order `reset, (send, recv)*, close`: EnvPool would block or crash instead of complaining."""

    def __init__(self) -> None:
        self.sent = False
        self._started = False
        self._closed = False

    def reset(self) -> None:
        """Every environment starts anew; a step under way must have been received."""
        self._check_open()
        self._started, self.sent = True, False

    def send(self) -> None:
        """A step begins."""
        self._check_open()
        if not self._started:
            raise EnvError("send was called before reset; call reset first.")
        if self.sent:
            raise EnvError("send was called twice; call recv between two sends.")
        self.sent = True

    def recv(self) -> None:
        """A step ends."""
        self._check_open()
        if not self.sent:
            raise EnvError("recv was called without send, so there is no step to wait for.")
        self.sent = False

    def rest(self) -> None:
        """Raises `EnvError` unless the environments stand still between two steps."""
        self._check_open()
        if not self._started or self.sent:
            raise EnvError("The state can be saved only after reset and between recv and send.")

    def close(self) -> None:
        """Nothing may follow but another `close`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise EnvError("The environment is closed.")
