"""An events input with ``source: frames`` in Python: images of an observation, environments, keys and their errors."""

from __future__ import annotations

import pickle

import gymnasium
import numpy as np
import pytest

from snn_control import Controller
from snn_control.analysis.lint import lint
from snn_control.controller import Batch
from snn_control.controller_file import load_spec, parse_spec
from snn_control.engine.bound import Bound
from snn_control.errors import DescriptionError, InputError
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.record.replay import play_log
from snn_control.training.environments.vector_env import Interface

SIZE = (32, 24)
FILE = {
    "version": 1,
    "period": 0.02,
    "inputs": {
        "eye": {
            "kind": "events",
            "source": "frames",
            "size": list(SIZE),
            "camera": {"preset": "noisy", "threshold_on": 0.15, "seed": 3},
            "encoder": {"type": "pool", "grid": [4, 4]},
        }
    },
    "network": {
        "populations": {"a": {"size": 16, "neuron": {"type": "li", "tau_mem": 0.05}}},
        "projections": [{"pre": "eye", "post": "a", "connection": "one_to_one", "weights": 0.3}],
    },
    "outputs": {"turn": {"size": 1, "decoder": {"type": "membrane", "from": "a", "weights": 0.01}, "limits": [-1, 1]}},
}


def changed(**edits):
    return FILE | {"inputs": {"eye": {key: v for key, v in (FILE["inputs"]["eye"] | edits).items() if v is not None}}}


def images(n, seed=0):
    wide = np.random.default_rng(seed).integers(90, 150, (SIZE[1], SIZE[0] + n), np.uint8)
    return [wide[:, k : k + SIZE[0]] for k in range(n)]


def seen(controller):
    n = controller.bound.array("eye.slot")[2]
    return [controller.bound.array(f"eye.{key}")[:n].copy() for key in "txyp"]


def test_a_controller_sees_images_and_a_batch_and_a_copy_see_the_same():
    controller = Controller.from_spec(parse_spec(FILE))
    batch, frames = Batch(controller.program, 2), images(6)
    first = [controller.step({"eye": image})["turn"] for image in frames]
    assert len({float(one[0]) for one in first}) > 3
    events = seen(controller)
    assert events[0].size > 20
    assert 4 * 20_000_000 <= events[0].min() <= events[0].max() <= 5 * 20_000_000  # since the last image
    both = [batch.step({"eye": [image, None]})["turn"] for image in frames]
    assert [one[0].tolist() for one in both] == [one.tolist() for one in first]
    assert not any(one[1].any() for one in both)
    controller.reset()
    assert [controller.step({"eye": image})["turn"].tolist() for image in frames] == [one.tolist() for one in first]
    batch.reset([0])
    assert [batch.step({"eye": [image, None]})["turn"][0].tolist() for image in frames] == [x.tolist() for x in first]
    other = pickle.loads(pickle.dumps(Controller(controller.program)))
    assert [other.step({"eye": image})["turn"].tolist() for image in frames] == [one.tolist() for one in first]


def test_images_of_all_kinds_and_events_are_accepted():
    controller, (a, b) = Controller.from_spec(parse_spec(changed(camera={"preset": "clean"}))), images(2)
    found = []
    for convert in (
        lambda image: image,
        lambda image: image[..., None],
        lambda image: np.ascontiguousarray(image)[::1],
        lambda image: image.astype(np.uint16) * 257,
        lambda image: image.astype(np.float64) / 255,
        lambda image: (image / np.float32(255)).tolist(),
    ):
        controller.reset()
        controller.step({"eye": convert(a)})
        controller.step({"eye": convert(b)})
        found.append([column.tolist() for column in seen(controller)])
    assert all(one == found[0] for one in found)
    assert len(found[0][0]) > 20
    controller.reset()
    for image in (a, b):
        controller.step({"eye": np.repeat(image[..., None], 4, axis=2)})
    assert abs(len(seen(controller)[0]) - len(found[0][0])) <= 5  # colours have another table
    controller.step({"eye": tuple(map(np.array, ([5, 6], [1, 2], [3, 4], [0, 1])))})
    assert [column.tolist() for column in seen(controller)] == [[5, 6], [1, 2], [3, 4], [0, 1]]
    for wrong in (a[1:], a[..., None].repeat(2, axis=2), a.astype(int), "text"):
        with pytest.raises(InputError, match=r"observation\['eye'\].*must be an image \(24, 32\)"):
            controller.step({"eye": wrong})


def test_the_record_has_the_events_and_replays_to_the_bit_without_frames():
    spec = parse_spec(FILE)
    controller = Controller.from_spec(spec)
    recorder = InputLogRecorder(controller.bound)
    controller.observers.append(recorder)
    commands = [controller.step({"eye": image})["turn"].tolist() for image in images(8)]
    log, again = recorder.log(), Controller.from_spec(spec)
    assert len(log.inputs["eye"]["t"]) > 100
    replayed = [again.bound.array("turn.command").tolist() for _ in play_log(again, log, [], every=1)]
    assert replayed == commands


class Moving(gymnasium.Env):
    """A picture that moves; its observation is an image, alone or under a name."""

    def __init__(self, named, shape=(*SIZE[::-1], 3)):
        image = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.observation_space = gymnasium.spaces.Dict({"eye": image}) if named else image
        self.action_space, self._named = gymnasium.spaces.Box(-1, 1, (1,), np.float32), named

    def _observe(self):
        image = np.repeat(images(30)[self._k][..., None], 3, axis=2)
        self._k += 1
        return {"eye": image} if self._named else image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._k = 0
        return self._observe(), {}

    def step(self, action):
        return self._observe(), float(action[0]), False, self._k >= 20, {}


def test_environments_with_images():
    spec = parse_spec(FILE)
    acted = []
    for named in (True, False):
        env, controller = Moving(named), Controller.from_spec(spec)
        observation, _ = env.reset(seed=1)
        acted.append([])
        for _ in range(10):
            acted[-1].append(controller.act(observation, env.action_space).tolist())
            observation = env.step(acted[-1][-1])[0]
        interface = Interface(spec, env.observation_space, env.action_space)
        assert interface.observe([observation, observation])["eye"][1].shape == (24, 32, 3)
    assert acted[0] == acted[1]
    assert len(set(map(tuple, acted[0]))) > 5
    for shape, rule in (
        ((24, 30, 3), r"must be that of the environment's observation: \[30, 24\]"),
        ((24, 32, 2), "takes images"),
    ):
        with pytest.raises(DescriptionError, match=rule):
            Interface(spec, Moving(False, shape).observation_space, env.action_space)


def test_the_file_keeps_its_keys(tmp_path):
    spec = load_spec(parse_spec(FILE).save(tmp_path / "a.yaml"))
    assert spec.inputs == parse_spec(FILE).inputs
    assert spec.inputs[0].numbers[0] == 0.15
    program = Controller.from_spec(spec).program
    program.save(tmp_path / "a.npz")
    assert Controller.load(tmp_path / "a.npz").program.facts == program.facts
    assert Bound(program).program.facts.inputs[0].camera == spec.inputs[0].numbers


def test_a_capacity_that_is_too_small_for_frames_is_told():
    paths = [one.path for one in lint(parse_spec(changed(capacity=100)))]
    assert paths == ["inputs.eye.capacity"]
    assert lint(parse_spec(FILE)) == []


@pytest.mark.parametrize(
    ("edits", "rule"),
    [
        ({"source": "frame"}, r"inputs\.eye\.source = 'frame': must be 'events' or 'frames'; did you mean 'frames'"),
        ({"source": None}, r"inputs\.eye\.camera.*: is only for frames.*write source: frames"),
        ({"size": [32, 5000]}, r"inputs\.eye\.size\[1\] = 5000: must be a whole number >= 2, at most 4,096"),
        ({"camera": {"preset": "noise"}}, r"inputs\.eye\.camera\.preset = 'noise': must be .*did you mean 'noisy'"),
        ({"camera": {"leak": -1}}, r"inputs\.eye\.camera\.leak = -1: must be from 0 to 1000"),
        ({"camera": {"gamma": 0}}, r"inputs\.eye\.camera\.gamma = 0"),
        ({"camera": {"treshold_on": 0.2}}, r"inputs\.eye\.camera\.treshold_on = 0.2: is not a known key"),
    ],
)  # fmt: skip
def test_mistakes_are_named(edits, rule):
    with pytest.raises(DescriptionError, match=rule):
        parse_spec(changed(**edits))
