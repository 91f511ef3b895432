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


LIFE = r"""
#include "ros2_control/quadrotor_attitude_controller.cpp"

int main() {
    quadrotor_attitude::Controller one;
    rclcpp_lifecycle::State state;
    auto configured = [&] { return one.on_configure(state) == controller_interface::CallbackReturn::SUCCESS; };
    std::array<double, 4> command{1.0, 2.0, 3.0, 4.0};
    std::array<double, 16> sensed{};
    one.node->parameters["command_interfaces"] = {"a", "b", "c"};
    for (const auto &input : quadrotor_attitude::INPUTS)
        one.node->parameters[std::string("state_interfaces.") + input.name] = {};
    one.update_rate = 1000;
    if (configured()) return 1;
    one.update_rate = 500;
    if (configured()) return 2;
    one.node->parameters["command_interfaces"] = {"a", "b", "c", "d"};
    one.node->parameters["state_interfaces.attitude"] = {"x"};
    if (configured()) return 3;
    one.node->parameters["state_interfaces.attitude"] = {};
    if (!configured()) return 4;
    for (double &value : command) one.command_interfaces_.push_back({&value});
    for (double &value : sensed) one.state_interfaces_.push_back({&value});
    one.on_activate(state);
    for (double &value : command) value = 7.0;
    one.on_deactivate(state);
    for (double value : command) std::printf("%g ", value);
    for (double &value : command) value = 7.0;
    one.on_error(state);
    for (double value : command) std::printf("%g ", value);
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_the_plug_in_for_ros2_control_refuses_another_rate_and_ends_with_the_safe_commands(tmp_path):
    program = shell("ros2_control", "quadrotor_attitude", tmp_path)
    (tmp_path / "life.cpp").write_text(LIFE)
    include = ["-I", STUBS / "ros2_control", "-I", tmp_path]
    compile_c(["g++"], ["-std=c++17", *STRICT, "-c", *include, tmp_path / "life.cpp", "-o", tmp_path / "life.o"])
    sources = [tmp_path / f"quadrotor_attitude{part}.c" for part in ("", "_selftest")]
    for file in sources:
        compile_c(host_compiler(), ["-std=c99", "-c", file, "-o", file.with_suffix(".o")])
    objects = [tmp_path / "life.o", *(file.with_suffix(".o") for file in sources)]
    compile_c(["g++"], [*objects, "-lm", "-o", tmp_path / "life"])
    done = subprocess.run([tmp_path / "life"], capture_output=True, text=True, check=True)
    *refused, safe = done.stdout.splitlines()
    assert refused == [
        "quadrotor_attitude: update_rate is 1000 Hz, must be 500.000000",
        "quadrotor_attitude: command_interfaces has 3 names, needs 4",
        "quadrotor_attitude: state_interfaces.attitude has 1 names, needs 0 or 2",
    ]
    assert [float(one) for one in safe.split()] == 2 * program.names["safe"].view(program.constants).tolist()
