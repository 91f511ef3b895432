"""``snn_control ros``: use topics, services and parameters from the command line, on computers without ``ros2``."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import optional
from .common import add_command, number

MORE = """\
The subcommands are those of the command ros2, which an installation with pip does not have. Values are YAML.

examples:
  snn_control ros topic list
  snn_control ros topic echo /cmd_vel
  snn_control ros topic pub -r 10 /estop std_msgs/msg/Bool '{data: false}'
  snn_control ros service call /controller/release std_srvs/srv/Trigger
  snn_control ros param set /controller outputs.forward.bias 0.15
"""


def add_to(commands: Any) -> None:
    text = "show and publish ROS topics, call services and set parameters, without the command ros2"
    parser = add_command(commands, "ros", None, text, MORE)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    topic, service, param = (
        kinds.add_parser(name, help=text).add_subparsers(dest="verb", metavar="VERB", required=True)
        for name, text in (("topic", "list, echo, pub"), ("service", "call"), ("param", "set"))
    )
    add_command(topic, "list", run, "list topics and their types")
    echo = add_command(topic, "echo", run, "print the messages of a topic")
    echo.add_argument("topic", metavar="TOPIC")
    echo.add_argument("type", metavar="TYPE", nargs="?", default="", help="default: the type of its publishers")
    echo.add_argument("--once", action="store_true", help="print one message")
    pub = add_command(topic, "pub", run, "publish a message repeatedly")
    pub.add_argument("topic", metavar="TOPIC")
    pub.add_argument("type", metavar="TYPE", help="e.g. std_msgs/msg/Bool")
    pub.add_argument("values", metavar="VALUES", nargs="?", default="{}", help="YAML, e.g. '{data: false}'")
    pub.add_argument("-r", "--rate", type=number(1e-3, " Hz"), default=1.0, metavar="HZ", help="default 1")
    pub.add_argument("-1", "--once", action="store_true", help="publish once, to the first subscriber")
    call = add_command(service, "call", run, "call a service and print its response")
    call.add_argument("service", metavar="SERVICE")
    call.add_argument("type", metavar="TYPE", help="e.g. std_srvs/srv/Trigger")
    call.add_argument("values", metavar="VALUES", nargs="?", default="{}", help="YAML")
    change = add_command(param, "set", run, "set a parameter of a node")
    change.add_argument("node", metavar="NODE")
    change.add_argument("name", metavar="NAME")
    change.add_argument("value", metavar="VALUE", help="YAML; write 1.0, not 1, for a floating-point parameter")


def run(options: argparse.Namespace) -> int:
    optional("rclpy", "`snn_control ros` needs rclpy", "ros")
    from ..ros import tools

    if options.verb == "list":
        tools.list_topics()
    elif options.verb == "echo":
        tools.echo(options.topic, options.type, options.once)
    elif options.verb == "pub":
        tools.publish(options.topic, options.type, options.values, options.rate, options.once)
    elif options.verb == "call":
        tools.call_service(options.service, options.type, options.values)
    else:
        tools.set_parameter(options.node, options.name, options.value)
    return 0
