"""Reinforcement learning of the policy on the project's own records: a token is a step, answers are scored whole."""
