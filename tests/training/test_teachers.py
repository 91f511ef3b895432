"""What teachers remember is of the episode that they are in."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

import sim_worlds.quadruped
from snn_control.controller_file import load_spec
from snn_control.training.calls import make
from snn_control.training.environments import Environments
from snn_control.training.imitation import Imitation, ImitationSettings
from snn_control.training.parameters import DEFAULT, Parameters

START = Path(sim_worlds.quadruped.__file__).with_name("start.yaml")


def test_a_baseline_begins_anew_with_each_episode():
    """The open-loop trot has a phase, which is 0 where an episode begins."""
    spec, steps = load_spec(START), 5
    envs = Environments(functools.partial(make, "sim_worlds:QuadrupedWalk-v0", {"duration": steps / 100}), 1, spec)
    learner = Imitation(Parameters(spec, DEFAULT, np.random.default_rng(0)), ImitationSettings())
    learner.teacher = "Trot"
    learner.begin(envs, np.random.default_rng(0))
    teach, inputs, start, said = learner.teaching(envs), envs.reset(5), np.ones(1, bool), []
    for _ in range(2 * steps):
        said.append(teach(inputs, start)["action"])
        found = envs.step([said[-1]])
        inputs, start = found.inputs, found.over
    envs.close()
    np.testing.assert_array_equal(said[:steps], said[steps:])
    assert np.ptp(said[:steps], axis=0).max() > 0.01
