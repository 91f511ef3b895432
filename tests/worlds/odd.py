"""A world with given spaces, whose episodes end as a test requires."""

import ctypes
import multiprocessing
import os
import signal
import time
from typing import ClassVar

import gymnasium
import numpy as np


class Odd(gymnasium.Env):
    """Its observation is always the same, its reward the sum of the action.

    action, observation : spaces; the default is one number in [-1, 1] each
    steps : of an episode
    at : seed of the episode that does what ``what`` says: ``interrupt`` (as Ctrl-C does, the process that began it
        all), ``die``, ``refuse`` or ``print``
    """

    metadata: ClassVar[dict] = {"render_modes": [], "render_fps": 100}

    def __init__(self, action=None, observation=None, steps=20, at=None, what=None):
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,)) if action is None else action
        self.observation_space = gymnasium.spaces.Box(-1, 1, (1,)) if observation is None else observation
        self.steps, self.at, self.what = steps, at, what
        self.left = 0
        self.usual = observation is None

    def see(self):
        self.observation_space.seed(0)
        return np.full(1, 0.5, np.float32) if self.usual else self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None and seed == self.at:
            self.act()
        self.left = self.steps
        return self.see(), {}

    def act(self):
        if self.what == "die":
            os._exit(1)
        if self.what == "refuse":
            raise gymnasium.error.DependencyNotInstalled("a part is missing,\n  install it")
        if self.what == "print":
            print("a line of Python")
            ctypes.CDLL(None).puts(b"a line of C")
            return
        parent = multiprocessing.parent_process()
        os.kill(parent.pid if parent else os.getpid(), signal.SIGINT)
        time.sleep(100)  # it is not waited for

    def step(self, action):
        assert self.action_space.contains(action), action
        self.left -= 1
        return self.see(), float(np.sum(action)), self.left == 0, False, {}
