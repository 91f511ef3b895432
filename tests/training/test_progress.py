"""The folder of a run: what is damaged is refused by its name, and two trainings do not share it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training import train, training_run
from snn_control.training.progress import locked_folder
from tests.training.test_train import QUICK, small


def trained(run, stop=9):
    def progress(phase):
        if phase.number == stop:
            raise KeyboardInterrupt

    return train(small("CartPole-v1"), "CartPole-v1", how="ppo", seed=5, run=run, settings=QUICK, progress=progress)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "VALIDATION_EPISODES", 2)
        trained(folder, stop=1)
    return folder


def without(first):
    return lambda arrays: {name: array for name, array in arrays.items() if not name.startswith(first)}


def with_array(name, array):
    return lambda arrays: arrays | {name: np.array(array)}


NAME = "parameter/h.bias"
ROW = {"phase": 1, "steps": 256, "score": 9.0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("history"), "it has no 'history'"),
        (without(NAME), f"it has no '{NAME}'"),
        (without("learner/"), "it has no 'steps'"),
        (with_array(NAME, [1.0, 2.0]), r"an array is float64 \(2,\), not float32 \(24,\)"),
        (with_array(NAME, np.full(24, np.nan, np.float32)), "must be finite"),
        (with_array("learner/actor_optimizer/mean_0", "x"), r"an array is <U1 \(\), not float32"),
        (with_array("candidate/0", 1.0), "cannot unpack"),
        (with_array("history", "{"), "Expecting property name"),
        (with_array("history", "3"), "not iterable"),
        (with_array("history", "[]"), "its history has no phase"),
        (with_array("history", '[{"phase": 1}]'), "it has no 'steps'"),
        (with_array("history", json.dumps([ROW, ROW])), "row 1 of its history is not that of phase 2"),
    ],
)
@pytest.mark.usefixtures("few_episodes")
def test_a_checkpoint_that_is_wrong_is_refused(tmp_path, run, change, says):
    shutil.copytree(run, folder := tmp_path / "run")
    with np.load(file := folder / "checkpoint.npz") as arrays:
        changed = change(dict(arrays))
    np.savez(file, **changed)
    with pytest.raises(DescriptionError, match=rf"^--run = .*checkpoint.npz': is not a readable checkpoint \(.*{says}"):
        trained(folder)


@pytest.mark.parametrize("text", ["[1, 2]", "null", '{"settings": 3}', "{", "[" * 100_000])
def test_a_run_that_is_not_described_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DescriptionError, match=r"^--run = .*run\.json': cannot be read: "):
        trained(tmp_path)


def test_two_trainings_do_not_share_a_folder(tmp_path):
    refused = pytest.raises(DescriptionError, match="run': is in use by another training; wait")
    with locked_folder(tmp_path / "run"), refused:
        trained(tmp_path / "run")
    with locked_folder(tmp_path / "run"):  # which was left
        pass
