"""Double precision for one test: the project computes in float32, its mathematics is checked in float64."""

from __future__ import annotations

from contextlib import AbstractContextManager

import jax


def float64() -> AbstractContextManager[None]:
    """A context in which JAX keeps float64; its name moved between JAX versions."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64(True)
