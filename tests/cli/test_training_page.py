"""The page that training ends with: complete, self-contained, and never the reason why a trained file is lost."""

from __future__ import annotations

import base64
import io
import json
import sys
from dataclasses import replace
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from PIL import Image

from snn_control.cli.training_page import _curve, make_page
from snn_control.training import train
from tests.cli.common import call
from tests.report.test_report import Page
from tests.training.test_train import QUICK, small


class Drawn(gymnasium.Env):
    """A point that moves by the action, for 40 steps; its picture is larger than that of a page.

    broken : it cannot be drawn; "made": not even made to be drawn
    """

    metadata: ClassVar[dict] = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def __init__(self, render_mode=None, broken=False):
        if render_mode and broken == "made":
            raise TypeError("grid() got an unexpected keyword argument")
        self.render_mode, self.broken = render_mode, broken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.left = self.np_random.uniform(-1, 1), 40
        return np.full(1, self.x, np.float32), {}

    def step(self, action):
        self.x, self.left = float(np.clip(self.x + 0.1 * action[0], -1, 1)), self.left - 1
        return np.full(1, self.x, np.float32), -abs(self.x), False, self.left == 0, {}

    def render(self):
        if self.broken:
            raise gymnasium.error.DependencyNotInstalled("a library <is> missing")
        image = np.full((400, 800, 3), 255, np.uint8)
        image[:, round(400 + 350 * self.x) :][:, :40] = 0
        return image


@pytest.fixture(scope="module")
def trained():
    gymnasium.register("Drawn-v0", entry_point=Drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snn_control.training.training_run.VALIDATION_EPISODES", 3)
        patch.setattr("snn_control.training.training_run.EVALUATION_EPISODES", 4)
        yield train(small("Drawn-v0"), "Drawn-v0", how="ppo", settings=QUICK)
    del gymnasium.registry["Drawn-v0"]


SHORT = ["--steps", 768, "--set", "n_envs=4", "--set", "n_steps=64", "--set", "rollouts=1"]
SCORES = {"controller": {"mean": -3.0, "std": 1.5, "worst": -9.0, "best": -0.25}}
CHANCE = {"chance": {"mean": -20.0, "std": 4.0, "worst": -30.0, "best": -7.0}}
LEARNED = "better than random actions"
CONDUCT = {
    "commands": [{"where": "outputs.u", "changes_hz": None, "sign_changes_hz": 2.5, "at_a_limit": 0.25}],
    "neurons": [{"where": "network.populations.h", "neurons": 24, "never": 5, "always": 1}],
}


def page_of(folder, trained, **arguments):
    scores = SCORES | CHANCE
    file = folder / "mine.yaml"
    path = make_page(folder, file, "Drawn-v0", arguments, {"controller": trained}, scores, CHANCE, CONDUCT, LEARNED)
    assert path == folder / "report.html"
    return path.read_text()


def test_it_shows_how_training_went_and_what_came_of_it(tmp_path, trained):
    text = page_of(tmp_path, trained)
    page = Page(text)
    assert (page.foreign, page.open) == ([], [])
    assert 'class="missing"' not in text
    assert len(page.images) == 1
    assert all(len(image["alt"] or "") > 20 for image in page.images)
    scene = json.loads(text.partition('id="scene">')[2].partition("</script>")[0])
    assert scene["training"]["steps"] == [row["steps"] for row in trained.history]
    assert scene["training"]["actors"] == {"chance": -20.0}
    for said in (
        LEARNED,
        "mine.yaml in Drawn-v0",
        "trained by ppo",
        "-30",
        "outputs.u",
        "sign changes [1/s]",
        "never fired",
    ):
        assert said in text
    assert "never fired" in text
    assert "changes [1/s]</th>" in text
    assert ">changes [1/s]" not in text, "no column of what does not apply"
    (gif,) = [image["src"] or "" for image in page.images if (image["src"] or "").startswith("data:image/gif")]
    video = Image.open(io.BytesIO(base64.b64decode(gif.partition(",")[2])))
    assert video.size == (360, 180)
    assert video.n_frames == 20  # 40 steps at 20 a second, 10 pictures a second
    assert "The first 2.0 s of the same episode" in text
    assert len(text) < 1_500_000


def test_score_over_spikes_is_drawn_where_spikes_were_reduced(tmp_path, trained):
    assert "Score over spikes" not in page_of(tmp_path, trained)
    reduced = [*trained.history, *({**row, "saves": 1, "spikes_a_step": 2.0} for row in trained.history)]
    text = page_of(tmp_path, replace(trained, history=reduced))
    assert "Score over spikes" in text
    assert len(Page(text).images) == 2


def test_what_cannot_be_drawn_is_said_in_its_place(tmp_path, trained, monkeypatch):
    text = page_of(tmp_path, trained, broken=True)
    assert "<strong>Video</strong>: left out, cannot be drawn: a library &lt;is&gt; missing." in text
    assert len(Page(text).images) == 0
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    assert "missing; without a display, set MUJOCO_GL=egl (or osmesa)." in page_of(tmp_path, trained, broken=True)
    text = page_of(tmp_path, trained, broken="made")
    assert "<strong>Video</strong>: left out, cannot be made: grid() got an unexpected keyword argument" in text


@pytest.mark.usefixtures("few_episodes")
def test_the_command_ends_with_it_and_without_it(tmp_path, capsys):
    file = small("CartPole-v1").save(tmp_path / "my.yaml")
    given = ("train", file, "--env", "CartPole-v1", "--run", tmp_path / "run", *SHORT, "--json")
    code, out, _ = call(capsys, *given)
    found = json.loads(out)
    assert (code, found["page"]) == (0, str(tmp_path / "run" / "report.html"))
    text = (tmp_path / "run" / "report.html").read_text()
    assert "Returns of 4 new episodes" in text
    assert "chance" in text
    (tmp_path / "run" / "report.html").unlink()
    (tmp_path / "run" / "report.html").mkdir()
    code, out, err = call(capsys, *given, "--out", tmp_path / "again.yaml")
    assert (code, json.loads(out)["page"]) == (0, None)
    assert err.count("no page: ") == 1
    assert (tmp_path / "again.yaml").exists()


def test_the_curves_are_those_of_the_phases():
    first = [{"steps": 100 * k, "score": k, "worst": -k, "spikes_a_step": 50 / k, "saves": k > 1} for k in (1, 2, 3)]
    other = [{"steps": 100 * k, "score": 2 * k, "worst": 0, "spikes_a_step": 1} for k in (1, 2)]
    curve = _curve([first, other, []], {"chance": -5.0})
    assert curve == {
        "steps": [100, 200, 300], "score": [1, 2, 3], "worst": [-1, -2, -3], "spikes": [50, 25, 50 / 3],
        "seeds": [{"steps": [100, 200], "score": [2, 4], "worst": [0, 0], "spikes": [1, 1]}],
        "actors": {"chance": -5.0}, "stages": [("spikes are reduced", 200, 300)],
    }  # fmt: skip
    in_the_loop = [{"steps": 100, "score": 1.0, "spikes_a_step": 2.0}]
    curve = _curve([in_the_loop], {"chance": -5.0})
    assert (curve["worst"], curve["actors"]) == ([], {})
    assert _curve([[]], {}) is None
