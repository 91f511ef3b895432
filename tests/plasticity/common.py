"""Small controllers whose spikes are given by a test."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from snn_control.coding import LinearEncoder, Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import (
    LIF,
    PES,
    STDP,
    EProp,
    LearningRule,
    Network,
    Population,
    Projection,
    Relay,
    RewardSTDP,
    Threshold,
)

DT = 1e-3


def given_spikes(name: str, n: int) -> ValueInput:
    """An input whose neuron k fires in each step in which its number k is 1."""
    return ValueInput(name, size=n, encoder=LinearEncoder(np.eye(n), neuron=Threshold(0.5)))


def pair(rule: LearningRule | None, n: int, m: int, weights: Any = 0.0, neuron: Any = None, **more: Any) -> Controller:
    """``pre`` (n) -> ``post`` (m): both fire as `step` says, post whatever its weights are.

    more : of the projection; ``reward`` is a graded input of one number, ``error`` one of m
    """
    network = Network(
        (Population("post", m, neuron or Threshold(1e3)), Population("error", m, Relay())),
        (
            Projection("pre", "post", weights, learning=rule, receptor="current", **more),
            Projection("fire", "post", 1e4 * np.eye(m)),
            Projection("wrong", "error", np.eye(m)),
        ),
    )
    inputs = [given_spikes("pre", n), *(ValueInput(k, size=s) for k, s in (("fire", m), ("wrong", m), ("reward", 1)))]
    output = Output("u", (SpikeDecoder("post", 1.0, 0.01),))
    return Controller(build(network, inputs, [output], dt=DT, period=DT))


def step(one: Controller, pre: Any = (), post: Any = (), reward: float = 0.0, error: Any = 0.0) -> None:
    """One step in which the neurons ``pre`` and ``post`` (indices) fire."""
    n, m = (one.program.names[name].shape[0] for name in ("pre.v", "fire.held"))
    fired, made = np.zeros(n), np.zeros(m)
    fired[list(pre)], made[list(post)] = 1, 1
    one.step({"pre": fired, "fire": made, "wrong": np.broadcast_to(error, m), "reward": reward})


def matrix(one: Controller, n: int, m: int) -> np.ndarray:
    """(n, m) float64: the weights, whatever the connection."""
    found = one.weights("pre", "post")
    if isinstance(found, np.ndarray):
        return found.astype(np.float64)
    dense = np.zeros((n, m))
    np.add.at(dense, found[:2], found[2])
    return dense


def sparse(n: int, m: int, seed: int = 0, share: float = 0.6) -> dict[str, Any]:
    """A sparse connection without double synapses, in random order."""
    rng = np.random.default_rng(seed)
    where = rng.permutation(np.argwhere(rng.random((n, m)) < share))
    return {"connection": "sparse", "pre_index": where[:, 0], "post_index": where[:, 1]}


WIDE = {"w_min": -5.0, "w_max": 5.0}
RULES = {
    "stdp": STDP(a_plus=0.1, a_minus=0.12, **WIDE),
    "reward_stdp": RewardSTDP(reward="reward", a_plus=0.1, a_minus=0.12, learning_rate=20.0, **WIDE),
    "pes": PES(error="error", learning_rate=1e-3, **WIDE),
    "eprop": EProp(error="error", feedback=0.5, learning_rate=1e5, **WIDE),
}
CASES = [(name, kind) for name in RULES for kind in ("dense", "sparse") if kind == "dense" or "stdp" in name]
NEURON = LIF(reset="subtract", v_threshold=400.0)  # `fire` brings it there, what else arrives does not


def made(name: str, kind: str = "dense", rule: bool = True, **changes: Any) -> Controller:
    """6 neurons -> 4, random weights, a delay of two steps."""
    more = sparse(6, 4) if kind == "sparse" else {}
    weights = np.random.default_rng(5).normal(size=(6, 4) if kind == "dense" else more["pre_index"].shape)
    found = dataclasses.replace(RULES[name], **changes) if rule else None
    return pair(found, 6, 4, weights, NEURON, delay=2 * DT, **more)


def drive(one: Controller, steps: int, seed: int = 0) -> np.ndarray:
    """Random spikes, rewards and errors; (steps, 4) membranes."""
    rng, commands = np.random.default_rng(seed), []
    for _ in range(steps):
        fired = [np.flatnonzero(rng.random(n) < 0.2) for n in (6, 4)]
        step(one, *fired, rng.normal(), rng.normal(size=4))
        commands.append(one.bound.array("post.v").copy())
    return np.array(commands)
