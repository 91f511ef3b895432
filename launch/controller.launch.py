"""A controller on a robot's topics: ros2 launch snn_control controller.launch.py controller_file:=my_robot.yaml"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from snn_control.ros.nodes.launching import ARGUMENTS, CONTROLLER_ARGUMENTS, controller, node_arguments


def start(context):
    process = controller(**{name: LaunchConfiguration(name).perform(context) for name in CONTROLLER_ARGUMENTS})
    return [Node(**node_arguments(process))]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(name, default_value=str(ARGUMENTS[name][0]), description=ARGUMENTS[name][1])
        for name in CONTROLLER_ARGUMENTS
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
