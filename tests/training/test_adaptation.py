"""Online learning: in the loop, with the same bits after an interruption, and continued from the file."""

from __future__ import annotations

import json
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import yaml

from snn_control import Model
from snn_control.coding import ArgmaxDecoder, LinearEncoder, MembraneDecoder
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, STDP, Normal, Threshold
from snn_control.resources import shipped
from snn_control.training import train
from snn_control.training.algorithms import online as adapting
from snn_control.training.algorithms.online import Adaptation
from tests.cli.common import call

WORLD = "sim_worlds:ArmUnknownLoad-v0"
SHORT = {"duration": 0.9, "scored_from": 0.5}


def adapt(controller="arm", env=WORLD, arguments=SHORT, **more):
    return train(controller, env, arguments=arguments, how="adapt", **more)


def test_the_error_shrinks_and_what_was_learned_stands_in_the_file(tmp_path):
    trained = adapt(settings={"n_steps": 1000, "total_timesteps": 5000}, arguments={"load": 2.0, "duration": 10.0})
    errors = [row["error"] for row in trained.history]
    assert min(errors[1:]) < 0.3 * errors[0]
    assert [row["steps"] for row in trained.history] == [1000, 2000, 3000, 4000, 5000]
    assert all(row["learned"] > 0 for row in trained.history)
    assert len(trained.evaluation.returns) == 1
    weights = Controller.load(trained.spec.save(tmp_path / "arm.yaml")).weights("state", "torque")
    assert np.abs(weights).max() > 0.1
    assert load_spec(tmp_path / "arm.yaml").network.projections[-1].learning is not None


@pytest.mark.parametrize(("most", "taken"), [(30, [30]), (250, [100, 200])])
def test_it_takes_no_more_steps_than_it_may(most, taken):
    trained = adapt(settings={"n_steps": 100, "total_timesteps": most})
    assert [row["steps"] for row in trained.history] == taken
    assert trained.steps == taken[-1]


def test_a_run_that_was_ended_goes_on_to_the_same_bits(tmp_path):
    def once(run, stop=0):
        def progress(phase):
            if phase.number == stop:
                raise KeyboardInterrupt

        return adapt(seed=5, run=run, settings={"n_steps": 400, "total_timesteps": 2000}, progress=progress)

    whole = once(tmp_path / "whole")
    first = once(tmp_path / "parts", stop=3)  # within the second episode
    assert first.ended
    assert len(first.history) == 3
    again = once(tmp_path / "parts")
    assert again.history == whole.history
    assert sum(row["episodes"] for row in whole.history) == 2 == len(whole.evaluation.returns)
    one, other = again.spec.save(tmp_path / "a.yaml"), whole.spec.save(tmp_path / "b.yaml")
    assert Controller.load(one).program.digest == Controller.load(other).program.digest
    assert (again.evaluation.returns == whole.evaluation.returns).all()
    with pytest.raises(DescriptionError, match="holds a run of another settings"):
        adapt(seed=5, run=tmp_path / "parts", settings={"n_steps": 100})


@pytest.mark.parametrize("connection", ["dense", "one_to_one", "sparse"])
def test_the_file_goes_on_where_the_loop_was(tmp_path, connection):
    """What a controller does that keeps what it learned, one does that begins with the weights of the file."""
    m = Model(dt=1e-3)
    x = m.input("x", 4, encoder=LinearEncoder(np.eye(4), neuron=Threshold(0.01)))
    h = m.population("h", 4, LIF(tau_mem=0.02, r=30.0))
    index = {"pre_index": [3, 0, 1, 1], "post_index": [0, 1, 3, 2]} if connection == "sparse" else {}
    rule = STDP(a_plus=0.02, a_minus=0.024)
    m.connect(x, h, 0.9, connection, learning=rule, **index)
    out = m.population("out", 2, LI(tau_mem=0.02))
    m.connect(h, out, Normal(0, 1, seed=1))
    m.output("u", decoder=ArgmaxDecoder(2, (MembraneDecoder("out", np.eye(2)),)))
    spec = m.spec()
    trained = adapt(spec, "CartPole-v1", {}, settings={"n_steps": 200, "total_timesteps": 400})
    assert trained.history[0]["learned"] > 0
    assert 5 < trained.history[0]["score"] < 200
    assert trained.history[0]["episodes"] > 1
    loop = Adaptation(spec, lambda: gymnasium.make("CartPole-v1"), lambda k: k)
    loop.phase(300)
    loop.controller.reset(keep_learning=True)
    fresh = Controller.load(loop.learned().save(tmp_path / "x.yaml"))
    rng = np.random.default_rng(1)
    for _ in range(200):
        given = {"x": rng.uniform(-0.1, 0.1, 4)}
        assert fresh.step(given)["u"] == loop.controller.step(given)["u"]
        np.testing.assert_array_equal(fresh.spikes("h"), loop.controller.spikes("h"))
    for one, other in zip(*(np.atleast_1d(c.weights("x", "h")) for c in (fresh, loop.controller)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_ctrl_c_within_a_phase_keeps_what_was_learned(monkeypatch):
    taken, step = 0, gymnasium.make(WORLD).unwrapped.__class__.step

    def interrupted(self, action):
        nonlocal taken
        taken += 1
        if taken == 700:
            raise KeyboardInterrupt
        return step(self, action)

    monkeypatch.setattr(gymnasium.make(WORLD).unwrapped.__class__, "step", interrupted)
    trained = adapt(settings={"n_steps": 500, "total_timesteps": 1000})
    assert trained.ended
    assert len(trained.history) == 1
    assert np.abs(trained.spec.network.projections[-1].weights).max() > 0


def test_it_is_said_once_where_no_weight_changes():
    spec = load_spec(shipped("arm"))
    *others, last = spec.network.projections
    still = replace(last, learning=replace(last.learning, learning_rate=0.0))
    spec = replace(spec, network=replace(spec.network, projections=(*others, still)))
    phases = []
    trained = adapt(spec, settings={"n_steps": 200, "total_timesteps": 400}, progress=phases.append)
    assert [list(phase.warnings) for phase in phases] == [[adapting.NOTHING_LEARNED], []]
    assert list(trained.warnings) == [adapting.NOTHING_LEARNED]
    assert (trained.evaluation.returns == trained.fixed.returns).all()


def test_what_learns_nothing_is_refused(tmp_path, capsys):
    values = yaml.safe_load(shipped("arm").read_text())
    (tmp_path / "arm.npz").write_bytes(shipped("arm", suffix=".npz").read_bytes())
    values["network"]["projections"][-1]["learning"]["enabled"] = False
    (tmp_path / "off.yaml").write_text(yaml.safe_dump(values))
    del values["network"]["projections"][-1]["learning"]
    (tmp_path / "none.yaml").write_text(yaml.safe_dump(values))
    for name, says in (("off", "all rules are off; set enabled: true"), ("none", "give one a rule, e.g. learning: ")):
        code, _, err = call(capsys, "train", tmp_path / f"{name}.yaml", "--env", WORLD, "--how", "adapt")
        assert code == 2
        assert err.count("\n") == 1
        assert f"{name}.yaml" in err
        assert says in err
    code, _, err = call(capsys, "train", "arm", "--env", "CartPole-v1", "--how", "adapt")
    assert (code, "must be" in err) == (2, True)
    with pytest.raises(DescriptionError, match="is not a setting of adapt"):
        adapt(settings={"stepps": 1})


def test_the_command(tmp_path, capsys):
    run = ["--run", tmp_path / "run", "--out", tmp_path / "out.yaml", "--seed", 2, "--steps", 4000, "--json"]
    where = ["--env", WORLD, *(part for key, value in SHORT.items() for part in ("--arg", f"{key}={value}"))]
    code, out, err = call(capsys, "train", "arm", *where, "--how", "adapt", *run)
    assert code == 0
    found = json.loads(out)
    assert (found["how"], found["steps"], found["episodes"]) == ("adapt", 4000, 4)
    assert found["compared"].keys() == {"learning off", "chance", "PD", "PID"}
    assert found["mean"] > found["compared"]["learning off"]["mean"] > found["compared"]["PD"]["mean"]
    assert "arm: 4000 of 4000 steps" in err
    assert "no page" not in err
    assert (tmp_path / "run" / "progress.csv").read_text().startswith("phase,steps,score,episodes,error,")
    assert "--how adapt --seed 2 --steps 4000" in (tmp_path / "out.yaml").read_text()
    assert np.abs(Controller.load(tmp_path / "out.yaml").weights("state", "torque")).max() > 0.1
