"""Algorithms: one file each, behind the `Agent` record of `jaxrl.types`."""
