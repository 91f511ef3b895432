"""A controller on a robot's topics: ros2 launch snn_control controller.launch.py controller_file:=my_robot.yaml"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from launch import LaunchDescription
from snn_control.ros.nodes.launching import (
    CONTROLLER_ARGUMENTS,
    check_names,
    controller,
    declarations,
    node_arguments,
)  # fmt: skip


def start(context):
    given = context.launch_configurations
    check_names(given, CONTROLLER_ARGUMENTS)
    process = controller(**{name: given[name] for name in CONTROLLER_ARGUMENTS})
    return [Node(**node_arguments(process))]


def generate_launch_description():
    arguments = [DeclareLaunchArgument(**one) for one in declarations(CONTROLLER_ARGUMENTS)]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
