"""Gymnasium environments for spiking controllers, on PyBullet.

``gym.make("sim_worlds:PanTiltTracking-v0", frequency=0.8, background=0.05)``

Importing this package only registers the ids; PyBullet and the compiled code are loaded when a world
is made.
"""

from __future__ import annotations

import gymnasium

__all__ = ["WORLDS"]

#: ids of the worlds, in the order of registration
WORLDS = ("PanTiltTracking-v0",)

if "PanTiltTracking-v0" not in gymnasium.registry:
    gymnasium.register(
        "PanTiltTracking-v0",
        entry_point="sim_worlds.pan_tilt:PanTiltTrackingEnv",
        reward_threshold=-150.0,  # a mean error of 0.8 degrees over the 11000 steps of an episode
    )
