"""What was trained is what runs: the network of a training run and the file that it wrote give the same bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.parity import ROUTES, compare, swing_up, trained_by
from snn_control.training import train
from snn_control.training.environments.vector_env import VectorEnv
from tests.training.test_train import small

STEPS = 300
pytestmark = pytest.mark.usefixtures("few_episodes")


@pytest.mark.parametrize("how", ROUTES)
def test_the_file_gives_the_bits_of_the_network_that_was_trained(tmp_path, how):
    route = ROUTES[how]
    made, file = trained_by(route, tmp_path, phases=2)
    found = compare(route, made, file, STEPS, rows=4)
    assert found.same
    assert found.steps == STEPS
    assert found.episodes >= (1 if how == "adapt" else 4)
    assert found.spikes > STEPS


def test_the_last_bit_of_a_weight_is_noticed(tmp_path):
    made, file = trained_by(ROUTES["ppo"], tmp_path, phases=1)
    weights = next(p for p in made.parameters.parameters if p.name == "hidden_1->hidden_2.weights")
    weights.values[...] = np.nextafter(weights.values, np.float32(np.inf))
    made.parameters.write()
    assert compare(ROUTES["ppo"], made, file, STEPS, rows=4).states > 0


def test_what_imitates_acts_within_its_slew(monkeypatch):
    given, step = [], VectorEnv.step
    monkeypatch.setattr(
        VectorEnv, "step", lambda self, commands: [given.append(np.array(commands[0])), step(self, commands)][1]
    )
    spec, slew, n = small("Pendulum-v1"), 5.0, 48
    spec = replace(spec, outputs=(replace(spec.outputs[0], slew=slew),))
    settings = {"n_envs": 2, "n_steps": n, "beta_decay": 0.0, "gradient_steps": 5, "total_timesteps": 3 * 2 * n}
    train(spec, "Pendulum-v1", how="imitate", teacher=swing_up, settings=settings)
    own = np.array(given).reshape(3, n, 2)[1:]  # in the first round the teacher acts
    assert np.abs(np.diff(own, axis=1)).max() <= slew * spec.period * (1 + 1e-6)
    assert np.ptp(own) > slew * spec.period
