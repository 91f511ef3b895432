"""``snn_control ros``: topics, services and parameters as ``ros2`` has them, over DDS."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import yaml
from geometry_msgs.msg import PoseArray
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from snn_control.ros.tools import fill, plain
from tests.cli.common import call
from tests.ros.node_processes import child_environment, wait


def test_a_message_becomes_yaml_and_back():
    values = {
        "header": {"stamp": {"sec": 3, "nanosec": 7}, "frame_id": "arm"},
        "name": ["a", "b"],
        "position": [1, 0.5],
    }
    message = fill(JointState(), values)
    assert (message.header.stamp.sec, message.name, message.position.tolist()) == (3, ["a", "b"], [1.0, 0.5])
    assert plain(message) == values | {"velocity": [], "effort": []}
    poses = fill(PoseArray(), {"poses": [{"position": {"x": 1}}, {}]})
    assert [one.position.x for one in poses.poses] == [1.0, 0.0]
    found = fill(Imu(), yaml.safe_load(yaml.safe_dump(plain(Imu(orientation_covariance=np.arange(9.0))))))
    assert found.orientation_covariance.tolist() == list(range(9))


def test_topics_are_published_printed_and_listed(capsys, robot, button):
    heard = []
    robot.listen(JointState, "goal", heard.append)
    values = "{name: [pan], position: [1]}"
    assert call(capsys, "ros", "topic", "pub", "--once", "/goal", "sensor_msgs/msg/JointState", values)[0] == 0
    wait(lambda: heard)
    assert (heard[0].name, heard[0].position.tolist()) == (["pan"], [1.0])
    button.press()
    code, out, _ = call(capsys, "ros", "topic", "echo", "--once", "estop")
    assert (code, out) == (0, "{data: true}\n---\n")
    wait(lambda: "/estop [std_msgs/msg/Bool]\n" in call(capsys, "ros", "topic", "list")[1])
    latched = robot.publisher(JointState, "latched", QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    latched.publish(JointState(name=["old"]))
    assert "name: [old]" in call(capsys, "ros", "topic", "echo", "--once", "/latched")[1]


def test_messages_are_published_at_a_rate_until_ctrl_c(robot):
    heard = []
    robot.listen(Bool, "/pressed", lambda _: heard.append(time.monotonic()))
    words = ["-m", "snn_control", "ros", "topic", "pub", "-r", "100", "/pressed", "std_msgs/msg/Bool", "{data: true}"]
    with subprocess.Popen(
        [sys.executable, *words], env=child_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        wait(lambda: len(heard) >= 60)
        process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (130, "snn_control: interrupted\n")
    assert 0.3 < heard[59] - heard[0] < 2


def test_a_service_is_called_and_a_parameter_is_set(capsys, robot):
    def answer(request, response):
        response.success, response.message = request.data, "heard"
        return response

    robot.node.create_service(SetBool, "/arm/hold", answer)
    code, out, _ = call(capsys, "ros", "service", "call", "/arm/hold", "std_srvs/srv/SetBool", "{data: true}")
    assert (code, yaml.safe_load(out)) == (0, {"success": True, "message": "heard"})
    import rclpy

    tuned = rclpy.create_node("tuned")
    limits = FloatingPointRange(from_value=0.0, to_value=0.3)
    tuned.declare_parameter("bias", 0.3, ParameterDescriptor(floating_point_range=[limits]))
    robot.executor.add_node(tuned)
    assert call(capsys, "ros", "param", "set", "/tuned", "bias", "0.15")[0] == 0
    assert tuned.get_parameter("bias").value == 0.15
    code, _, err = call(capsys, "ros", "param", "set", "tuned", "bias", "0.5")
    assert (code, tuned.get_parameter("bias").value) == (2, 0.15)
    assert "bias = 0.5: Parameter bias out of range" in err
    robot.executor.remove_node(tuned)
    tuned.destroy_node()


def test_a_service_whose_server_ends_before_it_responds_is_an_error(capsys, ros):
    server = ros.create_node("server")  # not spun, so it does not respond
    service = server.create_service(SetBool, "/arm/hold", lambda request, response: response)

    def end_when_asked():
        with service.handle:
            wait(lambda: service.handle.service_take_request(SetBool.Request)[0])
        server.destroy_node()

    ending = threading.Thread(target=end_when_asked)
    ending.start()
    words = ["ros", "service", "call", "/arm/hold", "std_srvs/srv/SetBool", "{data: true}"]
    assert call(capsys, *words) == (1, "", "snn_control: the server of the service ended before it responded\n")
    ending.join()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("topic pub /x std_msgs/Bool", "topic.type = 'std_msgs/Bool': must be package/msg/Type"),
        ("topic pub /x std_msgs/msg/Boole", "did you mean 'Bool'?"),
        ("topic pub /x std_msgs/msg/Bool [true", "VALUES = '[true': is not YAML"),
        ("topic pub /x std_msgs/msg/Bool {data}", "values.data = None: does not fit the field"),
        ("topic pub /x std_msgs/msg/Bool [1]", "must be a mapping of the fields of Bool; its fields: data"),
        ("topic pub /1x std_msgs/msg/Bool", "Invalid topic name"),
        ("service call /x std_srvs/msg/Trigger", "must be package/srv/Type"),
    ],
)
def test_mistakes_are_named_in_a_line(capsys, words, says):
    code, out, err = call(capsys, "ros", *words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
