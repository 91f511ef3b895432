"""A trained controller runs the same over DDS: nodes in lockstep and a loop in this process give the same bits."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
import yaml

from benchmarks.parity import ROUTES, Route, starting_file, trained_by
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.record.run_folder import read_record
from tests.ros.robot import write

SEED = 7
ARM, BRIEF = "sim_worlds:ArmUnknownLoad-v0", {"duration": 0.3, "scored_from": 0.1}
FLOATS = "std_msgs/msg/Float64MultiArray"


def trained(how, folder):
    return trained_by(ROUTES[how], folder, phases=2)[1]


def untrained(env, folder):
    return starting_file(Route("", env, {}), folder).save(folder / "new.yaml")


CASES = {
    "argmax": ("CartPole-v1", lambda folder: trained("ppo", folder)),
    "squashed": ("Pendulum-v1", lambda folder: trained("sac", folder)),
    "several argmax": ("tests.worlds:Switches-v0", lambda folder: untrained("tests.worlds:Switches-v0", folder)),
    "learning on line": (ARM, lambda folder: trained("adapt", folder)),
    "whole numbers": ("tests.worlds:Levels-v0", lambda folder: untrained("tests.worlds:Levels-v0", folder)),
}


def with_topics(file):
    """The controller file with a topic for each input and output."""
    values, spec = yaml.safe_load(file.read_text()), load_spec(file)
    values["ros"] = {
        kind: {one.name: {"topic": one.name, "type": FLOATS, "field": "data[:]"} for one in ends}
        for kind, ends in (("inputs", spec.inputs), ("outputs", spec.outputs))
    }
    return write(file.parent, values, "topics.yaml")


def in_process(file, env, arguments):
    """Actions, rewards and, where it is one array, observations of an episode."""
    controller, world, over = Controller.load(file), gymnasium.make(env, disable_env_checker=True, **arguments), False
    (observation, _), rows = world.reset(seed=SEED), []
    while not over:
        action = controller.act(observation, world.action_space)
        observation, reward, terminated, truncated, _ = world.step(action)
        rows.append((action, reward, [] if isinstance(observation, dict) else observation))
        over = terminated or truncated
    return (np.array(column, np.float64) for column in zip(*rows, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_lockstep_gives_the_return_of_a_loop_in_process_to_the_bit(tmp_path, start, case):
    env, make = CASES[case]
    file = with_topics(make(tmp_path))
    record, period = tmp_path / "world.npz", load_spec(file).period
    arguments, given = BRIEF if env == ARM else {}, {"controller_file": str(file), "mode": "lockstep"}
    more = {"arguments": json.dumps(arguments), "record": str(record)}
    world = start("world_node", world=env, seed=SEED, episodes=1, step=period, **given, **more)
    controller = start("controller_node", **given)
    assert world.wait() == 0, world.text
    assert controller.end() == 0
    found, facts = read_record(record)
    action, reward, observation = in_process(file, env, arguments)
    assert facts["episodes"] == 1
    assert len(np.unique(action, axis=0)) > 1
    np.testing.assert_array_equal(found["action"], action)
    np.testing.assert_array_equal(found["reward"], reward)
    if observation.size:
        np.testing.assert_array_equal(found["observation"], observation)
    assert found["ends"].tolist() == [len(reward)]
