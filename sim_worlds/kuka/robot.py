"""The Kuka LBR iiwa of pybullet_data under torque control, with a load in its hand."""

from __future__ import annotations

import math
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from gymnasium import spaces

from ..client import Client, pybullet, silent
from ..core import Robot

__all__ = ["FASTEST", "HAND", "JOINTS", "JOINT_LIMITS", "STEP", "TORQUES", "Kuka", "urdf"]

STEP = 1e-3  # s
JOINTS = tuple(f"lbr_iiwa_joint_{k}" for k in range(1, 8))
JOINT_LIMITS = np.array([2.967, 2.094, 2.967, 2.094, 2.967, 2.094, 3.054])  # rad, as in the URDF
TORQUES = np.array([176.0, 176.0, 110.0, 110.0, 110.0, 40.0, 40.0])  # N m, at most (LBR iiwa 7 R800)
FASTEST = 10.0  # rad/s, as in the URDF
FRICTION = 0.5  # N m s/rad in each joint, as in the URDF
LAG = 5e-3  # s, time constant with which torques follow their commands
DELAY = 2e-3  # s, delay of the sensors
NOISE = np.repeat([1e-4, 5e-3], 7)  # rad and rad/s, standard deviations of the sensors' noise
PUSH = 1.0  # rad/s, change of each joint's speed in a disturbance
HAND = 0.12  # m, from the last link's frame to the middle of the load
LOAD_RADIUS = 0.06  # m, radius of the load, a ball
BALL = f"""<visual><geometry><sphere radius="{LOAD_RADIUS}"/></geometry>
<material name="Red"><color rgba="0.8 0.1 0.1 1"/></material></visual>"""
#: the load's part of the URDF; an episode sets mass and inertia
LOAD = f"""<robot><link name="load">{{}}<inertial><mass value="1"/>
<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link><joint name="hand" type="fixed">
<parent link="lbr_iiwa_link_7"/><child link="load"/><origin xyz="0 0 {HAND}"/></joint></robot>"""


def urdf(shapes: bool) -> ElementTree.Element:
    """Return the URDF of the arm from pybullet_data, extended by a link ``load`` that is fixed to its last link.

    shapes : whether to keep the visual shapes. Collision shapes are always removed, because the arm touches nothing
    """
    with silent(1, 2):
        import pybullet_data
    file = Path(pybullet_data.getDataPath()) / "kuka_iiwa" / "model.urdf"
    robot = ElementTree.parse(file).getroot()
    for link in robot.iter("link"):
        for kind in ["collision"] if shapes else ["collision", "visual"]:
            for shape in link.findall(kind):
                link.remove(shape)
    for mesh in robot.iter("mesh"):
        mesh.set("filename", str(file.parent / mesh.attrib["filename"]))
    robot.extend(ElementTree.fromstring(LOAD.format(BALL if shapes else "")))
    return robot


def drawn(rng: np.random.Generator, deviation: np.ndarray) -> Iterator[np.ndarray]:
    """Yield arrays of n Gaussian random numbers, without end. ``deviation``, (n,), has their standard deviations.

    A hundred arrays are drawn at a time, because a call of the generator takes as long as drawing twenty numbers.
    """
    while True:
        yield from deviation * rng.standard_normal((100, deviation.size))


class Kuka(Robot):
    """The arm on a fixed base, under torque control. Action: (7,) torques [N m].

    The observation has the joints' actual angles and speeds, with delay and noise, and the wanted angles and speeds.

    hand : index of the link ``load`` in PyBullet
    wanted : (14,) float64, wanted angles [rad], then wanted speeds [rad/s]
    state : (14,) float64, actual angles [rad], then speeds [rad/s], without delay and noise
    """

    DISTURBANCES = ("push",)

    def __init__(self, client: Client, shapes: bool = False) -> None:
        tree = urdf(shapes)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "kuka.urdf"
            ElementTree.ElementTree(tree).write(file)
            super().__init__(client, file, JOINTS)
        self.hand = self.joints[-1] + 1
        links = [link for link in tree.iter("link") if link.attrib["name"] not in ("lbr_iiwa_link_0", "load")]
        self._masses = [float(link.find("inertial/mass").attrib["value"]) for link in links]  # type: ignore[union-attr]
        inertias = [link.find("inertial/inertia").attrib for link in links]  # type: ignore[union-attr]
        self._inertias = [[float(one[key]) for key in ("ixx", "iyy", "izz")] for one in inertias]
        for link in range(-1, client.getNumJoints(self.body)):
            client.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0, maxJointVelocity=FASTEST)
        self.client.setJointMotorControlArray(
            self.body, self.joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * len(JOINTS)
        )
        self.action_space = spaces.Box(-TORQUES, TORQUES, dtype=np.float64)
        angles = spaces.Box(-JOINT_LIMITS, JOINT_LIMITS, dtype=np.float64)
        ends = {"position": angles, "velocity": spaces.Box(-FASTEST, FASTEST, (7,), np.float64)}
        self.observation_spaces = {f"{what}_{end}": box for what in ("joint", "target") for end, box in ends.items()}
        self._most = np.concatenate([JOINT_LIMITS, np.full(7, FASTEST)])
        self._least, self._weakest = -self._most, -TORQUES
        self._follow = np.full(7, 1.0 - math.exp(-STEP / LAG))  # an array of equal numbers is faster than one number
        self.wanted = np.zeros(14)
        self.vary({})

    def vary(self, factors: Mapping[str, float]) -> None:
        """Multiply the arm's nominal properties by factors, until the next call.

        factors : name of a property in ``KukaPayloadEnv.RANDOMIZED`` -> factor; a missing factor counts as 1
        """
        mass, friction = factors.get("mass", 1.0), factors.get("friction", 1.0)
        for joint, own, inertia in zip(self.joints, self._masses, self._inertias, strict=True):
            self.client.changeDynamics(
                self.body, joint, mass=mass * own, localInertiaDiagonal=[mass * one for one in inertia],
                jointDamping=friction * FRICTION,
            )  # fmt: skip
        self._strength = np.full(7, factors.get("motor", 1.0))
        self._noise = factors.get("noise", 1.0) * NOISE
        self._late = round(factors.get("delay", 1.0) * DELAY / STEP)

    def begin(self, wanted: np.ndarray, load: float, rng: np.random.Generator) -> None:
        """Start an episode: the arm is at rest at its wanted angles, with a load in its hand.

        wanted : (14,), wanted angles [rad], then wanted speeds [rad/s]
        load : load in the hand [kg]
        rng : source of the sensors' noise
        """
        self.carry(load)
        self.wanted, self._errors, self._torque = wanted, drawn(rng, self._noise), np.zeros(7)
        self.reset(wanted[:7])
        self._seen = deque([self.state] * (self._late + 1), self._late + 1)

    def carry(self, load: float) -> None:
        """Set the mass of the load in the hand [kg]."""
        inertia = [0.4 * load * LOAD_RADIUS**2] * 3
        self.client.changeDynamics(self.body, self.hand, mass=load, localInertiaDiagonal=inertia)

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the arm: change the speed of each joint by ``PUSH``, with a random sign."""
        for joint, angle, speed, change in zip(self.joints, self.position, self.velocity, rng.choice((-PUSH, PUSH), 7)):
            self.client.resetJointState(self.body, joint, angle, speed + change)

    def read(self) -> None:
        super().read()
        self.state = np.array([*self.position, *self.velocity])

    def act(self, action: np.ndarray) -> None:
        command = np.minimum(np.maximum(action, self._weakest), TORQUES)
        command *= self._strength
        command -= self._torque
        command *= self._follow
        self._torque = self._torque + command
        forces = self._torque.tolist()
        self.client.setJointMotorControlArray(self.body, self.joints, pybullet.TORQUE_CONTROL, forces=forces)

    def observe(self) -> dict[str, np.ndarray]:
        """Return the observation: ``joint_position``, ``joint_velocity``, ``target_position`` and ``target_velocity``.

        Each entry is (7,) float64. Call the method once per step, because each call advances the sensors' delay.
        """
        self._seen.append(self.state)
        seen = self._seen[0] + next(self._errors)
        seen.clip(self._least, self._most, out=seen)
        wanted = self.wanted.copy()
        return {
            "joint_position": seen[:7], "joint_velocity": seen[7:],
            "target_position": wanted[:7], "target_velocity": wanted[7:],
        }  # fmt: skip
