"""``snn_control new --env``: a file for any environment, whose controller plays it before it is trained."""

from __future__ import annotations

import importlib.util
import json
import re
import warnings

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces as S

from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.errors import DescriptionError
from snn_control.gym_adapter.spaces import check_action, check_observation
from snn_control.training.starting_point.file_text import starting_point
from tests.cli.common import call
from tests.training.test_observation_statistics import Wheel
from tests.worlds.odd import Odd

INF = np.inf
BOX2D = pytest.mark.skipif(importlib.util.find_spec("Box2D") is None, reason="needs gymnasium[box2d]")


def made(env, **more):
    """The text for an environment, and its specification."""
    text = starting_point(env, "a command", "--env X", **{"steps": 200, **more})
    return text, parse_spec(yaml.load(text, Loader))


def plays(env, steps=40):
    """The controller that was made for an environment, after an episode in it."""
    text, spec = made(env)
    assert max(map(len, text.splitlines())) <= 120
    controller = Controller.from_spec(spec)
    outputs = {name: (o.size, o.actions or None) for name, o in controller.outputs.items()}
    check_action(outputs, env.action_space)
    check_observation(controller.inputs, env.observation_space)
    observation, _ = env.reset(seed=1)
    for _ in range(steps):
        observation, _, over, cut, _ = env.step(controller.act(observation, env.action_space))
        if over or cut:
            break
    assert controller.counters()["guard"]["faults"] == 0
    return text, spec, controller


# environments ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("identity", "arguments"),
    [
        ("CartPole-v1", []),
        ("Pendulum-v1", ["--arg", "g=9.81"]),
        ("FrozenLake-v1", ["--arg", "is_slippery=false"]),
        ("sim_worlds:PanTiltTracking-v0", ["--arg", "duration=0.2"]),
        pytest.param("LunarLander-v3", ["--arg", "continuous=true"], marks=BOX2D),
    ],
)
def test_what_is_written_is_checked_and_run_as_it_is(tmp_path, capsys, identity, arguments):
    path, world = tmp_path / "mine.yaml", ["--env", identity, *arguments]
    code, out, err = call(capsys, "new", path, *world, "--steps", 300)
    assert code == 0
    assert re.fullmatch(r"(past observations are not read: the past leaves \d+% .*\n)?", err)
    shown = " ".join(world)
    assert f"snn_control train {path} {shown}\n" in out
    assert f"snn_control run {shown} {path}\n" in out
    assert path.read_text().startswith(f"# Made by: snn_control new {shown} --steps 300\n")
    code, out, err = call(capsys, "check", path, "--strict")
    assert (code, err) == (0, ""), out
    code, out, err = call(capsys, "run", *world, "--episodes", 1, "--steps", 20, "--alone", "--json", path)
    assert code == 0, err
    row = json.loads(out)["episodes"][0]
    assert (row["faults"], row["spikes_a_second"] > 0) == (0, True)


@pytest.mark.parametrize(
    ("identity", "arguments", "period"),
    [
        ("Acrobot-v1", {}, 0.2),
        ("MountainCar-v0", {}, 1 / 30),
        ("MountainCarContinuous-v0", {}, 1 / 30),
        ("CliffWalking-v1", {}, 0.25),
        ("Taxi-v4", {}, 0.25),
        ("Blackjack-v1", {}, 0.25),
        pytest.param("LunarLander-v3", {}, 0.02, marks=BOX2D),
        pytest.param("BipedalWalker-v3", {}, 0.02, marks=BOX2D),
    ],
)
def test_the_environments_of_gymnasium_are_played(identity, arguments, period):
    env = gymnasium.make(identity, **arguments)
    _, spec, _ = plays(env)
    env.close()
    assert spec.period == pytest.approx(period)
    assert spec.dt == pytest.approx(period / 4)


# observations ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("space", "sizes"),
    [
        (S.Box(-1, 1, (2, 3)), {"observation": 6}),
        (S.Box(-1, 1, ()), {"observation": 1}),
        (S.Box(0, 255, (4, 4), np.uint8), {"observation": 16}),
        (S.Box(0, 1, (3,), np.int8), {"observation": 3}),
        (S.Box(-(2**63), 2**63 - 1, (2,), np.int64), {"observation": 2}),
        (S.Box(-INF, INF, (3,)), {"observation": 3}),
        (S.Box(np.array([0, -INF]), np.array([INF, 1]), dtype=np.float64), {"observation": 2}),
        (S.Box(3, 3, (1,)), {"observation": 1}),
        (S.Box(-1, 1, (1024,)), {"observation": 1024}),
        (S.Discrete(5), {"observation": 1}),
        (S.Discrete(1), {"observation": 1}),
        (S.Discrete(4, start=-2), {"observation": 1}),
        (S.Discrete(5000), {"observation": 1}),
        (S.MultiDiscrete([2, 5, 3]), {"observation": 3}),
        (S.MultiDiscrete([[2, 5], [3, 900]]), {"observation": 4}),
        (S.MultiBinary([2, 3]), {"observation": 6}),
        (S.Dict({"a": S.Box(-1, 1, (2, 2)), "b": S.Discrete(3), "c_1": S.MultiBinary(2)}), {"a": 4, "b": 1, "c_1": 2}),
        (S.Dict({"x": S.Box(-1, 1, (2,)), "x_count": S.Box(0, 9, (1,))}), {"x": 2, "x_count": 1}),
        (S.Dict({k: S.Box(-1, 1, (1,)) for k in ("hidden_1", "readout", "action")}),
         {"hidden_1": 1, "readout": 1, "action": 1}),
    ],
)  # fmt: skip
def test_every_common_observation_is_an_input(space, sizes):
    text, spec, controller = plays(Odd(observation=space))
    assert {one.name: one.size for one in spec.inputs} == dict(sorted(sizes.items()))
    counted = controller.counters()["inputs"]
    assert all(one["clamped"] == 0 for one in counted.values()), "the space's own numbers are within the ranges"
    assert text.count("seed: ") == len(sizes) + 2


def test_a_discrete_observation_has_a_field_for_each_value():
    _, _, controller = plays(Odd(observation=S.Discrete(4, start=-2)))
    for value in (-2, 0, 1):
        controller.predict(value)
        drive = controller.bound.array("observation.drive")
        assert np.argmax(drive) == value + 2
        assert drive.max() == 1
        assert np.sort(drive)[-2] < 0.05
    _, _, controller = plays(Odd(observation=S.MultiDiscrete([2, 5, 3])))
    controller.predict(np.array([1, 4, 0]))
    assert controller.bound.array("observation.drive").reshape(3, 5).argmax(1).tolist() == [1, 4, 0]


def test_the_file_says_whose_a_range_is():
    text, spec = made(Wheel())
    assert "# range: measured, the space has no bounds, or far wider bounds\n" in text
    assert "200 steps with random actions and 200 with constant actions" in text
    assert "not_finite: high # some numbers were not finite" in text
    assert "it does not state this time" in text
    (low, high), x = spec.inputs[0].range, spec.inputs[0]
    assert np.isfinite([low, high]).all()
    assert x.rules() == ("high",) * 5
    controller = Controller.from_spec(spec)
    controller.predict(np.array([0, 0, np.nan, INF, 0]))
    assert not controller.safe
    text, _ = made(gymnasium.make("Pendulum-v1"))
    assert "# range: from the space\n" in text
    assert "measured" not in text
    text, _ = made(Odd(observation=S.Dict({"image": S.Box(0, 255, (4, 4, 3), np.uint8)})))
    assert "    range: [0, 255]\n" in text
    assert "measured" not in text
    text, _ = made(gymnasium.make("CartPole-v1"), steps=1000)
    assert "measured, the space has no bounds, or far wider bounds" in text
    assert "its `tau`" in text


def test_a_seed_repeats_the_file_and_another_draws_other_weights():
    env = gymnasium.make("CartPole-v1")
    text, spec = made(env, seed=2)
    assert made(env, seed=2)[0] == text
    _, other = made(env, seed=3)
    weights = [one.network.projections[0].weights.sample((32, 64)) for one in (spec, other)]
    assert (weights[0] != weights[1]).all()


def test_the_network_is_alive_and_its_outputs_begin_near_the_middle():
    for env in (gymnasium.make("Pendulum-v1"), gymnasium.make("CartPole-v1"), gymnasium.make("Taxi-v4")):
        _, _, controller = plays(env, 60)
        ticks = controller.counters()["ticks"]
        for name in ("hidden_1", "hidden_2"):
            rate = controller.counters()["spikes"][name] / (64 * 4 * ticks)  # a neuron and step
            assert 0.03 < rate < 0.5, (name, rate)
        head = next(
            controller.bound.array(key) for key in ("action.sum", "action.scores") if key in controller.program.names
        )
        assert 0 < np.abs(head).max() < 0.5


# actions -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "space",
    [
        S.Box(-2, 2, (1,)),
        S.Box(0, 1, (2, 2)),
        S.Box(np.array([1, -3], np.float32), np.array([2, -2], np.float32)),
        S.Box(-0.7, 0.1, (1,), np.float64),
        S.Box(-0.7, 0.1, (2,), np.float16),
        S.Box(-3, 9, (2,), np.int32),
        S.Box(-INF, INF, (2,)),
        S.Box(np.array([0, -INF]), np.array([INF, -3]), dtype=np.float64),
        S.Box(-1, 1, (20,)),
        S.Discrete(4),
        S.Discrete(18),
        S.Discrete(3, start=-7),
        S.MultiDiscrete([3, 2]),
        S.MultiDiscrete([3, 2], start=[5, -1]),
        S.MultiBinary(3),
        S.MultiBinary([2, 2]),
    ],
)
def test_every_common_action_is_given(space):
    text, spec, _ = plays(Odd(action=space))
    if not isinstance(space, S.Box):
        assert "argmax" in text
        return
    (output,) = spec.outputs
    assert output.squash
    low, high = (np.broadcast_to(side, output.size).reshape(space.shape) for side in output.limits)
    bounded = np.isfinite(space.low) & np.isfinite(space.high)
    assert np.allclose(low[bounded], space.low[bounded])
    assert np.allclose(high[bounded], space.high[bounded])
    assert (np.isfinite([low, high])).all()
    assert ("the space has no bounds: write those of the task" in text) == (not bounded.all())


def test_one_arg_max_for_each_choice():
    _, spec, controller = plays(Odd(action=S.MultiDiscrete([3, 2])))
    assert [(o.name, o.decoder.actions) for o in spec.outputs] == [("action_0", 3), ("action_1", 2)]
    assert [p.name for p in spec.network.populations[2:]] == ["readout_0", "readout_1"]
    action = controller.predict(np.array([0.2]))[0]
    assert (action.dtype, action.shape) == (np.int64, (2,))


# what cannot be ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spaces", "says"),
    [
        ({"observation": S.Graph(S.Discrete(2), None)},
         "): must be a Box, Discrete, MultiDiscrete or MultiBinary, or a Dict of these; register one that is wrapped"),
        ({"observation": S.Text(3)}, "observation_space = Text(1, 3, charset="),
        ({"observation": S.Dict({"a": S.Dict({"b": S.Text(2)})})},
         "observation_space['a_b'] = Text(1, 2, charset="),
        ({"observation": S.Sequence(S.Discrete(2))}, "; register one that is wrapped in gymnasium.wrappers.Tr"),
        ({"observation": S.Dict({})}, "observation_space = Dict(): must have at least one number"),
        ({"observation": S.Box(0, 1, (0,))}, "must have at least one number"),
        ({"observation": S.Box(0, 255, (84, 84, 3), np.uint8)},
         "must be at most 1,024 numbers, and has 21,168; register one that is wrapped in "
         "gymnasium.wrappers.GrayscaleObservation and ResizeObservation, to (32, 32) or less; or let it see numbers"),
        ({"observation": S.Box(-1, 1, (1025,))}, "1,025; register one that is wrapped in gymnasium.wrappers.Transform"),
        ({"observation": S.Dict({"c": S.Box(-INF, INF, (9, 4)), "c_count": S.Box(0, 9, (1,), np.int64)})},
         "must have bounds that give the camera's numbers of columns and rows; 'snn_control new FILE --events"),
        ({"action": S.Dict({"a": S.Discrete(2)})}, "action_space = Dict('a': Discrete(2)): must be a Box"),
        ({"action": S.MultiDiscrete([3, 1])}, "must be choices among 2 actions or more"),
        ({"action": S.Discrete(513)}, "at most 512 in all"),
        ({"action": S.Box(0, 9, (513,))}, "must be 1 to 512 numbers"),
        ({"action": S.Box(1, 1, (2,))}, "must have low < high"),
    ],
)  # fmt: skip
def test_spaces_that_no_controller_can_have_are_named_with_a_fix(spaces, says):
    with pytest.raises(DescriptionError) as caught:
        made(Odd(**spaces))
    assert says in str(caught.value)


def test_mistakes_on_the_command_line_are_one_line_and_write_nothing(tmp_path, capsys, monkeypatch):
    path, usual = tmp_path / "mine.yaml", Odd.__init__
    monkeypatch.setattr(Odd, "__init__", lambda self: usual(self, at=0, what="refuse"))
    there = tmp_path / "there.yaml"
    there.write_text("precious")
    for arguments, says in (
        ([path, "--env", "Nowhere-v0"], "--env = 'Nowhere-v0': cannot be made"),
        ([path, "--env", "CartPole-v1", "--arg", "colour=red"], "cannot be made"),
        ([path, "--env", "CartPole-v1", "--events", "64x64"], "not allowed with argument"),
        ([path, "--env", "CartPole-v1", "--steps", "0"], "must be at least 1"),
        ([path, "--arg", "g=1"], "--arg = ['g=1']: requires --env"),
        ([path, "--seed", "0"], "--seed = 0: requires --env"),
        ([path, "--env", "tests.worlds:Odd-v0"], "'tests.worlds:Odd-v0': cannot be played: Dependency"),
        ([there, "--env", "CartPole-v1"], "exists already; choose another name"),
        ([tmp_path / "no" / "mine.yaml", "--env", "CartPole-v1", "--steps", "1"], "cannot be written"),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code, out, err = call(capsys, "new", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert says in err
    assert there.read_text() == "precious"
    assert [file.name for file in tmp_path.iterdir()] == ["there.yaml"]


def test_without_a_file_it_is_printed(capsys):
    code, out, _ = call(capsys, "new", "--env", "FrozenLake-v1")
    assert code == 0
    assert parse_spec(yaml.load(out, Loader)).inputs[0].encoder.neurons == 16
