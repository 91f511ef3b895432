"""The network of ``event_tracker.py``: a front end designed by hand, and two linear read-outs of its spikes.

Events, pooled to 32 x 32 cells, drive three layers of ON and OFF neurons with synaptic time constants of 190, 30 and 30
ms. Each layer is a leaky picture, in which the passing wall cancels and the target remains. Two slow votes silence the
polarity that the target does not have. `seen` counts the spikes of each column (for pan) and row (for tilt), and those
of fields of the joints' velocities. The read-outs are linear in these counts, filtered with five time constants.

``docs/gallery/pan_tilt.md`` says how much each part contributes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from pan_tilt import COMMANDS, TOPICS

from snn_control import Model
from snn_control.coding import MembraneDecoder, PoolEncoder, PopulationEncoder
from snn_control.controller_file import ControllerSpec
from snn_control.network import IF, LIF, CubaLIF, Relay
from snn_control.network.convolution import Convolution

DT, GRID, SIZE, LIMIT = 1e-3, 32, (128, 128), 6.0  # s; cells of a side; pixels; rad/s
SIDES = np.concatenate([np.eye(2), -np.eye(2)], axis=1)  # turns two axes into four rates >= 0
SIGN = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)  # sign of events for ON and OFF neurons
READOUTS = "command", "adding"  # populations that the two drive
COUNTER = IF(r=1 / DT, v_threshold=1.0, reset="subtract", v_min=0.0, several=True)


class Picture(NamedTuple):
    """A leaky picture: tau [s], threshold [events], and how much a spike of `busy_active` raises the threshold."""

    name: str
    tau: float
    threshold: float
    raised: float


@dataclass(frozen=True)
class Settings:
    """All numbers of the network. Times are in s, angles in rad; ``.._tau`` and ``.._lasts`` are time constants."""

    # the leaky pictures; in each, a common inhibition acts after each packet of spikes
    pictures: tuple[Picture, ...] = (
        Picture("slow", 0.19, 4.8, 0.08), Picture("fast", 0.03, 4.6, 0.38), Picture("edge", 0.03, 3.6, 0.55),
    )  # fmt: skip
    inhibition: float = 0.0545  # strength for each spike
    inhibition_tau: float = 0.025
    packet: int = 6  # spikes
    pulse: float = 0.02  # interval between spikes of `alert` and `calm`, which fire by themselves

    # `busy_active` fires if events come from everywhere: from so many cells within its time constant
    busy_cells: float = 18.0
    busy_tau: float = 0.05
    busy_lasts: float = 0.2  # how long it raises thresholds

    # `alert` lowers the thresholds of the slow picture by this share while little is seen. A packet takes
    # `alert_loses` pulses from it, a spike of `busy_active` `alert_loses_busy`; `alert_lowest` is the least it can have
    alert: float = 0.7
    alert_lasts: float = 0.1
    alert_loses: float = 0.3
    alert_loses_busy: float = 5.0
    alert_lowest: float = -20.0

    # the two votes: spikes for one vote, what it takes from the other polarity, and for how long. Coarse cells `spot`
    # with a threshold [events] trigger `doubt` if `doubt` more have the other polarity; it takes `doubted` votes
    votes: int = 20
    vote: float = 6.2
    vote_tau: float = 0.6
    spot: float = 60.0
    doubt: float = 50.0
    doubt_tau: float = 0.25
    doubted: float = 20.0

    # beyond these angles the target is lost: `stray` silences the read-outs, and `home` turns the head to the middle
    joint_range: tuple[float, float] = (1.15, 0.55)
    blind: float = 20.0
    blind_lasts: float = 0.08
    home_gain: float = 8.0  # 1/s
    home_rate: float = 0.4  # spikes per step and rad
    home_lasts: float = 0.12

    # `calm` silences the second read-out, unless it is silenced itself: by `busy_long` spikes of `busy_active` (one per
    # `busy_pace`), by `catch` packets of the fast picture, as while a target is caught, and in part by `stray`
    silence: float = 100.0
    silence_tau: float = 0.01
    busy_pace: float = 0.05
    busy_long: float = 10.0
    busy_long_tau: float = 1.0
    catch: float = 12.0
    catch_tau: float = 0.1
    search: float = 0.4
    search_tau: float = 0.4

    # the read-outs
    fields: int = 41  # fields of a joint's velocity
    filters: tuple[float, ...] = (0.0025, 0.008, 0.025, 0.08, 0.25)
    added_rate: float = 20.0  # spikes of `added` per step when it adds the limit
    command_tau: float = 0.005  # filter of the spikes of `home` and `added`

    @property
    def channels(self) -> int:
        """Number of counts of each axis: columns or rows of each picture, and the fields of the velocity."""
        return GRID * len(self.pictures) + self.fields

    @property
    def parts(self) -> tuple[int, ...]:
        """Number of odd functions of each picture, and of the velocity."""
        return (*[GRID // 2] * len(self.pictures), self.fields // 2)


def inhibit(m: Model, s: Settings, layer: str) -> None:
    """Add an inhibition that lets only the most strongly driven neurons of a layer fire."""
    m.population(f"{layer}_active", 1, IF(r=1 / DT, v_threshold=float(s.packet), reset="subtract"))
    m.connect(layer, f"{layer}_active", 1.0, delay=DT)
    m.connect(f"{layer}_active", layer, -s.inhibition * s.packet, tau_syn=s.inhibition_tau, delay=DT)


def busy(m: Model, s: Settings) -> None:
    """Add `busy_active`, driven by one cell of sixteen; and `calm`, which falls silent if that activity lasts."""
    m.population("busy", GRID**2 // 16, IF(r=1 / DT, v_threshold=1.0, v_min=0.0, refractory=0.05))
    m.connect("camera", "busy", np.ones((1, 1, 1, 1)), Convolution((1, GRID, GRID), stride=4))
    together = LIF(tau_mem=s.busy_tau, r=s.busy_tau / DT, integration="exponential_euler", reset="subtract")
    m.population("busy_active", 1, together)
    m.connect("busy", "busy_active", 1 / s.busy_cells, delay=DT)
    m.population("busy_paced", 1, IF(r=1 / DT, v_threshold=1.0, refractory=s.busy_pace))
    m.connect("busy_active", "busy_paced", 1.0, delay=DT)
    m.population("calm", 1, IF(r=1 / DT, v_threshold=1.0, v_min=0.0), bias=DT / s.pulse)
    m.connect("busy_paced", "calm", -DT / s.pulse / s.busy_long, tau_syn=s.busy_long_tau, delay=DT)


def leaky_pictures(m: Model, s: Settings, cell: CubaLIF) -> None:
    for picture in s.pictures:
        m.population(picture.name, 2 * GRID**2, replace(cell, tau_syn=picture.tau))
        m.connect("camera", picture.name, SIGN / picture.threshold, Convolution((1, GRID, GRID)))
        inhibit(m, s, picture.name)
        m.connect("busy_active", picture.name, -picture.raised, tau_syn=s.busy_lasts, delay=DT)


def alert(m: Model, s: Settings) -> None:
    """Add `alert`, which lowers the slow picture's thresholds while little is seen, as when the head follows well."""
    m.population("alert", 1, IF(r=1 / DT, v_threshold=1.0, v_min=s.alert_lowest), bias=DT / s.pulse)
    m.connect("slow_active", "alert", -s.alert_loses, delay=DT)
    m.connect("busy_active", "alert", -s.alert_loses_busy, delay=DT)
    m.connect("alert", "slow", s.alert * s.pulse / s.alert_lasts, tau_syn=s.alert_lasts, delay=DT)


def vote(m: Model, s: Settings, cell: CubaLIF) -> None:
    """Add the votes, which silence the neurons of `slow` and `fast` whose polarity is not the target's."""
    spots, cells = 2 * (GRID // 2) ** 2, np.arange(GRID**2)
    m.population("spot", spots, replace(cell, tau_syn=s.pictures[0].tau))
    m.connect("camera", "spot", np.tile(SIGN / s.spot, (3, 3)), Convolution((1, GRID, GRID), stride=2, padding=1))
    inhibit(m, s, "spot")
    doubting = LIF(
        tau_mem=s.doubt_tau, r=s.doubt_tau / DT, integration="exponential_euler", v_threshold=s.doubt, v_min=0.0
    )
    for k, polarity in enumerate(("on", "off")):
        same, other, only = cells + GRID**2 * k, cells + GRID**2 * (1 - k), 0 * cells
        name, doubt = f"vote_{polarity}", f"doubt_{polarity}"
        m.population(name, 1, IF(r=1 / DT, v_threshold=float(s.votes), reset="subtract", v_min=-s.doubted * s.votes))
        m.connect("slow", name, 1.0, "sparse", pre_index=same, post_index=only, delay=DT)
        m.population(doubt, 1, doubting)
        m.connect("spot", doubt, (2 * k - 1) * np.repeat([1.0, -1.0], spots // 2)[:, None], delay=DT)
        m.connect(doubt, name, -s.doubted * s.votes, delay=DT)
        weight = -s.vote * s.votes * -math.expm1(-DT / s.vote_tau)
        for layer in ("slow", "fast"):
            m.connect(name, layer, weight, "sparse", pre_index=only, post_index=other, tau_syn=s.vote_tau, delay=DT)


def find_again(m: Model, s: Settings) -> None:
    """Turn the head to the middle if a joint is further out than targets go. It sees nothing until it stands still."""
    m.population("stray", 4, LIF(tau_mem=0.005, refractory=0.02))
    m.connect("joint_position", "stray", SIDES / np.array(s.joint_range)[:, None])
    m.population("home", 4, COUNTER, bias=-1.0)
    m.connect("joint_position", "home", s.home_rate * SIDES)
    m.connect("stray", "home", 2.0, tau_syn=s.home_lasts)
    m.connect("stray", "calm", -s.search * DT / s.pulse, tau_syn=s.search_tau, delay=DT)
    m.population("turning", 2 * s.fields, COUNTER)
    m.connect("joint_velocity", "turning", 1.0, "one_to_one")
    for name in (*(picture.name for picture in s.pictures), "turning"):
        m.connect("stray", name, -s.blind, tau_syn=s.blind_lasts, delay=DT)


def counts(m: Model, s: Settings) -> None:
    """Add `seen`, the spikes per step in each column (even channels) and row (odd) of the pictures, and of fields."""
    m.population("seen", 2 * s.channels, Relay())
    _, row, column = (a.reshape(-1) for a in np.indices((2, GRID, GRID)))
    for k, picture in enumerate(s.pictures):
        channel = 2 * (GRID * k + np.stack([column, row], 1)) + np.arange(2)
        pre = np.repeat(np.arange(2 * GRID**2), 2)
        m.connect(picture.name, "seen", 1.0, "sparse", pre_index=pre, post_index=channel.reshape(-1))
    channel = 2 * (GRID * len(s.pictures) + np.arange(s.fields)) + np.arange(2)[:, None]
    pre = np.arange(2 * s.fields)
    m.connect("turning", "seen", 1.0, "sparse", pre_index=pre, post_index=channel.reshape(-1))


def make(readouts: np.ndarray, s: Settings = Settings(), size: tuple[int, int] = SIZE) -> ControllerSpec:
    """Return the controller with two read-outs, (2, filters, channels) [half limits per count], for a camera's size."""
    m = Model(dt=DT)
    m.events("camera", size, capacity=4096, stale=0.05, encoder=PoolEncoder((GRID, GRID), made_for=SIZE))
    turning = PopulationEncoder(s.fields, -6.5, 6.5, 0.45, 2.5, LIF(tau_mem=0.01, reset="subtract"))
    m.input("joint_velocity", 2, unit="rad/s", range=(-6.5, 6.5), plausible=(-20.0, 20.0), stale=0.02, encoder=turning)
    m.input("joint_position", 2, unit="rad", range=(-1.6, 1.6), plausible=(-3.0, 3.0), stale=0.02)
    cell = CubaLIF(tau_mem=2.5e-3, tau_syn=1.0, integration="exponential_euler", v_min=-1.0, refractory=2 * DT)
    busy(m, s)
    leaky_pictures(m, s, cell)
    m.connect("fast_active", "calm", -DT / s.pulse / s.catch, tau_syn=s.catch_tau, delay=DT)
    alert(m, s)
    vote(m, s, cell)
    find_again(m, s)
    counts(m, s)
    m.population("adding", 2, Relay())
    m.population("added", 4, COUNTER)
    m.connect("adding", "added", s.added_rate * SIDES)
    m.connect("calm", "added", -s.silence, tau_syn=s.silence_tau, delay=DT)
    m.population("command", 2, Relay())
    for name, gain in (("home", -s.home_gain / LIMIT / (2 * s.home_rate)), ("added", 1 / s.added_rate)):
        m.connect(name, "command", gain * -math.expm1(-DT / s.command_tau) * SIDES.T, tau_syn=s.command_tau)
    both = Convolution((s.channels, 2, 1))  # the same weights for each axis
    for driven, readout in zip(READOUTS, readouts, strict=True):
        for tau, weights in zip(s.filters, readout, strict=True):
            shared = (weights * -math.expm1(-DT / tau)).astype(np.float32)[None, :, None, None]
            m.connect("seen", driven, shared, both, tau_syn=tau)
    for axis, weight in zip(("pan", "tilt"), np.eye(2), strict=True):
        decoder = (MembraneDecoder("command", LIMIT * weight),)
        m.output(axis, decoder=decoder, unit="rad/s", limits=(-LIMIT, LIMIT))
    position = {"joint_position": replace(TOPICS["joint_velocity"], field="position[:]")}
    return replace(m.spec(), ros_inputs=TOPICS | position, ros_outputs=COMMANDS)
