"""Sweeps whose runs depend on the ones before: what is tried next, what is stopped early, and what was learnt."""
