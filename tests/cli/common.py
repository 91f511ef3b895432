"""Helpers of the tests of commands."""

import yaml

from snn_control.cli import main

VALUE = {"observation": {"kind": "value", "size": 3}}
TERM = {"from": "observation", "weights": [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]}
FLOATS = {"type": "std_msgs/msg/Float64MultiArray"}
ROS = {
    "inputs": {"observation": {"topic": "seen", "field": "data[:]", **FLOATS}},
    "outputs": {"torque": {"topic": "torque", "field": "data[:]", **FLOATS}},
}


def call(capsys, *arguments):
    """Exit code, output and error output of a command."""
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def described(folder, **more):
    """A controller of Pendulum-v1's observation with two numbers as its output, changed."""
    values = {"version": 1, "period": 0.05, "inputs": VALUE}
    values["outputs"] = {"torque": {"size": 2, "decoder": {"type": "membrane", **TERM}}}
    path = folder / "controller.yaml"
    path.write_text(yaml.safe_dump(values | more))
    return path
