"""Training with the events of a camera: all learners accept them, and the file does what was trained."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from snn_control.cli import main
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.training import result, train
from snn_control.training.algorithms.imitation import ImitationSettings
from tests.cli.common import call

WIDTH, HEIGHT, MOST = 32, 16, 24


class Stripe(gymnasium.Env):
    """An eye that turns to a flickering stripe: the action is how far, the reward how near it came."""

    metadata = {"render_modes": [], "render_fps": 50}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, dt=0.02):
        self.dt = dt
        top = np.tile(np.array([0.02, WIDTH - 1, HEIGHT - 1, 1], np.float32), (MOST, 1))
        parts = {"eye": spaces.Box(0 * top, top), "eye_count": spaces.Box(0, MOST, (1,), np.int64)}
        self.observation_space = spaces.Dict({**parts, "turned": spaces.Box(-1, 1, (1,))})
        self.action_space = spaces.Box(-1, 1, (1,))

    def _observe(self):
        n, draw, events = int(self.np_random.integers(8, MOST)), self.np_random, np.zeros((MOST, 4), np.float32)
        column = np.clip(WIDTH * (self.away + 1) / 2 + draw.normal(0, 1, n), 0, WIDTH - 1)
        events[:n] = np.stack([np.sort(draw.uniform(0, 0.02, n)), column, *draw.integers(0, (HEIGHT, 2), (n, 2)).T], 1)
        return {"eye": events, "eye_count": np.array([n]), "turned": self.turned}

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.away, self.turned, self.k = float(self.np_random.uniform(-0.9, 0.9)), np.zeros(1, np.float32), 0
        return self._observe(), {}

    def step(self, action):
        self.turned = np.clip(np.asarray(action, np.float32), -1, 1)
        self.away = float(np.clip(self.away - 0.2 * self.turned[0] + self.np_random.normal(0, 0.05), -0.95, 0.95))
        self.k += 1
        return self._observe(), -abs(self.away), False, self.k >= 40, {}


gymnasium.register("Stripe-v0", entry_point=Stripe)
ID = "tests.training.test_events:Stripe-v0"


def sees_all(env, observation):
    return np.clip([5 * env.away], -1, 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("eye") / "eye.yaml"
    assert main(["new", str(path), "--env", ID]) == 0
    return path


SETTINGS = {
    "ppo": {"n_envs": 4, "n_steps": 64, "rollouts": 1, "total_timesteps": 512},
    "sac": {"n_steps": 10, "learning_starts": 40, "total_timesteps": 120},
    "imitate": {"n_envs": 4, "n_steps": 64, "gradient_steps": 5, "total_timesteps": 768},
    "evolve": {"n_envs": 2, "episodes": 2, "population": 3, "episode_steps": 40, "total_timesteps": 480},
}


@pytest.mark.parametrize("how", SETTINGS)
@pytest.mark.usefixtures("few_episodes", "few_windows")
def test_a_run_that_was_ended_goes_on_to_the_same_bits(tmp_path, file, how):
    def once(run, stop=0):
        def progress(phase):
            if phase.number == stop:
                raise KeyboardInterrupt

        teacher = sees_all if how == "imitate" else None
        return train(file, ID, how=how, teacher=teacher, run=run, settings=SETTINGS[how], progress=progress)

    whole, first = once(tmp_path / "whole"), once(tmp_path / "parts", stop=1)
    again = once(tmp_path / "parts")
    assert first.ended
    assert len(whole.history) > 1
    assert again.history == whole.history
    assert (again.evaluation.returns == whole.evaluation.returns).all()
    controller, env = Controller.load(whole.spec.save(tmp_path / "trained.yaml")), gymnasium.make("Stripe-v0")
    for k, expected in enumerate(whole.evaluation.returns[:3]):  # the file does what the trainer saw
        observation, _ = env.reset(seed=result.FINAL + k)
        controller.reset()
        total, over = 0.0, False
        while not over:
            observation, reward, _, over, _ = env.step(controller.predict(observation)[0])
            total += float(reward)
        assert total == expected


@pytest.mark.usefixtures("few_episodes", "few_windows", "no_page")
def test_a_teacher_that_sees_more_is_imitated(tmp_path, file, capsys):
    run = ["--teacher", "tests.training.test_events:sees_all", "--run", tmp_path / "run", "--out", tmp_path / "t.yaml"]
    assert call(capsys, "train", file, "--env", ID, *run, "--steps", 6000)[0] == 0
    trained, env = Controller.load(tmp_path / "t.yaml"), gymnasium.make("Stripe-v0")
    scores = {}
    for name, choose in {
        "controller": lambda o: trained.predict(o)[0],
        "teacher": lambda o: sees_all(env.unwrapped, o),
        "nothing": lambda o: [0.0],
    }.items():
        returns = []
        for seed in range(10):
            observation, _ = env.reset(seed=seed)
            trained.reset()
            returns.append(0.0)
            for _ in range(40):
                observation, reward, *_ = env.step(choose(observation))
                returns[-1] += reward
        scores[name] = np.mean(returns)
    assert scores["controller"] > 0.75 * scores["teacher"] + 0.25 * scores["nothing"]


def test_a_memory_that_would_not_fit_is_refused(file, monkeypatch):
    with pytest.raises(DescriptionError, match=r"settings.buffer_size = 100000000: would need .* GB: .* take at most"):
        train(file, ID, how="sac", settings={"buffer_size": 100_000_000})


@pytest.mark.usefixtures("few_episodes", "few_windows")
def test_of_short_steps_leaky_pictures_are_kept(tmp_path, capsys):
    """A file for a camera in steps of 1 ms: a recurrent layer behind pictures, trained in sequences of 200 steps."""
    file = tmp_path / "fast.yaml"
    assert call(capsys, "new", file, "--env", ID, "--arg", "dt=0.001", "--steps", 100)[0] == 0
    assert max(map(len, file.read_text().splitlines())) < 160
    spec = load_spec(file)
    assert {"eye_slow_on", "eye_slow_off", "eye_fast_on", "eye_fast_off"} <= {p.name for p in spec.network.populations}
    assert ImitationSettings.defaults_for(spec, 1000) == {
        "n_steps": 2000,
        "sequence_length": 200,
        "burn_in": 25,
        "batch_size": 3200,
        "total_timesteps": 200_000,
    }
    settings = {"n_envs": 2, "n_steps": 400, "gradient_steps": 8, "batch_size": 1200, "total_timesteps": 1600}
    trained = train(file, ID, arguments={"dt": 0.001}, teacher=sees_all, settings=settings)
    losses = [row["loss"] for row in trained.history]
    assert losses[1] < losses[0]
    with pytest.raises(
        DescriptionError, match=r"settings\.n_steps = 100: must be a multiple of sequence_length \(200\)"
    ):
        train(file, ID, teacher=sees_all, settings={"n_steps": 100})
