"""Whole controllers in C give every bit of the engine: all state and all commands, tick by tick."""

import ctypes
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from snn_control.c_export.compilers import STRICT, compile_c, host_compiler
from snn_control.c_export.host import HostMachine
from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import Network, Population
from snn_control.network.neurons import IF
from tests.c_export import networks
from tests.c_export.driver import agree, export
from tests.engine import zoo
from tests.engine.random_controllers import descriptions, learners

MAKE = networks.MAKE | {"zoo": zoo.program}
TICKS = {"zoo": 40, "motion": 60, "event_tracker": 150, "event_landing": 150}
SANITIZED = ("cartpole", "zoo", "pan_tilt", "arm")


@pytest.mark.parametrize("name", MAKE)
def test_a_controller_in_c_has_the_bits_of_the_engine_and_compiles_without_a_warning(name, tmp_path):
    program = MAKE[name]()
    layout = export(program, tmp_path)
    machine = HostMachine(tmp_path, layout, (*STRICT, "-Werror", "-O2" if name in SANITIZED else "-O1"))
    assert machine.call("selftest_in") == 0
    agree(program, layout, machine, TICKS.get(name, 250))


def test_more_spikes_in_a_step_than_32_bits_can_count(tmp_path):
    neurons = Population("a", 40_000, IF(reset="subtract", several=True), bias=1e9)  # each fires 65,535 times
    output = Output("u", (SpikeDecoder("a", 1e-9, 0.02),), 1, limits=(-1, 1))
    program = build(Network((neurons,), ()), [], [output], dt=1e-3, period=1e-3)
    layout = export(program, tmp_path)
    machine = HostMachine(tmp_path, layout, ("-std=c99", "-O1"))
    assert machine.call("selftest_in") == 0


@pytest.mark.deep
@pytest.mark.parametrize("name", MAKE)
def test_a_controller_in_c_has_the_bits_of_the_engine_for_long(name, tmp_path):
    program = MAKE[name]()
    layout = export(program, tmp_path)
    agree(program, layout, HostMachine(tmp_path, layout, ("-std=c99", "-O3", "-march=native")), 10_000)


@pytest.mark.parametrize("flags", [("-std=gnu11", "-O3", "-march=native"), ("-std=c99", "-O3", "-ffp-contract=fast")])
def test_contraction_is_switched_off(flags, tmp_path):
    program = MAKE["cartpole"]()
    layout = export(program, tmp_path)
    agree(program, layout, HostMachine(tmp_path, layout, flags), 100)


@pytest.mark.parametrize("name", SANITIZED)
def test_it_runs_with_sanitizers(name, tmp_path):
    export(MAKE[name](), tmp_path)
    files = [tmp_path / "controller.c", tmp_path / "controller_selftest.c"]
    main = tmp_path / "main.c"
    main.write_text('#include "controller.h"\nint main(void) { return controller_selftest(); }\n')
    flags = ["-std=c99", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compile_c(host_compiler(), [*flags, *files, main, "-o", tmp_path / "checked"])
    compile_c([str(tmp_path / "checked")], [])


def random_agrees(description, seed, folder: Path, ticks=60):
    network, inputs, outputs, dt, period, guard = description
    program = build(network, inputs, outputs, dt=dt, period=period, guard=guard, seed=seed)
    layout = export(program, folder)
    agree(program, layout, HostMachine(folder, layout, FAST), ticks, seed)
    return program, layout


FAST = ("-std=c99", "-O0")  # to compile; optimised code is that of the tests above, and of each kernel's
QUICK = settings(max_examples=20, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@QUICK
@given(descriptions(), st.integers(0, 1 << 40))
def test_random_networks_agree(tmp_path_factory, description, seed):
    random_agrees(description, seed, tmp_path_factory.mktemp("random"))


@pytest.mark.deep
@pytest.mark.timeout(3600)
@QUICK
@given(descriptions(), st.integers(0, 1 << 40))
def test_random_networks_agree_for_long(tmp_path_factory, description, seed):
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    from snn_control.c_export.emulator import EmulatedMachine

    folder = tmp_path_factory.mktemp("random")
    program, layout = random_agrees(description, seed, folder, 10_000)
    for target, optimise in product(("cortex-m4f", "aarch64"), ("-Os", "-O2")):
        agree(program, layout, EmulatedMachine(folder, layout, target, optimise), 10_000, seed)


@settings(QUICK, max_examples=5)
@given(learners(), st.integers(0, 1 << 40))
def test_random_learning_networks_agree(tmp_path_factory, description, seed):
    random_agrees(description, seed, tmp_path_factory.mktemp("random"))


def test_the_functions_of_the_interface_do_what_a_controller_does(tmp_path):
    """Samples, ages in periods, stop and release, reset: through the functions that a program calls."""
    controller = Controller.load("cartpole")
    layout = export(controller.program, tmp_path)
    machine, rng = HostMachine(tmp_path, layout), np.random.default_rng(3)
    machine.call("init")
    held = False
    for t in range(60):
        x = rng.normal(size=4).astype(np.float32)
        if t in (10, 30):
            machine.call("stop")
            controller.bound.array("control")[2] |= 1 << 62
            held = True
        if t in (20, 35):
            machine.call("release")
            controller.bound.array("control")[2] = (int(controller.bound.array("control")[2]) ^ (1 << 62)) + 1
            held = False
        if t == 40:
            machine.call("reset")
            controller.restart()
        machine.call("set_observation", ctypes.c_void_p(x.ctypes.data))
        want = controller.step({"observation": x})["push"]
        machine.call("step")
        command = machine.read()[layout.commands.c :][:8].view(np.float64)
        assert command[0] == want[0], t
        assert bool(machine.call("status") & 8) == held
    assert machine.call("status") == 0


def test_learning_is_switched_and_forgotten_as_in_a_controller(tmp_path):
    controller = Controller.load("arm")
    layout = export(controller.program, tmp_path)
    machine, rng = HostMachine(tmp_path, layout, FAST), np.random.default_rng(5)
    machine.call("init")
    for t in range(60):
        given = {name: rng.normal(0, 0.5, one.size).astype(np.float32) for name, one in controller.inputs.items()}
        if t in (20, 30):
            machine.call("learn_state_to_torque", int(t == 30))
            controller.learning(t == 30)
        if t == 45:
            machine.call("forget")
            controller.restart(forget=True)
        for name, x in given.items():
            machine.call(f"set_{name}", ctypes.c_void_p(x.ctypes.data))
        want = controller.step(given)["torque"]
        machine.call("step")
        (weights,) = layout.parts["state->torque.weights"]
        image = machine.read()
        assert image[layout.commands.c :][:16].tobytes() == want.tobytes(), t
        learned = controller.bound.array("state->torque.weights")
        assert image[weights.c :][: learned.nbytes].tobytes() == learned.tobytes(), t
        if t in (15, 44):
            assert np.any(learned)
        if t == 45:
            assert np.abs(learned).max() < 1e-2
