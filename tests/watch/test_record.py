"""A record as a page: its frames have the spikes, ticks and faults of the record, and what cannot be read is named."""

import numpy as np
import pytest

from snn_control.controller_file import parse_spec
from snn_control.errors import DescriptionError, InputError
from snn_control.record.activity_recorder import SAFE
from snn_control.record.recorded_run import read_run_record
from snn_control.record.run_folder import companion, read_record, write_record
from snn_control.watch.protocol import decode
from snn_control.watch.record_run import RecordRun
from tests.watch import runs


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.npz"
    runs.record(path)
    return path


def frames_of(data):
    at, found = 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(decode(data[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def test_the_frames_have_all_that_the_record_has(file):
    shares = []
    run = RecordRun(read_run_record(file), "run", shares.append)
    arrays, _ = read_record(file)
    frames = frames_of(run.data)

    def joined(key):
        return np.concatenate([found[key] for _, found in frames])

    steps = np.concatenate([found["spike_step"] + found["first_step"] for _, found in frames])
    assert run.found.identical
    assert run.scene()["note"] == "the replay has the bits of the record"
    assert np.array_equal(steps, arrays["spike_step"])
    assert np.array_equal(joined("spike_neuron"), arrays["spike_neuron"])
    assert np.array_equal(joined("command"), arrays["command"].astype(np.float32))
    assert np.array_equal(joined("fault"), arrays["fault"])
    assert (run.scene()["ticks"], run.scene()["spikes"]) == (150, len(steps)) == (150, run.spikes)
    assert [header["tick"] for header, _ in frames] == np.cumsum([header["ticks"] for header, _ in frames]).tolist()
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_faults_marks_membranes_and_weights_are_in_the_frames(file):
    frames = frames_of(RecordRun(read_run_record(file), "run").data)
    fault = np.concatenate([found["fault"] for _, found in frames])
    assert np.flatnonzero(fault & SAFE).tolist() == list(range(50, 70))
    marks = [(round(mark["t"] / 0.02), mark["kind"], mark["text"]) for header, _ in frames for mark in header["marks"]]
    assert marks == [(50, "stop", ""), (70, "release", ""), (90, "tune", f"{runs.BIAS} = 0.5")]
    assert all(found["membrane.hidden"].shape == (20,) for _, found in frames)
    weights = [[one["key"] for one in header.get("weights", [])] for header, _ in frames]
    assert sorted(weights[0]) == ["weights.0", "weights.1", "weights.2"]
    assert weights.count(["weights.1"]) == 5  # what learns, each half second


def test_a_record_with_another_bit_is_shown_and_said_to_differ(file):
    arrays, facts = read_record(file)
    arrays["command"][100] += 1e-9
    write_record(file, arrays, facts)
    run = RecordRun(read_run_record(file), "run")
    assert (run.found.identical, run.found.tick) == (False, 100)
    assert run.scene()["note"] == "the replay differs from the record"
    assert len(frames_of(run.data)) >= 75


@pytest.mark.parametrize("what", ["inputs", "controller"])
def test_a_missing_file_is_named(file, what):
    companion(file, what).unlink()
    with pytest.raises(DescriptionError, match=rf"{companion(file, what).name}.*is not there"):
        read_run_record(file)


@pytest.mark.parametrize("what", ["", "inputs"])
def test_a_damaged_file_is_named(file, what):
    damaged = companion(file, what) if what else file
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"{damaged.name}: cannot be read"):
        read_run_record(file)


def test_a_controller_of_another_run_is_refused(file):
    learns = runs.FILE["network"]["projections"][1]
    one = runs.FILE["network"] | {"projections": [p for p in runs.FILE["network"]["projections"] if p is not learns]}
    parse_spec(runs.FILE | {"network": one}).save(companion(file, "controller"), "of another run")
    with pytest.raises(InputError, match="control words"):
        RecordRun(read_run_record(file), "run")


def test_a_record_cannot_be_changed(file):
    run = RecordRun(read_run_record(file), "run")
    assert (run.frames(), run.scene()["actions"]) == ([], [])
    with pytest.raises(InputError, match="a record cannot be changed"):
        run.act("stop", {})
