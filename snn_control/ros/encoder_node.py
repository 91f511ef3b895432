"""Sensors to spikes: the encoders of a controller file's inputs, published as PointCloud2, one message a tick.

The same compiled encoders, loop and ports as in the controller; no network and no command.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import PointCloud2

from ..coding import Output, SpikeDecoder
from ..controller import Controller
from ..controller_file import ControllerSpec, RosTopic, load_spec
from ..engine.tick import tick_address
from ..errors import DescriptionError
from ..events.files.messages import CLOUD_TYPE
from ..network import Network
from ..realtime.loop import Loop
from .diagnostics import Reporter
from .process import (
    Stop,
    dds_threads,
    declare,
    io_node,
    missing_rights,
    run_node,
    steady_timer,
    warn_of_unknown_parameters,
)
from .spikes import SpikesOutput
from .topics import at_rate, input_ports, qos_of, resolved

__all__ = ["EncoderNode", "encoders_only", "main"]


def encoders_only(spec: ControllerSpec, names: Sequence[str]) -> ControllerSpec:
    """A controller file without its network: the inputs of these names, none required."""
    known = [i.name for i in spec.inputs]
    for name in names:
        if name not in known:
            raise DescriptionError("inputs", name, f"is not an input of the file: {', '.join(known)}")
    chosen = tuple(dataclasses.replace(i, required=False) for i in spec.inputs if i.name in names or not names)
    for i in chosen:
        if getattr(i.encoder, "neuron", None) is None:  # type: ignore[attr-defined]
            fix = "give its encoder a neuron, or leave it out of the parameter 'inputs'"
            raise DescriptionError(f"inputs.{i.name}.encoder", None, "must make spikes", fix)
    unused = Output("unused", (SpikeDecoder(chosen[0].name, 0.0, 1.0),))
    ros = {i.name: spec.ros_inputs[i.name] for i in chosen if i.name in spec.ros_inputs}
    return dataclasses.replace(
        spec, inputs=chosen, network=Network(), outputs=(unused,), ros_inputs=ros, ros_outputs={}
    )


class EncoderNode(Node):
    """See the README for topics and parameters."""

    NAME, PRIORITY, guarded = "encoder", 70, False
    mode, held_up = "realtime", ""

    def __init__(self, stop: Stop, **options: Any) -> None:
        with dds_threads():
            super().__init__(self.NAME, **options)
        self.exit_code, self.finished = 0, False
        file = declare(self, "controller_file", "", "Controller file whose inputs are encoded")
        wanted = declare(self, "inputs", "", "Names of the inputs, separated by commas; empty: all that spike")
        rate = declare(self, "rate", 0.0, "Rate of the spike messages [Hz]; 0: the file's period", 0.0, 20000.0)
        priority = declare(self, "priority", self.PRIORITY, "SCHED_FIFO priority; 0: none", 0, 98)
        warn_of_unknown_parameters(self)
        if not file:
            fix = "write --ros-args -p controller_file:=FILE"
            raise DescriptionError("controller_file", "", "must name a controller file", fix)
        spec = at_rate(load_spec(file), rate)
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        if not names:
            names = [i.name for i in spec.inputs if getattr(i.encoder, "neuron", None) is not None]  # type: ignore[attr-defined]
        if not names:
            raise DescriptionError("inputs", wanted, "no input of the file has an encoder that spikes")
        spec = encoders_only(spec, names)
        spikes = {
            i.name: RosTopic(f"spikes/{i.name}", CLOUD_TYPE, reliability="reliable", depth=10) for i in spec.inputs
        }
        self.spec = spec = dataclasses.replace(spec, ros_outputs=spikes)
        self.controller = Controller.from_spec(spec)
        self.controller.step({})
        self.controller.reset()
        bound = self.controller.bound
        self._io = io_node(self)
        with dds_threads():
            try:
                self.inputs = input_ports(self, self._io, spec, bound, lockstep=False)
            except DescriptionError as error:
                raise error.in_file(file) from None
            publishers = {
                name: self._io.create_publisher(
                    PointCloud2, resolved(self, f"inputs.{name}", topic.topic), qos_of(topic, lockstep=False)
                )
                for name, topic in spikes.items()
            }
        self.outputs = [SpikesOutput(publisher, bound, name) for name, publisher in publishers.items()]
        self.loop = Loop(
            tick_address(),
            bound.table,
            self.controller.period_ns,
            self.inputs,
            observers=self.outputs,
            priority=priority,
            hold=[*self.inputs, *(port.hold() for port in self.outputs)],
            keep=self.controller,
            name="encoder",
        )
        self._reporter = Reporter(self)
        steady_timer(self, 1.0, self._reporter.report)
        rights = self.loop.start()
        rights = dataclasses.replace(rights, missing=missing_rights(rights.missing))
        if priority and rights.missing:
            self.get_logger().warning(rights.warnings())
        self.get_logger().info(f"{', '.join(publishers)} -> spikes, {1e9 / self.controller.period_ns:g} messages/s")

    def finish(self) -> None:
        """End the loop, then the io node."""
        if self.loop.stop(2.0):
            self._io.destroy_node()


#: entry point of the executable ``encoder_node``: exit code
main = partial(run_node, EncoderNode)

if __name__ == "__main__":
    sys.exit(main())
