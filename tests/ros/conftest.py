"""The surroundings of tests with ROS: their own domain on this machine only, logs in a temporary folder.

Set before rclpy is imported. The ROS 2 wheels start Python a second time with their library path, before
any of this; a process that a test starts with another interpreter must not inherit
``_ROS_WHEELS_BOOTSTRAP_COMPLETE``, or it continues without that path.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
import warnings

import pytest

from tests.domain import own_domain

if importlib.util.find_spec("rclpy") is None:
    collect_ignore_glob = ["test_*.py"]


_logs = tempfile.mkdtemp(prefix="snn_control_ros_log_")
atexit.register(shutil.rmtree, _logs, ignore_errors=True)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(own_domain())
os.environ["ROS_LOG_DIR"] = _logs
os.environ["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"

if importlib.util.find_spec("rosidl_generator_py") is not None:
    with warnings.catch_warnings():  # its parser imports a deprecated module of the standard library
        warnings.simplefilter("ignore", DeprecationWarning)
        import rosidl_generator_py  # noqa: F401


@pytest.fixture(scope="session")
def ros():
    """An initialised rclpy, with signals left to pytest."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    yield rclpy
    rclpy.try_shutdown()


@pytest.fixture(scope="session")
def interfaces():
    """The messages of event cameras, here and in every process that is started; skips where they cannot be built."""
    from tests.ros import interfaces as built

    try:
        installed = built.prefix()
    except built.Unavailable as error:
        pytest.skip(str(error))
    built.use(installed)
    os.environ |= built.environment(installed)
    from snn_control.engine.compile import compile_callback
    from snn_control.events.codecs import ENCODINGS, codec
    from snn_control.ros.ports.packets import take_packets

    for name in ENCODINGS:  # here and not in a node that somebody waits for
        codec(name).address()
    compile_callback(take_packets, "int64(int64,int64,int64)")
    return installed


@pytest.fixture
def nodes(ros):
    """Two nodes: ours, which is not spun, and the other side."""
    io = ros.create_node("controller_io", enable_rosout=False, start_parameter_services=False)
    other = ros.create_node("robot", enable_rosout=False, start_parameter_services=False)
    yield io, other
    other.destroy_node()
    io.destroy_node()


@pytest.fixture(scope="session")
def compiled():
    """The loop and the ports of a node are compiled, here and not in a node that somebody waits for."""
    from snn_control.engine.compile import compile_callback, compile_function
    from snn_control.engine.tick import tick_address
    from snn_control.realtime import cycle
    from snn_control.realtime.port import SIGNATURE
    from snn_control.ros.messages.message_values import compiled_reader
    from snn_control.ros.ports.numeric import publish_command, take_numbers, write_final_numbers

    tick_address()
    compiled_reader()
    for function in (cycle.run, write_final_numbers):
        compile_function(function, "void(int64)")
    for port in (take_numbers, publish_command):
        compile_callback(port, SIGNATURE)


@pytest.fixture
def start(tmp_path, compiled):
    """Starts node processes, which end with the test."""
    from tests.ros.node_processes import Processes

    processes = Processes(tmp_path)
    yield processes
    processes.close()


@pytest.fixture
def robot(ros):
    """The other side of the topics."""
    from tests.ros.robot import Robot

    one = Robot(ros)
    yield one
    one.close()


@pytest.fixture
def button(robot):
    """An emergency stop, on the topic ``estop``."""
    from std_msgs.msg import Bool

    from tests.ros.robot import Button

    one = Button(robot.publisher(Bool, "estop"))
    yield one
    one.dies()
