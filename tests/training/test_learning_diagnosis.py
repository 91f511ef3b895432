"""Warnings of training: faults are found where they were introduced and named once, with a fix; none if all is well."""

from __future__ import annotations

import json
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from snn_control.controller import build_program
from snn_control.findings import Finding, warning
from snn_control.training import train
from snn_control.training.environments.evaluation import evaluate
from snn_control.training.environments.vector_env import Interface
from snn_control.training.schedule.learning_diagnosis import LearningDiagnosis
from tests.cli.common import call
from tests.training.test_train import QUICK, small


def looked(spec, env_id, threshold=None, phases=1):
    """The warnings in each of some phases of a controller that does not change."""
    diagnosis, history = LearningDiagnosis(threshold), []
    envs = [gymnasium.make(env_id) for _ in range(3)]
    interface = Interface(spec, envs[0].observation_space, envs[0].action_space)
    found = evaluate(build_program(spec), interface, envs, range(5))
    said = []
    for k in range(phases):
        history.append({"steps": 1000 * (k + 1), "score": found.score, "worst": found.returns.min()})
        said.append([str(one) for one in diagnosis.new_findings(spec, found, history)])
    return said


def changed(spec, population=None, output=None, **one):
    """The spec with a field of its population h, its output or its input replaced."""
    populations = tuple(
        replace(p, **population) if population and p.name == "h" else p for p in spec.network.populations
    )
    inputs = tuple(replace(i, **one) for i in spec.inputs) if one else spec.inputs
    outputs = tuple(replace(o, **output) for o in spec.outputs) if output else spec.outputs
    return replace(spec, network=replace(spec.network, populations=populations), inputs=inputs, outputs=outputs)


def test_a_sound_controller_gives_no_warning():
    assert looked(small("Pendulum-v1"), "Pendulum-v1", phases=4) == [[], [], [], []]


def test_a_population_that_is_silent_is_said_once():
    first, second = looked(changed(small("Pendulum-v1"), population={"bias": -9.0}), "Pendulum-v1", phases=2)
    (line,) = first
    assert line.startswith("network.populations.h: no neuron of it fired in 5 episodes, ")
    assert "(after 1,000 steps): " in line
    assert "larger weights into it ('snn_control check FILE --env ID'" in line
    assert second == []


def test_a_squashed_output_that_stays_at_its_limit_is_said():
    spec = small("Pendulum-v1")
    (line,) = looked(changed(spec, output={"bias": 40.0}), "Pendulum-v1")[0]
    assert "outputs.u: next to its limit of 2 in 1,000 of 1,000 ticks (after 1,000 steps): " in line, (
        "though it rests there"
    )
    (term,) = spec.outputs[0].decoder
    spec = changed(spec, output={"decoder": (replace(term, weights=np.full((1, 1), 900.0)),)})
    (line,) = looked(changed(spec, population={"bias": 5.0}), "Pendulum-v1")[0]
    assert "outputs.u: next to its limit" in line
    assert "smaller decoder weights" in line


@pytest.mark.parametrize(("scale", "says"), [(1e-3, "beyond its range"), (100.0, "of its range")])
def test_a_range_that_does_not_fit_is_said(scale, says):
    spec = small("Pendulum-v1")
    low, high = (np.asarray(side) * scale for side in spec.inputs[0].range)
    spec = changed(spec, range=(low, high), encoder=replace(spec.inputs[0].encoder, low=low, high=high))
    said = looked(spec, "Pendulum-v1", phases=4)
    (line,) = [line for some in said for line in some if says in line]
    assert "inputs.x[" in line
    assert "`range`" in line
    if scale > 1:
        assert "narrow `range` to what occurs" in said[2][0]
        assert "as 2 more numbers of x" in line


def test_returns_that_never_change_are_said_unless_the_task_is_solved():
    said = looked(small("MountainCar-v0"), "MountainCar-v0", threshold=-110.0, phases=4)
    assert any("returns: each episode of 3 phases gave -200" in line for line in said[2])
    assert not any("returns" in line for k in (0, 1, 3) for line in said[k])
    solved = looked(small("MountainCar-v0"), "MountainCar-v0", threshold=-200.0, phases=4)
    assert not any("returns" in line for some in solved for line in some)


@pytest.mark.usefixtures("few_episodes", "no_page")
def test_the_command_says_it_on_its_way_and_at_its_end(tmp_path, capsys):
    file = changed(small("CartPole-v1"), population={"bias": -9.0}).save(tmp_path / "my.yaml")
    given = ("train", file, "--env", "CartPole-v1", "--run", tmp_path / "run", "--steps", 10_300, "--json")
    code, out, err = call(capsys, *given)
    (one,) = [one for one in json.loads(out)["warnings"] if "populations.h" in one["path"]]
    assert code == 0
    assert err.count(f"warning: {Finding(**one)}\n") == 1
    assert one in json.loads(call(capsys, *given)[1])["warnings"], "a resumed run still knows it"


@pytest.mark.usefixtures("few_episodes")
def test_each_phase_tells_what_is_new():
    phases = []
    trained = train(
        changed(small("CartPole-v1"), population={"bias": -9.0}), "CartPole-v1", settings=QUICK, progress=phases.append
    )
    assert len(phases[0].warnings) == 1
    assert trained.warnings == [one for phase in phases for one in phase.warnings]


def test_observations_of_training_that_are_not_finite_are_said_once():
    diagnosis, history = LearningDiagnosis(None), [{"steps": 1000, "score": 1.0, "worst": 0.5}]
    spec, envs = small("Pendulum-v1"), [gymnasium.make("Pendulum-v1")]
    found = evaluate(build_program(spec), Interface(spec, envs[0].observation_space, envs[0].action_space), envs, [1])
    (one,) = diagnosis.new_findings(spec, found, history, {"x": 7})
    assert str(one).startswith("inputs.x: not finite in 7 steps of this phase of training (after 1,000 steps): correct")
    assert diagnosis.new_findings(spec, found, history, {"x": 9}) == []


@pytest.mark.usefixtures("few_episodes")
def test_a_phase_longer_than_all_steps_is_said():
    said = []
    settings = QUICK | {"total_timesteps": 100}
    found = train(small("CartPole-v1"), "CartPole-v1", settings=settings, progress=lambda p: said.extend(p.warnings))
    assert (
        said
        == found.warnings
        == [warning("--steps", "one phase has 256 steps, and was trained although the limit is 100")]
    )
