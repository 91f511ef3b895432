"""Observations with parts in parts, or with keys that are no names, are given by name."""

import warnings

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces as S

from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.errors import DescriptionError, InputError
from snn_control.gym_adapter.flat import flat_environment, flattened, unflattened
from snn_control.training import train
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.starting_point.file_text import starting_point
from tests.cli.common import call
from tests.training.test_starting_point import made
from tests.worlds.odd import Odd

NESTED = S.Dict(
    {
        "arm": S.Dict(
            {"joint pos": S.Box(-1, 1, (2,)), "camera": S.Box(0, 7, (9, 4)), "camera_count": S.Box(0, 9, (1,))}
        ),
        "goal": S.Tuple((S.Box(-1, 1, (2,)), S.Discrete(3))),
        "2nd": S.Discrete(4),
        "said": S.Text(5),
    }
)
NAMES = ["arm_joint_pos", "arm_camera", "arm_camera_count", "goal_0", "goal_1", "observation_2nd", "said"]

gymnasium.register("Nested-v0", lambda: Odd(observation=NESTED), max_episode_steps=20)


def test_parts_in_parts_have_the_names_of_their_keys():
    env = flat_environment(Odd(observation=NESTED))
    observation, _ = env.reset(seed=3)
    env.unwrapped.observation_space.seed(4)
    assert sorted(observation) == sorted(env.observation_space.spaces) == sorted(NAMES)
    assert env.observation_space.contains(observation)
    assert env.observation_space["goal_1"] == S.Discrete(3)
    assert flat_environment(env) is env


@pytest.mark.parametrize(
    "space",
    [S.Box(-1, 1, (2,)), S.Dict({"a": S.Box(-1, 1), "b_2": S.Text(3)}), S.Tuple([S.Discrete(2)] * 2), S.Discrete(3)],
)
def test_an_environment_that_needs_no_names_is_not_wrapped(space):
    env = Odd(observation=space)
    assert flat_environment(env) is env


def test_a_tuple_of_various_parts_has_an_input_for_each():
    env = flat_environment(Odd(observation=S.Tuple((S.Discrete(3), S.MultiBinary(2)))))
    assert list(env.reset(seed=1)[0]) == ["observation_0", "observation_1"]


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(DescriptionError, match="which would both be called a_b"):
        flat_environment(Odd(observation=S.Dict({"a b": S.Discrete(2), "a": S.Dict({"b": S.Discrete(2)})})))


def test_a_controller_takes_what_the_environment_itself_gives():
    _, spec = made(Odd(observation=S.Dict({"arm": S.Dict({"joint pos": S.Box(-1, 1, (2,))}), "x": S.Box(-1, 1, (1,))})))
    raw, flat = Controller.from_spec(spec), Controller.from_spec(spec)
    nested = {"arm": {"joint pos": np.array([0.3, -0.9])}, "x": np.array([0.5])}
    for _ in range(20):
        assert raw.predict(nested)[0].tobytes() == flat.predict(flattened(nested))[0].tobytes()
    assert raw.state().tobytes() == flat.state().tobytes()
    with pytest.raises(InputError, match="no 'arm_joint_pos'"):
        raw.predict({"x": np.array([0.5])})


@pytest.mark.parametrize(
    "parts",
    [(S.Box(-1, 1, (2,)), S.Discrete(3)), (S.Box(-1, 1, (2,)),) * 2, (S.MultiBinary(3),) * 2, (S.Discrete(2),) * 3],
)
@pytest.mark.parametrize("key", [None, "both"])
def test_a_tuple_is_seen_whole_and_taken_as_it_is(parts, key):
    space = S.Tuple(parts) if key is None else S.Dict({key: S.Tuple(parts)})
    text, spec = made(Odd(observation=space))
    assert "not seen" not in text
    assert sum(one.size for one in spec.inputs) == sum(int(np.prod(part.shape)) for part in parts)
    raw, env = Controller.from_spec(spec), flat_environment(Odd(observation=space))
    flat, (given, _) = Controller.from_spec(spec), env.reset(seed=1)
    own = unflattened(env, given)
    assert space.contains(own)
    assert raw.predict(own)[0].tobytes() == flat.predict(given)[0].tobytes()


def test_a_part_that_has_the_name_itself_is_the_one():
    _, spec = made(Odd(observation=S.Dict({"a_b": S.Box(-1, 1, (1,))})))
    one = Controller.from_spec(spec)
    one.predict({"a_b": np.array([0.5]), "a": {"b": np.array([-0.5])}})
    assert flattened({"a_b": 1, "a": {"b": 2}}) == {"a_b": 1, "a": {"b": 2}}


@pytest.mark.usefixtures("few_episodes", "few_windows")
def test_a_teacher_sees_what_the_environment_gives(tmp_path):
    seen = []

    def teacher(observation):
        seen.append(observation["arm"]["joint pos"])
        return np.zeros(1, np.float32)

    env = "tests.test_flat:Nested-v0"
    _, spec = made(make(env, {}))
    settings = {"n_envs": 2, "n_steps": 16, "gradient_steps": 1, "total_timesteps": 32}
    train(spec, env, how="imitate", teacher=teacher, settings=settings)
    assert len(seen) == 33  # one action is asked for before training begins


def test_parts_that_are_no_numbers_are_not_seen_and_the_file_says_so():
    text = starting_point(Odd(observation=NESTED), "a command", "--env X", steps=100)
    assert "  # not used: said: Text(1, 5, charset=" in text
    spec = parse_spec(yaml.load(text, Loader))
    assert sorted(one.name for one in spec.inputs) == sorted(set(NAMES) - {"said", "arm_camera_count"})


@pytest.mark.usefixtures("few_episodes", "few_windows", "no_page")
def test_it_is_trained_and_run_by_the_command_line(tmp_path, capfd):
    file, out = tmp_path / "one.yaml", tmp_path / "trained.yaml"
    env = "tests.test_flat:Nested-v0"
    assert call(capfd, "new", file, "--env", env, "--steps", 100)[0] == 0
    train = [
        "--how",
        "evolve",
        "--set",
        "population=2",
        "--set",
        "episodes=1",
        "--steps",
        40,
        "--run",
        tmp_path / "run",
    ]
    code, _, err = call(capfd, "train", file, "--env", env, "--out", out, *train)
    assert code == 0, err
    assert call(capfd, "run", "--env", env, out, "--episodes", 1)[0] == 0


def test_a_warning_of_mujoco_is_shown_once_and_no_file_is_written(tmp_path, monkeypatch):
    pytest.importorskip("mujoco")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True, action="default") as shown:
        for _ in range(2):
            make("HalfCheetah-v5", {}).close()
    assert len({str(one.message) for one in shown}) == len(shown)
    assert not any(tmp_path.iterdir())
