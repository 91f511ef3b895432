"""World and controller: ros2 launch snn_control closed_loop.launch.py lockstep:=true"""

from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch_ros.actions import Node

from launch import LaunchDescription
from snn_control.ros.nodes.launching import ARGUMENTS, check_names, closed_loop, declarations, node_arguments


def start(context):
    given = context.launch_configurations
    check_names(given, ARGUMENTS)
    processes = closed_loop(**{name: given[name] for name in ARGUMENTS})
    nodes = [Node(**node_arguments(process)) for process in processes]
    # neither the world nor the controller is of use without the other
    ends = [
        RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[EmitEvent(event=Shutdown())]))
        for node, process in zip(nodes, processes)
        if process.needed
    ]
    return [*nodes, *ends]


def generate_launch_description():
    arguments = [DeclareLaunchArgument(**one) for one in declarations(ARGUMENTS)]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])
