"""What a controller sees in an environment that it acts in, and what `check` then reports."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from snn_control.analysis.diagnosis import diagnose
from snn_control.analysis.probe import probe
from snn_control.analysis.stimulus import closed_loop
from snn_control.controller import Controller, build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.resources import shipped

gymnasium = pytest.importorskip("gymnasium")


class Ring(gymnasium.Env):
    """A place on a ring of events and numbers that the action moves; episodes of ten steps."""

    observation_space = gymnasium.spaces.Dict({
        "x": gymnasium.spaces.Box(-9, 9, (1,)),
        "camera": gymnasium.spaces.Box(-np.inf, np.inf, (50, 4)),
        "camera_count": gymnasium.spaces.Box(0, 50, (1,)),
    })  # fmt: skip
    action_space = gymnasium.spaces.Box(-9, 9, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps, self.acted = self.np_random.uniform(), 0, getattr(self, "acted", [])
        return self.seen(), {}

    def seen(self):
        events, n = np.full((50, 4), np.nan), int(self.np_random.integers(0, 20))
        t = np.sort(self.np_random.uniform(0, 2e-3, n))
        events[:n] = np.stack([t, *self.np_random.integers(0, 8, (2, n)), self.np_random.integers(0, 2, n)], 1)
        return {"x": np.array([self.place]), "camera": events, "camera_count": np.array([n])}

    def step(self, action):
        self.acted.append(float(action[0]))
        self.place, self.steps = np.sin(self.place + 0.3 + action[0]), self.steps + 1
        return self.seen(), 0.0, self.steps == 10, False, {}


BOTH = """
version: 1
period: 0.002
dt: 0.001
repeat: 2
inputs:
  x: {kind: value, size: 1, range: [-1, 1]}
  camera: {kind: events, size: [8, 8], encoder: {type: pool, grid: [2, 2], tau: 0.01}}
network:
  populations: {a: {size: 3, neuron: {type: lif, tau_mem: 0.01}, bias: [0.9, 1.0, 1.1]}}
  projections:
  - {pre: x, post: a, weights: [[0.5, -0.5, 1.0]]}
  - {pre: camera, post: a, weights: [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.0, -0.1, 0.0], [0.1, 0.0, 0.1]]}
outputs:
  y: {decoder: {type: linear, from: a, tau: 0.01, weights: [0.002, -0.002, 0.001]}}
"""


def test_one_episode_may_be_all_of_it_and_looked_at_before_each_step():
    spec, env, seen = parse_spec(yaml.safe_load(BOTH)), Ring(), []
    controller = Controller.from_spec(spec)
    stimulus = closed_loop(
        env, controller, "Ring", 50, seed=4, most_episodes=1, before_step=lambda: seen.append(env.steps)
    )
    assert seen == list(range(10))
    assert stimulus.ticks == 20  # two a step
    assert stimulus.text == "Ring, seed 4, 1 episode"


def test_shown_again_it_gives_the_commands_that_acted():
    spec, env = parse_spec(yaml.safe_load(BOTH)), Ring()
    stimulus = closed_loop(env, Controller.from_spec(spec), "Ring", 50, seed=4)
    assert (stimulus.ticks, stimulus.synthetic) == (50, False)
    assert stimulus.text == "Ring, seed 4, 3 episodes"
    commands = probe(build_program(spec), stimulus).command[1::2, 0]  # two ticks per step
    assert np.array_equal(commands.astype(np.float32), np.array(env.acted, np.float32))
    assert len(set(env.acted)) > 20


@pytest.mark.parametrize("seed", [0, 1])
def test_the_shipped_cartpole_is_not_accused_where_it_acts(seed):
    spec = load_spec(shipped("cartpole"))
    with gymnasium.make("CartPole-v1") as env:
        stimulus = closed_loop(env, Controller.from_spec(spec), "CartPole-v1", 500, seed)
    health = diagnose(spec, probe(build_program(spec), stimulus))
    assert health.populations[0].silent > 5  # places that it never was at
    assert health.outputs[0].span == (0, 1)
    assert health.warnings() == []


def test_the_shipped_pan_tilt_is_accused_of_nothing_but_its_swings_where_it_acts():
    pytest.importorskip("pybullet")
    spec = load_spec(shipped("pan_tilt"))
    with gymnasium.make("sim_worlds:PanTiltTracking-v0") as env:
        stimulus = closed_loop(env, Controller.from_spec(spec), "pan_tilt", 800)
    health = diagnose(spec, probe(build_program(spec), stimulus))
    image = next(p for p in health.populations if p.where.endswith("image"))
    assert image.silent > 500
    assert image.dead == 0
    assert all(o.swings_hz > 10 and o.swing > 3 for o in health.outputs)
    assert [(one.path, one.text.partition(": ")[0]) for one in health.warnings()] == [
        ("outputs.pan", "chatters"), ("outputs.tilt", "chatters"),
    ]  # fmt: skip


def test_a_pendulum_without_a_head_is_accused_of_all_that_is_wrong_with_it():
    """Twenty times the same neuron, a torque of one sign only, and so large that it is always at its limit."""
    x = {"kind": "value", "size": 3, "range": [[-1, -1, -0.5], [1, 1, 0.5]], "plausible": [-50, 50]}
    x["encoder"] = {"type": "population", "neurons": 7, "neuron": {"type": "lif"}}
    sign = {"from": "hidden", "type": "linear", "tau": 0.004, "weights": 0.02}
    values = {
        "version": 1, "period": 0.05, "dt": 0.005, "inputs": {"x": x},
        "network": {
            "populations": {"hidden": {"size": 20, "neuron": {"type": "lif", "tau_mem": 0.02}}},
            "projections": [{"pre": "x", "post": "hidden", "weights": 2.0}],
        },
        "outputs": {"torque": {"limits": [-2, 2], "decoder": sign}},
    }  # fmt: skip
    spec = parse_spec(values)
    with gymnasium.make("Pendulum-v1") as env:
        stimulus = closed_loop(env, Controller.from_spec(spec), "Pendulum-v1", 300)
    lines = [str(one) for one in diagnose(spec, probe(build_program(spec), stimulus)).warnings()]
    for says in (
        "hidden: 20 of its 20 neurons are identical",
        "torque: can only be >= 0, though its limits are [-2, 2]",
        "x[2]: beyond its range [-0.5, 0.5] in ",
        "torque: at its limit of 2 in ",
    ):
        assert sum(says in line for line in lines) == 1, (says, lines)
