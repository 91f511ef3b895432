"""A run in an MCAP file: read by others, replayed to the bit, whole up to a cut."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from snn_control.controller_file import load_spec
from snn_control.engine.tick import tick_address
from snn_control.errors import InputError
from snn_control.realtime.loop import Loop
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.record.mcap_record import McapRecorder, read_mcap
from snn_control.record.replay import replay_log
from snn_control.resources import shipped
from tests.cli.common import call
from tests.record.test_input_log import patient
from tests.record.test_replay import PERIOD_NS

mcap = pytest.importorskip("mcap.reader")


def recorded(path, ticks=700, seed=3):
    """The controller, the file of its run, and what its recorders have of it."""
    controller, rng = patient(), np.random.default_rng(seed)
    activity, inputs = ActivityRecorder(controller.bound), InputLogRecorder(controller.bound, 4000, 400_000)
    for recorder in (activity, inputs):
        recorder.clear()
    spec = load_spec(shipped("pan_tilt"))
    files = {"controller.yaml": spec.save(path.with_name("controller.yaml")).read_bytes()}
    files["controller.npz"] = path.with_name("controller.npz").read_bytes()
    failed = []
    growing = McapRecorder(path, "/robot/controller", inputs, activity, files, failed.append)
    controller.observers = [activity, inputs]
    for k in range(ticks):
        m = int(rng.integers(0, 60))
        times = np.sort(rng.integers(0, PERIOD_NS, m)) + k * PERIOD_NS
        events = (times, *rng.integers(40, 90, (2, m)), rng.integers(0, 2, m))
        controller.step({"camera": events, "joint_velocity": rng.normal(0, 1, 2) if k % 3 else None})
        if k % 250 == 0:
            time.sleep(0.3)  # a part is written
    growing.close()
    assert not failed
    return activity, inputs, growing


def test_what_is_read_is_what_was_recorded(tmp_path):
    activity, inputs, growing = recorded(tmp_path / "a.mcap")
    arrays, log, files, condition = read_mcap(tmp_path / "a.mcap")
    assert growing.lost == 0
    assert condition == "whole"
    wanted, theirs = activity.arrays(), inputs.log()
    for key in ("stamp_ns", "command", "spike_step", "spike_population", "spike_neuron", "population_names"):
        assert np.array_equal(arrays[key], wanted[key]), key
    assert (log.period_ns, log.first_tick, log.faulted) == (theirs.period_ns, theirs.first_tick, theirs.faulted)
    assert np.array_equal(log.control, theirs.control)
    assert np.array_equal(log.state, theirs.state)
    for name, one in theirs.inputs.items():
        for key, column in one.items():
            assert np.array_equal(log.inputs[name][key], column), (name, key)
            assert log.inputs[name][key].dtype == column.dtype
    assert set(files) == {"controller.yaml", "controller.npz"}
    assert replay_log(patient(), log, arrays).identical


def test_others_read_it_with_its_own_definitions(tmp_path):
    _, inputs, _ = recorded(tmp_path / "a.mcap", 300)
    with open(tmp_path / "a.mcap", "rb") as file:
        reader = mcap.make_reader(file)
        summary = reader.get_summary()
        header = reader.get_header()
    counts = {summary.channels[k].topic: n for k, n in summary.statistics.channel_message_counts.items()}
    assert header.profile == "ros2"
    first = recorded(tmp_path / "b.mcap", 1)[0].arrays()["stamp_ns"][0]
    with open(tmp_path / "b.mcap", "rb") as file:  # no gap before the first tick, in which a player would wait
        assert mcap.make_reader(file).get_summary().statistics.message_start_time == first
    assert counts == {
        "/robot/controller/ticks": 300, "/robot/controller/inputs/camera": 300, "/robot/controller/state": 1,
        "/robot/controller/inputs/joint_velocity": 300, "/robot/controller/files": 2,
    }  # fmt: skip
    rosbags = pytest.importorskip("rosbags.highlevel", reason="needs snn_control[decoders]")
    with rosbags.AnyReader([tmp_path / "a.mcap"]) as reader:
        connection = next(c for c in reader.connections if c.topic.endswith("joint_velocity"))
        rows = [reader.deserialize(raw, c.msgtype).values for c, _, raw in reader.messages([connection])]
    assert np.array_equal(rows, inputs.log().inputs["joint_velocity"]["values"])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_is_replayed_up_to_the_cut(tmp_path, share):
    recorded(tmp_path / "a.mcap", 900)
    data = (tmp_path / "a.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: int(share * len(data))])
    arrays, log, _, condition = read_mcap(tmp_path / "cut.mcap")
    assert 0.2 * share * 900 < log.ticks <= 900
    assert condition == "cut"
    assert len(arrays["command"]) == log.ticks
    again = replay_log(patient(), log, arrays)
    assert again.identical
    assert again.ticks == log.ticks


def test_a_wrong_bit_is_found_and_what_is_before_it_is_replayed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("snn_control.record.mcap_record.CHUNK", 40_000)
    recorded(tmp_path / "a.mcap", 300)
    raw, rng = (tmp_path / "a.mcap").read_bytes(), np.random.default_rng(0)
    wanted = read_mcap(tmp_path / "a.mcap")[0]["command"]
    heads, at = [], 8
    while raw[at] != 15:  # up to the end of the data
        heads.append(at)
        at += 9 + int.from_bytes(raw[at + 1 : at + 9], "little")
    damaged, ticks = tmp_path / "b.mcap", set()
    for place in (*heads, *(head + 1 for head in heads), *rng.integers(17, at, 50)):
        wrong = raw[place] ^ 1 << int(rng.integers(8))
        damaged.write_bytes(raw[:place] + bytes([wrong]) + raw[place + 1 :])
        try:
            arrays, _, _, condition = read_mcap(damaged)
        except InputError:
            continue
        assert condition == "damaged", (place, wrong)
        assert np.array_equal(arrays["command"], wanted[: len(arrays["command"])])
        ticks.add(len(arrays["command"]))
    assert len(ticks) > 1
    place = next(head for head in reversed(heads) if raw[head] == 6) + 99
    damaged.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
    code, told, _ = call(capsys, "replay", damaged)
    assert (code, "the file is damaged" in told) == (1, True)


def test_a_file_of_a_running_loop_is_replayed_by_the_command(tmp_path, capsys):
    controller = patient()
    activity, inputs = ActivityRecorder(controller.bound), InputLogRecorder(controller.bound, 4000, 100_000)
    for recorder in (activity, inputs):
        recorder.clear()
    spec = load_spec(shipped("pan_tilt"))
    spec.save(tmp_path / "controller.yaml")
    files = {name: (tmp_path / name).read_bytes() for name in ("controller.yaml", "controller.npz")}
    growing = McapRecorder(tmp_path / "a.mcap", "controller", inputs, activity, files, print)
    loop = Loop(
        tick_address(), controller.bound.table, PERIOD_NS, observers=[activity, inputs], priority=0, keep=controller
    )
    loop.start(800)
    while loop.running:
        time.sleep(0.01)
    growing.close()
    with pytest.raises(FileExistsError):
        McapRecorder(tmp_path / "a.mcap", "controller", inputs, activity, files, print)
    assert read_mcap(tmp_path / "a.mcap")[1].ticks == 800
    code, told, _ = call(capsys, "replay", tmp_path / "a.mcap")
    assert "800 ticks (0.8 s) from tick 0 on" in told
    assert code in (0, 1)  # `patient` waits longer than the shipped file for its camera


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + b"\1" * 500, b"nonsense" * 40])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.mcap").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mcap: is (not|cut)"):
        read_mcap(tmp_path / "a.mcap")


def test_an_event_recording_is_no_run(tmp_path):
    from snn_control.events.columns import Events
    from snn_control.events.writing import write_mcap

    n = 50
    events = Events(np.arange(n), np.zeros(n, np.uint16), np.zeros(n, np.uint16), np.ones(n, np.uint8), "us")
    write_mcap(tmp_path / "a.mcap", lambda: [events], 8, 8)
    with pytest.raises(InputError, match="is not the record of one run"):
        read_mcap(tmp_path / "a.mcap")


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.record.mcap_record import McapRecorder, read_mcap
from tests.record.test_input_log import patient
import time
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
controller, path, failed = patient(), Path(sys.argv[1]), []
# room for all ticks: a busy machine may not run the thread that writes between two pauses
activity, inputs = ActivityRecorder(controller.bound, 20_000), InputLogRecorder(controller.bound, 20_000, 40_000)
growing = McapRecorder(path, "c", inputs, activity, {}, failed.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
controller.observers = [activity, inputs]
for k in range(6_000):
    controller.step({})
    if k % 2000 == 0:
        time.sleep(0.3)
growing.close()
print(failed, growing.lost, read_mcap(path)[1].ticks > 0)
"""


def test_a_full_disk_ends_the_file_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.mcap")], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['File too large'] 0 True"
