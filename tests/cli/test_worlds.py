"""``snn_control worlds``: what ships, and what belongs to each."""

from __future__ import annotations

import json

import gymnasium
import pytest

from sim_worlds import WORLDS
from snn_control.cli import worlds
from snn_control.controller import Controller
from snn_control.resources import shipped
from tests.cli.common import call


def test_each_world_is_listed_with_its_title_and_a_controller_that_ships(capsys):
    code, out, _ = call(capsys, "worlds", "--json")
    assert code == 0
    found = json.loads(out)
    assert list(found) == [f"sim_worlds:{name}" for name in WORLDS]
    _, text, _ = call(capsys, "worlds")
    for name, one in found.items():
        assert f"{name}\n    {one['title']}; " in text
        if one["controller"]:
            assert shipped(one["controller"]).is_file()
            assert one["wanted"] in text
            assert one["baselines"]


@pytest.mark.parametrize("prefix", ["", "sim_worlds:"])
def test_more_of_one_world_is_what_its_class_says(capsys, prefix):
    code, out, _ = call(capsys, "worlds", f"{prefix}ArmUnknownLoad-v0")
    assert code == 0
    run = "snn_control run --env sim_worlds:ArmUnknownLoad-v0 arm"
    for told in ("Follow a path of joint angles", "scored_from", run, "made by: snn_control train arm"):
        assert told in out
    told = json.loads(call(capsys, "worlds", "ArmUnknownLoad-v0", "--json")[1])
    assert told["arguments"] == {"load": None, "duration": 50.0, "scored_from": 40.0}
    assert told["made_by"] == ["snn_control train arm --generations 0"]


def test_the_settings_that_are_measured_are_given_as_a_shell_takes_them(capsys):
    out = call(capsys, "worlds", "LineFollowing-v0")[1]
    assert "--arg randomize=1.0 --arg contrast=null" in out
    assert worlds._arg("height", [2.0, 4.0]) == "--arg 'height=[2.0, 4.0]'"
    assert worlds._arg("camera", "noisy") == "--arg camera=noisy"


STARTS = {name: start for name in WORLDS if (start := getattr(worlds.world_class(name), "start_file", lambda: None)())}


@pytest.mark.parametrize("name", STARTS)
def test_new_writes_the_file_that_a_world_brings_and_it_fits(tmp_path, capsys, name):
    file = tmp_path / "my.yaml"
    assert call(capsys, "new", str(file), "--env", f"sim_worlds:{name}")[0] == 0
    assert file.read_text() == STARTS[name].read_text()
    env = gymnasium.make(f"sim_worlds:{name}", disable_env_checker=True)
    action = Controller.load(file).act(env.reset(seed=1)[0], env.action_space)
    assert env.action_space.contains(action)
    env.close()


def test_measured_like_any_other_if_it_is_asked_for(tmp_path, capsys):
    assert "CartPoleSwingUp-v0" in STARTS
    code, out, _ = call(capsys, "new", "--env", "sim_worlds:CartPoleSwingUp-v0", "--steps", "50")
    assert code == 0
    assert out != STARTS["CartPoleSwingUp-v0"].read_text()
    assert "--steps 50" in out


def test_a_world_may_be_named_without_its_package(tmp_path, capsys):
    file = tmp_path / "my.yaml"
    assert call(capsys, "new", str(file), "--env", "CartPoleSwingUp-v0")[0] == 0
    assert file.read_text() == STARTS["CartPoleSwingUp-v0"].read_text()
    code, out, _ = call(
        capsys, "run", "--env", "CartPoleSwingUp-v0", "--episodes", "1", "--steps", "5", "--json", "swing_up"
    )
    assert code == 0
    assert json.loads(out)["environment"] == "sim_worlds:CartPoleSwingUp-v0"


def test_an_unknown_world_is_answered_with_the_nearest(capsys):
    code, _, err = call(capsys, "worlds", "ArmUnknownLoad")
    assert code == 2
    assert "ArmUnknownLoad-v0" in err
