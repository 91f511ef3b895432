"""Each world that ships moves over DDS, with its controller and the message types of such a robot, as in Gymnasium."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

from sim_worlds import WORLDS
from snn_control.cli.worlds import world_class
from snn_control.controller import Controller
from snn_control.record.run_folder import read_record
from snn_control.resources import shipped
from snn_control.training.environments.play_episode import episode

STEPS, SEED = 60, 5
PATIENCE = 240.0  # s: the world of the quadruped takes a minute where all processors are busy
CONTROLLED = {name: one for name in WORLDS if (one := world_class(name).metadata.get("controller"))}


@pytest.mark.parametrize("name", CONTROLLED)
def test_lockstep_gives_the_return_of_gymnasium_to_the_bit(tmp_path, start, name):
    world_id, controller_file = f"sim_worlds:{name}", str(shipped(CONTROLLED[name]))
    arguments = {"duration": STEPS / world_class(name).metadata["render_fps"]}
    if "scored_from" in dict(world_class(name).__init__.__annotations__):
        arguments["scored_from"] = 0.0
    record, given = tmp_path / "world.npz", {"controller_file": controller_file, "mode": "lockstep"}
    more = {"arguments": json.dumps(arguments), "record": str(record), "patience": PATIENCE}
    world = start("world_node", world=world_id, seed=SEED, episodes=1, **given, **more)
    controller = start("controller_node", **given)
    assert world.wait(PATIENCE) == 0, world.text
    assert controller.end() == 0
    found, _ = read_record(record)
    env = gymnasium.make(world_id, disable_env_checker=True, **arguments)
    rewards, info = episode(env, Controller.load(controller_file), SEED)
    np.testing.assert_array_equal(found["reward"], rewards)
    assert len(rewards) > 10
    assert len(np.unique(found["action"], axis=0)) > 1
    for score, value in info.get("score", {}).items():
        assert found[f"score.{score}"] == [value]
