"""The protocol of the scoreboard: its environments, and the number and the seeds of the episodes."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DescriptionError, nearest

__all__ = ["FIRST_SEED", "PHYSICS", "SUITES", "VERSION", "Task", "task_of"]

VERSION = 1
FIRST_SEED = 20_000_000  # of the episodes; training and its validations use other seeds


@dataclass(frozen=True)
class Task:
    """An environment of the protocol, which is made with its default arguments.

    environment : Gymnasium id
    suite : suite of the environment, a key of `SUITES`
    episodes : number of episodes, with the seeds `FIRST_SEED`, `FIRST_SEED` + 1, ...
    extra : package that the environment needs in addition to ``snn_control[sim]``
    """

    environment: str
    suite: str
    episodes: int = 100
    extra: str = ""

    @property
    def seeds(self) -> range:
        return range(FIRST_SEED, FIRST_SEED + self.episodes)


BOX2D, MUJOCO = "gymnasium[box2d]", "gymnasium[mujoco]"
#: extra of a task -> packages whose versions a row names
PHYSICS = {BOX2D: ("box2d",), MUJOCO: ("mujoco",)}
_CLASSIC = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1")
_BOX2D = ("LunarLander-v3", "BipedalWalker-v3")
_MUJOCO = ("InvertedDoublePendulum-v5", "HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5")
_WORLDS = (
    "PanTiltTracking-v0", "ArmUnknownLoad-v0", "CartPoleSwingUp-v0", "LidarCourse-v0", "LineFollowing-v0",
    "QuadrotorAttitude-v0", "EventLanding-v0", "KukaPayload-v0", "QuadrupedWalk-v0",
)  # fmt: skip

#: suite -> its tasks
SUITES: dict[str, tuple[Task, ...]] = {
    "classic": (
        *(Task(name, "classic") for name in _CLASSIC),
        *(Task(name, "classic", extra=BOX2D) for name in _BOX2D),
    ),
    "mujoco": tuple(Task(name, "mujoco", 20, MUJOCO) for name in _MUJOCO),
    "worlds": tuple(Task(f"sim_worlds:{name}", "worlds", 10) for name in _WORLDS),
}


def task_of(environment: str) -> Task:
    """Return the `Task` of an environment id. Raises DescriptionError if the protocol has no such environment."""
    tasks = {task.environment: task for suite in SUITES.values() for task in suite}
    if environment not in tasks:
        fix = nearest(environment, tasks) or f"one of {', '.join(tasks)}"
        raise DescriptionError("--env", environment, "is not an environment of the scoreboard", fix)
    return tasks[environment]
