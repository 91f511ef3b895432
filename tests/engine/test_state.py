"""Programs and states: saved, restored, refused."""

import dataclasses
import json

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from snn_control.coding import EventsInput, LinearEncoder, Output, PoolEncoder, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.engine.program import Program
from snn_control.errors import ProgramError
from snn_control.network import LI, LIF, CubaLIF, Network, Population, Projection


def program(weight=1.0, size=12):
    rng = np.random.default_rng(0)
    neurons = CubaLIF(tau_mem=0.01, refractory=2e-3)
    network = Network(
        (Population("a", size, neurons), Population("b", 5, LIF(reset="subtract")), Population("slow", 2, LI())),
        (
            Projection("camera", "a", rng.normal(1, 1, (4, size)), delay=2e-3),
            Projection("x", "a", rng.normal(0, 1, (8, size)), receptor="current"),
            Projection("a", "b", weight * rng.normal(1, 1, (size, 5))),
            Projection("b", "a", rng.normal(0, 1, 3), "sparse", [0, 1, 4], [2, 3, 7], delay=3e-3),
            Projection("b", "slow", 0.2, delay=1e-3),
        ),
    )
    inputs = [
        EventsInput("camera", size=(8, 8), encoder=PoolEncoder((2, 2)), capacity=64, required=False),
        ValueInput("x", size=2, stale=5e-3, encoder=LinearEncoder(rng.normal(size=(2, 8)), neuron=LIF())),
    ]
    outputs = [Output("u", (SpikeDecoder("b", 0.05, 0.01),), limits=(-1, 1), slew=50)]
    return build(network, inputs, outputs, dt=1e-3, period=2e-3)


def drive(controller, ticks, seed=0):
    rng, commands = np.random.default_rng(seed), []
    for _ in range(ticks):
        given = {"camera": np.stack([np.zeros(9), *rng.integers(0, 8, (2, 9)), rng.integers(0, 2, 9)], 1)}
        if rng.random() < 0.7:
            given["x"] = rng.normal(size=2) * 5
        commands.append(controller.step(given)["u"])
    return np.concatenate(commands)


def test_a_restored_state_continues_with_the_same_bits():
    whole, part, other = (Controller(program()) for _ in range(3))
    drive(whole, 40)
    drive(part, 40)
    saved = part.state()
    expected = drive(whole, 40, seed=1)
    assert np.ptp(expected) > 0
    drive(part, 7, seed=2)  # go astray, then come back
    part.restore(saved)
    other.restore(saved)
    for controller in (part, other):
        assert drive(controller, 40, seed=1).tobytes() == expected.tobytes()
        assert controller.state().tobytes() == whole.state().tobytes()
        assert controller.counters() == whole.counters()


def test_a_saved_state_is_a_copy():
    controller = Controller(program())
    saved = controller.state()
    before = saved.copy()
    drive(controller, 3)
    assert (saved == before).all()


def test_a_reset_controller_is_a_fresh_one():
    used, fresh = Controller(program()), Controller(program())
    drive(used, 30)
    used.reset()
    assert used.state().tobytes() == fresh.state().tobytes()
    assert used.bound.io.tobytes() == fresh.bound.io.tobytes()
    assert drive(used, 30).tobytes() == drive(fresh, 30).tobytes()


def test_two_controllers_of_one_program_do_not_touch_each_other():
    one = program()
    a, b = Controller(one), Controller(one)
    drive(a, 20)
    assert b.state().tobytes() == Controller(one).state().tobytes()


def test_a_state_of_another_size_is_refused():
    small, large = Controller(program()), Controller(program(size=200))
    for state in (large.state(), small.state()[:-8], np.zeros(3, np.uint8), small.state().view(np.int8)):
        with pytest.raises(ProgramError, match="is not a state of this Program"):
            small.restore(state)


def test_constants_are_read_only():
    bound = Bound(program())
    with pytest.raises(ValueError, match="read-only"):
        bound.array("a->b.weights")[:] = 0
    with pytest.raises(ValueError, match="read-only"):
        bound.program.constants[:] = 0


def test_blocks_and_arrays_stand_at_multiples_of_64_bytes():
    bound = Bound(program())
    for block in (bound.constants, bound.state, bound.io):
        assert block.ctypes.data % 64 == 0
    assert all(
        p.offset % 64 == 0 for name, p in bound.program.names.items() if not name.endswith((".command", ".safe"))
    )


def test_a_saved_program_comes_back_whole(tmp_path):
    one = program()
    one.save(tmp_path / "p.npz")
    again = Program.load(tmp_path / "p.npz")
    assert again.digest == one.digest
    assert again.facts == one.facts
    assert drive(Controller(again), 20).tobytes() == drive(Controller(one), 20).tobytes()
    assert Controller.load(tmp_path / "p.npz").program.digest == one.digest
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_the_digest_tells_programs_apart():
    assert program().digest == program().digest
    assert program().digest != program(weight=1.0001).digest


@pytest.mark.parametrize("place", [0.1, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_a_damaged_file_is_refused(tmp_path, place, how):
    path = tmp_path / "p.npz"
    program().save(path)
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    if how == "cut":
        del data[at:]
    else:
        data[at : at + 16] = bytes(b ^ 0xFF for b in data[at : at + 16])
    path.write_bytes(data)
    with pytest.raises(ProgramError, match=r"p\.npz"):
        Program.load(path)


def test_changed_weights_another_schema_and_no_file_are_refused(tmp_path):
    path = tmp_path / "p.npz"
    program().save(path)
    with np.load(path) as file:
        arrays = dict(file)
    constants = arrays["constants"].copy()
    constants[70] ^= 1
    np.savez(path, **{**arrays, "constants": constants})
    with pytest.raises(ProgramError, match="content does not match its hash"):
        Program.load(path)
    description = json.loads(str(arrays["description"])) | {"schema": 99}
    np.savez(path, **{**arrays, "description": np.array(json.dumps(description))})
    with pytest.raises(ProgramError, match="schema = 99: must be 4; build the controller again"):
        Program.load(path)
    np.savez(path, weights=constants)
    with pytest.raises(ProgramError, match="not a saved Program"):
        Program.load(path)
    with pytest.raises(ProgramError, match="not a saved Program"):
        Program.load(tmp_path / "none.npz")


def changed(one, k, **values):
    operations = list(one.operations)
    operations[k] = dataclasses.replace(operations[k], **values)
    return dataclasses.replace(one, operations=tuple(operations))


def test_a_program_for_another_version_of_a_kernel_is_refused():
    with pytest.raises(ProgramError, match="has version 1, the Program was built for 2; build it again"):
        Bound(changed(program(), 3, version=2))
    with pytest.raises(ProgramError, match="'no_such' is not installed"):
        Bound(changed(program(), 3, kernel="no_such"))


def test_a_place_outside_its_block_is_refused():
    one = program()
    operands = list(one.operations[0].operands)
    at = next(k for k, o in enumerate(operands) if not isinstance(o, int))
    for offset in (1 << 30, -64, 4):
        wrong = [*operands[:at], dataclasses.replace(operands[at], offset=offset), *operands[at + 1 :]]
        with pytest.raises(ProgramError, match="lies outside its block"):
            Bound(changed(one, 0, operands=tuple(wrong)))


def test_numpy_sizes_can_be_saved(tmp_path):
    network = Network((Population("a", np.int64(3), LIF()),))
    one = build(network, [], [Output("u", (SpikeDecoder("a", 1.0, 0.01),))], dt=1e-3, period=1e-3)
    one.save(tmp_path / "p.npz")
    assert Program.load(tmp_path / "p.npz").digest == one.digest


def test_a_tick_allocates_nothing():
    controller = Controller(program())
    drive(controller, 5)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    for _ in range(10_000):
        controller.bound.tick()
    assert rtsys.get_allocation_stats() == before
    _nrt_python.memsys_disable_stats()
    assert controller.counters()["ticks"] == 10_005
