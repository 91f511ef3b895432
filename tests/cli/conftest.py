"""Fixtures of the tests of commands."""

import importlib
import importlib.util
import warnings

import pytest


@pytest.fixture(scope="module", autouse=True)
def ros_is_imported():
    """Import ROS early, if installed: its parser imports a deprecated module of the standard library."""
    if importlib.util.find_spec("rclpy") is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            importlib.import_module("rosidl_generator_py")
            importlib.import_module("snn_control.ros.check")
