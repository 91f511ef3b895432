"""The data that TensorBoard reads from a run."""

from __future__ import annotations

import pytest

from snn_control.training import train
from snn_control.training.progress import read_progress
from tests.training.test_train import QUICK, small

tensorboard = pytest.importorskip("tensorboard", reason="needs TensorBoard: pip install 'snn_control[tensorboard]'")


def scalars(reader):
    """Tag -> [(step, value)] as a TensorBoard shows them that reads what is new."""
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_an_interrupted_run_has_each_step_once(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def once(stop):
        def progress(phase):
            if phase.number == stop:
                raise KeyboardInterrupt

        train(small("CartPole-v1"), "CartPole-v1", run=tmp_path, settings=QUICK, progress=progress)

    once(stop=2)
    opened = EventAccumulator(str(tmp_path))
    assert len(scalars(opened)["validation/score"]) == 2
    once(stop=0)
    found = scalars(EventAccumulator(str(tmp_path)))
    assert scalars(opened) == found
    rows = read_progress(tmp_path / "progress.csv")
    assert len(rows) == 3
    for name in ("score", "worst", "spikes_a_step"):
        assert found[f"validation/{name}"] == [(row["steps"], pytest.approx(row[name], rel=1e-6)) for row in rows]
    scores = [row["score"] for row in rows]
    assert [value for _, value in found["validation/best"]] == pytest.approx([max(scores[: k + 1]) for k in range(3)])
    assert {tag.partition("/")[2] for tag in found} == {*rows[0], "best"} - {"phase", "steps"}
