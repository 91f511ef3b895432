"""``python -m benchmarks.pan_tilt_train [--seed N] [--jobs N] [--out FILE]``: a pan-tilt controller for bright and dark
targets, ``config/event_tracker.yaml``. The result does not depend on ``--jobs``.

**Front end**, by hand. Events are pooled to 32 x 32 cells and drive three layers, `slow`, `fast` and `edge`, of ON and
OFF neurons through a synaptic current of 190, 30 and 30 ms: leaky pictures, in which the passing wall cancels and the
target remains. The common inhibition of a layer lets only its brightest cells fire. Where events come from everywhere,
because the camera is noisy or the wall has much contrast, `busy` fires and raises the thresholds: it sees one cell of
sixteen. Two slow votes of ON and of OFF compete: whichever polarity has the larger spot is the target's, and silences
the other one in `slow` and `fast`, not in `edge`. `seen` counts, step by step, the spikes in each column (for pan) and
row (for tilt) of the pictures, and of the fields of the joints' velocities.

**Read-out**, by least squares on what `TrueMotion` commands. The command is linear in the counts, filtered with four
time constants; both axes share it, a mirrored picture gives the opposite command, and bright and dark count alike. It
is solved anew in each round on all rounds so far, in which first the teacher and then more and more the controller
drives (DAgger, Ross et al. 2011, arXiv:1011.0686). Half of the episodes are short and begin with a fast target, since
that is where targets are lost. What is noisy least squares trust too little (regression dilution): the pictures count
GAIN times as much, in the end FINAL times. The result is the mean of the last rounds.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import gymnasium
import numpy as np

from sim_worlds.pan_tilt.baselines import load
from snn_control import Controller, Model
from snn_control.coding import MembraneDecoder, PoolEncoder, PopulationEncoder
from snn_control.controller_file import ControllerSpec, RosTopic
from snn_control.network import IF, LIF, CubaLIF, Relay
from snn_control.network.convolution import Convolution

FILE = Path(__file__).parents[1] / "config" / "event_tracker.yaml"
WORLD = "sim_worlds:PanTiltTracking-v0"
EPISODES = {
    "drawn": {"frequency": 0.65, "duration": 2.4, "randomize": 1.0},
    "fast": {"frequency": 1.2, "duration": 0.8},
}
DT, GRID, LIMIT = 1e-3, 32, 6.0
CELLS = GRID * GRID
#: time constant [s], threshold [events], and how much of it a spike of `busy_active` adds
PICTURES = {"slow": (0.19, 4.26, 0.06), "fast": (0.03, 4.4, 0.38), "edge": (0.03, 3.5, 0.5)}
SUPPRESSION, SUPPRESSION_TAU, COUNTED = 0.0545, 0.025, 6  # of a layer by each of its spikes, in packets
BUSY, BUSY_TAU, BUSY_LASTS = 18, 0.05, 0.2  # cells within BUSY_TAU [s] for a spike of `busy_active`; its effect [s]
VOTE, VOTE_TAU, VOTES = 6.2, 0.6, 20
FIELDS = 41  # of the velocity of a joint
CHANNELS = GRID * len(PICTURES) + FIELDS
RIDGE = 2e-5  # of the mean square of a feature
GAIN, FINAL = 2.0, 2.57  # of what the pictures say, while taught and in the end
FILTERS = (0.0025, 0.008, 0.025, 0.08)  # s
SHARES = (1.0, 0.5, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0)  # of the teacher in driving, a round each
PLAYED, KEPT, MEAN = 40, 0.9, 4  # episodes of each kind in a round; share of earlier rounds; rounds that are averaged
HELD, NOISE = 100, 0.06  # steps; of the teacher when it drives [rad/s a step]
NEAR, LOST = 0.2, 0.5  # error that counts half; that ends an episode [rad]


def front_end(m: Model) -> None:
    """Everything up to `seen`."""
    first, seen = 0, []
    cell = CubaLIF(tau_mem=2.5e-3, tau_syn=1.0, integration="exponential_euler", v_min=-1.0, refractory=2 * DT)
    _, row, column = (a.reshape(-1) for a in np.indices((2, GRID, GRID)))
    m.population("busy", CELLS // 16, IF(r=1 / DT, v_threshold=1.0, v_min=0.0, refractory=0.05))
    m.connect("camera", "busy", np.ones((1, 1, 1, 1)), Convolution((1, GRID, GRID), stride=4))
    together = LIF(tau_mem=BUSY_TAU, r=BUSY_TAU / DT, integration="exponential_euler", reset="subtract")
    m.population("busy_active", 1, together)
    m.connect("busy", "busy_active", 1 / BUSY, delay=DT)
    for name, (tau, threshold, raised) in PICTURES.items():
        m.population(name, 2 * CELLS, replace(cell, tau_syn=tau))
        sign = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)
        m.connect("camera", name, sign / threshold, Convolution((1, GRID, GRID)))
        m.population(f"{name}_active", 1, IF(r=1 / DT, v_threshold=float(COUNTED), reset="subtract"))
        m.connect(name, f"{name}_active", 1.0, delay=DT)
        m.connect(f"{name}_active", name, -SUPPRESSION * COUNTED, tau_syn=SUPPRESSION_TAU, delay=DT)
        m.connect("busy_active", name, -raised, tau_syn=BUSY_LASTS, delay=DT)
        seen.append((name, np.repeat(np.arange(2 * CELLS), 2), first + np.stack([column, row], 1)))
        first += GRID
    for k, polarity in enumerate(("on", "off")):
        own, other = (np.arange(CELLS) + CELLS * side for side in (k, 1 - k))
        one, vote = np.zeros(CELLS, int), f"vote_{polarity}"
        m.population(vote, 1, IF(r=1 / DT, v_threshold=float(VOTES), reset="subtract"))
        m.connect("slow", vote, 1.0, "sparse", pre_index=own, post_index=one, delay=DT)
        weight = -VOTE * VOTES * -math.expm1(-DT / VOTE_TAU)
        for name in ("slow", "fast"):
            m.connect(vote, name, weight, "sparse", pre_index=one, post_index=other, tau_syn=VOTE_TAU, delay=DT)
    seen.append(("joint_velocity", np.arange(2 * FIELDS), first + np.stack([np.arange(FIELDS)] * 2)))
    m.population("seen", 2 * CHANNELS, Relay())
    for name, pre, channel in seen:
        axis = np.arange(2) if name in PICTURES else np.arange(2)[:, None]
        m.connect(name, "seen", 1.0, "sparse", pre_index=pre, post_index=(2 * channel + axis).reshape(-1))


def make(readout: np.ndarray) -> ControllerSpec:
    """The controller of a read-out, (filters, channels) in half limits a count."""
    m = Model(dt=DT)
    m.events("camera", (128, 128), capacity=4096, stale=0.05, encoder=PoolEncoder((GRID, GRID), made_for=(128, 128)))
    turning = PopulationEncoder(FIELDS, -6.5, 6.5, 0.45, 2.5, LIF(tau_mem=0.01, reset="subtract"))
    m.input("joint_velocity", 2, unit="rad/s", range=(-6.5, 6.5), plausible=(-20.0, 20.0), stale=0.02, encoder=turning)
    front_end(m)
    m.population("command", 2, Relay())

    def shared(pre: str, post: str, weights: np.ndarray, **more: float) -> None:
        """(post, pre) weights for each axis."""
        weights = weights.astype(np.float32)[..., None, None]
        m.connect(pre, post, weights, Convolution((weights.shape[1], 2, 1)), **more)

    for tau_syn, weights in zip(FILTERS, readout, strict=True):
        shared("seen", "command", weights[None] * -math.expm1(-DT / tau_syn), tau_syn=tau_syn)
    for axis, weight in zip(("pan", "tilt"), np.eye(2)):
        decoder = (MembraneDecoder("command", LIMIT * weight),)
        m.output(axis, decoder=decoder, unit="rad/s", limits=(-LIMIT, LIMIT))
    topics = {
        "camera": RosTopic("events", "sensor_msgs/msg/PointCloud2"),
        "joint_velocity": RosTopic("joint_states", "sensor_msgs/msg/JointState", "velocity[:]"),
    }
    commands = {
        axis: RosTopic("velocity_command", "std_msgs/msg/Float64MultiArray", f"data[{k}]", "reliable", 1)
        for k, axis in enumerate(("pan", "tilt"))
    }
    return replace(m.spec(), ros_inputs=topics, ros_outputs=commands)


def odd() -> np.ndarray:
    """(channels, features): an odd function of each picture, and of the velocity."""
    columns, first = [], 0
    for size in (*[GRID] * len(PICTURES), FIELDS):
        for k in range(size // 2):
            columns.append(np.zeros(CHANNELS))
            columns[-1][[first + k, first + size - 1 - k]] = 1, -1
        first += size
    return np.array(columns).T


def features(seen: np.ndarray) -> np.ndarray:
    """(steps, axes, filters times odd features) of the counts of an episode."""
    x = np.swapaxes(seen.reshape(len(seen), CHANNELS, 2), 1, 2) @ odd()
    found, state = np.empty((len(x), 2, len(FILTERS), x.shape[2])), 0.0
    left = np.exp(-DT / np.array(FILTERS))[:, None]
    for t, now in enumerate(x):
        state = left * state + (1 - left) * now[:, None]
        found[t] = state
    return found.reshape(len(x), 2, -1)


Sums = tuple[np.ndarray, np.ndarray, np.ndarray]


def episode(readout: np.ndarray, share: float, kind: str, seed: Sequence[int]) -> Sums:
    """Drive until the target is lost; returns sums of products of features, of features with the teacher's commands
    [half limits], and errors [rad]."""
    rng, env = np.random.default_rng(seed), world(kind)
    controller, teacher = Controller.from_spec(make(readout)), load("TrueMotion")
    observation, info = env.reset(seed=int(rng.integers(10**6, 10**9)))
    rows, over, noise, k = [], False, np.zeros(2), 0
    while not over:
        own, said = np.ravel(controller.predict(observation)[0]), teacher.predict(observation, info)[0]
        error = info["target"] - observation["joint_position"]
        rows.append((controller.bound.array("seen.v").copy(), said / LIMIT, error))
        if k % HELD == 0:
            drives = rng.random() < share
        if drives:
            noise += rng.normal(0, NOISE, 2) - 0.01 * noise
        observation, _, _, over, info = env.step((said + noise if drives else own).astype(np.float32))
        over, k = over or np.hypot(*error) > LOST, k + 1
    seen, said, error = (np.array(column) for column in zip(*rows, strict=True))
    counts = 1 / (1 + (error[::4] / NEAR) ** 2)
    x, y = np.swapaxes(features(seen)[::4], 0, 1), said[::4].T
    square = sum((one * weights[:, None]).T @ one for one, weights in zip(x, counts.T, strict=True))
    return square, sum(one.T @ (w * v) for one, w, v in zip(x, counts.T, y, strict=True)), error


@functools.cache
def world(kind: str) -> gymnasium.Env:
    return gymnasium.make(WORLD, **EPISODES[kind], disable_env_checker=True)


def taught(seed: int, jobs: int) -> np.ndarray:
    """The read-out."""
    size = len(FILTERS) * odd().shape[1]
    square, product, readouts = np.zeros((size, size)), np.zeros(size), [np.zeros((len(FILTERS), CHANNELS))]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for number, share in enumerate(SHARES):
            kinds = [*EPISODES] * PLAYED
            seeds = [(seed, number, k) for k in range(len(kinds))]
            play = functools.partial(episode, readouts[-1], share)
            squares, products, errors = zip(*pool.map(play, kinds, seeds, chunksize=4), strict=True)
            square, product = KEPT * square + sum(squares), KEPT * product + sum(products)
            solved = np.linalg.solve(square + RIDGE * np.trace(square) / size * np.eye(size), product)
            readouts.append(solved.reshape(len(FILTERS), -1) @ odd().T)
            readouts[-1][:, :-FIELDS] *= GAIN
            lost = sum(bool(np.hypot(*error[-1]) > LOST) for error in errors)
            rms = math.degrees(math.sqrt(np.mean(np.concatenate([np.hypot(*e[500:].T) for e in errors]) ** 2)))
            print(f"round {number + 1}: rms {rms:.2f} degrees, {lost} of {len(errors)} lost", flush=True)
    readout = np.mean(readouts[-MEAN:], axis=0)
    readout[:, :-FIELDS] *= FINAL / GAIN
    return readout


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    readout = taught(options.seed, options.jobs)
    head = "Pan-tilt head with an event camera: 6,144 CubaLIF see, 82 LIF feel the head's velocity."
    make(readout).save(options.out, f"{head}\nMade by: python -m benchmarks.pan_tilt_train --seed {options.seed}")
    print(f"{options.out}: written after {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
