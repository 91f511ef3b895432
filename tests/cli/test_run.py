"""``snn_control run``: what it reports is true, from whatever source the controller comes."""

from __future__ import annotations

import json
import signal
import sys

import gymnasium
import numpy as np
import pytest
import yaml

from snn_control.cli.episodes import Player, World, in_processes
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, RuntimeFault
from snn_control.gym_adapter.spaces import check_action
from snn_control.training.environments.play_episode import Spread
from snn_control.training.result import FINAL
from tests.cli.common import call
from tests.worlds.odd import Odd

ODD = ("run", "--env", "tests.worlds:Odd-v0")


def written(folder, size=1, outputs=None, **projection):
    """A controller of ``size`` numbers, whose command is the rate of one neuron that fires regularly."""
    drive = {"type": "direct", "gain": 100.0, "neuron": {"type": "if", "reset": "subtract"}}
    decoder = {"type": "linear", "from": "out", "tau": 0.05, "weights": 0.01}
    values = {
        "version": 1, "period": 0.01, "dt": 0.001,
        "inputs": {"x": {"kind": "value", "size": size, "encoder": drive}},
        "network": {
            "populations": {"out": {"size": 1, "neuron": {"type": "lif", "tau_mem": 0.02, "reset": "subtract"}}},
            "projections": [{"pre": "x", "post": "out", "weights": 30.0, **projection}],
        },
        "outputs": outputs or {"y": {"decoder": decoder, "limits": [-1, 1]}},
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    path = folder / "controller.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def without_times(result):
    rows = [{key: value for key, value in row.items() if key != "us_a_step"} for row in result["episodes"]]
    return {key: value for key, value in result.items() if key not in ("wall_time_s", "jobs")} | {"episodes": rows}


def test_the_figures_are_right_and_the_same_in_any_number_of_processes(capsys):
    command = ["run", "--env", "CartPole-v1", "--episodes", 4, "--seed", 7, "--steps", 40, "--json", "cartpole"]
    code, out, err = call(capsys, *command, "--jobs", 1)
    assert (code, err) == (0, "")
    one = json.loads(out)
    two = json.loads(call(capsys, *command, "--jobs", 2)[1])
    assert (one["jobs"], two["jobs"]) == (1, 2)
    assert without_times(one) == without_times(two)
    chance = one["compared"]["chance"]
    assert [row["seed"] for row in one["episodes"]] == [row["seed"] for row in chance["episodes"]] == [7, 8, 9, 10]
    returns = [row["return"] for row in chance["episodes"]]
    assert chance["return"]["mean"] == pytest.approx(np.mean(returns))
    assert chance["return"]["std"] == pytest.approx(np.std(returns, ddof=1))
    assert (chance["return"]["worst"], chance["return"]["best"]) == (min(returns), max(returns))
    assert one["return"] == {"mean": 40.0, "std": 0.0, "interval": [40.0, 40.0], "worst": 40.0, "best": 40.0}
    assert one["steps"]["mean"] == 40
    assert one["better_than_chance"]["mean"] == pytest.approx(40 - np.mean(returns))
    rows = one["episodes"]
    assert one["spikes_a_step"] == sum(row["spikes"] for row in rows) / 160 > 0
    assert one["synaptic_operations_a_step"] == sum(row["synaptic_operations"] for row in rows) / 160 > 0
    assert one["wall_time_s"] > 0
    assert (one["learning"], one["interrupted"]) == ("none", False)


@pytest.mark.parametrize(("n", "t"), [(2, 12.706), (5, 2.776), (12, 2.201), (31, 2.042), (100, 1.984)])
def test_the_interval_of_the_mean_is_students(n, t):
    values = np.arange(n) ** 2.0
    spread = Spread.of(values)
    half = t * values.std(ddof=1) / np.sqrt(n)
    assert (spread.low, spread.high) == pytest.approx((values.mean() - half, values.mean() + half), rel=2e-3)
    assert (spread.n, spread.least, spread.most) == (n, 0, values[-1])
    assert Spread.of([3.0]) == Spread(1, 3.0, None, None, None, 3.0, 3.0)


def test_it_says_whether_that_was_better_than_chance_and_good_enough(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", "--episodes", 21, "--steps", 60, "cartpole")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "us/step" not in out  # so many are not shown one by one
    assert "better than chance: +" in out
    assert "asks for" not in out  # of whole episodes
    code, out, _ = call(capsys, *ODD, "--episodes", 2, written(tmp_path))
    assert "the environment asks for a mean of 100: not reached" in out
    code, out, _ = call(capsys, *ODD, "--episodes", 8, written(tmp_path, weights=0.0))  # 0, as chance on average
    assert "no different from chance: " in out
    code, out, _ = call(capsys, *ODD, "--episodes", 1, "--alone", written(tmp_path))
    assert code == 0
    assert "chance" not in out


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_keeps_the_episodes_that_are_over(tmp_path, capsys, jobs):
    command = [*ODD, "--arg", "at=3", "--arg", "what=interrupt", "--episodes", 50, "--jobs", jobs, "--alone"]
    command.append(written(tmp_path))
    old = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever this process was started with
    try:
        code, out, _ = call(capsys, *command)
        assert code == 130
        assert "interrupted: after " in out
        if jobs == 1:
            assert "interrupted: after 3 of 50 episodes; the figures are of these" in out
            code, out, _ = call(capsys, *command, "--json")
            result = json.loads(out)
            assert (code, result["interrupted"], [row["seed"] for row in result["episodes"]]) == (130, True, [0, 1, 2])
            assert call(capsys, *command, "--seed", 3, "--json") == (130, "", "snn_control: interrupted\n")
    finally:
        signal.signal(signal.SIGINT, old)


@pytest.mark.parametrize(
    ("what", "kind", "says"),
    [
        (
            "refuse",
            DescriptionError,
            r"Odd-v0': cannot be played: Dep\w+: a part is missing, install it \(odd.py:\d+\)$",
        ),
        ("die", RuntimeFault, "played episodes of tests.worlds:Odd-v0 died; with '--jobs 1' it runs here"),
    ],
)
def test_a_mistake_in_another_process_is_told_in_one_line(tmp_path, what, kind, says):
    world = World(str(written(tmp_path)), ODD[2], {"at": 1, "what": what})
    with pytest.raises(kind, match=says):
        list(in_processes(world, [("controller", seed) for seed in range(3)], 1))


def test_learned_weights_are_carried_on_only_when_asked_for(tmp_path, capsys):
    path = written(tmp_path, learning={"type": "stdp", "w_min": 0.0, "w_max": 99.0, "a_plus": 0.2})
    command = [*ODD, "--episodes", 3, "--alone", path]
    returns = []
    for more in ([], ["--keep-learning"]):
        result = json.loads(call(capsys, *command, *more, "--json")[1])
        assert result["learning"] == ("kept" if more else "reset")
        returns.append([row["return"] for row in result["episodes"]])
    assert len(set(returns[0])) == 1  # the same episode, three times
    assert returns[1][0] == returns[0][0]
    assert len(set(returns[1])) == 3
    assert "--keep-learning keeps learned weights" in call(capsys, *command)[1]
    assert "carried from episode to episode" in call(capsys, *command, "--keep-learning")[1]
    for arguments, says in (
        ([*command, "--keep-learning", "--jobs", 2], "--jobs = 2: must be 1 with --keep-learning"),
        ([*ODD, "--keep-learning", written(tmp_path / "other")], "no projection of it learns"),
    ):
        code, _, err = call(capsys, *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert says in err


# pictures ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_video_has_the_pictures_of_the_first_episode(tmp_path, capsys, suffix):
    from PIL import Image, ImageSequence

    seen = tmp_path / f"seen{suffix}"
    world = ["run", "--env", "sim_worlds:PanTiltTracking-v0", "--arg", "duration=0.2", "--episodes", 1, "--alone"]
    code, out, err = call(capsys, *world, "--video", seen, "pan_tilt")
    assert code == 0, err
    assert f"video: {seen}, 11 pictures" in " ".join(out.split())  # 0.2 s at 50 a second, and the last
    if suffix == ".gif":
        with Image.open(seen) as pictures:
            frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(pictures)]
    else:
        av = pytest.importorskip("av")
        with av.open(str(seen)) as video:
            assert video.streams.video[0].average_rate == 50
            frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    env = gymnasium.make(world[2], duration=0.2, render_mode="rgb_array", disable_env_checker=True)
    env.reset(seed=0)
    first = env.render()
    env.close()
    assert len(frames) == 11
    assert frames[0].shape[:2] == tuple(side + side % 2 for side in first.shape[:2])
    assert abs(frames[0][: len(first), : first.shape[1]].astype(float) - first).mean() < 12
    assert abs(frames[0].astype(float) - frames[-1]).max() > 30  # something moves


def test_a_sheet_says_what_is_in_it_and_nothing_is_replaced_unasked(tmp_path, capsys):
    from PIL import Image

    seen = tmp_path / "seen.png"
    world = ["run", "--env", "sim_worlds:PanTiltTracking-v0", "--arg", "duration=1.1", "--episodes", 1, "--alone"]
    code, out, err = call(capsys, *world, "--video", seen, "pan_tilt")
    assert (code, "a sheet of 12 of 56 pictures" in " ".join(out.split())) == (0, True), err
    assert "rms_error [rad]" in out
    env = gymnasium.make(world[2], duration=0.2, render_mode="rgb_array", disable_env_checker=True)
    env.reset(seed=0)
    rows, columns = env.render().shape[:2]
    env.close()
    with Image.open(seen) as image:
        sheet = np.array(image.convert("RGB"))
    assert sheet.shape[:2] == (3 * (rows + 24) + 12, 4 * columns + 18)
    below = [sheet[rows : rows + 24, k * (columns + 6) :][:, :columns] for k in range(4)]
    assert all(np.ptp(strip) > 100 for strip in below), "a time below each picture"
    assert (below[0] != below[1]).any()
    for flag, path in (("--video", seen), ("--record", tmp_path / "mine.npz")):
        path.write_bytes(b"mine")
        code, _, err = call(capsys, *world, flag, path, "pan_tilt")
        assert (code, f"{flag} = '{path}': exists already" in err, path.read_bytes()) == (2, True, b"mine")
    assert call(capsys, *world, "--video", seen, "--force", "pan_tilt")[0] == 0
    assert seen.read_bytes() != b"mine"


def test_what_cannot_be_drawn_is_told_in_one_line_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)  # as where it is not installed
    for arguments, says in (
        (
            ["run", "--env", "CartPole-v1", "--video", tmp_path / "a.mp4", "cartpole"],
            "pygame is not installed, run `pip",
        ),
        ([*ODD, "--video", tmp_path / "a.mp4", written(tmp_path)], "Odd-v0 draws no pictures (its render modes: none)"),
        (["run", "--env", "CartPole-v1", "--video", tmp_path / "a.avi", "cartpole"], "must end in .mp4, .gif, .png"),
    ):
        code, _, err = call(capsys, *arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert says in err
    assert [file.name for file in tmp_path.iterdir()] == ["controller.yaml"]


# spaces --------------------------------------------------------------------------------------------------------
S = gymnasium.spaces
CHOICE = {"type": "argmax", "terms": [{"type": "spike_count", "from": "out", "window": 0.01, "weights": [[0.0, 1.0]]}]}


def choices(*actions):
    terms = [
        {"type": "spike_count", "from": "out", "window": 0.01, "weights": [[0.0] * (n - 1) + [1.0]]} for n in actions
    ]
    return {f"y{k}": {"decoder": CHOICE | {"actions": n, "terms": [terms[k]]}} for k, n in enumerate(actions)}


def numbers(n):
    return {"y": {"size": n, "decoder": {"type": "linear", "from": "out", "tau": 0.05, "weights": [[0.01] * n]}}}


@pytest.mark.parametrize(
    ("action", "outputs"),
    [
        (S.Box(-9, 9, (2, 3)), numbers(6)),
        (S.Box(-9, 9, ()), numbers(1)),
        (S.Discrete(3), choices(3)),
        (S.MultiDiscrete([3, 2]), choices(3, 2)),
        (S.MultiBinary(2), choices(2, 2)),
    ],
)
def test_actions_of_every_common_space_are_given(tmp_path, action, outputs):
    arguments = {"action": action, "observation": S.Tuple((S.Discrete(5), S.Discrete(4)))}
    player = Player(World(str(written(tmp_path, 2, outputs)), ODD[2], arguments))
    controller = player.controller
    check_action({name: (o.size, o.actions or None) for name, o in controller.outputs.items()}, action)
    assert player.play("controller", 0)["return"] > 0  # the world looks whether they are of its space
    assert player.play("chance", 0)["steps"] == 20


@pytest.mark.parametrize(
    ("arguments", "outputs", "says"),
    [
        ({"action": S.MultiDiscrete([3, 2])}, choices(3), "outputs = 'y0 (1)': must be as many numbers as the "
         "environment's action: 2; one argmax output for each choice; it takes MultiDiscrete([3 2])"),
        ({"action": S.MultiDiscrete([3, 2])}, choices(3, 3), "y1.decoder.actions = 3: must be the environment's"),
        ({"action": S.MultiBinary(2)}, numbers(2), "outputs.y.decoder = 'a sum of decoders': must be argmax"),
        ({"action": S.Dict({"a": S.Discrete(2)})}, choices(2), "must be one array, the environment takes Dict("),
        ({"observation": S.Box(0, 1, (3,))}, None, "inputs.x.size = 1: must be 3 numbers, as the environment's"),
        ({"observation": S.Tuple((S.Box(0, 1, (3,)), S.Discrete(2)))}, None, "inputs.x = None: is not in the "
         "observation, which has ['observation_0', 'observation_1']; give inputs the names of its parts"),
        ({"observation": S.Dict({"x": S.Dict({"z": S.Discrete(2)})})}, None, "which has ['x_z']; give inputs the"),
        ({"observation": S.Dict({"x": S.Text(2)})}, None, "['x']: it is not an array but Text("),
        ({"observation": S.Text(3)}, None, "it is not an array but Text("),
    ],
)  # fmt: skip
def test_spaces_that_do_not_fit_are_named_before_the_first_step(
    tmp_path, capsys, monkeypatch, arguments, outputs, says
):
    path, usual = written(tmp_path, 1, outputs), Odd.__init__
    monkeypatch.setattr(Odd, "__init__", lambda self: usual(self, **arguments))
    code, _, err = call(capsys, *ODD, path)
    assert (code, err.count("\n")) == (2, 1), err
    assert says in err


def test_a_reset_can_leave_what_was_learned(tmp_path):
    for connection in ("dense", "one_to_one"):
        path = written(tmp_path, connection=connection, weights=30.0 if connection == "dense" else [30.0],
                       learning={"type": "stdp", "w_min": 0.0, "w_max": 99.0, "a_plus": 0.2})  # fmt: skip
        controller, fresh = Controller.load(path), Controller.load(path)
        for _ in range(30):
            controller.step({"x": [0.5]})
        learned = np.array(controller.weights("x", "out")[-1])
        assert (learned != np.array(fresh.weights("x", "out")[-1])).all()
        controller.reset(keep_learning=True)
        np.testing.assert_array_equal(controller.weights("x", "out")[-1], learned)
        assert controller.counters()["ticks"] == 0
        controller.reset()
        np.testing.assert_array_equal(controller.state(), fresh.state())


def test_what_an_environment_prints_is_not_in_the_report(tmp_path, capfd):
    chatty = ["--env", "tests.worlds:Odd-v0", "--arg", "what=print"]
    code, out, err = call(capfd, "new", *chatty, "--arg", "at=0", "--steps", 100)
    assert (code, "# Made by" in out[:12]) == (0, True)
    assert yaml.safe_load(out)["version"] == 1
    assert "a line of Python\n" in err
    assert "a line of C\n" in err
    path = tmp_path / "my.yaml"
    path.write_text(out)
    code, out, err = call(capfd, "run", *chatty, "--arg", "at=0", "--json", path)
    assert (code, json.loads(out)["environment"]) == (0, "tests.worlds:Odd-v0")
    assert "a line of C\n" in err
    code, out, err = call(capfd, "check", path, *chatty, "--arg", "at=0", "--json")
    assert (code, "a line" in out, "a line of C\n" in err) == (0, False, True)
    train = ["--steps", 20, "--out", tmp_path / "trained.yaml", "--run", tmp_path / "run", "--json"]
    code, out, err = call(capfd, "train", path, *chatty, "--arg", f"at={FINAL}", "--how", "evolve", *train)
    assert code == 0, err
    assert json.loads(out)["env"] == "tests.worlds:Odd-v0"
    assert "a line of C\n" in err
