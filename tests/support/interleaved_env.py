"""One batch made of several, as a population's members own it: environment e is number e // P of batch e mod P."""

from __future__ import annotations

import jax
import numpy as np


class InterleavedEnv:
    """`BatchedEnv` of P equally large ones, so that a member can be given its environments alone."""

    def __init__(self, members):
        self._members = members
        self.spec = members[0].spec
        self.num_envs = sum(member.num_envs for member in members)

    def reset(self):
        return interleave([member.reset() for member in self._members])

    def send(self, action):
        for i, member in enumerate(self._members):
            member.send(action[i :: len(self._members)])

    def recv(self):
        return interleave([member.recv() for member in self._members])

    def step(self, action):
        self.send(action)
        return self.recv()

    def save_state(self):
        return [member.save_state() for member in self._members]

    def load_state(self, state):
        return interleave([member.load_state(s) for member, s in zip(self._members, state, strict=True)])

    def close(self):
        for member in self._members:
            member.close()


def interleave(timesteps):
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=1).reshape(-1, *leaves[0].shape[1:]), *timesteps)
