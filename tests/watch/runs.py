"""A run that the tests of the live page watch: a small controller that fires, learns and is tunable, in Pendulum-v1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from snn_control import Controller
from snn_control.controller_file import parse_spec
from snn_control.record.run_folder import companion, write_record
from snn_control.watch.feed import Feed
from snn_control.watch.world import WorldRun

BIAS = "outputs.torque.bias"
WORLD = "Pendulum-v1"
FILE: dict[str, Any] = {
    "version": 1, "period": 0.02, "dt": 0.005,
    "inputs": {"state": {
        "kind": "value", "size": 3, "range": [-8, 8], "encoder": {"type": "population", "neurons": 8}}},
    "network": {
        "populations": {
            "hidden": {"size": 20, "neuron": {"type": "lif", "tau_mem": 0.02}, "bias": 0.9},
            "slow": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.05}},
        },
        "projections": [
            {"pre": "state", "post": "hidden", "weights": np.linspace(-0.6, 0.7, 480).reshape(24, 20).tolist()},
            {"pre": "hidden", "post": "hidden", "weights": 0.01, "delay": 0.005,
             "learning": {"type": "stdp", "a_plus": 0.002, "w_max": 0.02}},
            {"pre": "hidden", "post": "slow", "weights": 0.05},
        ],
    },
    "outputs": {"torque": {
        "decoder": {"type": "membrane", "from": "slow", "weights": [[1.0]]}, "unit": "N m", "limits": [-2, 2],
        "safe": 0.0, "bias": {"value": 0.0, "tunable": [-1, 1]}}},
}  # fmt: skip


def make() -> gymnasium.Env:
    return gymnasium.make(WORLD, max_episode_steps=10**6)


def world() -> WorldRun:
    spec = parse_spec(FILE)
    return WorldRun(Controller.from_spec(spec), spec, make, "pendulum")


def record(file: Path) -> None:
    """Write a record of 150 ticks, with a stop from tick 50 to 70 and a tuned number from tick 90 on."""
    spec = parse_spec(FILE)
    controller, env = Controller.from_spec(spec), make()
    feed = Feed(controller, spec)
    controller.observers.append(feed.observer)
    feed.watch(True)
    changes = {50: controller.stop, 70: controller.release, 90: lambda: controller.tune({BIAS: 0.5})}
    observation, _ = env.reset(seed=1)
    for tick in range(150):
        changes.get(tick, lambda: None)()
        observation, *_ = env.step(controller.act(observation, env.action_space))
    write_record(file, feed.activity.arrays(), {"title": "pendulum"})
    feed.inputs.save(companion(file, "inputs"))
    spec.save(companion(file, "controller"), "of a test")
