"""Training: from a controller file to a better one, from a checkpoint to the same bits, by the command line too."""

from __future__ import annotations

import json
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import threadpoolctl
import yaml

from benchmarks import training
from benchmarks.parity import swing_policy
from snn_control import Model
from snn_control.cli.train import _learned, _said
from snn_control.coding import ArgmaxDecoder, MembraneDecoder, PopulationEncoder
from snn_control.controller import Controller
from snn_control.controller_file import Limits, Surrogate, Training, load_spec
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, Normal
from snn_control.training import train
from snn_control.training.gradients.gradient import Gradient
from snn_control.training.trainer import LEARNERS, settings_of
from tests.cli.common import call

DT, TAU = 0.005, 0.0174


def small(env_id, squash=True, **arguments):
    """A controller file's content for an environment with an array to observe."""
    env = gymnasium.make(env_id, **arguments)
    n, action = env.observation_space.shape[0], env.action_space
    m = Model(dt=DT, period=4 * DT)
    top = np.minimum(env.observation_space.high, 3.0).tolist()
    x = m.input("x", n, range=([-v for v in top], top), encoder=PopulationEncoder(neurons=6, drive=1.0))
    h = m.population("h", 24, LIF(tau_mem=TAU, r=4.0, reset="subtract"), bias=0.15)
    choices = int(getattr(action, "n", 0))
    out = m.population("out", choices or action.shape[0], LI(tau_mem=TAU, r=4.0))
    m.connect(x, h, Normal(0, 0.3, seed=1))
    m.connect(h, out, Normal(0, 0.02, seed=2))
    if choices:
        m.output("u", decoder=ArgmaxDecoder(choices, (MembraneDecoder("out", np.eye(choices)),)))
    else:
        limits = (float(action.low[0]), float(action.high[0]))
        m.output("u", out, np.eye(action.shape[0]), size=action.shape[0], limits=limits, squash=squash)
    return m.spec()


SHORT = ["--steps", 768, "--set", "n_envs=4", "--set", "n_steps=64", "--set", "rollouts=1"]
QUICK = {"n_envs": 4, "n_steps": 64, "rollouts": 1, "total_timesteps": 768}


@pytest.mark.usefixtures("few_episodes")
def test_a_cart_pole_is_balanced_for_longer():
    settings = {"n_envs": 8, "rollouts": 10, "total_timesteps": 9_000}
    trained = train(small("CartPole-v1"), "CartPole-v1", seed=3, settings=settings)
    scores = [row["score"] for row in trained.history]
    assert max(scores) > 100
    assert trained.evaluation.score > 100


@pytest.mark.parametrize(
    ("env", "how", "settings"),
    [
        ("CartPole-v1", "ppo", QUICK),
        ("Pendulum-v1", "ppo", QUICK),
        ("Pendulum-v1", "sac", {"n_steps": 10, "learning_starts": 40, "total_timesteps": 120}),
        ("CartPole-v1", "imitate", {"n_envs": 4, "n_steps": 64, "gradient_steps": 5, "total_timesteps": 768}),
        ("Pendulum-v1", "imitate", {"n_envs": 2, "n_steps": 64, "gradient_steps": 5, "total_timesteps": 4 * 128}),
        ("CartPole-v1", "evolve", {"n_envs": 2, "episodes": 2, "population": 3, "total_timesteps": 9_000}),
    ],
)
@pytest.mark.usefixtures("few_episodes")
def test_a_run_that_was_ended_goes_on_to_the_same_bits(tmp_path, env, how, settings):
    def once(run, stop=0):
        def progress(phase):
            if phase.number == stop:
                raise KeyboardInterrupt

        teachers = {"CartPole-v1": "tests.training.test_train:lean", "Pendulum-v1": swing_policy()}
        teacher = teachers[env] if how == "imitate" else None
        return train(small(env), env, how=how, teacher=teacher, seed=5, run=run, settings=settings, progress=progress)

    whole = once(tmp_path / "whole")
    first = once(tmp_path / "parts", stop=2)
    assert first.ended
    assert len(first.history) == 2
    again = once(tmp_path / "parts")
    assert not again.ended
    assert again.history == whole.history
    assert len(whole.history) > 2
    one, other = again.spec.save(tmp_path / "a.yaml"), whole.spec.save(tmp_path / "b.yaml")
    assert Controller.load(one).program.digest == Controller.load(other).program.digest
    assert (again.evaluation.returns == whole.evaluation.returns).all()


def lean(observation):
    return int(observation[2] + 0.3 * observation[3] > 0)


@pytest.mark.usefixtures("few_episodes")
def test_the_trained_file_acts_as_the_trainer_saw_it(tmp_path):
    trained = train(small("Pendulum-v1"), "Pendulum-v1", how="ppo", settings=QUICK)
    returns = returns_of(trained.spec.save(tmp_path / "trained.yaml"), "Pendulum-v1", 3)
    assert returns == trained.evaluation.returns[:3].tolist()


def returns_of(file, env_id, episodes):
    """Of the first episodes of the evaluation at the end."""
    controller, env, returns = Controller.load(file), gymnasium.make(env_id), []
    for k in range(episodes):
        observation, _ = env.reset(seed=1_500_000_000 + k)
        controller.reset()
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(controller.predict(observation)[0])
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return returns


@pytest.mark.usefixtures("few_episodes", "no_page")
def test_the_command_writes_a_controller_and_says_how_good_it_is(tmp_path, capsys):
    file = small("CartPole-v1").save(tmp_path / "my.yaml")
    common = ["train", file, "--env", "CartPole-v1", "--run", tmp_path / "run", "--out", tmp_path / "trained.yaml"]
    code, out, _ = call(capsys, *common, *SHORT, "--seed", 2, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["how"] == "ppo"
    assert found["episodes"] == 4
    assert found["worst"] <= found["mean"] <= found["best"]
    assert 5 < found["compared"]["chance"]["mean"] < 60
    assert found["learned"]["share"]["the reward threshold 475"] < 1
    text = (tmp_path / "trained.yaml").read_text()
    assert f"# Made by: snn_control train {file} --env CartPole-v1 --seed 2 --steps 768 --set " in text
    assert "of 4 episodes" in text
    same = ("--episodes", 4, "--seed", 1_500_000_000, "--alone", "--json")
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", *same, tmp_path / "trained.yaml")
    run = json.loads(out)
    assert (code, run["return"]["mean"], run["return"]["worst"]) == (0, found["mean"], found["worst"])
    assert (run["commands"], run["neurons"]) == (found["commands"], found["neurons"])
    assert found["neurons"][0]["where"] == "network.populations.h"
    assert found["commands"][0]["changes_hz"] > 0
    code, _, err = call(capsys, *common, "--seed", 3, *SHORT)
    assert (code, "holds a run of another seed" in err) == (2, True)
    assert (tmp_path / "run" / "progress.csv").read_text().startswith("phase,steps,score")


def test_what_does_not_fit_is_said(tmp_path, capsys):
    file = small("CartPole-v1").save(tmp_path / "my.yaml")
    run = ["--run", tmp_path / "run", "--out", tmp_path / "out.yaml"]
    for arguments, says in (
        (["train", file], "--env = None: is needed to train a controller file"),
        (["train", file, "--env", "CartPol-v1", *run], "--env = 'CartPol-v1': cannot be made"),
        (["train", file, "--env", "Pendulum-v1", *run], "must be"),
        (["train", file, "--env", "CartPole-v1", "--how", "imitate", *run], "--teacher = None: is needed to imitate"),
        (["train", file, "--env", "CartPole-v1", "--how", "sac", *run], "--how = 'sac': needs outputs that are all"),
        (["train", file, "--env", "CartPole-v1", "--how", "poo", *run], "--how = 'poo': is not known; did you mean"),
        (["train", file, "--env", "CartPole-v1", "--teacher", "x.zop", *run], "--teacher = 'x.zop': must be"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert err.count("\n") == 1
        assert says in err
    assert not (tmp_path / "out.yaml").exists()
    with pytest.raises(DescriptionError, match="is not a setting of ppo"):
        train(file, "CartPole-v1", settings={"stepps": 3})


SECTION = Training(
    "ppo",
    {"*.weights": Limits(), "h.tau_mem": Limits(0.0165, 0.0178), "h.v_threshold": Limits(low=0.9)},
    Surrogate("arctan", 2.0, 6.0),
    QUICK,
)


@pytest.mark.usefixtures("few_episodes", "no_page")
def test_the_section_of_the_file_says_what_is_trained_and_how(tmp_path, capsys):
    spec = replace(small("Pendulum-v1"), training=SECTION)
    file, out = spec.save(tmp_path / "my.yaml"), tmp_path / "trained.yaml"
    command = ["train", file, "--env", "Pendulum-v1", "--run", tmp_path / "run", "--out", out]
    code, text, _ = call(capsys, *command, "--json")
    assert code == 0
    found = json.loads(text)
    assert (found["how"], found["steps"]) == ("ppo", 768)
    trained = load_spec(out)
    assert trained.training == SECTION
    neuron, bias = trained.network.populations[0].neuron, trained.network.populations[0].bias
    assert len(np.unique(neuron.tau_mem)) > 4
    assert np.ptp(neuron.tau_mem) > 1e-4
    assert 0.0165 <= np.min(neuron.tau_mem) < np.max(neuron.tau_mem) <= 0.0178
    assert np.min(neuron.v_threshold) >= 0.9
    assert np.std(neuron.v_threshold) > 0
    assert bias == 0.15
    assert np.mean(returns_of(out, "Pendulum-v1", 4)) == pytest.approx(found["mean"], rel=1e-12)
    asked = json.loads((tmp_path / "run" / "run.json").read_text())
    assert asked["surrogate"] == {"kind": "arctan", "slope": 2.0, "final_slope": 6.0}
    code, _, err = call(capsys, *command, "--how", "sac", "--set", "rounds=1")  # the file's settings are not sac's
    assert (code, "settings.rounds = 1: is not a setting of sac" in err) == (2, True)
    code, _, err = call(capsys, *command, "--set", "rounds")
    assert (code, "--set = 'rounds': must look like key=value" in err) == (2, True)
    code, _, err = call(capsys, *command, "--trainable", "nothing.*")
    assert (code, "training.trainable = 'nothing.*': matches nothing that can be trained" in err) == (2, True)
    code, _, err = call(capsys, *command, "--set", "learning_rate=0.5")  # what the command says goes before the file
    assert (code, "holds a run of another settings" in err) == (2, True)
    code, _, err = call(capsys, *command, "--steps", 200_000)
    assert (code, "holds a run of another settings" in err) == (2, True)


def test_what_the_section_says_wrong_is_named(tmp_path):
    spec = small("CartPole-v1")
    for section, says in (
        (Training("pppo"), r"my\.yaml: training\.how = 'pppo': is not known; did you mean 'ppo'"),
        (Training("imitate"), "--teacher = None: is needed"),
        (Training(settings={"stepps": 3}), r"my\.yaml: training\.settings\.stepps = 3: is not a setting.* 'n_steps'"),
        (
            Training(settings={"rate": 3}),
            r"settings\.rate = 3: is not a setting of ppo; did you mean 'learning_rate'",
        ),
        (Training(settings={"n_steps": 0.5}), r"training\.settings\.n_steps = 0\.5: must be a whole number >= 1"),
        (Training(settings={"learning_rate": "fast"}), r"training\.settings\.learning_rate = 'fast': must be a number"),
        (
            Training(settings={"critic_layers": [64, 0]}),
            r"training\.settings\.critic_layers = \[64, 0\]: must be a list of whole",
        ),
        (
            Training(trainable={"h.tau": Limits()}),
            r"training\.trainable = 'h\.tau': matches nothing .*'h\.tau_mem'",
        ),
        (Training(trainable={"h.tau_mem": Limits(-1.0)}), r"h\.tau_mem\.low = \[-1\.0\]: must be > 0 s"),
    ):
        file = replace(spec, training=section).save(tmp_path / "my.yaml")
        with pytest.raises(DescriptionError, match=says):
            train(file, "CartPole-v1")
    with pytest.raises(DescriptionError, match=r"^settings\.learning_rate = -1: must be >= 0"):
        train(file, "CartPole-v1", settings={"learning_rate": -1}, trainable={"*.bias": {}})
    with pytest.raises(DescriptionError, match=r"^trainable\.h\.bias\.lo = 1: is not a known key; did you mean 'low'"):
        train(file, "CartPole-v1", trainable={"h.bias": {"lo": 1}})


@pytest.mark.usefixtures("few_episodes", "no_page")
def test_a_settings_file_goes_before_the_controller_file_and_after_the_command(tmp_path, capsys):
    spec = replace(small("Pendulum-v1"), training=Training("sac", settings={"n_envs": 3, "gamma": 0.5}))
    file, tuned = spec.save(tmp_path / "my.yaml"), tmp_path / "tuned.yaml"
    tuned.write_text("how: ppo\nn_envs: 4\nn_steps: 64\nrollouts: 1\nlearning_rate: 1e-3\ntotal_timesteps: 768\n")
    command = ["train", file, "--env", "Pendulum-v1", "--run", tmp_path / "run", "--out", tmp_path / "trained.yaml"]
    assert call(capsys, *command, "--settings", tuned, "--set", "learning_rate=0.002", "--steps", 512)[0] == 0
    asked = json.loads((tmp_path / "run" / "run.json").read_text())
    assert asked["how"] == "ppo"
    wanted = {"n_envs": 4, "learning_rate": 0.002, "total_timesteps": 512, "gamma": 1 - 4 / 200}
    assert {name: asked["settings"][name] for name in wanted} == wanted
    head = (tmp_path / "trained.yaml").read_text()
    assert f"train {file} --env Pendulum-v1 --steps 512 --settings {tuned} --set learning_rate=0.002" in head
    run = train(file, "Pendulum-v1", settings_file=tuned, settings={"total_timesteps": 256})
    assert (run.how, run.steps) == ("ppo", 256)


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        (None, (), "--settings = '{0}': cannot be read: "),
        ("- 1", (), "{0}: file = [1]: must be a mapping"),
        ("gamma: 1\ngamma: 2", (), "{0}: gamma = 'line 2': a key may occur only once"),
        ("gamma: [", (), "{0} = 'line 1, column 9': is not YAML: "),
        ("gama: 1", (), "{0}: gama = 1: is not a setting of ppo; did you mean 'gamma'"),
        ("gamma: -1", (), "{0}: gamma = -1: must be >= 0"),
        ("gamma: 1", ("--set", "gamma=-1"), "settings.gamma = -1: must be >= 0"),
        ("how: 3", (), "{0}: how = 3: must be a text"),
        ("how: imitat", (), "{0}: how = 'imitat': is not known; did you mean 'imitate'"),
        ("how: sac", ("--how", "ppo"), "--how = 'ppo': {0} has settings of sac; leave --how or --settings out"),
        ("weights: int4", (), "{0}: weights = 'int4': must be float32 or int8"),
    ],
)
def test_what_a_settings_file_says_wrong_is_named(tmp_path, capsys, text, more, says):
    file, tuned = small("CartPole-v1").save(tmp_path / "my.yaml"), tmp_path / "tuned.yaml"
    if text is not None:
        tuned.write_text(text)
    command = ["train", file, "--env", "CartPole-v1", "--run", tmp_path / "run", "--settings", tuned]
    code, _, err = call(capsys, *command, *more)
    assert (code, err.count("\n")) == (2, 1)
    assert says.format(tuned) in err


def test_the_settings_files_of_the_benchmark_are_settings():
    files = sorted(training.SETTINGS.glob("*.yaml"))
    assert files
    for file in files:
        task = training.TASKS[file.stem]
        settings = yaml.safe_load(file.read_text())
        assert settings.pop("how") == task.how
        settings_of(task.how, LEARNERS[task.how][1], {}, settings)


def test_a_verdict_compares_with_random_actions_and_goals():
    noise = np.tile([-10.0, 10.0], 50)  # of the episodes, so the same for all

    def row(mean):
        return mean + noise + np.tile([-5.0, -5.0, 5.0, 5.0], 25)

    others = {"chance": row(20.0), "expert": row(420.0), "worse": row(10.0)}
    others["chance"] = 20.0 + noise
    good = _learned(row(320.0), others, 470.0)
    assert good["above_chance"]
    assert good["share"] == pytest.approx({"expert": 0.75, "the reward threshold 470": 300 / 450})
    assert _said(good) == (
        "better than random actions: 75% of the way from random actions to expert, "
        "67% of the way from random actions to the reward threshold 470"
    )
    assert not _learned(row(20.9), others, None)["above_chance"]  # the standard error of the difference is 0.50
    assert _learned(row(21.1), others, None)["above_chance"]
    assert "docs/howto/troubleshooting.md#training-does-not-learn" in _said(_learned(row(20.0), others, None))
    assert _said(_learned(row(99.0), {"chance": row(20.0)}, None)) == "better than random actions"


@pytest.mark.usefixtures("few_episodes")
def test_the_slope_of_the_surrogate_follows_its_schedule(monkeypatch):
    used, use = [], Gradient.use
    monkeypatch.setattr(Gradient, "use", lambda self, surrogate: [used.append(surrogate), use(self, surrogate)])
    train(small("CartPole-v1"), "CartPole-v1", surrogate=Surrogate("triangle", 1.0, 4.0), settings=QUICK)
    assert used == [Surrogate("triangle", slope) for slope in (1.0, 2.0, 3.0)]


@pytest.mark.usefixtures("few_episodes")
def test_matrices_are_multiplied_in_one_thread_whatever_the_number_of_cores():
    seen = []

    def look(phase):
        seen.append({pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"})

    with threadpoolctl.threadpool_limits(2):
        train(small("CartPole-v1"), "CartPole-v1", settings=QUICK, progress=look)
        look(None)
    assert seen[:-1]
    assert all(numbers == {1} for numbers in seen[:-1])
    assert seen[-1] == {2}
