"""Gymnasium environments for spiking controllers: simulated robots, and recordings of event cameras.

``gym.make("sim_worlds:PanTiltTracking-v0", frequency=0.8, background=0.05)``
``gym.make("sim_worlds:QuadrotorAttitude-v0", randomize=1.0)``
``gym.make("sim_worlds:EventReplay-v0", path="recording.raw", actions=2)``

Importing this package only registers the environments' ids with Gymnasium. PyBullet and the code that numba compiles
are loaded when an environment is made. The sensors without physics (``sim_worlds.sensors.event_camera``) need neither
PyBullet nor Gymnasium.
"""

from __future__ import annotations

from typing import Any

try:
    import gymnasium
except ModuleNotFoundError:  # the sensors work without it
    gymnasium = None  # type: ignore[assignment]

__all__ = ["WORLDS"]

#: id of a world -> arguments of its registration
WORLDS: dict[str, dict[str, Any]] = {
    "PanTiltTracking-v0": {
        "entry_point": "sim_worlds.pan_tilt.world:PanTiltTrackingEnv",
        "reward_threshold": -150.0,  # a mean error of 0.8 degrees over the 11000 steps of an episode
    },
    "ArmUnknownLoad-v0": {"entry_point": "sim_worlds.arm.world:ArmUnknownLoadEnv"},
    "CartPoleSwingUp-v0": {"entry_point": "sim_worlds.swing_up.world:CartPoleSwingUpEnv"},
    "LidarCourse-v0": {"entry_point": "sim_worlds.lidar_course.world:LidarCourseEnv"},
    "LineFollowing-v0": {"entry_point": "sim_worlds.line_following.world:LineFollowingEnv"},
    "QuadrotorAttitude-v0": {"entry_point": "sim_worlds.quadrotor.world:QuadrotorAttitudeEnv"},
    "EventLanding-v0": {"entry_point": "sim_worlds.landing.world:EventLandingEnv"},
    "KukaPayload-v0": {"entry_point": "sim_worlds.kuka.world:KukaPayloadEnv"},
    "QuadrupedWalk-v0": {"entry_point": "sim_worlds.quadruped.world:QuadrupedWalkEnv"},
    "EventReplay-v0": {"entry_point": "sim_worlds.replay:EventReplayEnv"},
}

if gymnasium is not None:
    for name, registration in WORLDS.items():
        known = gymnasium.registry.get(name)
        if known is None:
            gymnasium.register(name, **registration)
        elif known.entry_point != registration["entry_point"]:
            raise ImportError(f"a world of sim_worlds and {known.entry_point} are both called {name}: rename ours")
