"""The input log of a loop, replayed, gives the same commands to the bit."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.coding import Guard, MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.engine.build import build
from snn_control.engine.control_words import DRIVER, ELAPSED, LEARNING, RELEASE, RESTART, WHOLE
from snn_control.engine.kernels.guard import FAULTED
from snn_control.engine.tick import tick_address
from snn_control.errors import DescriptionError, InputError
from snn_control.network import Network
from snn_control.realtime.loop import Loop
from snn_control.realtime.ports.memory import ReplayInput
from snn_control.realtime.ports.packet_receiver import Pacing, PacketReceiver
from snn_control.record.input_log import InputLog
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.resources import shipped
from tests.engine.test_control_words import memory
from tests.engine.test_guard import direct
from tests.realtime import ticks
from tests.realtime.packet_queue import PacketQueue
from tests.realtime.packets import evt3_words
from tests.realtime.record_output import RecordOutput

TICKS = 600


def feed(queue: PacketQueue, stop: threading.Event) -> None:
    """A camera's thread: 3 ms packets of a wandering blob."""
    r, start = np.random.default_rng(1), time.monotonic_ns()
    for k in range(100_000):
        if stop.wait(max(start + 3_000_000 * (k + 1) - time.monotonic_ns(), 0) * 1e-9):
            return
        n = int(r.integers(0, 900))
        t = 3000 * k + np.sort(r.integers(0, 3000, n))
        x, y = (np.clip(r.normal(64 + 40 * np.sin(k / 60), 9, n), 0, 139).astype(int) for _ in "xy")
        queue.push(evt3_words(t, x, y, r.integers(0, 2, n)), "evt3", stamp=time.time_ns())


def patient() -> Controller:
    """The shipped pan_tilt without limits on staleness, so that a slow machine does not cause the safe state."""
    spec = load_spec(shipped("pan_tilt"))
    return Controller.from_spec(replace(spec, inputs=tuple(replace(one, stale=math.inf) for one in spec.inputs)))


def run_live(pace: str, **sizes):
    """Commands, record and counters of the shipped pan_tilt in a realtime loop, with packets from another thread."""
    controller = patient()
    bound = controller.bound
    queue = PacketQueue(PacketReceiver.of(bound, "camera", Pacing(pace)), "camera")
    joints = ReplayInput(
        bound.address("joint_velocity.slot"),
        np.random.default_rng(2).normal(0, 2, (TICKS, 2)),
        fresh=np.arange(TICKS) % 3 == 0,
    )
    commands = RecordOutput(bound.address("command"), 2, TICKS + 1)
    recorder = InputLogRecorder(bound, **sizes)
    loop = Loop(
        tick_address(), bound.table, controller.period_ns, [queue, joints], [commands],
        [(bound.address("command"), bound.address("safe"), 2)], priority=0, lock_memory=False, keep=controller,
        observers=[recorder],
    )  # fmt: skip
    stop = threading.Event()
    thread = threading.Thread(target=feed, args=(queue, stop))
    thread.start()
    try:
        loop.start(TICKS)
        while loop.running:
            time.sleep(0.01)
        loop.stop()
    finally:
        stop.set()
        thread.join()
    return commands.read()[2][:TICKS], recorder, queue.counters()


@pytest.mark.parametrize("pace", ["arrival", "sensor"])
def test_a_realtime_run_is_repeated_to_the_bit(pace, tmp_path):
    commands, recorder, counters = run_live(pace)
    path = tmp_path / "inputs.npz"
    recorder.save(path)
    record = InputLog.load(path)
    assert (record.ticks, record.first_tick, record.overwritten) == (TICKS, 0, 0)
    camera = record.inputs["camera"]
    assert len(camera["t"]) == camera["count"].sum() == counters["events"] > 10_000
    assert counters["out_of_frame"] > 0
    assert len(np.unique(commands[:, 0])) > 40
    # the cut differs from that of any clock: ticks without events between full ones
    assert (camera["fresh"] == 0).any() or pace == "sensor"

    again = patient()
    out = RecordOutput(again.bound.address("command"), 2, TICKS)
    ports = record.ports(again.bound)
    Loop(tick_address(), again.bound.table, again.period_ns, ports, [out], mode="free", keep=again).run(TICKS)
    np.testing.assert_array_equal(out.read()[2].view(np.int64), commands.view(np.int64))

    stepped = patient()
    given = [stepped.step(seen) for seen in record.observations()]
    rows = np.array([np.concatenate([one["pan"], one["tilt"]]) for one in given])
    np.testing.assert_array_equal(rows.view(np.int64), commands.view(np.int64))

    # as a stimulus of the command line, too
    stimulus = load_stimulus(path, load_spec(shipped("pan_tilt")), 0.5)
    third = patient()
    rows = np.array([np.concatenate(list(third.step(seen).values())) for seen in stimulus.log.observations()])
    np.testing.assert_array_equal(rows.view(np.int64), commands[:500].view(np.int64))
    assert len(stimulus.events["camera"][0]) == camera["offsets"][500]
    assert [port.length for port in stimulus.log.ports(third.bound)] == [500] * 3


def test_missed_periods_late_publications_and_the_held_beginning_are_repeated_too():
    """A slew is per second, so the allowed change in a tick depends on the number of periods since the last one."""
    n, values = 60, np.where(np.arange(60) // 9 % 2, 0.8, -0.6)[:, None]
    live = direct(slew=10.0)
    bound, slow = live.bound, ticks.Port("publish_slowly")
    slow.words[:3] = 0, 20, 30_000_000
    x = ReplayInput.of(bound, "x", values)
    out, recorder = RecordOutput(bound.address("command"), 1, n + 1), InputLogRecorder(bound)
    loop = Loop(
        tick_address(), bound.table, live.period_ns, [x], [out, slow],
        [(bound.address("command"), bound.address("safe"), 1)], priority=0, lock_memory=False, keep=live,
        control=bound.address("control"), guard=bound.address("guard"), publish_budget_s=0.02, observers=[recorder],
    )  # fmt: skip
    bound.array("guard")[FAULTED] = 1
    recorder.clear()
    loop.start(n)
    while loop.running:
        time.sleep(0.01)
    loop.stop()
    record, commands = recorder.log(), out.read()[2][:n]
    assert record.faulted
    assert record.control[:, ELAPSED].max() >= 20 * WHOLE
    assert record.control[:, DRIVER].any()  # the publication that took too long
    again = direct(slew=10.0)
    plain = RecordOutput(again.bound.address("command"), 1, n)
    ports = record.ports(again.bound)
    Loop(tick_address(), again.bound.table, again.period_ns, ports, [plain], mode="free", keep=again).run(n)
    np.testing.assert_array_equal(plain.read()[2].view(np.int64), commands.view(np.int64))
    stepped = direct(slew=10.0)
    assert [command["u"][0] for command in record.replay(stepped)] == commands[:, 0].tolist()
    assert stepped.bound.array("control")[[DRIVER, ELAPSED]].tolist() == [0, 0]


def test_what_an_operator_did_is_repeated_to_the_bit():
    """Learning off and on, restarts and releases of faults, from another thread and at any time."""
    n, rng = 500, np.random.default_rng(3)
    values = rng.uniform(0, 1, (n, 8))
    values[[50, 150, 250, 350]] = 2.0  # not plausible: a fault that only an operator ends
    live = memory(guard=Guard(0))
    bound, x = live.bound, ReplayInput.of(live.bound, "x", values)
    out, recorder = RecordOutput(bound.address("command"), 2, n + 1), InputLogRecorder(bound)
    loop = Loop(
        tick_address(), bound.table, live.period_ns, [x], [out], [(bound.address("command"), bound.address("safe"), 2)],
        priority=0, lock_memory=False, keep=live, control=bound.address("control"), guard=bound.address("guard"),
        observers=[recorder],
    )  # fmt: skip
    recorder.clear()
    loop.start(n)
    while loop.running:
        live.learning(rng.random() < 0.5)
        live.release()
        if rng.random() < 0.2:
            live.restart()
        time.sleep(rng.uniform(0, 0.02))
    loop.stop()
    log, commands = recorder.log(), out.read()[2][:n]
    for word in (RELEASE, RESTART, LEARNING):
        assert len(set(log.control[:, word].tolist())) > 1
    assert live.counters()["guard"]["faults"] > 1
    again = memory(guard=Guard(0))
    plain = RecordOutput(again.bound.address("command"), 2, n)
    ports = log.ports(again.bound)
    Loop(tick_address(), again.bound.table, again.period_ns, ports, [plain], mode="free", keep=again).run(n)
    assert np.array_equal(plain.read()[2], commands)
    assert np.array_equal(again.weights("a", "b"), live.weights("a", "b"))
    third = memory(guard=Guard(0))
    stepped = [np.concatenate(list(command.values())) for command in log.replay(third)]
    same = (np.array(stepped) == commands).all(axis=1)
    assert same[: int(np.argmax(log.control[:, ELAPSED] > WHOLE)) or n].all()  # ages but for periods that were missed
    with pytest.raises(InputError, match="the controller has 4"):
        next(log.replay(direct()))
    with pytest.raises(InputError, match="the controller has 4: they have different numbers of learning rules"):
        log.ports(direct().bound)


@pytest.mark.parametrize(("sizes", "most"), [({"ticks": 100}, 100), ({"events": 8000}, TICKS - 1)])
def test_what_was_overwritten_is_counted(sizes, most):
    _, recorder, _ = run_live("arrival", **sizes)
    record = recorder.log()
    assert 0 < record.ticks <= most
    assert record.overwritten == record.first_tick == TICKS - record.ticks
    camera = record.inputs["camera"]
    assert camera["offsets"][0] == 0
    np.testing.assert_array_equal(np.diff(camera["offsets"]), camera["count"])
    assert len(camera["x"]) == camera["offsets"][-1] <= sizes.get("events", 1 << 40)
    assert len(camera["fresh"]) == len(record.inputs["joint_velocity"]["values"])
    recorder.clear()
    assert recorder.log().ticks == 0


def wired(size: int) -> Controller:
    """The numbers of x are not connected; the command is z, which follows them in the file."""
    inputs = [ValueInput("x", size=size), ValueInput("z")]
    output = Output("y", (MembraneDecoder("z", 1.0),))
    return Controller(build(Network(), inputs, [output], dt=1e-3, period=1e-3))


def test_a_record_of_another_size_is_refused_before_anything_is_written(tmp_path):
    small, large = wired(1), wired(24)
    recorder = InputLogRecorder(large.bound, 10)
    for _ in range(3):
        large.step({"x": np.full(24, 7.0), "z": 1.0})
        recorder()
    log = recorder.log()
    assert [port.length for port in log.ports(large.bound)] == [3, 3, 3]
    with pytest.raises(InputError, match=r"record of input 'x': shape \(3, 24\): must be \(ticks, 1\)"):
        log.ports(small.bound)
    for name, wrong in (("x", np.zeros(3)), ("x", np.zeros((3, 2))), ("x", [np.zeros(3)] * 5), ("y", np.zeros((3, 1)))):
        with pytest.raises(InputError, match=f"record of input '{name}'"):
            ReplayInput.of(small.bound, name, wrong)


@pytest.mark.parametrize("size", [2, 1080])
def test_what_is_kept_is_bounded_by_bytes_and_said(size):
    controller = wired(size)
    recorder = InputLogRecorder(controller.bound, 300_000, most_bytes=8 << 20)
    states = recorder._states.nbytes + recorder._initial.nbytes
    kept = recorder._ring.nbytes + states
    assert (7 << 20) < kept <= 8 << 20
    ticks = len(recorder._ring)
    assert ticks == ((8 << 20) - states) // (8 * (5 + 9 + size + 9 + 1))
    assert recorder.kept == f"the newest {ticks:,} ticks, {ticks * 1e-3:.3g} s"
    for k in range(3):
        controller.step({"x": np.full(size, float(k)), "z": 1.0})
        recorder()
    assert recorder.log().inputs["x"]["values"].tolist() == [[float(k)] * size for k in range(3)]


def test_events_take_half_of_the_bytes_at_most_and_room_for_a_tick_at_least():
    bound = Controller.load("pan_tilt").bound
    recorder = InputLogRecorder(bound, most_bytes=4 << 20)
    kept = sum(column.nbytes for column in recorder._events["camera"].values())
    assert (1 << 20) < kept <= 2 << 20
    assert f", and {kept // 13:,} events of each camera" in recorder.kept
    assert InputLogRecorder(bound, most_bytes=0).kept == "the newest 1 tick, 0.001 s, and 4,096 events of each camera"


def test_wrong_files_and_sizes_are_refused(tmp_path):
    controller = Controller.load("pan_tilt")
    with pytest.raises(DescriptionError, match="capacity of input 'camera', 4096"):
        InputLogRecorder(controller.bound, events=4095)
    with pytest.raises(DescriptionError, match="ticks = 0"):
        InputLogRecorder(controller.bound, ticks=0)
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name, rule in {
        "none.npz": "cannot be read",
        "text.npz": "not an .npz",
        "other.npz": "not an input log",
    }.items():
        with pytest.raises(InputError, match=rule):
            InputLog.load(tmp_path / name)
    path = tmp_path / "inputs.npz"
    InputLogRecorder(controller.bound, 10, 5000).save(path)
    with np.load(path) as file:
        whole = {key: file[key] for key in file.files}
    one = {f"camera.{key}": np.zeros(1, whole[f"camera.{key}"].dtype) for key in "txyp"}
    changes = [{"camera.t": np.zeros(3, np.int64)}, {"camera.x": None}, {"joint_velocity.age": np.zeros(3)},
               one | {"camera.offsets": np.ones(1, np.int64)}]  # fmt: skip
    for change in changes:
        damaged = {key: array for key, array in (whole | change).items() if array is not None}
        np.savez(tmp_path / "damaged.npz", **damaged)
        with pytest.raises(InputError, match=r"damaged\.npz: is damaged"):
            InputLog.load(tmp_path / "damaged.npz")
    with pytest.raises(InputError, match="no such input"):
        InputLog.load(path).ports(Controller.load("cartpole").bound)
    with pytest.raises(DescriptionError, match="is not an input"):
        load_stimulus(path, load_spec(shipped("cartpole")))
