"""``snn_control train event_tracker``: a pan-tilt controller for bright and dark targets, before any wall.

**Front end**, by hand. Events are pooled to 32 x 32 cells and drive three layers, `slow`, `fast` and `edge`, of ON and
OFF neurons through a synaptic current of 190, 30 and 30 ms: leaky pictures, in which the passing wall cancels and the
target remains. The common inhibition of a layer lets only its brightest cells fire. Where little is seen, since the
head follows well, `alert` lowers the thresholds of `slow`. Where events come from everywhere, because the camera is
noisy or the wall has much contrast, `busy` fires and raises the thresholds: it sees one cell of sixteen. Two slow
votes of ON and of OFF compete: whichever polarity has the larger spot is the target's, and silences the other one in
`slow` and `fast`, not in `edge`. That keeps a wrong decision up, so `spot` sees either polarity's largest spot
whatever was decided, and where it is for long of the other polarity, `doubt` fires and stops the vote. `seen` counts,
step by step, the spikes in each column (for pan) and row (for tilt) of the pictures, and of the fields of the joints'
velocities. Where a joint is further out than targets go, the target is lost, and what is seen is the wall that passes.
There `stray` fires, silences all that is read, lets `home` fire, which turns the head to the middle; where it then
stands still for a moment, what moves is the target.

**Read-out**, by least squares on what `TrueMotion` commands. The command is linear in the counts, filtered with five
time constants; both axes share it, a mirrored picture gives the opposite command, and bright and dark count alike.
Weights of neighbouring columns are kept alike. It is solved anew in each round on all rounds so far, in which first
the teacher and then more and more the controller drives (DAgger, Ross et al. 2011, arXiv:1011.0686). Many episodes are
short and begin with a fast target, since that is where targets are lost; others are long, since some offsets grow for
seconds. What is noisy least squares trust too little (regression dilution): the pictures count GAIN times as much, in
the end FINAL times, and `alert` does more then. The result is the mean of the last rounds, and does not depend on the
number of processes.

**Offsets that last** are left by that, most of large discs: in the pictures they are little beside what a fast target
asks for. So small errors of the last tenth of a second are solved for alone, when that is done and in the same way, and
what is found is added. Of larger errors nothing is added, which would let the head swing.

**Where events come from everywhere for long**, the same picture says less, and another read-out adds to the first,
when all that is done and in the same way, but that episodes go on after a loss, and that something turns the head away
now and then. `added` passes it on, but not for some time after a spike of `calm`, which fires by itself and falls
silent, more and more, while `busy_active` lasts for one or two seconds: read-outs that take turns while the target is
searched for lose it. Nor does `calm` fire while `fast` sees much, because a target has just come into view or the head
was turned away: the lower gains of both read-outs together catch any target best. With all of the second one they are
too low for fast targets, so it counts a little less.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ... import Controller, Model
from ...coding import MembraneDecoder, PoolEncoder, PopulationEncoder
from ...controller import build_program
from ...controller_file import ControllerSpec
from ...network import IF, LIF, CubaLIF, Relay
from ...network.convolution import Convolution
from ..progress import Folder, locked_folder
from . import Taught
from .pan_tilt import COMMANDS, TOPICS

WORLD = "sim_worlds:PanTiltTracking-v0"
HARD = {"contrast": -1.1, "background": 0.085, "camera": "noisy", "randomize": 0.2}


@dataclass(frozen=True)
class Stage:
    """How a read-out is taught.

    shares : of the teacher in driving, a round; of `BUSY`: of something that turns the head away
    ridge : weight of the squares, see `solved`
    episodes : of a round: how many, and arguments of the world
    """

    shares: tuple[float, ...]
    ridge: float
    episodes: tuple[tuple[int, dict[str, Any]], ...]


CALM = Stage(
    (1.0, 0.5, 0.2, 0.1, *[0.0] * 6),
    2e-5,
    (
        (6, {"frequency": 0.8, "duration": 5.0, "size": (240, 180)}),
        (26, {"frequency": 0.65, "duration": 5.0, "randomize": 1.0}),
        (26, {"frequency": 0.65, "duration": 6.0, "randomize": 0.6, "background": 0.035}),
        (24, {"frequency": 1.2, "duration": 0.8}),
        (16, {"frequency": 1.2, "duration": 2.5}),
        (8, {"frequency": 0.8, "duration": 3.0, "scene": "rendered", "randomize": 0.3}),
        (4, {"frequency": 1.2, "duration": 2.0, "scene": "rendered"}),
        (32, {"frequency": 1.0, "duration": 0.8, "randomize": 1.0}),
        (10, {"frequency": 0.65, "duration": 5.0, "randomize": 0.5, "camera": "noisy"}),
        (16, {"frequency": 1.0, "duration": 0.8, "randomize": 1.0, "camera": "noisy"}),
        (16, {"frequency": 1.0, "duration": 0.8, **HARD}),
        (16, {"frequency": 1.05, "duration": 2.5, "randomize": 0.25}),
        (8, {"frequency": 0.65, "duration": 2.4, "background": 0.1}),
        (8, {"frequency": 1.2, "duration": 0.8, "background": 0.1, "randomize": 0.3}),
    ),
)
OFFSETS = Stage(
    (0.0,) * 3,
    2e-5,
    (
        (8, {"frequency": 0.8, "duration": 5.0, "size": (240, 180)}),
        (16, {"frequency": 0.8, "duration": 5.0, "scene": "rendered", "randomize": 0.2}),
        (16, {"frequency": 0.65, "duration": 10.0, "randomize": 1.0}),
        (26, {"frequency": 0.65, "duration": 11.0, "randomize": 0.6, "background": 0.035}),
        (30, {"frequency": 0.8, "duration": 5.0, "randomize": 0.3}),
        (16, {"frequency": 1.2, "duration": 2.5}),
        (16, {"frequency": 1.05, "duration": 2.5, "randomize": 0.25}),
        (20, {"frequency": 0.65, "duration": 5.0, "randomize": 0.5, "camera": "noisy"}),
        (20, {"frequency": 0.65, "duration": 4.0, "background": 0.1}),
    ),
)
BUSY = Stage(
    (0.02,) * 8,
    5e-4,
    (
        (16, {"frequency": 0.65, "duration": 5.0, "randomize": 0.5, "camera": "noisy"}),
        (10, {"frequency": 0.8, "duration": 5.0, "randomize": 0.15, "camera": "noisy"}),
        (16, {"frequency": 0.65, "duration": 4.0, "randomize": 1.0, "camera": "noisy"}),
        (8, {"frequency": 1.1, "duration": 3.0, "randomize": 0.3, "camera": "noisy"}),
        (12, {"frequency": 1.0, "duration": 3.0, **HARD}),
        (6, {"frequency": 0.65, "duration": 5.0, "background": 0.1, "randomize": 0.2}),
        (6, {"frequency": 1.1, "duration": 3.0, "background": 0.1, "randomize": 0.2}),
        (12, {"frequency": 1.05, "duration": 3.0, "background": 0.075, "randomize": 0.3}),
        (6, {"frequency": 1.05, "duration": 3.0, "background": 0.075, "contrast": -1.3, "randomize": 0.3}),
    ),
)
STAGES = CALM, OFFSETS, BUSY
DT, GRID, LIMIT = 1e-3, 32, 6.0
SIZE, CELLS = (128, 128), GRID * GRID
SIDES = np.concatenate([np.eye(2), -np.eye(2)], axis=1)  # of two axes, as four rates that are not negative
SIGN = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)  # of events, for ON and OFF neurons
#: time constant [s], threshold [events], and how much of it a spike of `busy_active` adds
PICTURES = {"slow": (0.19, 4.8, 0.08), "fast": (0.03, 4.6, 0.38), "edge": (0.03, 3.6, 0.55)}
SUPPRESSION, SUPPRESSION_TAU, COUNTED = 0.0545, 0.025, 6  # of a layer by each of its spikes, in packets
MANY, BUSY_TAU, BUSY_LASTS = 18, 0.05, 0.2  # cells within BUSY_TAU [s] for a spike of `busy_active`; its effect [s]
PULSE = 0.02  # s between spikes of what fires by itself
ALERT, FINAL_ALERT = 0.5, 0.7  # share of the threshold that `alert` takes away, while taught and in the end
ALERT_LASTS = 0.1  # effect of its spikes [s]
CALMED, CALMED_BUSY, CALMEST = 0.3, 5.0, -20.0  # pulses lost by a packet and by a spike of `busy_active`; not more
PACE = 0.05  # s between spikes of `busy_active` that `calm` hears, so that it takes as long whatever their rate
LONG, LONG_TAU = 10.0, 1.0  # of these within LONG_TAU [s] silence `calm`
CATCH, CATCH_TAU = 12.0, 0.1  # of the packets of `fast_active` within this time [s] silence it, too
AGAIN, AGAIN_TAU = 0.4, 0.4  # of its pulses are lost by a spike of `stray`, and for how long [s]
SILENCE, SILENCE_TAU = 100.0, 0.01  # what a spike of `calm` takes from what `added` passes on, and for how long [s]
ADDED_RATE = 20.0  # spikes of `added` a step where it adds the limit
REACH = (1.15, 0.55)  # of the joints; where `stray` fires [rad]
HOME, HOME_RATE, HOME_LASTS = 8.0, 0.4, 0.12  # gain [1/s], spikes a step and rad, effect of a spike of `stray` [s]
BLIND, BLIND_LASTS = 20.0, 0.08  # what a spike of `stray` takes from what is read, and for how long [s]
COMMAND_TAU = 0.005  # s, of the spikes of `home` and of `added`
VOTE, VOTE_TAU, VOTES, VOTED = 6.2, 0.6, 20, ("slow", "fast")
SPOT, SPOTS = 60.0, 2 * (GRID // 2) ** 2  # threshold of `spot` [events]; how many
DOUBT, DOUBT_TAU = 50.0, 0.25  # so many more spikes of `spot` are of the other polarity within this time [s]
DOUBTED = 20.0  # votes that a spike of `doubt` takes
FIELDS = 41  # of the velocity of a joint
CHANNELS = GRID * len(PICTURES) + FIELDS
DRIVEN = "command", "adding"  # by the read-outs
SMOOTH = 0.1  # weight of the squares of second differences, see `solved`
GAIN, FINAL = 2.0, 2.5  # of the pictures, while taught and in the end
ADDED, FINALLY_ADDED = 0.7, 0.85  # of the second read-out, while taught and in the end
FILTERS = (0.0025, 0.008, 0.025, 0.08, 0.25)  # s
KEPT, MEAN = 0.9, 5  # share of earlier rounds; rounds that are averaged
HELD, NOISE = 100, 0.06  # steps; of the teacher when it drives [rad/s a step]
NEAR, LOST = 0.2, 0.5  # error that counts half; at which the target is lost [rad]
OFFSET, LASTS, SMALL = 15.0, 0.1, 0.05  # gain [1/s] for errors that last for so long [s] and are small [rad]


# the controller ------------------------------------------------------------------------------------------------
def brightest(m: Model, layer: str) -> None:
    """Let only the neurons of a layer fire that are driven most."""
    m.population(f"{layer}_active", 1, IF(r=1 / DT, v_threshold=float(COUNTED), reset="subtract"))
    m.connect(layer, f"{layer}_active", 1.0, delay=DT)
    m.connect(f"{layer}_active", layer, -SUPPRESSION * COUNTED, tau_syn=SUPPRESSION_TAU, delay=DT)


def decide(m: Model, cell: CubaLIF) -> None:
    """Silence `slow` and `fast` where they are of the other polarity than the target."""
    m.population("spot", SPOTS, replace(cell, tau_syn=PICTURES["slow"][0]))
    m.connect("camera", "spot", np.tile(SIGN / SPOT, (3, 3)), Convolution((1, GRID, GRID), stride=2, padding=1))
    brightest(m, "spot")
    counts = LIF(tau_mem=DOUBT_TAU, r=DOUBT_TAU / DT, integration="exponential_euler", v_threshold=DOUBT, v_min=0.0)
    for k, polarity in enumerate(("on", "off")):
        own, other = (np.arange(CELLS) + CELLS * side for side in (k, 1 - k))
        one, vote, doubt = np.zeros(CELLS, int), f"vote_{polarity}", f"doubt_{polarity}"
        m.population(vote, 1, IF(r=1 / DT, v_threshold=float(VOTES), reset="subtract", v_min=-DOUBTED * VOTES))
        m.connect("slow", vote, 1.0, "sparse", pre_index=own, post_index=one, delay=DT)
        m.population(doubt, 1, counts)
        m.connect("spot", doubt, (2 * k - 1) * np.repeat([1.0, -1.0], SPOTS // 2)[:, None], delay=DT)
        m.connect(doubt, vote, -DOUBTED * VOTES, delay=DT)
        weight = -VOTE * VOTES * -math.expm1(-DT / VOTE_TAU)
        for name in VOTED:
            m.connect(vote, name, weight, "sparse", pre_index=one, post_index=other, tau_syn=VOTE_TAU, delay=DT)


def front_end(m: Model, alert: float) -> None:
    """Everything before the read-outs, and what passes the second one on."""
    cell = CubaLIF(tau_mem=2.5e-3, tau_syn=1.0, integration="exponential_euler", v_min=-1.0, refractory=2 * DT)
    _, row, column = (a.reshape(-1) for a in np.indices((2, GRID, GRID)))
    m.population("busy", CELLS // 16, IF(r=1 / DT, v_threshold=1.0, v_min=0.0, refractory=0.05))
    m.connect("camera", "busy", np.ones((1, 1, 1, 1)), Convolution((1, GRID, GRID), stride=4))
    together = LIF(tau_mem=BUSY_TAU, r=BUSY_TAU / DT, integration="exponential_euler", reset="subtract")
    m.population("busy_active", 1, together)
    m.connect("busy", "busy_active", 1 / MANY, delay=DT)
    m.population("busy_paced", 1, IF(r=1 / DT, v_threshold=1.0, refractory=PACE))
    m.connect("busy_active", "busy_paced", 1.0, delay=DT)
    m.population("calm", 1, IF(r=1 / DT, v_threshold=1.0, v_min=0.0), bias=DT / PULSE)
    m.connect("busy_paced", "calm", -DT / PULSE / LONG, tau_syn=LONG_TAU, delay=DT)
    seen = []
    for k, (name, (tau, threshold, raised)) in enumerate(PICTURES.items()):
        m.population(name, 2 * CELLS, replace(cell, tau_syn=tau))
        m.connect("camera", name, SIGN / threshold, Convolution((1, GRID, GRID)))
        brightest(m, name)
        m.connect("busy_active", name, -raised, tau_syn=BUSY_LASTS, delay=DT)
        channel = GRID * k + np.stack([column, row], 1)
        seen.append((name, np.repeat(np.arange(2 * CELLS), 2), 2 * channel + np.arange(2)))
    m.connect("fast_active", "calm", -DT / PULSE / CATCH, tau_syn=CATCH_TAU, delay=DT)
    m.population("alert", 1, IF(r=1 / DT, v_threshold=1.0, v_min=CALMEST), bias=DT / PULSE)
    m.connect("slow_active", "alert", -CALMED, delay=DT)
    m.connect("busy_active", "alert", -CALMED_BUSY, delay=DT)
    m.connect("alert", "slow", alert * PULSE / ALERT_LASTS, tau_syn=ALERT_LASTS, delay=DT)
    decide(m, cell)
    fields = 2 * (GRID * len(PICTURES) + np.arange(FIELDS)) + np.arange(2)[:, None]
    seen.append(("turning", np.arange(2 * FIELDS), fields))
    counter = IF(r=1 / DT, v_threshold=1.0, reset="subtract", v_min=0.0, several=True)
    m.population("stray", 4, LIF(tau_mem=0.005, refractory=0.02))
    m.connect("joint_position", "stray", SIDES / np.array(REACH)[:, None])
    m.population("home", 4, counter, bias=-1.0)
    m.connect("joint_position", "home", HOME_RATE * SIDES)
    m.connect("stray", "home", 2.0, tau_syn=HOME_LASTS)
    m.connect("stray", "calm", -AGAIN * DT / PULSE, tau_syn=AGAIN_TAU, delay=DT)
    m.population("turning", 2 * FIELDS, counter)
    m.connect("joint_velocity", "turning", 1.0, "one_to_one")
    for name in (*PICTURES, "turning"):
        m.connect("stray", name, -BLIND, tau_syn=BLIND_LASTS, delay=DT)
    m.population("seen", 2 * CHANNELS, Relay())
    for name, pre, post in seen:
        m.connect(name, "seen", 1.0, "sparse", pre_index=pre, post_index=post.reshape(-1))
    m.population("adding", 2, Relay())
    m.population("added", 4, counter)
    m.connect("adding", "added", ADDED_RATE * SIDES)
    m.connect("calm", "added", -SILENCE, tau_syn=SILENCE_TAU, delay=DT)


def make(readouts: np.ndarray, size: tuple[int, int] = SIZE, alert: float = FINAL_ALERT) -> ControllerSpec:
    """The controller of the two read-outs, (2, filters, channels) in half limits a count, for a camera of this size."""
    m = Model(dt=DT)
    m.events("camera", size, capacity=4096, stale=0.05, encoder=PoolEncoder((GRID, GRID), made_for=SIZE))
    turning = PopulationEncoder(FIELDS, -6.5, 6.5, 0.45, 2.5, LIF(tau_mem=0.01, reset="subtract"))
    m.input("joint_velocity", 2, unit="rad/s", range=(-6.5, 6.5), plausible=(-20.0, 20.0), stale=0.02, encoder=turning)
    m.input("joint_position", 2, unit="rad", range=(-1.6, 1.6), plausible=(-3.0, 3.0), stale=0.02)
    front_end(m, alert)
    m.population("command", 2, Relay())
    for name, gain in (("home", -HOME / LIMIT / (2 * HOME_RATE)), ("added", 1 / ADDED_RATE)):
        m.connect(name, "command", gain * -math.expm1(-DT / COMMAND_TAU) * SIDES.T, tau_syn=COMMAND_TAU)
    both = Convolution((CHANNELS, 2, 1))  # the same weights for each axis
    for driven, readout in zip(DRIVEN, readouts, strict=True):
        for tau, weights in zip(FILTERS, readout, strict=True):
            shared = (weights * -math.expm1(-DT / tau)).astype(np.float32)[None, :, None, None]
            m.connect("seen", driven, shared, both, tau_syn=tau)
    for axis, weight in zip(("pan", "tilt"), np.eye(2), strict=True):
        decoder = (MembraneDecoder("command", LIMIT * weight),)
        m.output(axis, decoder=decoder, unit="rad/s", limits=(-LIMIT, LIMIT))
    place = {"joint_position": replace(TOPICS["joint_velocity"], field="position[:]")}
    return replace(m.spec(), ros_inputs=TOPICS | place, ros_outputs=COMMANDS)


# what is solved for --------------------------------------------------------------------------------------------
PARTS = (*[GRID // 2] * len(PICTURES), FIELDS // 2)  # odd functions of each picture, and of the velocity


def odd() -> np.ndarray:
    """(channels, features)."""
    columns, first = [], 0
    for size in (*[GRID] * len(PICTURES), FIELDS):
        for k in range(size // 2):
            columns.append(np.zeros(CHANNELS))
            columns[-1][[first + k, first + size - 1 - k]] = 1, -1
        first += size
    return np.array(columns).T


def features(seen: np.ndarray) -> np.ndarray:
    """(steps, axes, filters times odd features) of the counts of an episode, (steps, 2 channels)."""
    x = np.swapaxes(seen.reshape(len(seen), CHANNELS, 2), 1, 2) @ odd()
    found, state = np.empty((len(x), 2, len(FILTERS), x.shape[2])), 0.0
    left = np.exp(-DT / np.array(FILTERS))[:, None]
    for t, now in enumerate(x):
        state = left * state + (1 - left) * now[:, None]
        found[t] = state
    return found.reshape(len(x), 2, -1)


def solved(square: np.ndarray, product: np.ndarray, ridge: float) -> np.ndarray:
    """(filters, channels) by least squares.

    square, product : sums of what `episode` gives
    ridge : of the mean square of a feature, the weight of the squares of what is found
    """
    rough, first = np.zeros((sum(PARTS), sum(PARTS))), 0
    for n in PARTS:
        bend = np.diff(np.eye(n), 2, axis=0)
        rough[first : first + n, first : first + n] = bend.T @ bend
        first += n
    penalty = ridge * np.eye(len(product)) + SMOOTH * np.kron(np.eye(len(FILTERS)), rough)
    found = np.linalg.solve(square + np.diag(square).mean() * penalty, product)
    return found.reshape(len(FILTERS), -1) @ odd().T


def louder(readout: np.ndarray, gain: float) -> np.ndarray:
    """A read-out in which the pictures count ``gain`` times as much."""
    found = readout.copy()
    found[..., :-FIELDS] *= gain
    return found


# teaching ------------------------------------------------------------------------------------------------------
@threadpool_limits.wrap(limits=1)
def episode(
    readouts: np.ndarray, share: float, stage: int, arguments: dict[str, Any], seed: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drive; returns sums of products of features, of features with what is wanted of the read-out of this stage [half
    limits], and the number of steps and of targets lost.

    readouts : the two that drive, (2, filters, channels)
    share : as in `Stage`
    arguments : of the world
    """
    busy = STAGES[stage] is BUSY
    rng, env = np.random.default_rng(seed), world(*arguments.items())
    size, alert = arguments.get("size", SIZE), FINAL_ALERT if stage else ALERT
    controller = Controller.from_spec(make(readouts, size, alert))
    teacher = env.unwrapped.baselines()["TrueMotion"]
    observation, info = env.reset(seed=int(rng.integers(10**6, 10**9)))
    silencing = {"stray": 5 * BLIND_LASTS} | ({"calm": 4 * SILENCE_TAU} if busy else {})  # for how long [s]
    rows: list[tuple[Any, ...]] = []
    over, lost, noise, drives = False, False, np.zeros(2), False
    push: np.ndarray = np.zeros(2)
    while not over:
        own, said = np.ravel(controller.predict(observation)[0]), teacher.predict(observation, info)[0]
        error = info["target"] - observation["joint_position"]
        if len(rows) % HELD == 0:
            drives = rng.random() < share
            push = LIMIT * rng.choice([-1.0, 1.0], 2) if drives and busy else push
        silent = (controller.raster(name)[1].size for name in silencing)
        rows.append((said / LIMIT, error, controller.bound.array("seen.v").copy(), *silent))
        if drives:
            noise += rng.normal(0, NOISE, 2) - 0.01 * noise
        other = push if busy else said + noise
        observation, _, _, over, info = env.step((other if drives else own).astype(np.float32))
        lost = lost or np.hypot(*error) > LOST
        over = over or (lost and not busy)
    said, errors, seen, *spikes = (np.array(column) for column in zip(*rows, strict=True))
    worth = 1 / (1 + (errors / NEAR) ** 2)
    for silent_at, lasts in zip(spikes, silencing.values(), strict=True):
        for step in np.flatnonzero(silent_at):
            worth[step : step + round(lasts / DT)] = 0
    x, wanted = features(seen)[::4], said[::4]  # a step of four
    if STAGES[stage] is OFFSETS:
        wanted = OFFSET / LIMIT * lasting(errors)[::4]
    elif busy:
        wanted = wanted - x @ (readouts[0] @ odd()).reshape(-1) / 2
    axes = [*zip(np.swapaxes(x, 0, 1), worth[::4].T, wanted.T, strict=True)]
    square = sum((x * w[:, None]).T @ x for x, w, _ in axes)
    return square, sum(x.T @ (w * y) for x, w, y in axes), np.array([len(rows), lost], int)


def lasting(errors: np.ndarray) -> np.ndarray:
    """(steps, 2): means with LASTS; larger ones than SMALL count less and less."""
    found, state = np.empty_like(errors), np.zeros(2)
    for t, now in enumerate(errors / (1 + (errors / SMALL) ** 2)):
        state = state + -math.expm1(-DT / LASTS) * (now - state)
        found[t] = state
    return found


@functools.cache
def world(*arguments: tuple[str, Any]) -> Any:
    import gymnasium

    return gymnasium.make(WORLD, **dict(arguments), disable_env_checker=True)


def drivers(readouts: np.ndarray, stage: int, added: float) -> np.ndarray:
    """The two read-outs that drive in this stage, from those of each stage after so many rounds, (rounds + 1, stages,
    filters, channels). ``added``: how much of the second one counts."""
    if stage == 0:
        return np.stack([readouts[-1, 0], readouts[-1, 2]])
    calm = np.mean(readouts[: len(STAGES[0].shares) + 1, 0][-MEAN:], axis=0)
    return np.stack([louder(calm, FINAL / GAIN) + readouts[-1, 1], added * np.mean(readouts[-MEAN:, 2], axis=0)])


def teach(
    seed: int, folder: str | os.PathLike, processes: int, progress: Callable[[int, int, str], object]
) -> ControllerSpec:
    """Teach the controller, from the checkpoint in ``folder`` on if there is one.

    progress : called after each round with its number, the number of all, and what it gave
    """
    n = len(FILTERS) * sum(PARTS)
    first = np.zeros((len(STAGES), len(FILTERS), CHANNELS))
    asked = {"recipe": RECIPE.name, "seed": seed, "controller": build_program(make(first[:2], alert=ALERT)).digest}
    run = Folder(Path(folder), asked)
    new = {"square": np.zeros((n, n)), "product": np.zeros(n), "readouts": first[None], "played": np.zeros((0, 3), int)}
    there = run.load() or new
    square, product, readouts, played = (there[name] for name in new)
    rounds = [(stage, k, share) for stage, one in enumerate(STAGES) for k, share in enumerate(one.shares)]
    with locked_folder(folder), ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for number in range(len(played), len(rounds)):
            stage, k, share = rounds[number]
            if k == 0:
                square, product = new["square"], new["product"]
            kinds = [arguments for times, arguments in STAGES[stage].episodes for _ in range(times)]
            seeds = [(seed, number, k) for k in range(len(kinds))]
            play = functools.partial(episode, drivers(readouts, stage, ADDED), share, stage)
            squares, products, each = zip(*pool.map(play, kinds, seeds), strict=True)
            square, product = KEPT * square + sum(squares), KEPT * product + sum(products)
            now, found = readouts[-1].copy(), solved(square, product, STAGES[stage].ridge)
            now[stage] = found if stage else louder(found, GAIN)
            readouts = np.append(readouts, [now], axis=0)
            played = np.append(played, [[*np.sum(each, axis=0), len(kinds)]], axis=0)
            rows = [
                {"phase": k + 1, "steps": int(steps), "score": 1 - int(lost) / int(times)}
                for k, (steps, (_, lost, times)) in enumerate(zip(np.cumsum(played[:, 0]), played, strict=True))
            ]
            run.save(dict(zip(new, (square, product, readouts, played), strict=True)), rows)
            progress(number + 1, len(rounds), f"the target was lost in {played[-1, 1]} of {len(kinds)} episodes")
    return make(drivers(readouts, len(STAGES) - 1, FINALLY_ADDED))


RECIPE = Taught(
    "event_tracker",
    "Pan-tilt head with an event camera: 6,656 CubaLIF see, 82 LIF feel the head's velocity.",
    WORLD,
    teach,
)
