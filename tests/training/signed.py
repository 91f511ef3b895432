"""A cart and pole that reports its process, and one that ends its process."""

import os
import signal
from pathlib import Path

import gymnasium
from gymnasium.envs.classic_control.cartpole import CartPoleEnv


class Signed(CartPoleEnv):
    """``pids``: a folder, in which a file is named by the process."""

    def __init__(self, pids, **more):
        super().__init__(**more)
        (Path(pids) / str(os.getpid())).touch()


class Deadly(CartPoleEnv):
    """Ends its process when it is used."""

    def step(self, action):
        os.kill(os.getpid(), signal.SIGKILL)


gymnasium.register("Signed-v0", entry_point=Signed, max_episode_steps=500)
gymnasium.register("Deadly-v0", entry_point=Deadly, max_episode_steps=500)
