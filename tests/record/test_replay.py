"""A recorded run, run again, has the same bits; and what differs is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from snn_control.controller_file import load_spec
from snn_control.engine.tick import tick_address
from snn_control.errors import InputError
from snn_control.realtime.loop import Loop
from snn_control.realtime.ports.memory import ReplayInput
from snn_control.realtime.rights import Rights
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.input_log import InputLog
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.record.replay import replay_log
from snn_control.record.run_folder import companion
from snn_control.resources import shipped
from tests.cli.common import call
from tests.engine.test_control_words import memory
from tests.realtime.rig import until
from tests.record.test_input_log import patient

PERIOD_NS = 1_000_000


def pan_tilt(n, seed, **sizes):
    """A recorded run of the shipped pan_tilt on random events: its recorders, and its controller."""
    controller, rng = patient(), np.random.default_rng(seed)
    recorders = ActivityRecorder(controller.bound, **sizes), InputLogRecorder(controller.bound, sizes["ticks"], 60_000)
    controller.observers = list(recorders)
    for recorder in recorders:
        recorder.clear()
    for k in range(n):
        m = int(rng.integers(0, 60))
        events = (
            np.sort(rng.integers(0, PERIOD_NS, m)) + k * PERIOD_NS,
            *rng.integers(40, 90, (2, m)),
            rng.integers(0, 2, m),
        )
        controller.step({"camera": events, "joint_velocity": rng.normal(0, 1, 2) if k % 3 else None})
    return (*recorders, controller)


@pytest.mark.parametrize("ticks", [2000, 300])
def test_a_run_has_its_bits_again_also_when_its_beginning_was_overwritten(ticks):
    record, inputs, _ = pan_tilt(900, 1, ticks=ticks, spikes=100_000)
    log, arrays = inputs.log(), record.arrays()
    found = replay_log(patient(), log, arrays)
    assert found.identical
    assert found.first_tick + found.ticks == 900
    assert found.ticks == 900 if ticks == 2000 else 250 < found.ticks <= 300
    assert found.spikes > 300


def test_what_differs_is_named():
    record, inputs, _ = pan_tilt(400, 2, ticks=1000, spikes=100_000)
    log, arrays = inputs.log(), record.arrays()
    changed = arrays | {"command": arrays["command"].copy()}
    changed["command"][123, 1] = np.nextafter(changed["command"][123, 1], 9)
    found = replay_log(patient(), log, changed)
    assert (found.identical, found.tick, found.word, found.step) == (False, 123, 1, None)
    assert found.recorded == changed["command"][123, 1] != found.replayed
    other = arrays | {"spike_neuron": arrays["spike_neuron"].copy()}
    other["spike_neuron"][50] += 1
    found = replay_log(patient(), log, other)
    assert (found.tick, found.step) == (None, arrays["spike_step"][50])
    missing = arrays | {key: arrays[key][:-1] for key in ("spike_step", "spike_population", "spike_neuron")}
    assert replay_log(patient(), log, missing).step == arrays["spike_step"][-1]


def test_learned_weights_at_the_beginning_are_part_of_it():
    live, rng = memory(), np.random.default_rng(3)
    for _ in range(200):
        live.step({"x": rng.uniform(0, 1, 8)})
    record, inputs = ActivityRecorder(live.bound), InputLogRecorder(live.bound)
    live.reset()
    live.bound.array(f"{live.program.facts.learning[0].title}.weights")[:] += 0.25  # as if they were loaded
    live.observers = [record, inputs]
    for recorder in live.observers:
        recorder.clear()
    for _ in range(100):
        live.step({"x": rng.uniform(0, 1, 8)})
    assert replay_log(memory(), inputs.log(), record.arrays()).identical
    without = replace(inputs.log(), state=np.zeros(0, np.uint8))
    assert not replay_log(memory(), without, record.arrays()).identical


def test_a_snapshot_of_a_running_loop_is_whole():
    """Copies while a loop without a pace overwrites small rings."""
    live, n = memory(), 400_000
    values = np.random.default_rng(4).uniform(0, 1, (n, 8))
    record, inputs = ActivityRecorder(live.bound, 5000, 100_000), InputLogRecorder(live.bound, 5000)
    loop = Loop(
        tick_address(), live.bound.table, live.period_ns, [ReplayInput.of(live.bound, "x", values)],
        observers=[inputs, record], mode="free", control=live.bound.address("control"),
        guard=live.bound.address("guard"), keep=live,
    )  # fmt: skip
    for recorder in (record, inputs):
        recorder.clear()
    loop.start()
    taken, common = [], []

    def look():
        """Take a snapshot; whether those with ticks in both rings, which go on between the copies, are enough."""
        log, arrays = inputs.log(running=True), record.arrays(running=True)
        lost = int(arrays["overwritten"][0])
        common.append(min(lost + len(arrays["command"]), log.first_tick + log.ticks) - max(lost, log.first_tick))
        taken.append((log, arrays))
        return len(taken) >= 12 and sum(n for n in common if n > 0) > 3000

    until(look)
    assert loop.stop()
    compared = 0
    for log, arrays in taken:
        try:
            found = replay_log(memory(), log, arrays)
        except InputError as error:
            assert any(text in str(error) for text in ("no tick in common", "was not kept"))  # noqa: PT017
            continue
        assert found.identical, (found, log.first_tick)
        compared += found.ticks
    assert compared > 1000


def test_a_log_of_another_controller_or_without_a_beginning_is_refused():
    record, inputs, _ = pan_tilt(400, 5, ticks=150, spikes=50_000)
    log, arrays = inputs.log(), record.arrays()
    with pytest.raises(InputError, match=r"begins after .* ticks, and its state was not kept"):
        replay_log(patient(), replace(log, state=np.zeros(0, np.uint8)), arrays)
    with pytest.raises(InputError, match="the log's state is not of this controller"):
        replay_log(patient(), replace(log, state=log.state[:-8]), arrays)
    with pytest.raises(InputError, match="it is of another controller"):
        replay_log(memory(), log, arrays | {"command": np.zeros((9, 7))})


def test_the_command(tmp_path, capsys):
    record, inputs, controller = pan_tilt(300, 6, ticks=200, spikes=50_000)
    file = tmp_path / "a.npz"

    class Still:
        wake = duration = latency = np.zeros(4, np.int64)
        running = False
        rights = Rights()

        def stats(self):
            return {}

    inputs.save(companion(file, "inputs"))
    record.save(file, Still(), controller)
    spec = load_spec(shipped("pan_tilt"))
    code, _, err = call(capsys, "replay", file)
    assert (code, "a_controller.yaml: is not there: the controller of the run; record it anew" in err) == (2, True)
    patient_spec = replace(spec, inputs=tuple(replace(one, stale=np.inf) for one in spec.inputs))
    patient_spec.save(companion(file, "controller"))
    for other in ("controller", "inputs"):
        code, _, err = call(capsys, "replay", companion(file, other))
        assert (code, str(companion(file, other)) in err, err.count("\n")) == (2, True, 1)
    code, out, err = call(capsys, "replay", file)
    assert (code, err) == (0, "")
    assert out.startswith("identical to the bit: ")
    code, out, _ = call(capsys, "replay", file, "--json")
    found = json.loads(out)
    assert (code, found["identical"], found["tick"]) == (0, True, None)
    assert found["first_tick"] + found["ticks"] == 300
    assert call(capsys, "export", companion(file, "controller"), "--c", tmp_path / "c")[0] == 0
    code, out, _ = call(capsys, "replay", file, "--c", tmp_path / "c")
    assert (code, "identical to the bit, in the whole state of " in out) == (0, True)
    source = tmp_path / "c" / "a_controller.c"
    source.write_text(source.read_text().replace("0.9421f", "0.9422f"))
    code, out, _ = call(capsys, "replay", file, "--c", tmp_path / "c")
    assert (code, f"C of {tmp_path / 'c'}: differs in tick " in out) == (1, True)
    quicker = replace(patient_spec, outputs=tuple(replace(one, slew=1.0) for one in patient_spec.outputs))
    quicker.save(tmp_path / "other.yaml")
    code, out, _ = call(capsys, "replay", file, "--controller", tmp_path / "other.yaml")
    assert code in (1, 2)
    with np.load(file) as data:
        arrays = dict(data)
    arrays["command"][150, 0] += 1e-9
    np.savez(file, **arrays)
    code, out, _ = call(capsys, "replay", file)
    tick = int(arrays["overwritten"][0]) + 150
    assert code == 1
    assert f"first command: tick {tick} ({tick / 1000:g} s), pan" in out
    assert InputLog.load(companion(file, "inputs")).state.size == controller.bound.state.size
