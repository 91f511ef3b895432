"""The programs around exported C compile, against parts of the real headers; that for a PC gives the engine's bits."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snn_control.c_export.compilers import compile_c, host_compiler
from snn_control.c_export.export import exported, write
from snn_control.c_export.shells import SHELLS
from snn_control.controller import Controller

STUBS = Path(__file__).parent / "stubs"
STRICT = ["-Wall", "-Wextra", "-Werror"]
#: flags of the firmware
CRAZYFLIE = ["-std=gnu11", "-Wdouble-promotion", "-Wno-unused-function"]


def shell(name, controller, folder):
    """Export a controller with a shell; returns its Program."""
    program = Controller.load(controller).program
    e = exported(program, controller)
    write(e, folder, SHELLS[name](e))
    return program


def test_the_program_for_a_pc_prints_the_commands_of_the_engine(tmp_path):
    shell("plain", "quadrotor_attitude", tmp_path)
    sources = [tmp_path / "plain/main.c", *sorted(tmp_path.glob("*.c"))]
    compile_c(host_compiler(), ["-std=c99", *STRICT, "-O1", "-I", tmp_path, *sources, "-o", tmp_path / "run"])
    controller, rng, lines, want = Controller.load("quadrotor_attitude"), np.random.default_rng(2), [], []
    for t in range(50):
        given = {name: rng.normal(0, 0.3, one.size).astype(np.float32) for name, one in controller.inputs.items()}
        if t % 7 == 3:
            del given["wanted_thrust"]
        lines += [f"set {name} {' '.join(map(str, x))}" for name, x in given.items()] + ["step"]
        command = controller.step({name: given.get(name) for name in controller.inputs})
        want.append(np.concatenate(list(command.values())))
    done = subprocess.run([tmp_path / "run"], input="\n".join(lines), capture_output=True, text=True, check=True)
    got = np.array([line.split()[1:] for line in done.stdout.splitlines()], np.float32)
    np.testing.assert_allclose(got, np.array(want), rtol=1e-7)
    refused = subprocess.run([tmp_path / "run"], input="set nothing 1\n", capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (2, "line 1: not understood\n")


@pytest.mark.parametrize("controller", ["cartpole", "pan_tilt"])
def test_the_program_for_a_pc_compiles(controller, tmp_path):
    shell("plain", controller, tmp_path)
    compile_c(host_compiler(), ["-std=c99", *STRICT, "-fsyntax-only", "-I", tmp_path, tmp_path / "plain/main.c"])


@pytest.mark.parametrize("controller", ["quadrotor_attitude", "cartpole"])
def test_the_controller_of_a_crazyflie_compiles(controller, tmp_path):
    shell("crazyflie", controller, tmp_path)
    source = tmp_path / f"crazyflie/src/controller_{controller}.c"
    flags = [*CRAZYFLIE, *STRICT, "-fsyntax-only", "-I", STUBS / "crazyflie", "-I", tmp_path]
    for file in (source, *sorted(tmp_path.glob("*.c"))):
        compile_c(host_compiler(), [*flags, file])
    assert ("EDIT" in source.read_text().partition("static void give")[2]) == (controller == "cartpole")


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_the_plug_in_for_ros2_control_compiles(tmp_path):
    shell("ros2_control", "quadrotor_attitude", tmp_path)
    flags = ["-std=c++17", *STRICT, "-fsyntax-only", "-I", STUBS / "ros2_control", "-I", tmp_path]
    compile_c(["g++"], [*flags, tmp_path / "ros2_control/quadrotor_attitude_controller.cpp"])
